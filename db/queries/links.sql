-- name: parked_links
-- People who could not be matched, with the candidates in the detail.
select a.tenant, i.name as integration, a.employee_key, a.code, f.detail, a.lms_user_id, a.link, a.linked_at
from account a join integration i using (integration_id)
left join failure f on f.subject_kind = 'account' and f.subject_id = a.account_id::text and f.code = a.code
     and f.resolved_at is null
where a.state = 'parked' and a.code = any(%(codes)s)
  and (%(tenant)s::text is null or a.tenant = %(tenant)s) and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(employee_key)s::text is null or a.employee_key = %(employee_key)s)
  and (%(after)s::text[] is null or (i.name, a.employee_key) > ((%(after)s::text[])[1], (%(after)s::text[])[2]))
order by i.name, a.employee_key limit %(most)s;

-- name: links
-- Who is linked to which LMS user, and how that came about.
select a.tenant, i.name as integration, a.employee_key, a.code, null as detail, a.lms_user_id, a.link, a.linked_at
from account a join integration i using (integration_id)
where a.lms_user_id is not null
  and (%(tenant)s::text is null or a.tenant = %(tenant)s) and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(employee_key)s::text is null or a.employee_key = %(employee_key)s)
  and (%(after)s::text[] is null or (i.name, a.employee_key) > ((%(after)s::text[])[1], (%(after)s::text[])[2]))
order by i.name, a.employee_key limit %(most)s;

-- name: lock_account
-- One person's account in one integration, for a change by hand.
select account_id, lms_user_id, (lease_until is not null and lease_until > now()) as busy, at_rest from account
where integration_id = %(integration_id)s and employee_key = %(employee_key)s for update;

-- name: holder
-- Who else has this LMS user: linked to it, or known by the external key that it carries.
select employee_key from account
where integration_id = %(integration_id)s and employee_key <> %(employee_key)s
  and (lms_user_id = %(lms_user_id)s or (external_key = %(external_key)s and external_key <> ''))
limit 1;

-- name: set_link
-- The person is this LMS user; what the LMS holds is read anew.
update account
set lms_user_id = %(lms_user_id)s, link = 'given', linked_at = now(), applied = null, doubt = 0,
    refused = array_remove(refused, %(lms_user_id)s), state = case when wanted is null then state else 'due' end,
    code = case when wanted is null then code end, due_at = case when wanted is not null then now() end, attempts = 0,
    first_attempt_at = null, starts = 0, revision = revision + 1, changed_at = now()
where account_id = %(account_id)s;

-- name: look_again
-- What the LMS holds of the person is read anew, by the worker that somebody waits for.
update account
set applied = case when lms_user_id is null then applied end, state = 'due', code = null, attempts = 0,
    starts = case when code = 'starts_without_end' then 2 else 0 end, first_attempt_at = null, urgency = least(urgency, 1::smallint), revision = revision + 1, changed_at = now(),
    due_at = case when doubt > 0 then greatest(due_at, now()) else now() end
where account_id = %(account_id)s and wanted is not null and state in ('due', 'settled', 'parked', 'waiting')
returning account_id;

-- name: enrol_again
-- Their parked enrolments are tried again.
update placement
set state = 'due', code = null, due_at = now(), attempts = 0, first_attempt_at = null, revision = revision + 1,
    changed_at = now()
where account_id = %(account_id)s and state = 'parked';

-- name: unset_link
-- The person is not this LMS user, nor will be found as such again.
update account
set refused = array_append(refused, lms_user_id), lms_user_id = null, link = null, linked_at = null, applied = null,
    doubt = 0, username = null, suspended_at = null, state = case when wanted is null then state else 'due' end,
    code = case when wanted is null then code end, due_at = case when wanted is not null then now() end, attempts = 0,
    first_attempt_at = null, starts = 0, revision = revision + 1, changed_at = now()
where account_id = %(account_id)s;

-- name: enrol_anew
-- Enrolments belong to the LMS user that is linked; the one linked now may hold none of them.
update placement
set state = 'due', code = null, due_at = greatest(now(), due_at), applied = null, attempts = 0, first_attempt_at = null,
    revision = revision + 1, changed_at = now()
where account_id = %(account_id)s and (provisioned_at is not null or state = 'parked');

-- name: resolve_account_failures
-- A person has seen to it.
update failure set resolved_at = now()
where subject_kind = 'account' and subject_id = %(account_id)s::bigint::text and resolved_at is null;

-- name: note_link
-- Who decided what, and why.
insert into timeline (tenant, integration_id, employee_key, kind, data)
values (%(tenant)s, %(integration_id)s, %(employee_key)s, %(kind)s, %(data)s::jsonb);
