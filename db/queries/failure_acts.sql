-- name: acknowledge
-- Somebody has seen it.
update failure_group set state = 'acknowledged', snoozed_until = null
where group_id = %(group_id)s and state in ('new', 'snoozed', 'regressed') returning group_id;

-- name: snooze
-- Nobody needs to look before.
update failure_group set state = 'snoozed', snoozed_until = %(until)s
where group_id = %(group_id)s and state in ('new', 'acknowledged', 'snoozed', 'regressed') returning group_id;

-- name: assign
-- Whose it is now; nobody's when that is null.
update failure_group set assigned_to = %(to)s where group_id = %(group_id)s returning group_id;

-- name: note
-- What is known about it by now.
update failure_group set note = %(note)s where group_id = %(group_id)s returning group_id;

-- name: remember
-- What was done to these groups, by whom and why.
insert into failure_group_history (group_id, who, what, reason, data)
select u.group_id, %(who)s, %(what)s, %(reason)s, %(data)s::jsonb from unnest(%(groups)s::bigint[]) as u(group_id);

-- name: dismiss
-- Nothing needs to be done about these; they come back by nothing but being restored, until a day.
update failure set resolved_at = now(), dismissed_at = now(), dismissed_by = %(who)s, dismissed_because = %(reason)s,
                   restorable_until = now() + %(kept)s
where resolved_at is null and (%(tenant)s::text is null or tenant = %(tenant)s)
  and (failure_id = any(%(ids)s) or group_id = any(%(groups)s))
  and subject_kind in ('inbox', 'account', 'placement', 'membership', 'reading', 'course', 'payroll')
returning failure_id, group_id;

-- name: restore
-- These need somebody after all, if what they tell of is still so and nobody has told of it again.
update failure f set resolved_at = null, dismissed_at = null, dismissed_by = null, dismissed_because = null,
                     restorable_until = null
where f.dismissed_at is not null and f.restorable_until > now() and (%(tenant)s::text is null or f.tenant = %(tenant)s)
  and (f.failure_id = any(%(ids)s) or f.group_id = any(%(groups)s))
  and not exists (select from failure o where o.subject_kind = f.subject_kind and o.subject_id = f.subject_id
                  and o.code = f.code and o.resolved_at is null)
  and case f.subject_kind
          when 'account' then exists (select from account a where a.account_id = f.subject_id::bigint
                                      and (a.state = 'parked' or f.code = any(%(standing)s)))
          when 'placement' then exists (select from placement p where p.placement_id = f.subject_id::bigint
                                        and p.state = 'parked')
          when 'membership' then exists (select from placement p where p.placement_id = f.subject_id::bigint
                                         and p.group_code is not null)
          when 'inbox' then exists (select from inbox m where m.inbox_id = f.subject_id::bigint
                                    and m.state in ('failed', 'set_aside'))
          else true end
returning f.failure_id, f.group_id;

-- name: of_version
-- Failures whose groups were made by one version of the rules, some at a time.
select f.failure_id, f.group_id, f.tenant, f.integration_id, coalesce(i.settings ->> 'lms', 'hr') as lms, f.subject_kind,
       f.subject_id, f.code, f.detail
from failure f join failure_group g using (group_id) left join integration i on i.integration_id = f.integration_id
where g.fingerprint like %(version)s || ':%%' order by f.failure_id limit %(most)s;

-- name: move
-- These failures belong to other groups by the rules of another version. Such a group goes on where the old one was.
with moved as (
    update failure f set group_id = u.new
    from unnest(%(failures)s::bigint[], %(old)s::bigint[], %(new)s::bigint[]) as u(failure_id, old, new)
    where f.failure_id = u.failure_id
    returning u.old, u.new
), pairs as (
    select distinct old, new from moved
), led as (
    update failure_group g set regrouped_into = (
        select array_agg(distinct into_group order by into_group)
        from unnest(g.regrouped_into || (select array_agg(p.new) from pairs p where p.old = g.group_id)) as into_group)
    where g.group_id in (select old from pairs)
), inherited as (
    update failure_group g
    set state = o.state, snoozed_until = o.snoozed_until, assigned_to = o.assigned_to, note = o.note,
        first_at = least(g.first_at, o.first_at)
    from pairs p join failure_group o on o.group_id = p.old
    where g.group_id = p.new and g.failures = 0 and g.state = 'new' and o.state not in ('resolved', 'retrying')
)
insert into failure_touch (group_id, opened) select old, 0 from pairs;
