"""The scan for drift: step by step through what the LMS holds, within an hour's budget, and never in anybody's way."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from db.accounts import Integration, Problem, WorkStore
from db.findings import FindingStore
from db.pool import Db, Pool, transaction
from db.scans import ScanStore, Turn
from db.schedule import scans_due
from db.sync_runs import SyncRuns
from domain.drift import affordable
from domain.errors import NeedsAttention, ProvisioningError, StoreUnavailable
from domain.integration import Drift
from domain.recovery import after_stop
from domain.syncing import SCHEDULE
from runtime.crashpoints import crashpoint
from workers.drift import Step, no_step, read_people
from workers.enrolment_drift import read_course, read_dates
from workers.purse import spending_on
from workers.site import OpenSite, Site, WorkRules
from workers.standing import note_site, ready_site
from workers.syncing import end_run, note_flow

log = structlog.get_logger()

READERS: Mapping[str, Callable[[Site, Pool, Turn], Step]] = {
    "people": read_people,
    "courses": read_course,
    "dates": read_dates,
}
COST = {"people": 2, "courses": 2, "dates": 1}
"""Calls that a step takes at most; a course with thousands of participants takes more, and the next hour has less."""
ASIDE = timedelta(seconds=2)
"""How long the rolling scan steps aside for work that somebody waits for."""
TOLD = "nobody_found"


class _Overtaken(Exception):
    """Somebody else has read this step, or the scan has begun anew; what was read is not recorded."""


def scan(*, pool: Pool, open_site: OpenSite, rules: WorkRules) -> None:
    """
    Every scan under way has come further, as far as its budget and this wake-up allow.

    Safe to run at the same time elsewhere: whoever is late records nothing. Killed anywhere, the step is read again.
    """
    with transaction(pool) as db:
        due = scans_due(db)
    for integration_id in due:
        site = ready_site(integration_id, pool, open_site, rules)
        with spending_on("sweep"):
            while site and not rules.stopping() and _read_on(site, pool, rules):
                pass


def _read_on(site: Site, pool: Pool, rules: WorkRules) -> bool:
    """False when there is nothing to read now, or the site stopped us."""
    turn = _claim(site, pool, rules)
    if turn is None:
        return False
    drift = site.integration.settings.drift
    try:
        switched_off = turn.asked_by == SCHEDULE and not drift.rolling
        step = no_step() if switched_off else READERS[turn.position.part](site, pool, turn)
        crashpoint("scan.read")
        _record(site, pool, rules, turn, step)
    except _Overtaken:
        log.info("scan overtaken", integration_id=site.integration.integration_id, run_id=turn.run_id)
        return False
    except StoreUnavailable:
        raise
    except ProvisioningError as error:
        _put_off(site, pool, rules, turn, site.understood(error, "sweep"))
        return False
    crashpoint("scan.recorded")
    return True


def _claim(site: Site, pool: Pool, rules: WorkRules) -> Turn | None:
    drift = site.integration.settings.drift
    with transaction(pool) as db:
        store = ScanStore(db, site.integration.integration_id)
        turn = store.claim(lease=rules.lease, calls_per_hour=drift.calls_per_hour)
        wait = turn and _wait(turn, drift)
        if turn and wait:
            store.end(wait=wait, calls=turn.spent)
    return None if wait else turn


def _wait(turn: Turn, drift: Drift) -> timedelta | None:
    """The rolling scan stays within its hour and goes behind whatever else is due; what somebody asked for does not."""
    if turn.asked_by != SCHEDULE:
        return None
    if turn.others_wait:
        return ASIDE
    return None if affordable(turn.spent, COST[turn.position.part], drift.calls_per_hour) else turn.hour_left


def _record(site: Site, pool: Pool, rules: WorkRules, turn: Turn, step: Step) -> None:
    """What was found, how far the scan has come and what it has cost, together."""
    integration = site.integration
    with transaction(pool) as db:
        # Accounts, calls, the run: locked in the order in which batches lock them.
        tally = step.record(db)
        work = WorkStore(db, integration.integration_id)
        calls = site.meter.drain()
        work.count_calls(calls)
        tally.calls = sum(made for made, _ in calls.values())
        store = ScanStore(db, integration.integration_id)
        if not store.move(turn.run_id, turn.position, step.following):
            raise _Overtaken
        SyncRuns(db, integration.integration_id).add(turn.run_id, tally)
        spent = turn.spent + step.calls if turn.asked_by == SCHEDULE else turn.spent
        store.end(wait=timedelta(0), calls=spent)
        if step.following is None:
            _finish(db, integration, turn)
        note_flow(db, integration.integration_id, "people", None)
        note_site(work, integration, None, rules)
        work.resolve_failures("integration", [_trouble(integration)])


def _finish(db: Db, integration: Integration, turn: Turn) -> None:
    findings = FindingStore(db, integration.integration_id)
    if turn.reading == "people":
        findings.forget_accounts()
    else:
        findings.forget_courses()
    end_run(db, integration.integration_id, turn.run_id)


def _put_off(site: Site, pool: Pool, rules: WorkRules, turn: Turn, error: ProvisioningError) -> None:
    """A site in trouble rests as a whole; what concerns the scan alone ends its run and keeps nobody else waiting."""
    integration = site.integration
    with transaction(pool) as db:
        work = WorkStore(db, integration.integration_id)
        work.count_calls(site.meter.drain())
        if isinstance(error, NeedsAttention):
            if error.code == TOLD:
                problem = Problem("integration", _trouble(integration), error.code, error.detail)
                work.open_failures(integration.tenant, [problem])
            end_run(db, integration.integration_id, turn.run_id, error.code)
        else:
            SyncRuns(db, integration.integration_id).waits(turn.reading, error.code)
            note_flow(db, integration.integration_id, "people", error)
            note_site(work, integration, error, rules)
        ScanStore(db, integration.integration_id).end(wait=after_stop(error), calls=turn.spent)
    log.warning("scan put off", integration_id=integration.integration_id, run_id=turn.run_id, code=error.code)


def _trouble(integration: Integration) -> str:
    """A scan has a trouble of its own, which an answering site does not heal."""
    return f"{integration.integration_id}/scan/{TOLD}"
