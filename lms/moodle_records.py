"""
People and enrolments as form fields, and what must be true of them before they are sent.

The answer would not say what was wrong, and one bad element sinks its whole batch (contract, sections 1.2 and 10.4).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from domain.errors import HoldIntegration, NeedsAttention
from domain.lms import CUSTOM, CustomValue, LmsCourse, LmsEnrolment, LmsUser, NewUser, UserChange
from lms.moodle_answers import CategoryRecord, CourseRecord, CustomFieldRecord, UserRecord
from lms.texts import is_email, is_id, is_sendable, problem_of_ids

FIELD_NAMES = {
    "external_key": "idnumber",
    "email": "email",
    "first_name": "firstname",
    "last_name": "lastname",
    "suspended": "suspended",
}
LOOK_UPS = {"user_id": "id", "external_key": "idnumber", "email": "email", "username": "username"}
SITE_COURSE = "site"
GUEST = "guest"

_USERNAME = re.compile(r"[-.@_a-z0-9]{1,100}")
_SHORTNAME = re.compile(r"[A-Za-z0-9_-]+")
# PHP takes every "<" for a tag that no white space follows, and drops the rest of the text.
_TAG = re.compile(r"<(?!\s)")
MAX_NAME, MAX_EMAIL, MAX_KEY = 100, 100, 255


def new_user_fields(new: NewUser) -> dict[str, str]:
    """The fields of one element of core_user_create_users."""
    fields = {
        "username": new.username,
        "firstname": new.first_name,
        "lastname": new.last_name,
        "email": new.email,
        "idnumber": new.external_key,
    }
    if new.language:
        fields["lang"] = new.language
    fields |= _custom_fields(new.custom)
    if new.password is None:
        return fields | {"createpassword": "1"}
    fields["password"] = new.password
    if new.force_password_change:
        fields |= {"preferences.0.type": "auth_forcepasswordchange", "preferences.0.value": "1"}
    return fields


def change_fields(change: UserChange) -> dict[str, str]:
    """The fields of one element of core_user_update_users."""
    sent = {FIELD_NAMES[name]: _value(value) for name, value in change.fields.items() if name in FIELD_NAMES}
    return {"id": change.user_id} | sent | _custom_fields(_custom_of(change))


def _custom_of(change: UserChange) -> dict[str, str]:
    named = {name.removeprefix(CUSTOM): value for name, value in change.fields.items() if name.startswith(CUSTOM)}
    return {name: _value(value) for name, value in named.items()}


def _custom_fields(custom: Mapping[str, str]) -> dict[str, str]:
    """On input `type` is the field's short name (section 3.1)."""
    fields: dict[str, str] = {}
    for place, (name, value) in enumerate(custom.items()):
        fields |= {f"customfields.{place}.type": name, f"customfields.{place}.value": value}
    return fields


def enrolment_fields(enrolment: LmsEnrolment) -> dict[str, str]:
    """The fields of one enrolment, always all of them: what is left out is reset (section 4.1)."""
    return {
        "roleid": enrolment.role,
        "userid": enrolment.user_id,
        "courseid": enrolment.course_id,
        "timestart": _seconds(enrolment.starts_at),
        "timeend": _seconds(enrolment.ends_at),
        "suspend": _value(enrolment.suspended),
    }


def problem_of_user(new: NewUser) -> NeedsAttention | None:
    """Why Moodle would refuse this user, as far as that can be known before."""
    if not _USERNAME.fullmatch(new.username):
        return NeedsAttention("username_invalid", "username")
    texts = {"email": new.email, "first_name": new.first_name, "last_name": new.last_name}
    optional = {"external_key": new.external_key, "language": new.language}
    given = texts | {name: value for name, value in optional.items() if value}
    return _problem_of_texts(given) or _problem_of_custom(new.custom)


def problem_of_change(change: UserChange) -> NeedsAttention | None:
    """Why Moodle would refuse this change."""
    sent = {name: value for name, value in change.fields.items() if name in FIELD_NAMES}
    texts = {name: value for name, value in sent.items() if isinstance(value, str)}
    ids = {"user_id": change.user_id}
    return problem_of_ids(ids) or _problem_of_texts(texts) or _problem_of_custom(_custom_of(change))


def problem_of_enrolment(enrolment: LmsEnrolment) -> NeedsAttention | None:
    """Why Moodle would refuse this enrolment."""
    ids = {"user_id": enrolment.user_id, "course_id": enrolment.course_id, "role": enrolment.role}
    return problem_of_ids(ids)


def can_exist(by: str, value: str) -> bool:
    """Whether a user may hold this value; one impossible user name or id fails a whole look-up (section 3.3)."""
    if by == "username":
        return _USERNAME.fullmatch(value) is not None
    return is_id(value) if by == "user_id" else bool(value) and is_sendable(value)


def as_user(record: UserRecord, own_id: str) -> LmsUser:
    """
    The user in our words.

    Raises HoldIntegration (right_missing) when the token may not see what a user always has: read as empty, it would
    be "corrected" for ever.
    """
    if record.username is None or record.email is None or record.firstname is None or record.lastname is None:
        raise HoldIntegration("right_missing", "user records come without name, user name or address")
    user_id = str(record.id)
    return LmsUser(
        user_id=user_id,
        username=record.username,
        email=record.email,
        external_key=record.idnumber,
        first_name=record.firstname,
        last_name=record.lastname,
        suspended=record.suspended,
        confirmed=record.confirmed,
        protected=record.username == GUEST or user_id == own_id,
        custom={field.shortname: field.value for field in record.customfields},
    )


def as_course(record: CourseRecord, categories: Mapping[int, CategoryRecord]) -> LmsCourse:
    """The course in our words. Raises HoldIntegration (right_missing) when the token may not see its idnumber."""
    if record.idnumber is None or record.visible is None:
        raise HoldIntegration("right_missing", "course records come without idnumber")
    tracks = None if record.enablecompletion is None else bool(record.enablecompletion)
    category = categories.get(record.categoryid)
    return LmsCourse(
        course_id=str(record.id),
        code=record.idnumber or record.shortname,
        short_name=record.shortname,
        title=record.fullname,
        visible=bool(record.visible) and not _is_hidden(category, categories),
        tracks_completion=tracks,
        category_id=str(record.categoryid) if record.categoryid else "",
        category=category.name if category else None,
        starts_at=_instant(record.startdate),
        custom={field.shortname: _custom_value(field) for field in record.customfields},
    )


def _is_hidden(category: CategoryRecord | None, categories: Mapping[int, CategoryRecord]) -> bool:
    """A category is hidden together with those above it (section 7)."""
    above = [int(part) for part in category.path.split("/") if part.isdigit()] if category else []
    chain = [category, *(categories.get(number) for number in above)]
    return any(one is not None and one.visible is not None and not one.visible for one in chain)


def _custom_value(field: CustomFieldRecord) -> CustomValue:
    """What the field holds, by its type (section 7): a menu's raw value is a place in a list, so its text counts."""
    raw = "" if field.valueraw is None else str(field.valueraw)
    if field.type == "checkbox":
        return raw == "1"
    if field.type == "date":
        return _instant(int(raw)) if raw.isdecimal() else None
    return field.value or None


def _instant(seconds: int) -> datetime | None:
    """Zero is Moodle's word for none (R59)."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _problem_of_texts(texts: Mapping[str, str]) -> NeedsAttention | None:
    return _first(_problem_of_text(name, value) for name, value in texts.items())


def _problem_of_text(name: str, value: str) -> NeedsAttention | None:
    if name == "email":
        return None if len(value) <= MAX_EMAIL and is_email(value) else NeedsAttention("email_invalid", name)
    if len(value) > (MAX_KEY if name == "external_key" else MAX_NAME):
        return NeedsAttention("value_too_long", name)
    unfit = name != "external_key" and (not value.strip() or _TAG.search(value))
    return NeedsAttention("text_invalid", name) if unfit or not is_sendable(value) else None


def _problem_of_custom(custom: Mapping[str, str]) -> NeedsAttention | None:
    """A short name with another character fails the whole call (section 3.1)."""
    unfit = (name for name, value in custom.items() if not _SHORTNAME.fullmatch(name) or not is_sendable(value))
    return next((NeedsAttention("text_invalid", CUSTOM + name) for name in unfit), None)


def _first(problems: Iterable[NeedsAttention | None]) -> NeedsAttention | None:
    return next(filter(None, problems), None)


def _value(value: str | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else value


def _seconds(instant: datetime | None) -> str:
    return "0" if instant is None else str(int(instant.timestamp()))
