"""
What an answer, or the lack of one, means: status, body and broken connections become one of the three families.

What only one LMS says stands in `lms.moodle_failures` and `lms.talentlms_failures`. Codes are those of the failure
catalogue.

Whether something happened is kept apart from what went wrong. A call that certainly did nothing is LmsUnavailable; a
write that may have happened is UnknownOutcome; a read in the same trouble is LmsUnavailable, since reading twice harms
nobody. Both carry the same code.
"""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
    UnknownOutcome,
)

Meaning = tuple[type[ProvisioningError], str]

# The functions that change something, of either LMS: their names never meet.
WRITES = frozenset(
    {
        "core_user_create_users",
        "core_user_update_users",
        "enrol_manual_enrol_users",
        "core_group_add_group_members",
        "usersignup",
        "edituser",
        "usersetstatus",
        "addusertocourse",
        "removeuserfromcourse",
        "addusertogroup",
    }
)

LEAST_WAIT, MOST_WAIT = timedelta(seconds=1), timedelta(hours=1)


def transport_failure(function: str, error: httpx.RequestError) -> TransientFailure:
    """The failure behind a call that brought no complete answer."""
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
        return LmsUnavailable("tls_failed" if _is_tls(error) else "lms_unreachable", function)
    if isinstance(error, httpx.DecodingError):
        return doubtful(function, "lms_unexpected_answer")
    return doubtful(function, "lms_no_answer")


def status_failure(function: str, response: httpx.Response) -> ProvisioningError:
    """The failure behind an HTTP status other than 200, whatever the body says."""
    status = response.status_code
    detail = f"{function}: HTTP {status}"
    wait = retry_after(response.headers)
    if status == 429:
        return LmsThrottled("lms_throttled", detail, wait)
    if status == 503:
        return LmsUnavailable("lms_maintenance", detail, wait)
    if status >= 500:
        return doubtful(function, "lms_server_error", detail, wait)
    if 300 <= status < 400:
        return HoldIntegration("url_moved", detail)
    if status in (404, 405, 410):
        return HoldIntegration("wrong_url", detail)
    if status in (401, 403, 407):
        return HoldIntegration("access_refused", detail)
    if status == 408:
        return LmsUnavailable("lms_no_answer", detail, wait)
    if status >= 400:
        return NeedsAttention("lms_rejected", detail)
    return doubtful(function, "lms_unexpected_answer", detail)


def doubtful(function: str, code: str, detail: str = "", wait: timedelta | None = None) -> TransientFailure:
    """A failure after which a write may have happened, and a read simply has not."""
    family = UnknownOutcome if function in WRITES else LmsUnavailable
    return family(code, detail or function, wait)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """
    How long the other side asks us to wait, between a second and an hour; None when it says nothing sensible.

    A date is compared with the answer's own Date, because the site's clock may be wrong (T2).
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        seconds = int(asked[:9]) if len(asked) < 9 else MOST_WAIT.total_seconds()
        return min(max(timedelta(seconds=seconds), LEAST_WAIT), MOST_WAIT)
    until, now = _instant(asked), told_time(headers)
    if until is None or now is None or until < now:
        return None
    return min(max(until - now, LEAST_WAIT), MOST_WAIT)


def told_time(headers: Mapping[str, str]) -> datetime | None:
    """The moment of an answer by the site's own clock; None where it does not tell it."""
    return _instant(headers.get("Date", ""))


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def parsed(body: bytes) -> Any:
    """
    The JSON in the body. Raises ValueError or RecursionError when it is none.

    By content: labels and charsets are often wrong, and some sites put a byte order mark before their answers (D15).
    """
    return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _is_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
