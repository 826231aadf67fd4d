"""Who may make the next call, until when others wait, and how long a backlog takes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.budget import (
    BATCH,
    CHECK_EVERY,
    FIRST_COSTS,
    HOUR,
    INTERVAL,
    PURPOSES,
    Standing,
    admitted,
    corrected,
    forecast,
    keeps,
    spacing,
    until_reset,
)
from domain.integration import Calls
from domain.lms import Allowance
from tests.unit.domain.values import NOON

SECOND = timedelta(seconds=1)

shares = st.decimals(0, Decimal("0.49"), places=2)
settings = st.builds(Calls, burst=st.integers(20, 200), for_urgent=shares, for_provisioning=shares)


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    calls = draw(settings)
    limit = draw(st.integers(1, 10_000))
    return Standing(
        limit=limit,
        left=draw(st.integers(0, limit)),
        resets_in=draw(st.timedeltas(SECOND, HOUR)),
        crowd=draw(st.timedeltas(timedelta(0), INTERVAL)),
        space=spacing(calls) * draw(st.sampled_from([1, 2, 4])),
        keeps=keeps(calls, limit),
        costs=draw(st.tuples(*[st.floats(0.1, 200)] * 3)),
        others=draw(st.integers(0, limit)),
    )


def standing(left: int = 2000, **told: object) -> Standing:
    """A portal of 2,000 calls an hour with the default settings, in the middle of an hour."""
    plain = Standing(2000, left, timedelta(minutes=30), timedelta(0), spacing(Calls()), keeps(Calls(), 2000))
    return replace(plain, **told)  # type: ignore[arg-type]


# Who may call


@given(standings())
def test_what_is_more_urgent_never_has_less_room_nor_a_longer_wait(at: Standing) -> None:
    """D27, 8.23: leavers before newcomers, newcomers before sweeps and polls."""
    rooms = [at.room(purpose) for purpose in PURPOSES]
    waits = [at.wait(purpose) for purpose in PURPOSES]

    assert rooms == sorted(rooms, reverse=True)
    assert waits == sorted(waits)


@given(standings())
def test_whoever_has_room_waits_for_nothing_and_whoever_has_none_is_told_until_when(at: Standing) -> None:
    """D27: a wait is never longer than the hour, and never nothing without room."""
    for purpose in PURPOSES:
        assert (at.room(purpose) > 0) == (at.wait(purpose) == timedelta(0))
        assert at.wait(purpose) <= max(at.resets_in, INTERVAL)


@given(settings, st.integers(1, 10_000))
def test_each_purpose_leaves_its_share_to_those_before_it(calls: Calls, limit: int) -> None:
    """8.23: the urgent leave nothing, and polls and sweeps leave what both shares say, rounded up."""
    urgent, provisioning, sweep, poll = keeps(calls, limit)

    assert urgent == 0
    assert 0 <= provisioning - calls.for_urgent * limit < 1
    assert sweep == poll
    assert 0 <= sweep - (calls.for_urgent + calls.for_provisioning) * limit < 1


def test_by_default_a_portal_of_2000_calls_keeps_100_for_leavers_and_600_for_newcomers() -> None:
    assert keeps(Calls(), 2000) == (0, 100, 700, 700)


@pytest.mark.parametrize(
    ("left", "spent"),
    [
        (701, ()),
        (700, ("sweep", "poll")),
        (101, ("sweep", "poll")),
        (100, PURPOSES[1:]),
        (1, PURPOSES[1:]),
        (0, PURPOSES),
    ],
)
def test_an_hour_is_spent_for_one_purpose_after_the_other(left: int, spent: Sequence[str]) -> None:
    """D27: polls stop first, leavers last; all that stop wait for the next hour."""
    at = standing(left)

    assert [purpose for purpose in PURPOSES if at.spent(purpose)] == list(spent)
    assert {at.wait(purpose) for purpose in PURPOSES if at.spent(purpose)} <= {at.resets_in}


@given(settings, st.lists(st.timedeltas(timedelta(0), timedelta(seconds=2)), max_size=300))
def test_no_five_seconds_ever_hold_more_calls_than_the_burst(calls: Calls, pauses: list[timedelta]) -> None:
    """I7, 8.22: whatever the rhythm in which somebody asks, for as long as the hour lasts."""
    now, until, made = timedelta(0), timedelta(0), []
    for pause in pauses:
        now += pause
        at = standing(space=spacing(calls), crowd=max(until - now, timedelta(0)))
        for _ in range(at.room("urgent")):
            until = max(until, now) + at.space
            made.append(now)

    for first in made:
        assert sum(first <= one < first + INTERVAL for one in made) <= calls.burst


def test_shares_that_leave_nothing_to_polls_are_refused() -> None:
    with pytest.raises(ValidationError, match="must be less than 1"):
        Calls(for_urgent=Decimal("0.5"), for_provisioning=Decimal("0.5"))


# What the LMS says


def test_the_end_of_the_hour_is_taken_by_the_clock_that_told_it() -> None:
    """T2: two hours fast or slow, and not a call too early or an hour too late; a second for what was cut off."""
    for wrong in (timedelta(hours=-2), timedelta(0), timedelta(hours=2)):
        told = Allowance(2000, 5, NOON + wrong + timedelta(minutes=10), told_at=NOON + wrong)
        assert until_reset(told, NOON) == timedelta(minutes=10) + SECOND


@given(st.timedeltas(-timedelta(days=9), timedelta(days=9)))
def test_without_a_clock_an_hour_is_at_most_an_hour(distance: timedelta) -> None:
    """T2: a nonsensical end never stops the work for longer."""
    assert SECOND <= until_reset(Allowance(2000, 5, NOON + distance), NOON) <= HOUR + SECOND


@given(standings(), st.integers(0, 10_000))
def test_within_an_hour_the_calls_that_are_left_never_become_more(at: Standing, told: int) -> None:
    """I7: calls on their way are not among those that the LMS has counted."""
    hour = corrected(at, Allowance(at.limit, told, NOON), at.resets_in)

    assert hour.left == min(at.left, told)


def test_a_larger_plan_counts_at_once() -> None:
    assert corrected(standing(3), Allowance(10_000, 8_003, NOON), standing().resets_in).left == 8_003


def test_with_a_new_hour_what_went_to_others_in_the_last_is_known() -> None:
    """D27: polls and strangers; what they took is not promised to a backlog again."""
    before = standing(150, resets_in=-SECOND, for_accounts=1500)

    hour = corrected(before, Allowance(2000, 2000, NOON), HOUR)

    assert (hour.left, hour.for_accounts, hour.others) == (2000, 0, 350)


def test_the_first_word_is_believed() -> None:
    assert corrected(None, Allowance(2000, 1234, NOON), HOUR).left == 1234


@pytest.mark.parametrize(
    ("told", "stale"), [({}, False), ({"resets_in": timedelta(0)}, True), ({"checked": CHECK_EVERY}, True)]
)
def test_the_lms_is_asked_after_each_hour_and_every_few_minutes(told: dict[str, timedelta], stale: bool) -> None:
    """8.22: a new hour is never guessed."""
    assert standing(**told).stale is stale


# What is begun


@given(standings(), st.tuples(*[st.integers(0, 50)] * 3))
def test_nobody_is_begun_without_room_for_all_their_calls(at: Standing, busy: tuple[int, ...]) -> None:
    """I7: besides the calls of accounts under way; a batch that ends in the middle has looked people up for nothing."""
    promised = 0.0
    for purpose, cost, under_way, count in zip(PURPOSES, at.costs, busy, admitted(at, busy), strict=False):
        promised += cost * under_way
        assert count <= BATCH
        if count:
            assert count * min(cost, at.most_room(purpose)) + promised <= at.room(purpose) + 1e-6


@given(standings())
def test_a_rested_portal_lets_somebody_of_every_kind_begin(at: Standing) -> None:
    """I2: however much an account costs, and however slow the pace, nobody waits for ever."""
    rested = replace(at, left=at.limit, crowd=timedelta(0))

    for purpose, count in zip(PURPOSES, admitted(rested, (0, 0, 0)), strict=False):
        assert (count > 0) == (rested.most_room(purpose) > 0)


def test_a_leaver_is_begun_although_the_room_is_promised_to_others() -> None:
    """D27: what is under way for newcomers may be interrupted; another leaver's calls may not."""
    at = standing(crowd=INTERVAL - 10 * spacing(Calls()))

    assert admitted(at, (0, 3, 0)) == (5, 0, 0)
    assert admitted(at, (4, 0, 0)) == (1, 0, 2)


# How long it takes


@given(standings(), st.tuples(*[st.integers(0, 20_000)] * 3))
def test_what_is_more_urgent_is_done_no_later(at: Standing, backlog: tuple[int, ...]) -> None:
    """D27"""
    done = forecast(at, backlog)
    known = [until for until, waiting in zip(done, backlog, strict=True) if until is not None and waiting]

    assert known == sorted(known)
    assert done[: len(known)] == tuple(known) or any(count == 0 for count in backlog)


@given(standings(), st.tuples(*[st.integers(0, 500)] * 3))
def test_a_forecast_agrees_with_the_hours_played_through(at: Standing, backlog: tuple[int, ...]) -> None:
    """D27: to the hour, against the plain rule call by call: who has room goes, the most urgent first."""
    at = replace(at, costs=(1.0, 1.0, 1.0), others=0, for_accounts=at.limit - at.left)

    assert [_hour(at, until) for until in forecast(at, backlog)] == _played(at, list(backlog))


def _hour(at: Standing, until: timedelta | None) -> int | None:
    if until is None:
        return None
    return 0 if until <= at.resets_in else 1 - (at.resets_in - until) // HOUR - 1


def _played(at: Standing, waiting: list[int]) -> list[int | None]:
    done: list[int | None] = [0 if not any(waiting[: n + 1]) else None for n in range(3)]
    left, hour, time = at.left, 0, at.resets_in
    while True:
        for place, kept in enumerate(at.keeps[:3]):
            while waiting[place] and left > kept and time >= at.space:
                waiting[place] -= 1
                left -= 1
                time -= at.space
            if done[place] is None and not waiting[place]:
                done[place] = hour
        if None not in done or (hour and all(at.limit <= at.keeps[n] for n in range(3) if waiting[n])):
            return done
        left, hour, time = at.limit, hour + 1, HOUR


def test_ten_thousand_newcomers_take_most_of_a_day() -> None:
    """D27: 40,000 calls at 1,900 an hour; of the 22nd hour only its beginning is needed."""
    done = forecast(standing(100), (0, 10_000, 0))[1]

    assert done is not None
    assert timedelta(hours=21, minutes=30) < done < timedelta(hours=21, minutes=34)


def test_polls_and_strangers_make_it_longer() -> None:
    """D27: as in the hour before; half of it went to others."""
    alone, shared = (forecast(standing(others=others), (0, 10_000, 0))[1] for others in (0, 950))

    assert alone is not None
    assert shared is not None
    assert shared > alone * 1.9


def test_an_hour_that_others_use_up_promises_nothing() -> None:
    assert forecast(standing(100, others=1900), (2, 1, 0))[:2] == (4 * spacing(Calls()), None)


def test_after_the_hour_the_next_one_is_reckoned_with() -> None:
    """What follows is asked for before it is used; a forecast may reckon with it."""
    assert standing(0, resets_in=-SECOND).renewed().left == 2000
    assert standing(7).renewed() == standing(7)


def test_before_anything_was_measured_a_newcomer_is_thought_to_cost_most() -> None:
    assert FIRST_COSTS[1] == max(FIRST_COSTS)
