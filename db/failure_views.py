"""Failures and their groups as people look at them; read-only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements
from domain.fingerprints import FailureKind

SQL = statements("failure_views")

GroupState = Literal["new", "acknowledged", "snoozed", "retrying", "resolved", "regressed"]
Pivot = Literal["integration", "payroll", "course", "type", "age"]

MOST = 200


@dataclass(frozen=True, slots=True)
class GroupLine:
    """
    Failures of one cause.

    Attributes:
        detail: Of the first of them, as a sample.
        parts: What their fingerprint is made of: why they are together.
        last_hour, last_day, day_before: How many were opened then: the trend.
        regrouped_into: The groups that hold them by the rules of a later version.
    """

    group_id: int
    tenant: str | None
    integration: str | None
    code: str
    kind: FailureKind
    detail: str
    fingerprint: str
    parts: dict[str, str]
    state: GroupState
    snoozed_until: datetime | None
    assigned_to: str | None
    note: str
    failures: int
    people: int
    open_since: datetime | None
    first_at: datetime
    last_at: datetime
    last_hour: int
    last_day: int
    day_before: int
    last_replay: int | None
    regrouped_into: list[int]


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """What somebody, or time, did to a group."""

    at: datetime
    who: str
    what: str
    reason: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FailureLine:
    """One failure. Dismissed ones can be restored until `restorable_until`."""

    failure_id: int
    group_id: int
    tenant: str | None
    integration: str | None
    kind: FailureKind
    subject_id: str
    employee_key: str | None
    enrolment_key: str | None
    code: str
    detail: str
    times: int
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None
    dismissed_at: datetime | None
    dismissed_by: str | None
    dismissed_because: str | None
    restorable_until: datetime | None


@dataclass(frozen=True, slots=True)
class CountLine:
    """Open failures that have one thing in common."""

    value: str
    failures: int
    people: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Filter:
    """Which failures or groups are shown; what is None does not matter."""

    integration: str | None = None
    code: str | None = None
    state: GroupState | None = None
    person: str | None = None


class FailureViews:
    """The failures of one tenant, or of all, in one transaction."""

    def __init__(self, db: Db, tenant: str | None) -> None:
        self._db = db
        self._tenant = tenant

    def groups(self, chosen: Filter | None = None, *, everything: bool = False, most: int = MOST) -> list[GroupLine]:
        """The groups with something open in them, or all; the largest first."""
        wanted = chosen or Filter()
        return self._groups(
            None, integration=wanted.integration, code=wanted.code, state=wanted.state, open=not everything, most=most
        )

    def group(self, group_id: int) -> GroupLine | None:
        found = self._groups(group_id, integration=None, code=None, state=None, open=False, most=1)
        return found[0] if found else None

    def _groups(self, group_id: int | None, **values: Any) -> list[GroupLine]:
        with self._db.cursor(row_factory=class_row(GroupLine)) as cursor:
            return cursor.execute(SQL["groups"], {"tenant": self._tenant, "group_id": group_id, **values}).fetchall()

    def history(self, group_id: int) -> list[HistoryLine]:
        with self._db.cursor(row_factory=class_row(HistoryLine)) as cursor:
            return cursor.execute(SQL["history"], {"group_id": group_id}).fetchall()

    def failures(
        self,
        chosen: Filter | None = None,
        *,
        group_id: int | None = None,
        ids: Sequence[int] | None = None,
        dismissed: bool = False,
        most: int = MOST,
    ) -> list[FailureLine]:
        """Open failures, or dismissed ones; those of given numbers however they ended."""
        wanted = chosen or Filter()
        values = {
            "tenant": self._tenant,
            "group_id": group_id,
            "ids": None if ids is None else list(ids),
            "integration": wanted.integration,
            "code": wanted.code,
            "person": wanted.person,
            "dismissed": dismissed,
            "most": most,
        }
        with self._db.cursor(row_factory=class_row(FailureLine)) as cursor:
            return cursor.execute(SQL["failures"], values).fetchall()

    def counts(self, by: Pivot, most: int = MOST) -> list[CountLine]:
        """Open failures counted another way than by cause."""
        with self._db.cursor(row_factory=class_row(CountLine)) as cursor:
            return cursor.execute(SQL["counts_by"], {"tenant": self._tenant, "by": by, "most": most}).fetchall()
