-- name: findings_of
-- What is known of these people or enrolments.
select finding_id, subject_id, field, state, ours, held from finding
where integration_id = %(integration_id)s and subject_kind = %(subject_kind)s and subject_id = any(%(ids)s)
  and resolved_at is null;

-- name: findings_in
-- What is known of the enrolments in one course.
select finding_id, subject_id, field, state, ours, held from finding
where integration_id = %(integration_id)s and lms_course_id = %(course)s and resolved_at is null;

-- name: keep_findings
-- What was seen, once per subject and field; a decision that still stands keeps its author.
insert into finding as f (integration_id, subject_kind, subject_id, field, kind, ours, held, state, employee_key,
                          lms_user_id, lms_course_id, decided_at, decided_by, reason)
select %(integration_id)s, u.subject_kind, u.subject_id, u.field, u.kind, u.ours::jsonb, u.held::jsonb, u.state,
       u.employee_key, u.lms_user_id, u.lms_course_id, case when u.state <> 'open' then now() end,
       case when u.state <> 'open' then 'settings' end, case when u.state <> 'open' then 'drift' end
from unnest(%(subject_kinds)s::text[], %(subject_ids)s::text[], %(fields)s::text[], %(kinds)s::text[], %(ours)s::text[],
            %(held)s::text[], %(states)s::text[], %(employees)s::text[], %(users)s::text[], %(courses)s::text[])
     as u(subject_kind, subject_id, field, kind, ours, held, state, employee_key, lms_user_id, lms_course_id)
on conflict (integration_id, subject_kind, subject_id, field) where resolved_at is null
do update set kind = excluded.kind, ours = excluded.ours, held = excluded.held, state = excluded.state,
              employee_key = excluded.employee_key, lms_user_id = excluded.lms_user_id, times = f.times + 1,
              last_seen_at = now(),
              decided_at = case when f.state = excluded.state then f.decided_at else excluded.decided_at end,
              decided_by = case when f.state = excluded.state then f.decided_by else excluded.decided_by end,
              reason = case when f.state = excluded.state then f.reason else excluded.reason end;

-- name: resolve_findings
-- These are the same again; whose values they were is nobody's business any more.
update finding set resolved_at = now(), ours = null, held = null where finding_id = any(%(ids)s);

-- name: forget_accounts
-- What was found about users who are linked to nobody now is of no interest.
update finding f set resolved_at = now(), ours = null, held = null
where f.integration_id = %(integration_id)s and f.subject_kind = 'account' and f.resolved_at is null
  and not exists (select from account a where a.account_id = f.subject_id::bigint and a.lms_user_id = f.lms_user_id);

-- name: forget_courses
-- What was found in courses that nobody of ours is in any more is of no interest.
update finding f set resolved_at = now(), ours = null, held = null
where f.integration_id = %(integration_id)s and f.subject_kind = 'enrolment' and f.resolved_at is null
  and (not exists (select from placement p where p.integration_id = f.integration_id
                   and length(p.lms_course_id) = length(f.lms_course_id) and p.lms_course_id = f.lms_course_id
                   and p.provisioned_at is not null)
       or exists (select from lms_course c where c.integration_id = f.integration_id
                  and c.lms_course_id = f.lms_course_id and c.gone));

-- name: findings
-- What has been found and is not over, the oldest first.
select f.finding_id, i.tenant, i.name as integration, f.integration_id, f.kind, f.subject_kind, f.subject_id, f.field, f.ours,
       f.held, f.state, f.employee_key, f.lms_user_id, f.lms_course_id, f.times, f.first_seen_at, f.last_seen_at,
       f.decided_at, f.decided_by, f.reason
from finding f join integration i using (integration_id)
where f.resolved_at is null and i.state <> 'removed'
  and (%(tenant)s::text is null or i.tenant = %(tenant)s)
  and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(employee_key)s::text is null or f.employee_key = %(employee_key)s)
  and (%(kind)s::text is null or f.kind = %(kind)s)
  and (%(ids)s::bigint[] is null or f.finding_id = any(%(ids)s))
  and (not %(open_only)s or f.state = 'open') and f.finding_id > %(after)s
order by f.finding_id limit %(most)s;

-- name: decide_finding
-- The decision, once, and its line in the timeline.
with decided as (
    update finding f set state = %(state)s, decided_at = now(), decided_by = %(by)s, reason = %(reason)s
    where f.finding_id = %(finding_id)s and f.resolved_at is null and f.state = %(before)s
    returning f.*
), told as (
    insert into timeline (tenant, integration_id, employee_key, kind, data)
    select i.tenant, d.integration_id, d.employee_key, %(told)s,
           jsonb_build_object('finding', d.finding_id, 'what', d.kind, 'field', d.field, 'user', d.lms_user_id,
                              'course', d.lms_course_id, 'by', %(by)s::text, 'reason', %(reason)s::text)
    from decided d join integration i using (integration_id)
)
select finding_id from decided;
