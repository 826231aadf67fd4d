-- name: look_accounts
-- How these accounts stand, and whether anything is known to be wanted of each.
select account_id, employee_key, state, code, wanted is not null from account where account_id = any(%(accounts)s);

-- name: lock_accounts
-- They are locked in the order in which facts lock them, unless a worker is at work on them.
select a.account_id from account a
where a.account_id = any(%(accounts)s) and (a.lease_until is null or a.lease_until < now())
order by a.employee_key collate "C" for no key update;

-- name: accounts_of
-- Whose enrolments these are.
select placement_id, account_id from placement where placement_id = any(%(placements)s);

-- name: release_accounts
-- Parked people are due again, behind everything that somebody waits for. Whoever killed workers comes alone.
update account
set state = 'due', code = null, due_at = case when doubt > 0 then greatest(now(), due_at) else now() end, attempts = 0,
    first_attempt_at = null, starts = case when code = 'starts_without_end' then 2 else 0 end, urgency = 2,
    revision = revision + 1, changed_at = now()
where account_id = any(%(accounts)s) and state = 'parked' and wanted is not null;

-- name: release_placements
-- Parked enrolments are due again.
update placement
set state = 'due', code = null, due_at = now(), attempts = 0, first_attempt_at = null, revision = revision + 1,
    changed_at = now()
where placement_id = any(%(placements)s) and state = 'parked';

-- name: release_memberships
-- Putting people into their groups is due again.
update placement
set group_due_at = now(), group_code = null, group_attempts = 0, group_first_at = null, changed_at = now()
where placement_id = any(%(placements)s) and group_code is not null;

-- name: wake_patiently
-- People with something due are due themselves; whom somebody waited for already is not put off by it.
update account
set due_at = case when doubt > 0 then due_at else least(due_at, now()) end, revision = revision + 1,
    urgency = case when due_at <= now() then urgency else 2 end
where account_id = any(%(accounts)s) and state in ('due', 'settled', 'out_of_scope');

-- name: lock_messages
-- Messages as they were stored, for nobody else until the transaction ends.
select inbox_id, event_key, coalesce(event_id, ''), body, attributes, class <> 'conflict' and not exists (
           select from inbox o where o.event_key = m.event_key and o.class = 'event' and o.inbox_id <> m.inbox_id)
from inbox m
where inbox_id = any(%(messages)s) and state in ('failed', 'set_aside') order by inbox_id for update;

-- name: receive_again
-- These wait to be applied, as if they had just come.
update inbox m
set class = 'event', state = 'received', code = null, detail = null, settled_at = null, source = u.source,
    event_id = u.event_id, type = u.type, subject = u.subject, tenant = u.tenant
from unnest(%(messages)s::bigint[], %(sources)s::text[], %(event_ids)s::text[], %(types)s::text[], %(subjects)s::text[],
            %(tenants)s::text[]) as u(inbox_id, source, event_id, type, subject, tenant)
where m.inbox_id = u.inbox_id;
