"""The fake's scripted trouble, which other tests rely on."""

import pytest

from domain.errors import HoldIntegration, LmsUnavailable, NeedsAttention, UnknownOutcome
from domain.lms import Done, Failed, NewUser
from tests.support.fake_lms import FakeLms


def person(number: int) -> NewUser:
    return NewUser(f"user{number}", f"user{number}@example.org", "Ann", "Lee", f"E-{number}")


def test_an_effect_may_show_later() -> None:
    """D7."""
    lms = FakeLms()
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect="later")
    lms.create_users([person(1)])
    assert lms.find_users("external_key", ["E-1"]) == []
    lms.appear()
    assert [user.username for user in lms.find_users("external_key", ["E-1"])] == ["user1"]


def test_only_the_items_meant_fail_and_an_unknown_outcome_ends_the_sending() -> None:
    lms = FakeLms()
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect="now", only=lambda user: user.username == "user2")
    first, second, third = lms.create_users([person(number) for number in (1, 2, 3)])
    assert isinstance(first, Done)
    assert isinstance(second, Failed)
    assert isinstance(third, Failed)
    assert (type(second.failure), type(third.failure)) == (UnknownOutcome, LmsUnavailable)
    assert lms.effects == [("create", "user1"), ("create", "user2")]


def test_trouble_ends_after_its_times() -> None:
    lms = FakeLms()
    lms.fail("find_users", HoldIntegration("token_refused"), times=2)
    for _ in range(2):
        with pytest.raises(HoldIntegration):
            lms.find_users("external_key", ["E-1"])
    assert lms.find_users("external_key", ["E-1"]) == []
    assert lms.calls == [("find_users", 1)] * 3


def test_a_bad_record_does_not_end_the_sending() -> None:
    lms = FakeLms()
    lms.fail("create_users", NeedsAttention("lms_rejected"), only=lambda user: user.username == "user1")
    first, second = lms.create_users([person(1), person(2)])
    assert isinstance(first, Failed)
    assert isinstance(second, Done)
