"""Where LMS and results do not agree: told apart by what happens next."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.lms import Completion, Mark, Standing, UnitState
from domain.reconciliation import Difference, differences
from domain.results import Current, Rules, Terms
from tests.unit.domain.values import NOON, integration, results

LATER = NOON + timedelta(days=2)


def standing(*codes: str, at: datetime = NOON, score: int | None = None) -> Standing:
    grade = None if score is None else Decimal(score)
    units = [UnitState(code, f"{code} Read", "Completed", True, at, grade) for code in codes]
    return Standing(Mark(50, NOON - timedelta(days=9), None, None, 1), completed=False, units=units)


def current(unit: str = "U1", outcome: str = "C", grade: int | None = None) -> dict[str, Current]:
    held = Current(outcome, outcome == "C", None if grade is None else Decimal(grade), NOON, "event-0", unit)
    return {unit.casefold(): held}


def found(shown: Any, held: dict[str, Current], rules: dict[str, Any] | None = None, **said: Any) -> list[Difference]:
    chosen = integration(results=results(**(rules or {})))
    terms = Terms("EN-1", codes=("U1", "U2"), current=held, **said)
    return differences(shown, terms, Rules(1, chosen, 1, LATER))


@pytest.mark.parametrize(
    ("shown", "held", "expected"),
    [
        (standing("U1"), current(), []),
        (standing("U1"), {}, [Difference("not recorded", "U1", "the LMS says C")]),
        (standing("U1", at=LATER), current(), [Difference("to be corrected", "U1", "HR has C, the LMS says C")]),
        (standing("X9"), {}, [Difference("held back", "X9", "unmatched")]),
        (standing(), current(), [Difference("not in the LMS", "U1", "HR has C")]),
        (None, current(), [Difference("not in the LMS", "U1", "HR has C")]),
        (None, current(""), [Difference("not in the LMS", "", "HR has C")]),
        (Completion(NOON, None, {}), current(""), []),
        (Completion(NOON, None, {}), {}, [Difference("not recorded", "", "the LMS says C")]),
    ],
)
def test_each_difference_says_what_it_is(shown: Any, held: dict[str, Current], expected: list[Difference]) -> None:
    """I5, R151: what the next poll brings, what is held back, and what HR keeps although the LMS shows it no more."""
    assert found(shown, held) == expected


def test_a_new_rule_shows_and_does_not_correct() -> None:
    """G7: the preview of what another rule would make of it."""
    told = found(standing("U1", score=40), current(grade=40), {"pass_grade": 50})

    assert told == [Difference("by another rule", "U1", "HR has C, by today's rule NYC")]
    assert found(standing("U1", at=LATER, score=40), current(grade=40), {"pass_grade": 50, "attempts": "first"}) == []


def test_an_earlier_attempt_is_named() -> None:
    told = found(standing("U1"), {}, starts_on=date(2027, 1, 1))

    assert told == [Difference("held back", "U1", "earlier_attempt")]
