-- name: tallies
-- How many rows there are of what, counted as they were written.
select what, coalesce(integration_id, 0), label, sum(n)::bigint from tally
where %(tenant)s::text is null or tenant = %(tenant)s
group by 1, 2, 3 having sum(n) <> 0;

-- name: failures
-- What needs a person, by cause: groups as last counted, or counted now where something has changed since.
select g.code, i.name, g.subject_kind, sum(coalesce(live.failures, g.failures))::bigint,
       min(coalesce(live.open_since, g.open_since)), max(g.last_at), min(g.detail),
       array_agg(g.group_id order by g.failures desc, g.group_id)
from failure_group g
left join integration i using (integration_id)
left join lateral (
    select c.* from (select from failure_touch t where t.group_id = g.group_id limit 1) changed
    cross join lateral (select count(*)::int as failures, min(f.first_at) as open_since
                        from failure f where f.group_id = g.group_id and f.resolved_at is null) c
) live on true
where coalesce(live.failures, g.failures) > 0 and (%(tenant)s::text is null or g.tenant = %(tenant)s)
group by 1, 2, 3 order by 4 desc, 1;

-- name: lms_call_counts
-- What each LMS was asked, all days together.
select integration_id, sum(calls)::bigint, sum(items)::bigint,
       coalesce(sum(calls) filter (where outcome <> 'ok'), 0)::bigint
from lms_calls group by 1;

-- name: oldest_due
-- For how long the oldest due piece of work has waited: events, accounts, outbox.
select (select extract(epoch from now() - min(received_at)) from inbox where state = 'received')::float8,
       (select extract(epoch from now() - min(due_at)) from account where due_at <= now())::float8,
       (select extract(epoch from now() - min(written_at)) from outbox
        where published_at is null and problem is null)::float8;

-- name: sweeps_open
-- Sweeps that are not done.
select count(*) from sweep where done_at is null;

-- name: result_counts
-- Results by outcome.
select integration_id, outcome, count(*) from result
where %(tenant)s::text is null or tenant = %(tenant)s group by 1, 2;

-- name: provisioned
-- When the LMS of an integration first held each enrolment.
select enrolment_key, provisioned_at from placement
where provisioned_at is not null and integration_id = %(integration_id)s;

-- name: result_report
-- Results counted by course, payroll or day of attempt, where the client has that report (R10).
select i.name as integration,
       case %(by)s when 'course' then r.course_code when 'payroll' then p.payroll else r.attempted_on::text end as counted,
       count(*) as results, count(*) filter (where r.passed) as passed, count(*) filter (where not r.passed) as failed,
       min(r.attempted_on) as first_on, max(r.attempted_on) as last_on
from result r
join integration i using (integration_id)
left join person p on p.tenant = r.tenant and p.employee_key = r.employee_key
where i.settings -> 'features' ? 'result_report'
  and (%(tenant)s::text is null or r.tenant = %(tenant)s)
  and (%(integration)s::text is null or i.name = %(integration)s)
  and (%(course)s::text is null or r.course_code = %(course)s)
  and (%(payroll)s::text is null or p.payroll = %(payroll)s)
  and (%(since)s::date is null or r.attempted_on >= %(since)s)
  and (%(until)s::date is null or r.attempted_on <= %(until)s)
group by 1, 2 order by 1, 2;

-- name: drift_counts
-- How much of what was changed at each LMS waits for a decision.
select integration_id, count(*) from finding where resolved_at is null and state = 'open' group by integration_id;
