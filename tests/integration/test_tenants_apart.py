"""What each database role may touch, and that the console sees one tenant at a time; S13, S19."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, get_args

import psycopg
import pytest
from psycopg import errors, sql

from db.pool import OfTenant, Pool, Role, open_pool, transaction
from db.schema import create_schema
from domain.errors import NeedsAttention
from ops.operators import audited
from tests.support.builders import TENANT, enrolled, hired
from tests.support.operators import BY
from tests.support.workbench import Workbench, academy, store_events

OTHER = "zenith"
TABLES = "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace order by 1"

As = Callable[[Role], AbstractContextManager[Pool]]


@pytest.fixture
def tables(pool: Pool) -> list[str]:
    with transaction(pool) as db:
        return [str(name) for (name,) in db.execute(TABLES).fetchall()]


@pytest.fixture
def as_(database_url: str) -> As:
    @contextmanager
    def opened(role: Role) -> Iterator[Pool]:
        with open_pool(database_url, name="test", max_size=2, role=role) as pool:
            yield pool

    return opened


@pytest.fixture
def worked(pool: Pool) -> Workbench:
    """Something of one tenant in most tables, and a line of the audit for each of two."""
    bench = Workbench(pool, academy())
    bench.done(hired(), enrolled())
    bench.poll()
    with transaction(pool) as db:
        audited(db, BY, "integrations:sync:start", "integration/A", tenant=TENANT)
        audited(db, BY, "integrations:sync:start", "integration/B", tenant=OTHER)
        audited(db, BY, "ops:installation:init", "installation/database", tenant=None)
        db.execute("insert into tenant (tenant) values (%s)", [OTHER])
        db.execute("insert into operator (tenant, name, role) values (%s, 'eva', 'admin')", [TENANT])
        db.execute(
            "insert into api_token (token_id, tenant, operator_id, name, scopes, secret_hash, expires_at)"
            " select 't1', tenant, operator_id, 'x', '{}', sha256('s'), now() + interval '1 day' from operator"
        )
    return bench


def seen(pool: Pool, tables: list[str]) -> dict[str, int]:
    with transaction(pool) as db:
        counts = {}
        for name in tables:
            row = db.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(name))).fetchone()
            assert row is not None
            counts[name] = int(row[0])
        return counts


def test_without_a_tenant_the_console_sees_no_row_of_any_table(worked: Workbench, tables: list[str], as_: As) -> None:
    """S13: whoever forgets to say for whom gets nothing."""
    with as_("console") as console:
        assert {name: count for name, count in seen(console, tables).items() if count} == {}


def test_the_console_sees_the_one_tenant_of_its_transaction(worked: Workbench, tables: list[str], as_: As) -> None:
    everything = seen(worked.pool, tables)
    with as_("console") as console:
        own, others = seen(OfTenant(console, TENANT), tables), seen(OfTenant(console, OTHER), tables)
        forgotten = seen(console, tables)

    shared = {"audit": 3, "audit_chain": 3, "tenant": 2}
    assert {name: count for name, count in everything.items() if name not in shared} == {
        name: count for name, count in own.items() if name not in shared
    }
    assert len([name for name, count in own.items() if count]) > len(tables) / 3, "the scene is too empty to tell"
    assert {name: count for name, count in others.items() if count} == dict.fromkeys(shared, 1)
    assert set(forgotten.values()) == {0}, "the tenant outlived its transaction"


@pytest.mark.parametrize(
    "statement",
    [
        "insert into sweep (tenant) values ('zenith')",
        "update account set tenant = 'zenith'",
        "insert into scan (integration_id) values (99)",
    ],
)
def test_the_console_writes_nothing_for_another_tenant(worked: Workbench, as_: As, statement: Any) -> None:
    refused = pytest.raises(errors.InsufficientPrivilege, match="row-level security")
    with as_("console") as console, refused, transaction(OfTenant(console, TENANT)) as db:
        db.execute(statement)


def test_an_update_passes_over_the_rows_of_another_tenant(worked: Workbench, as_: As) -> None:
    with as_("console") as console, transaction(OfTenant(console, OTHER)) as db:
        assert db.execute("update integration set state = 'paused'").rowcount == 0


@pytest.mark.parametrize("role", [*get_args(Role), "audit"])
@pytest.mark.parametrize(
    "statement",
    ["update audit set reason = 'x'", "delete from audit", "truncate audit", "update audit_chain set number = 0"],
)
def test_nobody_but_the_owner_changes_the_audit(worked: Workbench, as_: As, role: Any, statement: Any) -> None:
    """S19: the roles of the application can append, and no more."""
    with as_(role) as pool, pytest.raises(errors.InsufficientPrivilege), transaction(OfTenant(pool, TENANT)) as db:
        db.execute(statement)


def test_workers_work_for_every_tenant_and_read_no_secret_of_access(worked: Workbench, as_: As) -> None:
    with as_("worker") as worker:
        with transaction(worker) as db:
            assert db.execute("select count(*) from audit").fetchone() == (3,)
        for table in ("operator", "api_token", "idempotent"):
            with pytest.raises(errors.InsufficientPrivilege), transaction(worker) as db:
                db.execute(sql.SQL("select from {}").format(sql.Identifier(table)))


def test_ingest_stores_and_reads_nothing_of_people(worked: Workbench, tables: list[str], as_: As) -> None:
    """What is wrong with a message becomes a failure, too; of accounts and enrolments it sees keys only."""
    with as_("ingest") as ingest:
        for name in set(tables) - {"inbox", "failure", "failure_group", "notice", "heartbeat"}:
            with pytest.raises(errors.InsufficientPrivilege), transaction(ingest) as db:
                db.execute(sql.SQL("select * from {}").format(sql.Identifier(name)))


def test_ingest_can_open_a_failure(worked: Workbench, as_: As) -> None:
    first = hired("E-7")
    with as_("ingest") as ingest:
        store_events(ingest, first)
        store_events(ingest, hired("E-8") | {"id": first["id"]})
    assert worked.column("select code from failure") == ["same_id_other_bytes"]


def test_workers_read_every_view_and_delete_what_a_statement_deletes(pool: Pool) -> None:
    """A statement or view that is new cannot forget its grant."""
    text = "".join(file.read_text() for file in Path("db/queries").glob("*.sql"))
    deleted = set(re.findall(r"delete from (\w+)", text)) - {"idempotent"}
    with transaction(pool) as db:
        lacking = db.execute(
            "select relname from pg_class where relnamespace = 'public'::regnamespace"
            " and (relkind = 'v' and not (has_table_privilege('matricula_worker', oid, 'select')"
            "                             and 'security_invoker=true' = any(reloptions))"
            "      or relname = any(%s) and not has_table_privilege('matricula_worker', oid, 'delete'))",
            [list(deleted)],
        ).fetchall()
    assert lacking == []


def test_every_table_is_guarded(pool: Pool, tables: list[str]) -> None:
    """A new table cannot be forgotten: without a way to its tenant the schema is refused."""
    with transaction(pool) as db:
        guarded = db.execute("select tablename from pg_policies where policyname = 'own' order by 1").fetchall()
        bare = db.execute("select count(*) from pg_class where relname = any(%s) and not relrowsecurity", [tables])
        assert ([name for (name,) in guarded], bare.fetchone()) == (tables, (0,))


def test_an_owner_who_was_given_the_roles_need_not_make_them(pool: Pool, database_url: str) -> None:
    """As deploy/postgres/create-database.sql does it."""
    with poor_owner(pool, database_url) as url:
        with transaction(pool) as db:
            db.execute("grant matricula_ingest, matricula_worker, matricula_console, matricula_audit to nobody_much")
        with open_pool(url, name="test", max_size=1) as poor, transaction(poor) as db:
            assert create_schema(db)


def test_a_user_of_the_console_is_no_more_than_its_role(pool: Pool, worked: Workbench, database_url: str) -> None:
    """S23: a console with a user of its own can take no other role, and has no rows without one either."""
    with poor_owner(pool, database_url) as url:
        with transaction(pool) as db:
            db.execute("grant matricula_console to nobody_much")
        with open_pool(url, name="test", max_size=1, role="console") as console:
            with pytest.raises(errors.InsufficientPrivilege), transaction(console) as db:
                db.execute("set role matricula_worker")
            with transaction(console) as db:
                db.execute("reset role")
                assert db.execute("select count(*) from public.account").fetchone() == (0,)


@contextmanager
def poor_owner(pool: Pool, database_url: str) -> Iterator[str]:
    """A user with a schema of their own and no right on the server; yields their URL."""
    with transaction(pool) as db:
        db.execute("create role nobody_much login password 'x'")
        db.execute("create schema mine authorization nobody_much")
        db.execute("alter role nobody_much set search_path = mine")
    try:
        yield psycopg.conninfo.make_conninfo(database_url, user="nobody_much", password="x")
    finally:
        with transaction(pool) as db:
            db.execute("drop schema mine cascade")
            db.execute("drop role nobody_much")


def test_a_user_who_may_not_make_roles_is_told_so(pool: Pool, database_url: str) -> None:
    """A server of somebody else's: `init` says what is missing instead of ending in the middle."""
    refused = pytest.raises(NeedsAttention, match="roles_missing")
    with (
        poor_owner(pool, database_url) as url,
        open_pool(url, name="test", max_size=1) as poor,
        refused,
        transaction(poor) as db,
    ):
        create_schema(db)
