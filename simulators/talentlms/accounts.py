"""
Signing in and out, and forgotten names: nothing that provisioning needs, all of it answered as documented.
"""

from __future__ import annotations

from simulators.talentlms.calls import Call, action
from simulators.talentlms.errors import PortalError
from simulators.talentlms.records import login_key
from simulators.talentlms.users import find


@action("userlogin")
def user_login(call: Call) -> dict[str, str]:
    """A sign-in address for somebody active who knows the password."""
    user = call.state.users.get(find(call, "login", call.text("login")) or 0)
    if user is None or user.deleted or user.password != call.text("password"):
        raise PortalError("login_wrong")
    if user.status != "active":
        raise PortalError("login_inactive")
    call.state.change_user(user, keys=user.keys + 1)
    return {"user_id": str(user.id), "login_key": login_key(call, user)}


@action("userlogout")
def user_logout(call: Call) -> dict[str, str]:
    """An address that signs a person out once a browser follows it."""
    call.user()
    return {"redirect_url": f"{call.settings.url}/index/logout/next:{call.args.get('next', '')}"}


@action("forgotusername")
def forgot_username(call: Call) -> dict[str, str]:
    """Mail somebody their login."""
    return _mailed(call, "email", call.text("email"))


@action("forgotpassword")
def forgot_password(call: Call) -> dict[str, str]:
    """Mail somebody the way to a new password."""
    return _mailed(call, "login", call.text("username"))


def _mailed(call: Call, mark: str, value: str) -> dict[str, str]:
    user = call.person(find(call, mark, value))
    call.effect("mail sent", user=user.id, about=f"forgotten {mark}")
    return {"user_id": str(user.id)}


@action("gotocourse")
def go_to_course(call: Call) -> dict[str, str]:
    """A sign-in address that leads into a course of the person."""
    user, course = call.user(), call.course()
    if call.state.enrolment(user.id, course.id) is None:
        raise PortalError("not_enrolled")
    call.state.change_user(user, keys=user.keys + 1)
    key = login_key(call, user).rpartition("key:")[2]
    return {"goto_url": f"{call.settings.url}/index/gotocourse/key:{key},course_id:{course.id}"}
