"""
How learning moves on: units by hand of their learners, courses by their units.

A course is complete once all its lessons are; the figures of a person in a course (percentage, time, state) follow
from their units. A new grade for a unit that stays complete moves none of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulators.talentlms.state import Course, Enrolment, State, Unit, UnitProgress
from simulators.talentlms.timeline import enter

DISPLAY = {"not_attempted": "Not started", "incomplete": "In progress", "completed": "Completed", "failed": "Failed"}
NOT_ATTEMPTED = "Not attempted"
ENDED = {
    ("Test", "Completed"): "unitprogress_test_completion",
    ("Test", "Failed"): "unitprogress_test_failed",
    ("Survey", "Completed"): "unitprogress_survey_completion",
}
GRADED = {"Assignment": "unitprogress_assignment_graded", "Instructor-led training": "unitprogress_ilt_graded"}


def percentage(course: Course, enrolment: Enrolment) -> int:
    """How much of the course is complete, in whole percents."""
    lessons = course.lessons
    done = sum(unit.id in enrolment.units and enrolment.units[unit.id].state == "Completed" for unit in lessons)
    return round(100 * done / len(lessons)) if lessons else 0


def seconds(enrolment: Enrolment) -> int | None:
    """The time spent in the course; None before the first visit."""
    return sum(progress.seconds for progress in enrolment.units.values()) if enrolment.units else None


def standing(enrolment: Enrolment) -> str:
    """The state of the course as a machine word."""
    if enrolment.failed:
        return "failed"
    if enrolment.completed is not None:
        return "completed"
    return "incomplete" if enrolment.units else "not_attempted"


def set_unit(state: State, enrolment: Enrolment, unit: Unit, at: float, /, **changes: Any) -> None:
    """Move a unit on, tell what came of it, and let the course follow; an assignment that gets a score was graded."""
    before = enrolment.units.get(unit.id) or UnitProgress(state=NOT_ATTEMPTED)
    after = replace(before, **changes)
    after = replace(after, completed=_completed(before, after, at))
    state.journal.put(enrolment.units, unit.id, after)
    facts = {"user": enrolment.user, "course": enrolment.course, "unit": unit.id}
    if kind := _effect(before, after):
        state.journal.effect(kind, **facts, score=after.score)
    _tell(state, enrolment, unit, at, before, after)
    settle(state, state.courses[enrolment.course], enrolment, at)


def _effect(before: UnitProgress, after: UnitProgress) -> str:
    done = [progress.state == "Completed" for progress in (before, after)]
    if done[0] != done[1]:
        return "unit completed" if done[1] else "unit reopened"
    return "" if before.score == after.score else "unit graded"


def _completed(before: UnitProgress, after: UnitProgress, at: float) -> float | None:
    if after.state != "Completed":
        return None
    return at if before.completed is None else before.completed


def _tell(state: State, enrolment: Enrolment, unit: Unit, at: float, before: UnitProgress, after: UnitProgress) -> None:
    """An ending goes on the timeline, and each grade does."""
    news = (after.state, after.score) != (before.state, before.score)
    event = ENDED.get((unit.type, after.state)) or (GRADED.get(unit.type) if after.score is not None else None)
    if news and event:
        enter(state, event, state.users[enrolment.user], at, state.courses[enrolment.course], unit)


def settle(state: State, course: Course, enrolment: Enrolment, at: float) -> None:
    """Let the course be complete when all its lessons are, and not when one is open again."""
    complete = bool(course.lessons) and percentage(course, enrolment) == 100
    if complete and enrolment.completed is None:
        end_course(state, enrolment, at)
    elif not complete and enrolment.completed is not None:
        state.journal.assign(enrolment, "completed", None)


def end_course(state: State, enrolment: Enrolment, at: float, failed: bool = False) -> None:
    """The course is over for the person: complete, or failed."""
    course, user = state.courses[enrolment.course], state.users[enrolment.user]
    state.journal.assign(enrolment, "failed", failed)
    state.journal.assign(enrolment, "completed", None if failed else at)
    state.journal.effect("course failed" if failed else "course completed", user=user.id, course=course.id)
    enter(state, "course_failure" if failed else "course_completion", user, at, course)


def reset(state: State, enrolment: Enrolment, at: float, certifications: bool = False) -> None:
    """Let the person start the course again, with or without the certificate they have."""
    course, user = state.courses[enrolment.course], state.users[enrolment.user]
    for name, value in (("units", {}), ("completed", None), ("failed", False)):
        state.journal.assign(enrolment, name, value)
    if certifications:
        kept = tuple(row for row in user.certifications if row["course_id"] != str(course.id))
        state.journal.assign(user, "certifications", kept)
    state.journal.effect("progress reset", user=user.id, course=course.id)
    enter(state, "course_reset_user_progress", user, at, course)
