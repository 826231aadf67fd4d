-- name: results
-- Results with their delivery, the newest first.
select r.tenant, i.name as integration, r.enrolment_key, r.employee_key, r.course_code, r.unit_code,
       coalesce(u.title, '') as unit_title, r.outcome, coalesce(l.label, '') as outcome_label, r.passed, r.grade,
       r.completed_at, r.attempted_on, r.synced_at, o.published_at as delivered_at, o.problem, r.result_id,
       coalesce(r.evidence ->> 'stamp', '') as stamp
from result r
join integration i using (integration_id)
left join outbox o on o.event_id = r.event_id
left join lateral (
    select unit ->> 'title' as title
    from course c cross join lateral jsonb_array_elements(c.data -> 'units') as unit
    where r.unit_code <> '' and c.tenant = r.tenant and c.course_code = r.course_code
      and c.integration in (i.name, '') and lower(unit ->> 'code') = lower(r.unit_code)
    order by c.integration desc limit 1
) u on true
left join lateral (
    select item ->> 'label' as label from jsonb_array_elements(i.settings #> '{results,outcomes}') as item
    where item ->> 'code' = r.outcome limit 1
) l on true
where (%(tenant)s::text is null or r.tenant = %(tenant)s)
  and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(course)s::text is null or r.course_code = %(course)s)
  and (%(person)s::text is null or r.employee_key = %(person)s)
  and (%(enrolment)s::text is null or r.enrolment_key = %(enrolment)s)
  and (%(since)s::date is null or r.attempted_on >= %(since)s)
  and (%(until)s::date is null or r.attempted_on <= %(until)s)
  and (%(outcome)s::text is null or r.outcome = %(outcome)s)
  and (%(delivered)s::boolean is null or (o.published_at is not null) = %(delivered)s)
  and (%(after_at)s::timestamptz is null or r.synced_at < %(after_at)s
       or (r.synced_at = %(after_at)s and r.result_id > %(after_id)s))
order by r.synced_at desc, r.result_id
limit %(most)s;

-- name: held
-- Completions that are no results, the latest first; without an enrolment only those that still are not.
select h.tenant, i.name as integration, h.enrolment_key, h.employee_key, h.course_code, h.unit_code, h.reason,
       h.completed_at, h.grade, h.first_seen_at, h.last_seen_at, h.resolved_at, h.evidence
from held_completion h
join integration i using (integration_id)
where (%(tenant)s::text is null or h.tenant = %(tenant)s)
  and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(course)s::text is null or h.course_code = %(course)s)
  and (%(person)s::text is null or h.employee_key = %(person)s)
  and (%(enrolment)s::text is null or h.enrolment_key = %(enrolment)s)
  and (%(since)s::date is null or h.first_seen_at::date >= %(since)s)
  and (%(until)s::date is null or h.first_seen_at::date <= %(until)s)
  and (h.resolved_at is null or %(enrolment)s::text is not null)
order by h.last_seen_at desc, h.held_id
limit %(most)s;

-- name: history
-- All that HR was told of these results, the oldest first.
select e.result_id, e.event_id, e.kind, e.data ->> 'outcome' as outcome, e.corrects, e.recorded_at,
       o.published_at as delivered_at, o.problem, e.data -> 'evidence' as evidence
from result_event e left join outbox o using (event_id)
where e.result_id = any(%(result_ids)s)
order by e.recorded_at, e.event_id;

-- name: readable
-- The enrolments whose results count and can be read at the LMS, and how many there are.
select s.placement_id, s.lms_user_id, s.lms_course_id, p.enrolment_key, a.employee_key, p.course_code,
       count(*) over () as all_of_them
from result_scope s
join placement p using (placement_id)
join account a on a.account_id = s.account_id
where s.integration_id = %(integration_id)s
  and (%(course)s::text is null or p.course_code = %(course)s)
  and (%(person)s::text is null or a.employee_key = %(person)s)
  and (%(enrolment)s::text is null or p.enrolment_key = %(enrolment)s)
order by p.enrolment_key
limit %(most)s;

-- name: now
-- The one clock that all processes share.
select now();
