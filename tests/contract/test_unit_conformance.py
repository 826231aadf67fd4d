"""What every portal does: results are read unit by unit, and calls are counted. The fake portal does it too."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.errors import HoldIntegration, NeedsAttention, ProvisioningError
from domain.lms import Done, Failed, Mark, Pair
from tests.contract.client_sites import NOON
from tests.contract.conformance import FIRE, LAW, codes, enrolled, families, made, person, place
from tests.contract.portal_stands import ESSAY, READ, TEST, UnitStand
from tests.contract.stands import PORTALS


@pytest.fixture(params=PORTALS)
def stand(request: pytest.FixtureRequest) -> UnitStand:
    return PORTALS[request.param]()


def mark(stand: UnitStand, user_id: str) -> Mark:
    return stand.units.roster(FIRE).members[user_id]


def test_a_roster_tells_units_without_headings_and_everybody(stand: UnitStand) -> None:
    """R148: a name begins with the unit's code, and reads as people wrote it."""
    ids = enrolled(stand, 3)
    roster = stand.units.roster(FIRE)
    assert [(unit.unit_id, unit.name) for unit in roster.units] == [
        (READ, "FIRE01 Read & sign"),
        (TEST, "FIRE02 Knowledge test"),
        (ESSAY, "FIRE03 Essay"),
    ]
    assert roster.course_id == FIRE
    assert roster.members.keys() == set(ids)


def test_a_user_has_the_same_mark_in_the_roster_and_among_their_own(stand: UnitStand) -> None:
    """Either sweep may be the cheaper one."""
    ids = enrolled(stand, 2)
    stand.gateway.enrol([place(stand, ids[0], LAW)])
    stand.complete_unit(ids[0], READ, NOON)
    marks = stand.units.marks(ids[0])
    assert marks.keys() == {FIRE, LAW}
    assert marks[FIRE] == mark(stand, ids[0])
    assert marks[FIRE] != mark(stand, ids[1])


def test_a_mark_stays_as_it_is_until_something_moves(stand: UnitStand) -> None:
    [user_id] = enrolled(stand, 1)
    before = mark(stand, user_id)
    assert mark(stand, user_id) == before
    assert (before.percentage, before.completed_at, before.seconds) == (0, None, 0)
    stand.complete_unit(user_id, READ, NOON)
    moved = mark(stand, user_id)
    assert moved != before
    assert moved.percentage > 0


def test_a_completed_course_shows_in_its_mark(stand: UnitStand) -> None:
    [user_id] = enrolled(stand, 1)
    stand.complete(user_id, FIRE, NOON, 84)
    assert (mark(stand, user_id).percentage, mark(stand, user_id).completed_at) == (100, NOON)


def test_a_standing_tells_each_unit_with_date_and_score(stand: UnitStand) -> None:
    """R149: whether, when and how well."""
    ids = enrolled(stand, 2)
    stand.complete_unit(ids[0], TEST, NOON, 87)
    outcomes = stand.units.standings([Pair(ids[1], FIRE), Pair(ids[0], FIRE)])
    standings = [outcome.value for outcome in outcomes if isinstance(outcome, Done)]
    assert standings[0] is not None
    assert standings[1] is not None
    assert not any(unit.completed for unit in standings[0].units)
    assert {unit.unit_id: (unit.completed, unit.completed_at) for unit in standings[1].units} == {
        READ: (False, None),
        TEST: (True, NOON),
        ESSAY: (False, None),
    }
    assert {unit.unit_id: unit.score for unit in standings[1].units}[TEST] == Decimal(87)
    assert standings[1].units[0].name == "FIRE01 Read & sign"
    assert standings[1].mark == mark(stand, ids[0])
    assert not standings[1].completed


def test_a_standing_says_when_the_course_is_complete(stand: UnitStand) -> None:
    [user_id] = enrolled(stand, 1)
    stand.complete(user_id, FIRE, NOON, 84)
    [outcome] = stand.units.standings([Pair(user_id, FIRE)])
    assert isinstance(outcome, Done)
    assert outcome.value is not None
    assert outcome.value.completed
    assert {unit.completed_at for unit in outcome.value.units} == {NOON}


def test_nobody_stands_in_a_course_that_they_are_not_in(stand: UnitStand) -> None:
    ids = enrolled(stand, 1) + [o.value for o in stand.gateway.create_users([person(9)]) if isinstance(o, Done)]
    outcomes = stand.units.standings([Pair(ids[1], FIRE), Pair(ids[0], FIRE), Pair("999999", FIRE)])
    assert outcomes[0] == Done(None)
    assert codes(outcomes) == ["done", "done", "user_gone"]
    assert families(outcomes) == {NeedsAttention}


def test_whose_enrolment_is_suspended_is_in_the_course_no_more(stand: UnitStand) -> None:
    ids = enrolled(stand, 2)
    for _ in range(2):
        assert codes(stand.gateway.enrol([place(stand, ids[0], suspended=True)])) == ["done"]
    assert stand.units.roster(FIRE).members.keys() == {ids[1]}
    assert stand.units.marks(ids[0]) == {}
    assert stand.units.standings([Pair(ids[0], FIRE)]) == [Done(None)]


def test_a_grade_given_anew_moves_no_mark_and_is_news(stand: UnitStand) -> None:
    """R150: the sweep alone would miss it."""
    ids = enrolled(stand, 2)
    for user_id in ids:
        stand.complete_unit(user_id, ESSAY, NOON, 60)
    before, known = mark(stand, ids[0]), stand.units.regraded(None).newest
    later = NOON + timedelta(hours=1)
    stand.grade(ids[0], ESSAY, 75, later)
    news = stand.units.regraded(known)
    assert mark(stand, ids[0]) == before
    assert (news.user_ids, news.newest, news.complete) == (frozenset({ids[0]}), later, True)
    [outcome] = stand.units.standings([Pair(ids[0], FIRE)])
    assert isinstance(outcome, Done)
    assert outcome.value is not None
    assert {unit.unit_id: unit.score for unit in outcome.value.units}[ESSAY] == Decimal(75)


def test_news_are_told_until_they_are_known(stand: UnitStand) -> None:
    [user_id] = enrolled(stand, 1)
    stand.complete_unit(user_id, ESSAY, NOON, 60)
    stand.grade(user_id, ESSAY, 75, NOON + timedelta(hours=1))
    newest = stand.units.regraded(None).newest
    assert newest == NOON + timedelta(hours=1)
    again = stand.units.regraded(newest)
    assert (again.user_ids, again.newest, again.complete) == (frozenset(), newest, True)


def test_a_quiet_portal_has_no_news(stand: UnitStand) -> None:
    news = stand.units.regraded(None)
    assert (news.user_ids, news.newest, news.complete) == (frozenset(), None, True)


def test_the_allowance_shrinks_by_calls_and_not_by_asking(stand: UnitStand) -> None:
    before = stand.units.allowance()
    assert before == stand.units.allowance()
    stand.units.roster(FIRE)
    after = stand.units.allowance()
    assert before.remaining - after.remaining == 1
    assert after.limit == before.limit >= after.remaining


def test_courses_and_users_that_are_not_there_need_attention(stand: UnitStand) -> None:
    with pytest.raises(NeedsAttention, match="course_unknown"):
        stand.units.roster("999")
    with pytest.raises(NeedsAttention, match="user_gone"):
        stand.units.marks("999999")


def test_a_refused_key_holds_results_too(stand: UnitStand) -> None:
    """E1."""
    [user_id] = enrolled(stand, 1)
    stand.revoke_token()
    failures: list[ProvisioningError] = []
    for read in (
        lambda: stand.units.roster(FIRE),
        lambda: stand.units.marks(user_id),
        lambda: stand.units.regraded(None),
    ):
        with pytest.raises(HoldIntegration) as caught:
            read()
        failures.append(caught.value)
    [outcome] = stand.units.standings([Pair(user_id, FIRE)])
    assert isinstance(outcome, Failed)
    assert {failure.code for failure in [*failures, outcome.failure]} == {"token_refused"}


def test_fields_are_all_told_with_their_options(stand: UnitStand) -> None:
    """R28: a portal lists its fields, whoever has them."""
    made(stand, 1)
    seen = stand.gateway.fields([])
    told = {(f.kind, f.name, f.options) for f in seen.fields if f.area == "user"}
    assert ("menu", "Employment Status", ("Active", "On Leave", "Terminated")) in told
    assert ("datetime", "Hire Date", None) in told
    assert not seen.gaps
