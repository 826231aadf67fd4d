"""
People in courses: enrolling, unenrolling, how far they are, starting again.
"""

from __future__ import annotations

from typing import Any

from simulators.talentlms.calls import DONE, Call, action, there
from simulators.talentlms.errors import PortalError
from simulators.talentlms.membership import enrol, unenrol
from simulators.talentlms.progress import NOT_ATTEMPTED, percentage, reset, seconds, standing
from simulators.talentlms.records import display
from simulators.talentlms.state import Course, Enrolment, Unit, UnitProgress, User
from simulators.talentlms.texts import duration, escaped, score
from simulators.talentlms.users import find

ROLES = ("learner", "instructor")


@action("addusertocourse")
def add_user_to_course(call: Call) -> list[dict[str, str]]:
    """Enrol a person, named by id or address, in a course, named by id or name."""
    user, course, role = _named_user(call), _named_course(call), call.args.get("role", "learner")
    if role not in ROLES:
        raise PortalError("arguments")
    if call.state.enrolment(user.id, course.id) is not None:
        raise PortalError("enrolled")
    if call.settings.refuses_inactive and "inactive" in (user.status, course.status):
        raise PortalError("user_inactive" if user.status == "inactive" else "course_inactive")
    enrol(call.state, user, course, call.now, role)
    call.cost(1)
    return [{"user_id": str(user.id), "course_id": str(course.id), "role": role}]


def _named_user(call: Call) -> User:
    if call.args.get("user_id"):
        return call.user()
    return call.person(find(call, "email", call.text("user_email")))


def _named_course(call: Call) -> Course:
    if call.args.get("course_id"):
        return call.course()
    ids = call.state.found.ids("course name", call.text("course_name"))
    return there(call.state.courses.get(min(ids, default=0)), "course")


def _pair(call: Call) -> tuple[User, Course, Enrolment]:
    user, course = call.user(), call.course()
    call.cost(1)
    return user, course, there(call.state.enrolment(user.id, course.id), "not_enrolled")


@action("removeuserfromcourse")
def remove_user_from_course(call: Call) -> dict[str, str]:
    """Unenrol a person."""
    user, course, _ = _pair(call)
    unenrol(call.state, user, course, call.now)
    return {"user_id": str(user.id), "course_id": str(course.id), "course_name": escaped(course.name)}


@action("resetuserprogress")
def reset_user_progress(call: Call) -> dict[str, str]:
    """Let a person start a course again."""
    reset(call.state, _pair(call)[2], call.now, certifications=call.args.get("remove_certification") == "yes")
    return DONE


@action("getuserstatusincourse")
def get_user_status_in_course(call: Call) -> dict[str, Any]:
    """How far a person is in a course, and in each of its units."""
    _, course, enrolment = _pair(call)
    row = {"role": enrolment.role, **call.dated("enrolled_on", enrolment.enrolled)}
    row |= {"completion_status": display(call, standing(enrolment))}
    row |= {"completion_percentage": str(percentage(course, enrolment))}
    row |= call.dated("completed_on", enrolment.completed) | call.dated("expired_on", enrolment.expired)
    row |= duration(seconds(enrolment))
    return row | {"units": [_unit(call, unit, enrolment.units.get(unit.id)) for unit in course.lessons]}


def _unit(call: Call, unit: Unit, progress: UnitProgress | None) -> dict[str, Any]:
    shown = progress or UnitProgress(NOT_ATTEMPTED)
    row = {"id": str(unit.id), "name": escaped(unit.name), "type": unit.type, "completion_status": shown.state}
    row |= call.dated("completed_on", shown.completed)
    return {**row, "score": score(shown.score), **duration(progress.seconds if progress else None)}


@action("getusersprogressinunits")
def get_users_progress_in_units(call: Call) -> Any:
    """How a unit stands for one person, or for everybody in its course; documented is: everybody who tried it."""
    course, unit = call.unit()
    if call.args.get("user_id"):
        user = call.user()
        enrolment = call.state.enrolment(user.id, course.id)
        row = _standing(user.id, enrolment.units.get(unit.id) if enrolment else None)
        return [row] if call.settings.documented else row
    members = [e for e in call.state.members.get(course.id, {}).values() if e.role == "learner"]
    call.cost(len(members))
    tried = [e for e in members if unit.id in e.units or not call.settings.documented]
    return [_standing(enrolment.user, enrolment.units.get(unit.id)) for enrolment in tried]


def _standing(user: int, progress: UnitProgress | None) -> dict[str, Any]:
    if progress is None:
        return {"user_id": str(user), "status": NOT_ATTEMPTED, "score": 0}
    return {"user_id": str(user), "status": progress.state, "score": score(progress.score)}


@action("gettestanswers")
def get_test_answers(call: Call) -> dict[str, Any]:
    """A person's answers in a test, with the score as a percentage and a word of its own for complete."""
    row, progress = _answers(call, "test", "Test")
    word = {"Completed": "Passed"}.get(progress.state, progress.state)
    return row | {"score": f"{score(progress.score)}%", "completion_status": word} | _end(call, progress)


@action("getsurveyanswers")
def get_survey_answers(call: Call) -> dict[str, Any]:
    """A person's answers in a survey."""
    row, progress = _answers(call, "survey", "Survey")
    return row | {"completion_status": progress.state} | _end(call, progress)


def _answers(call: Call, kind: str, type_: str) -> tuple[dict[str, Any], UnitProgress]:
    (course, unit), user = call.unit(f"{kind}_id"), call.user()
    if unit.type != type_:
        raise PortalError("unit")
    enrolment = call.state.enrolment(user.id, course.id)
    progress = there(enrolment.units.get(unit.id) if enrolment else None, f"no_{kind}_progress")
    row = {f"{kind}_id": str(unit.id), f"{kind}_name": escaped(unit.name), "user_id": str(user.id)}
    return {**row, "user_name": escaped(user.short_name)}, progress


def _end(call: Call, progress: UnitProgress) -> dict[str, Any]:
    ended = call.dated("completed_on", progress.completed) | duration(progress.seconds)
    return {**ended, "questions": list(progress.questions)}
