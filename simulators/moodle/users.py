"""
Creating and changing accounts (contract sections 3.1 and 3.2).
"""

from __future__ import annotations

import re
from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.errors import MoodleError, database_write, invalid_parameter, unknown_user
from simulators.moodle.forms import (
    Multiple,
    Single,
    Spec,
    Value,
    boolean,
    integer,
    optional,
    raw,
    shortname,
    text,
    trimmed,
    username,
)
from simulators.moodle.state import ProfileField, User

EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")
LENGTHS = {"username": 100, "firstname": 100, "lastname": 100, "email": 100, "idnumber": 255, "department": 255}
LENGTHS |= {"institution": 255, "city": 120, "phone1": 20, "phone2": 20}
PASSWORD_CLASSES = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^a-zA-Z0-9]")
PAIRS = Multiple(Single({"type": Value(shortname), "value": Value(raw)}), required=False)
PREFERENCES = Multiple(Single({"type": Value(raw), "value": Value(raw)}), required=False)
OPTIONAL_TEXTS: dict[str, Spec] = {
    "idnumber": optional(raw),
    "department": optional(text),
    "institution": optional(text),
    "phone1": optional(text),
    "phone2": optional(text),
    "city": optional(text),
    "country": optional(text),
    "lang": optional(raw),
    "timezone": optional(raw),
    "description": optional(raw),
    "auth": optional(raw),
    "middlename": optional(text),
    "alternatename": optional(text),
    "firstnamephonetic": optional(text),
    "lastnamephonetic": optional(text),
    "interests": optional(text),
    "maildisplay": optional(integer),
    "mailformat": optional(integer),
    "theme": optional(raw),
    "calendartype": optional(raw),
    "address": optional(text),
    "customfields": PAIRS,
    "preferences": PREFERENCES,
}
STORED = frozenset(
    [
        "username",
        "firstname",
        "lastname",
        "email",
        "auth",
        "idnumber",
        "department",
        "institution",
        "phone1",
        "phone2",
        "city",
        "country",
        "lang",
        "timezone",
        "description",
        "suspended",
    ]
)
NEW_USER = Single(
    {
        "username": Value(username),
        "firstname": Value(text),
        "lastname": Value(text),
        "email": Value(trimmed),
        "password": optional(raw),
        "createpassword": optional(boolean),
        **OPTIONAL_TEXTS,
    }
)
CHANGED_USER = Single(
    {
        "id": Value(integer),
        "username": optional(username),
        "firstname": optional(text),
        "lastname": optional(text),
        "email": optional(trimmed),
        "password": optional(raw),
        "suspended": optional(boolean),
        "userpicture": optional(integer),
        **OPTIONAL_TEXTS,
    }
)


@function("core_user_create_users", {"users": Multiple(NEW_USER)})
def create_users(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """All the users of the call, or none."""
    call.require("moodle/user:create", "Create users")
    call.cost(len(args["users"]))
    _check_words(call, args["users"])
    return [_create(call, fields) for fields in args["users"]]


def _check_words(call: Call, elements: list[dict[str, Any]]) -> None:
    """Refuse the whole call for a language or an authentication method the site does not have."""
    settings = call.site.settings
    for element in elements:
        if element.get("lang", "en") not in settings.languages or element.get("auth", "manual") not in settings.auths:
            raise invalid_parameter("Invalid external api parameter")


def _create(call: Call, fields: dict[str, Any]) -> dict[str, Any]:
    if any(not fields[name].strip() for name in ("username", "firstname", "lastname", "email")):
        raise invalid_parameter("The field cannot be blank")
    if fields["username"] in call.state.by_username:
        raise invalid_parameter(f"Username already exists: {fields['username']}")
    if not EMAIL.match(fields["email"]):
        raise invalid_parameter(f"Email address is invalid: {fields['email']}")
    if email_taken(call, fields["email"]):
        raise invalid_parameter(f"Email address already exists: {fields['email']}")
    preferences = _check_password(fields)
    check_lengths(fields)
    user = User(call.state.ids.next("user"), **_attributes(fields))
    user.preferences = preferences | _pairs(fields, "preferences")
    user.country = user.country if len(user.country) == 2 else ""
    user.visible_from = call.site.clock() + call.work.fault.visible_after if call.work.fault else 0.0
    store_custom(call, user, fields)
    call.state.add_user(user)
    facts = {"username": user.username, "idnumber": user.idnumber, "email": user.email}
    call.state.journal.effect("user created", user=user.id, **facts)
    return {"id": user.id, "username": user.username}


def _attributes(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name in STORED}


def email_taken(call: Call, email: str, by_other_than: int = 0) -> bool:
    """Whether another account has the address, in any case, and the site minds."""
    owners = call.state.by_email.get(email.lower(), {})
    return not call.site.settings.allow_same_email and any(owner != by_other_than for owner in owners)


def _check_password(fields: dict[str, Any]) -> dict[str, str]:
    """Refuse a password the policy refuses; returns the preferences that follow from the choice."""
    internal = fields.get("auth", "manual") in ("manual", "email", "nologin")
    if fields.get("createpassword"):
        return {"auth_forcepasswordchange": "1"}
    if not internal:
        return {}
    password = fields.get("password", "")
    if not password:
        raise invalid_parameter("Invalid password: you must provide a password, or set createpassword.")
    if len(password) < 8 or not all(re.search(kind, password) for kind in PASSWORD_CLASSES):
        raise MoodleError("error", "The password does not follow the policy")
    return {}


def check_lengths(fields: dict[str, Any]) -> None:
    """Refuse what does not fit the columns."""
    for name, most in LENGTHS.items():
        if len(fields.get(name) or "") > most:
            raise database_write()


def _pairs(fields: dict[str, Any], name: str) -> dict[str, str]:
    return {pair["type"]: pair["value"] for pair in fields.get(name, [])}


def store_custom(call: Call, user: User, fields: dict[str, Any]) -> None:
    """Set profile fields as sent: unknown ones are ignored, a wrong menu option stores the field's default."""
    known = call.state.profile_fields
    sent = {
        name: _stored(known[name], value) for name, value in _pairs(fields, "customfields").items() if name in known
    }
    if sent:
        call.state.journal.assign(user, "custom", {**user.custom, **sent})


def _stored(field: ProfileField, value: str) -> str:
    if field.kind == "menu" and value not in field.options:
        return field.default
    return value[: field.maxlength] if field.kind == "text" else value


@function("core_user_update_users", {"users": Multiple(CHANGED_USER)})
def update_users(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """Each user by itself; failures are warnings."""
    call.require("moodle/user:update", "Update user profiles")
    call.cost(len(args["users"]))
    _check_words(call, args["users"])
    warnings = []
    for fields in args["users"]:
        point = call.state.journal.savepoint()
        try:
            _update(call, fields)
        except MoodleError as error:
            call.state.journal.rollback(point)
            warnings.append(_warning(fields["id"], error))
    return {"warnings": warnings}


def _warning(user_id: int, error: MoodleError) -> dict[str, Any]:
    return {"item": "user", "itemid": user_id, "warningcode": error.errorcode, "message": error.message}


def _update(call: Call, fields: dict[str, Any]) -> None:
    user = _editable(call, fields["id"])
    _check_changed_email(call, user, fields)
    check_lengths(fields)
    owner = call.state.by_username.get(fields.get("username", ""))
    if owner not in (None, user.id):
        raise database_write()
    before = dict(user.custom), dict(user.preferences)
    changed = call.state.change_user(user, **_attributes(fields))
    store_custom(call, user, fields)
    call.state.journal.assign(user, "preferences", {**user.preferences, **_pairs(fields, "preferences")})
    if user.custom != before[0]:
        changed["custom"] = {name: value for name, value in user.custom.items() if before[0].get(name) != value}
    _tell(call, user, changed, changed_at_all=bool(changed) or user.preferences != before[1])


def _tell(call: Call, user: User, changed: dict[str, Any], changed_at_all: bool) -> None:
    effect = call.state.journal.effect
    effect("user updated", user=user.id, idnumber=user.idnumber, changed=changed_at_all, fields=changed)
    if "suspended" in changed:
        effect("user suspended" if user.suspended else "user unsuspended", user=user.id, idnumber=user.idnumber)


def _editable(call: Call, user_id: int) -> User:
    user = call.state.users.get(user_id)
    if user is None:
        raise MoodleError("invaliduserid", "Invalid user ID")
    if user.deleted:
        raise MoodleError("usernotupdateddeleted", "error/usernotupdateddeleted")
    if user.username == "guest":
        raise MoodleError("usernotupdatedguest", "error/usernotupdatedguest")
    if user.id in call.state.admins and not call.is_admin:
        raise MoodleError("usernotupdatedadmin", "Cannot update admin accounts")
    return user


def _check_changed_email(call: Call, user: User, fields: dict[str, Any]) -> None:
    if "email" not in fields or fields["email"] == user.email:
        return
    if not EMAIL.match(fields["email"]):
        raise MoodleError("useremailinvalid", "error/useremailinvalid")
    if email_taken(call, fields["email"], by_other_than=user.id):
        raise MoodleError("useremailduplicate", "Duplicate address")


@function("core_user_delete_users", {"userids": Multiple(Value(integer))})
def delete_users(call: Call, args: dict[str, Any]) -> None:
    """Delete accounts; a second time is `invaliduser`."""
    call.require("moodle/user:delete", "Delete users")
    for user_id in args["userids"]:
        user = call.state.user(user_id)
        if user is None:
            raise unknown_user()
        remove_user(call.site.state, user)


def remove_user(state: Any, user: User) -> None:
    """Make an account a deleted one: its names are free again, its enrolments are gone."""
    state.change_user(user, deleted=True)
    for course_id in list(state.enrolled_in.get(user.id, {})):
        state.journal.drop(state.enrolled_in[user.id], course_id)
        state.journal.drop(state.participants[course_id], user.id)
    state.journal.effect("user deleted", user=user.id)
