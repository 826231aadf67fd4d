-- name: tell
-- A loop turned so many seconds ago, by the database's clock; the latest of all processes counts.
insert into heartbeat as h (loop, turned_at)
select loop, clock_timestamp() - make_interval(secs => age)
from unnest(%(loops)s::text[], %(ages)s::float8[]) as told (loop, age)
order by loop
on conflict (loop) do update set turned_at = greatest(h.turned_at, excluded.turned_at);

-- name: ages
-- How many seconds ago each loop last turned.
select loop, greatest(0, extract(epoch from clock_timestamp() - turned_at))::float8 from heartbeat order by loop;
