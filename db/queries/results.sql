-- name: claim_poll
-- One poller per integration: takes the cursor when it is due and nobody holds it.
update poll_cursor c
set lease_token = nextval('lease_token'), lease_until = now() + %(lease)s
from integration i
where c.integration_id = %(integration_id)s and i.integration_id = c.integration_id and i.state = 'active'
  and (i.resume_at is null or i.resume_at <= now())
  and c.due_at <= now() and (c.lease_until is null or c.lease_until < now())
returning c.run, c.full_at, c.regraded_at, c.regraded_until, c.polled_at, c.lease_token, now();

-- name: advance_poll
-- The cursor moves together with the rows it stands for, and only while it is still ours.
update poll_cursor
set run = %(run)s::jsonb, lease_until = now() + %(lease)s
where integration_id = %(integration_id)s and lease_token = %(token)s
returning integration_id;

-- name: end_poll
-- The pass is over, or put off with its position kept.
update poll_cursor
set run = %(run)s::jsonb, due_at = now() + %(wait)s, lease_token = null, lease_until = null, polled_at = now(),
    full_at = case when %(read_everything)s then now() else full_at end
where integration_id = %(integration_id)s and lease_token = %(token)s
returning integration_id;

-- name: open_people
-- The next people with enrolments that are provisioned and not completed.
select a.account_id, a.lms_user_id,
       array_agg(p.placement_id order by p.placement_id), array_agg(p.lms_course_id order by p.placement_id)
from account a join placement p using (account_id)
where p.integration_id = %(integration_id)s and p.provisioned_at is not null and not p.completed
  and a.account_id > %(after)s and a.lms_user_id is not null and p.lms_course_id is not null
group by a.account_id, a.lms_user_id
order by a.account_id
limit %(most)s;

-- name: result_subjects
-- Enrolments with something completed, and what HR says that bears on their results.
select p.placement_id, p.enrolment_key, a.employee_key, p.course_code, e.event_id,
       nullif(concat_ws(' ', own.event_id, general.event_id), ''), e.data ->> 'starts_on', e.data -> 'outcomes',
       coalesce(nullif(own.data -> 'units', '[]'), general.data -> 'units'), e.trace_id
from placement p
join account a using (account_id)
join integration i on i.integration_id = p.integration_id
left join enrolment e on e.tenant = p.tenant and e.enrolment_key = p.enrolment_key
left join course own on own.tenant = p.tenant and own.course_code = p.course_code and own.integration = i.name
left join course general on general.tenant = p.tenant and general.course_code = p.course_code and general.integration = ''
where p.placement_id = any(%(ids)s);

-- name: current_results
-- The results that HR has for these enrolments, unit by unit.
select p.placement_id, r.outcome, r.passed, r.grade, r.completed_at, r.event_id, r.unit_code, r.evidence ->> 'overwrote'
from placement p join result r on r.integration_id = p.integration_id and r.enrolment_key = p.enrolment_key
where p.placement_id = any(%(ids)s);

-- name: placements_by_key
-- The enrolments that rows of a report speak of, and the index of the row.
select w.n, p.placement_id
from unnest(%(external_keys)s::text[], %(course_codes)s::text[]) with ordinality as w(external_key, course_code, n)
join account a on a.integration_id = %(integration_id)s and a.external_key = w.external_key
join placement p on p.account_id = a.account_id and p.provisioned_at is not null
left join lms_course c on c.integration_id = p.integration_id and c.lms_course_id = p.lms_course_id
where coalesce(c.code, p.course_code) = w.course_code or p.course_code = w.course_code;

-- name: save_results
-- One current result per enrolment and unit.
insert into result as r (result_id, tenant, integration_id, enrolment_key, employee_key, course_code, unit_code, outcome,
                         passed, grade, completed_at, synced_at, attempted_on, evidence, event_id)
select u.result_id, %(tenant)s, %(integration_id)s, u.enrolment_key, u.employee_key, u.course_code, u.unit_code, u.outcome,
       u.passed, u.grade, u.completed_at, now(), u.attempted_on, u.evidence::jsonb, u.event_id
from unnest(%(result_ids)s::text[], %(enrolments)s::text[], %(employees)s::text[], %(courses)s::text[], %(units)s::text[],
            %(outcomes)s::text[], %(passed)s::boolean[], %(grades)s::numeric[], %(completed_at)s::timestamptz[],
            %(attempted_on)s::date[], %(evidence)s::text[], %(event_ids)s::text[])
     as u(result_id, enrolment_key, employee_key, course_code, unit_code, outcome, passed, grade, completed_at,
          attempted_on, evidence, event_id)
on conflict (result_id) do update
set unit_code = excluded.unit_code, outcome = excluded.outcome, passed = excluded.passed, grade = excluded.grade,
    completed_at = excluded.completed_at, synced_at = excluded.synced_at, attempted_on = excluded.attempted_on,
    evidence = excluded.evidence, event_id = excluded.event_id;

-- name: save_result_events
-- Each completion is announced once.
insert into result_event (event_id, result_id, kind, completion_key, corrects, data)
select u.event_id, u.result_id, u.kind, u.completion_key, u.corrects, u.data::jsonb
from unnest(%(event_ids)s::text[], %(result_ids)s::text[], %(kinds)s::text[], %(completion_keys)s::text[],
            %(corrects)s::text[], %(data)s::text[])
     as u(event_id, result_id, kind, completion_key, corrects, data)
on conflict do nothing;

-- name: hold_completions
-- What is completed but no result for now, once per enrolment and unit; returns those that are new.
with held as (
    insert into held_completion as h (tenant, integration_id, enrolment_key, employee_key, course_code, unit_key, unit_code,
                                      reason, completed_at, grade, evidence, settings_version, enrolment_event,
                                      course_event)
    select %(tenant)s, %(integration_id)s, u.enrolment_key, u.employee_key, u.course_code, u.unit_key, u.unit_code,
           u.reason, u.completed_at, u.grade, u.evidence::jsonb, %(settings_version)s, u.enrolment_event, u.course_event
    from unnest(%(enrolments)s::text[], %(employees)s::text[], %(courses)s::text[], %(unit_keys)s::text[],
                %(units)s::text[], %(reasons)s::text[], %(completed_at)s::timestamptz[], %(grades)s::numeric[],
                %(evidence)s::text[], %(enrolment_events)s::text[], %(course_events)s::text[])
         as u(enrolment_key, employee_key, course_code, unit_key, unit_code, reason, completed_at, grade, evidence,
              enrolment_event, course_event)
    on conflict (integration_id, enrolment_key, unit_key) where resolved_at is null do update
    set course_code = excluded.course_code, unit_code = excluded.unit_code, reason = excluded.reason,
        completed_at = excluded.completed_at, grade = excluded.grade, evidence = excluded.evidence,
        settings_version = excluded.settings_version, enrolment_event = excluded.enrolment_event,
        course_event = excluded.course_event, last_seen_at = now()
    returning h.enrolment_key, h.unit_key, h.first_seen_at = h.last_seen_at as is_new
)
select enrolment_key, unit_key from held where is_new;

-- name: let_go_of_held
-- Of these enrolments nothing else is held back any more: it is a result by now, or not completed any more.
update held_completion h set resolved_at = now()
where h.integration_id = %(integration_id)s and h.enrolment_key = any(%(enrolments)s) and h.resolved_at is null
  and not exists (select from unnest(%(still)s::text[], %(unit_keys)s::text[]) as s(enrolment_key, unit_key)
                  where s.enrolment_key = h.enrolment_key and s.unit_key = h.unit_key);

-- name: lock_owners
-- The people of these enrolments, in the order in which everybody locks people.
select a.account_id from account a
where a.account_id in (select p.account_id from placement p where p.placement_id = any(%(ids)s))
order by a.employee_key collate "C" for no key update;

-- name: note_completed
-- Whether these enrolments still have something to complete.
update placement p
set completed = u.completed, finished_since = case when u.completed then null else p.finished_since end
from unnest(%(ids)s::bigint[], %(completed)s::boolean[]) as u(id, completed)
where p.placement_id = u.id and p.completed <> u.completed;

-- name: note_finished
-- All activities done, but not called complete: since when.
update placement set finished_since = now() where placement_id = any(%(ids)s) and finished_since is null;

-- name: late_completions
-- How many have been finished, but not complete, for too long while nothing else was completed either: somebody who did
-- everything and missed the grade looks the same, but others go on.
select count(*) from placement p
where p.integration_id = %(integration_id)s and p.provisioned_at is not null and not p.completed
  and now() - p.finished_since > %(late)s
  and not exists (select from result r where r.integration_id = p.integration_id and r.synced_at > p.finished_since);
