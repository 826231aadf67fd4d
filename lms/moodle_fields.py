"""
Which custom fields a Moodle has, put together from what a token can see of them.

No function lists them. Users show the fields that are set, checkboxes always; courses show all of theirs; the sign-up
settings answer while self-registration is on, with the fields of the sign-up form, and are the only place that tells a
menu's options (contract, sections 3.3, 3.5 and 7).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from domain.errors import HoldIntegration, NeedsAttention
from domain.lms import LmsField, SeenFields
from lms import moodle_answers as shapes
from lms.moodle_answers import SignupField

GET_USERS_BY_FIELD = "core_user_get_users_by_field"
GET_COURSES = "core_course_get_courses"
GET_SIGNUP = "auth_email_get_signup_settings"
MOST_USERS = 100


Ask = Callable[..., Any]


def seen_fields(ask: Ask, user_ids: Sequence[str]) -> SeenFields:
    """
    Every custom field that these users, the courses and the sign-up settings show, and why there may be others.

    Args:
        user_ids: Users to look at; at most a hundred are.
    """
    looked_at = list(dict.fromkeys(user_ids))[:MOST_USERS]
    found = _of_users(ask, looked_at) | _of_courses(ask)
    signup, gap = _of_signup(ask)
    menus = sorted(
        field.name
        for key, field in found.items()
        if key not in signup and field.area == "user" and field.kind == "menu"
    )
    gaps = [
        f"a profile field shows only when one of the {len(looked_at)} users looked at has it, or the sign-up form",
        *gap,
        *([f"the options of {', '.join(menus)} are not told"] if menus else []),
    ]
    return SeenFields([*(found | signup).values()], gaps)


Found = dict[tuple[str, str], LmsField]


def _of_users(ask: Ask, user_ids: Sequence[str]) -> Found:
    if not user_ids:
        return {}
    fields = {"field": "id"} | {f"values[{place}]": value for place, value in enumerate(user_ids)}
    users = ask(GET_USERS_BY_FIELD, fields, shapes.FIELDS_OF_USERS, len(user_ids))
    return _keyed(LmsField("user", f.shortname, f.type, f.name) for user in users for f in user.customfields)


def _of_courses(ask: Ask) -> Found:
    courses = ask(GET_COURSES, {"moodlewssettingraw": "1"}, shapes.FIELDS_OF_COURSES)
    return _keyed(LmsField("course", f.shortname, f.type, f.name) for course in courses for f in course.customfields)


def _of_signup(ask: Ask) -> tuple[Found, list[str]]:
    """The fields of the sign-up form, or why they are not told. That is optional, so a refusal is no failure."""
    try:
        answer = ask(GET_SIGNUP, {}, shapes.SIGNUP)
    except NeedsAttention:
        return {}, ["self-registration by e-mail is off, so the sign-up settings tell nothing"]
    except HoldIntegration:
        return {}, [f"the service does not hold the function {GET_SIGNUP}, which may be added for this"]
    return _keyed(LmsField("user", f.shortname, f.datatype, f.name, _options(f)) for f in answer.profilefields), []


def _options(field: SignupField) -> tuple[str, ...] | None:
    if field.datatype != "menu":
        return None
    lines = (line.strip() for line in (field.param1 or "").splitlines())
    return tuple(line for line in lines if line)


def _keyed(fields: Iterable[LmsField]) -> Found:
    return {(field.area, field.shortname): field for field in fields}
