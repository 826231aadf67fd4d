-- Runs once, when the volume is empty: the database, an owner who can do nothing else on the server, and the roles that our
-- processes take (db/access.sql). The console, which strangers can reach, has a user of its own who is no more than its role.
-- From template0, so that the database is UTF-8 whatever the image makes its templates. The collation is Postgres's own:
-- one from the image's C library can change with the image, and then indexes on text are wrong.
\getenv password POSTGRES_PASSWORD
\getenv console CONSOLE_PASSWORD
create role matricula_ingest nologin;
create role matricula_worker nologin;
create role matricula_console nologin;
create role matricula_audit nologin;
create role matricula login password :'password';
grant matricula_ingest, matricula_worker, matricula_console, matricula_audit to matricula;
create role console login password :'console' in role matricula_console;
create database matricula owner matricula template template0
  encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' locale 'C';
revoke connect on database matricula from public;
grant connect on database matricula to matricula_console;
-- The superuser is for `docker compose exec postgres psql`, through the socket in its container; no password opens it.
alter role postgres password null;
