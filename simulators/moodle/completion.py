"""
Completion of courses and activities for one user (contract sections 8.1 and 8.3).
"""

from __future__ import annotations

from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.courses import formatted
from simulators.moodle.errors import MoodleError, missing_record, unknown_user
from simulators.moodle.forms import Value, integer
from simulators.moodle.progress import Criterion, criteria, is_tracked, progress_of, total
from simulators.moodle.state import Activity, Course, Progress, User

PAIR = {"courseid": Value(integer), "userid": Value(integer)}
TITLES = {1: "Self completion", 4: "Activity completion", 6: "Course grade"}
REQUIREMENTS = {"manual": "Marking yourself complete", "view": "Viewing the page", "grade": "Achieving grade"}
RULES = {"view": ("completionview", "View"), "grade": ("completionusegrade", "Receive a grade")}


def _pair(call: Call, args: dict[str, Any]) -> tuple[Course, User]:
    if args["courseid"] not in call.state.courses:
        raise missing_record("course")
    user = call.state.user(args["userid"])
    if user is None:
        raise unknown_user()
    return call.enter(args["courseid"]), user


@function("core_completion_get_course_completion_status", PAIR)
def get_course_completion_status(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """Whether the course is complete and how each criterion stands; there is no date for the course."""
    course, user = _pair(call, args)
    if not course.completion or not call.can("report/completion:view"):
        raise MoodleError("cannotviewreport", "You cannot view this report")
    if not course.criteria:
        raise MoodleError("nocriteriaset", "No completion criteria set for this course")
    if not is_tracked(call.state, user.id, course.id, call.now):
        raise MoodleError("usernotenroled", "User is not enrolled in this course")
    call.cost(1)
    progress = progress_of(call.state, user.id, course.id)
    met = [_criterion(call, course, progress, criterion) for criterion in criteria(course, progress)]
    aggregation = 2 if course.any_criterion else 1
    status = {"completed": progress.completed is not None, "aggregation": aggregation, "completions": met}
    return {"completionstatus": status, "warnings": []}


def _criterion(call: Call, course: Course, progress: Progress, criterion: Criterion) -> dict[str, Any]:
    title = TITLES[criterion.kind]
    status, details = _details(call, course, progress, criterion)
    record = {"type": criterion.kind, "title": title, "status": status, "complete": criterion.met is not None}
    return {**record, "timecompleted": criterion.met, "details": {"type": title, **details}}


def _details(call: Call, course: Course, progress: Progress, criterion: Criterion) -> tuple[str, dict[str, str]]:
    if criterion.kind == 6:
        given = total(course, progress)
        grade, wanted = f"{given[0]:.2f}" if given else "", f"{criterion.minimum:.2f}"
        told = {"criteria": "Required course grade", "requirement": wanted, "status": grade}
        return f"{grade or '-'} ({wanted} required)", told
    yes = "No" if criterion.met is None else "Yes"
    if criterion.activity is None:
        return yes, {"criteria": TITLES[1], "requirement": REQUIREMENTS["manual"], "status": ""}
    activity = criterion.activity
    url = f"{call.site.settings.url}/mod/{activity.modname}/view.php?id={activity.cmid}"
    link = f'<a href="{url}">{formatted(call, activity.name)}</a>'
    return yes, {"criteria": link, "requirement": REQUIREMENTS[activity.rule], "status": ""}


@function("core_completion_get_activities_completion_status", PAIR)
def get_activities_completion_status(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The state of each activity, for anyone and at any time; nothing when completion is off."""
    course, user = _pair(call, args)
    call.require("report/progress:view", "View activity completion reports")
    call.cost(1)
    progress = progress_of(call.state, user.id, course.id)
    tracked = is_tracked(call.state, user.id, course.id, call.now)
    shown = [activity for activity in course.activities if activity.tracked and course.completion]
    return {"statuses": [_status(activity, progress, tracked) for activity in shown], "warnings": []}


def _status(activity: Activity, progress: Progress, tracked: bool) -> dict[str, Any]:
    state, at = progress.activities.get(activity.cmid, (0, 0))
    automatic = activity.rule != "manual"
    record = {"cmid": activity.cmid, "modname": activity.modname, "instance": activity.instance, "state": state}
    record |= {"timecompleted": at, "tracking": 2 if automatic else 1, "overrideby": None, "valueused": False}
    record |= {"hascompletion": True, "isautomatic": automatic, "istrackeduser": tracked, "uservisible": True}
    return {**record, "details": _rules(activity, state), "isoverallcomplete": bool(state)}


def _rules(activity: Activity, state: int) -> list[dict[str, Any]]:
    if activity.rule not in RULES:
        return []
    name, words = RULES[activity.rule]
    return [{"rulename": name, "rulevalue": {"status": int(bool(state)), "description": words}}]
