"""The demonstration's check sees what it is there to see: a ledger that is right passes, and nothing else does."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ops.demo.check import KEY_FIELD, READERS, ROLES, differences
from ops.demo.expected import Account, Expected, Placement, State, load
from ops.demo.generate import BEFORE, FEED
from ops.demo.places import PLACES, Place

HARBOUR, ACADEMY, PORTAL = PLACES

Ledger = list[dict[str, Any]]


@cache
def asked(place: Place) -> Expected:
    return load(FEED, place.rules, BEFORE)


def account(place: Place, state: State, *, found: bool = False) -> Account:
    return next(one for one in asked(place).accounts.values() if (one.state, one.found) == (state, found))


def placed(place: Place, state: State) -> Placement:
    return next(one for one in asked(place).placements.values() if one.state is state)


def enrolled(place: Place, one: Placement, **said: Any) -> dict[str, Any]:
    course = next(number for number, code in place.codes.items() if code == one.course_code)
    if place is PORTAL:
        role = {"learner": "learner", "tutor": "instructor"}[one.role]
        return {"kind": "enrolled", "user": one.id_number, "course": course, "role": role} | said
    fact = {"kind": "enrolled", "idnumber": one.id_number, "course": course, "created": True, "suspended": False}
    return fact | {"role": ROLES[one.role], "start": one.start, "end": one.end} | said


def made(place: Place, one: Account) -> dict[str, Any]:
    """A simulated portal numbers people; their keys serve as well."""
    if place is PORTAL:
        custom = {KEY_FIELD: one.id_number}
        return {"kind": "user created", "user": one.id_number, "login": one.email, "custom": custom, "status": "active"}
    return {"kind": "user updated" if one.found else "user created", "idnumber": one.id_number}


def right(place: Place) -> Ledger:
    """What a Moodle tells that has done everything that was asked, and no more."""
    accounts = [made(place, one) for one in asked(place).accounts.values() if one.state is State.ACTIVE]
    places = [enrolled(place, one) for one in asked(place).placements.values() if one.state is State.ACTIVE]
    return accounts + places


def wrong(place: Place, ledger: Ledger) -> list[str]:
    return differences(asked(place), READERS[place.lms](ledger, place.codes))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_ledger_that_is_right_passes(place: Place) -> None:
    assert wrong(place, right(place)) == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_effects_of_nobody_in_particular_are_no_accounts(place: Place) -> None:
    assert wrong(place, [*right(place), {"kind": "course completed", "user": 7, "course": 101}]) == []


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_whoever_is_missing_made_twice_or_made_for_nobody_is_named(place: Place) -> None:
    """I3."""
    ledger = right(place)

    assert wrong(place, ledger[1:])[0].endswith("the account is missing")
    assert wrong(place, [*ledger, made(place, account(place, State.ACTIVE))])[0].endswith("2 accounts were made")
    nobody = replace(account(place, State.ACTIVE), id_number="HBE-0")
    assert wrong(place, [*ledger, made(place, nobody)]) == ["HBE-0: an account that nobody asked for"]


def test_a_suspension_that_is_wrong_or_missing_is_named() -> None:
    """R55."""
    active, gone = account(HARBOUR, State.ACTIVE), account(HARBOUR, State.GONE)
    suspended = {"kind": "user suspended", "idnumber": active.id_number}

    assert wrong(HARBOUR, [*right(HARBOUR), suspended]) == [f"{active.id_number}: the account is suspended"]
    assert wrong(HARBOUR, [*right(HARBOUR), made(HARBOUR, gone)]) == [f"{gone.id_number}: the account is still active"]


def test_somebody_out_of_scope_may_not_even_have_been_there() -> None:
    """R16, R20."""
    outside, place = account(ACADEMY, State.ABSENT), placed(ACADEMY, State.ABSENT)
    ledger = [*right(ACADEMY), made(ACADEMY, outside), {"kind": "user suspended", "idnumber": outside.id_number}]

    assert wrong(ACADEMY, ledger) == [f"{outside.id_number}: an account out of scope"]
    assert "enrolled out of scope" in wrong(ACADEMY, [*right(ACADEMY), enrolled(ACADEMY, place)])[0]


def test_whoever_was_there_before_may_not_be_made_again() -> None:
    """R62."""
    known = account(HARBOUR, State.ACTIVE, found=True)
    again = {"kind": "user created", "idnumber": known.id_number}

    assert wrong(HARBOUR, [*right(HARBOUR), again]) == [f"{known.id_number}: the account that was there was not found"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"suspended": True, "created": False}, "suspended"),
        ({"start": 7, "created": False}, "start is 7 and should be"),
        ({"end": 7, "created": False}, "end is 7 and should be"),
        ({"role": 99, "created": False}, "has roles"),
        ({}, "enrolled 2 times"),
    ],
)
def test_an_enrolment_that_is_wrong_is_named(said: dict[str, Any], told: str) -> None:
    """I4."""
    one = placed(HARBOUR, State.ACTIVE)

    [problem] = wrong(HARBOUR, [*right(HARBOUR), enrolled(HARBOUR, one, **said)])

    assert told in problem


def test_a_portal_tells_suspensions_and_enrolments_that_were_taken_away() -> None:
    """R134, R135."""
    active, over = account(PORTAL, State.ACTIVE), placed(PORTAL, State.GONE)
    inactive = {"kind": "user status set", "user": active.id_number, "status": "inactive"}
    taken_away = enrolled(PORTAL, over) | {"kind": "unenrolled"}

    assert wrong(PORTAL, [*right(PORTAL), inactive]) == [f"{active.id_number}: the account is suspended"]
    assert wrong(PORTAL, [*right(PORTAL), enrolled(PORTAL, over)])[0].endswith("still enrolled")
    assert wrong(PORTAL, [*right(PORTAL), enrolled(PORTAL, over), taken_away]) == []


def test_an_enrolment_that_is_missing_or_should_be_over_is_named() -> None:
    """R133."""
    over = placed(HARBOUR, State.GONE)

    assert wrong(HARBOUR, right(HARBOUR)[:-1])[0].endswith("not enrolled")
    assert wrong(HARBOUR, [*right(HARBOUR), enrolled(HARBOUR, over)])[0].endswith("still enrolled")
    assert wrong(HARBOUR, [*right(HARBOUR), enrolled(HARBOUR, over, suspended=True)]) == []
