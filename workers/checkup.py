"""Once a day every working integration is looked at as a whole; a line that turned red is told, and holds its work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from db.accounts import Integration, Problem, WorkStore
from db.checks import CheckStore
from db.configuration import look_at_everybody
from db.lms_fields import FieldStore
from db.pool import Pool, transaction
from db.schedule import checks_due
from domain.checks import Check, Identity, Known, holds, proven_operations, refused_operations, to_tell
from domain.errors import HoldIntegration, ProvisioningError
from domain.fields import concern_people
from lms.selfcheck import Findings, Subject, self_check
from workers.refusals import REFUSED_WAIT, release
from workers.site import CallMeter, WorkRules
from workers.standing import hold

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a check begins with, and where its calls are counted."""

    known: Known
    pinned: Identity | None
    meter: CallMeter = field(default_factory=CallMeter)


OpenSubject = Callable[[Integration, Asked], Subject[Any]]


def check_up(*, pool: Pool, subject: OpenSubject, rules: WorkRules, allow_private: bool) -> None:
    """Every integration that was not looked at today has been."""
    with transaction(pool) as db:
        due = checks_due(db)
    for integration_id in due:
        if rules.stopping():
            return
        _check_one(integration_id, pool, subject, rules, allow_private=allow_private)


def _check_one(integration_id: int, pool: Pool, subject: OpenSubject, rules: WorkRules, *, allow_private: bool) -> None:
    with transaction(pool) as db:
        integration = WorkStore(db, integration_id).integration()
        store = CheckStore(db, integration_id)
        if integration is None or integration.state not in ("active", "quarantined"):
            return
        asked = Asked(store.known(integration.settings), store.pinned())
    try:
        site = subject(integration, asked)
        findings = self_check(site, allow_private=allow_private)
    except HoldIntegration as error:
        # The password cannot be opened, so neither can the token.
        with transaction(pool) as db:
            hold(WorkStore(db, integration_id), integration, error, rules)
        return
    if not any(_stops_all(check) or holds(check) == "everything" for check in findings.checks):
        _discover(integration, site, pool)
    _keep(integration, findings, asked, pool, rules)


def _discover(integration: Integration, site: Subject[Any], pool: Pool) -> None:
    """
    The fields of the LMS are known as they are now, so that a value whose option is gone is not sent (R28, R39).

    What cannot be seen today stays as it was known.
    """
    with transaction(pool) as db:
        users = FieldStore(db, integration.integration_id).users_to_look_at()
    try:
        probe = site.probe()
        seen = probe.fields([probe.site().user_id, *users])
    except ProvisioningError as error:
        log.warning("fields not discovered", integration_id=integration.integration_id, code=error.code)
        return
    with transaction(pool) as db:
        if concern_people(FieldStore(db, integration.integration_id).keep(seen.fields)):
            look_at_everybody(db, integration.tenant)


def _keep(integration: Integration, findings: Findings, asked: Asked, pool: Pool, rules: WorkRules) -> None:
    """The lines, their failures and their holds, in one transaction."""
    with transaction(pool) as db:
        work, store = WorkStore(db, integration.integration_id), CheckStore(db, integration.integration_id)
        store.save(findings.checks, reached=findings.identity is not None)
        _tell(work, integration, findings.checks)
        _hold(work, store, integration, findings, rules)
        work.count_calls(asked.meter.drain())
    red = [check.name for check in findings.checks if check.state == "failed"]
    log.info("integration checked", integration_id=integration.integration_id, failed=red)


def _tell(work: WorkStore, integration: Integration, checks: Sequence[Check]) -> None:
    """A red line is one open failure until it is green; what was not reached stays as it was."""
    green = [_subject(integration, check) for check in checks if check.state == "ok"]
    work.resolve_failures("integration", green)
    problems = [
        Problem("integration", _subject(integration, check), check.code, f"{check.name}: {check.detail}")
        for check in to_tell(checks)
    ]
    work.open_failures(integration.tenant, problems)


def _subject(integration: Integration, check: Check) -> str:
    return f"{integration.integration_id}/check/{check.name}"


def _hold(work: WorkStore, store: CheckStore, integration: Integration, findings: Findings, rules: WorkRules) -> None:
    """Work that would harm stops as a whole until the next check; a hold that this check disproves ends."""
    harmful = next((check for check in findings.checks if holds(check) == "everything"), None)
    if harmful is not None:
        hold(work, integration, HoldIntegration(harmful.code, f"{harmful.name}: {harmful.detail}"), rules)
        store.stay_held()
        return
    for operation, check in refused_operations(findings.checks).items():
        work.hold_operation(operation, check.code, REFUSED_WAIT)
    release(work, integration, proven_operations(findings.checks))
    if integration.state == "quarantined" and not any(_stops_all(check) for check in findings.checks):
        work.release()
        work.resolve_failures("integration", [integration.integration_id])


def _stops_all(check: Check) -> bool:
    return check.state == "failed" and not holds(check)
