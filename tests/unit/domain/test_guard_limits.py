"""When suspensions wait for a person."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.guard import Window, judge, limit_of
from domain.integration import Guard

COUNTS = st.integers(min_value=0, max_value=100_000)


@pytest.mark.parametrize(("linked", "limit"), [(0, 10), (499, 10), (500, 10), (501, 11), (5_000, 100), (5_001, 101)])
def test_two_percent_of_the_linked_people_pass_and_at_least_ten(linked: int, limit: int) -> None:
    """F8: the defaults; a started person counts whole."""
    assert limit_of(linked, Guard()) == limit


@pytest.mark.parametrize(
    ("asked", "passed", "passes"), [(1, 0, True), (10, 0, True), (11, 0, False), (1, 9, True), (1, 10, False)]
)
def test_the_limit_holds_over_the_whole_window(asked: int, passed: int, passes: bool) -> None:
    """F8: a mass leave in small batches is one all the same."""
    verdict = judge(asked, Window(linked=100, passed=passed, guarded=False), Guard())

    assert (verdict.passes, verdict.counted, verdict.limit) == (passes, asked + passed, 10)


def test_what_comes_while_an_event_is_undecided_joins_it() -> None:
    """S24: who can tell a leaver of today from one of the same bad export."""
    assert not judge(1, Window(linked=100, passed=0, guarded=True), Guard()).passes


@given(linked=COUNTS, passed=COUNTS, asked=COUNTS, share=st.decimals(0, 1, places=3), least=st.integers(0, 500))
def test_never_more_than_the_limit_pass(linked: int, passed: int, asked: int, share: Decimal, least: int) -> None:
    rules = Guard(share=share, at_least=least)

    verdict = judge(asked, Window(linked, passed, guarded=False), rules)

    assert verdict.limit >= least
    assert verdict.limit >= share * linked
    assert verdict.passes == (passed + asked <= verdict.limit)
