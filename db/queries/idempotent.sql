-- name: forget_old
-- After a day nobody asks again.
delete from idempotent where begun_at < now() - interval '1 day';

-- name: begin
-- The request is ours to do: it is new, or whoever had it vanished in the middle.
insert into idempotent as i (tenant, token_id, key, request) values (%(tenant)s, %(token_id)s, %(key)s, %(request)s)
on conflict (token_id, key) do update set begun_at = now()
where i.status is null and i.begun_at < now() - interval '2 minutes' and i.request = excluded.request
returning key;

-- name: asked
-- What came under this key before.
select request, status, body from idempotent where token_id = %(token_id)s and key = %(key)s;

-- name: end
-- What was answered.
update idempotent set status = %(status)s, body = %(body)s::jsonb where token_id = %(token_id)s and key = %(key)s;

-- name: forget
-- It failed and may be tried again.
delete from idempotent where token_id = %(token_id)s and key = %(key)s and status is null;
