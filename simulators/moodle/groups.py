"""
Groups in courses (contract section 5).
"""

from __future__ import annotations

from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.errors import (
    MoodleError,
    course_context,
    database_write,
    invalid_parameter,
    missing_record,
    unknown_user,
)
from simulators.moodle.forms import Multiple, Single, Value, integer, optional, raw, text
from simulators.moodle.state import Course, Group

NEW_GROUP = Single(
    {
        "courseid": Value(integer),
        "name": Value(text),
        "description": Value(raw),
        "descriptionformat": optional(integer, 1),
        "enrolmentkey": optional(raw),
        "idnumber": optional(raw, ""),
        "visibility": optional(integer),
        "participation": optional(integer),
    }
)
MEMBERS = Multiple(Single({"groupid": Value(integer), "userid": Value(integer)}))


@function("core_group_create_groups", {"groups": Multiple(NEW_GROUP)})
def create_groups(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """All groups of the call, or none."""
    call.cost(len(args["groups"]))
    return [_create(call, wanted) for wanted in args["groups"]]


def _create(call: Call, wanted: dict[str, Any]) -> dict[str, Any]:
    if not wanted["name"].strip():
        raise invalid_parameter("Invalid group name")
    course = _course(call, wanted["courseid"])
    siblings = list(call.state.groups_of(course.id))
    if any(group.name == wanted["name"] for group in siblings):
        raise invalid_parameter("Group with the same name already exists in the course")
    if wanted["idnumber"] and any(group.idnumber == wanted["idnumber"] for group in siblings):
        raise MoodleError("idnumbertaken", "ID number is already used for another group")
    if len(wanted["name"]) > 254:
        raise database_write()
    facts = {"description": wanted["description"], "description_format": wanted["descriptionformat"]}
    group = Group(call.state.ids.next("group"), course.id, wanted["name"], **facts, idnumber=wanted["idnumber"])
    call.state.journal.put(call.state.groups, group.id, group)
    call.state.journal.effect("group created", group=group.id, course=course.id, name=group.name)
    return {**_record(group), "enrolmentkey": ""}


def _course(call: Call, course_id: int) -> Course:
    if course_id not in call.state.courses:
        raise course_context(course_id, "Can't find data record in database table course.")
    return call.enter(course_id, wrapped=True)


def _record(group: Group) -> dict[str, Any]:
    record = {"id": group.id, "courseid": group.course, "name": group.name, "description": group.description}
    record |= {"descriptionformat": group.description_format, "enrolmentkey": None, "idnumber": group.idnumber}
    return {**record, "visibility": 0, "participation": True}


@function("core_group_get_course_groups", {"courseid": Value(integer)})
def get_course_groups(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The groups of a course by name."""
    course = _course(call, args["courseid"])
    groups = sorted(call.state.groups_of(course.id), key=lambda group: (group.name, group.id))
    call.cost(len(groups))
    return [_record(group) for group in groups]


def _group(call: Call, group_id: int) -> Group:
    if group_id not in call.state.groups:
        raise missing_record("groups")
    return call.state.groups[group_id]


@function("core_group_add_group_members", {"members": MEMBERS})
def add_group_members(call: Call, args: dict[str, Any]) -> None:
    """All memberships of the call, or none; enrolled users only, again is fine."""
    call.cost(len(args["members"]))
    for member in args["members"]:
        group, user_id = _group(call, member["groupid"]), member["userid"]
        if call.state.user(user_id) is None:
            raise unknown_user()
        call.enter(group.course, wrapped=True)
        if call.state.enrolment(user_id, group.course) is None:
            raise invalid_parameter("Only enrolled users may be members of groups")
        if user_id not in group.members:
            call.state.journal.put(group.members, user_id, None)
            call.state.journal.effect("group member added", group=group.id, course=group.course, user=user_id)


@function("core_group_delete_group_members", {"members": MEMBERS})
def delete_group_members(call: Call, args: dict[str, Any]) -> None:
    """Remove memberships; one that is not there is fine."""
    call.cost(len(args["members"]))
    for member in args["members"]:
        group, user_id = _group(call, member["groupid"]), member["userid"]
        if call.state.user(user_id) is None:
            raise unknown_user()
        call.enter(group.course, wrapped=True)
        if user_id in group.members:
            call.state.journal.drop(group.members, user_id)
            call.state.journal.effect("group member removed", group=group.id, course=group.course, user=user_id)


@function("core_group_get_group_members", {"groupids": Multiple(Value(integer))})
def get_group_members(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The members of groups; one unknown group fails the call."""
    groups = [_group(call, group_id) for group_id in args["groupids"]]
    for group in groups:
        call.enter(group.course, wrapped=True)
    call.cost(sum(len(group.members) for group in groups))
    return [{"groupid": group.id, "userids": list(group.members)} for group in groups]


@function(
    "core_group_get_course_user_groups",
    {"courseid": optional(integer, 0), "userid": optional(integer, 0), "groupingid": optional(integer, 0)},
)
def get_course_user_groups(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The groups of one user in one course."""
    course = _course(call, args["courseid"])
    user_id = args["userid"] or call.account.id
    mine = [_record(group) for group in call.state.groups_of(course.id) if user_id in group.members]
    kept = ("id", "name", "description", "descriptionformat", "idnumber", "courseid")
    return {"groups": [{name: record[name] for name in kept} for record in mine], "warnings": []}
