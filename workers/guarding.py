"""The guard against mass suspensions, at the one step that every suspension goes through."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from db.accounts import ClaimedAccount, Entry, Integration, Problem, WorkStore
from db.guards import GuardStore
from db.pool import Db
from domain.guard import Verdict, judge

log = structlog.get_logger()


def stage_excess(
    db: Db, integration: Integration, accounts: Mapping[int, ClaimedAccount], suspending: Sequence[int]
) -> set[int]:
    """
    The suspensions that have to wait for a person are staged, the others may be written (F8, S24).

    Args:
        accounts: The claimed batch, by account id.
        suspending: Those of them whose LMS user would be suspended now.

    Returns:
        The ids of the staged accounts.
    """
    rules = integration.settings.guard
    window = timedelta(hours=rules.window_hours)
    guard = GuardStore(db, integration.integration_id)
    guard.lock()
    staged: set[int] = set()
    for payroll, asked in sorted(guard.suspensions(suspending, window).items()):
        new = [one.account_id for one in asked if not one.let_through]
        if not new:
            continue
        verdict = judge(len(new), guard.window(payroll, window), rules)
        if verdict.passes:
            guard.let_through(new)
        else:
            guard_id = guard.stage(payroll, new, counted=verdict.counted, limit=verdict.limit)
            _tell(WorkStore(db, integration.integration_id), integration, guard_id, payroll, verdict)
            _note(WorkStore(db, integration.integration_id), integration, guard_id, [accounts[i] for i in new])
            staged.update(new)
    return staged


def _tell(store: WorkStore, integration: Integration, guard_id: int, payroll: str, verdict: Verdict) -> None:
    """One notice per event, however many batches run into it."""
    detail = f"guard {guard_id}: {verdict.counted} suspensions in payroll {payroll or '(none)'}, {verdict.limit} pass"
    store.open_failures(integration.tenant, [Problem("guard", str(guard_id), "mass_suspension", detail)])
    log.warning(
        "suspensions staged", integration_id=integration.integration_id, guard_id=guard_id, counted=verdict.counted
    )


def _note(store: WorkStore, integration: Integration, guard_id: int, accounts: Sequence[ClaimedAccount]) -> None:
    entries = [Entry(account.employee_key, "suspension staged", data={"guard": guard_id}) for account in accounts]
    store.write_timeline(integration.tenant, entries)
