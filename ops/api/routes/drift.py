"""What somebody changed at the LMS: look for it, list it, and decide."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field

from db.findings import FindingRow
from domain.drift import Kind
from ops import drift
from ops.api.declaring import Done, DryRun, Id, Number, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, page, read
from ops.commands import command
from ops.syncing import SYNC

READ = "drift:finding:read"

routes = router("drift")


class Deciding(Why):
    findings: list[Number] = Field(min_length=1, max_length=1000, description="Their numbers.")


class Decisions(Done):
    """Each finding is decided on its own; `refused` says why one was not."""

    done: list[int]
    refused: dict[int, str]


class Begun(Done):
    runs: list[dict[str, Any]]


@view(routes, "/findings", READ)
def finding_list(
    caller: By,
    kind: Annotated[Kind | None, Query()] = None,
    integration: Annotated[str | None, Query(max_length=255)] = None,
    employee_key: Annotated[str | None, Query(max_length=255)] = None,
    decided: Annotated[bool, Query(description="Also what was accepted, or is being put back.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FindingRow]:
    """What was changed, is missing, unknown or claimed twice at the LMS, the oldest first; values for those who may."""
    (after,) = read(cursor, int) or (0,)
    found = drift.listed(
        caller.pool,
        caller.tenant,
        by=caller.by,
        kind=kind,
        integration=integration,
        employee_key=employee_key,
        open_only=not decided,
        after=after,
        most=limit + 1,
    )
    return page(found, limit, lambda row: [row.finding_id])


@act(routes, "/integrations/{integration_id}/scan", SYNC, status_code=202)
def finding_scan(caller: By, integration_id: Id, why: Why, dry_run: DryRun = False) -> Begun:
    """Compare linked people and their enrolments with the LMS now; joins a run that is under way."""
    row = caller.integration(integration_id)
    asked = drift.scan_now(caller.pool, row, by=caller.acting(why.reason, dry_run=dry_run))
    typed = command("drift", "scan", integration=row.name, tenant=caller.tenant, reason=why.reason)
    return Begun(runs=[{"run_id": a.run_id, "flow": a.flow, "joined": a.joined} for a in asked], command=typed)


@act(routes, "/findings/accept", drift.PERMISSION["accepted"])
def finding_accept(caller: By, wanted: Deciding, dry_run: DryRun = False) -> Decisions:
    """Leave it as the LMS holds it until HR says something new about it."""
    return _decided(caller, wanted, "accepted", "accept", dry_run=dry_run)


@act(routes, "/findings/put-back", drift.PERMISSION["put_back"])
def finding_put_back(caller: By, wanted: Deciding, dry_run: DryRun = False) -> Decisions:
    """Have HR's word written again; a user or an enrolment that is missing is made again."""
    return _decided(caller, wanted, "put_back", "put-back", dry_run=dry_run)


def _decided(caller: By, wanted: Deciding, decision: drift.Decision, verb: str, *, dry_run: bool) -> Decisions:
    by = caller.acting(wanted.reason, dry_run=dry_run)
    done = drift.decide(caller.pool, wanted.findings, decision, by=by)
    typed = command("drift", verb, *wanted.findings, tenant=caller.tenant, reason=wanted.reason)
    return Decisions(done=done.done, refused=done.refused, command=typed)
