"""
Events of ours on their way to the broker, written together with what they tell of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements

UNROUTABLE = "unroutable"

_SQL = statements("outbox")


@dataclass(frozen=True, slots=True)
class Due:
    """An event that waits in the outbox."""

    outbox_id: int
    event_id: str
    type: str
    body: bytes


def take_due(db: Db, limit: int) -> list[Due]:
    """
    The oldest events that wait, locked until the transaction ends.
    """
    with db.cursor(row_factory=class_row(Due)) as cursor:
        return cursor.execute(_SQL["take_due"], {"limit": limit}).fetchall()


def mark_published(db: Db, outbox_ids: Sequence[int]) -> None:
    """
    Note that the broker has these events.
    """
    db.execute(_SQL["mark_published"], {"outbox_ids": list(outbox_ids)})


def set_aside(db: Db, outbox_ids: Sequence[int], problem: str) -> None:
    """
    Keep these events, but try no more to publish them.
    """
    db.execute(_SQL["set_aside"], {"outbox_ids": list(outbox_ids), "problem": problem})


def send_again(db: Db, problem: str) -> int:
    """
    Have everything that was set aside for this problem published after all; returns how many events that are.
    """
    return db.execute(_SQL["send_again"], {"problem": problem}).rowcount
