"""Which of two facts about one subject is newer: the same answer in every order of arrival."""

from collections.abc import Sequence
from datetime import timedelta, timezone
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Freshness
from tests.unit.domain.values import NOON

# Few values, so that ties of every kind come up often.
TIMES = st.integers(0, 2).map(lambda hours: NOON + timedelta(hours=hours))
IDS = st.sampled_from(["1", "2", "3", "a"])
SEQUENCES = st.sampled_from(["0", "", "7", "07", "9", "10", "010", "a", "b", "B7", "٣"]) | st.text(max_size=3)
NUMBERED = st.builds(Freshness, SEQUENCES, TIMES, IDS)
UNNUMBERED = st.builds(Freshness, st.none(), TIMES, IDS)
SETS = st.lists(NUMBERED, min_size=1, max_size=5, unique=True) | st.lists(
    UNNUMBERED, min_size=1, max_size=5, unique=True
)


def winner(facts: Sequence[Freshness]) -> Freshness:
    """What is stored after the facts arrived in this order."""
    stored: Freshness | None = None
    for fact in facts:
        if fact.newer_than(stored):
            stored = fact
    assert stored is not None
    return stored


@given(facts=SETS)
def test_every_order_of_arrival_ends_in_the_same_fact(facts: list[Freshness]) -> None:
    """F1, I6. Duplicates do not matter either."""
    # Sequences that say the same place in different digits, with the same time and id, are one event.
    facts = list({(f.time, f.event_id, f.sequence and f.sequence.lstrip("0")): f for f in facts}.values())

    winners = {winner(order) for order in permutations(facts)}

    assert len(winners) == 1
    assert winner([*facts, *facts]) in winners


@given(facts=SETS)
def test_of_two_different_facts_exactly_one_is_newer(facts: list[Freshness]) -> None:
    """I6: nothing is newer than itself, and no two facts are each newer than the other."""
    for one in facts:
        assert not one.newer_than(one)
        for other in facts:
            if (one.time, one.event_id) != (other.time, other.event_id):
                assert one.newer_than(other) != other.newer_than(one)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (("1", 5, "z"), ("2", 0, "a")),  # sequence before time
        (("9", 5, "z"), ("10", 0, "a")),  # by value, not by letters
        (("0", 0, "a"), ("1", 0, "a")),
        (("a", 5, "z"), ("b", 0, "a")),  # text as text
        (("7", 0, "z"), ("7", 1, "a")),  # the same sequence: time
        (("7", 0, "z"), ("07", 1, "a")),  # the same number
        (("7", 0, "a"), ("7", 0, "b")),  # the same time too: id
        ((None, 0, "z"), (None, 1, "a")),
        ((None, 0, "a"), (None, 0, "b")),
        (("99", 0, "z"), (None, 1, "a")),  # one without: time decides
        ((None, 0, "z"), ("1", 1, "a")),
    ],
)
def test_sequence_decides_before_time_and_time_before_id(
    older: tuple[str | None, int, str], newer: tuple[str | None, int, str]
) -> None:
    """F1: the order that the event catalogue promises."""
    first, second = (Freshness(seq, NOON + timedelta(hours=hours), id_) for seq, hours, id_ in (older, newer))

    assert second.newer_than(first)
    assert not first.newer_than(second)


def test_the_first_fact_about_a_subject_is_news() -> None:
    assert Freshness(None, NOON, "1").newer_than(None)


def test_the_same_instant_in_another_time_zone_is_the_same_time() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))

    assert not Freshness(None, elsewhere, "1").newer_than(Freshness(None, NOON, "1"))
