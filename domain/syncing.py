"""Runs over everything of one kind: what they are called, how far they are and how they are counted (R1, R11, R81)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Flow = Literal["people", "courses", "results"]
FLOWS: tuple[Flow, ...] = get_args(Flow)

Reading = Literal["people", "enrolments", "courses", "results"]
"""What a run reads. People and enrolments belong to one flow and are read apart, because they cost differently."""
READINGS: tuple[Reading, ...] = get_args(Reading)

SCHEDULE = "schedule"
"""Who asks for the runs that nobody asks for."""


class Position(BaseModel):
    """
    How far a scan has come.

    Attributes:
        part: `people` by a hundred, `courses` one by one for who is in them, `dates` of enrolments page by page.
        after: The last account or course read, or the next page.
    """

    model_config = ConfigDict(frozen=True)

    part: Literal["people", "courses", "dates"]
    after: str = "0"


SCANNED: dict[Reading, Position] = {"people": Position(part="people"), "enrolments": Position(part="courses")}
"""Where the scan of a run begins; the other runs need none."""


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
