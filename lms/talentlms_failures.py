"""
What an answer of TalentLMS means.

The JSON is read before the status, and its message decides: there are no error codes, and every message that was seen
is English (contract, section 4). Some errors are answers: nobody has the address, the person is enrolled already. What
is no JSON is never one of those; a page with status 404 is a wrong address, not a missing user.
"""

import re
from collections.abc import Mapping
from enum import Enum
from html import unescape
from typing import Any

import httpx

from domain.errors import HoldIntegration, NeedsAttention, ProvisioningError
from lms.failures import Meaning, doubtful, parsed, status_failure

SITE_INFO = "siteinfo"


class Said(Enum):
    """An error that answers: there is nobody, nothing to do, nothing to show."""

    NOTHING = "nothing"


NO_USER = "the requested user does not exist"
NOT_ENROLLED = "the requested user is not enrolled in this course"

# R141, contract 8.17: asked of these, these are no failures.
AS_ANSWER = frozenset(
    {
        ("users", NO_USER),
        ("getusersbycustomfield", NO_USER),
        ("getuserstatusincourse", NOT_ENROLLED),
        ("removeuserfromcourse", NOT_ENROLLED),
        ("addusertocourse", "the requested user is already enrolled in this course"),
        ("addusertogroup", "the requested user is already a member of this group"),
    }
)
MESSAGES: Mapping[str, Meaning] = {
    "invalid api key provided": (HoldIntegration, "token_refused"),
    "the requested api action does not exist": (HoldIntegration, "function_missing"),
    NO_USER: (NeedsAttention, "user_gone"),
    "the requested user is no longer available": (NeedsAttention, "user_soft_deleted"),
    "a user with the same email address already exists": (NeedsAttention, "email_taken"),
    "a user with the same login already exists": (NeedsAttention, "username_taken"),
    "the requested course does not exist": (NeedsAttention, "course_unknown"),
    "the requested group does not exist": (NeedsAttention, "group_unknown"),
    "there is no group with such key": (NeedsAttention, "group_unknown"),
    NOT_ENROLLED: (NeedsAttention, "not_actively_enrolled"),
}
# Of these the rest varies.
BEGINNINGS: Mapping[str, Meaning] = {"password is not strong enough": (NeedsAttention, "password_weak")}
ENDINGS: Mapping[str, Meaning] = {"is not a valid email": (NeedsAttention, "email_invalid")}
# Whatever the message is; of these the texts are not known (contract, section 4).
STATUSES: Mapping[int, Meaning] = {401: (HoldIntegration, "token_refused"), 403: (HoldIntegration, "api_off")}
UNNAMED: Meaning = (NeedsAttention, "lms_rejected")

# Words that begin a sentence or are the portal's own; any other word with a capital may be somebody's name.
_ORDINARY = re.compile(
    "a|account|an|api|branch(es)?|cannot|categor(y|ies)|courses?|domain|email|fields?|groups?|id|instructor|invalid|it|key|"
    "learner|limit|login|maximum|no|not|operation|password|plan|please|portal|role|sorry|status|that|the|there|this|"
    "units?|users?|you|your",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_ADDRESS = re.compile(r"\S+@\S+")
_MARKUP = re.compile(r"<[^>]*>|[\x00-\x1f\x7f]")
MOST_KEPT = 200


def read_answer(action: str, response: httpx.Response, sent: Mapping[str, str]) -> Any | ProvisioningError:
    """
    What the action answered, as plain values, or the failure it amounts to. Its shape is not looked at.

    Args:
        sent: What was sent, by name; it is kept out of the failure.
    """
    try:
        answer = parsed(response.content)
    except (ValueError, RecursionError):
        return _not_a_portals(action, response)
    if response.is_success:
        return answer
    message = _message(answer)
    if message is None:
        return _not_a_portals(action, response)
    if response.status_code in (408, 429) or not response.is_client_error:
        return status_failure(action, response)
    if (action, _key(message)) in AS_ANSWER:
        return Said.NOTHING
    family, code = _meaning(_key(message), response.status_code)
    return family(code, f"{action}: {without_data(message, sent)}")


def _meaning(key: str, status: int) -> Meaning:
    if key in MESSAGES:
        return MESSAGES[key]
    begun = (meaning for text, meaning in BEGINNINGS.items() if key.startswith(text))
    ended = (meaning for text, meaning in ENDINGS.items() if key.endswith(text))
    # Limits of the plan, group keys used up and others whose text nobody knows are for staff to read (8.21).
    return next(begun, None) or next(ended, None) or STATUSES.get(status, UNNAMED)


def without_data(message: str, sent: Mapping[str, str]) -> str:
    """
    The message as staff may read it anywhere, in at most 200 characters.

    What was sent is replaced by its name; addresses, markup and what may be a name are left out.
    """
    message = unescape(message)
    for name, value in sorted(sent.items(), key=lambda item: -len(item[1])):
        if value:
            message = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", f"({name})", message, flags=re.IGNORECASE)
    message = _ADDRESS.sub("(address)", _MARKUP.sub(" ", message))
    return _WORD.sub(lambda word: word[0] if _is_ordinary(word[0]) else "…", message).strip()[:MOST_KEPT]


def _is_ordinary(word: str) -> bool:
    return word == word.lower() or _ORDINARY.fullmatch(word) is not None


def _message(answer: Any) -> str | None:
    """What the portal says; None when this is no error of a portal's."""
    error = answer.get("error") if isinstance(answer, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else None


def _key(message: str) -> str:
    return " ".join(message.split()).rstrip(".").casefold()


def _not_a_portals(action: str, response: httpx.Response) -> ProvisioningError:
    """A host that is no portal answers 401 with a page, as does a portal that finds no key (contract, section 5)."""
    status = response.status_code
    is_page = response.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
    if status == 401 or (response.is_success and action == SITE_INFO and is_page):
        return HoldIntegration("wrong_url", f"{action}: HTTP {status}, a page instead of an answer")
    if response.is_success:
        return doubtful(action, "lms_unexpected_answer", f"{action}: not JSON")
    return status_failure(action, response)
