-- name: add_key
-- A company gets its data key once.
insert into tenant_key (tenant, master_key, wrapped) values (%(tenant)s, %(master_key)s, %(wrapped)s)
on conflict (tenant) do nothing;

-- name: lock_key
-- The data key as it is stored; nobody wraps it anew meanwhile.
select master_key, wrapped from tenant_key where tenant = %(tenant)s for update;

-- name: replace_key
-- The same data key under another master key.
update tenant_key set master_key = %(master_key)s, wrapped = %(wrapped)s, wrapped_at = now() where tenant = %(tenant)s;

-- name: key_states
-- Which master key wraps whose data key.
select tenant, master_key, made_at, wrapped_at from tenant_key order by tenant;
