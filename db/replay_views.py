"""Replays as people look at them; read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, tuple_row

from db.pool import Db
from db.statements import statements
from domain.replays import Mode, ReplayState

SQL = statements("replay_views")

MOST = 100


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One replay and how far it is. `integration` is None for messages, `why` says why it is as it is."""

    replay_id: int
    tenant: str | None
    integration_id: int | None
    integration: str | None
    mode: Mode
    state: ReplayState
    why: str
    members: int
    reason: str
    per_minute: float
    predicted: dict[str, int]
    selection: dict[str, Any]
    approval: bool
    created_by: str
    created_at: datetime
    approved_by: str | None
    next_at: datetime
    ended_at: datetime | None
    waiting: int
    running: int
    done: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class ItemLine:
    """One member: why it had failed, what was foreseen, and what came of it."""

    position: int
    failure_id: int
    kind: str
    subject_id: str
    employee_key: str | None
    code: str
    predicted: str | None
    state: str
    outcome: str | None
    released_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Report:
    """
    What came of a replay so far.

    Attributes:
        done, failed, skipped: How many ended how: by effect, by code, by reason.
        different: How many ended otherwise than foreseen; `differences` are some of them.
        failed_again: Some of those that failed.
        new_failures: By code, what appeared since and is none of its members'.
    """

    replay: ReplayRow
    done: Mapping[str, int]
    failed: Mapping[str, int]
    skipped: Mapping[str, int]
    different: int
    differences: Sequence[ItemLine]
    failed_again: Sequence[ItemLine]
    new_failures: Mapping[str, int]


def replay_rows(db: Db, tenant: str | None, *, active: bool = False, most: int = MOST) -> list[ReplayRow]:
    """The newest first."""
    return _replays(db, tenant, None, active=active, most=most)


def replay_row(db: Db, tenant: str | None, replay_id: int) -> ReplayRow | None:
    rows = _replays(db, tenant, replay_id, active=False, most=1)
    return rows[0] if rows else None


def _replays(db: Db, tenant: str | None, replay_id: int | None, *, active: bool, most: int) -> list[ReplayRow]:
    values = {"tenant": tenant, "replay_id": replay_id, "active": active, "most": most}
    with db.cursor(row_factory=class_row(ReplayRow)) as cursor:
        return cursor.execute(SQL["replays"], values).fetchall()


def replay_report(db: Db, row: ReplayRow) -> Report:
    cursor = db.cursor(row_factory=tuple_row)
    ended = cursor.execute(SQL["outcomes"], {"replay_id": row.replay_id}).fetchall()
    counts: dict[str, dict[str, int]] = {"done": {}, "failed": {}, "skipped": {}}
    for state, outcome, _, count in ended:
        counts[state][outcome] = counts[state].get(outcome, 0) + count
    return Report(
        replay=row,
        **counts,
        different=sum(count for _, _, differs, count in ended if differs),
        differences=_lines(db, "different_items", row, {}),
        failed_again=_lines(db, "items", row, {"states": ["failed"]}),
        new_failures=dict(cursor.execute(SQL["new_failures"], {"replay_id": row.replay_id}).fetchall()),
    )


def replay_items(db: Db, row: ReplayRow, *, most: int) -> list[ItemLine]:
    """Every member, those that ended last first."""
    return _lines(db, "items", row, {"states": None}, most)


def _lines(db: Db, statement: str, row: ReplayRow, values: dict[str, Any], most: int = MOST) -> list[ItemLine]:
    with db.cursor(row_factory=class_row(ItemLine)) as cursor:
        return cursor.execute(SQL[statement], {"replay_id": row.replay_id, "most": most, **values}).fetchall()
