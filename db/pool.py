"""
Connections to Postgres, and the one way to hold a transaction.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeAlias

from psycopg import Connection, conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from db.failures import translated

Db: TypeAlias = Connection[TupleRow]
Role: TypeAlias = Literal["ingest", "worker", "console"]


class Pool(Protocol):
    """Where connections come from."""

    def connection(self) -> AbstractContextManager[Db]: ...


STATEMENT_TIMEOUT = timedelta(seconds=30)
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=60)
CONNECT_TIMEOUT = timedelta(seconds=3)
PATIENCE = timedelta(seconds=5)  # for a free connection, or for one to a server that comes back


def open_pool(
    database_url: str,
    *,
    name: str,
    max_size: int,
    role: Role | None = None,
    statement_timeout: timedelta = STATEMENT_TIMEOUT,
) -> ConnectionPool[Db]:
    """
    A pool of connections in UTC which survives the server; the server may still be away.

    Args:
        name: Shown in pg_stat_activity as the application's name.
        max_size: Connections at most. One is kept, the others come when they are needed.
        role: Whose rights the connections have, see db/access.sql; without one they have those of the URL's user.
    """
    return ConnectionPool(
        conninfo.make_conninfo(database_url, **_session(name, role, statement_timeout)),
        min_size=1,
        max_size=max_size,
        name=name,
        timeout=PATIENCE.total_seconds(),
        # The pool doubles its pause from try to try. Giving up early keeps it short: the next client tries again.
        reconnect_timeout=PATIENCE.total_seconds(),
        check=ConnectionPool.check_connection,
        open=True,
    )


def connect(database_url: str, *, name: str) -> Db:
    """
    One connection with the rights of the URL's user; psycopg's own errors say why there is none.
    """
    return Connection.connect(conninfo.make_conninfo(database_url, **_session(name, None, STATEMENT_TIMEOUT)))


@dataclass(frozen=True, slots=True)
class OfTenant:
    """Connections of the console's role for one tenant: no row of another exists for them (S13)."""

    pool: Pool
    tenant: str

    @contextmanager
    def connection(self) -> Iterator[Db]:
        with self.pool.connection() as connection:
            # Until the end of the transaction, so that the next one of this connection sees nothing by mistake.
            connection.execute("select set_config('matricula.tenant', %s, true)", [self.tenant])
            yield connection


def _session(name: str, role: Role | None, statement_timeout: timedelta) -> dict[str, Any]:
    settings = {
        "timezone": "UTC",
        "statement_timeout": _milliseconds(statement_timeout),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_TIMEOUT),
    }
    if role:
        # Taken while connecting: it costs no statement, and no transaction can forget it.
        settings["role"] = f"matricula_{role}"
    return {
        "application_name": f"matricula {name}",
        "connect_timeout": int(CONNECT_TIMEOUT.total_seconds()),
        "options": " ".join(f"-c {setting}={value}" for setting, value in settings.items()),
        # A peer that vanished without a word is noticed after about 25 s instead of two hours.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
    }


def _milliseconds(duration: timedelta) -> int:
    return int(duration / timedelta(milliseconds=1))


@contextmanager
def rehearsal(pool: Pool) -> Iterator[Db]:
    """A transaction whose writes nobody ever sees: always rolled back at the end of the block."""
    with translated(), pool.connection() as connection, connection.transaction(force_rollback=True):
        yield connection


@contextmanager
def transaction(pool: Pool) -> Iterator[Db]:
    """
    One transaction: committed at the end of the block, rolled back when it raises.

    Raises:
        StoreUnavailable: See `db.failures.translated`. When it happens at the end, the commit may have taken effect.
        Taken: A unique value belongs to somebody else.
    """
    with translated(), pool.connection() as connection:
        yield connection
