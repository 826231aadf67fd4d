"""
How learning moves on: activities, self-completion, grades, and the task that makes courses complete.

A course turns complete at once when its last criterion is an activity; for self-completion and grades only when the
site's scheduled task runs, although the criterion is already met (contract section 8.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulators.moodle.state import STUDENT, Activity, Course, Progress, State

COMPLETE_STATES = (1, 2)


@dataclass(frozen=True)
class Criterion:
    """One condition of a course for one user: `kind` is 1 self, 4 activity, 6 grade; `met` is when, None while open."""

    kind: int
    met: int | None
    activity: Activity | None = None
    minimum: float = 0.0


def progress_of(state: State, user_id: int, course_id: int) -> Progress:
    """What the user did in the course; an empty record when nothing."""
    return state.progress.get((user_id, course_id)) or Progress()


def open_progress(state: State, user_id: int, course_id: int) -> Progress:
    """The stored record, made if need be."""
    return state.progress.setdefault((user_id, course_id), Progress())


def criteria(course: Course, progress: Progress) -> list[Criterion]:
    """The course's criteria as this user met them."""
    return [_criterion(course, progress, *wanted) for wanted in course.criteria]


def _criterion(course: Course, progress: Progress, kind: str, value: Any = None) -> Criterion:
    if kind == "self":
        return Criterion(1, progress.self_completed)
    if kind == "grade":
        return Criterion(6, progress.grade_met, minimum=value)
    activity = next(activity for activity in course.activities if activity.cmid == value)
    state, at = progress.activities.get(value, (0, 0))
    return Criterion(4, at if state in COMPLETE_STATES else None, activity)


def is_met(course: Course, progress: Progress) -> bool:
    """Whether the criteria taken together are met."""
    met = [criterion.met is not None for criterion in criteria(course, progress)]
    return bool(met) and (any(met) if course.any_criterion else all(met))


def total(course: Course, progress: Progress) -> tuple[float, int] | None:
    """The course total and when it was given; None without any grade."""
    given = [progress.grades[a.grade_item] for a in course.activities if a.grade_item in progress.grades]
    return (sum(grade for grade, _ in given), max(at for _, at in given)) if given else None


def percentage(course: Course, progress: Progress, release: str) -> float | None:
    """The progress shown with a course; 4.5 also counts activities no longer tracked and so can exceed 100."""
    if not course.completion:
        return None
    if progress.completed is not None:
        return 100
    tracked = {activity.cmid for activity in course.activities if activity.tracked}
    done = {cmid for cmid, (state, _) in progress.activities.items() if state}
    counted = done if release >= "4.5" else done & tracked
    return _plain(100 * len(counted) / len(tracked)) if tracked else None


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def is_tracked(state: State, user_id: int, course_id: int, now: int) -> bool:
    """Whether completion is recorded for the user now: a learner with an active enrolment."""
    enrolment = state.enrolment(user_id, course_id)
    learner = STUDENT in state.roles.get((user_id, course_id), ())
    return enrolment is not None and enrolment.active(now) and learner


def do_activity(state: State, user_id: int, course: Course, cmid: int, at: int) -> None:
    """Complete an activity; the course follows at once if that was the last criterion."""
    progress = open_progress(state, user_id, course.id)
    progress.activities[cmid] = (1, at)
    watched = ("activity", cmid) in course.criteria
    if watched and is_met(course, progress):
        _complete(state, user_id, course, progress)


def do_self(state: State, user_id: int, course: Course, at: int) -> None:
    """Mark the course complete oneself; the task makes it so."""
    open_progress(state, user_id, course.id).self_completed = at
    state.open_completions[(user_id, course.id)] = None


def do_grade(state: State, user_id: int, course: Course, item: int, grade: float, at: int) -> None:
    """Grade an item; a grade criterion counts as met from then on, the task does the rest."""
    progress = open_progress(state, user_id, course.id)
    progress.grades[item] = (grade, at)
    passed = total(course, progress)
    minimum = next((value for kind, *value in course.criteria if kind == "grade"), None)
    if minimum and passed and passed[0] >= minimum[0] and progress.grade_met is None:
        progress.grade_met = at
        state.open_completions[(user_id, course.id)] = None


def run_tasks(state: State) -> int:
    """Run the scheduled task: every course whose criteria are met becomes complete; returns how many did."""
    waiting, state.open_completions = state.open_completions, {}
    done = 0
    for user_id, course_id in waiting:
        course, progress = state.courses[course_id], open_progress(state, user_id, course_id)
        if progress.completed is None and is_met(course, progress):
            _complete(state, user_id, course, progress)
            done += 1
    return done


def _complete(state: State, user_id: int, course: Course, progress: Progress) -> None:
    if progress.completed is None:
        progress.completed = max(criterion.met or 0 for criterion in criteria(course, progress))
        state.journal.effect("course completed", user=user_id, course=course.id, time=progress.completed)
