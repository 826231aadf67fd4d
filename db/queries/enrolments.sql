-- name: enrolments
-- Enrolments as they stand in each integration, with their export settings.
select e.tenant, e.enrolment_key, e.employee_key, e.course_code, i.name as integration, p.state, p.code,
       e.data ->> 'booking_status' as booking, e.data ->> 'status' as status, (e.data ->> 'export')::boolean as export,
       (e.data ->> 'export_on')::date as export_on, p.provisioned_at
from enrolment e
left join placement p on p.tenant = e.tenant and p.enrolment_key = e.enrolment_key
left join integration i on i.integration_id = p.integration_id and i.state <> 'removed'
where (%(tenant)s::text is null or e.tenant = %(tenant)s)
  and (%(course)s::text is null or e.course_code = %(course)s)
  and (%(person)s::text is null or e.employee_key = %(person)s)
  and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(keys)s::text[] is null or e.enrolment_key = any(%(keys)s))
  and (%(state)s::text is null or p.state = %(state)s)
  and (%(after)s::text[] is null
       or array[e.course_code, e.enrolment_key, coalesce(i.name, '')] > %(after)s::text[])
order by e.course_code, e.enrolment_key, coalesce(i.name, '')
limit %(most)s;

-- name: snapshots
-- HR's last word on these enrolments, as an event carries it, and when it was said.
select enrolment_key, data, sequence, occurred_at from enrolment
where tenant = %(tenant)s and enrolment_key = any(%(keys)s);

-- name: contact_logs
-- Each time the enrolment was provisioned, the deleted ones included.
select c.contact_id, i.name as integration, c.at, c.text, c.deleted_at, c.deleted_by, c.reason
from contact_log c join integration i using (integration_id)
where c.tenant = %(tenant)s and c.enrolment_key = %(enrolment_key)s order by c.contact_id;

-- name: results_of
-- What was fetched for the enrolment.
select i.name as integration, r.unit_code, r.outcome, r.completed_at, r.synced_at
from result r join integration i using (integration_id)
where r.tenant = %(tenant)s and r.enrolment_key = %(enrolment_key)s order by i.name, r.unit_code;

-- name: delete_contact
-- The contact log is deleted, so the enrolment counts as not provisioned and is due.
with deleted as (
    update contact_log set deleted_at = now(), deleted_by = %(by)s, reason = %(reason)s
    where integration_id = %(integration_id)s and enrolment_key = %(enrolment_key)s and deleted_at is null
    returning employee_key
), placed as (
    update placement p
    set provisioned_at = null, grouped = null, group_due_at = null, group_code = null, state = 'due', code = null,
        due_at = now(), attempts = 0, revision = p.revision + 1, changed_at = now()
    from deleted
    where p.integration_id = %(integration_id)s and p.enrolment_key = %(enrolment_key)s
    returning p.account_id
)
update account a set due_at = least(a.due_at, now()), revision = a.revision + 1
from placed where a.account_id = placed.account_id and a.state in ('due', 'settled')
returning a.employee_key;
