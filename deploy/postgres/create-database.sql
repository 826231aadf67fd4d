-- Runs once, when the volume is empty: the database, and an owner who can do nothing else on the server.
-- From template0, so that the database is UTF-8 whatever the image makes its templates. The collation is Postgres's own:
-- one from the image's C library can change with the image, and then indexes on text are wrong.
\getenv password POSTGRES_PASSWORD
create role matricula login password :'password';
create database matricula owner matricula template template0
  encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' locale 'C';
revoke connect on database matricula from public;
-- The superuser is for `docker compose exec postgres psql`, through the socket in its container; no password opens it.
alter role postgres password null;
