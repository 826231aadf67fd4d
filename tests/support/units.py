"""
A company whose results are read unit by unit: a portal with three units in one course and one in another, HR's own word
on them, and what is asked of the portal.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from db.pool import Pool
from domain.lms import CourseUnit
from tests.support.builders import BY_CODE, Event, course, hires, lms_courses, results
from tests.support.fake_portal import FakePortal
from tests.support.workbench import Workbench

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RECORDED, CORRECTED = "lms.result.recorded.v1", "lms.result.corrected.v1"
FIRE = (CourseUnit("21", "FIRE01 Read & sign"), CourseUnit("22", "FIRE02: Knowledge test"), CourseUnit("23", "Essay"))
LAW = (CourseUnit("31", "law01 Read"),)


def portal() -> FakePortal:
    return FakePortal(courses=lms_courses(), units={"2": FIRE, "3": LAW})


def units(*codes: str, code: str = "C-FIRE", at: int = 0, **said: Any) -> Event:
    """
    HR's word on the units and modules of a course.
    """
    kinds = ("unit", "module")
    listed = [{"code": one, "kind": kinds[n % 2], "title": one.title()} for n, one in enumerate(codes)]
    return course(code, at, units=listed, **said)


HR_COURSES = (units("FIRE01", "FIRE02"), units("LAW01", code="C-LAW"))


def company(pool: Pool, lms: FakePortal, people: int = 1, **chosen: Any) -> Workbench:
    """
    So many people in the first course, provisioned.
    """
    bench = Workbench(
        pool, lms, lms="talentlms", enrolments=BY_CODE | {"when_ended": "remove"}, results=results(**chosen)
    )
    bench.done(*HR_COURSES, *hires(people))
    return bench


def outcomes(bench: Workbench) -> list[tuple[str, str, str]]:
    rows = bench.rows("select enrolment_key, unit_code, outcome from result order by 1, 2")
    return [(row["enrolment_key"], row["unit_code"], row["outcome"]) for row in rows]


def held(bench: Workbench) -> list[tuple[str, str, str]]:
    rows = bench.rows(
        "select enrolment_key, unit_code, reason from held_completion where resolved_at is null order by 1, 2"
    )
    return [(row["enrolment_key"], row["unit_code"], row["reason"]) for row in rows]


def told(bench: Workbench) -> int:
    """
    How many results HR has heard of, corrections included.
    """
    return len(bench.announced(RECORDED)) + len(bench.announced(CORRECTED))


def read_all_again(bench: Workbench) -> None:
    """
    Whatever the marks say, the next poll reads everybody.
    """
    bench.run("update placement set mark = null")


def asked(lms: FakePortal, run: Callable[[], None]) -> dict[str, int]:
    """
    What a run asks: calls by method, a standing being one call each.
    """
    before = len(lms.calls)
    run()
    counts: dict[str, int] = {}
    for method, items in lms.calls[before:]:
        counts[method] = counts.get(method, 0) + (items if method == "standings" else 1)
    return counts
