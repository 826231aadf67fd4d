"""Enrolments: look, set when they are exported, and have one provisioned anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from db.accounts import Entry, WorkStore
from db.audit import Item
from db.configuration import IntegrationRow
from db.enrolments import Chosen, ContactLine, ContactStore, EnrolmentLine, EnrolmentViews, ResultLine, Snapshot
from db.people import PeopleViews, Subject
from db.pool import Pool, transaction
from domain.why import Explanation
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited, audited_items, deed
from ops.own_events import own_event, publish
from producers.publisher import OutgoingEvent
from runtime.settings import Settings

SET_EXPORT = "enrolments:export:set"
REPROVISION = "enrolments:enrolment:reprovision"

CHANGED = "hr.course_enrolment.changed.v1"
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Shown:
    """One enrolment's page: where it stands, why, how often it was provisioned, and what came back (R155)."""

    lines: Sequence[EnrolmentLine]
    explanations: Sequence[Explanation]
    contacts: Sequence[ContactLine]
    results: Sequence[ResultLine]


@dataclass(frozen=True, slots=True)
class Export:
    """What is set: the box, the day, or both; a part that is None stays as it is."""

    box: bool | None = None
    day: date | None = None
    at_once: bool = False

    def of(self, data: dict[str, Any]) -> dict[str, Any]:
        box = {} if self.box is None else {"export": self.box}
        day = {"export_on": None} if self.at_once else {} if self.day is None else {"export_on": self.day.isoformat()}
        return data | box | day


@dataclass(frozen=True, slots=True)
class SetExport:
    """What became of the ticked rows. Those provisioned already are shown and left alone (R134)."""

    changed: Sequence[str]
    unaffected: Sequence[str]
    unchanged: Sequence[str]


def find_line(pool: Pool, enrolment_key: str, tenant: str | None) -> EnrolmentLine:
    """
    Raises:
        NotFound: None, or more than one client company, knows the key.
    """
    with transaction(pool) as db:
        found = EnrolmentViews(db, tenant).lines(Chosen(keys=[enrolment_key]), MOST)
    if not found:
        raise NotFound(f"HR has told of no enrolment with the key {enrolment_key}")
    if len({line.tenant for line in found}) > 1:
        raise NotFound(f"several client companies know the enrolment {enrolment_key}; add --tenant")
    return found[0]


def show(pool: Pool, line: EnrolmentLine) -> Shown:
    """Everything about one enrolment."""
    subject = Subject(line.tenant, line.employee_key, line.enrolment_key)
    with transaction(pool) as db:
        views = EnrolmentViews(db, line.tenant)
        return Shown(
            views.lines(Chosen(keys=[line.enrolment_key]), MOST),
            PeopleViews(db).explain(subject, None),
            views.contacts(line.enrolment_key),
            views.results(line.enrolment_key),
        )


def set_export(
    pool: Pool, settings: Settings, tenant: str, chosen: Chosen, export: Export, *, by: Operator
) -> SetExport:
    """
    Box and day of the chosen enrolments are as said, by events like HR's own: HR's next word counts more (R132, R134).

    Raises:
        NotFound: Nothing is chosen by this.
        Refused: HR orders its words by sequence, so that ours could not be placed; or the broker did not take them.
    """
    by.check(SET_EXPORT, tenant)
    with transaction(pool) as db:
        views = EnrolmentViews(db, tenant)
        lines = views.lines(chosen, MOST)
        provisioned = {line.enrolment_key for line in lines if line.provisioned_at}
        keys = list(dict.fromkeys(line.enrolment_key for line in lines))
        held = views.snapshots([key for key in keys if key not in provisioned])
    if not keys:
        raise NotFound("no enrolment matches")
    wanted = {key: export.of(dict(snapshot.data)) for key, snapshot in held.items()}
    changed = [key for key in held if wanted[key] != held[key].data]
    if changed and not by.dry_run:
        lost = publish(settings, [_event(tenant, held[key], wanted[key], by) for key in changed])
        with transaction(pool) as db:
            after = {"sent": len(changed), "box": export.box, "day": export.day, "at_once": export.at_once}
            outcome = "not all sent" if lost else "done"
            operation = audited(db, by, SET_EXPORT, "enrolment/chosen", tenant=tenant, after=after, outcome=outcome)
            audited_items(db, operation, [Item(f"enrolment/{key}") for key in changed])
        if lost:
            raise Refused(f"{lost}; say it again, nothing is doubled")
    return SetExport(changed, sorted(provisioned), [key for key in held if key not in changed])


def _event(tenant: str, held: Snapshot, data: dict[str, Any], by: Operator) -> OutgoingEvent:
    if held.sequence is not None:
        raise Refused(f"HR orders its words on {data['enrolment_key']} by sequence: change it in HR")
    source, said = f"/matricula/{tenant}/{by.name}", (tenant, data["enrolment_key"], data)
    return own_event(CHANGED, source, *said, after=held.occurred_at, request_id=by.request_id)


def forget(pool: Pool, integration: IntegrationRow, enrolment_key: str, *, by: Operator) -> str:
    """
    The contact log is deleted, so the enrolment is provisioned anew: nobody is made or enrolled twice by it (R137).

    Returns:
        Whose enrolment it is.

    Raises:
        NotFound: It was not provisioned there.
    """
    target = f"enrolment/{integration.name}/{enrolment_key}"
    by.check(REPROVISION, integration.tenant, target)
    said = {"by": by.name, "reason": by.reason}
    with deed(pool, by) as db:
        employee_key = ContactStore(db, integration.integration_id).delete(enrolment_key, **said)
        if employee_key is None:
            raise NotFound(f"{integration.name} has no contact log of the enrolment {enrolment_key}")
        entry = Entry(employee_key, "contact log deleted", enrolment_key, said)
        WorkStore(db, integration.integration_id).write_timeline(integration.tenant, [entry])
        audited(db, by, REPROVISION, target, tenant=integration.tenant)
    return employee_key
