"""
Grades (contract sections 8.4 and 8.5).
"""

from __future__ import annotations

from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.courses import by_sort_order
from simulators.moodle.errors import missing_record, unknown_user
from simulators.moodle.forms import Value, integer, optional
from simulators.moodle.progress import is_tracked, progress_of, total
from simulators.moodle.records import fullname
from simulators.moodle.state import Activity, Course, Progress, User

UNGRADED = {"gradedatesubmitted": None, "gradehiddenbydate": False, "gradeneedsupdate": False, "gradeishidden": False}
UNGRADED |= {"gradeislocked": False, "gradeisoverridden": False}
ITEMS = {"courseid": Value(integer), "userid": optional(integer, 0), "groupid": optional(integer, 0)}


@function("gradereport_user_get_grade_items", ITEMS)
def get_grade_items(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The grades of one user, whoever it is, or of all current learners of a course."""
    if args["courseid"] not in call.state.courses:
        raise missing_record("course")
    course = call.enter(args["courseid"])
    call.require("moodle/grade:viewall", "View all grades")
    users = [_one(call, args["userid"])] if args["userid"] else _learners(call, course, args["groupid"])
    call.cost(len(users))
    return {"usergrades": [_usergrades(call, course, user) for user in users], "warnings": []}


def _one(call: Call, user_id: int) -> User:
    user = call.state.user(user_id)
    if user is None:
        raise unknown_user()
    return user


def _learners(call: Call, course: Course, group_id: int) -> list[User]:
    ids = [
        number
        for number in call.state.participants.get(course.id, {})
        if is_tracked(call.state, number, course.id, call.now)
    ]
    if group_id:
        ids = [number for number in ids if number in call.state.groups[group_id].members]
    return sorted((call.state.users[number] for number in ids), key=lambda user: (user.lastname, user.firstname))


def _usergrades(call: Call, course: Course, user: User) -> dict[str, Any]:
    progress = progress_of(call.state, user.id, course.id)
    activities = (
        [activity for activity in course.activities if activity.grade_item] if call.can("mod/assign:view") else []
    )
    items = [_item(course, progress, activity) for activity in activities]
    record: dict[str, Any] = {"courseid": course.id, "courseidnumber": course.idnumber, "userid": user.id}
    record |= {"userfullname": fullname(user), "useridnumber": user.idnumber, "maxdepth": 2}
    return {**record, "gradeitems": [*items, _course_item(course, progress)]}


def _item(course: Course, progress: Progress, activity: Activity) -> dict[str, Any]:
    item = activity.grade_item
    given = progress.grades.get(item)
    record = _common(item, given, activity.grademax)
    record |= {"itemname": activity.name, "itemtype": "mod", "itemmodule": activity.modname, "itemnumber": 0}
    record |= {"iteminstance": activity.instance, "idnumber": activity.idnumber, "categoryid": course.id - 1}
    record |= {"cmid": activity.cmid, "feedback": progress.feedback.get(item, ""), "feedbackformat": 0}
    return record | (_weight(given, progress) if progress.grades else {})


def _weight(given: tuple[float, int] | None, progress: Progress) -> dict[str, Any]:
    if given is None:
        return {"weightraw": 0, "weightformatted": "0.00 %", "status": "novalue", "feedbackformat": 2}
    share = 1 / len(progress.grades)
    return {"weightraw": _plain(share), "weightformatted": f"{100 * share:.2f} %"}


def _course_item(course: Course, progress: Progress) -> dict[str, Any]:
    graded = [a for a in course.activities if a.grade_item and (not progress.grades or a.grade_item in progress.grades)]
    record = _common(course.grade_item, total(course, progress), sum(activity.grademax for activity in graded))
    record |= {"itemname": None, "itemtype": "course", "itemmodule": None, "iteminstance": course.id - 1}
    record |= {"itemnumber": None, "idnumber": None, "categoryid": None, "feedback": ""}
    return {**record, "feedbackformat": 2 if progress.grades else 0}


def _common(item: int, given: tuple[float, int] | None, most: float) -> dict[str, Any]:
    most = _plain(most)
    shown: dict[str, Any] = {
        "graderaw": None,
        "gradedategraded": None,
        "gradeformatted": "-",
        "percentageformatted": "-",
    }
    if given is not None:
        percent = f"{100 * given[0] / most:.2f} %" if most else "-"
        shown = {"graderaw": _plain(given[0]), "gradedategraded": given[1], "gradeformatted": f"{given[0]:.2f}"}
        shown["percentageformatted"] = percent
    record: dict[str, Any] = {"id": item, "outcomeid": None, "scaleid": None, "locked": False, **UNGRADED, **shown}
    return {**record, "grademin": 0, "grademax": most, "rangeformatted": f"0&ndash;{most}"}


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


@function("gradereport_overview_get_course_grades", {"userid": optional(integer, 0)})
def get_course_grades(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The totals of all courses of one user, suspended enrolments included."""
    user = _one(call, args["userid"] or call.account.id)
    if user.id != call.account.id:
        call.require("moodle/grade:viewall", "View all grades")
    enrolled = [call.state.courses[number] for number in call.state.enrolled_in.get(user.id, {})]
    courses = [course for course in by_sort_order(call.state, enrolled) if course.visible]
    call.cost(len(courses))
    return {"grades": [_overview(call, user, course) for course in courses], "warnings": []}


def _overview(call: Call, user: User, course: Course) -> dict[str, Any]:
    given = total(course, progress_of(call.state, user.id, course.id))
    if given is None:
        return {"courseid": course.id, "grade": "-", "rawgrade": None}
    return {"courseid": course.id, "grade": f"{given[0]:.2f}", "rawgrade": f"{given[0]:.5f}"}
