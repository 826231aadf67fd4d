"""Results as people look at them: read-only, each a plain value."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from psycopg.rows import class_row, tuple_row

from db.pool import Db
from db.statements import statements

SQL = statements("result_views")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """
    Which results; what is None does not matter.

    Attributes:
        since, until: First and last day of attempt; of what is held back, the day on which it was first seen.
        delivered: Whether the broker has the event that tells of it.
    """

    tenant: str | None = None
    integration: str | None = None
    course: str | None = None
    person: str | None = None
    enrolment: str | None = None
    since: date | None = None
    until: date | None = None
    outcome: str | None = None
    delivered: bool | None = None


@dataclass(frozen=True, slots=True)
class ResultLine:
    """
    One result as a list shows it (R155); no names of people.

    `problem` says why its event was not published, `stamp` where the result comes from (R153).
    """

    tenant: str
    integration: str
    enrolment_key: str
    employee_key: str
    course_code: str
    unit_code: str
    unit_title: str
    outcome: str
    outcome_label: str
    passed: bool
    grade: Decimal | None
    completed_at: datetime | None
    attempted_on: date
    synced_at: datetime
    delivered_at: datetime | None
    problem: str | None
    result_id: str
    stamp: str


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One completion that is, or was, held back."""

    tenant: str
    integration: str
    enrolment_key: str
    employee_key: str
    course_code: str
    unit_code: str
    reason: str
    completed_at: datetime | None
    grade: Decimal | None
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToldLine:
    """One event that told HR of a result, and what became of it."""

    result_id: str
    event_id: str
    kind: str
    outcome: str
    corrects: str | None
    recorded_at: datetime
    delivered_at: datetime | None
    problem: str | None
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Readable:
    """An enrolment that the LMS can be asked about, one of `all_of_them`."""

    placement_id: int
    lms_user_id: str
    lms_course_id: str
    enrolment_key: str
    employee_key: str
    course_code: str
    all_of_them: int


class ResultViews:
    """Views of results in one transaction."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def results(
        self, chosen: ResultFilter, most: int, after: tuple[datetime | str, str] | None = None
    ) -> list[ResultLine]:
        """The newest first; `after` is when the last of the page before was read, and its id."""
        return self._lines(ResultLine, "results", asdict(chosen) | _after(after) | {"most": most})

    def all_results(self, chosen: ResultFilter) -> Iterator[ResultLine]:
        """However many there are; they are fetched as they are used."""
        with self._db.cursor(name="all_results", row_factory=class_row(ResultLine)) as cursor:
            cursor.itersize = 1000
            cursor.execute(SQL["results"], asdict(chosen) | _after(None) | {"most": None})
            yield from cursor

    def held(self, chosen: ResultFilter, most: int) -> list[HeldLine]:
        """Of one enrolment also those that are held back no more."""
        return self._lines(HeldLine, "held", asdict(chosen) | {"most": most})

    def history(self, results: list[ResultLine]) -> list[ToldLine]:
        return self._lines(ToldLine, "history", {"result_ids": [result.result_id for result in results]})

    def readable(self, integration_id: int, chosen: ResultFilter, most: int) -> list[Readable]:
        values = asdict(chosen) | {"integration_id": integration_id, "most": most}
        return self._lines(Readable, "readable", values)

    def now(self) -> datetime:
        """The one clock that all processes share."""
        row = self._db.cursor(row_factory=tuple_row).execute(SQL["now"]).fetchone()
        assert row is not None  # noqa: S101 - select without from has a row
        now: datetime = row[0]
        return now

    def undelivered(self, chosen: ResultFilter, most: int) -> list[ResultLine]:
        return self.results(replace(chosen, delivered=False), most)

    def _lines(self, kind: type[Row], statement: str, values: dict[str, Any]) -> list[Row]:
        with self._db.cursor(row_factory=class_row(kind)) as cursor:
            return cursor.execute(SQL[statement], values).fetchall()


def _after(place: tuple[datetime | str, str] | None) -> dict[str, Any]:
    at, result_id = place or (None, None)
    return {"after_at": at, "after_id": result_id}
