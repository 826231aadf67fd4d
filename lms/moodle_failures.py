"""
What an answer of Moodle means.

Decided by status and `errorcode`, never by a message: messages follow the site's language and debug level. Codes are
those of the failure catalogue; details name functions and error codes only.
"""

import re
from collections.abc import Mapping
from typing import Any

import httpx

from domain.errors import (
    HoldIntegration,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
)
from lms.failures import Meaning, doubtful, parsed, status_failure

SITE_INFO = "core_webservice_get_site_info"

# How a site refuses a function that its service lacks, or that its account may not call (contract, section 1.3).
NOT_THIS_FUNCTION = frozenset({"access_refused", "right_missing", "function_missing"})

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
    "core_group_add_group_members": {
        "invalidparameter": (NeedsAttention, "not_in_course"),
        "invalidrecord": (NeedsAttention, "group_unknown"),
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
    if response.status_code == 403 and not response.content.strip():
        return HoldIntegration("webservices_off", f"{function}: HTTP 403")
    if response.status_code != 200:
        return status_failure(function, response)
    try:
        answer = parsed(response.content)
    except (ValueError, RecursionError):
        return _not_json(function, response.content)
    if isinstance(answer, dict) and "exception" in answer:
        return exception_failure(function, answer)
    return answer


def exception_failure(function: str, answer: Mapping[str, Any]) -> ProvisioningError:
    """The failure behind HTTP 200 with an exception in the body (D12)."""
    errorcode = answer.get("errorcode") or BY_CLASS.get(str(answer["exception"]).rpartition("\\")[2], "")
    return failure_of(function, str(errorcode))


def failure_of(function: str, errorcode: str) -> ProvisioningError:
    """The failure that an errorcode, or the code of a warning, stands for in this function."""
    family, code = BY_FUNCTION.get(function, {}).get(errorcode) or ANYWHERE.get(errorcode) or UNNAMED
    # What is not a short word may be a whole sentence with somebody's data in it.
    return family(code, f"{function}: {errorcode if _SLUG.fullmatch(errorcode) else 'unnamed error'}")


def _not_json(function: str, body: bytes) -> ProvisioningError:
    # Site info is what tells whether an address is a Moodle's endpoint at all; elsewhere a page may be a proxy's.
    if function == SITE_INFO and body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return HoldIntegration("wrong_url", f"{function}: a page instead of an answer")
    return doubtful(function, "lms_unexpected_answer", f"{function}: not JSON")
