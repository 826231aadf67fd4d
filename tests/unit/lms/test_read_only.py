"""A gateway for looking writes nothing, whatever it is asked."""

import inspect
from typing import Any

import pytest

from domain.lms import LmsGateway, LmsUser, Pair, UnitGateway
from lms.read_only import ReadOnly, WriteRefused
from tests.support.fake_lms import FakeLms
from tests.support.fake_portal import FakePortal

METHODS = [
    name
    for port in (LmsGateway, UnitGateway)
    for name, thing in vars(port).items()
    if inspect.isfunction(thing) and not name.startswith("_")
]
LOOKS = {"find_users", "completions", "standings"}


@pytest.mark.parametrize("method", sorted(set(METHODS) - LOOKS))
def test_nothing_but_looking_gets_through(method: str) -> None:
    """Plan writes nothing: every method of the port, those to come included, is refused before the LMS hears of it."""
    lms = FakeLms()
    parameters = list(inspect.signature(getattr(UnitGateway, method)).parameters)[1:]
    arguments: list[Any] = [[] for _ in parameters]

    with pytest.raises(WriteRefused, match=method):
        getattr(ReadOnly(lms), method)(*arguments)

    assert (lms.calls, lms.effects) == ([], [])


def test_the_port_has_the_writes_that_this_is_about() -> None:
    assert {"create_users", "update_users", "enrol"} <= set(METHODS) - LOOKS


def test_people_are_looked_up() -> None:
    noor = LmsUser("7", "noor", "noor@example.org")

    assert ReadOnly(FakeLms([noor])).find_users("username", ["noor"]) == [noor]


def test_what_people_have_completed_is_read() -> None:
    """R4: comparing results with the LMS only looks."""
    lms = FakePortal([LmsUser("7", "noor", "noor@example.org")])

    assert [type(outcome).__name__ for outcome in ReadOnly(lms).standings([Pair("7", "2")])] == ["Done"]
    assert [type(outcome).__name__ for outcome in ReadOnly(lms).completions([Pair("7", "2")])] == ["Failed"]
    assert {method for method, _ in lms.calls} == {"standings", "completions"}
    assert lms.effects == []
