-- name: replays
-- Replays with how far they are, the newest first.
select r.replay_id, r.tenant, r.integration_id, i.name as integration, r.mode, r.state, r.why, r.members, r.reason,
       r.per_minute, r.predicted, r.selection, r.approval, r.created_by, r.created_at, r.approved_by, r.next_at, r.ended_at,
       c.waiting, c.running, c.done, c.failed, c.skipped
from replay r
left join integration i using (integration_id)
cross join lateral (
    select count(*) filter (where state = 'waiting')::int as waiting, count(*) filter (where state = 'running')::int as running,
           count(*) filter (where state = 'done')::int as done, count(*) filter (where state = 'failed')::int as failed,
           count(*) filter (where state = 'skipped')::int as skipped
    from replay_item where replay_id = r.replay_id) c
where (%(tenant)s::text is null or r.tenant = %(tenant)s) and (%(replay_id)s::bigint is null or r.replay_id = %(replay_id)s)
  and (not %(active)s or r.state in ('unapproved', 'running', 'paused'))
order by r.replay_id desc limit %(most)s;

-- name: outcomes
-- What came of a replay's items: how many ended how, and whether that was foreseen.
select state, outcome, differs, count(*)::int from replay_item
where replay_id = %(replay_id)s and ended_at is not null group by 1, 2, 3 order by 4 desc, 1, 2, 3;

-- name: items
-- Items that ended, the last first: those in these states, or all.
select position, failure_id, subject_kind as kind, subject_id, employee_key, code, predicted, state, outcome, released_at,
       ended_at
from replay_item
where replay_id = %(replay_id)s and (%(states)s::text[] is null or state = any(%(states)s))
order by ended_at desc nulls last, position limit %(most)s;

-- name: different_items
-- Items of which something else came than was foreseen.
select position, failure_id, subject_kind as kind, subject_id, employee_key, code, predicted, state, outcome, released_at,
       ended_at
from replay_item
where replay_id = %(replay_id)s and differs order by position limit %(most)s;

-- name: new_failures
-- Failures that appeared there since the replay was made and are none of its members', by code.
select f.code, count(*)::int
from failure f join replay r on r.replay_id = %(replay_id)s
where f.first_at > r.created_at and coalesce(f.integration_id, 0) = coalesce(r.integration_id, 0)
  and (r.integration_id is not null or coalesce(f.tenant, '') = coalesce(r.tenant, ''))
  and (r.integration_id is not null or f.subject_kind = 'inbox')
  and not exists (select from replay_item i where i.replay_id = r.replay_id and i.subject_kind = f.subject_kind
                  and i.subject_id = f.subject_id)
group by f.code order by 2 desc, 1;
