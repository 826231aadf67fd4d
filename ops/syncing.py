"""Reading everything again at somebody's request, and what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db.catalogue import CatalogueStore, CourseLine
from db.configuration import IntegrationRow
from db.pool import Pool, transaction
from db.sync_runs import Asked, FlowState, RunRow, SyncRuns, flow_states
from domain.failure_catalogue import describe
from domain.syncing import FLOWS, Flow, Reading
from ops.actions import Refused
from ops.operators import Operator, audited, deed

SYNC = "integrations:sync:start"


def sync_now(
    pool: Pool,
    integration: IntegrationRow,
    readings: Sequence[Reading],
    *,
    by: Operator,
    again: bool = True,
    enrolments: bool = False,
) -> list[Asked]:
    """
    A run of each kind, or of each flow when none is named, is under way, begun now or before (R81).

    Args:
        again: Try again whoever waits for a person, too.
        enrolments: Write every enrolment again, too, whatever the LMS holds.

    Raises:
        Refused: The integration may not call its LMS now, so that a run would only wait.
    """
    by.check(SYNC, integration.tenant, integration.target)
    if integration.state == "quarantined":
        raise Refused(f"{integration.name} is held: {describe(integration.hold_code or '').fix}")
    if integration.state != "active":
        raise Refused(f"{integration.name} is {integration.state}; a run would only wait until it is active")
    with deed(pool, by) as db:
        runs = SyncRuns(db, integration.integration_id)
        asked = [runs.ask(reading, by=by.name, again=again, enrolments=enrolments) for reading in readings or FLOWS]
        after = {"runs": [one.run_id for one in asked], "again": again, "enrolments": enrolments}
        audited(db, by, SYNC, integration.target, tenant=integration.tenant, after=after)
    return asked


def runs_of(
    pool: Pool,
    integration: IntegrationRow,
    run_ids: Sequence[int] | None = None,
    *,
    before: int | None = None,
    most: int = 100,
) -> list[RunRow]:
    """These runs of the integration, or its last ones, or those before one; the newest first."""
    with transaction(pool) as db:
        return SyncRuns(db, integration.integration_id).rows(run_ids, before=before, most=most)


def public_run(run: RunRow) -> dict[str, Any]:
    """The run as JSON has it."""
    return {
        "run_id": run.run_id,
        "integration": run.integration,
        "tenant": run.tenant,
        "flow": run.flow,
        "state": run.state,
        "asked_by": run.asked_by,
        "enrolments": run.enrolments,
        "expected": run.expected,
        "counts": run.counts,
        "reasons": run.reasons,
        "calls": run.calls,
        "code": run.code,
        "started_at": run.started_at,
        "done_at": run.done_at,
        "took_s": round(run.took.total_seconds(), 3),
    }


def courses_of(pool: Pool, integration: IntegrationRow) -> list[CourseLine]:
    """The catalogue as it was last read."""
    with transaction(pool) as db:
        return CatalogueStore(db, integration.integration_id).lines()


@dataclass(frozen=True, slots=True)
class FlowStanding:
    """How one flow of one integration stands (R1)."""

    integration: str
    tenant: str
    flow: Flow
    succeeded_at: datetime | None
    failed_at: datetime | None
    code: str | None

    @property
    def failing(self) -> bool:
        """It has failed since it last worked."""
        return self.failed_at is not None and (self.succeeded_at is None or self.failed_at > self.succeeded_at)


def standings(pool: Pool, integrations: Sequence[IntegrationRow]) -> list[FlowStanding]:
    """Every flow of these integrations, the ones that never ran too."""
    with transaction(pool) as db:
        found = {(state.integration_id, state.flow): state for state in flow_states(db)}
    return list(_standings(integrations, found))


def _standings(
    integrations: Sequence[IntegrationRow], found: dict[tuple[int, Flow], FlowState]
) -> Iterator[FlowStanding]:
    for row in integrations:
        for flow in FLOWS:
            state = found.get((row.integration_id, flow)) or FlowState(row.integration_id, flow, None, None, None)
            yield FlowStanding(row.name, row.tenant, flow, state.succeeded_at, state.failed_at, state.code)
