-- name: tenants_due
-- Tenants with stored events to apply or people to look at again.
select tenant from inbox where state = 'received' and tenant is not null
union
select tenant from sweep where done_at is null and due_at <= now();

-- name: provisions_due
-- Integrations with accounts due that nobody works on, and quarantined ones whose next probe is due. Where calls are
-- counted, an account that this hour has not calls enough for is no reason to wake anybody: see domain.budget.admitted.
select i.integration_id from integration i
left join call_budget b on b.integration_id = i.integration_id and b.resets_at > now()
where (i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
       and exists (select from account a
                   where a.integration_id = i.integration_id and a.due_at <= now()
                     and (a.lease_until is null or a.lease_until < now())
                     and (b.integration_id is null
                          or b.hour_left - b.keeps[a.urgency + 1]
                             >= greatest(1, least(b.costs[a.urgency + 1], b.hour_limit - b.keeps[a.urgency + 1])))))
   or (i.state = 'quarantined' and i.resume_at <= now());

-- name: polls_due
-- Integrations whose completions are to be read.
select c.integration_id from poll_cursor c join integration i using (integration_id)
where i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
  and c.due_at <= now() and (c.lease_until is null or c.lease_until < now())
  and not exists (select from integration_check k
                  where k.integration_id = c.integration_id and k.state = 'failed' and k.holds = 'results');

-- name: catalogues_due
-- Integrations whose courses were not read lately, sooner when an enrolment waits for one.
select i.integration_id from integration i
where i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
  and (i.courses_retry_at is null or i.courses_retry_at <= now())
  and (i.courses_seen_at is null
       or i.courses_seen_at < now() - make_interval(secs => coalesce((i.settings #>> '{sync,every_s}')::int, 86400))
       or exists (select from sync_run r where r.integration_id = i.integration_id and r.flow = 'courses'
                  and r.done_at is null)
       or (i.courses_seen_at < now() - interval '15 minutes'
           and exists (select from placement p where p.integration_id = i.integration_id and p.state = 'parked'
                       and p.code = 'course_not_found')));

-- name: syncs_due
-- Integrations whose rolling scan is to begin anew, and those with a run that has nobody left to read.
select distinct i.integration_id
from integration i cross join unnest(array['people', 'enrolments']) f(flow)
left join sync_run o on o.integration_id = i.integration_id and o.flow = f.flow and o.done_at is null
where i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
  and case when o.run_id is not null
      then o.position is null
           and not exists (select from account a where a.sync_run = o.run_id and a.due_at is not null)
      else coalesce((i.settings #>> '{drift,rolling}')::boolean, true)
           and now() - greatest(i.added_at, (select max(r.started_at) from sync_run r
                                             where r.integration_id = i.integration_id and r.flow = f.flow))
               > make_interval(secs => coalesce((i.settings #>> '{sync,every_s}')::int, 86400)) end;

-- name: scans_due
-- Integrations with a run to read on for.
select s.integration_id from scan s join integration i using (integration_id)
where s.due_at <= now() and i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
  and exists (select from sync_run r where r.integration_id = s.integration_id and r.done_at is null
              and r.position is not null);

-- name: checks_due
-- Integrations to be looked at as a whole: once a day, and when a refused call may concern a part of the work only.
select integration_id from integration
where (state in ('active', 'quarantined') and checked_at < now() - interval '1 day')
   or (state = 'quarantined' and hold_code in ('access_refused', 'right_missing') and held_since > checked_at);

-- name: upkeep_due
-- Whether replays may go on, failures want to be counted, or notices are to be sent.
select exists (select from replay where state = 'running' and next_at <= now())
    or exists (select from replay_item where state = 'running')
    or exists (select from failure_touch)
    or exists (select from tally offset 1000)
    or exists (select from failure_group where state = 'snoozed' and snoozed_until <= now())
    or exists (select from notice where due_at <= now());
