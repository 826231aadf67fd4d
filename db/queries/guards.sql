-- name: lock_guard
-- One worker or decision at a time: two batches that are each below the limit may be past it together.
select pg_advisory_xact_lock(hashtextextended('guard ' || %(integration_id)s, 0));

-- name: overruled
-- People who stay active although HR wants them suspended: somebody decided so, and HR has said nothing new.
select distinct a.account_id from account a
join lateral (select g.state from guard_item gi join guard g using (guard_id)
              where gi.account_id = a.account_id and gi.wanted = a.wanted and g.state <> 'open'
              order by g.decided_at desc limit 1) latest on latest.state in ('rejected', 'undone')
where a.account_id = any(%(ids)s);

-- name: suspensions
-- The suspensions asked for, by payroll: those that were let through before, by a decision or within the window, and
-- those that are new.
select a.account_id, coalesce(p.payroll, '') as payroll,
       coalesce(a.suspended_at > now() - %(window)s, false) or coalesce(latest.state = 'approved', false) as let_through
from account a
left join person p on p.tenant = a.tenant and p.employee_key = a.employee_key
left join lateral (select g.state from guard_item gi join guard g using (guard_id)
                   where gi.account_id = a.account_id and gi.wanted = a.wanted and g.state <> 'open'
                   order by g.decided_at desc limit 1) latest on true
where a.account_id = any(%(ids)s);

-- name: window
-- One payroll as it stands: people linked, suspensions that passed within the window, and whether a guard is open.
select count(*) filter (where a.lms_user_id is not null),
       count(*) filter (where a.suspended_at > now() - %(window)s),
       exists (select from guard g where g.integration_id = %(integration_id)s and g.payroll = %(payroll)s
               and g.state = 'open')
from account a
left join person p on p.tenant = a.tenant and p.employee_key = a.employee_key
where a.integration_id = %(integration_id)s and coalesce(p.payroll, '') = %(payroll)s;

-- name: pass_suspensions
-- These go on unasked, and count from now on.
update account a set suspended_at = now()
from (select account_id from account where account_id = any(%(ids)s)
      order by employee_key collate "C" for no key update) mine
where a.account_id = mine.account_id;

-- name: open_guard
-- One guard per payroll is open at a time; more suspensions join it.
insert into guard (integration_id, payroll, counted, "limit")
values (%(integration_id)s, %(payroll)s, %(counted)s, %(limit)s)
on conflict (integration_id, payroll) where state = 'open'
do update set counted = greatest(guard.counted, excluded.counted)
returning guard_id;

-- name: stage
-- These wait for the decision.
insert into guard_item (guard_id, account_id, wanted)
select %(guard_id)s, account_id, wanted from account where account_id = any(%(ids)s)
on conflict (guard_id, account_id) do update set wanted = excluded.wanted;

-- name: guards
-- Guards with how many people they still concern, the newest first.
select g.guard_id, i.tenant, i.name as integration, g.integration_id, g.payroll, g.state, g.counted, g."limit",
       (select count(*) from guard_item gi join account a using (account_id)
        where gi.guard_id = g.guard_id and gi.wanted = a.wanted)::int as people,
       g.opened_at, g.decided_at, g.decided_by, g.reason
from guard g join integration i using (integration_id)
where (%(tenant)s::text is null or i.tenant = %(tenant)s) and (%(guard_id)s::bigint is null or g.guard_id = %(guard_id)s)
  and (not %(open_only)s or g.state = 'open')
order by g.guard_id desc;

-- name: guard_people
-- Whom a guard is about: the keys of those of whom HR still says the same.
select a.employee_key, a.lms_user_id from guard_item gi join account a using (account_id)
where gi.guard_id = %(guard_id)s and gi.wanted = a.wanted order by a.employee_key;

-- name: decide_guard
-- The decision, once.
update guard set state = %(state)s, decided_at = now(), decided_by = %(by)s, reason = %(reason)s
where guard_id = %(guard_id)s and state = %(before)s
returning guard_id;

-- name: wake_guarded
-- Everybody concerned is looked at again; what a worker still holds in hand about them is out of date.
with concerned as (
    update account a
    set state = 'due', code = null, due_at = now(), attempts = 0, first_attempt_at = null, revision = a.revision + 1,
        changed_at = now()
    from (select x.account_id from account x join guard_item gi using (account_id)
          where gi.guard_id = %(guard_id)s and gi.wanted = x.wanted
          order by x.employee_key collate "C" for no key update of x) mine
    where a.account_id = mine.account_id
    returning a.account_id, a.tenant, a.integration_id, a.employee_key
), told as (
    insert into timeline (tenant, integration_id, employee_key, kind, data)
    select tenant, integration_id, employee_key, %(kind)s, %(data)s::jsonb from concerned
)
select count(*)::int from concerned;

-- name: close_guard_notice
-- Decided: nothing waits for a person any more.
update failure set resolved_at = now()
where subject_kind = 'guard' and subject_id = %(guard_id)s::bigint::text and resolved_at is null;
