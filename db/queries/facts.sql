-- name: lock_tenant
-- One applier per tenant at a time; waits a moment only, because another one is at work and will see the rows.
select pg_advisory_xact_lock(hashtextextended('apply ' || %(tenant)s, 0));

-- name: due_events
-- What has been stored and not yet applied, in inbox order.
select inbox_id, event_id, body, attributes, trace_id
from inbox
where tenant = %(tenant)s and state = 'received'
order by inbox_id
limit %(most)s;

-- name: known_tenant
-- Whether somebody has set this tenant up.
select exists (select from tenant where tenant = %(tenant)s);

-- name: set_aside_unknown_tenant
-- Events of a tenant nobody has set up wait as unknown.
update inbox set class = 'unknown', state = 'set_aside', code = 'unknown_tenant', settled_at = now()
where tenant = %(tenant)s and state = 'received'
returning inbox_id, code;

-- name: settle_events
-- How each event ended.
update inbox i
set state = s.state, code = s.code, detail = s.detail, settled_at = now(),
    class = case when s.state = 'set_aside' then 'unknown' else i.class end
from unnest(%(ids)s::bigint[], %(states)s::text[], %(codes)s::text[], %(details)s::text[]) as s(id, state, code, detail)
where i.inbox_id = s.id;

-- name: person_freshness
-- How new the stored facts about these people are.
select employee_key, sequence, occurred_at, event_id from person
where tenant = %(tenant)s and employee_key = any(%(keys)s);

-- name: enrolment_freshness
-- How new the stored facts about these enrolments are, and whom they concerned.
select enrolment_key, sequence, occurred_at, event_id, employee_key from enrolment
where tenant = %(tenant)s and enrolment_key = any(%(keys)s);

-- name: payroll_freshness
-- How new the stored facts about the tenant's payrolls are.
select payroll, integration, aspect, sequence, occurred_at, event_id from payroll where tenant = %(tenant)s;

-- name: course_freshness
-- How new the stored facts about these courses are.
select course_code, integration, sequence, occurred_at, event_id from course
where tenant = %(tenant)s and course_code = any(%(keys)s);

-- name: save_people
-- HR's newest word on each person; the caller has checked that it is the newest.
insert into person (tenant, employee_key, data, payroll, erased, sequence, occurred_at, event_id, trace_id)
select %(tenant)s, f.key, f.data::jsonb, f.payroll, f.erased, f.sequence, f.occurred_at, f.event_id, f.trace_id
from unnest(%(keys)s::text[], %(data)s::text[], %(payrolls)s::text[], %(erased)s::boolean[],
            %(sequences)s::text[], %(times)s::timestamptz[], %(event_ids)s::text[], %(trace_ids)s::text[])
     as f(key, data, payroll, erased, sequence, occurred_at, event_id, trace_id)
on conflict (tenant, employee_key) do update
set data = excluded.data, payroll = excluded.payroll, erased = excluded.erased, sequence = excluded.sequence,
    occurred_at = excluded.occurred_at, event_id = excluded.event_id, trace_id = excluded.trace_id;

-- name: save_enrolments
-- HR's newest word on each enrolment.
insert into enrolment (tenant, enrolment_key, employee_key, course_code, data, sequence, occurred_at, event_id,
                       trace_id)
select %(tenant)s, f.key, f.employee_key, f.course_code, f.data::jsonb, f.sequence, f.occurred_at, f.event_id, f.trace_id
from unnest(%(keys)s::text[], %(employees)s::text[], %(courses)s::text[], %(data)s::text[],
            %(sequences)s::text[], %(times)s::timestamptz[], %(event_ids)s::text[], %(trace_ids)s::text[])
     as f(key, employee_key, course_code, data, sequence, occurred_at, event_id, trace_id)
on conflict (tenant, enrolment_key) do update
set employee_key = excluded.employee_key, course_code = excluded.course_code, data = excluded.data,
    sequence = excluded.sequence, occurred_at = excluded.occurred_at, event_id = excluded.event_id,
    trace_id = excluded.trace_id;

-- name: save_payroll
-- HR's newest word on one payroll.
insert into payroll (tenant, payroll, integration, aspect, enabled, data, sequence, occurred_at, event_id)
values (%(tenant)s, %(payroll)s, %(integration)s, %(aspect)s, %(enabled)s, %(data)s::jsonb, %(sequence)s, %(time)s,
        %(event_id)s)
on conflict (tenant, payroll, integration, aspect) do update
set enabled = excluded.enabled, data = excluded.data, sequence = excluded.sequence,
    occurred_at = excluded.occurred_at, event_id = excluded.event_id;

-- name: save_course
-- HR's newest word on one course.
insert into course (tenant, course_code, integration, data, sequence, occurred_at, event_id)
values (%(tenant)s, %(course_code)s, %(integration)s, %(data)s::jsonb, %(sequence)s, %(time)s, %(event_id)s)
on conflict (tenant, course_code, integration) do update
set data = excluded.data, sequence = excluded.sequence, occurred_at = excluded.occurred_at,
    event_id = excluded.event_id;

-- name: ask_sweep
-- People to look at again, later and in chunks.
insert into sweep (tenant, payroll, course_code) values (%(tenant)s, %(payroll)s, %(course_code)s);

-- name: due_sweep
-- The oldest sweep of the tenant that is not done, when its next chunk is due.
select sweep_id, payroll, course_code, position from (
    select * from sweep where tenant = %(tenant)s and done_at is null order by sweep_id limit 1
) oldest where due_at <= now();

-- name: sweep_people
-- The next people of a sweep over a payroll or over everybody, the erased and the merely enrolled included.
select employee_key from person
where tenant = %(tenant)s and employee_key > %(position)s
  and (%(payroll)s::text is null or payroll = %(payroll)s)
order by employee_key limit %(most)s;

-- name: sweep_enrolled
-- The next people of a sweep over a course.
select distinct employee_key from enrolment
where tenant = %(tenant)s and course_code = %(course_code)s and employee_key > %(position)s
order by employee_key limit %(most)s;

-- name: advance_sweep
-- How far a sweep has come. Its chunks keep their pace on average, so that those that came late are made up for.
update sweep
set position = %(position)s, people = people + %(people)s, due_at = due_at + %(pace)s,
    done_at = case when %(done)s then now() end
where sweep_id = %(sweep_id)s;

-- name: payroll_not_taken
-- An empty payroll is no trouble to any other integration.
update failure set resolved_at = now()
where tenant = %(tenant)s and code = 'payroll_empty' and resolved_at is null
  and subject_id = integration_id || '/' || %(payroll)s and integration_id <> all(%(ids)s::bigint[]);

-- name: filled_payrolls
-- These payrolls have people in them.
update failure set resolved_at = now()
where tenant = %(tenant)s and code = 'payroll_empty' and resolved_at is null
  and subject_id in (select integration_id || '/' || filled.payroll from unnest(%(payrolls)s::text[]) as filled(payroll));

-- name: people
-- What HR says about these people.
select employee_key, data, erased from person where tenant = %(tenant)s and employee_key = any(%(keys)s);

-- name: enrolments_of
-- What HR says about these people's enrolments.
select employee_key, data from enrolment where tenant = %(tenant)s and employee_key = any(%(keys)s);

-- name: enabled_payrolls
-- HR's word on which payrolls belong where.
select payroll, integration, enabled from payroll where tenant = %(tenant)s and aspect = 'scope';

-- name: payroll_details
-- HR's own fields of each payroll, the word on its details before the one on its scope.
select distinct on (payroll, integration) payroll, integration, data from payroll
where tenant = %(tenant)s and (aspect = 'details' or data -> 'attributes' <> '{}'::jsonb)
order by payroll, integration, aspect;

-- name: profile_fields_of
-- The profile fields that an integration's LMS was last seen with.
select shortname, kind, name, options from lms_field where integration_id = %(integration_id)s and area = 'user';

-- name: integrations_of
-- The tenant's integrations that facts are converged for.
select integration_id, settings, settings_version, password_sealed is not null from integration
where tenant = %(tenant)s and state <> 'removed';

-- name: want_accounts
-- What each account is to be; one that is so already is left alone, with all that was learnt about it.
insert into account as a (tenant, integration_id, employee_key, state, code, wanted, external_key, email_key,
                          settings_version, due_at, urgency)
select %(tenant)s, %(integration_id)s, w.key, w.state, w.code, w.wanted::jsonb, w.external_key, w.email_key,
       %(settings_version)s, case when w.state = 'due' then now() end, w.urgency
from unnest(%(keys)s::text[], %(states)s::text[], %(codes)s::text[], %(wanted)s::text[], %(external_keys)s::text[],
            %(email_keys)s::text[], %(urgencies)s::smallint[])
     as w(key, state, code, wanted, external_key, email_key, urgency)
on conflict (integration_id, employee_key) do update
set state = excluded.state, code = excluded.code, wanted = excluded.wanted, external_key = excluded.external_key,
    email_key = excluded.email_key, settings_version = excluded.settings_version,
    -- A user who may show late is waited for, whatever HR says meanwhile (D7).
    due_at = case when a.doubt > 0 then greatest(a.due_at, excluded.due_at) else excluded.due_at end,
    urgency = excluded.urgency, revision = a.revision + 1, attempts = 0, first_attempt_at = null, changed_at = now()
where a.wanted is distinct from excluded.wanted
   or (excluded.wanted is null and (a.state, a.code) is distinct from (excluded.state, excluded.code))
returning account_id, state, code, employee_key;

-- name: resolve_account_failures
-- What was wrong with an account before its facts changed is no longer known to be wrong.
update failure set resolved_at = now()
where subject_kind = 'account' and subject_id = any(%(ids)s::text[]) and resolved_at is null;

-- name: account_ids
-- The accounts of these people in one integration.
select employee_key, account_id from account
where integration_id = %(integration_id)s and employee_key = any(%(keys)s);

-- name: want_placements
-- What each placement is to be, and by which conditions. Once provisioned, neither a changed provision date nor a
-- condition changes anything (R128, R132, R146).
insert into placement as p (tenant, integration_id, account_id, enrolment_key, course_code, state, code, wanted, due_at,
                            not_after, decision)
select %(tenant)s, %(integration_id)s, w.account_id, w.key, w.course_code,
       case when w.refusal is null then 'due' else 'not_wanted' end, w.refusal, w.wanted::jsonb,
       case when w.refusal is null then greatest(now(), w.not_before) end, w.not_after, w.decision::jsonb
from unnest(%(account_ids)s::bigint[], %(keys)s::text[], %(course_codes)s::text[], %(wanted)s::text[],
            %(refusals)s::text[], %(not_before)s::timestamptz[], %(not_after)s::timestamptz[], %(decisions)s::text[])
     as w(account_id, key, course_code, wanted, refusal, not_before, not_after, decision)
on conflict (integration_id, enrolment_key) do update
set account_id = excluded.account_id, course_code = excluded.course_code, wanted = excluded.wanted,
    not_after = excluded.not_after,
    decision = case when p.provisioned_at is null then excluded.decision else p.decision end,
    state = case when excluded.code is null or p.provisioned_at is not null then 'due' else 'not_wanted' end,
    code = case when excluded.code is null or p.provisioned_at is not null then null else excluded.code end,
    due_at = case when p.provisioned_at is not null then now() else excluded.due_at end,
    lms_course_id = case when p.course_code = excluded.course_code then p.lms_course_id end,
    completed = p.completed and p.course_code = excluded.course_code,
    mark = case when p.course_code = excluded.course_code then p.mark end,
    revision = p.revision + 1, attempts = 0, first_attempt_at = null, changed_at = now()
where (p.account_id, p.course_code, p.wanted) is distinct from (excluded.account_id, excluded.course_code, excluded.wanted)
   or (p.state = 'not_wanted' and p.code is distinct from excluded.code)
   or (p.state = 'due' and p.provisioned_at is null and excluded.code is not null)
   or (p.provisioned_at is null and p.not_after is distinct from excluded.not_after)
   or (p.state = 'due' and p.provisioned_at is null and p.due_at > now() and p.due_at is distinct from excluded.due_at)
   or (p.state = 'due' and p.provisioned_at is null and p.due_at <= now() and excluded.due_at > now())
returning account_id, placement_id, enrolment_key, code, revision;

-- name: provisioned_of
-- Which enrolments of these people this integration has provisioned.
select p.enrolment_key from placement p join account a using (account_id)
where p.integration_id = %(integration_id)s and a.employee_key = any(%(keys)s) and p.provisioned_at is not null;

-- name: courses_of
-- HR's word on the courses that these people are enrolled in.
select c.course_code, c.integration, c.data from course c
where c.tenant = %(tenant)s and c.course_code = any(%(codes)s);

-- name: resolve_placement_failures
-- What was wrong with a placement, or with reading its results, before its facts changed is no longer known to be wrong.
update failure set resolved_at = now()
where subject_kind in ('placement', 'reading') and subject_id = any(%(ids)s::text[]) and resolved_at is null;

-- name: wake_accounts
-- Accounts whose placements changed are due when the first of those is.
update account a
set due_at = case when a.doubt > 0 then a.due_at else least(a.due_at, p.due_at) end, revision = a.revision + 1,
    urgency = case when a.due_at is null then %(urgency)s else least(a.urgency, %(urgency)s) end
from (select account_id, min(due_at) as due_at from placement
      where account_id = any(%(ids)s) and state = 'due' group by account_id) p
where a.account_id = p.account_id and a.state in ('due', 'settled');

-- name: due_integrations
-- The tenant's integrations with work to be done now.
select distinct a.integration_id from account a join integration i using (integration_id)
where a.tenant = %(tenant)s and a.account_id = any(%(ids)s) and a.due_at <= now() and i.state = 'active';

-- name: unpark_linked_course
-- Enrolments that waited for a course which HR has linked now.
with waiting as materialized (
    select p.placement_id from placement p
    join integration i using (integration_id)
    join account a using (account_id)
    where i.tenant = %(tenant)s and (%(integration)s = '' or i.name = %(integration)s)
      and p.course_code = %(course_code)s and p.state = 'parked' and p.code = 'course_not_found'
    order by a.employee_key collate "C" for no key update of a
), found as (
    update placement p set state = 'due', code = null, due_at = now(), attempts = 0, revision = p.revision + 1
    from waiting w
    where p.placement_id = w.placement_id and p.state = 'parked' and p.code = 'course_not_found'
    returning p.placement_id, p.account_id
), healed as (
    update failure f set resolved_at = now() from found
    where f.subject_kind = 'placement' and f.subject_id = found.placement_id::text and f.resolved_at is null
)
update account a set due_at = least(a.due_at, now()), revision = a.revision + 1
from (select distinct account_id from found) f
where a.account_id = f.account_id and a.state in ('due', 'settled');
