"""
Roles in contexts (contract section 6). Only course contexts and the system context exist here.
"""

from __future__ import annotations

from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.enrolments import assignable_roles
from simulators.moodle.errors import coding_error, invalid_parameter
from simulators.moodle.forms import Multiple, Single, Value, integer, optional, raw

ASSIGNMENTS = Multiple(
    Single(
        {
            "roleid": Value(integer),
            "userid": Value(integer),
            "contextid": optional(integer),
            "contextlevel": optional(raw),
            "instanceid": optional(integer),
        }
    )
)


@function("core_role_assign_roles", {"assignments": ASSIGNMENTS})
def assign_roles(call: Call, args: dict[str, Any]) -> None:
    """All roles of the call, or none; also to people who are not enrolled, whom it does not enrol."""
    call.cost(len(args["assignments"]))
    for wanted in args["assignments"]:
        key = _place(call, wanted)
        if call.state.user(wanted["userid"]) is None:
            raise coding_error("User ID does not exist or is deleted!")
        held = call.state.roles.get(key, ())
        if wanted["roleid"] not in held:
            call.state.journal.put(call.state.roles, key, (*held, wanted["roleid"]))
            call.state.journal.effect("role assigned", user=key[0], course=key[1], role=wanted["roleid"])


@function("core_role_unassign_roles", {"unassignments": ASSIGNMENTS})
def unassign_roles(call: Call, args: dict[str, Any]) -> None:
    """Take roles away; one that is not held is fine."""
    call.cost(len(args["unassignments"]))
    for unwanted in args["unassignments"]:
        key = _place(call, unwanted)
        held = call.state.roles.get(key, ())
        if unwanted["roleid"] in held:
            kept = tuple(role for role in held if role != unwanted["roleid"])
            call.state.journal.put(call.state.roles, key, kept)
            call.state.journal.effect("role unassigned", user=key[0], course=key[1], role=unwanted["roleid"])


def _place(call: Call, wanted: dict[str, Any]) -> tuple[int, int]:
    """The user and the course (0: the whole site) of an assignment."""
    course_id = _course_id(call, wanted)
    if course_id:
        call.enter(course_id, wrapped=True)
    call.require("moodle/role:assign", "Assign roles to users")
    if wanted["roleid"] not in assignable_roles(call):
        raise invalid_parameter("Can not assign roleid in this context")
    return wanted["userid"], course_id


def _course_id(call: Call, wanted: dict[str, Any]) -> int:
    if wanted.get("contextlevel") == "system" or wanted.get("contextid") == 1:
        return 0
    if wanted.get("contextlevel") == "course" and wanted.get("instanceid") in call.state.courses:
        return int(wanted["instanceid"])
    for course in call.state.courses.values():
        if course.context == wanted.get("contextid", -1):
            return course.id
    raise invalid_parameter("The context does not exist")
