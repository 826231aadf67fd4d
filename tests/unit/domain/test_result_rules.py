"""Which completion counts, which is held back, and what each result rests on: every rule both ways."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.lms import Completion
from domain.results import Current, Found, HandSet, HeldBack, Result
from tests.unit.domain.decisions import as_current, completion, current, decided, recorded
from tests.unit.domain.values import NOON, results

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
