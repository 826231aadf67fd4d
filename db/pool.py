"""
Connections to Postgres, and the one way to hold a transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeAlias

from psycopg import Connection, conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from db.failures import translated

Db: TypeAlias = Connection[TupleRow]
Pool: TypeAlias = ConnectionPool[Db]

STATEMENT_TIMEOUT = timedelta(seconds=30)
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=60)
CONNECT_TIMEOUT = timedelta(seconds=3)
PATIENCE = timedelta(seconds=5)  # for a free connection, or for one to a server that comes back


def open_pool(database_url: str, *, name: str, max_size: int) -> Pool:
    """
    A pool of connections in UTC which survives the server; the server may still be away.

    Args:
        name: Shown in pg_stat_activity as the application's name.
        max_size: Connections at most. One is kept, the others come when they are needed.
    """
    return ConnectionPool(
        conninfo.make_conninfo(database_url, **_session(name)),
        min_size=1,
        max_size=max_size,
        name=name,
        timeout=PATIENCE.total_seconds(),
        # The pool doubles its pause from try to try. Giving up early keeps it short: the next client tries again.
        reconnect_timeout=PATIENCE.total_seconds(),
        check=ConnectionPool.check_connection,
        open=True,
    )


def _session(name: str) -> dict[str, Any]:
    settings = {
        "timezone": "UTC",
        "statement_timeout": _milliseconds(STATEMENT_TIMEOUT),
        "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_TIMEOUT),
    }
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
