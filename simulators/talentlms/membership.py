"""
Who belongs where: people in courses, groups and branches, and how one brings the other about.
"""

from __future__ import annotations

from collections.abc import Mapping

from simulators.talentlms.state import Branch, Course, Enrolment, Group, State, User
from simulators.talentlms.timeline import enter


def enrol(state: State, user: User, course: Course, at: float, role: str = "learner", by: str = "call") -> Enrolment:
    """Enrol somebody who is not; `by` says what brought it about, for the ledger."""
    enrolment = Enrolment(user.id, course.id, role, at)
    state.journal.put(state.members.setdefault(course.id, {}), user.id, enrolment)
    state.journal.put(state.enrolled_in.setdefault(user.id, {}), course.id, enrolment)
    state.journal.effect("enrolled", user=user.id, course=course.id, role=role, by=by)
    enter(state, "course_add_user", user, at, course)
    return enrolment


def unenrol(state: State, user: User, course: Course, at: float) -> None:
    """Take somebody out of a course; what they did there is gone."""
    state.journal.drop(state.members[course.id], user.id)
    state.journal.drop(state.enrolled_in[user.id], course.id)
    state.journal.effect("unenrolled", user=user.id, course=course.id)
    enter(state, "course_remove_user", user, at, course)


def join_group(state: State, user: User, group: Group, at: float) -> None:
    """Redeem the group's key: the person is a member and enrolled in its courses."""
    state.journal.put(group.members, user.id, None)
    state.journal.put(state.groups_of.setdefault(user.id, {}), group.id, None)
    state.journal.assign(group, "redemptions", group.redemptions + 1)
    state.journal.effect("group joined", user=user.id, group=group.id)
    enter(state, "group_add_user", user, at, about=group)
    _enrol_in_all(state, user, group.courses, at, "group")


def leave_group(state: State, user: User, group: Group) -> None:
    """Take somebody out of a group; they stay in its courses."""
    state.journal.drop(group.members, user.id)
    state.journal.drop(state.groups_of[user.id], group.id)
    state.journal.effect("group left", user=user.id, group=group.id)


def join_branch(state: State, user: User, branch: Branch, at: float) -> None:
    """Add somebody to a branch and enrol them in its courses."""
    state.journal.put(branch.members, user.id, None)
    state.journal.put(state.branches_of.setdefault(user.id, {}), branch.id, None)
    state.journal.effect("branch joined", user=user.id, branch=branch.id)
    _enrol_in_all(state, user, branch.courses, at, "branch")


def leave_branch(state: State, user: User, branch: Branch) -> None:
    """Take somebody out of a branch."""
    state.journal.drop(branch.members, user.id)
    state.journal.drop(state.branches_of[user.id], branch.id)
    state.journal.effect("branch left", user=user.id, branch=branch.id)


def _enrol_in_all(state: State, user: User, courses: Mapping[int, None], at: float, by: str) -> None:
    for number in courses:
        if state.enrolment(user.id, number) is None:
            enrol(state, user, state.courses[number], at, by=by)


def remove_user(state: State, user: User, at: float, permanent: bool = False) -> None:
    """Delete an account: for good, or so that its enrolments wait for it to come back."""
    for number in state.enrolled_in.get(user.id, {}):
        state.journal.drop(state.members[number], user.id)
    for holder in _holders(state, user):
        state.journal.drop(holder.members, user.id)
    if permanent:
        state.drop_user(user)
        for mine in (state.enrolled_in, state.groups_of, state.branches_of):
            state.journal.drop(mine, user.id)
    else:
        state.change_user(user, deleted=True)
    state.journal.effect("user deleted", user=user.id, permanent=permanent)
    enter(state, "user_delete_user", user, at)


def bring_back(state: State, user: User, at: float) -> None:
    """Undelete an account, as only the portal's pages can; it is again where it was, unless that is gone."""
    state.change_user(user, deleted=False)
    for number, enrolment in list(state.enrolled_in.get(user.id, {}).items()):
        if number in state.courses:
            state.journal.put(state.members.setdefault(number, {}), user.id, enrolment)
        else:
            state.journal.drop(state.enrolled_in[user.id], number)
    for holder in _holders(state, user):
        state.journal.put(holder.members, user.id, None)
    state.journal.effect("user undeleted", user=user.id)
    enter(state, "user_undelete_user", user, at)


def _holders(state: State, user: User) -> list[Group | Branch]:
    """The groups and branches of a person that are still there."""
    groups = [state.groups[number] for number in state.groups_of.get(user.id, {}) if number in state.groups]
    return [*groups, *(state.branches[number] for number in state.branches_of.get(user.id, {}))]
