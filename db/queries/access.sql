-- name: holder
-- Whose token this is, if its secret is right and it may still be used.
select tenant, name, role, scopes from token_holder(%(token_id)s, %(secret_hash)s);

-- name: operators
-- Operators by name.
select o.tenant, o.name, o.role, o.added_at,
       (select count(*) from api_token t where t.operator_id = o.operator_id and t.revoked_at is null and t.expires_at > now())
       as tokens
from operator o
where o.removed_at is null and (%(tenant)s::text is null or o.tenant = %(tenant)s)
  and (%(name)s::text is null or o.name = %(name)s)
order by o.tenant, o.name;

-- name: lock_operator
-- The role of an operator, for changing it.
select role from operator where tenant = %(tenant)s and name = %(name)s and removed_at is null for update;

-- name: add_operator
-- Somebody may act for the tenant, which exists from its first operator on if there is no integration yet.
with known as (insert into tenant (tenant) values (%(tenant)s) on conflict do nothing)
insert into operator (tenant, name, role) values (%(tenant)s, %(name)s, %(role)s);

-- name: change_role
-- Another role counts from the next request on.
update operator set role = %(role)s where tenant = %(tenant)s and name = %(name)s and removed_at is null;

-- name: remove_operator
-- Gone with every token, so that somebody of this name who comes later does not find them.
with gone as (
    update operator set removed_at = now() where tenant = %(tenant)s and name = %(name)s and removed_at is null
    returning operator_id
), revoked as (
    update api_token t set revoked_at = now() from gone where t.operator_id = gone.operator_id and t.revoked_at is null
)
select operator_id from gone;

-- name: tokens
-- Tokens, the newest first.
select t.token_id, t.tenant, o.name as operator, t.name, t.scopes, t.created_at, t.expires_at, t.last_used_at,
       t.revoked_at
from api_token t join operator o using (operator_id)
where (%(tenant)s::text is null or t.tenant = %(tenant)s) and (%(token_id)s::text is null or t.token_id = %(token_id)s)
  and (%(used_up)s or (t.revoked_at is null and t.expires_at > now()))
order by t.created_at desc, t.token_id;

-- name: add_token
-- A token of an operator; of its secret only the hash.
insert into api_token (token_id, tenant, operator_id, name, scopes, secret_hash, expires_at)
select %(token_id)s, tenant, operator_id, %(name)s, %(scopes)s, %(secret_hash)s, now() + %(lasts)s::interval
from operator where tenant = %(tenant)s and name = %(operator)s and removed_at is null
returning expires_at;

-- name: revoke_token
-- Of no use any more.
update api_token set revoked_at = now()
where tenant = %(tenant)s and token_id = %(token_id)s and revoked_at is null returning token_id;
