-- name: oldest_due
-- For how many seconds the oldest work of each kind has waited; 0 where none does. An integration that is paused, held or
-- told to wait has no line: nothing of it is late. Urgency 2 is what nobody waits for.
with working as (
    select i.integration_id, i.tenant, i.name from integration i
    where i.state = 'active' and (i.resume_at is null or i.resume_at <= now())
), since (tenant, integration, kind, at) as (
    select t.tenant, '', 'events', (select m.received_at from inbox m where m.tenant = t.tenant and m.state = 'received'
                                    order by m.inbox_id limit 1) from tenant t
    union all
    select w.tenant, w.name, k.kind, (select min(a.due_at) from account a
                                      where a.integration_id = w.integration_id and a.due_at <= now()
                                        and (a.lease_until is null or a.lease_until < now())
                                        and (a.urgency = 2) = (k.kind = 'sweep'))
    from working w cross join (values ('people'), ('sweep')) k(kind)
    union all
    select w.tenant, w.name, 'results', c.due_at from working w
    left join poll_cursor c on c.integration_id = w.integration_id and c.due_at <= now()
                           and (c.lease_until is null or c.lease_until < now())
                           and not exists (select from integration_check k where k.integration_id = c.integration_id
                                           and k.state = 'failed' and k.holds = 'results')
    union all
    select t.tenant, '', 'announcements', (select min(o.written_at) from outbox o where o.tenant = t.tenant
                                           and o.published_at is null and o.problem is null) from tenant t
)
select tenant, integration, kind, coalesce(greatest(0, extract(epoch from now() - at)), 0)::float8 from since;

-- name: events
-- Stored messages: events by what became of them, others by what they are.
select coalesce(tenant, ''), case split_part(label, ' ', 1) when 'event' then split_part(label, ' ', 2)
                             else split_part(label, ' ', 1) end, sum(n)::bigint
from tally where what = 'inbox' and label <> 'duplicates' group by 1, 2;

-- name: duplicates
-- Messages whose bytes had come before.
select coalesce(tenant, ''), sum(n)::bigint from tally where what = 'inbox' and label = 'duplicates' group by 1;

-- name: accounts
-- Accounts by state.
select i.tenant, i.name, split_part(t.label, ' ', 1), sum(t.n)::bigint from tally t join integration i using (integration_id)
where t.what = 'account' and t.label <> 'linked' group by 1, 2, 3;

-- name: enrolments
-- Enrolments by state.
select i.tenant, i.name, split_part(t.label, ' ', 1), sum(t.n)::bigint from tally t join integration i using (integration_id)
where t.what = 'placement' and t.label not in ('provisioned', 'completed') group by 1, 2, 3;

-- name: enrolments_reached
-- Enrolments that the LMS has held, and those that it has called complete.
select i.tenant, i.name, t.label, sum(t.n)::bigint from tally t join integration i using (integration_id)
where t.what = 'placement' and t.label in ('provisioned', 'completed') group by 1, 2, 3;

-- name: failure_groups
-- Causes that have open failures, by what people did about them.
select coalesce(g.tenant, ''), coalesce(i.name, ''), g.state, count(*) from failure_group g
left join integration i using (integration_id) where g.failures > 0 group by 1, 2, 3;

-- name: failures
-- Open failures, as last counted.
select coalesce(g.tenant, ''), coalesce(i.name, ''), coalesce(g.parts ->> 'class', ''), g.code, sum(g.failures)::bigint
from failure_group g left join integration i using (integration_id) where g.failures > 0 group by 1, 2, 3, 4;

-- name: lms_calls
-- What each LMS was asked, and what came of it.
select i.tenant, i.name, c.function, c.outcome, sum(c.calls)::bigint
from lms_calls c join integration i using (integration_id) group by 1, 2, 3, 4;

-- name: lms_call_items
-- For how many people, enrolments or courses each LMS was asked.
select i.tenant, i.name, c.function, sum(c.items)::bigint
from lms_calls c join integration i using (integration_id) group by 1, 2, 3;

-- name: lms_calls_left
-- What each LMS that counts calls has left of this hour.
select i.tenant, i.name, (case when b.resets_at > now() then b.hour_left else b.hour_limit end)::bigint
from call_budget b join integration i using (integration_id) where i.state <> 'removed';

-- name: lms_calls_allowed
-- What each LMS that counts calls allows an hour.
select i.tenant, i.name, b.hour_limit::bigint
from call_budget b join integration i using (integration_id) where i.state <> 'removed';

-- name: announcements
-- What HR is told, by how far it has come.
select coalesce(tenant, ''), label, sum(n)::bigint from tally where what = 'outbox' group by 1, 2;

-- name: replay_items
-- The members of replays that are not over, by what became of each.
select coalesce(r.tenant, ''), coalesce(i.name, ''), m.state, count(*) from replay r
join replay_item m using (replay_id) left join integration i on i.integration_id = r.integration_id
where r.state in ('unapproved', 'running', 'paused') group by 1, 2, 3;

-- name: integrations
-- Each integration with its state.
select tenant, name, state, 1 from integration where state <> 'removed';

-- name: heartbeats
-- How many seconds ago each loop last turned.
select loop, greatest(0, extract(epoch from clock_timestamp() - turned_at))::float8 from heartbeat;
