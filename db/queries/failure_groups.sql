-- name: know_groups
-- Every cause has its group. People are told of a new one, unless they are told of the quarantine that it is about.
with added as (
    insert into failure_group (tenant, integration_id, fingerprint, parts, code, subject_kind, detail)
    select %(tenant)s, %(integration_id)s, u.*
    from unnest(%(fingerprints)s::text[], %(parts)s::jsonb[], %(codes)s::text[], %(kinds)s::text[], %(details)s::text[])
         as u(fingerprint, parts, code, kind, detail)
    order by u.fingerprint
    on conflict (fingerprint, coalesce(integration_id, 0), coalesce(tenant, '')) do nothing
    returning group_id, code, detail
)
insert into notice (key, channel, tenant, integration_id, kind, group_id, code, detail)
select 'group ' || g.group_id, channel, %(tenant)s, %(integration_id)s, 'failure group', g.group_id, g.code, g.detail
from added g cross join unnest('{mail,webhook}'::text[]) as channel
where %(telling)s and not exists (select from integration i where i.integration_id = %(integration_id)s
                                  and i.state = 'quarantined' and i.hold_code = g.code)
on conflict (key, channel) do nothing;

-- name: group_ids
-- The groups of these causes.
select fingerprint, group_id from failure_group
where fingerprint = any(%(fingerprints)s) and coalesce(integration_id, 0) = coalesce(%(integration_id)s::bigint, 0)
  and coalesce(tenant, '') = coalesce(%(tenant)s::text, '');

-- name: open_failures
-- What needs a person becomes visible in its group, once per subject and code.
insert into failure as f (group_id, tenant, integration_id, subject_kind, subject_id, employee_key, code, detail)
select g.group_id, %(tenant)s, %(integration_id)s, u.kind, u.id,
       case when u.kind = 'account' then (select a.employee_key from account a where a.account_id = u.id::bigint)
            when u.kind = 'inbox' then (select m.subject from inbox m
                                        where m.inbox_id = u.id::bigint and m.type like 'hr.employee.%%')
            when u.kind in ('placement', 'membership', 'reading') then
                (select a.employee_key from placement p join account a using (account_id)
                 where p.placement_id = u.id::bigint)
       end, u.code, u.detail
from unnest(%(fingerprints)s::text[], %(kinds)s::text[], %(ids)s::text[], %(codes)s::text[], %(details)s::text[])
     as u(fingerprint, kind, id, code, detail)
join failure_group g on g.fingerprint = u.fingerprint
                        and coalesce(g.integration_id, 0) = coalesce(%(integration_id)s::bigint, 0)
                        and coalesce(g.tenant, '') = coalesce(%(tenant)s::text, '')
order by u.kind, u.id, u.code
on conflict (subject_kind, subject_id, code) where resolved_at is null
do update set times = f.times + 1, last_at = now(), detail = excluded.detail, group_id = excluded.group_id;

-- name: lms_of
-- What kind of LMS an integration leads to.
select coalesce(settings ->> 'lms', 'moodle') from integration where integration_id = %(integration_id)s;

-- name: counting
-- One counts at a time; who comes second leaves it to the first.
select pg_try_advisory_xact_lock(hashtextextended('failure groups', 0));

-- name: count_groups
-- Groups whose failures changed are counted anew. What came back after it was gone has regressed.
with touched as (
    delete from failure_touch returning group_id, opened
), sums as (
    select group_id, sum(opened)::int as opened from touched group by group_id
), counted as (
    select s.group_id, s.opened, c.failures, c.people, c.open_since, c.last_at
    from sums s
    cross join lateral (select count(*)::int as failures, count(distinct f.employee_key)::int as people,
                               min(f.first_at) as open_since, max(f.last_at) as last_at
                        from failure f where f.group_id = s.group_id and f.resolved_at is null) c
), hours as (
    insert into failure_group_hour as h (group_id, hour, opened)
    select group_id, date_trunc('hour', now()), opened from counted where opened > 0
    on conflict (group_id, hour) do update set opened = h.opened + excluded.opened
), changed as (
    update failure_group g
    set failures = c.failures, people = c.people, open_since = c.open_since, last_at = greatest(g.last_at, c.last_at),
        snoozed_until = case when c.failures > 0 then g.snoozed_until end,
        state = case when g.state = 'retrying' then 'retrying' when c.failures = 0 then 'resolved'
                     when g.state = 'resolved' then 'regressed' else g.state end
    from counted c join failure_group was using (group_id)
    where g.group_id = c.group_id
    returning g.group_id, was.state as before, g.state
)
insert into failure_group_history (group_id, who, what)
select group_id, 'matricula', state from changed where state <> before;

-- name: end_snoozes
-- What was put off until now is there again.
with ended as (
    update failure_group set state = 'new', snoozed_until = null where state = 'snoozed' and snoozed_until <= now()
    returning group_id
)
insert into failure_group_history (group_id, who, what) select group_id, 'matricula', 'snooze over' from ended;

-- name: sum_tally
-- Many lines become one each, once there are many.
with taken as (
    delete from tally where exists (select from tally offset 1000) returning *
)
insert into tally
select what, tenant, integration_id, label, sum(n) from taken group by 1, 2, 3, 4 having sum(n) <> 0;
