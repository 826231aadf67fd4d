"""
People and courses as answers show them: ids are texts, times come twice, names are escaped.
"""

from __future__ import annotations

from typing import Any

from simulators.talentlms.calls import Call
from simulators.talentlms.progress import DISPLAY, percentage, seconds, standing
from simulators.talentlms.state import SECTION, Course, Enrolment, Group, Unit, User
from simulators.talentlms.texts import duration, escaped, moment, price

SHORT_ROW = (
    "id login first_name last_name email status language deactivation_date created_on last_updated "
    "last_updated_timestamp restrict_email"
)
PICTURES = "https://example-cdn.test/images"


def user_row(call: Call, user: User, fresh: bool = False, edited: bool = False) -> dict[str, Any]:
    """An account without its courses; one that was just made or edited shows numbers as numbers."""
    settings = call.settings
    row: dict[str, Any] = {"id": user.id if fresh else str(user.id), "login": user.login}
    row |= {"first_name": escaped(user.first_name), "last_name": escaped(user.last_name), "email": user.email}
    row |= {"restrict_email": str(int(user.restrict_email)), "user_type": user.user_type}
    row |= {"timezone": user.timezone or settings.user_timezone, "language": user.language, "status": user.status}
    row |= {"deactivation_date": _deactivation(call, user), "level": "1", "points": "0"}
    row |= {"credits": "0"} if settings.documented else {}
    row |= {"created_on": moment(settings, user.created), **call.dated("last_updated", user.updated)}
    if fresh or edited:
        row["last_updated_timestamp"] = int(user.updated)
    row |= {"avatar": f"{PICTURES}/default_user.png", "bio": None if user.bio is None else escaped(user.bio)}
    return row | {"login_key": login_key(call, user), **_custom(call, user)}


def _deactivation(call: Call, user: User) -> str:
    return "" if user.deactivation is None else moment(call.settings, user.deactivation)


def _custom(call: Call, user: User) -> dict[str, str | None]:
    values = {key: user.custom.get(key) for key in call.state.user_fields}
    return {key: None if value is None else escaped(value) for key, value in values.items()}


def login_key(call: Call, user: User) -> str:
    """A sign-in address for one use; each use makes another."""
    return f"{call.settings.url}/index/autologin/key:{user.keys:010}example{user.id}"


def person(call: Call, user: User) -> dict[str, Any]:
    """An account with its courses, branches, groups, certifications and badges."""
    state = call.state
    courses = [(state.courses[number], e) for number, e in state.enrolled_in.get(user.id, {}).items()]
    groups = [state.groups[number] for number in state.groups_of.get(user.id, {})]
    branches = [state.branches[number] for number in state.branches_of.get(user.id, {})]
    row = {**user_row(call, user), "courses": [_course_of(call, *pair) for pair in courses]}
    row |= {"branches": [_named(branch) for branch in branches], "groups": [_named(group) for group in groups]}
    return row | {"certifications": list(user.certifications), "badges": list(user.badges)}


def _named(thing: Any) -> dict[str, str]:
    return {"id": str(thing.id), "name": escaped(thing.name)}


def _course_of(call: Call, course: Course, enrolment: Enrolment) -> dict[str, Any]:
    state = standing(enrolment)
    code = f" ({course.code})" if course.code else ""
    row = {"id": str(course.id), "name": escaped(course.name + code), "role": enrolment.role}
    row |= call.dated("enrolled_on", enrolment.enrolled) | call.dated("completed_on", enrolment.completed)
    row |= {"completion_status": state, "completion_status_formatted": display(call, state)}
    row |= {"completion_percentage": str(percentage(course, enrolment)), **call.dated("expired_on", enrolment.expired)}
    last = f"{call.settings.url}/course/lastaccessedunit/course_id:{course.id},user_id:{enrolment.user}"
    return row | duration(seconds(enrolment)) | {"last_accessed_unit_url": last}


def display(call: Call, state: str) -> str:
    """A state of a course as people read it."""
    return "Not Started" if call.settings.documented and state == "not_attempted" else DISPLAY[state]


def short_user_row(call: Call, user: User) -> dict[str, Any]:
    """An account as found by a custom field."""
    row = user_row(call, user)
    return {**{name: row[name] for name in SHORT_ROW.split()}, "certifications": list(user.certifications)}


def course_row(call: Call, course: Course, fresh: bool = False) -> dict[str, Any]:
    """A course without its members and units."""
    settings = call.settings
    row: dict[str, Any] = {"id": course.id if fresh else str(course.id), "name": escaped(course.name)}
    row |= {"code": escaped(course.code), "category_id": str(course.category) if course.category else None}
    row |= {"description": escaped(course.description), "price": price(course.price), "status": course.status}
    row |= {"creation_date": moment(settings, course.created), "last_update_on": moment(settings, course.updated)}
    row |= {"creator_id": str(course.creator), "hide_from_catalog": str(int(course.hidden))}
    row |= {"time_limit": course.time_limit, "start_datetime": course.start}
    row |= {"expiration_datetime": course.expiration, "level": None, "shared": "0", "shared_url": ""}
    row |= {"avatar": f"{PICTURES}/unknown_small.png", "big_avatar": f"{PICTURES}/unknown_big.png"}
    row |= {"certification": None, "certification_duration": None}
    return row | {key: course.custom.get(key) for key in call.state.course_fields}


def whole_course(call: Call, course: Course) -> dict[str, Any]:
    """A course with its members, units and rules."""
    members = call.state.members.get(course.id, {}).values()
    call.cost(len(members))
    row = {**course_row(call, course), "users": [_member(call, course, enrolment) for enrolment in members]}
    row |= {"units": [_unit(call, unit) for unit in course.units], "rules": list(course.rules)}
    return row | {"prerequisites": [], "prerequisite_rule_sets": []}


def _member(call: Call, course: Course, enrolment: Enrolment) -> dict[str, Any]:
    user = call.state.users[enrolment.user]
    row = {"id": str(user.id), "name": escaped(user.short_name), "role": enrolment.role}
    row |= call.dated("enrolled_on", enrolment.enrolled) | call.dated("completed_on", enrolment.completed)
    row |= {"completion_percentage": str(percentage(course, enrolment)), **call.dated("expired_on", enrolment.expired)}
    return row | duration(seconds(enrolment))


def _unit(call: Call, unit: Unit) -> dict[str, str]:
    row = {"id": str(unit.id), "type": unit.type, "name": escaped(unit.name)}
    host = call.settings.url.split("://")[-1]
    return row if unit.type == SECTION else {**row, "url": f"{host}/unit/apiview/id:{unit.id}"}


def group_row(group: Group, fresh: bool = False) -> dict[str, Any]:
    """A group without its members and courses."""
    row: dict[str, Any] = {"id": group.id if fresh else str(group.id), "name": escaped(group.name)}
    row |= {"description": escaped(group.description), "key": group.key, "price": price(group.price)}
    row |= {"owner_id": str(group.owner), "belongs_to_branch": str(group.branch) if group.branch else None}
    counted = group.max_redemptions is not None
    row["max_redemptions"] = str(group.max_redemptions) if counted else None
    return row | {"redemptions_sofar": str(group.redemptions) if counted else None}
