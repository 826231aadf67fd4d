"""
Manual enrolment and participants (contract sections 4.1 to 4.3 and 4.5).
"""

from __future__ import annotations

from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.errors import MoodleError, coding_error, invalid_parameter, missing_record, unknown_user
from simulators.moodle.forms import Multiple, Single, Value, boolean, choice, integer, optional, raw
from simulators.moodle.records import fullname, is_visible, participant_record, phones
from simulators.moodle.state import STUDENT, Course, Enrolment, State, User

WANTED = Single(
    {
        "roleid": Value(integer),
        "userid": Value(integer),
        "courseid": Value(integer),
        "timestart": optional(integer, 0),
        "timeend": optional(integer, 0),
        "suspend": optional(boolean, False),
    }
)
UNWANTED = Single({"userid": Value(integer), "courseid": Value(integer), "roleid": optional(integer)})
OPTIONS = Multiple(Single({"name": Value(raw), "value": Value(raw)}), required=False)
USER_FIELDS = frozenset(
    [
        "id",
        "username",
        "fullname",
        "firstname",
        "lastname",
        "email",
        "address",
        "phone1",
        "phone2",
        "department",
        "institution",
        "interests",
        "firstaccess",
        "lastaccess",
        "auth",
        "confirmed",
        "idnumber",
        "lang",
        "theme",
        "timezone",
        "mailformat",
        "trackforums",
        "description",
        "descriptionformat",
        "city",
        "country",
        "profileimageurlsmall",
        "profileimageurl",
        "customfields",
        "groups",
        "roles",
        "preferences",
        "enrolledcourses",
        "suspended",
        "lastcourseaccess",
    ]
)


@function("enrol_manual_enrol_users", {"enrolments": Multiple(WANTED)})
def enrol_users(call: Call, args: dict[str, Any]) -> None:
    """All enrolments of the call, or none; what exists is overwritten."""
    call.cost(len(args["enrolments"]))
    for wanted in args["enrolments"]:
        _enrol(call, wanted)


def _enrol(call: Call, wanted: dict[str, Any]) -> None:
    if wanted["courseid"] not in call.state.courses:
        raise invalid_parameter("Course not found")
    course = call.enter(wanted["courseid"])
    call.require("enrol/manual:enrol", "Enrol users")
    if wanted["roleid"] not in assignable_roles(call):
        raise MoodleError("wsusercannotassign", "You don't have the permission to assign this role to this user.")
    _require_manual(course)
    user = _target(call, wanted["userid"])
    if user is None:
        raise coding_error("User ID does not exist or is deleted!")
    place_enrolment(call, user, course, wanted)


def _require_manual(course: Course) -> None:
    if course.manual != "enabled":
        message = f"Manual enrolment plugin instance doesn't exist or is disabled for the course (id = {course.id})"
        raise MoodleError("wsnoinstance", message)


def assignable_roles(call: Call) -> frozenset[int]:
    """The roles the account may give in a course."""
    everything = frozenset((1, 3, 4, 5))
    return everything if call.is_admin else call.state.assignable.get(call.account.id, frozenset())


def _target(call: Call, user_id: int) -> User | None:
    """The account to enrol or unenrol; None where 4.4 leaves it to the function to complain."""
    user = call.state.users.get(user_id)
    if call.site.release < "4.5":
        return None if user is None or user.deleted else user
    if user is None:
        raise unknown_user()
    if user.deleted:
        raise MoodleError("userdeleted", "error/userdeleted")
    if not user.confirmed:
        raise MoodleError("usernotconfirmed", "error/usernotconfirmed")
    return user


def place_enrolment(call: Call, user: User, course: Course, wanted: dict[str, Any]) -> None:
    """Insert or overwrite an enrolment and add its role; the ledger is told whether anything changed."""
    state = call.state
    facts = {"start": wanted["timestart"], "end": wanted["timeend"], "suspended": wanted["suspend"]}
    old = state.enrolment(user.id, course.id)
    roles = state.roles.get((user.id, course.id), ())
    new_role = wanted["roleid"] not in roles
    changed = old is None or new_role or any(getattr(old, name) != value for name, value in facts.items())
    if changed:
        _store(call, old, Enrolment(user.id, course.id, created=call.now, **facts))
    if new_role:
        state.journal.put(state.roles, (user.id, course.id), (*roles, wanted["roleid"]))
    told = {"user": user.id, "course": course.id, "role": wanted["roleid"], **facts, "changed": changed}
    state.journal.effect("enrolled", **told, created=old is None, idnumber=user.idnumber)


def _store(call: Call, old: Enrolment | None, new: Enrolment) -> None:
    state = call.state
    if old is not None:
        new.created, new.visible_from = old.created, old.visible_from
    elif call.work.fault is not None:
        new.visible_from = call.site.clock() + call.work.fault.visible_after
    state.journal.put(state.participants.setdefault(new.course, {}), new.user, new)
    state.journal.put(state.enrolled_in.setdefault(new.user, {}), new.course, new)


@function("enrol_manual_unenrol_users", {"enrolments": Multiple(UNWANTED)})
def unenrol_users(call: Call, args: dict[str, Any]) -> None:
    """Remove whole enrolments, roles, group memberships and grades with them; not enrolled is fine."""
    call.cost(len(args["enrolments"]))
    for unwanted in args["enrolments"]:
        _unenrol(call, unwanted)


def _unenrol(call: Call, unwanted: dict[str, Any]) -> None:
    course = call.enter(unwanted["courseid"])
    call.require("enrol/manual:unenrol", "Unenrol users")
    if unwanted["userid"] not in call.state.users and call.site.release < "4.5":
        raise invalid_parameter("User not found")
    _target(call, unwanted["userid"])
    _require_manual(course)
    remove_enrolment(call.state, unwanted["userid"], course)


def remove_enrolment(state: State, user_id: int, course: Course) -> None:
    """Take a user out of a course."""
    if state.enrolment(user_id, course.id) is None:
        return
    state.journal.drop(state.participants[course.id], user_id)
    state.journal.drop(state.enrolled_in[user_id], course.id)
    state.journal.drop(state.roles, (user_id, course.id))
    for group in state.groups_of(course.id):
        state.journal.drop(group.members, user_id)
    progress = state.progress.get((user_id, course.id))
    if progress is not None:
        state.journal.assign(progress, "grades", {})
        state.journal.assign(progress, "feedback", {})
    state.journal.effect("unenrolled", user=user_id, course=course.id)


@function("core_enrol_get_enrolled_users", {"courseid": Value(integer), "options": OPTIONS})
def get_enrolled_users(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The participants of a course, a page of them, with all fields or those named."""
    options = {option["name"]: option["value"] for option in args.get("options", [])}
    order = options.get("sortby", "id")
    choice("id", "firstname", "lastname", "siteorder")(order)
    fields = _wanted_fields(options)
    course = call.enter(args["courseid"], wrapped=True)
    _refuse_both(options)
    users = sorted(_participants(call, course, options), key=lambda user: _sort_key(user, order))
    users = users[::-1] if options.get("sortdirection", "ASC").upper() == "DESC" else users
    start, count = int(options.get("limitfrom", 0)), int(options.get("limitnumber", 0))
    page = users[start : start + count] if count else users[start:]
    # Naming the fields makes the call about ten times cheaper.
    call.cost(len(page) if not fields else len(page) // 10)
    return [_participant(call, user, course, fields) for user in page]


def _wanted_fields(options: dict[str, str]) -> list[str]:
    fields = [name.strip() for name in options.get("userfields", "").split(",") if name.strip()]
    unknown = [name for name in fields if name not in USER_FIELDS]
    if unknown:
        raise MoodleError("invaliduserfield", f"Invalid user field: {unknown[0]}")
    return fields


def _refuse_both(options: dict[str, str]) -> None:
    if options.get("onlyactive") == "1" and options.get("onlysuspended") == "1":
        raise coding_error("Both onlyactive and onlysuspended are set, this is probably not what you want!")


def _sort_key(user: User, order: str) -> tuple[Any, ...]:
    return (user.id,) if order in ("id", "siteorder") else (getattr(user, order).lower(), user.id)


def _participants(call: Call, course: Course, options: dict[str, str]) -> list[User]:
    state = call.state
    if course.id == 1:
        return [user for user in state.users.values() if is_visible(call, user)]
    now = call.site.clock()
    found = [e for e in state.participants.get(course.id, {}).values() if e.visible_from <= now]
    if options.get("onlyactive") == "1":
        found = [enrolment for enrolment in found if enrolment.active(call.now)]
    if options.get("onlysuspended") == "1":
        found = [enrolment for enrolment in found if not enrolment.active(call.now)]
    users = [state.users[enrolment.user] for enrolment in found]
    return [user for user in users if _in_group(call, user, options) and _capable(call, user, course, options)]


def _in_group(call: Call, user: User, options: dict[str, str]) -> bool:
    group_id = int(options.get("groupid", "0"))
    if not group_id:
        return True
    group = call.state.groups.get(group_id)
    if group is None:
        raise missing_record("groups")
    return user.id in group.members


def _capable(call: Call, user: User, course: Course, options: dict[str, str]) -> bool:
    """A rough reading of `withcapability`: any capability is one that learners do not have."""
    if not options.get("withcapability"):
        return True
    return any(role != STUDENT for role in call.state.roles.get((user.id, course.id), ()))


def _participant(call: Call, user: User, course: Course, fields: list[str]) -> dict[str, Any]:
    if fields and not set(fields) & {"customfields", "groups", "roles", "enrolledcourses"}:
        return _short_record(call, user, fields)
    record = participant_record(call, user, course.id)
    always = {"id", "fullname", "phone1", "phone2"}
    return record if not fields else {name: value for name, value in record.items() if name in always | set(fields)}


def _short_record(call: Call, user: User, fields: list[str]) -> dict[str, Any]:
    record: dict[str, Any] = {"id": user.id, "fullname": fullname(user), **phones(call, user)}
    known = {**user.__dict__, "lastcourseaccess": 0, "lastaccess": 0, "firstaccess": 0}
    absent = {name for name in ("idnumber", "institution", "city", "country") if not known[name]}
    shown = [name for name in fields if name in known and name not in absent | {"custom", "preferences"}]
    return record | {name: known[name] for name in shown if not name.startswith("phone")}


@function("core_enrol_get_course_enrolment_methods", {"courseid": Value(integer)})
def get_course_enrolment_methods(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The methods visible from outside; the manual one never is."""
    call.enter(args["courseid"], wrapped=True)
    return []
