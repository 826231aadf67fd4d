"""The guard against mass suspensions, on record: what passes, what is staged, and what people decided."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row, tuple_row

from db.pool import Db
from db.statements import statements
from db.store import IntegrationStore
from domain.guard import GuardState, Window

SQL = statements("guards")


@dataclass(frozen=True, slots=True)
class Suspension:
    """One suspension that is asked for; `let_through` when it needs no asking any more."""

    account_id: int
    payroll: str
    let_through: bool


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One guard as people see it; `people` are those of whom HR still says the same."""

    guard_id: int
    tenant: str
    integration: str
    integration_id: int
    payroll: str
    state: GuardState
    counted: int
    limit: int
    people: int
    opened_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


class GuardStore(IntegrationStore):
    """One integration's guards in one transaction."""

    sql = SQL

    def lock(self) -> None:
        """Be the only one who counts or decides suspensions of this integration until the transaction ends."""
        self._rows("lock_guard")

    def overruled(self, account_ids: Iterable[int]) -> set[int]:
        """Those who stay active by a person's decision."""
        return {row[0] for row in self._rows("overruled", ids=list(account_ids))}

    def suspensions(self, account_ids: Iterable[int], window: timedelta) -> Mapping[str, list[Suspension]]:
        """What is asked for, by payroll."""
        by_payroll: dict[str, list[Suspension]] = defaultdict(list)
        for row in self._rows("suspensions", ids=list(account_ids), window=window):
            by_payroll[row[1]].append(Suspension(*row))
        return by_payroll

    def window(self, payroll: str, window: timedelta) -> Window:
        return Window(*self._rows("window", payroll=payroll, window=window)[0])

    def let_through(self, account_ids: Iterable[int]) -> None:
        """These go on, and count."""
        self._rows("pass_suspensions", ids=list(account_ids))

    def stage(self, payroll: str, account_ids: Iterable[int], *, counted: int, limit: int) -> int:
        """These wait; the id of the guard they wait for."""
        guard_id = int(self._rows("open_guard", payroll=payroll, counted=counted, limit=limit)[0][0])
        self._rows("stage", guard_id=guard_id, ids=list(account_ids))
        return guard_id


def guards(
    db: Db, tenant: str | None = None, *, guard_id: int | None = None, open_only: bool = False
) -> list[GuardRow]:
    with db.cursor(row_factory=class_row(GuardRow)) as cursor:
        values = {"tenant": tenant, "guard_id": guard_id, "open_only": open_only}
        return cursor.execute(SQL["guards"], values).fetchall()


def guard_people(db: Db, guard_id: int) -> list[tuple[str, str | None]]:
    """Employee key and LMS user id of everybody concerned."""
    cursor = db.cursor(row_factory=tuple_row)
    return cursor.execute(SQL["guard_people"], {"guard_id": guard_id}).fetchall()


def decide(db: Db, guard: GuardRow, state: GuardState, *, by: str, reason: str) -> int | None:
    """
    The decision is on record, and everybody concerned is due.

    Returns:
        How many people are concerned; None when somebody else decided meanwhile.
    """
    GuardStore(db, guard.integration_id).lock()
    values: dict[str, Any] = {"guard_id": guard.guard_id, "state": state, "before": guard.state, "by": by}
    cursor = db.cursor(row_factory=tuple_row)
    if not cursor.execute(SQL["decide_guard"], values | {"reason": reason}).fetchall():
        return None
    values |= {
        "kind": f"suspension {state}",
        "data": json.dumps({"guard": guard.guard_id, "by": by, "reason": reason}),
    }
    concerned = cursor.execute(SQL["wake_guarded"], values).fetchall()
    cursor.execute(SQL["close_guard_notice"], {"guard_id": guard.guard_id})
    return int(concerned[0][0])
