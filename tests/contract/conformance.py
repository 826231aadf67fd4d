"""What the conformance suites share: invented people, their places in courses, and how outcomes read."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from domain.errors import ProvisioningError
from domain.lms import Done, Failed, LmsEnrolment, NewUser, Outcome
from tests.contract.client_sites import NOON, Stand

FIRE, LAW = "2", "3"


def person(number: int) -> NewUser:
    return NewUser(
        f"user{number}", f"User{number}@example.org", "Ann", f"Lee {number}", f"E-{number}", password="Invented-1!"
    )


def people(count: int) -> list[NewUser]:
    return [person(number) for number in range(count)]


def made(stand: Stand, count: int) -> list[str]:
    return [outcome.value for outcome in stand.gateway.create_users(people(count)) if isinstance(outcome, Done)]


def place(stand: Stand, user_id: str, course_id: str = FIRE, suspended: bool = False) -> LmsEnrolment:
    return LmsEnrolment(user_id, course_id, stand.words.role, NOON - timedelta(days=700), None, suspended)


def enrolled(stand: Stand, count: int) -> list[str]:
    """So many people in the first course."""
    ids = made(stand, count)
    stand.gateway.enrol([place(stand, user_id) for user_id in ids])
    return ids


def profile(stand: Stand, values: Mapping[str, str]) -> dict[str, str]:
    """The values by the names that the fields have there."""
    return {stand.words.fields[name]: value for name, value in values.items()}


def custom_of(stand: Stand, user_id: str) -> dict[str, str]:
    [user] = stand.gateway.find_users("user_id", [user_id])
    return user.custom


def codes(outcomes: Sequence[Outcome[Any]]) -> list[str]:
    return [outcome.failure.code if isinstance(outcome, Failed) else "done" for outcome in outcomes]


def families(outcomes: Sequence[Outcome[Any]]) -> set[type[ProvisioningError]]:
    return {type(outcome.failure) for outcome in outcomes if isinstance(outcome, Failed)}
