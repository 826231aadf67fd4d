-- name: claim_turn
-- Whose turn it is to read on: one reader at a time, unless the one before does not come back.
update scan s set due_at = now() + %(lease)s
from integration i
where s.integration_id = %(integration_id)s and i.integration_id = s.integration_id and i.state = 'active'
  and (i.resume_at is null or i.resume_at <= now()) and s.due_at <= now()
returning case when s.hour_began_at > now() - interval '1 hour' then s.calls
               -- What the last step of an hour cost too much is saved in the next one.
               else greatest(0, s.calls - %(calls_per_hour)s) end,
          greatest(interval '0', s.hour_began_at + interval '1 hour' - now()),
          exists (select from account a where a.integration_id = s.integration_id and a.due_at <= now()
                  and a.urgency < 2 and (a.lease_until is null or a.lease_until < now())),
          now();

-- name: next_run
-- The run to read on for: one that somebody waits for first, people before enrolments.
select run_id, flow, asked_by, position from sync_run
where integration_id = %(integration_id)s and done_at is null and position is not null
order by asked_by = 'schedule', flow desc limit 1;

-- name: end_turn
-- The next turn, and what this one has cost the rolling scan.
update scan
set due_at = now() + %(wait)s, calls = %(calls)s,
    hour_began_at = case when hour_began_at > now() - interval '1 hour' then hour_began_at else now() end
where integration_id = %(integration_id)s;

-- name: move_scan
-- The scan has come further, unless somebody else has moved it or begun it anew.
update sync_run set position = %(following)s::jsonb
where run_id = %(run_id)s and position = %(position)s::jsonb
returning run_id;

-- name: people_at_rest
-- The next linked people whom nothing is to be written for, and whether their part in the run is told by a batch.
select a.account_id, a.employee_key, a.lms_user_id, a.revision, a.wanted, a.applied,
       a.changed_at >= r.started_at or a.sync_run is not distinct from r.run_id as told
from account a join sync_run r on r.run_id = %(run_id)s
where a.integration_id = %(integration_id)s and a.at_rest and a.account_id > %(after)s
order by a.account_id limit %(most)s;

-- name: next_course
-- The next course that somebody of ours was enrolled in and that is still there.
select p.lms_course_id from placement p
where p.integration_id = %(integration_id)s and p.provisioned_at is not null
  and (length(p.lms_course_id), p.lms_course_id) > (length(%(after)s), %(after)s)
  and not exists (select from lms_course c where c.integration_id = p.integration_id
                  and c.lms_course_id = p.lms_course_id and c.gone)
order by length(p.lms_course_id), p.lms_course_id limit 1;

-- name: enrolments_in
-- Everybody's enrolment in one course, with all the placements that shaped it. Of somebody with work under way, or
-- without a user any more, nothing can be said.
select a.account_id, a.employee_key, a.lms_user_id, a.revision, p.lms_course_id, jsonb_agg(p.applied),
       a.at_rest and bool_and(p.state = 'settled' and p.applied is not null)
       and not exists (select from finding f where f.integration_id = a.integration_id and f.subject_kind = 'account'
                       and f.subject_id = a.account_id::text and f.kind = 'missing' and f.resolved_at is null)
from placement p join account a using (account_id)
where p.integration_id = %(integration_id)s and length(p.lms_course_id) = length(%(course)s)  -- as its index has it
  and p.lms_course_id = %(course)s and p.provisioned_at is not null and a.lms_user_id is not null
group by a.account_id, p.lms_course_id
order by a.account_id;

-- name: enrolments_named
-- The enrolments that rows of a report speak of, by the number of the row, as `enrolments_in` has them.
with named as (
    select distinct w.n, a.account_id, p.lms_course_id
    from unnest(%(external_keys)s::text[], %(course_codes)s::text[]) with ordinality as w(external_key, course_code, n)
    join account a on a.integration_id = %(integration_id)s and a.external_key = w.external_key
    join placement p on p.account_id = a.account_id and p.provisioned_at is not null
    left join lms_course c on c.integration_id = p.integration_id and c.lms_course_id = p.lms_course_id
    where coalesce(c.code, p.course_code) = w.course_code
)
select n.n, a.account_id, a.employee_key, a.lms_user_id, a.revision, p.lms_course_id, jsonb_agg(p.applied),
       a.at_rest and bool_and(p.state = 'settled' and p.applied is not null)
from named n join account a using (account_id) join placement p using (account_id, lms_course_id)
where p.provisioned_at is not null and a.lms_user_id is not null
group by n.n, a.account_id, p.lms_course_id
order by a.account_id;

-- name: owners
-- Whose these LMS users are, and whether they are just being enrolled in this course, or HR wants them there.
select a.lms_user_id, a.employee_key,
       a.lease_until > now() or exists (select from placement p where p.account_id = a.account_id
                                        and p.lms_course_id = %(course)s and p.state <> 'not_wanted') as expected
from account a where a.integration_id = %(integration_id)s and a.lms_user_id = any(%(user_ids)s);

-- name: keys_taken
-- Which of these keys belong to somebody here.
select external_key from account where integration_id = %(integration_id)s and external_key = any(%(keys)s);

-- name: still_at_rest
-- Those of whom nothing has changed since they were read; nobody changes them before the transaction ends.
select a.account_id from account a
join unnest(%(ids)s::bigint[], %(revisions)s::int[]) as r(id, revision) on r.id = a.account_id
where a.revision = r.revision and a.at_rest and (a.lease_until is null or a.lease_until < now())
order by a.account_id for update of a;

-- name: put_back_people
-- What the LMS holds in these fields is known now, so provisioning writes HR's word again; for the run, if it is in none.
update account a
set applied = a.applied || u.held::jsonb, state = 'due', code = null, due_at = now(), urgency = 2, attempts = 0,
    first_attempt_at = null, revision = a.revision + 1, sync_run = coalesce(a.sync_run, %(run_id)s), changed_at = now()
from unnest(%(ids)s::bigint[], %(held)s::text[]) as u(id, held)
where a.account_id = u.id;

-- name: put_back_enrolments
-- These enrolments are written again, as a whole.
with placed as (
    update placement p
    set state = 'due', code = null, due_at = now(), attempts = 0, first_attempt_at = null, revision = p.revision + 1,
        changed_at = now()
    from unnest(%(ids)s::bigint[], %(courses)s::text[]) as u(id, course)
    where p.account_id = u.id and p.lms_course_id = u.course and p.provisioned_at is not null and p.state = 'settled'
    returning p.account_id
)
update account a set due_at = least(a.due_at, now()), urgency = 2, revision = a.revision + 1
from (select distinct account_id from placed) d where a.account_id = d.account_id;
