"""
Everything a portal says when it refuses: the one table to correct when a real portal is seen to answer otherwise.

`known` tells what stands behind an entry: "both" (status and text were documented or seen), "text" (the status is a
guess), "status" (the text is a guess), "" (both are).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from simulators.wire import Response, html_response, json_response

WEAK = (
    "Password is not strong enough (should have at least (1) upper case letter, at least (1) lower case letter, "
    "at least (1) number, at least (8) characters in length)"
)
WRONG_PASSWORD = "Your login or password is incorrect. Please try again, making sure that CAPS LOCK key is off"
INACTIVE = (
    "Your account is inactive. Please activate the account using the instructions sent to you via e-mail. If you did "
    "not receive the e-mail, check your spam folder."
)
NEEDS_PASSWORD = (
    "<html><body><h1>401 Unauthorized</h1>\nYou need a valid user and password to access this content.\n"
    "</body></html>\n"
)
LOST = (
    "<!DOCTYPE html><html lang=\"en\"><head><title>The page you're looking for can't be found</title></head>"
    "<body>...</body></html>"
)
WEB_SERVER = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body><h1>404 Not Found</h1></body>\r\n</html>\r\n"
TOO_MANY = "<html>\r\n<head><title>429 Too Many Requests</title></head>\r\n<body></body>\r\n</html>\r\n"


@dataclass(frozen=True)
class Refusal:
    """A status and a text; the text is the message of a JSON error, or a page when `html`."""

    status: int
    text: str
    known: Literal["both", "text", "status", ""] = "both"
    html: bool = False
    type: str = "invalid_request_error"


REFUSALS = MappingProxyType(
    {
        # people
        "user": Refusal(404, "The requested user does not exist"),
        "user_gone": Refusal(404, "The requested user is no longer available", "text"),
        "email_taken": Refusal(400, "A user with the same email address already exists", "text"),
        "login_taken": Refusal(400, "A user with the same login already exists", "text"),
        "email_invalid": Refusal(400, "{value} is not a valid email", "text"),
        "password_weak": Refusal(400, WEAK, "text"),
        "user_limit": Refusal(400, "(text unknown: the portal refuses a new active user)", ""),
        "branch_limit": Refusal(400, "(text unknown: the branch refuses a new user)", ""),
        "field_missing": Refusal(400, "(text unknown: a mandatory custom field is missing)", ""),
        "login_invalid": Refusal(400, "Invalid arguments provided", ""),
        "login_wrong": Refusal(400, WRONG_PASSWORD, "text"),
        "login_inactive": Refusal(400, INACTIVE, "text"),
        # courses and units
        "course": Refusal(404, "The requested course does not exist"),
        "unit": Refusal(404, "The requested unit does not exist"),
        "enrolled": Refusal(400, "The requested user is already enrolled in this course", "text"),
        "not_enrolled": Refusal(400, "The requested user is not enrolled in this course", "text"),
        "user_inactive": Refusal(400, "(text unknown: the user is inactive)", ""),
        "course_inactive": Refusal(400, "(text unknown: the course is inactive)", ""),
        "no_test_progress": Refusal(400, "User does not have a progress registered for the test", "text"),
        "no_survey_progress": Refusal(400, "User does not have a progress registered for the survey", "text"),
        # groups, branches, categories
        "group": Refusal(404, "The requested group does not exist"),
        "group_key": Refusal(404, "There is no group with such key", "text"),
        "group_key_taken": Refusal(400, "(text unknown: another group has this key)", ""),
        "group_key_used_up": Refusal(400, "(text unknown: the group key was redeemed too often)", ""),
        "group_member": Refusal(400, "The requested user is already a member of this group", "text"),
        "group_not_member": Refusal(400, "The requested user is not a member of this group", "text"),
        "group_course": Refusal(400, "The requested course is already a member of this group", "text"),
        "branch": Refusal(404, "The requested branch does not exist"),
        "branch_member": Refusal(400, "The requested user is already a member of this branch", "text"),
        "branch_not_member": Refusal(400, "The requested user is not a member of this branch", "text"),
        "branch_course": Refusal(400, "The requested course is already a member of this branch", "text"),
        "category": Refusal(404, "The requested category does not exist"),
        # the call itself
        "arguments": Refusal(400, "Invalid arguments provided"),
        "action": Refusal(404, "The requested API action does not exist"),
        "not_simulated": Refusal(501, "the simulator does not know this action of the real API", "", type="api_error"),
        "key": Refusal(401, "Invalid API Key provided"),
        "api_off": Refusal(403, "(text unknown)", "status"),
        "limited": Refusal(429, "(text unknown)", ""),
        "limited_page": Refusal(429, TOO_MANY, "", html=True),
        "no_credentials": Refusal(401, NEEDS_PASSWORD, html=True),
        "lost": Refusal(404, LOST, html=True),
        "doubled_slash": Refusal(404, WEB_SERVER, html=True),
    }
)


class PortalError(Exception):
    """A call that ends with an entry of the table; whatever it did so far is undone."""

    def __init__(self, name: str, **words: str) -> None:
        super().__init__(name)
        self.refusal = REFUSALS[name]
        self._words = words

    def response(self) -> Response:
        """What the caller gets."""
        refusal = self.refusal
        if refusal.html:
            return html_response(refusal.text, refusal.status)
        message = refusal.text.format(**self._words)
        return json_response({"error": {"type": refusal.type, "message": message}}, refusal.status)
