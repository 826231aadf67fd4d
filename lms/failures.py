"""
What an answer, or the lack of one, means: status, body and broken connections become one of the three families.

Decided by status and `errorcode`, never by a message: messages follow the site's language and debug level. Codes are
those of the failure catalogue; details name functions and error codes only.

Whether something happened is kept apart from what went wrong. A call that certainly did nothing is LmsUnavailable; a
write that may have happened is UnknownOutcome; a read in the same trouble is LmsUnavailable, since reading twice harms
nobody. Both carry the same code.
"""

import json
import re
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

WRITES = frozenset({"core_user_create_users", "core_user_update_users", "enrol_manual_enrol_users"})
SITE_INFO = "core_webservice_get_site_info"

LEAST_WAIT, MOST_WAIT = timedelta(seconds=1), timedelta(hours=1)

# dmlwriteexception (contract, sections 3, 4 and 9) is a conflict, a deadlock or a value too long. The last is checked
# before sending. In every case the transaction was rolled back, so this call left nothing behind, and repeating an
# enrolment or an update is harmless: a plain TransientFailure, retried a few times.
# A create is different. The only unique thing is the user name, so a conflict means that somebody made this user at
# the same moment, and that may have been an earlier call of ours that we gave up waiting for while the site worked
# on. Sent again, it would be refused like any bad record. So the gateway turns it into an UnknownOutcome for creates
# once the element stands alone (`lms.batches`): look the user up first.
ANYWHERE: Mapping[str, Meaning] = {
    "invalidtoken": (HoldIntegration, "token_refused"),
    "accessexception": (HoldIntegration, "access_refused"),
    "nopermissions": (HoldIntegration, "right_missing"),
    "wsaccessusersuspended": (HoldIntegration, "service_account_suspended"),
    "invalidrecord": (HoldIntegration, "function_missing"),
    "sitemaintenance": (LmsUnavailable, "lms_maintenance"),
    "dbconnectionfailed": (LmsUnavailable, "lms_database_down"),
    "dmlwriteexception": (TransientFailure, "lms_conflict"),
    "requireloginerror": (NeedsAttention, "course_not_accessible"),
    "errorcoursecontextnotvalid": (NeedsAttention, "course_not_accessible"),
    "invalidparameter": (NeedsAttention, "lms_rejected"),
    "wsnoinstance": (NeedsAttention, "no_manual_enrolment"),
    "wsusercannotassign": (NeedsAttention, "role_not_assignable"),
    "invaliduser": (NeedsAttention, "user_gone"),
    "invaliduserid": (NeedsAttention, "user_gone"),
    "userdeleted": (NeedsAttention, "user_gone"),
    "usernotupdateddeleted": (NeedsAttention, "user_gone"),
    "usernotconfirmed": (NeedsAttention, "user_not_confirmed"),
    "usernotupdatedguest": (NeedsAttention, "user_protected"),
    "usernotupdatedadmin": (NeedsAttention, "user_protected"),
    "useremailduplicate": (NeedsAttention, "email_taken"),
    "useremailinvalid": (NeedsAttention, "email_invalid"),
    "nocriteriaset": (NeedsAttention, "no_completion_criteria"),
    "cannotviewreport": (NeedsAttention, "completion_off"),
    "usernotenroled": (NeedsAttention, "not_actively_enrolled"),
}

# Some codes say something else where they come from. A checked enrolment is an invalid parameter only when its course
# is unknown, and a coding error, in versions before 4.5, when its user is (section 4.1).
BY_FUNCTION: Mapping[str, Mapping[str, Meaning]] = {
    "enrol_manual_enrol_users": {
        "invalidparameter": (NeedsAttention, "course_unknown"),
        "codingerror": (NeedsAttention, "user_gone"),
    },
    "core_completion_get_course_completion_status": {"invalidrecord": (NeedsAttention, "course_unknown")},
    "gradereport_user_get_grade_items": {"invalidrecord": (NeedsAttention, "course_unknown")},
    "core_enrol_get_enrolled_users": {"invalidrecord": (NeedsAttention, "course_unknown")},
    "core_reportbuilder_retrieve_report": {"invalidrecord": (NeedsAttention, "report_unknown")},
    "auth_email_get_signup_settings": {"registrationdisabled": (NeedsAttention, "registration_off")},
}
UNNAMED: Meaning = (TransientFailure, "lms_error")

# Only looked at when an answer carries no errorcode; Moodle 4.5 puts a namespace before the name (section 14.1).
BY_CLASS = {
    "invalid_parameter_exception": "invalidparameter",
    "required_capability_exception": "nopermissions",
    "require_login_exception": "requireloginerror",
    "webservice_access_exception": "accessexception",
    "dml_connection_exception": "dbconnectionfailed",
    "dml_write_exception": "dmlwriteexception",
    "dml_missing_record_exception": "invalidrecord",
}
_SLUG = re.compile(r"[a-z0-9_]{1,40}")


def read_answer(function: str, response: httpx.Response) -> Any | ProvisioningError:
    """What the function answered, as plain values, or the failure it amounts to. Its shape is not looked at."""
    if response.status_code != 200:
        return status_failure(function, response.status_code, response.headers, response.content)
    try:
        answer = _parsed(response.content)
    except (ValueError, RecursionError):
        return _not_json(function, response.content)
    if isinstance(answer, dict) and "exception" in answer:
        return exception_failure(function, answer)
    return answer


def transport_failure(function: str, error: httpx.RequestError) -> TransientFailure:
    """The failure behind a call that brought no complete answer."""
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)):
        return LmsUnavailable("tls_failed" if _is_tls(error) else "lms_unreachable", function)
    if isinstance(error, httpx.DecodingError):
        return doubtful(function, "lms_unexpected_answer")
    return doubtful(function, "lms_no_answer")


def status_failure(function: str, status: int, headers: Mapping[str, str], body: bytes) -> ProvisioningError:
    """The failure behind an HTTP status other than 200."""
    detail = f"{function}: HTTP {status}"
    wait = retry_after(headers)
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
    if status == 403 and not body.strip():
        return HoldIntegration("webservices_off", detail)
    if status in (401, 403, 407):
        return HoldIntegration("access_refused", detail)
    if status == 408:
        return LmsUnavailable("lms_no_answer", detail, wait)
    if status >= 400:
        return NeedsAttention("lms_rejected", detail)
    return doubtful(function, "lms_unexpected_answer", detail)


def exception_failure(function: str, answer: Mapping[str, Any]) -> ProvisioningError:
    """The failure behind HTTP 200 with an exception in the body (D12)."""
    errorcode = answer.get("errorcode") or BY_CLASS.get(str(answer["exception"]).rpartition("\\")[2], "")
    return failure_of(function, str(errorcode))


def failure_of(function: str, errorcode: str) -> ProvisioningError:
    """The failure that an errorcode, or the code of a warning, stands for in this function."""
    family, code = BY_FUNCTION.get(function, {}).get(errorcode) or ANYWHERE.get(errorcode) or UNNAMED
    # What is not a short word may be a whole sentence with somebody's data in it.
    return family(code, f"{function}: {errorcode if _SLUG.fullmatch(errorcode) else 'unnamed error'}")


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
    until, now = _instant(asked), _instant(headers.get("Date", ""))
    if until is None or now is None or until < now:
        return None
    return min(max(until - now, LEAST_WAIT), MOST_WAIT)


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _parsed(body: bytes) -> Any:
    # By content: labels and charsets are often wrong, and some sites put a byte order mark before their answers (D15).
    return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _not_json(function: str, body: bytes) -> ProvisioningError:
    # Site info is what tells whether an address is a Moodle's endpoint at all; elsewhere a page may be a proxy's.
    if function == SITE_INFO and body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return HoldIntegration("wrong_url", f"{function}: a page instead of an answer")
    return doubtful(function, "lms_unexpected_answer", f"{function}: not JSON")


def _is_tls(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
