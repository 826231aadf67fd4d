"""
A database that has seen a million events: how long what people look at takes.

The rows are made by the server itself, in a minute or two: 150,000 people in two integrations, 300,000 enrolments, a
million events with a million lines of history, announcements, and failures, ten thousand of them of one cause.
Each figure is what the server side of a page or command takes, from the first query to the value that is shown.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figures import Figure, alone
from benchmarks.lab import Lab, lab
from benchmarks.people import TENANT
from db.configuration import integrations
from db.console_views import Views
from db.failure_groups import count_groups
from db.failure_views import FailureViews
from db.people import PeopleViews, Subject
from db.pool import transaction

ROUNDS = 7
EVENTS, PEOPLE, COURSES = 1_000_000, 150_000, 200
ONE_CAUSE, OTHER_CAUSES = 10_000, 40
CODE = "course_not_found"

SEED = Path(__file__).with_name("seed.sql")


def seed(place: Lab, **sizes: int) -> float:
    """The rows are there, counted and analysed; how many seconds it took."""
    began = time.monotonic()
    values: dict[str, Any] = {
        "tenant": TENANT,
        "events": EVENTS,
        "people": PEOPLE,
        "courses": COURSES,
        "one_cause": ONE_CAUSE,
        "other_causes": OTHER_CAUSES,
        **sizes,
    }
    with psycopg.connect(place.settings.database_url, autocommit=True) as connection:
        connection.execute("set statement_timeout = 0")
        for statement in filter(str.strip, SEED.read_text(encoding="utf-8").split(";\n")):
            connection.execute(statement.encode(), values)
        connection.execute("vacuum analyze")
    with transaction(place.pool) as db:
        db.execute("set local statement_timeout = 0")
        count_groups(db)
    return time.monotonic() - began


def measure(say: Callable[[str], None]) -> list[Figure]:
    with lab() as place:
        say(f"seeded in {seed(place):.0f} s")
        figures = [_timed(name, place, look) for name, look in LOOKS.items()]
        for figure in figures:
            say(f"{figure.name} {figure.value:g}")
    return figures


def _status(place: Lab) -> None:
    with transaction(place.pool) as db:
        overview = Views(db, TENANT).overview()
        integrations(db, TENANT)
    assert overview.inbox["applied"] > 0  # noqa: S101 - what is measured has to be there


def _groups(place: Lab) -> None:
    with transaction(place.pool) as db:
        found = FailureViews(db, TENANT).groups()
    assert found[0].failures == ONE_CAUSE  # noqa: S101


def _timeline(place: Lab) -> None:
    with transaction(place.pool) as db:
        lines = PeopleViews(db).timeline(Subject(TENANT, f"E-{PEOPLE // 2}", None), 200)
    assert lines  # noqa: S101


def _search(place: Lab) -> None:
    with transaction(place.pool) as db:
        views = PeopleViews(db)
        found: Sequence[Subject] = [*views.whose(f"E-{PEOPLE // 3}", None), *views.whose(f"EN-{PEOPLE}", None)]
    assert len(found) >= 2  # noqa: S101


LOOKS: dict[str, Callable[[Lab], None]] = {
    "status_ms": _status,
    "groups_ms": _groups,
    "timeline_ms": _timeline,
    "search_ms": _search,
}


def _timed(name: str, place: Lab, look: Callable[[Lab], None]) -> Figure:
    look(place)
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        look(place)
        times.append(1000 * (time.perf_counter() - began))
    return alone(name, [statistics.median(times)], "ms", "<= 300")
