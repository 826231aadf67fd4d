"""How batches are cut, split and ended."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
    UnknownOutcome,
)
from domain.lms import Done, Failed, Outcome
from lms.batches import FIXED_FIELDS, MAX_FIELDS, MAX_ITEMS, Kind, chunks, deliver, one_by_one

REJECTED = NeedsAttention("lms_rejected")
SITE_WIDE = [HoldIntegration("token_refused"), LmsUnavailable("lms_unreachable"), LmsThrottled("lms_throttled")]


class Site:
    """Takes numbers all or nothing; `fails` says what a call with these numbers ends in."""

    def __init__(self, fails: Callable[[Sequence[int]], ProvisioningError | None] = lambda _numbers: None) -> None:
        self.calls: list[list[int]] = []
        self._fails = fails

    def send(self, numbers: Sequence[int]) -> list[Outcome[int]]:
        self.calls.append(list(numbers))
        failure = self._fails(numbers)
        if failure is not None:
            raise failure
        return [Done(number) for number in numbers]

    def kind(self, **how: bool) -> Kind[int, int]:
        return Kind(
            fields=lambda _number: {"a": "", "b": ""},
            problem=lambda number: NeedsAttention("text_invalid") if number < 0 else None,
            send=self.send,
            key=lambda number: number,
            order=lambda number: number,
            **how,
        )


def refuses(*bad: int, failure: ProvisioningError = REJECTED) -> Callable[[Sequence[int]], ProvisioningError | None]:
    return lambda numbers: failure if set(bad) & set(numbers) else None


def failures(outcomes: Sequence[Outcome[int]]) -> list[ProvisioningError | None]:
    return [outcome.failure if isinstance(outcome, Failed) else None for outcome in outcomes]


@given(st.lists(st.integers(0, 60), min_size=20, max_size=300))
def test_no_chunk_exceeds_the_budget_or_holds_a_key_twice(costs: list[int]) -> None:
    """Section 1.4 of the contract: what is beyond PHP's limit is lost without a sign."""
    kind: Kind[tuple[int, int], None] = Kind(
        fields=lambda item: {str(number): "" for number in range(item[1])},
        problem=lambda _item: None,
        send=lambda _items: [],
        key=lambda item: item[0] % 150,
    )
    items = list(enumerate(costs))
    cut = list(chunks(kind, items))
    assert [item for chunk in cut for item in chunk] == items
    for chunk in cut:
        assert len(chunk) <= MAX_ITEMS
        assert FIXED_FIELDS + sum(cost for _, cost in chunk) <= MAX_FIELDS
        assert len({place % 150 for place, _ in chunk}) == len(chunk)


@given(st.lists(st.integers(-3, 60), max_size=150), st.sets(st.integers(0, 60), max_size=5))
def test_every_item_gets_its_own_outcome_in_the_order_given(numbers: list[int], bad: set[int]) -> None:
    """D24: a bad record costs only itself."""
    outcomes = deliver(Site(refuses(*bad)).kind(), numbers)
    told = [outcome.value if isinstance(outcome, Done) else outcome.failure.code for outcome in outcomes]
    assert told == [_told(number, bad) for number in numbers]


def _told(number: int, bad: set[int]) -> int | str:
    if number < 0:
        return "text_invalid"
    return "lms_rejected" if number in bad else number


@given(st.integers(1, MAX_ITEMS), st.data())
def test_splitting_costs_at_most_twice_the_items(size: int, data: st.DataObject) -> None:
    """I7: the number of calls is bounded, however many records are bad."""
    bad = data.draw(st.sets(st.integers(0, size - 1)))
    site = Site(refuses(*bad))
    deliver(site.kind(), range(size))
    depth = (size - 1).bit_length()
    assert len(site.calls) <= min(2 * size - 1, 1 + 2 * depth * len(bad))


def test_what_cannot_be_right_is_never_sent() -> None:
    site = Site()
    outcomes = deliver(site.kind(), [-1, 5, -2])
    assert site.calls == [[5]]
    assert [type(failure) for failure in failures(outcomes)] == [NeedsAttention, type(None), NeedsAttention]


def test_calls_go_out_in_the_kinds_order() -> None:
    """Section 9 of the contract: the same users in another order end in deadlocks."""
    site = Site()
    assert deliver(site.kind(), [3, 1, 2]) == [Done(3), Done(1), Done(2)]
    assert site.calls == [[1, 2, 3]]


@pytest.mark.parametrize("failure", SITE_WIDE)
def test_a_site_wide_failure_ends_the_sending_and_is_everybodys(failure: ProvisioningError) -> None:
    """E1: no further refusals are collected."""
    site = Site(refuses(0, failure=failure))
    outcomes = deliver(site.kind(), range(250))
    assert len(site.calls) == 1
    assert failures(outcomes) == [failure] * 250


def test_after_an_unknown_outcome_the_rest_is_not_sent_and_certainly_not_done() -> None:
    """D5."""
    unknown = UnknownOutcome("lms_no_answer")
    site = Site(refuses(120, failure=unknown))
    outcomes = failures(deliver(site.kind(), range(250)))
    assert len(site.calls) == 2
    assert outcomes[:100] == [None] * 100
    assert outcomes[100:200] == [unknown] * 100
    assert {(type(failure), failure.code) for failure in outcomes[200:] if failure} == {
        (LmsUnavailable, "lms_no_answer")
    }


def test_an_answer_that_leaves_a_record_unknown_ends_the_sending() -> None:
    """Contract, section 1.4: fields get lost; the next call would lose some too."""
    unknown = UnknownOutcome("lms_unexpected_answer")
    site = Site()
    kind = replace(site.kind(), send=lambda numbers: [*site.send(numbers)[:-1], Failed(unknown)])
    outcomes = failures(deliver(kind, range(250)))
    assert len(site.calls) == 1
    assert outcomes[98:100] == [None, unknown]
    assert {(type(failure), failure.code) for failure in outcomes[100:] if failure} == {
        (LmsUnavailable, "lms_unexpected_answer")
    }


def test_a_half_that_meets_a_site_wide_failure_ends_the_other_half() -> None:
    away = LmsUnavailable("lms_unreachable")
    site = Site(lambda numbers: REJECTED if len(numbers) == 4 else away)
    assert failures(deliver(site.kind(), range(4))) == [away] * 4
    assert len(site.calls) == 2


def test_a_conflict_is_tried_again_in_halves() -> None:
    """Section 9 of the contract: a deadlock has gone by the next call."""
    answers = iter([TransientFailure("lms_conflict")])
    site = Site(lambda _numbers: next(answers, None))
    assert deliver(site.kind(rolls_back=True), range(4)) == [Done(number) for number in range(4)]
    assert [len(call) for call in site.calls] == [4, 2, 2]


def test_a_lasting_conflict_of_a_repeatable_write_did_nothing() -> None:
    site = Site(refuses(2, failure=TransientFailure("lms_conflict")))
    outcomes = failures(deliver(site.kind(rolls_back=True), range(4)))
    assert [type(failure) for failure in outcomes] == [type(None), type(None), TransientFailure, type(None)]


def test_a_lasting_conflict_of_a_create_must_be_looked_up() -> None:
    """Section 10, rule 6: somebody made this user at the same moment, perhaps an earlier call of ours."""
    site = Site(refuses(2, failure=TransientFailure("lms_conflict")))
    outcomes = failures(deliver(site.kind(), range(4)))
    assert [type(failure) for failure in outcomes] == [type(None), type(None), UnknownOutcome, type(None)]


def test_a_refusal_after_a_conflict_may_mean_that_it_is_there() -> None:
    """D21: the second call meets what the winner of the first conflict made."""
    site = Site(lambda numbers: TransientFailure("lms_conflict") if len(numbers) > 1 else REJECTED)
    assert {type(failure) for failure in failures(deliver(site.kind(), range(2)))} == {UnknownOutcome}


def test_a_lasting_conflict_does_not_end_the_sending() -> None:
    site = Site(refuses(2, failure=TransientFailure("lms_conflict")))
    outcomes = failures(deliver(site.kind(), range(250)))
    assert [number for number, failure in enumerate(outcomes) if failure] == [2]


def test_one_strange_answer_does_not_hide_the_items_behind_it() -> None:
    """G13: one broken page."""
    strange = LmsUnavailable("lms_unexpected_answer")
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        if number == 3:
            raise strange
        return number

    assert failures(one_by_one(range(6), ask)) == [None, None, None, strange, None, None]
    assert asked == list(range(6))


@pytest.mark.parametrize(
    ("failure", "calls"),
    [(LmsUnavailable("lms_unexpected_answer"), 3), *((failure, 1) for failure in SITE_WIDE)],
)
def test_a_site_that_is_away_is_not_asked_for_every_item(failure: ProvisioningError, calls: int) -> None:
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        raise failure

    assert failures(one_by_one(range(50), ask)) == [failure] * 50
    assert len(asked) == calls


def test_a_fact_about_one_item_ends_nothing() -> None:
    def ask(number: int) -> int:
        if number % 2:
            raise NeedsAttention("completion_off")
        return number

    assert [failure is None for failure in failures(one_by_one(range(4), ask))] == [True, False, True, False]


def test_an_item_in_doubt_ends_the_asking_and_those_behind_it_are_not_in_doubt() -> None:
    """D5."""

    def ask(_number: int) -> int:
        raise UnknownOutcome("lms_no_answer")

    outcomes = failures(one_by_one(range(3), ask))
    assert [type(failure) for failure in outcomes] == [UnknownOutcome, LmsUnavailable, LmsUnavailable]


def test_in_a_pool_outcomes_keep_their_places() -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = one_by_one(range(40), lambda number: number * 2, spread=pool.map)
    assert outcomes == [Done(number * 2) for number in range(40)]


def test_in_a_pool_items_of_one_key_keep_their_order() -> None:
    asked: list[int] = []

    def ask(number: int) -> None:
        asked.append(number)

    with ThreadPoolExecutor(4) as pool:
        one_by_one(range(40), ask, key=lambda number: number % 3, spread=pool.map)
    for rest in range(3):
        assert [number for number in asked if number % 3 == rest] == list(range(rest, 40, 3))


@pytest.mark.parametrize("failure", SITE_WIDE)
def test_in_a_pool_a_refusal_ends_the_asking_too(failure: ProvisioningError) -> None:
    """E1: at most the calls that were under way."""
    asked: list[int] = []

    def ask(number: int) -> int:
        asked.append(number)
        raise failure

    with ThreadPoolExecutor(4) as pool:
        assert failures(one_by_one(range(400), ask, spread=pool.map)) == [failure] * 400
    assert len(asked) <= 4
