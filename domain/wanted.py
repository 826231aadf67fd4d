"""From facts to wanted state: what every integration of a tenant should hold for one person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from domain.accounts import WantedAccount, suspended_if_linked, wanted_account
from domain.addresses import email_key
from domain.enrolments import WantedPlacement, due_at, refusal, wanted_placement
from domain.errors import NeedsAttention
from domain.events import CourseEnrolment, Employee
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
    """What a placement is to be, and not before when; `refusal` says why it is not wanted."""

    enrolment_key: str
    course_code: str
    wanted: WantedPlacement
    refusal: str | None
    not_before: datetime | None


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
) -> AccountState:
    """The account one integration should hold for this person; a reason where it should hold none."""
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
    if settings.people.accounts_for == "enrolled" and all(refusal(enrolment) for enrolment in facts.enrolments):
        return AccountState("waiting", code="not_enrolled")
    try:
        wanted = wanted_account(person, settings.people)
    except NeedsAttention as problem:
        if person.status == "terminated":
            return AccountState("due", suspended_if_linked(facts.employee_key))
        return AccountState("parked", code=problem.code, detail=problem.detail)
    return AccountState("due", wanted=_with_fields(wanted, person, settings, payroll_details))


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


def placement_states(enrolments: Iterable[CourseEnrolment], settings: IntegrationSettings) -> list[PlacementState]:
    """The placements one integration should hold for a person's enrolments."""
    return [
        PlacementState(
            enrolment_key=enrolment.enrolment_key,
            course_code=enrolment.course_code,
            wanted=wanted_placement(enrolment, settings),
            refusal=refusal(enrolment),
            not_before=due_at(enrolment, settings),
        )
        for enrolment in enrolments
    ]
