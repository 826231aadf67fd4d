"""
Transactions on a real Postgres: their session, their errors, and how they come back.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from psycopg.errors import UndefinedColumn

from db.failures import IntegrationNameTaken, LmsTaken, TenantTaken, UsernameTaken
from db.pool import Db, Pool, open_pool, transaction
from domain.errors import StoreUnavailable
from tests.support.link import linked
from tests.support.waiting import until

LONG = timedelta(seconds=30)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    with open_pool(database_url, name="test", max_size=2) as opened:
        yield opened


def one(db: Db, statement: str) -> object:
    row = db.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


def run(pool: Pool, *steps: str | Callable[[], None]) -> None:
    """Run statements in one transaction, and what shall happen between them."""
    with transaction(pool) as db:
        for step in steps:
            if isinstance(step, str):
                db.execute(step.encode())
            else:
                step()


def tenants(pool: Pool) -> list[str]:
    with transaction(pool) as db:
        return [row[0] for row in db.execute("select tenant from tenant order by tenant")]


def add_tenant(db: Db, tenant: str) -> None:
    db.execute("insert into tenant (tenant) values (%s)", (tenant,))


def add_integration(db: Db, name: str, url: str) -> None:
    db.execute(
        "insert into integration (tenant, name, url, settings, token_sealed) values ('acme', %s, %s, '{}', '')",
        (name, url),
    )


def test_a_session_is_in_utc_has_a_name_and_ends_what_takes_too_long(pool: Pool) -> None:
    with transaction(pool) as db:
        assert one(db, "show timezone") == "UTC"
        assert one(db, "show application_name") == "matricula test"
        assert one(db, "show statement_timeout") == "30s"
        assert one(db, "show idle_in_transaction_session_timeout") == "1min"


def test_a_block_is_one_transaction(pool: Pool) -> None:
    with transaction(pool) as db:
        add_tenant(db, "kept")
    with pytest.raises(UndefinedColumn):
        run(pool, "insert into tenant (tenant) values ('gone')", "select nothing from tenant")

    assert tenants(pool) == ["kept"]


def test_a_value_that_is_taken_has_a_name(pool: Pool) -> None:
    with transaction(pool) as db:
        add_tenant(db, "acme")
        add_integration(db, "Moodle", "https://lms.example")

    with pytest.raises(TenantTaken), transaction(pool) as db:
        add_tenant(db, "acme")
    with pytest.raises(IntegrationNameTaken), transaction(pool) as db:
        add_integration(db, "Moodle", "https://other.example")
    with pytest.raises(LmsTaken), transaction(pool) as db:
        add_integration(db, "Talent", "https://lms.example")
    with pytest.raises(UsernameTaken) as caught:
        run(
            pool,
            "insert into account (tenant, integration_id, employee_key, state, settings_version, username)"
            " select 'acme', integration_id, employee_key, 'settled', 1, 'noor'"
            " from integration, (values ('1002'), ('1003')) as person (employee_key)",
        )
    assert "noor" not in str(caught.value)


def test_a_cut_connection_is_the_stores_trouble_and_the_next_transaction_has_a_new_one(database_url: str) -> None:
    """C2"""
    with linked(database_url) as (link, url), open_pool(url, name="test", max_size=1) as pool:
        with transaction(pool) as db:
            one(db, "select 1")

        with pytest.raises(StoreUnavailable):
            run(pool, "select 1", link.cut, "select 1")

        assert tenants(pool) == []


def test_a_server_that_is_away_is_reported_in_time_and_found_again(database_url: str) -> None:
    """C2"""
    with linked(database_url) as (link, url), open_pool(url, name="test", max_size=1) as pool:
        assert tenants(pool) == []
        link.open = False
        link.cut()
        with pytest.raises(StoreUnavailable) as caught:
            tenants(pool)
        assert caught.value.detail == "PoolTimeout"
        link.open = True

        def back() -> bool:
            try:
                return tenants(pool) == []
            except StoreUnavailable:
                return False

        assert until(back, LONG)


def test_a_terminated_session_is_the_stores_trouble(pool: Pool, database_url: str) -> None:
    """C1"""

    def terminate() -> None:
        with psycopg.connect(database_url) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where state = 'idle in transaction' and datname = current_database()"
            )

    with pytest.raises(StoreUnavailable) as caught:
        run(pool, "select 1", terminate, "select 1")

    assert caught.value.detail == "57P01"


def test_a_database_without_our_tables_is_the_stores_trouble(pool: Pool) -> None:
    """A process that comes before `matricula init` waits for it."""
    with pytest.raises(StoreUnavailable) as caught:
        run(pool, "drop table tenant cascade", "select 1 from tenant")

    assert caught.value.code == "schema_missing"


def test_a_read_only_server_is_the_stores_trouble(pool: Pool) -> None:
    """C5"""
    with pytest.raises(StoreUnavailable) as caught:
        run(pool, "set transaction read only", "insert into tenant (tenant) values ('acme')")

    assert caught.value.detail == "25006"


def test_a_statement_that_takes_too_long_is_the_stores_trouble(pool: Pool) -> None:
    """C9"""
    with pytest.raises(StoreUnavailable) as caught:
        run(pool, "set local statement_timeout = '10ms'", "select pg_sleep(5)")

    assert caught.value.detail == "57014"


def test_two_transactions_in_conflict_can_be_tried_again(pool: Pool) -> None:
    """C7"""
    update = "update tenant set added_at = now()"
    with transaction(pool) as db:
        add_tenant(db, "acme")

    with pytest.raises(StoreUnavailable) as caught:
        run(
            pool,
            "set transaction isolation level repeatable read",
            "select count(*) from tenant",
            lambda: run(pool, update),
            update,
        )

    assert caught.value.code == "conflict"
