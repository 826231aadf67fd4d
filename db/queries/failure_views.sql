-- name: groups
-- Failures by cause: as last counted, or counted now where something has changed since.
select g.group_id, g.tenant, i.name as integration, g.code, g.subject_kind as kind, g.detail, g.fingerprint, g.parts,
       case when g.state = 'snoozed' and g.snoozed_until <= now() then 'new' else g.state end as state,
       g.snoozed_until, g.assigned_to, g.note, coalesce(live.failures, g.failures) as failures,
       coalesce(live.people, g.people) as people, coalesce(live.open_since, g.open_since) as open_since, g.first_at,
       g.last_at,
       coalesce(trend.hour, 0) as last_hour, coalesce(trend.day, 0) as last_day, coalesce(trend.before, 0) as day_before,
       g.last_replay, g.regrouped_into
from failure_group g
left join integration i using (integration_id)
left join lateral (
    select c.* from (select from failure_touch t where t.group_id = g.group_id limit 1) changed
    cross join lateral (select count(*)::int as failures, count(distinct f.employee_key)::int as people,
                               min(f.first_at) as open_since
                        from failure f where f.group_id = g.group_id and f.resolved_at is null) c
) live on true
left join lateral (
    select sum(h.opened) filter (where h.hour >= date_trunc('hour', now()))::int as hour,
           sum(h.opened) filter (where h.hour > now() - interval '1 day')::int as day,
           sum(h.opened) filter (where h.hour <= now() - interval '1 day')::int as before
    from failure_group_hour h where h.group_id = g.group_id and h.hour > now() - interval '2 days'
) trend on true
where (%(tenant)s::text is null or g.tenant = %(tenant)s)
  and (%(group_id)s::bigint is null or g.group_id = %(group_id)s)
  and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(code)s::text is null or g.code = %(code)s)
  and (%(state)s::text is null or g.state = %(state)s)
  and (not %(open)s or g.failures > 0 or exists (select from failure_touch t where t.group_id = g.group_id))
  and (not %(open)s or coalesce(live.failures, g.failures) > 0)
order by failures desc, g.last_at desc, g.group_id limit %(most)s;

-- name: history
-- What people and time did to a group, the newest last.
select at, who, what, reason, data from failure_group_history where group_id = %(group_id)s order by at, what;

-- name: failures
-- Single failures, the last first; those that are open, or those that were dismissed.
select f.failure_id, f.group_id, f.tenant, i.name as integration, f.subject_kind as kind, f.subject_id, f.employee_key,
       p.enrolment_key, f.code, f.detail, f.times, f.first_at, f.last_at, f.resolved_at, f.dismissed_at, f.dismissed_by,
       f.dismissed_because, f.restorable_until
from failure f
left join integration i using (integration_id)
left join placement p on p.placement_id = case when f.subject_kind in ('placement', 'membership', 'reading')
                                               then f.subject_id::bigint end
where (%(tenant)s::text is null or f.tenant = %(tenant)s)
  and (%(ids)s::bigint[] is null or f.failure_id = any(%(ids)s))
  and (%(group_id)s::bigint is null or f.group_id = %(group_id)s)
  and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(code)s::text is null or f.code = %(code)s)
  and (%(person)s::text is null or f.employee_key = %(person)s)
  and (%(ids)s::bigint[] is not null
       or case when %(dismissed)s then f.dismissed_at is not null else f.resolved_at is null end)
order by f.last_at desc, f.failure_id limit %(most)s;

-- name: counts_by
-- Open failures counted another way than by cause.
select coalesce(case %(by)s
           when 'integration' then i.name when 'payroll' then h.payroll when 'course' then p.course_code
           when 'type' then m.type
           else case when f.first_at > now() - interval '1 hour' then '1 less than an hour'
                     when f.first_at > now() - interval '1 day' then '2 less than a day'
                     when f.first_at > now() - interval '7 days' then '3 less than a week' else '4 older' end end,
       '(none)') as value,
       count(*)::int as failures, count(distinct f.employee_key)::int as people, min(f.first_at) as first_at,
       max(f.last_at) as last_at
from failure f
left join integration i using (integration_id)
left join placement p on p.placement_id = case when f.subject_kind in ('placement', 'membership', 'reading')
                                               then f.subject_id::bigint end
left join inbox m on m.inbox_id = case when f.subject_kind = 'inbox' then f.subject_id::bigint end
left join person h on h.tenant = f.tenant and h.employee_key = f.employee_key
where f.resolved_at is null and (%(tenant)s::text is null or f.tenant = %(tenant)s)
group by 1 order by 2 desc, 1 limit %(most)s;
