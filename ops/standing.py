"""Is it working, and if not, what comes first?"""

from dataclasses import asdict

from db.configuration import IntegrationRow
from db.console_views import Overview
from db.pool import Pool
from domain.failure_catalogue import describe
from ops import syncing
from ops.calls import Outlook, outlooks
from ops.syncing import FlowStanding


def standing(pool: Pool, overview: Overview, rows: list[IntegrationRow]) -> dict[str, object]:
    """The whole state as JSON has it."""
    flows, calls = syncing.standings(pool, rows), outlooks(pool, rows)
    return {**asdict(overview), "integrations": [_integration(row, overview, flows, calls) for row in rows]}


def verdict(overview: Overview, rows: list[IntegrationRow]) -> str:
    """One sentence: what to do first."""
    held = [row for row in rows if row.state == "quarantined"]
    if not rows:
        return "No integration yet. Begin with `matricula integration add`."
    if held:
        entry = describe(held[0].hold_code or "")
        return f"{held[0].name} is held: {entry.title}. {entry.fix}"
    if overview.oldest_event_s and overview.oldest_event_s > 60:
        return "Events wait to be applied for more than a minute. Is a worker running?"
    if overview.failures:
        first = overview.failures[0]
        return f"{sum(f.count for f in overview.failures)} failures need a person. {describe(first.code).fix}"
    drift = sum(counts.drift for counts in overview.integrations.values())
    if drift:
        return f"Working. {drift} changes made at the LMS wait for a decision: `matricula drift list`."
    return "Working."


def _integration(
    row: IntegrationRow, overview: Overview, flows: list[FlowStanding], calls: list[Outlook]
) -> dict[str, object]:
    counts = overview.integrations.get(row.integration_id)
    state: dict[str, object] = {"name": row.name, "tenant": row.tenant, "state": row.state, "hold_code": row.hold_code}
    ours = [flow for flow in flows if (flow.integration, flow.tenant) == (row.name, row.tenant)]
    state["flows"] = {
        flow.flow: {"succeeded_at": flow.succeeded_at, "failed_at": flow.failed_at, "code": flow.code} for flow in ours
    }
    for outlook in calls:
        if (outlook.integration, outlook.tenant) == (row.name, row.tenant):
            state["calls"] = outlook
    return state | (asdict(counts) if counts else {})
