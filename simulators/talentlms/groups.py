"""
Groups, which are joined with a key, and branches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.talentlms.calls import DONE, Call, action, there
from simulators.talentlms.errors import PortalError
from simulators.talentlms.membership import join_branch, join_group, leave_branch, leave_group
from simulators.talentlms.records import group_row
from simulators.talentlms.state import Branch, Group
from simulators.talentlms.texts import escaped


@action("groups")
def groups(call: Call) -> Any:
    """One group with its members and courses, or all of them without."""
    if not call.args.get("id"):
        return [group_row(group) for group in call.page_of(call.state.groups)]
    group = there(call.state.groups.get(call.number("id")), "group")
    return group_row(group) | _inside(call, group)


def _inside(call: Call, holder: Group | Branch) -> dict[str, Any]:
    users = [call.state.users[number] for number in holder.members]
    call.cost(len(users))
    rows = {"users": [{"id": str(user.id), "name": escaped(user.short_name)} for user in users]}
    courses = [call.state.courses[number] for number in holder.courses]
    return rows | {"courses": [{"id": str(course.id), "name": escaped(course.name)} for course in courses]}


@action("creategroup")
def create_group(call: Call) -> dict[str, Any]:
    """A new group with the key that was asked for, or one of its own."""
    number = call.state.ids.next("group")
    facts: dict[str, Any] = {name: call.args[name] for name in ("description", "price") if name in call.args}
    facts["key"] = call.args.get("key") or f"k{number:08}"
    if call.state.found.ids("group key", facts["key"]):
        raise PortalError("group_key_taken")
    if call.args.get("creator_id"):
        facts["owner"] = call.user("creator_id").id
    if call.args.get("max_redemptions"):
        facts["max_redemptions"] = call.number("max_redemptions")
    group = Group(number, call.text("name"), **facts)
    call.state.add_group(group)
    call.effect("group created", group=group.id, name=group.name)
    return group_row(group, fresh=True)


@action("deletegroup")
def delete_group(call: Call) -> dict[str, str]:
    """A group is gone; its people stay enrolled."""
    group = call.group()
    for number in list(group.members):
        leave_group(call.state, call.state.users[number], group)
    call.state.drop_group(group)
    call.effect("group deleted", group=group.id)
    return DONE


@action("addusertogroup")
def add_user_to_group(call: Call) -> dict[str, str]:
    """Redeem a group's key for a person, which enrols them in the group's courses."""
    user, key = call.user(), call.text("group_key")
    group = there(call.state.groups.get(min(call.state.found.ids("group key", key), default=0)), "group_key")
    _refuse_if(user.id in group.members, "group_member")
    _refuse_if(group.max_redemptions is not None and group.redemptions >= group.max_redemptions, "group_key_used_up")
    join_group(call.state, user, group, call.now)
    return _told(call, "user_id", user.id, "group", group)


@action("removeuserfromgroup")
def remove_user_from_group(call: Call) -> dict[str, str]:
    """Take a person out of a group, named by its id."""
    user, group = call.user(), call.group()
    _refuse_if(user.id not in group.members, "group_not_member")
    leave_group(call.state, user, group)
    return _told(call, "user_id", user.id, "group", group)


@action("addcoursetogroup")
def add_course_to_group(call: Call) -> dict[str, str]:
    """Who joins the group from now on is enrolled in the course; who is in it is not."""
    return _add_course(call, "group", call.group())


@action("branches")
def branches(call: Call) -> Any:
    """One branch with its members and courses, or all of them without."""
    if not call.args.get("id"):
        return [_branch(branch) for branch in call.page_of(call.state.branches)]
    branch = there(call.state.branches.get(call.number("id")), "branch")
    return _branch(branch) | _inside(call, branch)


def _branch(branch: Branch) -> dict[str, Any]:
    row = {"id": str(branch.id), "name": escaped(branch.name), "description": escaped(branch.description)}
    return {**row, "users_limit": None if branch.users_limit is None else str(branch.users_limit)}


@action("addusertobranch")
def add_user_to_branch(call: Call) -> dict[str, str]:
    """Add a person to a branch, which enrols them in its courses."""
    user, branch = call.user(), call.branch()
    _refuse_if(user.id in branch.members, "branch_member")
    _refuse_if(branch.users_limit is not None and len(branch.members) >= branch.users_limit, "branch_limit")
    join_branch(call.state, user, branch, call.now)
    return _told(call, "user_id", user.id, "branch", branch)


@action("removeuserfrombranch")
def remove_user_from_branch(call: Call) -> dict[str, str]:
    """Take a person out of a branch."""
    user, branch = call.user(), call.branch()
    _refuse_if(user.id not in branch.members, "branch_not_member")
    leave_branch(call.state, user, branch)
    return _told(call, "user_id", user.id, "branch", branch)


@action("addcoursetobranch")
def add_course_to_branch(call: Call) -> dict[str, str]:
    """Who joins the branch from now on is enrolled in the course."""
    return _add_course(call, "branch", call.branch())


def _add_course(call: Call, kind: str, holder: Group | Branch) -> dict[str, str]:
    course = call.course()
    _refuse_if(course.id in holder.courses, f"{kind}_course")
    call.state.journal.put(holder.courses, course.id, None)
    facts: Mapping[str, int] = {kind: holder.id, "course": course.id}
    call.effect(f"course added to {kind}", **facts)
    return _told(call, "course_id", course.id, kind, holder)


def _refuse_if(refused: bool, name: str) -> None:
    if refused:
        raise PortalError(name)


def _told(call: Call, name: str, number: int, kind: str, holder: Group | Branch) -> dict[str, str]:
    call.cost(1)
    return {name: str(number), f"{kind}_id": str(holder.id), f"{kind}_name": escaped(holder.name)}
