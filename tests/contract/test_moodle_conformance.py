"""What Moodle does besides what every LMS does; the fake that stands for it does it too."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.errors import LmsThrottled, LmsUnavailable, UnknownOutcome
from domain.lms import Done, LmsEnrolment, Membership, Participant, UserChange
from tests.contract.client_sites import MOODLE, NOON, Stand
from tests.contract.conformance import FIRE, LAW, codes, custom_of, families, made, people, person, place
from tests.contract.stands import MOODLES

UNSET = MOODLE.unset


@pytest.fixture(params=MOODLES)
def stand(request: pytest.FixtureRequest) -> Stand:
    return MOODLES[request.param]()


def test_a_profile_field_that_does_not_exist_is_ignored(stand: Stand) -> None:
    [outcome] = stand.gateway.create_users([replace(person(1), custom={"nothing": "1"})])
    assert isinstance(outcome, Done)
    assert custom_of(stand, outcome.value) == UNSET


def test_an_option_that_a_menu_does_not_have_wipes_the_stored_one(stand: Stand) -> None:
    """R32: accepted without a word, which is why it is never sent."""
    [outcome] = stand.gateway.create_users([replace(person(1), custom={"employment_status": "Active"})])
    assert isinstance(outcome, Done)
    wrong = UserChange(outcome.value, {"custom.employment_status": "active"})
    assert stand.gateway.update_users([wrong]) == [Done(None)]
    assert custom_of(stand, outcome.value) == UNSET


def test_a_short_name_that_would_fail_the_whole_call_costs_only_its_user(stand: Stand) -> None:
    """D24: Moodle refuses the call, so it is seen before sending."""
    batch = [person(1), replace(person(2), custom={"job title": "x"}), person(3)]
    assert codes(stand.gateway.create_users(batch)) == ["done", "text_invalid", "done"]


def test_fields_are_seen_on_the_users_who_have_them(stand: Stand) -> None:
    """R28: types and labels come along, menu options do not, and it is said that there may be more."""
    [outcome] = stand.gateway.create_users([replace(person(1), custom={"employment_status": "Active"})])
    assert isinstance(outcome, Done)
    seen = stand.gateway.fields([outcome.value])
    told = {(f.shortname, f.kind, f.name, f.options) for f in seen.fields if f.area == "user"}
    assert told == {
        ("employment_status", "menu", "Employment Status", None),
        ("payroll_enabled", "checkbox", "Payroll Enabled", None),
    }
    assert seen.gaps


def test_a_report_tells_completions_by_hrs_own_keys(stand: Stand) -> None:
    ids = made(stand, 2)
    stand.gateway.enrol([place(stand, user_id) for user_id in ids])
    stand.complete(ids[1], FIRE, NOON, 84)
    page = stand.gateway.report_page("1", 0)
    [row] = page.rows
    assert (row.external_key, row.course_code) == ("E-1", "C-FIRE")
    assert (row.completion.completed_at, row.completion.grade) == (NOON, Decimal(84))
    assert page.last
    assert list(stand.gateway.report_page("1", 1).rows) == []


@pytest.mark.parametrize("effect", [True, False])
def test_a_lost_answer_is_an_unknown_outcome_for_all_that_was_sent(stand: Stand, effect: bool) -> None:
    """D5, D6: one call is many people."""
    stand.lose_answer("create_users", effect=effect)
    outcomes = stand.gateway.create_users(people(5))
    assert families(outcomes) == {UnknownOutcome}
    found = stand.gateway.find_users("external_key", [user.external_key for user in people(5)])
    assert len(found) == (5 if effect else 0)
    assert codes(stand.gateway.create_users(people(5))) == ["lms_rejected" if effect else "done"] * 5
    assert stand.accounts_made() == 5


def test_a_call_that_is_turned_away_did_nothing_for_anybody_in_it(stand: Stand) -> None:
    """D1, D18."""
    stand.throttle("create_users", 30)
    stand.go_away("update_users")
    outcomes = stand.gateway.create_users(people(3))
    assert families(outcomes) == {LmsThrottled}
    assert stand.accounts_made() == 0
    ids = made(stand, 3)
    changes = [UserChange(user_id, {"last_name": "Berg"}) for user_id in ids]
    assert families(stand.gateway.update_users(changes)) == {LmsUnavailable}
    assert codes(stand.gateway.update_users(changes)) == ["done"] * 3


def test_somebody_who_is_not_enrolled_joins_no_group(stand: Stand) -> None:
    stand.add_group(FIRE, "NIGHT")
    ids = made(stand, 2)
    stand.gateway.enrol([place(stand, ids[0])])
    outcomes = stand.gateway.join([Membership(user_id, FIRE, "NIGHT") for user_id in ids])
    assert codes(outcomes) == ["done", "not_in_course"]


def test_a_report_tells_the_dates_of_every_enrolment(stand: Stand) -> None:
    """To the minute, suspended and open ones alike; the only way to read them back (contract, section 4.1)."""
    ids = made(stand, 2)
    starts, ends = NOON - timedelta(days=700, seconds=7), NOON + timedelta(days=900)
    stand.gateway.enrol([LmsEnrolment(ids[0], FIRE, "5", starts, ends, suspended=True), place(stand, ids[1], LAW)])
    page = stand.gateway.report_spans("1", 0)
    assert page is not None
    assert {(s.external_key, s.course_code, s.starts_at, s.ends_at) for s in page.spans} == {
        ("E-0", "C-FIRE", starts - timedelta(seconds=53), ends),
        ("E-1", "LAW", NOON - timedelta(days=700), None),
    }
    assert page.last


def test_participants_are_those_active_now_or_the_others(stand: Stand) -> None:
    """R87: suspended, expired and future enrolments are not active, and no dates are told."""
    ids = made(stand, 4)
    begins, ended = datetime(2150, 1, 1, tzinfo=UTC), NOON - timedelta(days=600)
    stand.gateway.enrol([place(stand, ids[0]), place(stand, ids[1], suspended=True), place(stand, ids[0], LAW)])
    stand.gateway.enrol([LmsEnrolment(ids[2], FIRE, "4", begins, None, suspended=False)])
    stand.gateway.enrol([LmsEnrolment(ids[3], FIRE, "5", None, ended, suspended=False)])
    active = stand.gateway.participants(FIRE, 0, active=True)
    assert list(active.participants) == [Participant(ids[0], "E-0", frozenset({"5"}))]
    others = stand.gateway.participants(FIRE, 0, active=False)
    assert {(p.user_id, *p.roles) for p in others.participants} == {(ids[1], "5"), (ids[2], "4"), (ids[3], "5")}
    assert active.last
    assert others.last


def test_participants_come_page_by_page(stand: Stand) -> None:
    ids = made(stand, 1001)
    stand.gateway.enrol([place(stand, user_id) for user_id in ids])
    pages = [stand.gateway.participants(FIRE, page, active=True) for page in (0, 1)]
    assert [(len(page.participants), page.last) for page in pages] == [(1000, False), (1, True)]
    assert {p.user_id for page in pages for p in page.participants} == set(ids)
