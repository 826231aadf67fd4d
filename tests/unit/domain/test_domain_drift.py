"""What somebody changed at the LMS, and what follows from it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.accounts import WantedAccount, observed, plan_linked
from domain.drift import (
    DATES,
    KINDS,
    NEAR,
    ROLE,
    SUSPENDED,
    WHOLE,
    Decided,
    Found,
    Standing,
    State,
    active_at,
    affordable,
    compare_dates,
    compare_enrolment,
    compare_person,
    credible,
    decide_enrolment,
    decide_person,
    ghost,
)
from domain.fields import FieldMap
from domain.integration import Drift
from domain.lms import LmsEnrolment, LmsUser, UserFields
from tests.unit.domain.values import NOON, integration, wanted

POLICIES = ("put_back", "accept", "tell")
TEXTS = st.sampled_from(["a", "b", "c", ""])
POLICY = st.sampled_from(POLICIES)
STANDARD = ("external_key", "email", "first_name", "last_name")


def held_by(noor: WantedAccount, **held: Any) -> LmsUser:
    """Noor's user as it was left, with what is held differently."""
    left = {name: getattr(noor, name) for name in (*STANDARD, "suspended")}
    return LmsUser(**({"user_id": "7", "username": "noor", "custom": dict(noor.custom)} | left | held))


def compare(noor: WantedAccount, user: LmsUser | None, **how: Any) -> list[Found]:
    return compare_person(noor.fields(), noor.fields(), user, **how)


def drift(**chosen: Any) -> Drift:
    return Drift.model_validate(chosen)


def states(decided: list[Decided]) -> dict[str, State]:
    return {one.found.field: one.state for one in decided}


def standing(found: Found, state: State = "accepted") -> dict[str, Standing]:
    return {found.field: Standing(1, state, found.ours, found.held)}


# People


def test_what_is_as_it_was_left_is_the_same() -> None:
    noor = wanted(custom={"job_title": "Fitter"})
    maps = [FieldMap(lms_field="job_title", kind="text", source="attributes.job")]

    assert compare(noor, held_by(noor), maps=maps) == []


@given(st.fixed_dictionaries(dict.fromkeys(STANDARD, TEXTS)), st.booleans())
def test_exactly_the_fields_that_differ_were_changed_by_hand(texts: dict[str, str], suspended: bool) -> None:
    """Whatever was done in the user's profile, and however often."""
    noor = wanted(external_key="a", email="a", first_name="a", last_name="a")
    user = held_by(noor, **texts, suspended=suspended)

    found = compare(noor, user)

    assert {one.field: one.held for one in found} == {
        name: value for name, value in observed(user).items() if noor.fields()[name] != value
    }
    assert {one.kind for one in found} <= {"changed_by_hand"}


@given(TEXTS, TEXTS, TEXTS)
def test_hrs_own_news_are_no_drift(now: str, before: str, at_the_lms: str) -> None:
    """Only while what is wanted is what was last written can somebody else have changed it."""
    noor = wanted(last_name=now)
    applied = noor.fields() | {"last_name": before}

    found = compare_person(noor.fields(), applied, held_by(noor, last_name=at_the_lms))

    assert bool(found) == (now == before != at_the_lms)


def test_a_profile_field_that_is_not_mapped_is_nobodys_business() -> None:
    """R30, R42."""
    noor = wanted(custom={"job_title": "Fitter"})

    assert compare(noor, held_by(noor, custom={"job_title": "By hand", "hobby": "Chess"})) == []


def test_an_emptied_profile_field_was_changed() -> None:
    noor = wanted(custom={"paid": "1"})
    maps = [FieldMap(lms_field="paid", kind="checkbox", source="attributes.paid")]

    assert compare(noor, held_by(noor, custom={}), maps=maps) == [Found("changed_by_hand", "custom.paid", "1", "0")]


def test_a_user_that_is_gone_is_missing_and_whoever_has_the_key_now_is_named() -> None:
    """D22."""
    assert compare(wanted(), None) == [Found("missing")]
    assert compare(wanted(), None, claimants=["9"]) == [Found("missing", held=["9"])]


def test_a_second_user_with_the_key_claims_the_person() -> None:
    """F4: told beside whatever else was changed."""
    noor = wanted()

    found = compare(noor, held_by(noor, email="other@example.org"), claimants=["9", "11"])

    assert [(one.kind, one.field, one.held) for one in found] == [
        ("changed_by_hand", "email", "other@example.org"),
        ("claimed_twice", WHOLE, ["9", "11"]),
    ]


@pytest.mark.parametrize(
    ("key", "kind"), [("E-2", "claimed_twice"), ("E-9", "changed_by_hand"), ("", "changed_by_hand")]
)
def test_a_user_that_was_given_another_persons_key_is_claimed_twice(key: str, kind: str) -> None:
    noor = wanted()

    [found] = compare(noor, held_by(noor, external_key=key), keys_of_others={"E-2"})

    assert (found.kind, found.field, found.ours, found.held) == (kind, "external_key", "E-1002", key)


# What follows


@pytest.mark.parametrize(("policy", "state"), [("put_back", "put_back"), ("accept", "accepted"), ("tell", "open")])
def test_the_policy_of_the_field_decides_else_the_default(policy: str, state: State) -> None:
    names = ("email", "custom.job_title")
    found = [Found("changed_by_hand", name, "a", "b") for name in names]

    assert states(decide_person(found, drift(default=policy), {})) == dict.fromkeys(names, state)
    chosen = drift(default="tell", fields={"custom.job_title": policy})
    assert states(decide_person(found, chosen, {})) == {"email": "open", "custom.job_title": state}


def test_hrs_fields_are_put_back_unless_something_else_is_chosen() -> None:
    assert integration().drift.policy("last_name") == "put_back"


@given(POLICY, POLICY, st.sampled_from([kind for kind in KINDS if kind != "changed_by_hand"]))
def test_missing_unknown_and_claimed_ones_are_told_whatever_the_policy(policy: str, of_field: str, kind: Any) -> None:
    """D22, S15: never made again in silence, never deleted, never touched."""
    settings = drift(default=policy, fields={"external_key": of_field})
    found = [Found(kind), Found("claimed_twice", "external_key", "E-1", "E-2")]

    assert set(states(decide_person(found, settings, {})).values()) == {"open"}
    assert set(states(decide_enrolment([Found(kind)], settings, {}, told=[WHOLE])).values()) == {"open"}


@given(POLICY)
def test_nothing_follows_for_a_protected_user(policy: str) -> None:
    """S15."""
    found = [Found("changed_by_hand", "email", "a", "b")]

    assert states(decide_person(found, drift(default=policy), {}, untouchable=True)) == {"email": "open"}


@given(POLICY, TEXTS, TEXTS, TEXTS, TEXTS)
def test_what_was_accepted_stays_so_until_hr_or_the_lms_says_something_else(
    policy: str, ours: str, held: str, ours_now: str, held_now: str
) -> None:
    """D22."""
    accepted = standing(Found("changed_by_hand", "email", ours, held))
    now = Found("changed_by_hand", "email", ours_now, held_now)

    [decided] = decide_person([now], drift(default=policy), accepted)

    same = (ours, held) == (ours_now, held_now)
    assert decided.state == ("accepted" if same else decide_person([now], drift(default=policy), {})[0].state)


@given(st.sampled_from(["open", "put_back"]), POLICY)
def test_another_policy_counts_at_once_for_what_is_not_decided(state: State, policy: str) -> None:
    """And what was put back and still differs is put back again: a write that said it was done may have done nothing
    (D26)."""
    found = Found("changed_by_hand", "email", "a", "b")

    settings = drift(default=policy)

    assert decide_person([found], settings, standing(found, state)) == decide_person([found], settings, {})


@given(
    st.fixed_dictionaries(dict.fromkeys(STANDARD, TEXTS)),
    st.dictionaries(st.sampled_from(STANDARD), POLICY),
    POLICY,
)
def test_provisioning_then_writes_what_is_put_back_and_nothing_else(
    texts: dict[str, str], fields: dict[str, str], default: str
) -> None:
    """What was found becomes known for the fields that are put back; for the others what was last written stays."""
    noor = wanted(external_key="a", email="a", first_name="a", last_name="a")
    user = held_by(noor, **texts)
    decided = decide_person(compare(noor, user), drift(default=default, fields=fields), {})
    put_back = {one.found.field: one.found.held for one in decided if one.state == "put_back"}

    written = plan_linked(noor, "7", noor.fields() | put_back).changes
    after = observed(user) | written

    assert written.keys() == put_back.keys()
    assert all(after[name] == noor.fields()[name] for name in put_back)
    again = compare_person(noor.fields(), noor.fields(), replace(user, **_standard(after)))
    assert {one.field for one in again} == {one.found.field for one in decided if one.state != "put_back"}


def _standard(fields: UserFields) -> Mapping[str, Any]:
    return {name: fields[name] for name in (*STANDARD, "suspended")}


# Enrolments


def enrolment(role: str = "5", starts: Any = None, ends: Any = None, *, suspended: bool = False) -> LmsEnrolment:
    return LmsEnrolment("7", "2", role, starts, ends, suspended)


def seen(ours: list[LmsEnrolment], roles: set[str] | None, *, active: bool = True) -> list[Found]:
    return compare_enrolment(ours, roles, active=active, now=NOON)


def test_an_enrolment_that_is_as_it_was_left_is_the_same() -> None:
    """A role that somebody gave besides is none of ours to take away."""
    assert seen([enrolment()], {"5"}) == []
    assert seen([enrolment()], {"5", "3"}) == []
    assert seen([enrolment("4"), enrolment("5")], {"5", "4"}) == []
    assert seen([enrolment(suspended=True)], {"5"}, active=False) == []


def test_an_enrolment_that_is_not_there_is_missing() -> None:
    assert seen([enrolment("5"), enrolment("4")], None) == [Found("missing", ours=["4", "5"])]


def test_a_role_that_was_taken_away_was_changed() -> None:
    assert seen([enrolment()], {"4"}) == [Found("changed_by_hand", ROLE, ["5"], ["4"])]


@pytest.mark.parametrize("suspended", [True, False])
def test_suspended_or_made_active_by_hand(suspended: bool) -> None:
    [found] = seen([enrolment(suspended=suspended)], {"5"}, active=suspended)

    assert (found.field, found.ours, found.held) == (
        (SUSPENDED, "not active", "active") if suspended else (SUSPENDED, "active", "not active")
    )


EDGES = st.none() | st.integers(-100_000, 100_000).map(lambda minutes: NOON + timedelta(minutes=minutes))


@given(EDGES, EDGES, st.booleans())
def test_an_enrolment_is_active_between_its_dates(starts: Any, ends: Any, suspended: bool) -> None:
    """R87; and near a date nobody claims to know what another clock says."""
    near = any(edge is not None and abs(edge - NOON) < NEAR for edge in (starts, ends))
    inside = (starts is None or starts <= NOON) and (ends is None or ends > NOON)

    active = active_at(enrolment(starts=starts, ends=ends, suspended=suspended), NOON)

    assert active == (False if suspended else None if near else inside)


def test_dates_are_compared_to_the_minute() -> None:
    """A report tells no seconds (contract, section 8.6)."""
    ours = enrolment(starts=NOON, ends=NOON + timedelta(days=9, seconds=59))

    assert compare_dates(ours, [(NOON, NOON + timedelta(days=9))]) == []
    [found] = compare_dates(ours, [(NOON, None)])
    assert (found.field, found.ours, found.held) == (
        DATES,
        "2026-06-01 12:00 to 2026-06-10 12:00",
        "2026-06-01 12:00 to no limit",
    )


def test_dates_are_right_when_one_of_several_ways_in_has_them() -> None:
    assert compare_dates(enrolment(), [(NOON, None), (None, None)]) == []


@pytest.mark.parametrize(("roles", "told"), [({"5"}, True), ({"3", "4"}, True), ({"3"}, False), (set(), False)])
def test_an_enrolment_that_nobody_asked_for_is_unknown_unless_it_is_a_makers(roles: set[str], told: bool) -> None:
    """S15: whoever makes a course is enrolled in it by hand, and is no ghost."""
    found = ghost("X-9", roles, {"5", "4"})

    assert bool(found) == told
    if found:
        assert (found.kind, found.held["external_key"]) == ("unknown", "X-9")


CHANGES = [Found("changed_by_hand", field, "a", "b") for field in (ROLE, SUSPENDED, DATES)]


@given(st.dictionaries(st.sampled_from([ROLE, SUSPENDED, DATES]), POLICY), POLICY, st.sets(st.sampled_from(CHANGES)))
def test_an_enrolment_is_put_back_as_a_whole_or_not_at_all(
    fields: dict[str, str], default: str, found: set[Found]
) -> None:
    """The LMS resets what is left out of a call (contract, section 4.1)."""
    decided = decide_enrolment(list(found), drift(default=default, fields=fields), {}, told=[ROLE, SUSPENDED, DATES])

    kinds = {one.state for one in decided}
    assert kinds <= {"put_back"} or "put_back" not in kinds
    assert {one.found for one in decided if one.state == "accepted"} == {
        one for one in found if fields.get(one.field, default) == "accept"
    }


@pytest.mark.parametrize(("state", "follows"), [("accepted", "open"), ("open", "open"), ("put_back", "put_back")])
def test_what_another_reading_found_still_stands(state: State, follows: State) -> None:
    """Dates that were accepted are not overwritten because a role was changed."""
    before = standing(CHANGES[2], state)

    assert states(decide_enrolment(CHANGES[:1], drift(), before, told=[WHOLE, ROLE, SUSPENDED])) == {ROLE: follows}


def test_a_removed_enrolment_is_made_again_only_where_that_is_chosen() -> None:
    """Grades went with it, so somebody meant it."""
    gone = [Found("missing", ours=["5"])]

    assert states(decide_enrolment(gone, drift(), {}, told=[WHOLE])) == {WHOLE: "open"}
    chosen = drift(missing_enrolment="put_back")
    assert states(decide_enrolment(gone, chosen, {}, told=[WHOLE])) == {WHOLE: "put_back"}
    assert states(decide_enrolment(gone, chosen, standing(gone[0]), told=[WHOLE])) == {WHOLE: "accepted"}
    assert states(decide_person(gone, chosen, {})) == {WHOLE: "open"}


# How a scan goes on


def test_an_answer_without_anybody_is_believed_of_a_few_only() -> None:
    """Rights that are missing look like people who are gone (contract, section 1.3)."""
    assert [credible(asked, 0) for asked in (0, 9, 10, 100)] == [True, True, False, False]
    assert credible(100, 1)


@given(st.lists(st.integers(1, 2), max_size=50), st.integers(2, 30))
def test_an_hour_never_costs_more_than_its_limit(costs: list[int], limit: int) -> None:
    """And there is always room for a first step."""
    spent = 0
    for cost in costs:
        if affordable(spent, cost, limit):
            spent += cost

    assert bool(costs) <= bool(spent)
    assert spent <= limit


# Settings


@pytest.mark.parametrize("name", ["emial", "custom.", "custom.a b", "enrolment.grade", "enrolment", ""])
def test_a_field_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="fields"):
        drift(fields={name: "tell"})
