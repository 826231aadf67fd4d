"""From facts to wanted state: what every integration of a tenant should hold for one person."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from domain.accounts import WantedAccount, suspended_if_linked, wanted_account
from domain.addresses import email_key, has_address
from domain.conditions import Finding, Subject, examine, first_to_fix
from domain.enrolments import WantedPlacement, due_between, wanted_placement
from domain.errors import NeedsAttention
from domain.events import Course, CourseEnrolment, Employee
from domain.fields import mapped_values
from domain.integration import IntegrationSettings
from domain.scope import out_of_scope


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account is to be. `detail` is for people and names fields, never their values."""

    state: Literal["due", "parked", "waiting", "out_of_scope"]
    wanted: WantedAccount | None = None
    code: str | None = None
    detail: str = ""

    @property
    def email_key(self) -> str | None:
        return email_key(self.wanted.email) if self.wanted and self.wanted.email else None


@dataclass(frozen=True, slots=True)
class PlacementState:
    """
    What a placement is to be, and between which instants it may be provisioned.

    Attributes:
        conditions: All of them, as they were found.
        refusal: The code of the first that fails; None when only its day has to come.
    """

    enrolment_key: str
    course_code: str
    wanted: WantedPlacement
    conditions: Sequence[Finding]
    refusal: str | None
    not_before: datetime | None
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Everything HR says about one person. `employee` is None until it arrives, `erased` when it was withdrawn."""

    employee_key: str
    employee: Employee | None
    erased: bool
    enrolments: tuple[CourseEnrolment, ...]


PayrollDetails = Mapping[tuple[str, str], Mapping[str, Any]]
"""HR's own fields of each payroll, by payroll and integration name; an empty name stands for every integration."""


def account_state(
    facts: PersonFacts,
    settings: IntegrationSettings,
    enabled_payrolls: Mapping[tuple[str, str], bool],
    payroll_details: PayrollDetails = MappingProxyType({}),
    provisioned: Collection[str] = (),
) -> AccountState:
    """
    The account one integration should hold for this person; a reason where it should hold none.

    Args:
        provisioned: The keys of the enrolments that have been provisioned.
    """
    if facts.erased:
        return AccountState("due", suspended_if_linked(facts.employee_key, "person_erased"))
    person = facts.employee
    if person is None:
        return AccountState("waiting", code="employee_unknown")
    outside = out_of_scope(person.payroll, enabled_payrolls=enabled_payrolls, settings=settings)
    if outside and settings.when_out_of_scope == "leave":
        return AccountState("out_of_scope", code=outside)
    if outside:
        return AccountState("due", suspended_if_linked(facts.employee_key, outside))
    if settings.people.accounts_for == "enrolled" and not _is_enrolled(facts, provisioned):
        return AccountState("waiting", code="not_enrolled")
    try:
        wanted = wanted_account(person, settings.people)
    except NeedsAttention as problem:
        if person.status == "terminated":
            return AccountState("due", suspended_if_linked(facts.employee_key))
        return AccountState("parked", code=problem.code, detail=problem.detail)
    wanted = _with_identity(wanted, person, settings)
    return AccountState("due", wanted=_with_fields(wanted, person, settings, payroll_details))


def _is_enrolled(facts: PersonFacts, provisioned: Collection[str]) -> bool:
    """Somebody who was enrolled keeps the account, so that the end of an enrolment gets there too."""
    return any(
        enrolment.enrolment_key in provisioned
        or (enrolment.booking_status == "confirmed" and enrolment.status != "withdrawn" and enrolment.export)
        for enrolment in facts.enrolments
    )


def _with_identity(wanted: WantedAccount, person: Employee, settings: IntegrationSettings) -> WantedAccount:
    known_id = person.lms_user_ids.get(settings.name)
    return wanted.model_copy(
        update={
            "known_id": "" if known_id is None else str(known_id).strip(),
            "keyless": settings.keyless(),
            "leave_found": not settings.people.update_found,
        }
    )


def _with_fields(
    wanted: WantedAccount, person: Employee, settings: IntegrationSettings, payroll_details: PayrollDetails
) -> WantedAccount:
    """The account with its profile fields; a field that cannot be sent costs only itself (R32)."""
    if not settings.people.fields:
        return wanted
    payroll = person.payroll or ""
    details = payroll_details.get((payroll, settings.name), payroll_details.get((payroll, ""), {}))
    values, problems = mapped_values(person, details, settings.people.fields, settings.zone())
    return wanted.model_copy(update={"custom": values, "skipped": problems})


Courses = Mapping[tuple[str, str], Course]
"""HR's word on courses, by code and integration name; an empty name stands for every integration."""


def placement_states(
    facts: PersonFacts,
    settings: IntegrationSettings,
    courses: Courses,
    now: datetime,
    provisioned: Collection[str] = (),
) -> list[PlacementState]:
    """
    The placements one integration should hold for a person's enrolments.

    Args:
        provisioned: The keys of those that have been provisioned.
    """
    today = now.astimezone(settings.zone()).date()
    has_email = facts.employee is not None and has_address(facts.employee, settings.people)
    return [
        _placement_state(
            Subject(
                enrolment,
                course_of(enrolment.course_code, settings, courses),
                has_email,
                enrolment.enrolment_key in provisioned,
                today,
            ),
            settings,
        )
        for enrolment in facts.enrolments
    ]


def course_of(course_code: str, settings: IntegrationSettings, courses: Courses) -> Course | None:
    """HR's word on the course; what it says for this very integration counts more."""
    return courses.get((course_code, settings.name)) or courses.get((course_code, ""))


def _placement_state(subject: Subject, settings: IntegrationSettings) -> PlacementState:
    findings = examine(subject, required=settings.conditions(), due=settings.enrolments.due)
    first = first_to_fix(findings)
    not_before, not_after = due_between(subject.enrolment, settings)
    return PlacementState(
        enrolment_key=subject.enrolment.enrolment_key,
        course_code=subject.enrolment.course_code,
        wanted=wanted_placement(subject.enrolment, settings, subject.course),
        conditions=findings,
        refusal=first.code if first else None,
        not_before=not_before,
        not_after=not_after,
    )
