"""`matricula status`: is it working, and if not, what do I do?"""

from datetime import UTC, datetime

from db.configuration import IntegrationRow, integrations
from db.console_views import FailureCount, IntegrationCounts, Overview, Views
from db.pool import Pool, transaction
from domain.budget import Purpose
from domain.failure_catalogue import describe
from domain.integration import IntegrationSettings
from domain.support import Support
from ops import syncing
from ops.calls import Outlook, Queue, outlooks
from ops.cli.output import out, printable, show_json, show_table, span
from ops.standing import standing, verdict
from ops.syncing import FlowStanding


def show(pool: Pool, tenant: str | None, *, as_json: bool) -> None:
    """The whole state in one screen."""
    with transaction(pool) as db:
        overview = Views(db, tenant).overview()
        rows = integrations(db, tenant)
    if as_json:
        show_json(standing(pool, overview, rows))
        return
    out.print(f"[bold]{printable(verdict(overview, rows))}[/]\n")
    _show_integrations(overview, rows)
    _show_calls(outlooks(pool, rows))
    _show_flows(syncing.standings(pool, rows))
    _show_messages(overview)
    _show_failures(overview, _support(rows))


def _show_integrations(overview: Overview, rows: list[IntegrationRow]) -> None:
    nothing = IntegrationCounts({}, {}, 0, {}, 0, 0, {}, 0, 0)
    lines = []
    for row in rows:
        counts = overview.integrations.get(row.integration_id, nothing)
        per = f"{counts.lms_calls / counts.provisioned:.3f}" if counts.provisioned else ""
        due = counts.accounts.get("due", 0) + counts.enrolments.get("due", 0)
        results = sum(counts.results.values())
        parked = counts.accounts.get("parked", 0) + counts.enrolments.get("parked", 0)
        numbers = (counts.linked, counts.provisioned, due, parked, counts.drift, results, counts.lms_calls, per)
        lines.append((row.name, row.state, *numbers))
    columns = (
        "integration",
        "state",
        "accounts",
        "enrolments",
        "due",
        "parked",
        "drift",
        "results",
        "LMS calls",
        "per enrolment",
    )
    show_table(columns, lines)


WORK: dict[Purpose, str] = {"urgent": "leavers", "provisioning": "people, enrolments", "sweep": "sweeps, held work"}


def _show_calls(calls: list[Outlook]) -> None:
    """What is left where calls are counted, and when what waits for them is done."""
    if not calls:
        return
    out.print()
    lines = []
    for outlook in calls:
        head = (outlook.integration, f"{outlook.left:,} of {outlook.limit:,}", _minute(outlook.resets_at))
        for queue in outlook.queues:
            lines.append((*head, f"{queue.accounts:,} {WORK[queue.purpose]}", _when_done(queue)))
            head = ("", "", "")
        if not outlook.queues:
            lines.append((*head, "nothing", ""))
    show_table(("integration", "calls left", "hour ends", "waiting", "done by"), lines)


def _when_done(queue: Queue) -> str:
    if queue.done_in is None:
        return "never: no calls are left for it"
    return f"{_minute(queue.done_at)}, in {span(queue.done_in)}"


def _show_flows(flows: list[FlowStanding]) -> None:
    """Each flow works or fails on its own (R1)."""
    if not flows:
        return
    out.print()
    show_table(
        ("integration", "flow", "last worked", "failing, last at"),
        [
            (
                flow.integration,
                flow.flow,
                _minute(flow.succeeded_at),
                f"{_minute(flow.failed_at)} {describe(flow.code or '').title}" if flow.failing else "",
            )
            for flow in flows
        ],
    )


def _minute(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant else "never"


def _show_messages(overview: Overview) -> None:
    out.print()
    show_table(
        ("messages", "count"),
        [
            *sorted(overview.inbox.items()),
            ("duplicates", overview.duplicates),
            ("to publish", overview.outbox_waiting),
            ("published", overview.outbox_published),
            ("nobody listens", overview.outbox_unroutable),
        ],
    )


def _support(rows: list[IntegrationRow]) -> dict[str, Support]:
    """Whom to ask, and what was promised, by integration."""
    return {row.name: IntegrationSettings.model_validate(row.settings).support for row in rows}


def _urgency(failure: FailureCount, support: dict[str, Support]) -> str:
    """Failures that somebody should have looked at by now, as the client was promised (R79)."""
    promised = support.get(failure.integration or "")
    return "overdue" if promised and promised.overdue(datetime.now(UTC) - failure.first_at) else ""


def _show_failures(overview: Overview, support: dict[str, Support]) -> None:
    if not overview.failures:
        return
    out.print()
    show_table(
        ("failures", "count", "group", "", "cause", "owner", "what to do"),
        [
            (
                failure.code,
                failure.count,
                failure.groups[0],
                _urgency(failure, support),
                describe(failure.code).cause,
                describe(failure.code).owner,
                describe(failure.code).fix,
            )
            for failure in overview.failures
        ],
    )
    out.print(printable(f"`matricula failures show {overview.failures[0].groups[0]}` shows the first of them"))
