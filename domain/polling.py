"""How completions are read at the least cost: which plan, which page next, and when again (contract, section 12)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.integration import Results
from domain.lms import Mark, Pair

COMPLETION_TASK_LATE = timedelta(minutes=10)
"""A site marks courses complete within two minutes; much later means that its scheduled task does not run (R74)."""

REREAD_WITHIN = timedelta(hours=20)
"""Every open enrolment is read again within this time, though nothing seems to have moved; a day at the latest, since
none is read again before `REREAD_NOT_BEFORE`."""
REREAD_NOT_BEFORE = timedelta(hours=4)

MANY_COMPLETE = 20
"""A reading that shows none of so many complete any more is not believed (G8)."""


BY_UNIT = ("rosters", "marks")


class Run(BaseModel):
    """
    One pass over an integration's open enrolments and how far it has come.

    Attributes:
        plan: `report` reads everything, `recent` the report of what is new, `people` asks person by person. By unit,
            `rosters` looks at course by course, `marks` at person by person.
        position: The next page of a report, or the last account asked.
        course: The last course looked at.
        sync_run: The run that somebody asked for before this pass began.
        regrades: Grades that were changed later are still to be asked for.
        whole: Courses that everybody has completed are looked at, too.
        doubted: A reading of this pass was not believed.
    """

    model_config = ConfigDict(frozen=True)

    plan: Literal["report", "recent", "people", "rosters", "marks"]
    position: int = 0
    course: str = ""
    sync_run: int | None = None
    regrades: bool = False
    whole: bool = False
    doubted: bool = False

    def after(self, position: int) -> "Run":
        return self.model_copy(update={"position": position})

    def after_course(self, course_id: str) -> "Run":
        return self.model_copy(update={"course": course_id})

    def without_regrades(self) -> "Run":
        return self.model_copy(update={"regrades": False})

    def with_doubt(self) -> "Run":
        return self.model_copy(update={"doubted": True})


def first_step(settings: Results, *, full_at: datetime | None, now: datetime) -> Run:
    """
    The cheapest plan that misses nothing: the report of news while everything was read lately, else the whole report;
    without a whole report, everybody with something open is asked.
    """
    recently = full_at is not None and now - full_at < timedelta(seconds=settings.full_every_s)
    if settings.recent_report and recently:
        return Run(plan="recent")
    return Run(plan="people" if settings.report is None else "report")


@dataclass(frozen=True, slots=True)
class Scope:
    """How many courses and people have something open, and how many pairs that were read before."""

    courses: int
    people: int
    pairs: int


def first_unit_step(
    settings: Results, scope: Scope, *, full_at: datetime | None, regraded_at: datetime | None, now: datetime
) -> Run:
    """Course by course or person by person, whichever is fewer calls."""
    return Run(
        plan="rosters" if scope.courses <= scope.people else "marks",
        regrades=_is_due(regraded_at, settings.regrade_every_s, now),
        whole=_is_due(full_at, settings.full_every_s, now),
    )


def _is_due(last: datetime | None, every_s: int, now: datetime) -> bool:
    return last is None or now - last >= timedelta(seconds=every_s)


def reread_share(pairs: int, since: timedelta | None) -> int:
    """How many of the pairs are to be read again now, so that a day's worth is spread evenly over its passes."""
    return 0 if since is None else min(pairs, math.ceil(pairs * (since / REREAD_WITHIN)))


def moved(known: Iterable[tuple[Pair, Mark | None]], seen: Mapping[Pair, Mark]) -> list[Pair]:
    """The pairs to be read unit by unit, once each; who has vanished from a course is not asked for."""
    return list(dict.fromkeys(pair for pair, mark in known if pair in seen and seen[pair] != mark))


def is_doubtful(completed: Iterable[Pair], seen: Mapping[Pair, Mark]) -> bool:
    """
    Whether a reading shows none complete where many were: a right is more likely lost than all that work (G8).

    Those who left the course do not count, unless everybody has.
    """
    before = {pair for pair in completed if pair in seen or not seen}
    return len(before) >= MANY_COMPLETE and not any(mark.completed_at for mark in seen.values())


@dataclass(frozen=True, slots=True)
class Next:
    """When the integration is polled again, and whether everything has now been read."""

    wait: timedelta
    read_everything: bool


def after_run(run: Run, settings: Results) -> Next:
    """What follows a pass that came to its end."""
    everything = run.whole if run.plan in BY_UNIT else run.plan != "recent"
    return Next(timedelta(seconds=settings.every_s), everything)
