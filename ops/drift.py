"""Drift: looking for what somebody changed at an LMS, and deciding about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from db.configuration import IntegrationRow, integrations
from db.findings import FindingRow, FindingStore, findings
from db.links import LinkStore
from db.pool import Db, Pool, transaction
from db.scans import ScanStore
from db.sync_runs import Asked
from domain.drift import EXTERNAL_KEY, WHOLE
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited, deed
from ops.people import PII
from ops.syncing import sync_now

READ = "drift:finding:read"

Decision = Literal["accepted", "put_back"]

FROM: dict[Decision, tuple[str, ...]] = {"accepted": ("open",), "put_back": ("open", "accepted")}
"""What a finding may be for each decision."""


PERMISSION: dict[Decision, str] = {"accepted": "drift:finding:accept", "put_back": "drift:finding:restore"}


@dataclass(slots=True)
class Decisions:
    """Findings that were decided, and those that were not, each with the reason."""

    done: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)


def listed(pool: Pool, tenant: str | None, *, by: Operator, **chosen: Any) -> list[FindingRow]:
    """Findings, see `db.findings.findings`; what stands in profiles only for those who may see it (S16)."""
    by.check(READ, by.tenant)
    with transaction(pool) as db:
        found = findings(db, tenant, **chosen)
    return found if by.may(PII, by.tenant) else [row.masked() for row in found]


def scan_now(pool: Pool, integration: IntegrationRow, *, by: Operator) -> list[Asked]:
    """
    Runs over the linked people and their enrolments are under way, begun now or before; whoever waits for a person is
    left alone.

    Raises:
        Refused: The integration may not call its LMS now.
    """
    return sync_now(pool, integration, ("people", "enrolments"), by=by, again=False)


def scannable(pool: Pool, tenant: str | None) -> list[IntegrationRow]:
    """
    The integrations that may call their LMS now.

    Raises:
        NotFound: There is none.
    """
    with transaction(pool) as db:
        found = [row for row in integrations(db, tenant) if row.state == "active"]
    if not found:
        raise NotFound("no integration is active; see `matricula integration list`")
    return found


def decide(pool: Pool, ids: Sequence[int], decision: Decision, *, by: Operator, tenant: str | None = None) -> Decisions:
    """
    accepted: what the LMS holds stays until HR, or the LMS, says something new about it. put_back: the LMS is to hold
    again what was last written; a user or an enrolment that is missing is made again.

    Each finding is decided on its own.
    """
    by.check(PERMISSION[decision], by.tenant)
    decisions = Decisions()
    for finding_id in dict.fromkeys(ids):
        try:
            with deed(pool, by) as db:
                _decide(db, _find(db, finding_id, tenant), decision, by)
        except (NotFound, Refused) as problem:
            decisions.refused[finding_id] = str(problem)
        else:
            decisions.done.append(finding_id)
    return decisions


def _find(db: Db, finding_id: int, tenant: str | None) -> FindingRow:
    found = findings(db, tenant, ids=[finding_id])
    if not found:
        raise NotFound(f"there is no finding {finding_id}, or it is over; see `matricula drift list --all`")
    return found[0]


def _decide(db: Db, finding: FindingRow, decision: Decision, by: Operator) -> None:
    if finding.state not in FROM[decision]:
        raise Refused(f"finding {finding.finding_id} is {finding.state.replace('_', ' ')} already")
    if decision == "put_back":
        _put_back(db, finding, by)
    if not FindingStore(db, finding.integration_id).decide(finding, decision, by=by.name, reason=by.reason):
        raise Refused(f"finding {finding.finding_id} was decided meanwhile; look again")
    target, before, after = f"finding/{finding.finding_id}", {"state": finding.state}, {"state": decision}
    audited(db, by, PERMISSION[decision], target, tenant=finding.tenant, before=before, after=after)


def _put_back(db: Db, finding: FindingRow, by: Operator) -> None:
    """Nobody's user and nobody's enrolment but our own is ever written (S15)."""
    if finding.employee_key is None or finding.kind == "unknown":
        raise Refused("HR has not asked for it, so it is never touched; have it removed at the LMS, or accept it")
    if finding.kind == "claimed_twice" and finding.field != EXTERNAL_KEY:
        raise Refused("another user carries this person's key, and is never touched; take the key away at the LMS")
    links = LinkStore(db, finding.tenant, finding.integration_id, finding.employee_key)
    account = links.lock()
    if account is None or account.lms_user_id != finding.lms_user_id:
        raise Refused(f"{finding.employee_key} is not linked to LMS user {finding.lms_user_id} any more")
    if account.busy or not account.at_rest:
        raise Refused(f"work on {finding.employee_key} is under way or waits for somebody; see `matricula why`")
    store = ScanStore(db, finding.integration_id)
    if finding.lms_course_id is not None:
        store.put_back_enrolments([(account.account_id, finding.lms_course_id)])
    elif finding.field == WHOLE:
        links.unlink(account, by=by.name, reason=by.reason)
    else:
        store.put_back_people(None, {account.account_id: {finding.field: finding.held}})
