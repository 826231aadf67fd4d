"""What the LMS should hold for a person, and what is done about it given what the LMS holds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import (
    SUSPENDED_BY_STATUS,
    Create,
    Leave,
    Link,
    Park,
    Plan,
    WantedAccount,
    observed,
    plan_linked,
    plan_newcomer,
    plan_unlinked,
    surname,
    wanted_account,
)
from domain.addresses import email_key
from domain.errors import NeedsAttention
from domain.events import Employee
from domain.lms import LmsUser, UserFields
from tests.unit.domain.values import employee, lms_user, people, wanted

BOTH = ("external_key", "email")

# What is wanted


def test_every_status_of_hr_has_a_side() -> None:
    """R55: a new status cannot be added without deciding its side."""
    sides = {
        status: wanted_account(employee(status=status), people()).suspended
        for status in get_args(Employee.model_fields["status"].annotation)
    }

    assert sides == {"active": False, "on_leave": False, "suspended": True, "terminated": True}


def test_a_leaver_is_suspended_if_there_and_never_made() -> None:
    """R55."""
    left = wanted_account(employee(status="terminated"), people())

    assert (left.suspended, left.wanted_if_absent) == (True, False)


def test_a_rehired_person_is_wanted_as_before() -> None:
    """R55: the same account, unsuspended."""
    before = wanted_account(employee(), people())
    left = wanted_account(employee(status="terminated"), people())
    again = wanted_account(employee(status="active"), people())

    assert again == before
    assert plan_linked(again, "7", left.fields()).changes == {"suspended": False}


@pytest.mark.parametrize(
    ("identity", "said", "key"),
    [
        ("person_id", {"external_id": "X-77"}, "E-1002"),
        ("external_id", {"external_id": " X-77 "}, "X-77"),
    ],
)
def test_the_identity_is_the_one_chosen(identity: str, said: dict[str, str], key: str) -> None:
    """R164."""
    assert wanted_account(employee(**said), people(identity=identity)).external_key == key


@pytest.mark.parametrize(
    ("chosen", "said", "code"),
    [
        ({"identity": "external_id"}, {"external_id": " "}, "external_id_missing"),
        ({}, {"first_name": None}, "first_name_missing"),
        ({}, {"first_name": " \t"}, "first_name_missing"),
        ({}, {"last_name": ""}, "last_name_missing"),
        ({}, {"emails": []}, "email_missing"),
        ({"username": "external_id"}, {"external_id": None}, "username_source_missing"),
    ],
)
def test_an_empty_field_that_is_needed_is_refused_before_any_call(
    chosen: dict[str, str], said: dict[str, Any], code: str
) -> None:
    """R53, R54, R164, R167, R171: Moodle would take an empty first name and fail at the learner's login."""
    with pytest.raises(NeedsAttention) as caught:
        wanted_account(employee(**said), people(**chosen))

    assert caught.value.code == code
    assert caught.value.detail


def test_names_keep_their_diacritics_and_lose_their_stray_spaces() -> None:
    """R168: only the user name is folded. A decomposed name is composed, so that it compares equal."""
    zoe = wanted_account(employee(first_name="  Zoe\u0308  Ann ", infix=None, last_name="Łukasz"), people())

    assert (zoe.first_name, zoe.last_name) == ("Zo\u00eb Ann", "Łukasz")


@pytest.mark.parametrize(
    ("infix", "last", "expected"),
    [
        ("van der", "Meer", "van der Meer"),
        (" van  der ", " Meer ", "van der Meer"),
        ("van der", "van der Meer", "van der Meer"),
        ("van der", "Van Der Meer", "Van Der Meer"),
        ("de", "Dekker", "de Dekker"),
        ("van", "Vandenberg", "van Vandenberg"),
        ("van", "Van", "Van"),
        ("", "Meer", "Meer"),
        (None, "Meer", "Meer"),
        ("  ", "Meer", "Meer"),
        ("d'", "d'Arc", "d'Arc"),
        ("d’", "D’Arc", "D’Arc"),
        ("'t", "Hooft", "'t Hooft"),
        ("'t", "'t Hooft", "'t Hooft"),
    ],
)
def test_the_infix_stands_before_the_surname_once(infix: str | None, last: str, expected: str) -> None:
    """R172: one space, never twice."""
    assert surname(employee(infix=infix, last_name=last)) == expected


@given(infix=st.text(max_size=10), last=st.text(min_size=1, max_size=20).filter(str.strip))
def test_a_surname_never_has_two_spaces_or_two_infixes(infix: str, last: str) -> None:
    """R172."""
    once = surname(employee(infix=infix, last_name=last))

    assert "  " not in once
    assert once == once.strip()
    assert surname(employee(infix=infix, last_name=once)) == once


# Linked already


TEXTS = st.sampled_from(["", "E-1002", "E-1", "noor@example.org", "NOOR@example.org", "Noor", "van der Meer"])
HELD = st.fixed_dictionaries(
    {},
    optional={
        "external_key": TEXTS,
        "email": TEXTS,
        "first_name": TEXTS,
        "last_name": TEXTS,
        "suspended": st.booleans(),
    },
)
WANTED = st.builds(wanted, suspended=st.booleans(), wanted_if_absent=st.booleans())


@given(held=HELD, goal=WANTED)
def test_the_changes_bring_what_is_held_to_what_is_wanted(held: UserFields, goal: WantedAccount) -> None:
    """I6: and nothing else is written. A second plan is empty."""
    plan = plan_linked(goal, "7", held)

    assert held | plan.changes == goal.fields()
    assert all(held.get(name) != value for name, value in plan.changes.items())
    assert plan_linked(goal, "7", held | plan.changes).changes == {}


def test_a_new_address_changes_the_account_and_makes_no_second_one() -> None:
    """R65: also when a made-up address gives way to a real one."""
    held = wanted(email="8001015009087.1002@undeliverable.hr.example.org").fields()

    plan = plan_linked(wanted(), "7", held)

    assert (plan.user_id, plan.changes) == ("7", {"email": "noor@example.org"})


def test_a_user_name_is_never_changed() -> None:
    """People know theirs by heart."""
    assert plan_linked(wanted(username="other"), "7", wanted().fields()).changes == {}


# Not linked yet


def plan(found: Sequence[LmsUser], goal: WantedAccount | None = None, match_by: Sequence[str] = BOTH) -> Plan:
    return plan_unlinked(goal or wanted(), found, match_by=match_by, ours=False)


def test_nobody_there_is_made() -> None:
    """D21: none, one, several."""
    assert plan([]) == Create()


def test_nobody_there_stays_nobody_for_a_leaver() -> None:
    """R55."""
    assert plan([], wanted(suspended=True, wanted_if_absent=False)) == Leave()


def test_a_leaver_who_is_there_is_linked_and_suspended() -> None:
    """R55."""
    found = plan([lms_user(external_key="E-1002")], wanted(suspended=True, wanted_if_absent=False))

    assert isinstance(found, Link)
    assert found.changes["suspended"] is True


def test_the_key_finds_its_user_and_the_rest_is_brought_in_line() -> None:
    """R181: whatever address it has there."""
    found = plan([lms_user(external_key="E-1002", email="old@example.org", first_name="Noor", last_name="Meer")])

    assert found == Link("7", "external_key", {"email": "noor@example.org", "last_name": "van der Meer"})


def test_the_address_finds_its_user_in_any_case() -> None:
    """R62, R191."""
    found = plan([lms_user(email="NOOR@Example.org")])

    assert isinstance(found, Link)
    assert (found.how, found.changes["external_key"]) == ("email", "E-1002")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([lms_user("7", external_key="E-1002"), lms_user("8", external_key="E-1002", email="")], "several_candidates"),
        ([lms_user("7"), lms_user("8")], "several_candidates"),
        ([lms_user("7", protected=True)], "protected_account"),
        ([lms_user("7", external_key="E-1002", protected=True)], "protected_account"),
        ([lms_user("7", external_key="E-1")], "account_of_another"),
        ([lms_user("7", external_key="E-1002", email=""), lms_user("8")], "email_taken"),
        ([lms_user("7", external_key="E-1002", email=""), lms_user("8", external_key="E-1")], "email_taken"),
    ],
)
def test_where_two_are_meant_or_the_one_is_not_ours_a_person_decides(found: list[LmsUser], code: str) -> None:
    """S15, D21, F4, R143: reported, never merged."""
    decided = plan(found)

    assert isinstance(decided, Park)
    assert decided.code == code
    assert "7" in decided.detail


@pytest.mark.parametrize(
    ("match_by", "found", "code"),
    [
        (("external_key",), [lms_user("7")], "email_taken"),
        ((), [lms_user("7")], "email_taken"),
        (("email",), [lms_user("7", external_key="E-1002", email="other@example.org")], "external_key_taken"),
        (("email",), [lms_user("7", external_key="E-1002", email=""), lms_user("8")], "external_key_taken"),
        ((), [lms_user("7", external_key="E-1002", email="")], "external_key_taken"),
    ],
)
def test_a_mark_that_may_not_link_still_prevents_a_second_user_with_it(
    match_by: tuple[str, ...], found: list[LmsUser], code: str
) -> None:
    """I3: an LMS guards neither keys nor addresses against being given twice."""
    decided = plan(found, match_by=match_by)

    assert isinstance(decided, Park)
    assert decided.code == code


@pytest.mark.parametrize("match_by", [BOTH, ("email",), ()])
@pytest.mark.parametrize("marks", [{}, {"email": "", "external_key": "E-1002"}])
def test_nobody_is_made_in_the_place_of_a_user_who_can_be_restored(match_by: tuple[str, ...], marks: Any) -> None:
    """R141: deleted is not absent; the LMS's staff decide."""
    removed = lms_user("", removed=True, protected=True, **marks)

    decided = plan([removed], match_by=match_by)

    assert isinstance(decided, Park)
    assert decided.code == "user_soft_deleted"


def test_a_leaver_whose_account_was_deleted_needs_nothing() -> None:
    removed = lms_user("", removed=True, protected=True)

    assert plan_unlinked(wanted(wanted_if_absent=False), [removed], match_by=BOTH, ours=False) == Leave()


@pytest.mark.parametrize("match_by", [BOTH, ("email",), ()])
def test_a_user_that_we_may_have_made_is_ours_whatever_the_match_order(match_by: tuple[str, ...]) -> None:
    """D5, D21: after a create whose answer was lost, the key says whose it is."""
    made = lms_user(external_key="E-1002", first_name="Noor", last_name="van der Meer")

    decided = plan_unlinked(wanted(), [made], match_by=match_by, ours=True)

    assert decided == Link("7", "external_key", {})


STATES = st.lists(
    st.builds(
        LmsUser,
        user_id=st.sampled_from(["1", "2", "3", "4"]),
        username=st.just("somebody"),
        email=st.sampled_from(["noor@example.org", "Noor@Example.org", "an@example.org", ""]),
        external_key=st.sampled_from(["", "E-1002", "e-1002", "E-1"]),
        first_name=st.sampled_from(["Noor", ""]),
        suspended=st.booleans(),
        protected=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda user: user.user_id,
)


@given(
    found=STATES,
    match_by=st.sampled_from([BOTH, ("email", "external_key"), ("external_key",), ("email",), ()]),
    ours=st.booleans(),
    wanted_if_absent=st.booleans(),
)
def test_only_the_one_user_that_is_certainly_this_person_is_linked(
    found: list[LmsUser], match_by: tuple[str, ...], ours: bool, wanted_if_absent: bool
) -> None:
    """S15, D21, F4, I3: over every state of an LMS."""
    goal = wanted(wanted_if_absent=wanted_if_absent)

    decided = plan_unlinked(goal, found, match_by=match_by, ours=ours)

    marked = [u for u in found if u.external_key == goal.external_key or email_key(u.email) == email_key(goal.email)]
    if isinstance(decided, Link):
        assert [user.user_id for user in marked] == [decided.user_id]
        assert not marked[0].protected
        assert marked[0].external_key in ("", goal.external_key)
        assert observed(marked[0]) | decided.changes == goal.fields()
        assert decided.how in match_by or (ours and decided.how == "external_key")
    elif isinstance(decided, Park):
        assert marked
    elif isinstance(decided, Create):
        assert not marked
        assert wanted_if_absent
    else:
        assert not wanted_if_absent
        assert not any(user.external_key == goal.external_key for user in marked)


@given(found=STATES.flatmap(lambda users: st.permutations(users).map(lambda other: (users, other))))
def test_the_order_in_which_an_lms_lists_users_changes_nothing(found: tuple[list[LmsUser], list[LmsUser]]) -> None:
    one, other = plan(found[0]), plan(found[1])

    assert one == other or (isinstance(one, Park) and isinstance(other, Park) and one.code == other.code)


# By user name, and never somebody else's


def newcomer(found: Sequence[LmsUser], *, match_by: Sequence[str] = (*BOTH, "username"), **known: Any) -> Plan:
    return plan_newcomer(wanted(), found, match_by=match_by, ours=False, **known)


def namesake(**held: Any) -> LmsUser:
    """A user with the user name that the person would get, and no other mark of theirs."""
    return lms_user(**({"username": "noor@example.org", "email": "other@example.org"} | held))


def test_a_user_name_finds_its_user_where_it_may() -> None:
    """After key and address; what differs is brought in line."""
    found = newcomer([namesake()])

    assert isinstance(found, Link)
    assert (found.user_id, found.how, found.changes["email"]) == ("7", "username", "noor@example.org")
    assert newcomer([namesake()], match_by=BOTH) == Create()


@pytest.mark.parametrize(
    ("held", "owned", "refused"),
    [({"external_key": "E-9"}, (), ()), ({"protected": True}, (), ()), ({}, {"7"}, ()), ({}, (), {"7"})],
    ids=["another's key", "protected", "linked to another", "unlinked by hand"],
)
def test_a_namesakes_account_is_no_obstacle(held: dict[str, Any], owned: set[str], refused: set[str]) -> None:
    """R170, S15: not attached to it; the newcomer gets a user name of their own."""
    assert newcomer([namesake(**held)], owned=owned, refused=refused) == Create()


@pytest.mark.parametrize(
    "found", [[lms_user("8", external_key="E-1002", email="")], [lms_user("8")]], ids=["key", "address"]
)
def test_a_better_mark_goes_before_a_user_name(found: list[LmsUser]) -> None:
    """R143."""
    decided = newcomer([namesake(), *found])

    assert isinstance(decided, Link)
    assert decided.user_id == "8"


@pytest.mark.parametrize(("known", "code"), [("owned", "account_of_another"), ("refused", "link_refused")])
def test_an_account_that_is_known_not_to_be_theirs_is_reported(known: str, code: str) -> None:
    """D21: also when another user would be free, because two of the marks lead apart."""
    decided = newcomer([lms_user("7"), lms_user("8", external_key="E-1002", email="")], **{known: {"7"}})

    assert isinstance(decided, Park)
    assert (decided.code, "7" in decided.detail) == (code, True)


NAMED = STATES.flatmap(
    lambda users: st.tuples(*(st.sampled_from([user, replace(user, username="noor@example.org")]) for user in users))
)


@given(found=NAMED, owned=st.sets(st.sampled_from(["1", "2", "3", "4"])), refused=st.sets(st.sampled_from(["1", "2"])))
def test_nobody_is_linked_to_an_account_that_may_be_somebody_elses(
    found: tuple[LmsUser, ...], owned: set[str], refused: set[str]
) -> None:
    """S15, D21, R170: over every state of an LMS."""
    decided = newcomer(found, owned=owned, refused=refused)

    if isinstance(decided, Link):
        (user,) = [user for user in found if user.user_id == decided.user_id]
        assert decided.user_id not in owned | refused
        assert not user.protected
        assert user.external_key in ("", "E-1002")
        assert observed(user) | decided.changes == wanted().fields()


@pytest.mark.parametrize(
    ("status", "suspended"), [("active", False), ("on_leave", False), ("suspended", True), ("terminated", True)]
)
def test_the_table_of_statuses_is_the_one_decided(status: str, suspended: bool) -> None:
    """R55: one table, every status named."""
    assert SUSPENDED_BY_STATUS[status] is suspended


def test_the_table_names_every_status_of_an_event() -> None:
    """R55: a new status cannot be added without deciding its side."""
    assert set(SUSPENDED_BY_STATUS) == set(get_args(Employee.model_fields["status"].annotation))
