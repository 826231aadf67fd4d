"""
Single fields of a person set by hand: a new word like HR's own, and never an edit of what HR said.

It goes the way of every event: stored with its bytes, applied if it is the newest, and superseded by HR's next word.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from db.people import PeopleViews, PersonSnapshot, Subject
from db.pool import Pool, transaction
from domain.events import Employee
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited
from ops.own_events import own_event, publish
from runtime.settings import Settings

UPDATED = "hr.employee.updated.v1"
OVERRIDE = "people:person:override"

LISTS = ("emails",)
OPEN = ("attributes", "lms_user_ids")
"""Fields whose own fields are set by `field.name`."""
FIXED = ("employee_key",)


@dataclass(frozen=True, slots=True)
class Overridden:
    """Each field before and after, by name; the event that says so, unless it was only tried."""

    fields: Mapping[str, tuple[Any, Any]]
    event_id: str | None


def override(pool: Pool, settings: Settings, subject: Subject, changes: Mapping[str, str], by: Operator) -> Overridden:
    """
    The person's fields are as said until HR says something newer.

    Args:
        changes: Text by field, empty for nothing: a field of `hr.employee.updated.v1`, or `attributes.NAME`; several
            addresses with commas between them.

    Raises:
        NotFound: HR has not told of the person.
        Refused: There is no such field, it cannot hold this, nothing would differ, or HR orders its words by sequence,
            so that ours could not be placed. Nothing is sent then.
    """
    by.check(OVERRIDE, subject.tenant, f"person/{subject.employee_key}")
    held = _held(pool, subject)
    wanted = _wanted(held.data, changes)
    fields = {name: (held.data.get(name), wanted[name]) for name in wanted if held.data.get(name) != wanted[name]}
    if not fields:
        raise Refused(f"that is what HR says of {subject.employee_key} already")
    if by.dry_run:
        return Overridden(fields, None)
    source = f"/matricula/{subject.tenant}/override"
    facts = (subject.tenant, subject.employee_key, wanted)
    said = own_event(UPDATED, source, *facts, after=held.occurred_at, request_id=by.request_id)
    lost = publish(settings, [said])
    if lost:
        raise Refused(f"{lost}; say it again, nothing is doubled")
    with transaction(pool) as db:
        # Which fields, never what is in them: the audit can forget nobody.
        after = {"event": said.message_id, "fields": sorted(fields)}
        audited(db, by, OVERRIDE, f"person/{subject.employee_key}", tenant=subject.tenant, after=after)
    return Overridden(fields, said.message_id)


def _held(pool: Pool, subject: Subject) -> PersonSnapshot:
    with transaction(pool) as db:
        held = PeopleViews(db).snapshot(subject)
    if held is None or held.erased:
        raise NotFound(f"HR has told of no person with the key {subject.employee_key}, or withdrawn them")
    if held.sequence is not None:
        raise Refused(f"HR orders its words on {subject.employee_key} by sequence: change it in HR")
    return held


def _wanted(data: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    wanted = dict(data)
    for name, text in changes.items():
        field, dot, inner = name.partition(".")
        if field in OPEN and dot and inner:
            wanted[field] = {**(wanted.get(field) or {}), inner: text or None}
        elif field in LISTS and not dot:
            wanted[field] = [part.strip() or None for part in text.split(",")] if text else []
        elif name in Employee.model_fields and name not in (*FIXED, *OPEN):
            wanted[name] = text or None
        else:
            raise Refused(f"{name} is no field that can be set; those are {', '.join(_settable())}")
    try:
        return Employee.model_validate(wanted).model_dump(mode="json")
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Refused(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _settable() -> list[str]:
    plain = [name for name in Employee.model_fields if name not in (*FIXED, *OPEN)]
    return [*plain, *(f"{name}.NAME" for name in OPEN)]
