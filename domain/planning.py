"""What a worker would send to the LMS for a person, in words and values: for people who want to see it first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from domain.lms import LmsEnrolment, NewUser, UserChange, UserFields

Function = Literal["create_users", "update_users", "enrol"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after; `before` is None where the LMS holds nothing yet."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One element of a call to the LMS. `subject` names the user or the course."""

    function: Function
    subject: str
    changes: Sequence[FieldChange]


@dataclass(slots=True)
class PersonPlan:
    """What would be done for one person in one integration, or why nothing would."""

    integration: str
    employee_key: str
    outcome: Literal["create", "link", "update", "nothing", "parked", "staged", "waiting", "out_of_scope"]
    code: str | None = None
    detail: str = ""
    calls: list[PlannedCall] = field(default_factory=list)


def create_call(new: NewUser) -> PlannedCall:
    """The password is told of, never told."""
    fields: dict[str, Any] = {
        "username": new.username,
        "email": new.email,
        "first_name": new.first_name,
        "last_name": new.last_name,
        "external_key": new.external_key,
        "password": "made and mailed by the LMS" if new.password is None else "given, to be changed at the first login",
    }
    fields |= new.custom
    return PlannedCall("create_users", new.username, [FieldChange(name, None, value) for name, value in fields.items()])


def update_call(change: UserChange, held: UserFields) -> PlannedCall:
    """Only what changes is sent."""
    changes = [FieldChange(name, held.get(name), value) for name, value in change.fields.items()]
    return PlannedCall("update_users", f"LMS user {change.user_id}", changes)


def enrol_calls(wanted: Iterable[LmsEnrolment], held: Sequence[LmsEnrolment]) -> list[PlannedCall]:
    """Enrolments are sent whole; what the LMS holds is shown beside it as far as we wrote it."""
    before = {one.role: one for one in held}
    return [
        PlannedCall("enrol", f"course {one.course_id}", _enrolment_changes(one, before.get(one.role))) for one in wanted
    ]


def _enrolment_changes(after: LmsEnrolment, before: LmsEnrolment | None) -> list[FieldChange]:
    names = ("user_id", "course_id", "role", "starts_at", "ends_at", "suspended")
    return [FieldChange(name, before and getattr(before, name), getattr(after, name)) for name in names]


def counted(plans: Iterable[PersonPlan]) -> Mapping[str, int]:
    """People by outcome."""
    counts: dict[str, int] = {}
    for plan in plans:
        counts[plan.outcome] = counts.get(plan.outcome, 0) + 1
    return counts
