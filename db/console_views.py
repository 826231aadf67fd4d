"""What people look at: read-only, each a plain value."""

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


class Views(Store):
    """The views of one tenant, or of all."""

    sql = SQL

    def __init__(self, db: Db, tenant: str | None) -> None:
        super().__init__(db, tenant=tenant)
        self._tenant = tenant

    def overview(self) -> Overview:
        messages = self._rows("inbox_counts")
        events, accounts, announcements = self._rows("oldest_due")[0]
        waiting, published, unroutable = self._rows("outbox_counts")[0]
        return Overview(
            inbox={kind if kind != "event" else state: count for kind, state, count, _ in messages},
            duplicates=sum(row[3] for row in messages),
            oldest_event_s=events,
            oldest_account_s=accounts,
            oldest_outbox_s=announcements,
            outbox_waiting=waiting,
            outbox_published=published,
            outbox_unroutable=unroutable,
            sweeps_open=self._rows("sweeps_open")[0][0],
            integrations=self._integrations(),
            failures=[FailureCount(*row) for row in self._rows("failures")],
        )

    def _integrations(self) -> dict[int, IntegrationCounts]:
        accounts, placements = self._rows("account_counts"), self._rows("placement_counts")
        calls = {row[0]: row[1:] for row in self._rows("lms_call_counts")}
        results = self._rows("result_counts")
        drift = dict(self._rows("drift_counts"))
        return {
            integration_id: IntegrationCounts(
                accounts=_summed((row[1], row[3]) for row in accounts if row[0] == integration_id),
                waiting=_summed((row[2], row[3]) for row in accounts if row[0] == integration_id and row[2]),
                linked=sum(row[4] for row in accounts if row[0] == integration_id),
                enrolments=_summed((row[1], row[3]) for row in placements if row[0] == integration_id),
                provisioned=sum(row[4] for row in placements if row[0] == integration_id),
                completed=sum(row[5] for row in placements if row[0] == integration_id),
                results={row[1]: row[2] for row in results if row[0] == integration_id},
                lms_calls=calls.get(integration_id, (0, 0, 0))[0],
                lms_calls_failed=calls.get(integration_id, (0, 0, 0))[2],
                drift=drift.get(integration_id, 0),
            )
            for integration_id in {row[0] for row in (*accounts, *placements)} | calls.keys()
        }

    def result_report(self, wanted: ReportFilter) -> list[ReportLine]:
        """Results counted, of the integrations that have this report (R10)."""
        with self._db.cursor(row_factory=class_row(ReportLine)) as cursor:
            return cursor.execute(SQL["result_report"], asdict(wanted) | {"tenant": self._tenant}).fetchall()

    def provisioned(self, integration_id: int) -> dict[str, datetime]:
        """When the LMS of an integration first held each enrolment, by enrolment key."""
        return dict(self._rows("provisioned", integration_id=integration_id))


def _summed(pairs: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for name, count in pairs:
        totals[name] = totals.get(name, 0) + count
    return totals
