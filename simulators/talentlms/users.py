"""
People: looking them up, signing them up, changing and deleting them.
"""

from __future__ import annotations

import heapq
import re
from typing import Any

from simulators.talentlms.calls import DONE, Call, action, there
from simulators.talentlms.errors import PortalError
from simulators.talentlms.membership import join_branch, join_group, remove_user
from simulators.talentlms.records import person, short_user_row, user_row
from simulators.talentlms.state import User
from simulators.talentlms.texts import end_of_day
from simulators.talentlms.timeline import enter

EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")
PLAIN_LOGIN = re.compile(r"[A-Za-z0-9._@-]+\Z")
PASSWORD_CLASSES = (r"[a-z]", r"[A-Z]", r"[0-9]", r".{8}")
REQUIRED = ("first_name", "last_name", "email", "login", "password")
TEXTS = (*REQUIRED, "bio", "timezone", "language", "user_type")
LONGEST = {"first_name": 50, "last_name": 50, "password": 30, "bio": 800}
SWITCH = {"on": True, "off": False}
MARKS = {"email": "email", "username": "login"}


@action("users")
def users(call: Call) -> Any:
    """One person by id, address or login; everybody, page by page, when none of these is asked for."""
    if call.args.get("id"):
        return _one(call, call.number("id"))
    for name, mark in MARKS.items():
        if call.args.get(name):
            return _one(call, find(call, mark, call.text(name)))
    people = call.page(call.state.found.ids("present"), call.settings.page_size)
    call.cost(len(people))
    return [user_row(call, call.state.users[number]) for number in people]


def _one(call: Call, number: int | None) -> dict[str, Any]:
    user = call.person(number)
    call.cost(1)
    if call.work.fault is not None and call.work.fault.swap:
        others = (other for other in call.state.found.ids("present") if other != user.id)
        user = call.state.users[next(others, user.id)]
    return person(call, user)


def find(call: Call, mark: str, value: str) -> int | None:
    """The id of who has an address or a login; of somebody deleted only if nobody else has it."""
    ids = call.state.found.ids(mark, value.lower())
    return min(ids, key=lambda number: (call.state.users[number].deleted, number), default=None)


@action("usersignup")
def user_signup(call: Call) -> dict[str, Any]:
    """A new person, in their group with its courses and in their branch when those are named."""
    sent = {name: call.text(name) for name in REQUIRED}
    _check(call, call.args)
    _check_mandatory(call)
    status = "inactive" if call.settings.verification else "active"
    if status == "active":
        _check_limit(call)
    fields = {**_sent(call), **sent, "custom": _custom(call, {}), "status": status}
    user = User(call.state.ids.next("user"), **fields, created=call.now, updated=call.now)
    user.visible_from = call.now + call.work.fault.visible_after if call.work.fault else 0.0
    call.state.add_user(user)
    call.cost(1)
    call.effect("user created", user=user.id, login=user.login, email=user.email, custom=user.custom, status=status)
    enter(call.state, "user_register_user", user, call.now)
    _place(call, user)
    return user_row(call, user, fresh=True)


def _place(call: Call, user: User) -> None:
    if call.args.get("group_id"):
        join_group(call.state, user, call.group(), call.now)
    if call.args.get("branch_id"):
        branch = call.branch()
        if branch.users_limit is not None and len(branch.members) >= branch.users_limit:
            raise PortalError("branch_limit")
        join_branch(call.state, user, branch, call.now)


def _sent(call: Call) -> dict[str, Any]:
    """The attributes of an account among the arguments."""
    sent: dict[str, Any] = {name: call.args[name] for name in TEXTS if name in call.args}
    if "restrict_email" in call.args:
        sent["restrict_email"] = there(SWITCH.get(call.args["restrict_email"]), "arguments")
    return sent


def _custom(call: Call, before: dict[str, str]) -> dict[str, str]:
    """The custom fields with those that were sent; a field that the portal does not have is ignored."""
    return {**before, **{key: call.args[key] for key in call.state.user_fields if key in call.args}}


def _check(call: Call, sent: dict[str, str], but: int = 0) -> None:
    """Refuse what no account of the portal may have; `but` is who has it already."""
    if any(len(sent.get(name, "")) > most for name, most in LONGEST.items()):
        raise PortalError("arguments")
    if "email" in sent and not EMAIL.match(sent["email"]):
        raise PortalError("email_invalid", value=sent["email"])
    if "login" in sent and call.settings.plain_logins and not PLAIN_LOGIN.match(sent["login"]):
        raise PortalError("login_invalid")
    if "password" in sent and call.settings.strong_passwords and not _is_strong(sent["password"]):
        raise PortalError("password_weak")
    for mark in ("email", "login"):
        if mark in sent and _is_taken(call, mark, sent[mark], but):
            raise PortalError(f"{mark}_taken")


def _is_strong(password: str) -> bool:
    return all(re.search(kind, password, re.DOTALL) for kind in PASSWORD_CLASSES)


def _is_taken(call: Call, mark: str, value: str, but: int) -> bool:
    """Whether somebody else has it; of two signups in a race neither sees the other."""
    if call.work.fault is not None and call.work.fault.race:
        return False
    others = (call.state.users[number] for number in call.state.found.ids(mark, value.lower()) if number != but)
    return any(call.settings.deleted_keep_marks or not user.deleted for user in others)


def _check_mandatory(call: Call) -> None:
    fields = call.state.user_fields.values()
    if any(field.mandatory and not call.args.get(field.key) for field in fields):
        raise PortalError("field_missing")


def _check_limit(call: Call) -> None:
    limit = call.settings.user_limit
    if limit is not None and len(call.state.found.ids("active")) >= limit:
        raise PortalError("user_limit")


@action("edituser")
def edit_user(call: Call) -> dict[str, Any]:
    """Change what is sent of a person, and nothing else."""
    user, sent = call.user(), _sent(call)
    if any(not sent.get(name, "-") for name in REQUIRED):
        raise PortalError("arguments")
    _check(call, {name: value for name, value in sent.items() if isinstance(value, str)}, but=user.id)
    before = dict(user.custom)
    changed = call.state.change_user(user, **sent, **_deactivation(call), custom=_custom(call, before))
    call.state.change_user(user, updated=call.now)
    call.cost(1)
    _tell(call, user, changed, before)
    return user_row(call, user, edited=True)


def _tell(call: Call, user: User, changed: dict[str, Any], before: dict[str, str]) -> None:
    if changed:
        enter(call.state, "user_property_change", user, call.now)
    if "custom" in changed:
        changed["custom"] = {key: value for key, value in user.custom.items() if before.get(key) != value}
    if "password" in changed:
        changed["password"] = "(changed)"
    call.effect("user updated", user=user.id, changed=bool(changed), fields=changed)


def _deactivation(call: Call) -> dict[str, float | None]:
    if "deactivation_date" not in call.args:
        return {}
    text = call.args["deactivation_date"]
    try:
        at = end_of_day(call.settings, text) if text else None
    except ValueError:
        raise PortalError("arguments") from None
    if at is not None:
        heapq.heappush(call.state.deactivations, (at, call.number("user_id")))
    return {"deactivation": at}


@action("deleteuser")
def delete_user(call: Call) -> dict[str, str]:
    """Delete a person; only with `permanent` for good."""
    user = call.user()
    permanent = call.args.get("permanent", "no")
    if permanent not in ("yes", "no"):
        raise PortalError("arguments")
    remove_user(call.state, user, call.now, permanent=permanent == "yes")
    call.cost(1)
    return DONE


@action("usersetstatus")
def user_set_status(call: Call) -> dict[str, str]:
    """Activate or deactivate a person."""
    user, status = call.user(), call.text("status")
    if status not in ("active", "inactive"):
        raise PortalError("arguments")
    if status == "active" and user.status != "active":
        _check_limit(call)
    changed = call.state.change_user(user, status=status)
    call.state.change_user(user, updated=call.now)
    call.cost(1)
    call.effect("user status set", user=user.id, status=status, changed=bool(changed))
    return {"user_id": str(user.id), "status": status}


@action("isuseronline")
def is_user_online(call: Call) -> dict[str, bool]:
    """Whether a person is signed in."""
    return {"online": call.user().online}


@action("getusersbycustomfield")
def get_users_by_custom_field(call: Call) -> Any:
    """The people with a value in any custom field, by id; an empty list when there is nobody."""
    ids = call.state.found.ids("custom", call.text("custom_field_value"))
    call.cost(len(ids))
    return {str(number): short_user_row(call, call.state.users[number]) for number in ids} or []
