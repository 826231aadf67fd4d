"""Which units of a course are completed, as HR knows them: by the code that a unit's name begins with (R148, R149)."""

import re
from collections.abc import Iterable, Sequence

from domain.lms import Completion, Standing, UnitState
from domain.results import Found

Shown = Completion | Standing
"""What an LMS shows of one enrolment: a whole course that is completed, or a course unit by unit."""

_PUNCTUATION = re.compile(r"[\W_]")
_LONGEST = 255


def found_in(shown: Shown, codes: Sequence[str]) -> list[Found]:
    """
    All that is completed; of units, under HR's code where HR's course has one of these `codes`.

    The units of the LMS that bear one code count as one: it is completed when all of them are, with the latest date and
    the lowest grade.
    """
    if isinstance(shown, Completion):
        return [Found(shown)]
    known = {_bare(code).casefold(): code for code in reversed(codes)}
    groups: dict[tuple[str, bool], list[UnitState]] = {}
    labels: dict[str, str] = {}
    for unit in shown.units:
        possible = codes_in(unit.name)
        code = next((known[one.casefold()] for one in possible if one.casefold() in known), None)
        label = code or next(iter(possible), f"#{unit.unit_id}")
        label = labels.setdefault(label.casefold(), label)
        groups.setdefault((label, code is not None), []).append(unit)
    return [
        Found(_together(units), label, is_known, shown.mark.enrolled_at)
        for (label, is_known), units in groups.items()
        if all(unit.completed for unit in units)
    ]


def codes_in(name: str) -> list[str]:
    """
    What may be the code at the beginning of a unit's name, the longest first: its first word, then what stands before
    each punctuation mark within. Empty for a name without any.
    """
    first = next(iter(re.sub(r"^[\W_]+", "", name).split()), "")
    word = _bare(first)[:_LONGEST]
    ends = [len(word), *sorted((mark.start() for mark in _PUNCTUATION.finditer(word)), reverse=True)]
    return [word[:end] for end in ends if end]


def _bare(code: str) -> str:
    """Without blanks and punctuation around it."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", code)


def _together(units: Iterable[UnitState]) -> Completion:
    every = sorted(units, key=lambda unit: unit.unit_id)
    dates = [unit.completed_at for unit in every if unit.completed_at is not None]
    scores = [unit.score for unit in every if unit.score is not None]
    return Completion(
        max(dates, default=None),
        min(scores, default=None),
        {"source": "units", "units": [_told(unit) for unit in every]},
    )


def _told(unit: UnitState) -> dict[str, str | None]:
    return {
        "id": unit.unit_id,
        "name": unit.name,
        "status": unit.status,
        "completed_at": None if unit.completed_at is None else unit.completed_at.isoformat(),
        "score": None if unit.score is None else str(unit.score),
    }
