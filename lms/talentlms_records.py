"""People and courses of TalentLMS in our words, ours in theirs, and what must be true of them before they are sent."""

import secrets
from collections.abc import Callable, Mapping

from domain.addresses import is_pseudo
from domain.errors import NeedsAttention
from domain.lms import CUSTOM, LmsCourse, LmsUser, NewUser, UserChange
from lms.talentlms_answers import CUSTOM_FIELD, CourseRecord, UserRecord
from lms.talentlms_fields import Fields
from lms.texts import is_email, is_sendable, problem_of_ids

FIELD_NAMES = {"email": "email", "first_name": "first_name", "last_name": "last_name"}
LOOK_UPS = {"user_id": "id", "email": "email", "username": "username"}
ROLES = ("learner", "instructor")
ACTIVE, INACTIVE = "active", "inactive"

# From web forms and the help pages; a later API allows more (contract, section 3).
MAX_NAME, MAX_EMAIL, MAX_LOGIN = 50, 191, 191
LEAST_PASSWORD, MAX_PASSWORD = 8, 30


def is_protected(user_type: str) -> bool:
    """
    Whether the type's name is one of an administrator.

    The portal's own are SuperAdmin and Admin-Type. What a type of the portal's making may do is told nowhere, so one
    that is not called after administrators is not seen to be one: such users are named in the settings.
    """
    return "admin" in user_type.casefold()


def as_user(record: UserRecord, fields: Fields | None, key_field: str) -> LmsUser:
    """The user in our words. Without `fields`, custom fields are not told."""
    custom = fields.of_user(record.custom) if fields else {}
    return LmsUser(
        user_id=record.id,
        username=record.login,
        email=record.email,
        external_key=record.custom.get(key_field, ""),
        first_name=record.first_name,
        last_name=record.last_name,
        suspended=record.status.strip().lower() != ACTIVE,
        protected=is_protected(record.user_type),
        custom={key: value for key, value in custom.items() if key != key_field},
    )


def removed_user(by: str, value: str) -> LmsUser:
    """All that is known of a user that was deleted and may be restored."""
    known = {by: value}
    user_id, username, email = (known.get(name, "") for name in ("user_id", "username", "email"))
    return LmsUser(user_id, username, email, protected=True, removed=True)


def as_course(record: CourseRecord, fields: Fields | None, categories: Mapping[str, str]) -> LmsCourse:
    """The course in our words; completion is tracked in every one."""
    return LmsCourse(
        course_id=record.id,
        code=record.code or record.id,
        short_name=record.code,
        title=record.name,
        visible=record.status.strip().lower() == ACTIVE,
        tracks_completion=True,
        category_id=record.category_id,
        category=categories.get(record.category_id),
        starts_at=record.start_datetime,
        custom=fields.of_course(record.custom) if fields else {},
    )


def signup_fields(new: NewUser, fields: Fields, key_field: str) -> dict[str, str]:
    """The form that makes this user."""
    form = {
        "first_name": new.first_name,
        "last_name": new.last_name,
        "email": new.email,
        "login": new.username,
        "password": random_password() if new.password is None else new.password,
    }
    form |= {"language": new.language} if new.language else {}
    # Nobody reads what is sent there (R63).
    form |= {"restrict_email": "on"} if is_pseudo(new.email) else {}
    form |= fields.written(new.custom)
    return form | ({key_field: new.external_key} if key_field and new.external_key else {})


def edit_fields(change: UserChange, fields: Callable[[], Fields], key_field: str) -> dict[str, str]:
    """The form of what the change says, besides whether the user is suspended; empty where there is nothing to send."""
    form = {FIELD_NAMES[name]: str(value) for name, value in change.fields.items() if name in FIELD_NAMES}
    custom = custom_of(change)
    form |= fields().written(custom) if custom else {}
    if key_field and "external_key" in change.fields:
        form[key_field] = str(change.fields["external_key"])
    return form


def custom_of(change: UserChange) -> dict[str, str]:
    """The custom fields that change, by key."""
    return {name.removeprefix(CUSTOM): str(value) for name, value in change.fields.items() if name.startswith(CUSTOM)}


def random_password() -> str:
    """One that meets every portal's rule and that nobody knows: the person asks for a new one at the login."""
    return f"{secrets.token_urlsafe(18)}aA1"


def problem_of_user(new: NewUser) -> NeedsAttention | None:
    """Why the portal would refuse this user, as far as that can be known before (section 8.20)."""
    if not new.username.strip() or len(new.username) > MAX_LOGIN or not is_sendable(new.username + new.external_key):
        return NeedsAttention("username_invalid", "username")
    if new.password is not None and not is_strong(new.password):
        return NeedsAttention("password_weak", f"{LEAST_PASSWORD} to {MAX_PASSWORD} letters and digits, in both cases")
    texts = {"email": new.email, "first_name": new.first_name, "last_name": new.last_name}
    return _problem_of_texts(texts) or _problem_of_custom(new.custom)


def problem_of_change(change: UserChange) -> NeedsAttention | None:
    """Why the portal would refuse this change."""
    texts = {name: value for name, value in change.fields.items() if name in FIELD_NAMES and isinstance(value, str)}
    return (
        problem_of_ids({"user_id": change.user_id}) or _problem_of_texts(texts) or _problem_of_custom(custom_of(change))
    )


def is_strong(password: str) -> bool:
    """Whether every portal takes this password, strict or not."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return LEAST_PASSWORD <= len(password) <= MAX_PASSWORD and all(any(map(kind, password)) for kind in kinds)


def _problem_of_texts(texts: Mapping[str, str]) -> NeedsAttention | None:
    return next(filter(None, (_problem_of_text(name, value) for name, value in texts.items())), None)


def _problem_of_text(name: str, value: str) -> NeedsAttention | None:
    if name == "email":
        return None if len(value) <= MAX_EMAIL and is_email(value) else NeedsAttention("email_invalid", name)
    if len(value) > MAX_NAME:
        return NeedsAttention("value_too_long", name)
    return None if value.strip() and is_sendable(value) else NeedsAttention("text_invalid", name)


def _problem_of_custom(custom: Mapping[str, str]) -> NeedsAttention | None:
    unfit = (key for key, v in custom.items() if not is_sendable(v) or not CUSTOM_FIELD.fullmatch(key))
    return next((NeedsAttention("text_invalid", CUSTOM + key) for key in unfit), None)
