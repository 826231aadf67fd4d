"""Runs over everything of one flow: counted batch by batch, ended once, and begun when their time has come."""

import structlog

from db.accounts import AccountEnd, Integration, WorkStore
from db.pool import Db, Pool, transaction
from db.schedule import syncs_due
from db.sync_runs import RunRow, SyncRuns
from domain.announcements import Announcement, sync_finished
from domain.errors import BudgetSpent, ProvisioningError, StoreUnavailable
from domain.syncing import SCHEDULE, Flow, Tally
from workers.batch import Batch

log = structlog.get_logger()


def count_people(db: Db, integration: Integration, batch: Batch, kept: set[int], calls: int) -> None:
    """The people of a batch that were recorded are counted in their run; after the last of them the run is over."""
    by_run: dict[int, list[AccountEnd]] = {}
    for account_id in sorted(kept):
        end, run_id = batch.ends[account_id], batch.accounts[account_id].sync_run
        stopped = end.state == "due" and not end.burnt
        if run_id is not None and not stopped:
            by_run.setdefault(run_id, []).append(end)
    runs = SyncRuns(db, integration.integration_id)
    for run_id, ends in by_run.items():
        tally = Tally(calls=calls)
        for end in ends:
            _count(tally, batch, end)
        runs.count_off(run_id, [end.account.account_id for end in ends])
        runs.add(run_id, tally)
        end_run(db, integration.integration_id, run_id)


def _count(tally: Tally, batch: Batch, end: AccountEnd) -> None:
    account_id = end.account.account_id
    placements = [batch.placement_ends.get(p.placement_id) for p in batch.placements[account_id]]
    refused = next((p.code for p in placements if p and p.state == "parked" and p.code), None)
    links = [link.how for link in batch.links if link.account_id == account_id]
    if end.state in ("parked", "staged") or refused:
        tally.fail(refused or end.code or end.state)
    elif end.state == "due":
        tally.fail("to_be_tried_again")
    elif "created" in links:
        tally.created += 1
    elif links or batch.changes.get(account_id) or any(p and p.applied for p in placements):
        tally.updated += 1
    else:
        tally.skip("unchanged")


def end_run(db: Db, integration_id: int, run_id: int, code: str | None = None) -> bool:
    """The run is over and upstream hears of it, together; False when it was over, or somebody is still to be read."""
    run = SyncRuns(db, integration_id).finish(run_id, code)
    if run is None:
        return False
    WorkStore(db, integration_id).announce([_announcement(run)])
    log.info("sync finished", integration_id=integration_id, flow=run.flow, run_id=run_id, **run.counts)
    return True


def _announcement(run: RunRow) -> Announcement:
    return sync_finished(
        run.run_id,
        tenant=run.tenant,
        integration=run.integration,
        at=run.read_at,
        flow=run.flow,
        state=run.state,
        asked_by=run.asked_by,
        counts=run.counts,
        reasons=run.reasons,
        calls=run.calls,
        code=run.code,
        started_at=run.started_at.isoformat(),
        took_s=round(run.took.total_seconds(), 3),
    )


def note_flow(db: Db, integration_id: int, flow: Flow, trouble: ProvisioningError | None) -> None:
    """The flow worked just now, or could not (R1)."""
    runs = SyncRuns(db, integration_id)
    if trouble is None:
        runs.worked(flow)
    elif not isinstance(trouble, StoreUnavailable | BudgetSpent):
        runs.troubled(flow, trouble.code)


def maintain_syncs(pool: Pool) -> None:
    """
    The rolling scan begins anew where that is due, and runs with nobody left to read are over.

    A changed interval counts at the next tick, because the settings are read each time (R80).
    """
    with transaction(pool) as db:
        due = syncs_due(db)
    for integration_id in due:
        with transaction(pool) as db:
            runs = SyncRuns(db, integration_id)
            for reading in runs.readings_due():
                runs.ask(reading, by=SCHEDULE)
            for run_id in runs.empty():
                end_run(db, integration_id, run_id)
