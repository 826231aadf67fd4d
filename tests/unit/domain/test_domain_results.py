"""How a completion becomes a result, once, and how it is announced."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.announcements import account_linked, enrolment_provisioned, result_recorded
from domain.integration import Results
from domain.lms import Completion
from domain.results import Current, Found, HandSet, HeldBack, Result, Rules, Terms, decide_result, stable_id
from tests.unit.domain.values import NOON, integration, results

TODAY = date(2026, 6, 3)


def completion(at: datetime | None = NOON, grade: str | None = None) -> Completion:
    return Completion(at, None if grade is None else Decimal(grade), {"source": "report"})


def current(
    outcome: str = "C",
    completed_at: datetime | None = NOON,
    grade: str | None = None,
    passed: bool | None = None,
    overwrote: str | None = None,
) -> Current:
    """What HR has from us."""
    given_ = None if grade is None else Decimal(grade)
    return Current(
        outcome, outcome == "C" if passed is None else passed, given_, completed_at, "event-0", overwrote=overwrote
    )


def as_current(result: Result) -> Current:
    return Current(
        result.outcome,
        result.passed,
        result.grade,
        result.completed_at,
        result.event_id,
        overwrote=result.evidence.get("overwrote"),
    )


def decided(
    found: Completion | Found,
    settings: Results | None = None,
    held: Current | None = None,
    *,
    today: date = TODAY,
    integration_id: int = 1,
    zone: str = "UTC",
    **terms: Any,
) -> Result | HeldBack | None:
    found = found if isinstance(found, Found) else Found(found)
    said = {"enrolment_key": "EN-1", "current": {found.key: held} if held else {}} | terms
    now = datetime.combine(today, NOON.time(), UTC)
    chosen = integration(results=settings or results(), timezone=zone)
    return decide_result(found, Terms(**said), Rules(integration_id, chosen, 7, now))


def recorded(found: Completion | Found, *arguments: Any, **named: Any) -> Result:
    result = decided(found, *arguments, **named)
    assert isinstance(result, Result)
    return result


COMPLETIONS = st.builds(
    completion,
    st.none() | st.integers(0, 10**6).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    st.none() | st.integers(0, 100).map(str),
)
SETTINGS = st.builds(
    results, pass_grade=st.none() | st.integers(0, 100), attempted_on=st.sampled_from(["sync", "completion"])
)


@given(found=COMPLETIONS)
def test_without_a_stated_basis_no_completion_is_a_fail(found: Completion) -> None:
    """R61: only what is complete comes here, and nothing but a grade below the pass grade says fail."""
    result = recorded(found)

    assert (result.outcome, result.passed) == ("C", True)
    assert result.evidence["rule"] == "completion"


def test_a_completion_without_a_grade_is_never_a_fail() -> None:
    """R61: an absent grade is no grade of nought."""
    assert recorded(completion(grade=None), results(pass_grade=50)).passed


@pytest.mark.parametrize(
    ("grade", "outcome"), [("49.99", "NYC"), ("50", "C"), ("50.00", "C"), ("100", "C"), ("0", "NYC")]
)
def test_with_a_pass_grade_the_grade_decides(grade: str, outcome: str) -> None:
    """R24, R25, R61, R85: the integration's own items of HR's pick-list."""
    result = recorded(completion(grade=grade), results(pass_grade=50))

    assert (result.outcome, result.passed) == (outcome, outcome == "C")
    assert (result.evidence["source"], result.evidence["rule"]) == ("report", "completion and grade")


def test_two_integrations_may_use_different_items() -> None:
    """R24, R25."""
    other = results(outcomes=[{"code": "G"}, {"code": "NG"}], pass_outcome="G", fail_outcome="NG")

    assert (recorded(completion()).outcome, recorded(completion(), other).outcome) == ("C", "G")


@given(found=COMPLETIONS, settings=SETTINGS)
def test_the_same_completion_twice_is_one_result(found: Completion, settings: Results) -> None:
    """I5, R150: the second poll finds nothing new."""
    first = recorded(found, settings)

    assert decided(found, settings, as_current(first)) is None


def test_the_same_completion_read_in_minutes_and_in_seconds_is_one_result() -> None:
    """I5: a report shows minutes, the question about one person seconds."""
    exact = completion(NOON + timedelta(seconds=37))
    first = recorded(exact)

    assert decided(completion(NOON), held=as_current(first)) is None
    assert recorded(completion(NOON)).event_id == first.event_id


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (None, "recorded"),
        (current(completed_at=NOON - timedelta(days=1)), "corrected"),
        (current(completed_at=None), "corrected"),
        (current("NYC", grade="40"), "corrected"),
    ],
)
def test_another_date_or_outcome_corrects_the_result(held: Current | None, kind: str) -> None:
    """R150, G5: and a correction names the event that it corrects."""
    result = recorded(completion(), held=held)

    assert (result.kind, result.corrects) == (kind, held and "event-0")


def test_a_grade_that_changes_no_outcome_corrects_nothing() -> None:
    """G6."""
    settings = results(pass_grade=50)

    assert decided(completion(grade="80"), settings, current(grade="60")) is None
    assert recorded(completion(grade="40"), settings, current(grade="60")).outcome == "NYC"


@pytest.mark.parametrize("attempts", ["first", "latest", "best"])
@pytest.mark.parametrize(("before", "after"), [("NYC", 30), ("C", 50)])
def test_a_new_rule_does_not_rewrite_the_past(attempts: str, before: str, after: int) -> None:
    """G7: the same completion with the same grade stays what it was, whether it would pass now or fail."""
    chosen = results(pass_grade=after, attempts=attempts)

    assert decided(completion(grade="40"), chosen, current(before, grade="40")) is None
    assert decided(completion(grade="40"), chosen) is not None


@given(found=COMPLETIONS, settings=SETTINGS)
def test_ids_follow_from_the_content(found: Completion, settings: Results) -> None:
    """I5: a second write, wherever it comes from, is the same one."""
    one, again = recorded(found, settings), recorded(found, settings, today=TODAY + timedelta(days=9))

    assert (one.result_id, one.event_id, one.completion_key) == (again.result_id, again.event_id, again.completion_key)


def test_ids_tell_integrations_enrolments_dates_and_outcomes_apart() -> None:
    """I5."""
    different = [
        recorded(completion()),
        recorded(completion(), integration_id=2),
        recorded(completion(), enrolment_key="EN-2"),
        recorded(completion(NOON + timedelta(minutes=1))),
        recorded(completion(None)),
        recorded(completion(grade="1"), results(pass_grade=2)),
        recorded(Found(completion(), "U1")),
        recorded(Found(completion(), "U2")),
    ]

    assert len({result.event_id for result in different}) == 8
    assert len({result.result_id for result in different}) == 5


def test_a_code_written_otherwise_is_the_same_unit() -> None:
    """R148, I5: HR correcting its spelling makes no second result."""
    assert recorded(Found(completion(), "icta1")).result_id == recorded(Found(completion(), "ICTA1")).result_id


def test_parts_of_an_id_cannot_run_into_each_other() -> None:
    assert stable_id("ab", "c") != stable_id("a", "bc")


def test_the_date_of_attempt_is_the_day_of_the_sync_unless_chosen_otherwise() -> None:
    """R60: both are kept, one is mapped."""
    assert recorded(completion()).attempted_on == TODAY
    assert recorded(completion(), results(attempted_on="completion")).attempted_on == NOON.date()
    assert recorded(completion(), results(attempted_on="completion")).completed_at == NOON


def test_an_undated_completion_was_attempted_on_the_day_of_the_sync() -> None:
    """R59, R60: HR demands a day."""
    result = recorded(completion(None), results(attempted_on="completion"))

    assert (result.attempted_on, result.completed_at) == (TODAY, None)


def test_the_integrations_time_zone_decides_the_day_of_attempt() -> None:
    """R59, R60: late in the evening is tomorrow further east."""
    late = completion(datetime(2026, 6, 1, 22, 30, tzinfo=UTC))

    result = recorded(late, results(attempted_on="completion"), zone="Europe/Amsterdam")

    assert result.attempted_on == date(2026, 6, 2)


@pytest.mark.parametrize(
    ("pick_list", "missing"),
    [
        ([{"code": "C"}, {"code": "NYC"}], ()),
        ([{"code": "C"}], ("NYC",)),
        ([{"code": "c"}, {"code": "NYC"}], ("C",)),
        ([], ("C", "NYC")),
    ],
)
def test_outcomes_that_the_pick_list_lost_are_named(pick_list: list[dict[str, str]], missing: tuple[str, ...]) -> None:
    """R27: so that results wait instead of being written wrong."""
    assert results(outcomes=pick_list).unmapped() == missing


# Which attempt counts


EARLIER, LATER = NOON - timedelta(days=9), NOON + timedelta(days=9)


@pytest.mark.parametrize(
    ("attempts", "found", "kind"),
    [
        ("latest", completion(LATER), "corrected"),
        ("latest", completion(EARLIER), "corrected"),
        ("latest", completion(LATER, "10"), "corrected"),
        ("latest", completion(NOON, "90"), None),
        ("first", completion(LATER, "90"), None),
        ("first", completion(EARLIER, "90"), None),
        ("best", completion(LATER, "70"), None),
        ("best", completion(LATER), None),
        ("best", completion(LATER, "10"), None),
        ("best", completion(LATER, "71"), "corrected"),
        ("best", completion(EARLIER, "71"), "corrected"),
        ("best", completion(NOON, "71"), "corrected"),
    ],
)
@pytest.mark.parametrize("unit", ["", "ICTWEB304"])
def test_which_attempt_counts_is_chosen(attempts: str, found: Completion, kind: str | None, unit: str) -> None:
    """R150, G5, G6: by course and by unit alike, the first, the latest, or the best by pass and grade."""
    chosen = results(attempts=attempts, pass_grade=50)
    result = decided(Found(found, unit), chosen, current(grade="70"))

    assert (result.kind if isinstance(result, Result) else result) == kind


def test_the_best_attempt_passes_after_a_fail_whatever_its_grade() -> None:
    chosen = results(attempts="best", pass_grade=50)

    assert recorded(completion(LATER, "51"), chosen, current("NYC", grade="49")).outcome == "C"
    assert recorded(completion(LATER), chosen, current("NYC", grade="49")).outcome == "C"
    assert decided(completion(LATER, "49"), chosen, current("NYC", grade="49")) is None


# Before the enrolment began

FIRST_DAY = date(2026, 6, 1)


@pytest.mark.parametrize(
    ("zone", "completed_at", "held_back"),
    [
        ("UTC", datetime(2026, 5, 31, 23, 59, tzinfo=UTC), True),
        ("UTC", datetime(2026, 6, 1, tzinfo=UTC), False),
        ("Australia/Sydney", datetime(2026, 5, 31, 13, 59, tzinfo=UTC), True),
        ("Australia/Sydney", datetime(2026, 5, 31, 14, tzinfo=UTC), False),
        ("UTC", None, False),
    ],
)
@pytest.mark.parametrize("unit", ["", "ICTWEB304"])
def test_a_completion_from_before_the_first_day_is_held_back(
    zone: str, completed_at: datetime | None, held_back: bool, unit: str
) -> None:
    """A re-enrolled person keeps old completions; HR's first day is a whole day of the integration's zone."""
    found = Found(completion(completed_at), unit)
    result = decided(found, zone=zone, starts_on=FIRST_DAY)

    assert (result == HeldBack("earlier_attempt")) == held_back
    accepted = decided(found, results(earlier_attempt="accept"), zone=zone, starts_on=FIRST_DAY)
    assert isinstance(accepted, Result)


@pytest.mark.parametrize(
    ("enrolled_at", "starts_on", "held_back"),
    [
        (NOON + timedelta(seconds=1), None, True),
        (NOON, None, False),
        (None, None, False),
        (NOON + timedelta(days=9), FIRST_DAY, False),
        (NOON - timedelta(days=9), FIRST_DAY + timedelta(days=1), True),
    ],
)
def test_without_hrs_first_day_the_lms_says_when_it_began(
    enrolled_at: datetime | None, starts_on: date | None, held_back: bool
) -> None:
    """And when neither does, nothing is earlier."""
    result = decided(Found(completion(), "U1", enrolled_at=enrolled_at), starts_on=starts_on)

    assert (result == HeldBack("earlier_attempt")) == held_back


def test_what_hr_has_already_is_not_held_back_afterwards() -> None:
    """I5: a first day that HR moves later undoes nothing and holds nothing."""
    assert decided(completion(), held=current(), starts_on=date(2027, 1, 1)) is None
    assert decided(completion(LATER), held=current(), starts_on=date(2027, 1, 1)) == HeldBack("earlier_attempt")


# Set by hand

BY_HAND = {"u1": HandSet("W")}


@pytest.mark.parametrize("outcome", ["W", "C"])
def test_an_outcome_set_by_hand_is_protected(outcome: str) -> None:
    """R4, R150: held back and not written, whatever it is; other units are not concerned."""
    by_hand = {"u1": HandSet(outcome)}

    assert decided(Found(completion(), "U1"), hand_set=by_hand) == HeldBack("hand_set")
    assert isinstance(decided(Found(completion(), "U2"), hand_set=by_hand), Result)
    assert isinstance(decided(completion(), hand_set=by_hand), Result)


def test_a_result_that_was_changed_by_hand_waits_for_the_lms_to_move() -> None:
    """R150: protected, nothing is held back before there is something to write."""
    held = {"u1": current()}

    assert decided(Found(completion(), "U1"), hand_set=BY_HAND, current=held) is None
    assert decided(Found(completion(LATER), "U1"), hand_set=BY_HAND, current=held) == HeldBack("hand_set")


def test_an_outcome_set_by_hand_is_written_over_once_where_that_is_wanted() -> None:
    """R150, I5: one statement of HR is answered once; setting it anew is another statement."""
    chosen = results(hand_set="overwrite")
    first = recorded(Found(completion(), "U1"), chosen, hand_set=BY_HAND)
    again = {"hand_set": {"u1": HandSet("W", NOON)}, "current": {"u1": as_current(first)}}

    assert (first.kind, first.evidence["overwrote"]) == ("recorded", "W")
    assert decided(Found(completion(), "U1"), chosen, hand_set=BY_HAND, current=again["current"]) is None
    second = recorded(Found(completion(), "U1"), chosen, **again)
    assert (second.kind, second.corrects) == ("corrected", first.event_id)
    assert second.event_id != first.event_id
    assert decided(Found(completion(), "U1"), chosen, **again | {"current": {"u1": as_current(second)}}) is None


def test_the_same_outcome_set_by_hand_needs_no_writing_over() -> None:
    """R150: neither date nor outcome differs."""
    chosen = results(hand_set="overwrite")

    assert decided(Found(completion(), "U1"), chosen, hand_set={"u1": HandSet("C")}, current={"u1": current()}) is None


# Evidence


def test_a_result_says_what_it_rests_on_and_where_it_comes_from() -> None:
    """R85, R153: unit, grade, dates, rule, policy and the version of the settings; in words for a tooltip, too."""
    found = Found(completion(grade="88.50"), "U1", enrolled_at=EARLIER)
    result = recorded(found, results(pass_grade=50, attempts="best"))

    assert result.stamp == "fetched by Matricula from Acme Moodle on 2026-06-03"
    assert result.evidence == {
        "source": "report",
        "unit": "U1",
        "grade": "88.50",
        "completed_at": "2026-06-01T12:00:00+00:00",
        "enrolled_at": "2026-05-23T12:00:00+00:00",
        "read_at": "2026-06-03T12:00:00+00:00",
        "rule": "completion and grade",
        "policy": {"attempts": "best", "hand_set": "protect", "earlier_attempt": "hold", "pass_grade": "50"},
        "settings_version": 7,
        "stamp": "fetched by Matricula from Acme Moodle on 2026-06-03",
    }


def test_what_hr_has_no_unit_for_is_unmatched_whatever_else() -> None:
    """R149, G12."""
    found = Found(completion(EARLIER), "U1", known=False)

    assert decided(found, starts_on=FIRST_DAY, hand_set=BY_HAND) == HeldBack("unmatched")


STEPS = st.tuples(
    st.none() | st.integers(0, 3).map(lambda days: NOON + timedelta(days=days)),
    st.none() | st.sampled_from(["10", "60", "90"]),
    st.none() | st.builds(HandSet, st.sampled_from(["W", "C", "NYC"]), st.none() | st.just(NOON)),
)


@given(
    steps=st.lists(STEPS, max_size=12),
    attempts=st.sampled_from(["first", "latest", "best"]),
    hand_set=st.sampled_from(["protect", "overwrite"]),
    earlier=st.sampled_from(["hold", "accept"]),
    pass_grade=st.none() | st.just(50),
    starts_on=st.none() | st.dates(date(2026, 5, 30), date(2026, 6, 5)),
)
def test_no_sequence_of_polls_and_replays_makes_two_results(
    steps: list[Any], attempts: str, hand_set: str, earlier: str, pass_grade: int | None, starts_on: date | None
) -> None:
    """I5: one id, no event told twice, each correction linked to the one before, and a second poll finds nothing."""
    chosen = results(attempts=attempts, hand_set=hand_set, earlier_attempt=earlier, pass_grade=pass_grade)
    held: Current | None = None
    told: list[Result] = []
    for at, grade, by_hand in steps:
        terms = {"starts_on": starts_on, "hand_set": {"u1": by_hand} if by_hand else {}}
        for _ in range(3):  # a poll, its replay after a crash, and the next poll
            result = decided(Found(completion(at, grade), "U1"), chosen, held, **terms)
            again = decided(Found(completion(at, grade), "u1"), chosen, held, **terms)
            if isinstance(result, Result):
                assert isinstance(again, Result)
                assert (again.event_id, again.result_id) == (result.event_id, result.result_id)
                assert result.corrects == (held and held.event_id)
                told.append(result)
                held = as_current(result)
        assert not isinstance(decided(Found(completion(at, grade), "U1"), chosen, held, **terms), Result)
    assert len({result.event_id for result in told}) == len(told)
    assert len({result.result_id for result in told}) <= 1
    assert [result.kind for result in told[1:]] == ["corrected"] * (len(told) - 1 if told else 0)


# Announcements


def test_a_result_is_announced_with_all_that_hr_needs() -> None:
    """I5, R60: an envelope of our own, with the result's own id."""
    result = recorded(completion(grade="88.50"))

    told = result_recorded(
        result,
        tenant="acme",
        integration="Acme Moodle",
        employee_key="E-1002",
        enrolment_key="EN-1",
        course_code="ICT30120-A",
        at=NOON,
    )

    event = json.loads(told.body)
    assert (told.event_id, event["id"]) == (result.event_id, result.event_id)
    assert (event["type"], event["subject"], event["source"]) == ("lms.result.recorded.v1", "EN-1", "/matricula/acme")
    assert event["data"]["grade"] == "88.50"
    assert event["data"]["completed_at"] == "2026-06-01T12:00:00+00:00"
    assert (event["data"]["attempted_on"], event["data"]["synced_at"]) == ("2026-06-03", "2026-06-01T12:00:00+00:00")
    assert (event["data"]["unit_code"], event["data"]["corrects"]) == (None, None)


def test_what_is_told_again_has_the_same_id_and_another_thing_has_another() -> None:
    """I5: the outbox keeps the first, whenever the second is written."""
    link: Any = {
        "tenant": "acme",
        "integration": "Acme Moodle",
        "employee_key": "E-1002",
        "how": "created",
        "previous_id": "ZX81",
    }
    place: Any = {
        "tenant": "acme",
        "integration": "Acme Moodle",
        "employee_key": "E-1002",
        "enrolment_key": "EN-1",
        "lms_course_id": "3",
        "group_key": "77eD",
    }
    first = account_linked(**link, lms_user_id="7", at=NOON)
    again = account_linked(**link, lms_user_id="7", at=NOON + timedelta(hours=1))
    other = account_linked(**link, lms_user_id="8", at=NOON)
    provisioned = enrolment_provisioned(1, **place, at=NOON)
    provisioned_again = enrolment_provisioned(2, **place, at=NOON)

    assert first.event_id == again.event_id
    assert len({first.event_id, other.event_id, provisioned.event_id, provisioned_again.event_id}) == 4
    assert json.loads(first.body)["data"]["previous_id"] == "ZX81"
    assert json.loads(provisioned.body)["data"]["text"] == "Enrolled in course 3, group 77eD of Acme Moodle"
    assert json.loads(provisioned.body)["data"]["provisioned_at"] == "2026-06-01T12:00:00+00:00"


def test_a_correction_back_to_the_first_outcome_is_told_too() -> None:
    """G6, I5: competent, not yet, competent again on the same day are three announcements."""
    settings = results(pass_grade="50")
    first = recorded(completion(grade="80"), settings)
    second = recorded(completion(grade="40"), settings, as_current(first))
    third = recorded(completion(grade="80"), settings, as_current(second))

    assert [first.outcome, second.outcome, third.outcome] == ["C", "NYC", "C"]
    assert len({first.event_id, second.event_id, third.event_id}) == 3
