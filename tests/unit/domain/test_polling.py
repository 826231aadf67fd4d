"""Which way of reading completions comes next, and when."""

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.lms import Mark, Pair
from domain.polling import (
    MANY_COMPLETE,
    REREAD_NOT_BEFORE,
    REREAD_WITHIN,
    Run,
    Scope,
    after_run,
    first_step,
    first_unit_step,
    is_doubtful,
    moved,
    reread_share,
)
from tests.unit.domain.values import NOON, results

LATELY, LONG_AGO = NOON - timedelta(hours=23), NOON - timedelta(hours=24)
REPORTS = {"report": "1", "recent_report": "2"}


@pytest.mark.parametrize(
    ("reports", "full_at", "plan"),
    [
        (REPORTS, None, "report"),
        (REPORTS, LATELY, "recent"),
        (REPORTS, LONG_AGO, "report"),
        ({"report": "1"}, LATELY, "report"),
        ({}, LATELY, "people"),
        ({}, None, "people"),
        ({"recent_report": "2"}, LATELY, "recent"),
        ({"recent_report": "2"}, LONG_AGO, "people"),
        ({"recent_report": "2"}, None, "people"),
    ],
)
def test_news_only_while_everything_was_read_lately(
    reports: dict[str, str], full_at: datetime | None, plan: str
) -> None:
    """R82, G4: a completion that no report of news shows any more is found by the full reading."""
    step = first_step(results(**reports), full_at=full_at, now=NOON)

    assert (step.plan, step.position) == (plan, 0)


@given(
    reports=st.fixed_dictionaries({}, optional={"report": st.just("1"), "recent_report": st.just("2")}),
    hours=st.lists(st.integers(1, 30), max_size=20),
)
def test_everything_is_read_at_least_once_per_period(reports: dict[str, str], hours: list[int]) -> None:
    """G4: however irregular the polls, none begins with news alone when the last full reading is a day old."""
    settings = results(**reports)
    now, full_at = NOON, None
    for wait in hours:
        now += timedelta(hours=wait)
        run = first_step(settings, full_at=full_at, now=now)
        if run.plan == "recent":
            assert full_at is not None
            assert now - full_at < timedelta(days=1)
        if after_run(run, settings).read_everything:
            full_at = now


@pytest.mark.parametrize(
    ("run", "everything"),
    [
        ({"plan": "report"}, True),
        ({"plan": "people"}, True),
        ({"plan": "recent"}, False),
        ({"plan": "rosters"}, False),
        ({"plan": "rosters", "whole": True}, True),
        ({"plan": "marks", "whole": True}, True),
    ],
)
def test_a_finished_pass_waits_for_its_interval(run: dict[str, Any], everything: bool) -> None:
    """R80, R116: set per integration, from every ten minutes to daily and beyond."""
    following = after_run(Run.model_validate(run), results(every_s=600))

    assert (following.wait, following.read_everything) == (timedelta(minutes=10), everything)


def test_by_default_everything_is_read_once_a_day() -> None:
    """R80."""
    assert after_run(Run(plan="people"), results()).wait == timedelta(days=1)


def test_a_pass_goes_on_from_its_position() -> None:
    """G1."""
    assert Run(plan="report").after(3) == Run(plan="report", position=3)


# By unit


def mark(percentage: int = 0, completed_at: datetime | None = None) -> Mark:
    return Mark(percentage, NOON, completed_at, None, percentage)


@pytest.mark.parametrize(
    ("courses", "people", "plan"), [(12, 300, "rosters"), (300, 12, "marks"), (5, 5, "rosters"), (0, 0, "rosters")]
)
def test_the_cheaper_way_to_look_at_everybody_is_taken(courses: int, people: int, plan: str) -> None:
    """Contract, section 9.4: one call per course, or one per person where those are fewer."""
    step = first_unit_step(results(), Scope(courses, people, 0), full_at=None, regraded_at=None, now=NOON)

    assert step.plan == plan


@pytest.mark.parametrize(
    ("regraded_at", "full_at", "regrades", "whole"),
    [
        (None, None, True, True),
        (NOON - timedelta(minutes=59), LATELY, False, False),
        (NOON - timedelta(hours=1), LONG_AGO, True, True),
    ],
)
def test_changed_grades_and_completed_courses_have_intervals_of_their_own(
    regraded_at: datetime | None, full_at: datetime | None, regrades: bool, whole: bool
) -> None:
    """Contract, sections 9.5 and 9.7."""
    step = first_unit_step(results(), Scope(1, 1, 1), full_at=full_at, regraded_at=regraded_at, now=NOON)

    assert (step.regrades, step.whole) == (regrades, whole)


def test_only_who_has_moved_is_read_and_nobody_twice() -> None:
    """Contract, section 9.2: another mark, or none so far; who vanished is not asked for."""
    same, other, fresh, gone = (Pair(name, "1") for name in ("same", "other", "fresh", "gone"))
    known = [(same, mark(10)), (other, mark(10)), (fresh, None), (fresh, None), (gone, mark(10)), (gone, None)]

    assert moved(known, {same: mark(10), other: mark(20), fresh: mark()}) == [other, fresh]


@pytest.mark.parametrize("every", [timedelta(minutes=10), timedelta(hours=1), timedelta(hours=7), timedelta(days=1)])
@pytest.mark.parametrize("pairs", [1, 7, 600])
def test_everybody_is_read_again_within_a_day_and_evenly(every: timedelta, pairs: int) -> None:
    """Contract, section 9.5: simulated pass by pass, the longest unread first, none that was read just now."""
    last = [timedelta(0)] * pairs  # all read at once, at the very first pass
    now, most, oldest = timedelta(0), 0, timedelta(0)
    while now < timedelta(days=4):
        now += every
        due = sorted((at, n) for n, at in enumerate(last) if now - at > REREAD_NOT_BEFORE)[: reread_share(pairs, every)]
        oldest = max([oldest, *(now - at for at in last)])
        most = max(most, len(due))
        for _, n in due:
            last[n] = now

    assert oldest <= timedelta(hours=24) + every
    assert most <= math.ceil(pairs * min(1, every / REREAD_WITHIN))


def test_the_first_pass_reads_nobody_again() -> None:
    assert reread_share(600, None) == 0


@pytest.mark.parametrize(
    ("before", "present", "complete", "doubtful"),
    [
        (MANY_COMPLETE, True, 0, True),
        (MANY_COMPLETE - 1, True, 0, False),
        (500, True, 1, False),
        (MANY_COMPLETE, False, 0, False),
    ],
)
def test_a_reading_that_shows_none_complete_is_not_believed(
    before: int, present: bool, complete: int, doubtful: bool
) -> None:
    """G8: where at least twenty were; those who have left the course do not count."""
    completed = [Pair(str(n), "1") for n in range(before)]
    seen = {pair: mark(100, NOON) if n < complete else mark() for n, pair in enumerate(completed)}

    assert is_doubtful(completed, seen if present else {Pair("new", "1"): mark()}) == doubtful


def test_an_empty_course_is_not_believed_either() -> None:
    """G8."""
    assert is_doubtful([Pair(str(n), "1") for n in range(MANY_COMPLETE)], {})
    assert not is_doubtful([], {})


def test_a_pass_keeps_what_it_has_met() -> None:
    """G1, G8: course by course, the doubt and the sync run go along."""
    run = Run(plan="rosters", regrades=True, whole=True, sync_run=4)

    assert run.without_regrades().with_doubt().after_course("126") == Run(
        plan="rosters", course="126", whole=True, sync_run=4, doubted=True
    )
