-- name: insert
-- Stores messages in the order of their arrival and leaves out those that are there. Answers with what was stored.
insert into inbox (event_key, body_sha256, body, body_size, attributes, source, event_id, type, subject, tenant, trace_id,
                   class, state, code, detail, returned)
select event_key, body_sha256, body, body_size, attributes, source, event_id, type, subject, tenant, trace_id,
       class, case class when 'event' then 'received' else 'set_aside' end, code, detail, returned
from unnest(%(event_key)b::bytea[], %(body_sha256)b::bytea[], %(body)b::bytea[], %(body_size)b::int[],
            %(attributes)s::jsonb[], %(source)s::text[], %(event_id)s::text[], %(type)s::text[],
            %(subject)s::text[], %(tenant)s::text[], %(trace_id)s::text[], %(kind)s::text[], %(code)s::text[], %(detail)s::text[],
            %(returned)b::boolean[])
     as arrived (event_key, body_sha256, body, body_size, attributes, source, event_id, type, subject, tenant, trace_id,
                 class, code, detail, returned)
on conflict do nothing
returning event_key, body_sha256, tenant, class, inbox_id, code, detail;

-- name: count_duplicates
-- Counts messages that are there already with the same bytes, and answers with those.
update inbox
set duplicates = duplicates + again.times
from (
    select event_key, body_sha256, count(*) as times
    from unnest(%(event_key)b::bytea[], %(body_sha256)b::bytea[]) as arrived (event_key, body_sha256)
    group by event_key, body_sha256
) as again
where inbox.event_key = again.event_key and inbox.body_sha256 = again.body_sha256
returning inbox.event_key, inbox.body_sha256;
