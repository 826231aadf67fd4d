-- name: members
-- Open failures that can be tried again and match, oldest first, those of one person together and in order.
with chosen as (
    select f.failure_id, f.tenant, f.integration_id, f.group_id, f.subject_kind, f.subject_id,
           coalesce(f.employee_key, m.subject) as employee_key, f.code, f.times, f.first_at,
           case f.subject_kind when 'inbox' then 0 when 'account' then 1 when 'placement' then 2 else 3 end as rank
    from failure f
    left join placement p on p.placement_id = case when f.subject_kind in ('placement', 'membership')
                                                   then f.subject_id::bigint end
    left join inbox m on m.inbox_id = case when f.subject_kind = 'inbox' then f.subject_id::bigint end
    left join integration i on i.integration_id = f.integration_id
    left join person h on h.tenant = f.tenant and h.employee_key = coalesce(f.employee_key, m.subject)
    where f.resolved_at is null and f.subject_kind in ('inbox', 'account', 'placement', 'membership')
      and (%(tenant)s::text is null or f.tenant = %(tenant)s)
      and (%(ids)s::bigint[] is null or f.failure_id = any(%(ids)s))
      and (%(groups)s::bigint[] is null or f.group_id = any(%(groups)s))
      and (%(integration)s::text is null or i.name = %(integration)s)
      and (%(code)s::text is null or f.code = %(code)s)
      and (%(person)s::text is null or f.employee_key = %(person)s)
      and (%(payroll)s::text is null or h.payroll = %(payroll)s)
      and (%(course)s::text is null or p.course_code = %(course)s)
      and (%(type)s::text is null or m.type = %(type)s)
      and (%(since)s::timestamptz is null or f.last_at >= %(since)s)
      and (%(until)s::timestamptz is null or f.last_at < %(until)s)
      and not coalesce(h.erased, false)
      and coalesce(i.state, 'active') <> 'removed'
), subjects as (
    -- One subject is tried once, whatever is wrong with it.
    select distinct on (subject_kind, subject_id) * from chosen order by subject_kind, subject_id, failure_id
)
select failure_id, tenant, integration_id, group_id, subject_kind, subject_id, employee_key, code, times
from subjects
order by min(first_at) over (partition by coalesce(employee_key, subject_kind || subject_id)),
         coalesce(employee_key, subject_kind || subject_id), rank, subject_id::bigint
limit %(most)s;

-- name: why_not
-- What stands against trying these again, number by number; those that nobody here may know of are not among them.
select f.failure_id,
       case when f.dismissed_at is not null then 'dismissed'
            when f.resolved_at is not null then 'done already'
            when f.subject_kind not in ('inbox', 'account', 'placement', 'membership') then 'ends with its cause'
            when coalesce(h.erased, false) then 'erased'
            else 'its integration is removed' end
from failure f
left join inbox m on m.inbox_id = case when f.subject_kind = 'inbox' then f.subject_id::bigint end
left join person h on h.tenant = f.tenant and h.employee_key = coalesce(f.employee_key, m.subject)
where f.failure_id = any(%(ids)s) and (%(tenant)s::text is null or f.tenant = %(tenant)s);

-- name: settings_version
-- What the integration's people would be evaluated with.
select settings_version from integration where integration_id = %(integration_id)s;

-- name: people_per_minute
-- How many people the calls of an hour are enough for, where they are counted: by what newcomers took lately.
select hour_limit / (60 * costs[2]) from call_budget where integration_id = %(integration_id)s;

-- name: lock_scope
-- One replay is made at a time.
select pg_advisory_xact_lock(hashtextextended('replay', 0));

-- name: same_replay
-- The replay that was made of this very confirmation a moment ago.
select replay_id from replay where digest = %(digest)s and created_at > now() - %(within)s order by replay_id desc limit 1;

-- name: active_replay
-- What is at work on the integration, or on the tenant's messages.
select replay_id from replay
where state in ('unapproved', 'running', 'paused') and coalesce(integration_id, 0) = coalesce(%(integration_id)s::bigint, 0)
  and coalesce(tenant, '') = coalesce(%(tenant)s::text, '');

-- name: add_replay
-- A replay with everything that was decided about it.
insert into replay (tenant, integration_id, mode, selection, digest, members, predicted, reason, per_minute, rules, state,
                    created_by, approval)
values (%(tenant)s, %(integration_id)s, %(mode)s, %(selection)s::jsonb, %(digest)s, %(members)s, %(predicted)s::jsonb,
        %(reason)s, %(per_minute)s, %(rules)s::jsonb, case when %(approval)s then 'unapproved' else 'running' end, %(by)s,
        %(approval)s)
returning replay_id;

-- name: freeze
-- The members, for good.
insert into replay_item (replay_id, position, failure_id, subject_kind, subject_id, employee_key, code, predicted)
select %(replay_id)s, row_number() over (), u.*
from unnest(%(failures)s::bigint[], %(kinds)s::text[], %(ids)s::text[], %(employees)s::text[], %(codes)s::text[],
            %(predicted)s::text[]) as u(failure_id, kind, id, employee_key, code, predicted);

-- name: mark_groups
-- Groups with members in it are being tried again.
with marked as (
    update failure_group g
    set last_replay = %(replay_id)s, state = 'retrying', snoozed_until = null
    where g.group_id = any(%(groups)s)
    returning g.group_id
)
insert into failure_group_history (group_id, who, what, reason, data)
select group_id, %(by)s, 'tried again', %(reason)s, jsonb_build_object('replay', %(replay_id)s::bigint) from marked;

-- name: at_work
-- Replays that may begin further items, and those with items whose end may be known by now.
select replay_id from replay where state = 'running' and next_at <= now()
union
select distinct replay_id from replay_item where state = 'running';

-- name: lock_replay
-- One looks after a replay at a time.
select r.replay_id, r.tenant, r.integration_id, coalesce(i.settings ->> 'lms', 'hr') as lms, r.mode, r.state, r.per_minute,
       r.rules, r.ladder_from, r.next_at <= now() as may_go_on,
       r.integration_id is null or (i.state = 'active' and (i.resume_at is null or i.resume_at <= now())) as site_ready
from replay r left join integration i using (integration_id)
where r.replay_id = %(replay_id)s for update of r skip locked;

-- name: settle_items
-- How the items under way ended, by what the workers recorded; what is still at work stays so.
with looked as (
    select i.position, i.failure_id, i.subject_kind, i.before, i.released_at, i.code as was, f.resolved_at is null as open,
           f.code as failure_code, a.state as a_state, a.code as a_code, a.link, a.linked_at, a.applied::text as a_applied,
           a.lms_user_id, a.attempts as a_attempts, a.due_at as a_due,
           p.state as p_state, p.code as p_code, p.applied::text as p_applied, p.due_at as p_due, p.attempts as p_attempts,
           p.group_due_at, p.group_code, m.state as m_state, m.code as m_code,
           coalesce(a.lease_until > now(), false) as busy,
           a.state in ('due', 'settled', 'out_of_scope') as able
    from replay_item i
    join failure f using (failure_id)
    left join placement p on p.placement_id = case when i.subject_kind in ('placement', 'membership')
                                                   then i.subject_id::bigint end
    left join account a on a.account_id = case when i.subject_kind = 'account' then i.subject_id::bigint else p.account_id end
    left join inbox m on m.inbox_id = case when i.subject_kind = 'inbox' then i.subject_id::bigint end
    where i.replay_id = %(replay_id)s and i.state = 'running'
), judged as (
    select position, failure_id, subject_kind,
        case subject_kind
            when 'account' then
                case when busy then null
                     when a_state = 'due' then case when a_due > now() + interval '1 hour' and a_attempts = 0 then 'skipped' end
                     when a_state in ('parked', 'staged') or open then 'failed'
                     when a_state = 'waiting' then 'skipped' else 'done' end
            when 'placement' then
                case when busy then null
                     when p_state = 'due' and able then
                         case when p_due > now() + interval '1 hour' and p_attempts = 0 then 'skipped' end
                     when p_state = 'settled' then 'done' when p_state = 'not_wanted' then 'skipped' else 'failed' end
            when 'membership' then
                case when busy or (group_due_at is not null and able) then null
                     when group_due_at is null and group_code is null then 'done' else 'failed' end
            else case m_state when 'received' then null when 'applied' then 'done' when 'superseded' then 'skipped'
                              else 'failed' end
        end as state,
        case subject_kind
            when 'account' then
                case when a_state in ('parked', 'staged') then a_code when open then failure_code
                     when a_state in ('due', 'waiting') then 'changed'
                     when linked_at >= released_at then case link when 'created' then 'create' else 'link' end
                     when coalesce(a_applied, '') <> before then 'update' else 'nothing' end
            when 'placement' then
                case when p_state = 'settled' then case when coalesce(p_applied, '') <> before then 'enrol' else 'nothing' end
                     when p_state = 'parked' then p_code when p_state = 'not_wanted' or able then 'changed' else a_code end
            when 'membership' then
                case when group_code is not null then group_code when group_due_at is null then 'join' else a_code end
            else case m_state when 'applied' then 'apply' when 'superseded' then 'superseded' else m_code end
        end as outcome
    from looked
), ended as (
    update replay_item i set state = j.state, outcome = coalesce(j.outcome, i.code), ended_at = now()
    from judged j
    where i.replay_id = %(replay_id)s and i.position = j.position and j.state is not null
    returning i.failure_id, i.subject_kind, i.state
), healed as (
    -- Nobody else ends the failure of a message that could be applied at last.
    update failure f set resolved_at = now() from ended e
    where f.failure_id = e.failure_id and e.subject_kind = 'inbox' and e.state <> 'failed' and f.resolved_at is null
)
select count(*)::int from ended;

-- name: standing
-- How far the replay is since it was last started.
with ran as (
    select position, state, ended_at from replay_item
    where replay_id = %(replay_id)s and state in ('running', 'done', 'failed')
    order by released_at, position offset %(ladder_from)s
)
select (select count(*)::int from replay_item where replay_id = %(replay_id)s and state = 'waiting'),
       count(*) filter (where state = 'running')::int, count(*)::int, count(*) filter (where state = 'failed')::int,
       -- Those that failed after the last one that went well.
       count(*) filter (where state = 'failed' and (ended_at, position) > all (
           select ended_at, position from ran where state = 'done' order by 1 desc, 2 desc limit 1))::int
from ran;

-- name: next_items
-- What comes next.
select position, failure_id, subject_kind, subject_id, employee_key, code from replay_item
where replay_id = %(replay_id)s and state = 'waiting' order by position limit %(most)s;

-- name: skip_gone
-- What is a failure no more is not tried: somebody dismissed it, it was done meanwhile, or HR said something new.
update replay_item i
set state = 'skipped', ended_at = now(),
    outcome = case
        when f.dismissed_at is not null then 'dismissed'
        when i.subject_kind = 'inbox' and m.state = 'superseded' then 'superseded'
        when (i.subject_kind = 'inbox' and m.state = 'applied')
          or (i.subject_kind = 'account' and a.state in ('settled', 'out_of_scope'))
          or (i.subject_kind = 'placement' and p.state = 'settled')
          or (i.subject_kind = 'membership' and p.grouped is not null) then 'done already'
        else 'changed' end
from failure f
left join placement p on p.placement_id = case when f.subject_kind in ('placement', 'membership')
                                               then f.subject_id::bigint end
left join account a on a.account_id = case when f.subject_kind = 'account' then f.subject_id::bigint end
left join inbox m on m.inbox_id = case when f.subject_kind = 'inbox' then f.subject_id::bigint end
where i.replay_id = %(replay_id)s and i.state = 'waiting' and f.failure_id = i.failure_id and f.resolved_at is not null;

-- name: begin_items
-- These are under way; what the LMS is known to hold is kept, to tell afterwards what came of it.
with begun as (
    update replay_item i
    set state = 'running', released_at = now(),
        before = coalesce(case i.subject_kind
            when 'account' then (select a.applied::text from account a where a.account_id = i.subject_id::bigint)
            when 'placement' then (select p.applied::text from placement p where p.placement_id = i.subject_id::bigint)
        end, '')
    where i.replay_id = %(replay_id)s and i.position = any(%(positions)s)
    returning i.employee_key, i.subject_kind, i.code
)
insert into timeline (tenant, integration_id, employee_key, kind, data)
select %(tenant)s, %(integration_id)s, employee_key, 'tried again',
       jsonb_build_object('replay', %(replay_id)s::bigint, 'what', subject_kind, 'code', code)
from begun where employee_key is not null and %(tenant)s::text is not null;

-- name: fail_items
-- These fail as before, without anything having been sent.
update replay_item i set state = 'failed', outcome = u.code, released_at = now(), ended_at = now()
from unnest(%(positions)s::int[], %(codes)s::text[]) as u(position, code)
where i.replay_id = %(replay_id)s and i.position = u.position;

-- name: go_on_at
-- No further items before the rate allows it.
update replay set next_at = now() + %(pause)s where replay_id = %(replay_id)s;

-- name: end_replay
-- It is over, stopped by itself or by a person. What it was about is as its groups say.
update replay set state = %(state)s, why = %(why)s, ended_at = now() where replay_id = %(replay_id)s;

-- name: free_groups
-- Groups are no longer being tried again: nothing is left in them, something failed once more, or others are left.
with counted as (
    select g.group_id,
           (select count(*)::int from failure f where f.group_id = g.group_id and f.resolved_at is null) as open,
           exists (select from replay_item i join failure f using (failure_id)
                   where i.replay_id = %(replay_id)s and i.state = 'failed' and f.group_id = g.group_id) as failed
    from failure_group g where g.last_replay = %(replay_id)s and g.state = 'retrying'
), freed as (
    update failure_group g
    set failures = c.open,
        state = case when c.open = 0 then 'resolved' when c.failed then 'regressed' else 'acknowledged' end
    from counted c where g.group_id = c.group_id
    returning g.group_id, g.state
)
insert into failure_group_history (group_id, who, what, data)
select group_id, 'matricula', state, jsonb_build_object('replay', %(replay_id)s::bigint) from freed;

-- name: approve
-- A second person agrees, and it begins.
update replay set state = 'running', approved_by = %(by)s, next_at = now()
where replay_id = %(replay_id)s and state = 'unapproved' returning replay_id;

-- name: pause
-- Nothing further is begun until it is resumed.
update replay set state = 'paused', why = %(why)s where replay_id = %(replay_id)s and state = 'running' returning replay_id;

-- name: resume
-- It goes on with what is left; the ladder begins anew, because nobody knows whether the cause is gone.
update replay r
set state = case when r.approval and r.approved_by is null then 'unapproved' else 'running' end, why = %(why)s,
    ended_at = null, next_at = now(),
    ladder_from = (select count(*) from replay_item i
                   where i.replay_id = r.replay_id and i.state in ('running', 'done', 'failed'))
where r.replay_id = %(replay_id)s and r.state in ('paused', 'stopped', 'cancelled')
returning r.replay_id;

-- name: mark_groups_again
-- Groups with members left are being tried again.
update failure_group g set state = 'retrying', last_replay = %(replay_id)s, snoozed_until = null
where g.group_id in (select f.group_id from replay_item i join failure f using (failure_id)
                     where i.replay_id = %(replay_id)s and i.state = 'waiting');

-- name: cancel
-- Nothing further is begun.
update replay set state = 'cancelled', why = %(why)s, ended_at = now()
where replay_id = %(replay_id)s and state in ('unapproved', 'running', 'paused', 'stopped') returning replay_id;
