"""How fast, in which steps, and when a replay stops by itself; and what a digest confirms."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.replays import (
    CHUNK,
    LADDER,
    PER_MINUTE,
    Digest,
    Go,
    LmsWork,
    Over,
    Replays,
    Rules,
    Standing,
    Stop,
    Wait,
    chunk_of,
    digest,
    needs_approval,
    next_step,
    pause_after,
    rate,
    takes,
)

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
RULES = Rules()

standings = st.builds(
    lambda waiting, ended, running, failed, row: Standing(
        waiting, running, ended + running, min(failed, ended), min(row, failed, ended)
    ),
    *[st.integers(0, 10_000)] * 5,
)


def go_through(failing: set[int], members: int = 10_000, chunk: int = 100) -> tuple[int, str]:
    """Let each step end before the next; how many were tried, and why it stopped."""
    failed: list[bool] = []
    while True:
        row = next((n for n, bad in enumerate(reversed(failed)) if not bad), len(failed))
        step = next_step(Standing(members - len(failed), 0, len(failed), sum(failed), row), RULES, chunk)
        match step:
            case Go(most):
                failed += [n in failing for n in range(len(failed), min(members, len(failed) + most))]
            case Stop(why):
                return len(failed), why
            case _:
                return len(failed), ""


def test_with_the_cause_still_there_one_is_tried() -> None:
    """J6"""
    tried, why = go_through(set(range(10_000)))

    assert tried == 1
    assert why == "1 of 1 failed again"


def test_when_only_the_first_goes_well_eleven_are_tried() -> None:
    """J6: one and ten are wasted at most."""
    assert go_through(set(range(1, 10_000)))[0] == 11


def test_when_all_goes_well_everything_is_tried() -> None:
    assert go_through(set()) == (10_000, "")


def test_single_failures_that_are_few_enough_do_not_stop_it() -> None:
    assert go_through(set(range(7, 10_000, 10)))[0] == 10_000


@given(st.sets(st.integers(0, 999), max_size=1000))
def test_it_stops_exactly_when_too_much_failed(failing: set[int]) -> None:
    tried, why = go_through(failing, members=1000)
    failed = [n in failing for n in range(tried)]
    row = next((n for n, bad in enumerate(reversed(failed)) if not bad), len(failed))

    assert bool(why) == (tried > 0 and (row >= 5 or sum(failed) > 0.2 * tried))
    assert why or tried == 1000


@given(standings)
def test_no_step_is_begun_before_the_one_before_is_over(standing: Standing) -> None:
    step = next_step(standing, RULES, 100)

    ends = list(accumulate(LADDER))
    if isinstance(step, Go):
        assert 0 < step.most <= 100
        assert not (standing.running and standing.tried in ends)
        assert all(standing.tried + step.most <= end for end in ends if standing.tried < end)
        assert standing.running + step.most <= 200
    if isinstance(step, Over):
        assert standing.waiting == standing.running == 0
    if isinstance(step, Wait):
        assert standing.running > 0


def test_a_share_of_a_few_does_not_stop_a_step_that_is_under_way() -> None:
    under_way = Standing(waiting=900, running=9, tried=11, failed=1, in_a_row=1)

    assert next_step(under_way, RULES, 100) == Wait()


@given(st.integers(1, 5000), st.sampled_from(sorted(PER_MINUTE)), st.floats(0.01, 1))
def test_no_more_are_begun_in_a_minute_than_the_rate_says(members: int, lms: str, share: float) -> None:
    """Begun with a pause after each chunk, the average is never above the rate."""
    per_minute = rate(lms, share)
    chunk = chunk_of(lms, per_minute)
    chunks = [chunk] * (members // chunk) + ([members % chunk] if members % chunk else [])

    took = sum((pause_after(begun, per_minute) for begun in chunks), timedelta(0))

    assert 1 <= chunk <= CHUNK[lms]
    assert took / timedelta(minutes=1) * per_minute >= members - 0.01
    assert takes(members, per_minute) >= took - timedelta(seconds=1)


numbers = st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 9)), unique_by=lambda pair: pair[0], max_size=20)


@given(numbers, st.randoms())
def test_a_digest_is_of_the_members_in_any_order(members: list[tuple[int, int]], dice: object) -> None:
    shuffled = list(members)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    later = NOW + timedelta(minutes=5)

    one = digest(members, mode="resume", settings_version=3, at=NOW)

    assert one.sum == digest(shuffled, mode="resume", settings_version=3, at=later).sum
    assert Digest.parse(f" {one} ") == one


@given(numbers)
def test_a_digest_is_another_when_anything_is_otherwise(members: list[tuple[int, int]]) -> None:
    one = digest(members, mode="resume", settings_version=3, at=NOW).sum

    assert digest(members, mode="re-evaluate", settings_version=3, at=NOW).sum != one
    assert digest(members, mode="resume", settings_version=4, at=NOW).sum != one
    assert digest([*members, (10**7, 1)], mode="resume", settings_version=3, at=NOW).sum != one
    # One that has failed once more is another matter.
    again = [(number, times + 1) for number, times in members]
    assert members == [] or digest(again, mode="resume", settings_version=3, at=NOW).sum != one


@given(st.text(max_size=60))
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        Digest.parse(text)


def test_many_or_a_deactivation_take_a_second_person() -> None:
    assert needs_approval(1000, 0, Replays()) == ""
    assert needs_approval(1001, 0, Replays()) != ""
    assert needs_approval(1, 1, Replays()) != ""


def test_calls_are_counted_in_batches_where_the_lms_takes_batches() -> None:
    work = LmsWork(look_ups=250, creates=250, updates=10, enrolments=250)

    assert work.calls("moodle") == 8 + 5 + 1 + 3
    assert work.calls("talentlms") == 2 * 250 + 250 + 10 + 250
