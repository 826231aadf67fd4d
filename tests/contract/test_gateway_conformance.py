"""What every implementation of the port does, the fakes of our own tests included."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable, NeedsAttention, UnknownOutcome
from domain.lms import (
    CUSTOM,
    Done,
    Failed,
    LmsUser,
    Membership,
    Pair,
    Progress,
    UserChange,
    UserFields,
)
from tests.contract.client_sites import NOON, Stand
from tests.contract.conformance import FIRE, LAW, codes, custom_of, families, made, people, person, place, profile
from tests.contract.stands import STANDS


@pytest.fixture(params=STANDS)
def stand(request: pytest.FixtureRequest) -> Stand:
    return STANDS[request.param]()


def test_a_site_introduces_itself(stand: Stand) -> None:
    site = stand.gateway.site()
    assert site.url.startswith("https://")
    assert site.user_id.isdigit() if stand.words.own_user else site.user_id == ""


def test_users_that_were_made_are_found_by_every_key(stand: Stand) -> None:
    ids = made(stand, 3)
    expected = LmsUser(ids[1], "user1", "User1@example.org", "E-1", "Ann", "Lee 1", custom=stand.words.unset)
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
    outcomes = codes(stand.gateway.create_users(batch))
    refused = {number: code for number, code in enumerate(outcomes) if code != "done"}
    assert refused == {7: stand.words.username_taken, 30: stand.words.email_taken}
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
    assert list(stand.gateway.join([])) == []
    assert list(stand.gateway.course_progress([])) == []
    assert list(stand.gateway.completions([])) == []


def test_the_same_user_is_never_made_twice(stand: Stand) -> None:
    """I3: refused, which may mean that it is there."""
    made(stand, 1)
    outcomes = stand.gateway.create_users([person(0)])
    assert set(codes(outcomes)) <= {stand.words.username_taken, stand.words.email_taken}
    assert families(outcomes) == {NeedsAttention}
    assert stand.accounts_made() == 1


def test_only_the_fields_named_change(stand: Stand) -> None:
    [user_id] = made(stand, 1)
    change = UserChange(user_id, {"last_name": "Berg", "external_key": "E-77", "suspended": True})
    assert stand.gateway.update_users([change]) == [Done(None)]
    [user] = stand.gateway.find_users("user_id", [user_id])
    unset = stand.words.unset
    assert user == LmsUser(user_id, "user0", "User0@example.org", "E-77", "Ann", "Berg", suspended=True, custom=unset)


def test_profile_fields_hold_what_is_sent_and_unset_ones_are_left_out(stand: Stand) -> None:
    """R37: an empty text takes the value away."""
    custom = profile(
        stand, {"job_title": "Fitter & Turner", "hire_date": "1767225600", "employment_status": "On Leave"}
    )
    [outcome] = stand.gateway.create_users([replace(person(1), custom=custom)])
    assert isinstance(outcome, Done)
    assert custom_of(stand, outcome.value) == custom | stand.words.unset
    changed = profile(stand, {"job_title": "", "payroll_enabled": "1"})
    fields: UserFields = {CUSTOM + name: value for name, value in changed.items()}
    change = UserChange(outcome.value, fields | {"last_name": "Berg"})
    assert stand.gateway.update_users([change]) == [Done(None)]
    kept = {name: value for name, value in (custom | changed).items() if value}
    assert custom_of(stand, outcome.value) == kept


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
        assert stand.gateway.enrol([place(stand, user_id)]) == [Done(None)]
    assert stand.gateway.completions([Pair(user_id, FIRE)]) == [Done(None)]


def test_an_enrolment_is_exactly_the_last_one_sent(stand: Stand) -> None:
    [user_id] = made(stand, 1)
    stand.gateway.enrol([place(stand, user_id, suspended=True)])
    assert codes(stand.gateway.completions([Pair(user_id, FIRE)])) == ["not_actively_enrolled"]
    stand.gateway.enrol([place(stand, user_id)])
    assert codes(stand.gateway.completions([Pair(user_id, FIRE)])) == ["done"]


def test_an_enrolment_that_cannot_be_costs_only_itself(stand: Stand) -> None:
    """D23, D24."""
    ids = made(stand, 3)
    batch = [place(stand, ids[2]), place(stand, ids[0], "999"), place(stand, "999999"), place(stand, ids[1], LAW)]
    assert codes(stand.gateway.enrol(batch)) == ["done", "course_unknown", "user_gone", "done"]
    assert codes(stand.gateway.completions([Pair(ids[2], FIRE), Pair(ids[1], LAW)])) == ["done", "done"]


def test_joining_a_group_again_changes_nothing(stand: Stand) -> None:
    """R130, I4."""
    stand.add_group(FIRE, "NIGHT")
    [user_id] = made(stand, 1)
    stand.gateway.enrol([place(stand, user_id)])
    for _ in range(3):
        assert stand.gateway.join([Membership(user_id, FIRE, "NIGHT")]) == [Done(None)]
    assert stand.members(FIRE, "NIGHT") == [user_id]


def test_a_group_that_does_not_exist_costs_only_its_own_people(stand: Stand) -> None:
    """R131."""
    stand.add_group(FIRE, "NIGHT")
    ids = made(stand, 2)
    stand.gateway.enrol([place(stand, user_id) for user_id in ids])
    outcomes = stand.gateway.join(
        [Membership(ids[1], FIRE, "NIGHT"), Membership(ids[0], FIRE, "DAY"), Membership("999999", FIRE, "NIGHT")]
    )
    assert codes(outcomes) == ["done", "group_unknown", "user_gone"]
    assert families(outcomes) == {NeedsAttention}
    assert stand.members(FIRE, "NIGHT") == [ids[1]]


@pytest.mark.parametrize("effect", [True, False])
def test_a_lost_answer_to_a_join_is_healed_by_sending_it_again(stand: Stand, effect: bool) -> None:
    """D5, D6, I4."""
    stand.add_group(FIRE, "NIGHT")
    [user_id] = made(stand, 1)
    stand.gateway.enrol([place(stand, user_id)])
    stand.lose_answer("join", effect=effect)
    assert families(stand.gateway.join([Membership(user_id, FIRE, "NIGHT")])) == {UnknownOutcome}
    assert codes(stand.gateway.join([Membership(user_id, FIRE, "NIGHT")])) == ["done"]
    assert stand.members(FIRE, "NIGHT") == [user_id]


def test_all_courses_come_hidden_ones_included(stand: Stand) -> None:
    told = {
        (c.course_id, c.code, c.short_name, c.title, c.visible, c.tracks_completion) for c in stand.gateway.courses()
    }
    assert told == {
        (FIRE, *stand.words.fire, True, True),
        (LAW, *stand.words.law, False, True),
    }


def test_completions_tell_date_and_grade_in_the_order_given(stand: Stand) -> None:
    ids = made(stand, 3)
    stand.gateway.enrol([place(stand, user_id) for user_id in ids])
    stand.complete(ids[1], FIRE, NOON, 84)
    outcomes = stand.gateway.completions([Pair(ids[2], FIRE), Pair(ids[1], FIRE), Pair("999999", FIRE)])
    assert outcomes[0] == Done(None)
    assert isinstance(outcomes[1], Done)
    assert outcomes[1].value is not None
    assert (outcomes[1].value.completed_at, outcomes[1].value.grade) == (NOON, stand.words.grade)
    assert families(outcomes[2:]) == {NeedsAttention}


def test_how_far_each_user_is_is_told_in_the_order_given(stand: Stand) -> None:
    ids = made(stand, 3)
    stand.gateway.enrol(
        [
            place(stand, ids[0]),
            place(stand, ids[1]),
            place(stand, ids[0], LAW),
            place(stand, ids[1], LAW, suspended=True),
        ]
    )
    stand.complete(ids[0], FIRE, NOON, 84)
    nothing: frozenset[str] = frozenset()
    outcomes = stand.gateway.course_progress([ids[1], ids[0], ids[2]])
    assert outcomes[0] == Done(Progress(frozenset({FIRE}), nothing, nothing, nothing))
    assert isinstance(outcomes[1], Done)
    assert outcomes[1].value.completed == {FIRE}
    assert outcomes[2] == Done(Progress(nothing, nothing, nothing, nothing))


def test_an_unknown_report_needs_attention(stand: Stand) -> None:
    with pytest.raises(NeedsAttention, match="report_unknown"):
        stand.gateway.report_page("99", 0)
    with pytest.raises(NeedsAttention, match="report_unknown"):
        stand.gateway.report_spans("99", 0)


def test_participants_are_known_by_id_and_role(stand: Stand) -> None:
    """R87: whoever is in the course, and in no other."""
    ids = made(stand, 2)
    stand.gateway.enrol([place(stand, ids[0]), place(stand, ids[1], LAW)])
    page = stand.gateway.participants(FIRE, 0, active=True)
    assert [(one.user_id, one.roles) for one in page.participants] == [(ids[0], frozenset({stand.words.role}))]
    assert page.last
    assert list(stand.gateway.participants(FIRE, 0, active=False).participants) == []


def test_participants_of_no_course_need_attention(stand: Stand) -> None:
    with pytest.raises(NeedsAttention, match="course_unknown"):
        stand.gateway.participants("999", 0, active=True)


@pytest.mark.parametrize("effect", [True, False])
def test_a_create_whose_answer_is_lost_is_in_doubt_and_reading_back_settles_it(stand: Stand, effect: bool) -> None:
    """D5, D6: told alike whether it happened or not; sent again, nobody is made twice."""
    stand.lose_answer("create_users", effect=effect)
    assert families(stand.gateway.create_users([person(1)])) == {UnknownOutcome}
    assert len(stand.gateway.find_users("external_key", ["E-1"])) == int(effect)
    [again] = codes(stand.gateway.create_users([person(1)]))
    assert (again == "done") is not effect
    assert stand.accounts_made() == 1


@pytest.mark.parametrize("effect", [True, False])
def test_a_lost_answer_to_an_enrolment_is_healed_by_sending_it_again(stand: Stand, effect: bool) -> None:
    """D5, D6, I4."""
    [user_id] = made(stand, 1)
    stand.lose_answer("enrol", effect=effect)
    assert families(stand.gateway.enrol([place(stand, user_id)])) == {UnknownOutcome}
    assert codes(stand.gateway.enrol([place(stand, user_id)])) == ["done"]


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
        stand.gateway.enrol([place(stand, user_id) for user_id in ids]),
        stand.gateway.join([Membership(user_id, FIRE, "NIGHT") for user_id in ids]),
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
    [outcome] = stand.gateway.create_users([person(1)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.failure, LmsThrottled)
    assert outcome.failure.retry_after == timedelta(seconds=30)
    assert stand.accounts_made() == 0


def test_a_system_that_is_away_has_done_nothing(stand: Stand) -> None:
    """D1."""
    stand.go_away("create_users")
    assert families(stand.gateway.create_users([person(1)])) == {LmsUnavailable}
    assert stand.accounts_made() == 0
    assert codes(stand.gateway.create_users([person(1)])) == ["done"]
