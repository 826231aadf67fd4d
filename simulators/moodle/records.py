"""
Accounts as answers show them: what is empty is absent, and rights decide what is there at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from simulators.moodle.calls import Call
from simulators.moodle.state import ProfileField, User

OMITTED_WHEN_EMPTY = ("idnumber", "institution", "city", "country")
PICTURES = {"profileimageurlsmall": "u/f2", "profileimageurl": "u/f1"}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def sees(call: Call, user: User) -> bool:
    """Whether the caller may see an account at all; others are left out without a word."""
    return user.id == call.account.id or call.can("moodle/user:viewdetails")


def is_visible(call: Call, user: User) -> bool:
    """Whether look-ups find the account yet."""
    return not user.deleted and user.visible_from <= call.site.clock()


def user_record(call: Call, user: User) -> dict[str, Any]:
    """The record of `core_user_get_users_by_field`."""
    record: dict[str, Any] = {"id": user.id, "username": user.username, **names(call, user), "email": user.email}
    record |= {"department": user.department, "firstaccess": 0, "lastaccess": 0, "auth": user.auth}
    record |= {"suspended": user.suspended, "confirmed": user.confirmed, "lang": user.lang, "theme": ""}
    record |= {"timezone": user.timezone, "mailformat": 1, "trackforums": 0, **_pictures(call)}
    record |= {name: getattr(user, name) for name in OMITTED_WHEN_EMPTY if getattr(user, name)}
    record |= phones(call, user)
    if user.description:
        record |= {"description": user.description, "descriptionformat": 1}
    if call.state.profile_fields:
        record["customfields"] = custom_fields(call, user)
    if user.id == call.account.id:
        record["preferences"] = preferences(call, user)
    return record


def names(call: Call, user: User) -> dict[str, Any]:
    """`fullname` for everybody; its parts with a capability, or with the name format of 4.5."""
    shown = call.site.release >= "4.5" or call.can("moodle/site:viewfullnames")
    parts = {"firstname": user.firstname, "lastname": user.lastname} if shown else {}
    return {**parts, "fullname": fullname(user)}


def fullname(user: User) -> str:
    """First and last name."""
    return f"{user.firstname} {user.lastname}"


def phones(call: Call, user: User) -> dict[str, str]:
    """Phone numbers, which only administrators see."""
    numbers = {name: getattr(user, name) for name in ("phone1", "phone2")}
    return {name: number for name, number in numbers.items() if number and call.is_admin}


def preferences(call: Call, user: User) -> list[dict[str, Any]]:
    """The stored preferences and the time at which they were read."""
    stored = [{"name": name, "value": value} for name, value in user.preferences.items()]
    return [*stored, {"name": "_lastloaded", "value": call.now}]


def custom_fields(call: Call, user: User, display: bool = True) -> list[dict[str, Any]]:
    """The profile fields that are set; a checkbox always shows."""
    shown = []
    for field in call.state.profile_fields.values():
        value = user.custom.get(field.shortname, "")
        if field.kind == "checkbox":
            value = value or "0"
        if value:
            entry = {"type": field.kind, "value": value, "name": field.name, "shortname": field.shortname}
            shown.append({**entry, "displayvalue": _display(field, value)} if display else entry)
    return shown


def _display(field: ProfileField, value: str) -> str:
    if field.kind == "checkbox":
        return "No" if value == "0" else "Yes"
    if field.kind == "textarea":
        return f'<div class="no-overflow"><div class="text_to_html">{value}</div></div>'
    if field.kind == "datetime" and value.lstrip("-").isdigit():
        day = datetime.fromtimestamp(int(value), UTC)
        return f"{day.day} {day:%B %Y}"
    return value


def _pictures(call: Call) -> dict[str, str]:
    base = f"{call.site.settings.url}/theme/image.php/boost/core/1"
    return {name: f"{base}/{path}" for name, path in PICTURES.items()}


def participant_record(call: Call, user: User, course_id: int) -> dict[str, Any]:
    """The record of `core_enrol_get_enrolled_users`, every field."""
    record = user_record(call, user)
    for name in ("auth", "suspended", "confirmed", "lang", "theme", "timezone", "mailformat", "trackforums"):
        del record[name]
    if "customfields" in record:
        record["customfields"] = custom_fields(call, user, display=False)
    record["lastcourseaccess"] = 0
    record["roles"] = [_role(call, role) for role in call.state.roles.get((user.id, course_id), ())]
    groups = [_group(group) for group in call.state.groups_of(course_id) if user.id in group.members]
    courses = _courses(call, user)
    return record | ({"groups": groups} if groups else {}) | ({"enrolledcourses": courses} if courses else {})


def _role(call: Call, role: int) -> dict[str, Any]:
    return {"roleid": role, "name": "", "shortname": call.state.role_names[role], "sortorder": 0}


def _group(group: Any) -> dict[str, Any]:
    format_ = group.description_format
    return {"id": group.id, "name": group.name, "description": group.description, "descriptionformat": format_}


def _courses(call: Call, user: User) -> list[dict[str, Any]]:
    from simulators.moodle.courses import by_sort_order, formatted, is_course_visible

    active = [e.course for e in call.state.enrolled_in.get(user.id, {}).values() if e.active(call.now)]
    courses = [call.state.courses[number] for number in active]
    shown = [course for course in by_sort_order(call.state, courses) if is_course_visible(call.state, course)]
    return [{"id": c.id, "fullname": formatted(call, c.fullname), "shortname": c.shortname} for c in shown]


def date_text(seconds: int, timezone: Any) -> str:
    """A moment as Moodle prints it, to the minute: "Saturday, 21 November 2026, 7:39 PM"; 0 is no text."""
    if not seconds:
        return ""
    moment = datetime.fromtimestamp(seconds, timezone)
    hour = moment.hour % 12 or 12
    day = f"{WEEKDAYS[moment.weekday()]}, {moment.day} {moment:%B %Y}"
    return f"{day}, {hour}:{moment.minute:02d} {'AM' if moment.hour < 12 else 'PM'}"
