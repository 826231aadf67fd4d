-- name: standing
-- What is left, as it is now.
select hour_limit, hour_left, resets_at - now(), greatest(crowded_until - now(), interval '0'), keeps, costs,
       for_accounts, others, now() - checked_at, slowed
from call_budget where integration_id = %(integration_id)s;

-- name: lock_standing
-- The same, and nobody else begins accounts before this transaction ends.
select hour_limit, hour_left, resets_at - now(), greatest(crowded_until - now(), interval '0'), keeps, costs,
       for_accounts, others, now() - checked_at, slowed
from call_budget where integration_id = %(integration_id)s for update;

-- name: under_way
-- Accounts that somebody is at, by urgency. A claimed account has begun a start, so that few rows are looked at.
select urgency, count(*) from account
where integration_id = %(integration_id)s and due_at is not null and starts > 0 and lease_until > now() group by urgency;

-- name: backlog
-- Accounts that wait for their turn, by urgency: due now, or as soon as an hour with calls for them begins.
select a.urgency, count(*) from account a join call_budget b using (integration_id)
where a.integration_id = %(integration_id)s and a.due_at <= greatest(now(), b.resets_at)
  and a.state in ('due', 'settled', 'out_of_scope')
group by a.urgency;

-- name: pay
-- One call, if the hour has one left for this purpose and the last seconds are not full. All of it looks at the row that
-- is written, so that callers who wait for each other cannot spend the same call.
update call_budget
set hour_left = hour_left - 1, for_accounts = for_accounts + %(for_accounts)s,
    crowded_until = greatest(crowded_until, now()) + %(space)s * (1 << slowed)
where integration_id = %(integration_id)s and resets_at > now() and hour_left > keeps[%(place)s]
  and greatest(crowded_until, now()) + %(space)s * (1 << slowed) <= now() + %(interval)s
returning integration_id;

-- name: begin
-- The first thing that the LMS ever said of its calls; who said it first is right.
insert into call_budget (integration_id, hour_limit, hour_left, resets_at, keeps, costs)
values (%(integration_id)s, %(limit)s, %(left)s, now() + %(resets_in)s, %(keeps)s, %(costs)s)
on conflict (integration_id) do nothing;

-- name: correct
-- What is left, now that the LMS has told. The pace recovers only while it answers.
update call_budget b
set hour_limit = %(limit)s, hour_left = %(left)s, resets_at = now() + %(resets_in)s, keeps = %(keeps)s,
    for_accounts = %(for_accounts)s, others = %(others)s, checked_at = now(),
    slowed = case when i.outages = 0 then greatest(b.slowed - %(recover)s, 0) else b.slowed end
from integration i
where b.integration_id = %(integration_id)s and i.integration_id = b.integration_id;

-- name: slow_down
-- The LMS turned us away: nobody calls for an interval, and everybody at half the pace from then on. What it told before
-- counts no more.
update call_budget set crowded_until = now() + %(interval)s, slowed = least(slowed + 1, 2), checked_at = 'epoch'
where integration_id = %(integration_id)s;

-- name: learn
-- Accounts of this urgency took so many calls; what was known before fades.
update call_budget
set costs[%(place)s] = costs[%(place)s]
                       + (%(calls)s::double precision / %(accounts)s - costs[%(place)s])
                         * %(accounts)s / (%(accounts)s + %(memory)s)
where integration_id = %(integration_id)s;

-- name: now
-- The one clock that all processes share.
select now();
