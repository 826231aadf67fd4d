"""
Finding accounts (contract sections 3.3 to 3.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.errors import MoodleError, coding_error, no_permission, unknown_user
from simulators.moodle.forms import Multiple, Single, Value, integer, optional, raw, username
from simulators.moodle.records import is_visible, preferences, sees, user_record
from simulators.moodle.state import User

FIELDS = ("id", "idnumber", "username", "email")
KEYS = ("id", "idnumber", "username", "email", "firstname", "lastname", "auth")
CRITERION = Single({"key": Value(raw), "value": Value(raw)})


@function("core_user_get_users_by_field", {"field": Value(raw), "values": Multiple(Value(raw))})
def get_users_by_field(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The accounts having one of the values, ordered by id; what is not found, or not to be seen, is missing."""
    if args["field"] not in FIELDS:
        raise coding_error("The search field is not supported")
    found = {user.id: user for value in args["values"] for user in _find(call, args["field"], value)}
    return _records(call, found.values())


def _records(call: Call, users: Iterable[User]) -> list[dict[str, Any]]:
    shown = sorted((u for u in users if is_visible(call, u) and sees(call, u)), key=lambda user: user.id)
    if call.work.fault is not None and call.work.fault.swap:
        shown = [_somebody_else(call, user) for user in shown]
    call.cost(len(shown))
    return [user_record(call, user) for user in shown]


def _somebody_else(call: Call, user: User) -> User:
    """Another ordinary account, for the fault of an answer about the wrong person."""
    others = (
        other for other in call.state.users.values() if other.id != user.id and other.id > 2 and not other.deleted
    )
    return next(others, user)


def _find(call: Call, field: str, value: str) -> list[User]:
    state = call.state
    if field == "id":
        return _known(call, [integer(value)])
    if field == "username":
        return _known(call, [state.by_username.get(username(value), 0)])
    if field == "idnumber":
        return _known(call, state.by_idnumber.get(value, {})) if value else []
    return [user for user in _known(call, state.by_email.get(value.lower(), {})) if user.email == value and value]


def _known(call: Call, ids: Iterable[int]) -> list[User]:
    return [call.state.users[number] for number in ids if number in call.state.users]


@function("core_user_get_users", {"criteria": Multiple(CRITERION)})
def get_users(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The accounts meeting all criteria; an unsupported key is dropped with a warning, which widens the search."""
    criteria: dict[str, str] = {}
    warnings = []
    for criterion in args["criteria"]:
        if criterion["key"] in criteria:
            raise MoodleError("keyalreadyset", "The search key is already set")
        if criterion["key"] in KEYS:
            criteria[criterion["key"]] = criterion["value"]
        else:
            warnings.append(_unsupported(criterion["key"]))
    found = [user for user in _candidates(call, criteria) if _meets(user, criteria)]
    return {"users": _records(call, found), "warnings": warnings}


def _unsupported(key: str) -> dict[str, Any]:
    message = f"The search key '{key}' is not supported, look at the web service documentation"
    return {"item": key, "warningcode": "invalidfieldparameter", "message": message}


def _candidates(call: Call, criteria: dict[str, str]) -> Iterable[User]:
    for field in ("id", "username", "idnumber"):
        if field in criteria:
            return _find(call, field, criteria[field])
    address = criteria.get("email", "")
    if address and not set(address) & set("%_"):
        return _known(call, call.state.by_email.get(address.lower(), {}))
    return call.state.users.values()


def _meets(user: User, criteria: dict[str, str]) -> bool:
    like = {name: value for name, value in criteria.items() if name in ("email", "firstname", "lastname")}
    return criteria.get("auth", user.auth) == user.auth and all(_like(getattr(user, n), v) for n, v in like.items())


def _like(value: str, pattern: str) -> bool:
    parts = (".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in pattern)
    return re.fullmatch("".join(parts), value, re.IGNORECASE | re.DOTALL) is not None


@function("core_user_get_user_preferences", {"name": optional(raw, ""), "userid": optional(integer, 0)})
def get_user_preferences(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The preferences of an account, all or one; an unset one is null."""
    user = call.state.user(args["userid"] or call.account.id)
    if user is None:
        raise unknown_user()
    if user.id != call.account.id and not call.is_admin:
        raise no_permission("View user preferences")
    if args["name"]:
        named = [{"name": args["name"], "value": user.preferences.get(args["name"])}]
        return {"preferences": named, "warnings": []}
    return {"preferences": preferences(call, user), "warnings": []}
