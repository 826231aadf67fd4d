"""How completions are read at the least cost: which plan, which page next, and when again (contract, section 12)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.integration import Results

COMPLETION_TASK_LATE = timedelta(minutes=10)
"""A site marks courses complete within two minutes; much later means that its scheduled task does not run (R74)."""


class Run(BaseModel):
    """
    One pass over an integration's open enrolments and how far it has come.

    Attributes:
        plan: `report` reads everything, `recent` the report of what is new, `people` asks person by person.
        position: The next page of a report, or the last account asked.
        sync_run: The run that somebody asked for before this pass began.
    """

    model_config = ConfigDict(frozen=True)

    plan: Literal["report", "recent", "people"]
    position: int = 0
    sync_run: int | None = None

    def after(self, position: int) -> "Run":
        return self.model_copy(update={"position": position})


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
class Next:
    """When the integration is polled again, and whether everything has now been read."""

    wait: timedelta
    read_everything: bool


def after_run(run: Run, settings: Results) -> Next:
    """What follows a pass that came to its end."""
    return Next(timedelta(seconds=settings.every_s), run.plan != "recent")
