"""What is done with one person: looked at anew now, and taken out with everything that is held of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.configuration import IntegrationRow, integrations
from db.links import LinkStore
from db.people import PeopleViews, Subject
from db.pool import Db, Pool, transaction
from db.portability import Holdings, Rows
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited, deed
from ops.people import subject_of

SYNC = "people:person:sync"
EXPORT = "people:person:export"


@dataclass(frozen=True, slots=True)
class Synced:
    """Where the person is looked at now; `left` says why elsewhere not."""

    integrations: Sequence[str]
    left: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Export:
    """Everything that is held of one person, by table, as of one instant."""

    tenant: str
    employee_key: str
    taken_at: datetime
    holdings: Mapping[str, Rows]


def sync(pool: Pool, tenant: str | None, employee_key: str, *, by: Operator, integration: str | None = None) -> Synced:
    """
    The person is due in every integration, or in one: read from the LMS anew, and written where HR says otherwise.

    What waits for a guard's decision goes on waiting; parked enrolments of theirs are tried again.

    Raises:
        NotFound: HR has told of no such person, or no integration matches.
        Refused: They can be looked at nowhere now.
    """
    by.check(SYNC, tenant or by.tenant, f"person/{employee_key}")
    with deed(pool, by) as db:
        subject = _person(db, employee_key, tenant or by.tenant)
        rows = integrations(db, subject.tenant, integration)
        if not rows:
            raise NotFound("no integration matches; see `matricula integration list`")
        refused = {row.name: _look_again(db, row, subject, by) for row in rows}
        begun = [name for name, why in refused.items() if not why]
        left = {name: why for name, why in refused.items() if why}
        if not begun:
            raise Refused("; ".join(f"{name}: {why}" for name, why in left.items()))
        audited(db, by, SYNC, f"person/{employee_key}", tenant=subject.tenant, after={"integrations": begun})
    return Synced(begun, left)


def _look_again(db: Db, row: IntegrationRow, subject: Subject, by: Operator) -> str:
    """Why the person cannot be looked at there now; empty when they will be."""
    if row.state != "active":
        return f"it is {row.state}, so its LMS is not called"
    links = LinkStore(db, subject.tenant, row.integration_id, subject.employee_key)
    account = links.lock()
    if account is None:
        return "HR has not told it of this person"
    if account.busy:
        return "a worker is busy with them just now"
    if not links.look_again(account, by=by.name, reason=by.reason):
        return "nothing is wanted of it, or it waits for a decision; see `matricula why`"
    return ""


def export(pool: Pool, tenant: str | None, employee_key: str, *, by: Operator) -> Export:
    """
    Everything that is held of one person, whoever may have sent it; that it was taken out is on record (S18, S19).

    Raises:
        NotFound: HR has told of no such person.
    """
    by.check(EXPORT, tenant or by.tenant, f"person/{employee_key}")
    with transaction(pool) as db:
        subject = _person(db, employee_key, tenant or by.tenant)
        store = Holdings(db, subject)
        found = Export(subject.tenant, employee_key, store.now(), store.everything())
        counts = {table: len(rows) for table, rows in found.holdings.items() if rows}
        audited(db, by, EXPORT, f"person/{employee_key}", tenant=subject.tenant, after=counts)
    return found


def _person(db: Db, employee_key: str, tenant: str | None) -> Subject:
    subject = subject_of(PeopleViews(db), employee_key, tenant)
    if subject.enrolment_key is not None:
        raise NotFound(f"HR has told of no person with the key {employee_key}; it is an enrolment's")
    return subject
