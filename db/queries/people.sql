-- name: whose
-- The tenants that know this key, as a person or as an enrolment, and whose the enrolment is. Tenant by tenant, because
-- that is how keys are indexed.
with among as (
    select tenant from tenant where %(tenant)s::text is null or tenant = %(tenant)s
)
select tenant, employee_key, null::text as enrolment_key from among join person using (tenant)
where employee_key = %(key)s
union
select tenant, employee_key, enrolment_key from among join enrolment using (tenant) where enrolment_key = %(key)s
union
select tenant, employee_key, null from among join enrolment using (tenant) where employee_key = %(key)s
union
select tenant, subject, null from inbox
where subject = %(key)s and state in ('failed', 'set_aside') and type like 'hr.employee.%%'
  and (%(tenant)s::text is null or tenant = %(tenant)s);

-- name: person
-- What HR has told of one person.
select data ->> 'status', erased, payroll from person where tenant = %(tenant)s and employee_key = %(employee_key)s;

-- name: snapshot
-- HR's last word on one person, as an event carries it, and when it was said.
select data, sequence, occurred_at, erased from person where tenant = %(tenant)s and employee_key = %(employee_key)s;

-- name: bad_events
-- Events about these subjects that could not be applied and are the last word on them.
select f.code, f.detail, f.times, f.last_at
from inbox i join failure f on f.subject_kind = 'inbox' and f.subject_id = i.inbox_id::text and f.resolved_at is null
where i.tenant = %(tenant)s and i.subject = any(%(subjects)s) and i.state in ('failed', 'set_aside')
order by f.last_at;

-- name: integrations_seen
-- The tenant's integrations and how they stand.
select i.integration_id, i.name, i.state, i.hold_code, i.resume_at, b.resets_at
from integration i
left join call_budget b on b.integration_id = i.integration_id and b.resets_at > now()
                           and b.hour_left - b.keeps[2] < b.costs[2]
where i.tenant = %(tenant)s and (%(integration)s::text is null or i.name = %(integration)s) order by i.name;

-- name: offering
-- The tenant's integrations that were enabled once and not removed since.
select integration_id, name, settings from integration
where tenant = %(tenant)s and state in ('active', 'paused', 'quarantined')
  and (%(integration)s::text is null or name = %(integration)s) order by name;

-- name: available_courses
-- Courses that are active in the LMS and not archived in HR, and whether this person is in them (R6).
select c.lms_course_id, coalesce(c.told ->> 'code', c.code), c.title, coalesce(c.told ->> 'category', c.category),
       c.told ->> 'starts_on',
       exists (select from account a join placement p using (account_id)
               where a.integration_id = c.integration_id and a.employee_key = %(employee_key)s
                 and p.lms_course_id = c.lms_course_id and p.provisioned_at is not null
                 and not (p.wanted ->> 'suspended')::boolean)
from lms_course c
left join lateral (select (h.data ->> 'archived')::boolean as archived from course h
                   where h.tenant = %(tenant)s and h.course_code = coalesce(c.told ->> 'code', c.code)
                     and h.integration in ('', %(integration)s)
                   order by h.integration desc limit 1) hr on true
where c.integration_id = %(integration_id)s and c.visible and not c.gone and hr.archived is not true
order by 2, length(c.lms_course_id), c.lms_course_id;

-- name: account_seen
-- One person's account in one integration, with its open failure and what was decided about it.
select a.state, a.code, a.lms_user_id, a.link, a.linked_at, a.due_at,
       coalesce(a.lease_until > now(), false) as busy, a.attempts,
       (a.wanted ->> 'suspended')::boolean, (a.applied ->> 'suspended')::boolean,
       (select max(gi.guard_id) from guard_item gi join guard g using (guard_id)
        where gi.account_id = a.account_id and g.state = 'open'),
       coalesce((select g.state in ('rejected', 'undone') from guard_item gi join guard g using (guard_id)
                 where gi.account_id = a.account_id and gi.wanted = a.wanted and g.state <> 'open'
                 order by g.decided_at desc limit 1), false),
       array(select coalesce(nullif(d.field, ''), 'account') from finding d
             where d.integration_id = a.integration_id and d.subject_kind = 'account' and d.employee_key = a.employee_key
               and d.state = 'open' and d.resolved_at is null order by d.field),
       f.code, f.detail, f.times, f.last_at
from account a
left join lateral (select code, detail, times, last_at from failure
                   where subject_kind = 'account' and subject_id = a.account_id::text and resolved_at is null
                   order by last_at desc limit 1) f on true
where a.integration_id = %(integration_id)s and a.employee_key = %(employee_key)s;

-- name: placement_seen
-- One enrolment in one integration beside HR's word on it, with its open failure and its result.
select p.enrolment_key, p.course_code, p.lms_course_id, p.state, p.code, e.data ->> 'booking_status',
       e.data ->> 'status', e.data ->> 'starts_on', coalesce(e.data ->> 'extended_to', e.data ->> 'ends_on'), p.due_at,
       p.provisioned_at, p.completed, r.outcome,
       array(select coalesce(nullif(d.field, ''), 'enrolment') from finding d
             where d.integration_id = p.integration_id and d.subject_kind = 'enrolment'
               and d.employee_key = e.employee_key and d.lms_course_id = p.lms_course_id
               and d.state = 'open' and d.resolved_at is null order by d.field),
       f.code, f.detail, f.times, f.last_at
from placement p
join enrolment e on e.tenant = p.tenant and e.enrolment_key = p.enrolment_key
left join lateral (select string_agg(ltrim(concat(r.unit_code, ' ', r.outcome)), ', ' order by r.unit_code) as outcome
                   from result r
                   where r.integration_id = p.integration_id and r.enrolment_key = p.enrolment_key) r on true
left join lateral (select code, detail, times, last_at from failure
                   where subject_kind = 'placement' and subject_id = p.placement_id::text and resolved_at is null
                   order by last_at desc limit 1) f on true
where p.integration_id = %(integration_id)s and p.enrolment_key = %(enrolment_key)s;

-- name: enrolments_of_person
-- The keys of one person's enrolments.
select enrolment_key from enrolment where tenant = %(tenant)s and employee_key = %(employee_key)s order by 1;

-- name: timeline
-- What HR told and what was done, the newest last.
select at, kind, integration, enrolment_key, data from (
    select t.at, 1 as rank, t.timeline_id as n, t.kind, i.name as integration, t.enrolment_key, t.data
    from timeline t left join integration i using (integration_id)
    where t.tenant = %(tenant)s and t.employee_key = %(employee_key)s
    union all
    select m.received_at, 0, m.inbox_id, m.type, null,
           case when m.subject <> %(employee_key)s then m.subject end,
           jsonb_strip_nulls(jsonb_build_object('event', m.event_id, 'state', m.state, 'code', m.code,
                                                'duplicates', nullif(m.duplicates, 0),
                                                'by_hand', case when m.source like '/matricula/%%' then m.source end))
    from inbox m where m.tenant = %(tenant)s and m.subject = any(%(subjects)s)
    order by 1 desc, 2 desc, 3 desc limit %(most)s
) newest order by at, rank, n;

-- name: now
-- The one clock that all processes share.
select now();

-- name: person_line
-- One person in HR's words.
select employee_key, payroll, data ->> 'status' as status, erased,
       concat_ws(' ', data ->> 'first_name', nullif(data ->> 'infix', ''), data ->> 'last_name') as name,
       coalesce((select array_agg(e) from jsonb_array_elements_text(data -> 'emails') e where e is not null), '{}') as emails,
       occurred_at
from person where tenant = %(tenant)s and employee_key = %(employee_key)s;

-- name: people_after
-- People in the order of their keys.
select employee_key from person where tenant = %(tenant)s and employee_key > %(after)s
order by employee_key limit %(most)s;

-- name: people_by_key
-- Who has this key.
select employee_key from person where tenant = %(tenant)s and employee_key = %(key)s;

-- name: people_by_address
-- Whose account has an address with this hash.
select distinct employee_key from account where tenant = %(tenant)s and email_sha256 = %(email_sha256)s
order by employee_key limit %(most)s;

-- name: people_by_lms_user
-- Who is linked to this LMS user, in any integration.
select distinct employee_key from account
where integration_id in (select integration_id from integration where tenant = %(tenant)s)
  and lms_user_id = %(lms_user_id)s
order by employee_key limit %(most)s;
