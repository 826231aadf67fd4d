-- name: start_run
-- Begins a run, unless one of this flow is under way.
insert into sync_run (integration_id, flow, asked_by, enrolments, position)
values (%(integration_id)s, %(flow)s, %(asked_by)s, %(enrolments)s, %(position)s::jsonb)
on conflict (integration_id, flow) where done_at is null do nothing
returning run_id;

-- name: take_over_run
-- Somebody asks for what nobody had asked for: the run begins anew, because what was read before the request is no
-- answer to it, and in no hour's limits.
update sync_run
set asked_by = %(asked_by)s, enrolments = %(enrolments)s, position = %(position)s::jsonb, expected = null, created = 0,
    updated = 0, skipped = 0, failed = 0, reasons = '{}', calls = 0, code = null, started_at = now()
where integration_id = %(integration_id)s and flow = %(flow)s and done_at is null and asked_by = 'schedule'
  and %(asked_by)s <> 'schedule'
returning run_id;

-- name: open_run
-- The run of one flow that is under way.
select run_id from sync_run where integration_id = %(integration_id)s and flow = %(flow)s and done_at is null;

-- name: try_again
-- Whoever is not at rest, or has an enrolment to be written, is tried again and counted in the run, after the work that
-- somebody waits for.
update account a
set sync_run = %(run_id)s, state = case when a.at_rest then a.state else 'due' end,
    code = case when a.at_rest then a.code end, revision = a.revision + 1, urgency = 2,
    due_at = case when a.doubt > 0 then greatest(a.due_at, now()) else now() end,
    attempts = 0, first_attempt_at = null
from (select account_id from account x
      where x.integration_id = %(integration_id)s and x.wanted is not null and x.state <> 'staged'
        and (not x.at_rest or exists (select from placement p where p.account_id = x.account_id
                                      and least(p.due_at, p.group_due_at) <= now()))
      order by x.employee_key collate "C" for no key update) mine
where a.account_id = mine.account_id;

-- name: expect_people
-- How many people there are to read and to try again.
update sync_run r
set expected = (select count(*) from account a where a.integration_id = r.integration_id
                and (a.at_rest or a.sync_run = r.run_id))
where r.run_id = %(run_id)s;

-- name: expect_enrolments
-- How many enrolments there are to read.
update sync_run r
set expected = (select count(distinct (p.account_id, p.lms_course_id)) from placement p join account a using (account_id)
                where p.integration_id = r.integration_id and p.provisioned_at is not null
                  and p.lms_course_id is not null and a.lms_user_id is not null)
where r.run_id = %(run_id)s;

-- name: wake_scan
-- Somebody reads on at once.
insert into scan (integration_id) values (%(integration_id)s)
on conflict (integration_id) do update set due_at = least(scan.due_at, now());

-- name: mark_enrolments
-- Parked enrolments are tried again; those that the LMS holds are written again only where that is asked for, whatever
-- was accepted there.
update placement p
set due_at = now(), applied = null, state = 'due', code = null, revision = p.revision + 1, attempts = 0,
    first_attempt_at = null
where p.integration_id = %(integration_id)s
  and (p.state = 'parked' or (%(enrolments)s and p.state in ('due', 'settled')));

-- name: ask_for_courses
-- The courses are read at once, whatever put them off.
update integration set courses_retry_at = null where integration_id = %(integration_id)s;

-- name: ask_for_results
-- All completions are read, not only the news.
update poll_cursor set due_at = now(), full_at = null where integration_id = %(integration_id)s;

-- name: integration_named
-- The tenant's integration of this name.
select integration_id from integration where tenant = %(tenant)s and name = %(name)s and state <> 'removed';

-- name: count_off
-- These people have been read for their run.
update account set sync_run = null where account_id = any(%(ids)s) and sync_run = %(run_id)s;

-- name: add_to_run
-- What has been done for a run so far.
update sync_run r
set created = r.created + %(created)s, updated = r.updated + %(updated)s, skipped = r.skipped + %(skipped)s,
    failed = r.failed + %(failed)s, calls = r.calls + %(calls)s, code = null,
    reasons = (
        select coalesce(jsonb_object_agg(together.reason, together.times), '{}')
        from (select e.reason, sum(e.times::int) as times
              from (select * from jsonb_each_text(r.reasons) union all select * from jsonb_each_text(%(reasons)s::jsonb))
                   as e(reason, times)
              group by e.reason) together)
where r.run_id = %(run_id)s and r.done_at is null;

-- name: finish_run
-- The run is over, if it failed or nobody is left to be read. Whoever HR parked meanwhile is not waited for.
update sync_run r
set state = %(state)s, code = %(code)s, position = null, done_at = now()
from integration i
where r.run_id = %(run_id)s and r.done_at is null and i.integration_id = r.integration_id
  and (%(state)s = 'failed'
       or r.position is null
          and not exists (select from account a where a.sync_run = r.run_id and a.due_at is not null))
returning r.run_id, i.tenant, i.name as integration, r.flow, r.state, r.asked_by, r.enrolments, r.expected, r.created,
          r.updated, r.skipped, r.failed, r.reasons, r.calls, r.code, r.started_at, r.done_at, now() as read_at;

-- name: note_trouble
-- What an open run waits for.
update sync_run set code = %(code)s
where integration_id = %(integration_id)s and flow = %(flow)s and done_at is null;

-- name: runs
-- Runs, the newest first.
select r.run_id, i.tenant, i.name as integration, r.flow, r.state, r.asked_by, r.enrolments, r.expected, r.created,
       r.updated, r.skipped, r.failed, r.reasons, r.calls, r.code, r.started_at, r.done_at, now() as read_at
from sync_run r join integration i using (integration_id)
where r.integration_id = %(integration_id)s and (%(run_ids)s::bigint[] is null or r.run_id = any(%(run_ids)s))
  and (%(before)s::bigint is null or r.run_id < %(before)s)
order by r.run_id desc limit %(most)s;

-- name: empty_runs
-- Open runs that were scanned to the end and have nobody left to be written: HR's news may have taken them out.
select r.run_id from sync_run r
where r.integration_id = %(integration_id)s and r.flow in ('people', 'enrolments') and r.done_at is null
  and r.position is null and not exists (select from account a where a.sync_run = r.run_id and a.due_at is not null);

-- name: readings_due
-- What the rolling scan is to begin anew because it was long ago (R80).
select f.flow from unnest(array['people', 'enrolments']) f(flow), integration i
where i.integration_id = %(integration_id)s and i.state = 'active'
  and coalesce((i.settings #>> '{drift,rolling}')::boolean, true)
  and not exists (select from sync_run r where r.integration_id = i.integration_id and r.flow = f.flow
                  and r.done_at is null)
  and now() - greatest(i.added_at, (select max(r.started_at) from sync_run r
                                    where r.integration_id = i.integration_id and r.flow = f.flow))
      > make_interval(secs => coalesce((i.settings #>> '{sync,every_s}')::int, 86400));

-- name: results_since
-- Results recorded and corrected since an instant.
select count(*) filter (where e.kind = 'recorded'), count(*) filter (where e.kind = 'corrected')
from result_event e join result r using (result_id)
where r.integration_id = %(integration_id)s
  and e.recorded_at >= (select started_at from sync_run where run_id = %(run_id)s);

-- name: flow_worked
-- A flow did its work; once a second is often enough to know (R1).
insert into flow_state as f (integration_id, flow, succeeded_at) values (%(integration_id)s, %(flow)s, now())
on conflict (integration_id, flow) do update set succeeded_at = now()
where f.succeeded_at is null or f.succeeded_at < now() - interval '1 second' or f.failed_at > f.succeeded_at;

-- name: flow_failed
-- A flow could not do its work.
insert into flow_state (integration_id, flow, failed_at, code) values (%(integration_id)s, %(flow)s, now(), %(code)s)
on conflict (integration_id, flow) do update set failed_at = now(), code = excluded.code;

-- name: flow_states
-- How the flows of all integrations stand.
select integration_id, flow, succeeded_at, failed_at, code from flow_state;
