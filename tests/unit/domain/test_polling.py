"""Which way of reading completions comes next, and when."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.polling import Run, after_run, first_step
from tests.unit.domain.values import NOON, results

LATELY, LONG_AGO = NOON - timedelta(hours=23), NOON - timedelta(hours=24)
REPORTS = {"report": "1", "recent_report": "2"}


@pytest.mark.parametrize(
    ("reports", "full_at", "plan"),
    [
        (REPORTS, None, "report"),
        (REPORTS, LATELY, "recent"),
        (REPORTS, LONG_AGO, "report"),
        ({"report": "1"}, LATELY, "report"),
        ({}, LATELY, "people"),
        ({}, None, "people"),
        ({"recent_report": "2"}, LATELY, "recent"),
        ({"recent_report": "2"}, LONG_AGO, "people"),
        ({"recent_report": "2"}, None, "people"),
    ],
)
def test_news_only_while_everything_was_read_lately(
    reports: dict[str, str], full_at: datetime | None, plan: str
) -> None:
    """R82, G4: a completion that no report of news shows any more is found by the full reading."""
    step = first_step(results(**reports), full_at=full_at, now=NOON)

    assert (step.plan, step.position) == (plan, 0)


@given(
    reports=st.fixed_dictionaries({}, optional={"report": st.just("1"), "recent_report": st.just("2")}),
    hours=st.lists(st.integers(1, 30), max_size=20),
)
def test_everything_is_read_at_least_once_per_period(reports: dict[str, str], hours: list[int]) -> None:
    """G4: however irregular the polls, none begins with news alone when the last full reading is a day old."""
    settings = results(**reports)
    now, full_at = NOON, None
    for wait in hours:
        now += timedelta(hours=wait)
        run = first_step(settings, full_at=full_at, now=now)
        if run.plan == "recent":
            assert full_at is not None
            assert now - full_at < timedelta(days=1)
        if after_run(run, settings).read_everything:
            full_at = now


@pytest.mark.parametrize(("plan", "everything"), [("report", True), ("people", True), ("recent", False)])
def test_a_finished_pass_waits_for_its_interval(plan: str, everything: bool) -> None:
    """R80: set per integration."""
    following = after_run(Run.model_validate({"plan": plan}), results(every_s=600))

    assert (following.wait, following.read_everything) == (timedelta(minutes=10), everything)


def test_by_default_everything_is_read_once_a_day() -> None:
    """R80."""
    assert after_run(Run(plan="people"), results()).wait == timedelta(days=1)


def test_a_pass_goes_on_from_its_position() -> None:
    """G1."""
    assert Run(plan="report").after(3) == Run(plan="report", position=3)
