"""Runs over everything of one flow: what they are called and how they are counted (R1, R11, R81)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

Flow = Literal["people", "courses", "results"]
FLOWS: tuple[Flow, ...] = get_args(Flow)

SCHEDULE = "schedule"
"""Who asks for the runs that nobody asks for."""


@dataclass(slots=True)
class Tally:
    """What came of so many people, courses or completions. Everything skipped or failed has a reason (R11)."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    calls: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def skip(self, reason: str, times: int = 1) -> None:
        if times:
            self.skipped += times
            self.reasons[reason] += times

    def fail(self, reason: str, times: int = 1) -> None:
        if times:
            self.failed += times
            self.reasons[reason] += times
