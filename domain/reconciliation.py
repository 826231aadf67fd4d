"""Where the LMS, our results and HR's knowledge of them do not agree, unit by unit. Nothing here changes anything."""

from dataclasses import dataclass
from typing import Literal

from domain.results import Current, Found, HeldBack, Result, Rules, Terms, decide_result, is_same, judged
from domain.unit_results import Shown, found_in

What = Literal["not recorded", "to be corrected", "held back", "by another rule", "not in the LMS"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs; `unit` is empty for a whole course."""

    what: What
    unit: str
    detail: str


def differences(shown: Shown | None, terms: Terms, rules: Rules) -> list[Difference]:
    """
    What the LMS shows of one enrolment against its results.

    `not recorded` and `to be corrected` are what the next poll brings; `held back` says why something is no result;
    `by another rule` stays as it is, because a new rule does not rewrite the past (G7); what is `not in the LMS` any
    more stays too (R151).
    """
    found = found_in(shown, terms.codes) if shown else []
    told = [difference for one in found if (difference := _difference(one, terms, rules))]
    keys = {one.key for one in found}
    gone = [current for key, current in sorted(terms.current.items()) if key not in keys]
    return told + [Difference("not in the LMS", current.unit, f"HR has {current.outcome}") for current in gone]


def _difference(found: Found, terms: Terms, rules: Rules) -> Difference | None:
    current = terms.current.get(found.key)
    match decide_result(found, terms, rules):
        case HeldBack(reason):
            return Difference("held back", found.unit, reason)
        case Result(kind="recorded", outcome=outcome):
            return Difference("not recorded", found.unit, f"the LMS says {outcome}")
        case Result(outcome=outcome):
            return Difference("to be corrected", found.unit, f"HR has {_of(current)}, the LMS says {outcome}")
    _, outcome = judged(found.completion, rules.results)
    if current and outcome != current.outcome and is_same(found.completion, current):
        return Difference("by another rule", found.unit, f"HR has {current.outcome}, by today's rule {outcome}")
    return None


def _of(current: Current | None) -> str:
    return current.outcome if current else "nothing"
