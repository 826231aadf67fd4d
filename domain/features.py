"""
What the product offers, in which phase, and what of it is billed (R5).

The first phase is everybody's and free. A later feature works for an integration when its settings name it.
"""

from dataclasses import dataclass
from typing import Literal

Switchable = Literal["available_courses", "course_notices", "assessment_notices", "result_report"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that a client gets; `title` says what."""

    name: str
    phase: Literal[1, 2, 3]
    title: str

    @property
    def billable(self) -> bool:
        """Only the first phase is not."""
        return self.phase > 1


FEATURES = (
    Feature("people", 1, "people out of HR become accounts in the LMS"),
    Feature("courses", 1, "courses out of the LMS become courses in HR"),
    Feature("results", 1, "completions in the LMS become results in HR"),
    Feature("available_courses", 2, "an employee's own list of courses"),
    Feature("course_notices", 2, "employees hear of a new course"),
    Feature("assessment_notices", 2, "an employee hears how they were assessed"),
    Feature("result_report", 3, "results counted by course, payroll or day"),
)


def is_on(feature: Feature, switched_on: tuple[Switchable, ...]) -> bool:
    """Whether somebody with these settings has it."""
    return not feature.billable or feature.name in switched_on


@dataclass(frozen=True, slots=True)
class FeatureLine:
    """One thing that a client may get, and whether somebody with certain settings has it."""

    name: str
    phase: Literal[1, 2, 3]
    title: str
    billable: bool
    on: bool


def lines(switched_on: tuple[Switchable, ...]) -> list[FeatureLine]:
    """All that there is to have, in the order of the phases."""
    return [FeatureLine(f.name, f.phase, f.title, f.billable, is_on(f, switched_on)) for f in FEATURES]
