"""
Heartbeats: what each loop's turns leave in the database, so that anybody can see from there who is at work.

A thread of its own carries them, so that no loop ever waits for it. It only tells what the loops did themselves: when
one of them hangs it goes on, and that one's heartbeat grows old.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from db.pool import Db, Pool, transaction
from db.statements import statements
from db.store import Store
from domain.errors import StoreUnavailable
from runtime.liveness import beats

SQL = statements("heartbeats")
EVERY = timedelta(seconds=5)


class Heartbeats(Store):
    """The heartbeats of all processes in one transaction."""

    sql = SQL

    def __init__(self, db: Db) -> None:
        super().__init__(db)

    def tell(self, ages: dict[str, float]) -> None:
        """Each loop named turned so many seconds ago."""
        self._rows("tell", loops=list(ages), ages=list(ages.values()))

    def ages(self) -> dict[str, float]:
        """How many seconds ago each loop last turned; what never did is not there."""
        return dict(self._rows("ages"))


@contextmanager
def told(pool: Pool) -> Iterator[None]:
    """While the block runs, the beats of this process reach the database every few seconds."""
    stop = threading.Event()
    teller = threading.Thread(target=_tell, args=(pool, stop), name="heartbeats", daemon=True)
    teller.start()
    try:
        yield
    finally:
        stop.set()
        teller.join(EVERY.total_seconds())


def _tell(pool: Pool, stop: threading.Event) -> None:
    while not stop.wait(EVERY.total_seconds()):
        # Whoever does the work says that the database is away.
        with suppress(StoreUnavailable), transaction(pool) as db:
            Heartbeats(db).tell(beats())
