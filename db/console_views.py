"""What people look at: read-only, each a plain value."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements
from db.store import Store

SQL = statements("console_views")


@dataclass(frozen=True, slots=True)
class FailureCount:
    """Open failures of one code. `groups` holds their causes, the largest first."""

    code: str
    integration: str | None
    subject_kind: str
    count: int
    first_at: datetime
    last_at: datetime
    detail: str
    groups: list[int]


@dataclass(frozen=True, slots=True)
class IntegrationCounts:
    """One integration's work in numbers."""

    accounts: dict[str, int]
    waiting: dict[str, int]
    linked: int
    enrolments: dict[str, int]
    provisioned: int
    completed: int
    results: dict[str, int]
    lms_calls: int
    lms_calls_failed: int
    drift: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything `status` shows. Ages are seconds; None means that nothing waits."""

    inbox: dict[str, int]
    duplicates: int
    oldest_event_s: float | None
    oldest_account_s: float | None
    oldest_outbox_s: float | None
    outbox_waiting: int
    outbox_published: int
    outbox_unroutable: int
    sweeps_open: int
    integrations: dict[int, IntegrationCounts]
    failures: list[FailureCount]


CountedBy = Literal["course", "payroll", "date"]


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Which results a report counts, and by what; None leaves nothing out. Both days are included."""

    by: CountedBy
    integration: str | None = None
    course: str | None = None
    payroll: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class ReportLine:
    """The results of one course, payroll or day in one integration; `counted` is None for people without a payroll."""

    integration: str
    counted: str | None
    results: int
    passed: int
    failed: int
    first_on: date
    last_on: date


FACTS = ("provisioned", "completed")
"""What an enrolment is counted by besides its state."""


class _Tallies:
    """Rows counted as they were written: how many of what, by label."""

    def __init__(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._counts: dict[tuple[str, int], dict[str, int]] = {}
        for what, integration_id, label, count in rows:
            self._counts.setdefault((what, integration_id), {})[label] = count

    def of(self, what: str, integration_id: int = 0) -> dict[str, int]:
        return self._counts.get((what, integration_id), {})

    def integrations(self, *kinds: str) -> set[int]:
        return {integration_id for what, integration_id in self._counts if what in kinds}


class Views(Store):
    """The views of one tenant, or of all."""

    sql = SQL

    def __init__(self, db: Db, tenant: str | None) -> None:
        super().__init__(db, tenant=tenant)
        self._tenant = tenant

    def overview(self) -> Overview:
        counted = _Tallies(self._rows("tallies"))
        messages, announced = counted.of("inbox"), counted.of("outbox")
        events, accounts, announcements = self._rows("oldest_due")[0]
        return Overview(
            inbox=_summed((_message(label), count) for label, count in messages.items() if label != "duplicates"),
            duplicates=messages.get("duplicates", 0),
            oldest_event_s=events,
            oldest_account_s=accounts,
            oldest_outbox_s=announcements,
            outbox_waiting=announced.get("waiting", 0),
            outbox_published=announced.get("published", 0),
            outbox_unroutable=announced.get("unroutable", 0),
            sweeps_open=self._rows("sweeps_open")[0][0],
            integrations=self._integrations(counted),
            failures=[FailureCount(*row) for row in self._rows("failures")],
        )

    def _integrations(self, counted: "_Tallies") -> dict[int, IntegrationCounts]:
        calls = {row[0]: row[1:] for row in self._rows("lms_call_counts")}
        results = self._rows("result_counts")
        drift = dict(self._rows("drift_counts"))
        found = {}
        for integration_id in counted.integrations("account", "placement") | calls.keys():
            accounts, placements = counted.of("account", integration_id), counted.of("placement", integration_id)
            states = [(label.split(), count) for label, count in accounts.items() if label != "linked"]
            found[integration_id] = IntegrationCounts(
                accounts=_summed((words[0], count) for words, count in states),
                waiting=_summed((words[1], count) for words, count in states if len(words) > 1),
                linked=accounts.get("linked", 0),
                enrolments=_summed(
                    (label.split()[0], count) for label, count in placements.items() if label not in FACTS
                ),
                provisioned=placements.get("provisioned", 0),
                completed=placements.get("completed", 0),
                results={row[1]: row[2] for row in results if row[0] == integration_id},
                lms_calls=calls.get(integration_id, (0, 0, 0))[0],
                lms_calls_failed=calls.get(integration_id, (0, 0, 0))[2],
                drift=drift.get(integration_id, 0),
            )
        return found

    def result_report(self, wanted: ReportFilter) -> list[ReportLine]:
        """Results counted, of the integrations that have this report (R10)."""
        with self._db.cursor(row_factory=class_row(ReportLine)) as cursor:
            return cursor.execute(SQL["result_report"], asdict(wanted) | {"tenant": self._tenant}).fetchall()

    def provisioned(self, integration_id: int) -> dict[str, datetime]:
        """When the LMS of an integration first held each enrolment, by enrolment key."""
        return dict(self._rows("provisioned", integration_id=integration_id))


def _message(label: str) -> str:
    """Events are told apart by what became of them, other messages by what they are."""
    kind, state = label.split()
    return state if kind == "event" else kind


def _summed(pairs: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for name, count in pairs:
        totals[name] = totals.get(name, 0) + count
    return totals
