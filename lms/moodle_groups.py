"""
Putting people into groups of Moodle courses.

A group is known by its id number, which is unique in its course only. Members are added all or nothing, again does no
harm, and somebody who is not enrolled fails the call (contract, section 5).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from domain.errors import HoldIntegration, NeedsAttention
from domain.lms import Done, Failed, Membership, Outcome
from lms import moodle_answers as shapes
from lms.batches import Fields, Kind, deliver, one_by_one, stops
from lms.moodle_calls import numbered
from lms.moodle_failures import NOT_THIS_FUNCTION, SITE_INFO
from lms.texts import is_id, problem_of_ids

GET_GROUPS = "core_group_get_course_groups"
ADD_MEMBERS = "core_group_add_group_members"
REFUSED_CODE = "groups_refused"

Ask = Callable[..., Any]


def joined(ask: Ask, memberships: Sequence[Membership]) -> list[Outcome[None]]:
    """Each membership's outcome, in the order given: a call per course, and one per hundred memberships."""
    members = _members(ask, memberships)
    stop = next((m.failure for m in members if isinstance(m, Failed) and stops(m.failure)), None)
    if stop is not None:
        return [m if isinstance(m, Failed) else Failed(stop) for m in members]
    # Sorted by user, as enrolments are: opposite orders end in deadlocks (section 9).
    kind: Kind[Fields, None] = Kind(
        fields=lambda member: member,
        problem=lambda _member: None,
        send=partial(_add, ask),
        key=lambda member: (member["userid"], member["groupid"]),
        order=lambda member: (int(member["userid"]), int(member["groupid"])),
        rolls_back=True,
    )
    added = iter(deliver(kind, [m.value for m in members if isinstance(m, Done)]))
    return [m if isinstance(m, Failed) else next(added) for m in members]


def _members(ask: Ask, memberships: Sequence[Membership]) -> list[Outcome[Fields]]:
    """Each membership as Moodle takes it, or why it is not sent."""
    courses = list(dict.fromkeys(m.course_id for m in memberships if is_id(m.course_id)))
    groups = dict(zip(courses, one_by_one(courses, partial(_groups, ask)), strict=True))
    return [_member(membership, groups) for membership in memberships]


def _member(membership: Membership, groups: Mapping[str, Outcome[dict[str, str]]]) -> Outcome[Fields]:
    problem = problem_of_ids({"user_id": membership.user_id, "course_id": membership.course_id})
    if problem is not None:
        return Failed(problem)
    found = groups[membership.course_id]
    if isinstance(found, Failed):
        return found
    group_id = found.value.get(membership.group_key)
    if group_id is None:
        detail = f"course {membership.course_id} has no group with the id number {membership.group_key}"
        return Failed(NeedsAttention("group_unknown", detail))
    return Done({"groupid": group_id, "userid": membership.user_id})


def _groups(ask: Ask, course_id: str) -> dict[str, str]:
    """The ids of the course's groups by id number."""
    answer = _ask_about_groups(ask, GET_GROUPS, {"courseid": course_id}, shapes.GROUPS)
    return {group.idnumber: str(group.id) for group in answer if group.idnumber}


def _add(ask: Ask, members: Sequence[Fields]) -> list[Outcome[None]]:
    try:
        _ask_about_groups(ask, ADD_MEMBERS, numbered("members", members), shapes.NOTHING, len(members))
    except NeedsAttention as failure:
        if failure.code != REFUSED_CODE:
            raise
        # Refused to everybody alike: nobody need be tried alone.
        return [Failed(failure.with_traceback(None))] * len(members)
    return [Done(None) for _ in members]


def _ask_about_groups(ask: Ask, function: str, *call: Any) -> Any:
    """
    What the function answered.

    Only some courses have groups, so a service without their functions holds up nothing else (R131); a token that is
    refused everything does.
    """
    try:
        return ask(function, *call)
    except HoldIntegration as failure:
        refusal = failure.with_traceback(None)
    if refusal.code not in NOT_THIS_FUNCTION:
        raise refusal
    ask(SITE_INFO, {}, shapes.SITE_INFO)
    raise NeedsAttention(REFUSED_CODE, refusal.detail)
