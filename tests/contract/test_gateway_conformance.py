"""What every implementation of the port does, the fake of our own tests included."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    UnknownOutcome,
)
from domain.lms import (
    Done,
    Failed,
    LmsEnrolment,
    LmsUser,
    NewUser,
    Outcome,
    Pair,
    Participant,
    Progress,
    UserChange,
)
from tests.contract.client_sites import NOON, STANDS, Stand

FIRE, LAW = "2", "3"
UNSET = {"payroll_enabled": "0"}


@pytest.fixture(params=STANDS)
def stand(request: pytest.FixtureRequest) -> Stand:
    return STANDS[request.param]()


def person(number: int) -> NewUser:
    return NewUser(
        f"user{number}", f"User{number}@example.org", "Ann", f"Lee {number}", f"E-{number}", password="Invented-1!"
    )


def people(count: int) -> list[NewUser]:
    return [person(number) for number in range(count)]


def made(stand: Stand, count: int) -> list[str]:
    return [outcome.value for outcome in stand.gateway.create_users(people(count)) if isinstance(outcome, Done)]


def place(user_id: str, course_id: str = FIRE, suspended: bool = False) -> LmsEnrolment:
    return LmsEnrolment(user_id, course_id, "5", NOON - timedelta(days=700), None, suspended)


def codes(outcomes: Sequence[Outcome[Any]]) -> list[str]:
    return [outcome.failure.code if isinstance(outcome, Failed) else "done" for outcome in outcomes]


def families(outcomes: Sequence[Outcome[Any]]) -> set[type[ProvisioningError]]:
    return {type(outcome.failure) for outcome in outcomes if isinstance(outcome, Failed)}


def test_a_site_introduces_itself(stand: Stand) -> None:
    site = stand.gateway.site()
    assert site.url.startswith("https://")
    assert site.user_id.isdigit()


def test_users_that_were_made_are_found_by_every_key(stand: Stand) -> None:
    ids = made(stand, 3)
    expected = LmsUser(ids[1], "user1", "User1@example.org", "E-1", "Ann", "Lee 1", custom=UNSET)
    assert stand.gateway.find_users("user_id", [ids[1]]) == [expected]
    assert stand.gateway.find_users("external_key", ["E-1"]) == [expected]
    assert stand.gateway.find_users("username", ["user1"]) == [expected]
    assert stand.gateway.find_users("email", ["User1@example.org"]) == [expected]


def test_values_that_nobody_holds_are_simply_not_found(stand: Stand) -> None:
    made(stand, 2)
    found = stand.gateway.find_users("external_key", ["E-9", "E-1", "", "E-0", "e-1"])
    assert {user.external_key for user in found} == {"E-0", "E-1"}
    assert stand.gateway.find_users("user_id", ["nobody"]) == []
    assert stand.gateway.find_users("username", ["Not A Name"]) == []
    assert stand.gateway.find_users("username", []) == []


def test_more_values_than_fit_into_a_call_are_all_looked_up(stand: Stand) -> None:
    ids = made(stand, 130)
    assert {user.user_id for user in stand.gateway.find_users("user_id", ids)} == set(ids)
    assert len(ids) == 130


def test_an_address_is_found_in_its_own_spelling_or_on_request_in_any(stand: Stand) -> None:
    """D21: the duplicate check ignores case, the look-up does not."""
    made(stand, 2)
    assert stand.gateway.find_users("email", ["user1@example.org"]) == []
    assert [user.username for user in stand.gateway.find_by_email_any_case("USER1@example.org")] == ["user1"]
    assert stand.gateway.find_by_email_any_case("user9@example.org") == []


def test_an_address_is_no_pattern(stand: Stand) -> None:
    stand.gateway.create_users([replace(person(1), email="annxlee@example.org")])
    assert stand.gateway.find_by_email_any_case("ann_lee@example.org") == []
    assert stand.gateway.find_by_email_any_case("%@example.org") == []


def test_two_people_of_one_key_are_both_told(stand: Stand) -> None:
    """F4: ambiguous, never "take the first"."""
    stand.gateway.create_users([person(1), replace(person(2), external_key="E-1")])
    assert len(stand.gateway.find_users("external_key", ["E-1"])) == 2


def test_one_bad_record_among_many_costs_only_itself(stand: Stand) -> None:
    """D24: whether we see it before sending or the system refuses it."""
    made(stand, 1)
    batch = people(40)[1:]
    batch[7] = replace(batch[7], username="user0")
    batch[30] = replace(batch[30], email="user0@EXAMPLE.org")
    outcomes = stand.gateway.create_users(batch)
    assert [number for number, code in enumerate(codes(outcomes)) if code == "lms_rejected"] == [7, 30]
    assert codes(outcomes).count("done") == 37
    assert stand.accounts_made() == 38


def test_outcomes_come_in_the_order_given(stand: Stand) -> None:
    batch = [person(number) for number in (5, 3, 9, 1)]
    outcomes = stand.gateway.create_users(batch)
    for user, outcome in zip(batch, outcomes, strict=True):
        assert isinstance(outcome, Done)
        assert [found.user_id for found in stand.gateway.find_users("username", [user.username])] == [outcome.value]


def test_nothing_to_do_is_done(stand: Stand) -> None:
    assert list(stand.gateway.create_users([])) == []
    assert list(stand.gateway.update_users([])) == []
    assert list(stand.gateway.enrol([])) == []
    assert list(stand.gateway.course_progress([])) == []
    assert list(stand.gateway.completions([])) == []


def test_the_same_user_is_never_made_twice(stand: Stand) -> None:
    """I3: refused, which may mean that it is there."""
    made(stand, 1)
    [outcome] = stand.gateway.create_users([person(0)])
    assert codes([outcome]) == ["lms_rejected"]
    assert families([outcome]) == {NeedsAttention}
    assert stand.accounts_made() == 1


def test_only_the_fields_named_change(stand: Stand) -> None:
    [user_id] = made(stand, 1)
    change = UserChange(user_id, {"last_name": "Berg", "external_key": "E-77", "suspended": True})
    assert stand.gateway.update_users([change]) == [Done(None)]
    [user] = stand.gateway.find_users("user_id", [user_id])
    assert user == LmsUser(user_id, "user0", "User0@example.org", "E-77", "Ann", "Berg", suspended=True, custom=UNSET)


def test_profile_fields_hold_what_is_sent_and_unset_ones_are_left_out(stand: Stand) -> None:
    """R37: an empty text takes the value away; a checkbox is never absent."""
    custom = {"job_title": "Fitter & Turner", "hire_date": "1767225600", "employment_status": "On Leave"}
    [outcome] = stand.gateway.create_users([replace(person(1), custom=custom)])
    assert isinstance(outcome, Done)
    assert custom_of(stand, outcome.value) == custom | UNSET
    change = UserChange(outcome.value, {"custom.job_title": "", "custom.payroll_enabled": "1", "last_name": "Berg"})
    assert stand.gateway.update_users([change]) == [Done(None)]
    del custom["job_title"]
    assert custom_of(stand, outcome.value) == custom | {"payroll_enabled": "1"}


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


def custom_of(stand: Stand, user_id: str) -> dict[str, str]:
    [user] = stand.gateway.find_users("user_id", [user_id])
    return user.custom


def test_an_update_fails_only_for_whom_it_fails(stand: Stand) -> None:
    """D22, D24."""
    ids = made(stand, 2)
    changes = [UserChange(user_id, {"last_name": "Berg"}) for user_id in (ids[1], "999999", ids[0])]
    assert codes(stand.gateway.update_users(changes)) == ["done", "user_gone", "done"]


def test_two_changes_of_one_user_are_applied_in_order(stand: Stand) -> None:
    [user_id] = made(stand, 1)
    changes = [UserChange(user_id, {"last_name": name}) for name in ("Berg", "Dahl")]
    assert stand.gateway.update_users(changes) == [Done(None), Done(None)]
    assert stand.gateway.find_users("user_id", [user_id])[0].last_name == "Dahl"


def test_enrolling_again_changes_nothing(stand: Stand) -> None:
    """I4."""
    [user_id] = made(stand, 1)
    for _ in range(3):
        assert stand.gateway.enrol([place(user_id)]) == [Done(None)]
    assert stand.gateway.completions([Pair(user_id, FIRE)]) == [Done(None)]


def test_an_enrolment_is_exactly_the_last_one_sent(stand: Stand) -> None:
    [user_id] = made(stand, 1)
    stand.gateway.enrol([place(user_id, suspended=True)])
    assert codes(stand.gateway.completions([Pair(user_id, FIRE)])) == ["not_actively_enrolled"]
    stand.gateway.enrol([place(user_id)])
    assert codes(stand.gateway.completions([Pair(user_id, FIRE)])) == ["done"]


def test_an_enrolment_that_cannot_be_costs_only_itself(stand: Stand) -> None:
    """D23, D24."""
    ids = made(stand, 3)
    batch = [place(ids[2]), place(ids[0], "999"), place("999999"), place(ids[1], LAW)]
    assert codes(stand.gateway.enrol(batch)) == ["done", "course_unknown", "user_gone", "done"]
    assert codes(stand.gateway.completions([Pair(ids[2], FIRE), Pair(ids[1], LAW)])) == ["done", "done"]


def test_all_courses_come_hidden_ones_included(stand: Stand) -> None:
    told = {
        (c.course_id, c.code, c.short_name, c.title, c.visible, c.tracks_completion) for c in stand.gateway.courses()
    }
    assert told == {
        (FIRE, "C-FIRE", "FIRE", "Fire & Safety", True, True),
        (LAW, "LAW", "LAW", "Law", False, True),
    }


def test_completions_tell_date_and_grade_in_the_order_given(stand: Stand) -> None:
    ids = made(stand, 3)
    stand.gateway.enrol([place(user_id) for user_id in ids])
    stand.complete(ids[1], FIRE, NOON, 84)
    outcomes = stand.gateway.completions([Pair(ids[2], FIRE), Pair(ids[1], FIRE), Pair("999999", FIRE)])
    assert outcomes[0] == Done(None)
    assert isinstance(outcomes[1], Done)
    assert outcomes[1].value is not None
    assert (outcomes[1].value.completed_at, outcomes[1].value.grade) == (NOON, Decimal(84))
    assert families(outcomes[2:]) == {NeedsAttention}


def test_how_far_each_user_is_is_told_in_the_order_given(stand: Stand) -> None:
    ids = made(stand, 3)
    stand.gateway.enrol([place(ids[0]), place(ids[1]), place(ids[0], LAW), place(ids[1], LAW, suspended=True)])
    stand.complete(ids[0], FIRE, NOON, 84)
    nothing: frozenset[str] = frozenset()
    outcomes = stand.gateway.course_progress([ids[1], ids[0], ids[2]])
    assert outcomes[0] == Done(Progress(frozenset({FIRE}), nothing, nothing, nothing))
    assert isinstance(outcomes[1], Done)
    assert outcomes[1].value.completed == {FIRE}
    assert outcomes[2] == Done(Progress(nothing, nothing, nothing, nothing))


def test_a_report_tells_completions_by_hrs_own_keys(stand: Stand) -> None:
    ids = made(stand, 2)
    stand.gateway.enrol([place(user_id) for user_id in ids])
    stand.complete(ids[1], FIRE, NOON, 84)
    page = stand.gateway.report_page("1", 0)
    [row] = page.rows
    assert (row.external_key, row.course_code) == ("E-1", "C-FIRE")
    assert (row.completion.completed_at, row.completion.grade) == (NOON, Decimal(84))
    assert page.last
    assert list(stand.gateway.report_page("1", 1).rows) == []


def test_an_unknown_report_needs_attention(stand: Stand) -> None:
    with pytest.raises(NeedsAttention, match="report_unknown"):
        stand.gateway.report_page("99", 0)
    with pytest.raises(NeedsAttention, match="report_unknown"):
        stand.gateway.report_spans("99", 0)


def test_a_report_tells_the_dates_of_every_enrolment(stand: Stand) -> None:
    """To the minute, suspended and open ones alike; the only way to read them back (contract, section 4.1)."""
    ids = made(stand, 2)
    starts, ends = NOON - timedelta(days=700, seconds=7), NOON + timedelta(days=900)
    stand.gateway.enrol([LmsEnrolment(ids[0], FIRE, "5", starts, ends, suspended=True), place(ids[1], LAW)])
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
    stand.gateway.enrol([place(ids[0]), place(ids[1], suspended=True), place(ids[0], LAW)])
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
    stand.gateway.enrol([place(user_id) for user_id in ids])
    pages = [stand.gateway.participants(FIRE, page, active=True) for page in (0, 1)]
    assert [(len(page.participants), page.last) for page in pages] == [(1000, False), (1, True)]
    assert {p.user_id for page in pages for p in page.participants} == set(ids)


def test_participants_of_no_course_need_attention(stand: Stand) -> None:
    with pytest.raises(NeedsAttention, match="course_unknown"):
        stand.gateway.participants("999", 0, active=True)


@pytest.mark.parametrize("effect", [True, False])
def test_a_lost_answer_is_an_unknown_outcome_for_all_that_was_sent(stand: Stand, effect: bool) -> None:
    """D5, D6: told alike whether it happened or not, and reading back tells."""
    stand.lose_answer("create_users", effect=effect)
    outcomes = stand.gateway.create_users(people(5))
    assert families(outcomes) == {UnknownOutcome}
    found = stand.gateway.find_users("external_key", [user.external_key for user in people(5)])
    assert len(found) == (5 if effect else 0)
    assert codes(stand.gateway.create_users(people(5))) == ["lms_rejected" if effect else "done"] * 5
    assert stand.accounts_made() == 5


@pytest.mark.parametrize("effect", [True, False])
def test_a_lost_answer_to_an_enrolment_is_healed_by_sending_it_again(stand: Stand, effect: bool) -> None:
    """D5, D6, I4."""
    [user_id] = made(stand, 1)
    stand.lose_answer("enrol", effect=effect)
    assert families(stand.gateway.enrol([place(user_id)])) == {UnknownOutcome}
    assert codes(stand.gateway.enrol([place(user_id)])) == ["done"]


def test_a_lost_answer_to_a_look_up_is_no_unknown_outcome(stand: Stand) -> None:
    stand.lose_answer("find_users", effect=True)
    with pytest.raises(LmsUnavailable, match="lms_no_answer"):
        stand.gateway.find_users("external_key", ["E-1"])
    assert stand.gateway.find_users("external_key", ["E-1"]) == []


def test_a_refused_token_holds_everything_at_once(stand: Stand) -> None:
    """E1: nothing is done, nobody is blamed."""
    ids = made(stand, 2)
    stand.revoke_token()
    for outcomes in (
        stand.gateway.create_users(people(150)[2:]),
        stand.gateway.update_users([UserChange(user_id, {"last_name": "Berg"}) for user_id in ids]),
        stand.gateway.enrol([place(user_id) for user_id in ids]),
    ):
        assert set(codes(outcomes)) == {"token_refused"}
        assert families(outcomes) == {HoldIntegration}
    with pytest.raises(HoldIntegration, match="token_refused"):
        stand.gateway.site()
    with pytest.raises(HoldIntegration, match="token_refused"):
        stand.gateway.find_users("external_key", ["E-1"])
    assert stand.accounts_made() == 2


def test_a_throttled_call_says_how_long_to_wait(stand: Stand) -> None:
    """D18."""
    stand.throttle("create_users", 30)
    outcomes = stand.gateway.create_users(people(3))
    assert families(outcomes) == {LmsThrottled}
    waits = {getattr(outcome.failure, "retry_after", None) for outcome in outcomes if isinstance(outcome, Failed)}
    assert waits == {timedelta(seconds=30)}
    assert stand.accounts_made() == 0


def test_a_system_that_is_away_has_done_nothing(stand: Stand) -> None:
    """D1."""
    stand.go_away("create_users")
    assert families(stand.gateway.create_users(people(3))) == {LmsUnavailable}
    assert stand.accounts_made() == 0
    assert codes(stand.gateway.create_users(people(3))) == ["done"] * 3
