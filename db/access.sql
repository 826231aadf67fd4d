-- Who may touch what, once the tables of schema.sql are there (S13). A process takes its role when it connects:
--
--   matricula_ingest   stores what arrives
--   matricula_worker   works for every tenant: workers and scheduler
--   matricula_console  shows and acts for the one tenant of its transaction, and sees nothing before that is set
--   matricula_audit    reads and appends the audit, to ship it elsewhere
--
-- The owner, who does `matricula init` and the command line, is bound by none of this. Only the owner can change or
-- delete a line of the audit.

-- Roles belong to the server, not to the database: somebody may have made them before, or be about to.
do $$
declare
    wanted text;
    mighty boolean := (select rolsuper from pg_roles where rolname = current_user);
    made boolean;
begin
    foreach wanted in array array['matricula_ingest', 'matricula_worker', 'matricula_console', 'matricula_audit'] loop
        made := false;
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format('create role %I nologin', wanted);
                made := true;
            exception when duplicate_object or unique_violation then null;
            end;
        end if;
        if not mighty and (made or not pg_has_role(current_user, wanted, 'member')) then
            execute format('grant %I to current_user', wanted);
        end if;
    end loop;
end
$$;

-- Every row is somebody's: by a column, or by the way to one. A table without is refused here. A setting that was local to
-- a transaction is empty after it, and empty is the name of the installation's own chain of audit.
do $$
declare
    one record;
    own text;
begin
    for one in
        select c.relname as name, array_agg(a.attname::text) as columns
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relkind in ('r', 'p') and c.relnamespace = current_schema()::regnamespace group by c.oid
    loop
        own := case
            when 'tenant' = any(one.columns) then $q$tenant = nullif(current_setting('matricula.tenant', true), '')$q$
            when 'integration_id' = any(one.columns) then 'integration_id in (select integration_id from integration)'
            when one.name = 'heartbeat' then 'true'  -- of nobody: it tells that the processes turn
            when one.name = 'guard_item' then 'guard_id in (select guard_id from guard)'
            when one.name in ('failure_group_history', 'failure_group_hour', 'failure_touch')
                then 'group_id in (select group_id from failure_group)'
            when one.name = 'replay_item' then 'replay_id in (select replay_id from replay)'
            when one.name = 'result_event' then 'result_id in (select result_id from result)'
        end;
        if own is null then
            raise exception 'db/access.sql does not say whose the rows of % are', one.name;
        end if;
        execute format('alter table %I enable row level security', one.name);
        execute format('create policy everybody on %I to matricula_ingest, matricula_worker, matricula_audit using (true)',
                       one.name);
        execute format('create policy own on %I to matricula_console using (%s)', one.name, own);
        execute format('grant select, insert, update on %I to matricula_worker, matricula_console', one.name);
    end loop;
end
$$;

-- A view shows what its reader may see, not what its owner may.
do $$
declare
    one record;
begin
    for one in
        select relname as name from pg_class where relkind = 'v' and relnamespace = current_schema()::regnamespace
    loop
        execute format('alter view %I set (security_invoker = true)', one.name);
        execute format('grant select on %I to matricula_worker, matricula_console', one.name);
    end loop;
end
$$;

grant delete on integration_check, operation_hold to matricula_worker, matricula_console;
grant delete on idempotent, failure_touch to matricula_console;
grant usage on sequence lease_token to matricula_worker;

revoke execute on function token_holder, master_keys_in_use from public;
grant execute on function token_holder, master_keys_in_use to matricula_console;

grant select, insert, update on inbox to matricula_ingest;
-- What arrives and is wrong becomes a failure in its group, of which people are told. Whose it is takes a key, no more.
grant select, insert, update on failure, failure_group, notice to matricula_ingest;
grant insert on failure_touch, tally to matricula_ingest;
grant select (account_id, employee_key) on account to matricula_ingest;
grant select (placement_id, account_id) on placement to matricula_ingest;
grant select (integration_id, tenant, state, hold_code) on integration to matricula_ingest;
grant select, insert, update on heartbeat to matricula_ingest;
grant delete on failure_touch, tally to matricula_worker;

revoke all on operator, api_token, idempotent from matricula_worker;
revoke insert, update on heartbeat from matricula_console;
revoke update on audit, audit_chain, result_event from matricula_worker, matricula_console;
revoke insert on audit_chain from matricula_worker, matricula_console;
grant select, insert on audit to matricula_audit;
grant select on audit_chain to matricula_audit;
