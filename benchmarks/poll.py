"""
What it costs to learn that nothing is new: 10,000 open enrolments in 50 courses, nobody has finished anything.

The poller and the scheduler of an installation run one poll, and every call that reaches the simulator counts.
"""

from collections.abc import Callable

from benchmarks.figures import Figure, alone
from benchmarks.lab import lab
from benchmarks.settled import settle

COURSES, PEOPLE, COURSES_EACH = 50, 2_000, 5


def measure(say: Callable[[str], None]) -> list[Figure]:
    figures = []
    for name, report, goal in (
        ("quiet_poll_calls", "1", "<= 12"),
        ("quiet_poll_calls_without_report", None, None),
    ):
        calls, seconds = _poll(report)
        say(f"{name}: {calls} calls; {seconds:.1f} s with a site that takes no time")
        figures.append(alone(name, [calls], "calls", goal))
    return figures


def _poll(report: str | None) -> tuple[int, float]:
    with lab() as place, place.simulator("off", courses=COURSES) as site:
        integration_id = place.add_integration(site.url, report=report)
        settle(place, site, integration_id, people=PEOPLE, courses_each=COURSES_EACH)
        before = len(site.calls())
        with place.running("poller", "scheduler"):
            place.wait("poll", lambda: place.one("select polled_at is not null from poll_cursor"))
        calls = site.calls()[before:]
        assert not place.one("select count(*) from result"), "somebody has finished"  # noqa: S101 - checks the setting
    return len(calls), max(call["at"] + call["duration"] for call in calls) - min(call["at"] for call in calls)
