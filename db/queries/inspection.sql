-- name: server
-- Who answers, how the connection is encrypted, and what time it is there.
select current_setting('server_version'), coalesce(s.version, ''), clock_timestamp(), pg_is_in_recovery()
from (select) one left join pg_stat_ssl s on s.pid = pg_backend_pid() and s.ssl;

-- name: objects
-- Everything in the current schema as lines: what kind, which, and how it is. Names of the schema are left out, so that
-- two schemas can be compared.
with ours as (
    select c.oid, c.relname, c.relkind, c.relrowsecurity, c.relacl from pg_class c
    where c.relnamespace = current_schema()::regnamespace
), lines (kind, name, text) as (
    select 'column', relname || '.' || attname,
           concat_ws(' ', format_type(atttypid, atttypmod), case when attnotnull then 'not null' end,
                     nullif(attidentity, ''), nullif(attgenerated, ''), pg_get_expr(adbin, adrelid))
    from ours join pg_attribute on attrelid = oid and attnum > 0 and not attisdropped
    left join pg_attrdef d on d.adrelid = ours.oid and d.adnum = attnum where relkind in ('r', 'p')
    union all select 'constraint', relname || '.' || conname, pg_get_constraintdef(c.oid)
    from pg_constraint c join ours on ours.oid = conrelid where contype <> 'n'  -- since 18: not null, said at the column
    union all select 'index', relname, pg_get_indexdef(oid) from ours where relkind in ('i', 'I')
    union all select 'view', relname, pg_get_viewdef(oid) from ours where relkind = 'v'
    union all select 'sequence', relname, '' from ours where relkind = 'S'
    union all select 'trigger', relname || '.' || tgname, pg_get_triggerdef(t.oid)
    from pg_trigger t join ours on ours.oid = tgrelid where not tgisinternal
    union all select 'function', proname, md5(prosrc) from pg_proc where pronamespace = current_schema()::regnamespace
    union all select 'row security', relname, relrowsecurity::text from ours where relkind in ('r', 'p')
    union all select 'policy', relname || '.' || polname,
                     pg_get_expr(polqual, polrelid) || ' to ' || (select string_agg(rolname, ', ' order by rolname)
                                                                  from pg_roles r where r.oid = any(polroles))
    from pg_policy join ours on ours.oid = polrelid
    union all select 'grant', rolname || ' on ' || thing, privilege_type from (
        select relname, relacl from ours union all
        select proname, proacl from pg_proc where pronamespace = current_schema()::regnamespace union all
        select relname || '.' || attname, attacl from pg_attribute join ours on attrelid = ours.oid where attnum > 0
    ) held (thing, acl) cross join lateral aclexplode(acl) join pg_roles r on r.oid = grantee
    where rolname like 'matricula\_%%'
)
select kind, name, replace(text, current_schema() || '.', '') from lines;

-- name: begin_beside
-- What is made from here to the end of the transaction is made beside what is there. Bodies of functions are not looked
-- into, because they name tables of the schema that they are written for.
create schema matricula_doctor;
set local search_path = matricula_doctor;
set local check_function_bodies = off;

-- name: roles_lacking
-- Our roles that are not on this server, or that this user may not take.
select wanted from unnest(array['matricula_ingest', 'matricula_worker', 'matricula_console', 'matricula_audit']) wanted
left join pg_roles on rolname = wanted
where rolname is null or not pg_has_role(current_user, oid, 'member');

-- name: columns
-- Which columns the tables of the current schema have.
select relname || '.' || attname from pg_class join pg_attribute on attrelid = pg_class.oid
where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p') and attnum > 0 and not attisdropped;

-- name: master_keys_in_use
-- The names of the master keys that wrap something here.
select master_key from master_keys_in_use();

-- name: data_keys
-- Every company's data key, as it is wrapped.
select tenant, master_key, wrapped, wrapped_at from tenant_key order by tenant;

-- name: messages_waiting
-- For how many seconds the oldest event and the oldest announcement have waited.
select (select extract(epoch from now() - min(received_at)) from inbox
        where state = 'received' and tenant is not null)::float8,
       (select extract(epoch from now() - min(written_at)) from outbox
        where published_at is null and problem is null)::float8;

-- name: work_waiting
-- For how many seconds the oldest work that somebody waits for and nobody is at has been due, by integration; and
-- whether its LMS counts calls, so that it may have to wait. What is paused, held or told to wait is not late.
select i.name, b.integration_id is not null,
       (select extract(epoch from now() - min(a.due_at)) from account a
        where a.integration_id = i.integration_id and a.due_at <= now() and a.urgency < 2
          and (a.lease_until is null or a.lease_until < now()))::float8,
       (select extract(epoch from now() - c.due_at) from poll_cursor c
        where c.integration_id = i.integration_id and c.due_at <= now()
          and (c.lease_until is null or c.lease_until < now())
          and not exists (select from integration_check k
                          where k.integration_id = i.integration_id and k.state = 'failed' and k.holds = 'results'))::float8
from integration i left join call_budget b using (integration_id)
where i.state = 'active' and (i.resume_at is null or i.resume_at <= now()) order by i.name;

-- name: quarantined
-- Integrations whose LMS refuses us.
select name, hold_code from integration where state = 'quarantined' order by held_since;
