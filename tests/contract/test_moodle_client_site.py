"""The gateway on a simulated site: counting, batches, protected accounts, courses that refuse."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import (
    NeedsAttention,
    UnknownOutcome,
)
from domain.lms import Done, Failed, LmsEnrolment, UserChange
from lms.calls import CallRecord
from simulators.faults import Fault
from simulators.moodle import MoodleSite, add_user, moodle_site
from tests.contract.client_faults import ANN, CREATE, ENROL, LOOK_UP, UPDATE, accounts, failure_of, kind
from tests.contract.client_sites import COURSES, TOKEN, moodle_gateway


@pytest.fixture
def site() -> MoodleSite:
    return moodle_site(courses=COURSES, token=TOKEN)


def test_every_call_is_counted_with_its_end(site: MoodleSite) -> None:
    records: list[CallRecord] = []
    gateway = moodle_gateway(site, records.append)
    site.faults.add(Fault(CREATE, nth=2, status=429), Fault(CREATE, nth=2, close="reset"))
    for number in range(3):
        gateway.create_users(
            [replace(ANN, username=f"ann{number}{n}", email=f"a{number}{n}@example.org") for n in range(2)]
        )
    gateway.find_users("username", ["ann00"])
    told = [(record.function, record.items, record.status, record.code) for record in records]
    assert told == [
        (CREATE, 2, "2xx", "ok"),
        (CREATE, 2, "4xx", "lms_throttled"),
        (CREATE, 2, "none", "lms_no_answer"),
        (LOOK_UP, 1, "2xx", "ok"),
        ("core_webservice_get_site_info", 1, "2xx", "ok"),
    ]
    assert all(record.took >= timedelta(0) for record in records)


def test_no_call_holds_more_than_a_hundred_items_and_none_is_lost(site: MoodleSite) -> None:
    """Contract, section 1.4: with PHP's own limit of a thousand fields."""
    site.settings.max_input_vars = 1000
    gateway = moodle_gateway(site)
    users = [replace(ANN, username=f"ann{n}", email=f"ann{n}@example.org", external_key=f"E-{n}") for n in range(230)]
    outcomes = gateway.create_users(users)
    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert accounts(site) == 230
    assert [call["items"] for call in site.ledger.calls(CREATE)] == [100, 100, 30]


def test_users_that_were_cut_off_silently_are_unknown(site: MoodleSite) -> None:
    """D24, contract 1.4: the answer is a success about fewer users than were sent."""
    site.settings.max_input_vars = 2 + 8 * 5  # PHP keeps one field more than its limit
    users = [replace(ANN, username=f"ann{n}", email=f"ann{n}@example.org") for n in range(8)]
    outcomes = moodle_gateway(site).create_users(users)
    assert [type(outcome) for outcome in outcomes] == [Done] * 5 + [Failed] * 3
    assert {kind(failure_of(outcome)) for outcome in outcomes[5:]} == {(UnknownOutcome, "lms_unexpected_answer")}
    assert accounts(site) == 5


def test_enrolments_are_sent_in_the_order_of_their_users(site: MoodleSite) -> None:
    """Contract, section 9: other orders end in deadlocks."""
    numbers = [
        add_user(site, username=f"u{n}", firstname="A", lastname="B", email=f"u{n}@example.org").id for n in range(5)
    ]
    pairs = [LmsEnrolment(str(n), "2", "5", None, None, suspended=False) for n in reversed(numbers)]
    assert moodle_gateway(site).enrol(pairs) == [Done(None)] * 5
    assert [effect["user"] for effect in site.ledger.effects("enrolled")] == numbers


def test_the_guest_and_the_tokens_own_account_are_protected(site: MoodleSite) -> None:
    """S15."""
    gateway = moodle_gateway(site)
    found = {
        user.username: user.protected for user in gateway.find_users("username", ["guest", "ws_matricula", "admin"])
    }
    assert found == {"guest": True, "ws_matricula": True, "admin": False}
    own = gateway.site().user_id
    [outcome] = gateway.update_users([UserChange(own, {"suspended": True})])
    assert kind(failure_of(outcome)) == (NeedsAttention, "user_protected")
    assert site.ledger.calls(UPDATE) == []


def test_administrators_refuse_to_be_changed(site: MoodleSite) -> None:
    """S15: Moodle itself guards them against a token that is no administrator's."""
    [outcome] = moodle_gateway(site).update_users([UserChange("2", {"last_name": "Berg"})])
    assert kind(failure_of(outcome)) == (NeedsAttention, "user_protected")


def test_a_course_the_token_may_not_enter_is_that_courses_trouble(site: MoodleSite) -> None:
    """D23."""
    ids = [
        add_user(site, username=f"u{n}", firstname="A", lastname="B", email=f"u{n}@example.org").id for n in range(3)
    ]
    site.faults.add(Fault(ENROL, value="3", errorcode="requireloginerror"))
    outcomes = moodle_gateway(site).enrol(
        [LmsEnrolment(str(n), course, "5", None, None, suspended=False) for n, course in zip(ids, "232", strict=True)]
    )
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]
    assert kind(failure_of(outcomes[1])) == (NeedsAttention, "course_not_accessible")


@pytest.mark.parametrize(
    ("seed", "code"),
    [({"manual_enrolment": False}, "no_manual_enrolment"), ({"manual_enrolment": "none"}, "no_manual_enrolment")],
)
def test_a_course_without_manual_enrolment_is_named(seed: dict[str, Any], code: str) -> None:
    """D23."""
    site = moodle_site(courses=[*COURSES, {"id": 4, "shortname": "X", "fullname": "X", **seed}], token=TOKEN)
    user = add_user(site, username="u", firstname="A", lastname="B", email="u@example.org").id
    [outcome] = moodle_gateway(site).enrol([LmsEnrolment(str(user), "4", "5", None, None, suspended=False)])
    assert kind(failure_of(outcome)) == (NeedsAttention, code)


def test_a_role_that_may_not_be_given_is_named(site: MoodleSite) -> None:
    user = add_user(site, username="u", firstname="A", lastname="B", email="u@example.org").id
    [outcome] = moodle_gateway(site).enrol([LmsEnrolment(str(user), "2", "1", None, None, suspended=False)])
    assert kind(failure_of(outcome)) == (NeedsAttention, "role_not_assignable")
