"""
Custom reports over course participants: the bulk way to read completions (contract section 8.6).

Everything is text for people: dates to the minute in the zone of the call, Yes/No, decimals.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from simulators.moodle.calls import Call, function
from simulators.moodle.errors import access_denied, missing_record
from simulators.moodle.forms import Value, integer, optional
from simulators.moodle.progress import percentage, progress_of, total
from simulators.moodle.records import date_text, fullname
from simulators.moodle.state import Course, Enrolment, Progress, Report, User

SOURCE = "core_course\\reportbuilder\\datasource\\participants"
PAGE = {"reportid": Value(integer), "page": optional(integer, 0), "perpage": optional(integer, 10)}


@dataclass(frozen=True)
class Row:
    """One participant in one course, with what the columns need."""

    user: User
    course: Course
    enrolment: Enrolment
    progress: Progress
    roles: str
    now: int
    zone: ZoneInfo
    release: str
    last_tasks: float


def _status(row: Row) -> str:
    if row.enrolment.suspended:
        return "Suspended"
    return "Active" if row.enrolment.active(row.now) else "Not current"


def _completed(row: Row) -> str:
    return ("Yes" if row.progress.completed else "No") if _begun(row) else ""


def _begun(row: Row) -> bool:
    """Whether a completion record exists: something was done, or the task has seen the active learner."""
    progress = row.progress
    done = progress.activities or progress.self_completed or progress.grade_met or progress.completed
    seen = row.enrolment.active(row.now) and row.enrolment.created < row.last_tasks
    return bool(done) or (seen and row.course.completion)


def _grade(row: Row) -> str:
    given = total(row.course, row.progress)
    return f"{given[0]:.2f}" if given else ""


def _progress(row: Row) -> str:
    done = percentage(row.course, row.progress, row.release)
    return "" if done is None else f"{done:.1f}%"


def _when(read: Callable[[Row], float | None]) -> Callable[[Row], str]:
    return lambda row: date_text(int(read(row) or 0), row.zone)


def _yes(read: Callable[[Row], bool]) -> Callable[[Row], str]:
    return lambda row: "Yes" if read(row) else "No"


COLUMNS: dict[str, Callable[[Row], str]] = {
    "ID number": lambda row: row.user.idnumber,
    "Username": lambda row: row.user.username,
    "Full name": lambda row: fullname(row.user),
    "Email address": lambda row: row.user.email,
    "Suspended": _yes(lambda row: row.user.suspended),
    "Confirmed": _yes(lambda row: row.user.confirmed),
    "Course ID number": lambda row: row.course.idnumber,
    "Course short name": lambda row: row.course.shortname,
    "Method": lambda _: "Manual enrolments",
    "Role": lambda row: row.roles,
    "Status": _status,
    "Time created": _when(lambda row: row.enrolment.created),
    "Time started": _when(lambda row: row.enrolment.start),
    "Time ended": _when(lambda row: row.enrolment.end),
    "Time enrolled": _when(lambda row: row.enrolment.created if _completed(row) else None),
    "Completed": _completed,
    "Time completed": _when(lambda row: row.progress.completed),
    "Student progress": _progress,
    "Grade": _grade,
}
DEFAULT_COLUMNS = [
    "ID number",
    "Username",
    "Suspended",
    "Course ID number",
    "Course short name",
    "Status",
    "Time started",
    "Time ended",
    "Completed",
    "Time completed",
    "Grade",
]


@function("core_reportbuilder_retrieve_report", PAGE)
def retrieve_report(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """One page of a report; beyond the end there are no rows but the same total."""
    report = call.state.reports.get(args["reportid"])
    if report is None:
        raise missing_record("reportbuilder_report")
    if not call.can("moodle/reportbuilder:view"):
        raise access_denied("You cannot view this report")
    rows = _sorted(report, list(_rows(call, report)))
    start = args["page"] * args["perpage"]
    page = rows[start : start + args["perpage"]]
    call.cost(len(page) * (15 if "Student progress" in report.columns else 1))
    shown = [{"columns": [COLUMNS[name](row) for name in report.columns]} for row in page]
    data = {"headers": list(report.columns), "rows": shown, "totalrowcount": len(rows)}
    return {"details": details(call, report), "data": data, "warnings": []}


def _sorted(report: Report, rows: list[Row]) -> list[Row]:
    if report.sort:
        return sorted(rows, key=lambda row: [COLUMNS[name](row) for name in report.sort])
    return rows


def _rows(call: Call, report: Report) -> Iterator[Row]:
    now, zone, state = call.now, ZoneInfo(call.timezone), call.state
    since = None if report.recent_days is None else now - report.recent_days * 86400
    for course in state.courses.values():
        for user_id, enrolment in state.participants.get(course.id, {}).items():
            progress = progress_of(state, user_id, course.id)
            if since is None or (progress.completed or 0) >= since:
                roles = ", ".join(state.role_names[role] for role in state.roles.get((user_id, course.id), ()))
                yield Row(
                    state.users[user_id],
                    course,
                    enrolment,
                    progress,
                    roles,
                    now,
                    zone,
                    call.site.release,
                    state.last_tasks,
                )


def details(call: Call, report: Report) -> dict[str, Any]:
    """The description of a report."""
    condition = {"operator": 4, "value": report.recent_days, "unit": 1}
    named = {f"completion:timecompleted_{name}": value for name, value in condition.items()}
    conditions = json.dumps(named, separators=(",", ":")) if report.recent_days else None
    record = {"name": report.name, "source": SOURCE, "type": 0, "uniquerows": False, "conditiondata": conditions}
    record |= {"settingsdata": None, "contextid": 1, "component": "", "area": "", "itemid": 0, "usercreated": 2}
    record |= {"id": report.id, "timecreated": report.created, "timemodified": report.created, "usermodified": 2}
    record |= {"sourcename": "Course participants", "modifiedby": _author(call)}
    return record | ({"tags": []} if call.site.release >= "4.5" else {})


def _author(call: Call) -> dict[str, Any]:
    admin = call.state.users[2]
    base = f"{call.site.settings.url}/theme/image.php/boost/core/1"
    record: dict[str, Any] = {
        "id": 2,
        "email": admin.email,
        "idnumber": "",
        "phone1": "",
        "phone2": "",
        "department": "",
    }
    record |= {"institution": "", "fullname": fullname(admin), "identity": admin.email}
    profile = f"{call.site.settings.url}/user/profile.php?id=2"
    return {**record, "profileurl": profile, "profileimageurl": f"{base}/u/f1", "profileimageurlsmall": f"{base}/u/f2"}


@function("core_reportbuilder_list_reports", {"page": optional(integer, 0), "perpage": optional(integer, 10)})
def list_reports(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The reports the account may see."""
    call.cost(len(call.state.reports))
    start = args["page"] * args["perpage"]
    reports = list(call.state.reports.values())[start : start + args["perpage"]]
    return {"reports": [details(call, report) for report in reports], "warnings": []}
