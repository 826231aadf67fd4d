"""What statuses, exceptions and Retry-After headers mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
    UnknownOutcome,
)
from lms.failures import (
    LEAST_WAIT,
    MOST_WAIT,
    WRITES,
    retry_after,
    told_time,
    transport_failure,
)
from lms.moodle_failures import exception_failure, failure_of, read_answer

CREATE, LOOK_UP, SITE_INFO = "core_user_create_users", "core_user_get_users", "core_webservice_get_site_info"
DATE = "Sat, 21 Nov 2026 19:33:47 GMT"


def answered(function: str, status: int, body: bytes = b"<html></html>", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_answer(function, httpx.Response(status, headers=named, content=body))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("7", timedelta(seconds=7)),
        ("0", LEAST_WAIT),
        (" 120 ", timedelta(minutes=2)),
        ("1000000000", MOST_WAIT),
        ("9" * 5000, MOST_WAIT),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),  # a digit, but not one of HTTP's
        ("Sat, 21 Nov 2026 19:34:17 GMT", timedelta(seconds=30)),
        ("Sat, 21 Nov 2026 19:33:47 GMT", LEAST_WAIT),
        ("Sat, 21 Nov 2026 19:33:46 GMT", None),
        ("Sun, 22 Nov 2026 19:33:47 GMT", MOST_WAIT),
        ("Sat, 21 Nov 99999 19:33:47 GMT", None),
    ],
)
def test_retry_after_is_kept_within_a_second_and_an_hour(asked: str, expected: timedelta | None) -> None:
    """D18: seconds, dates, negative, huge, garbage."""
    assert retry_after({"Retry-After": asked, "Date": DATE}) == expected


def test_without_retry_after_there_is_no_wait() -> None:
    """D18: absent."""
    assert retry_after({"Date": DATE}) is None


def test_a_date_is_compared_with_the_answers_own_date() -> None:
    """T2: the site's clock may be hours off."""
    site = datetime(2031, 5, 1, 12, tzinfo=UTC)
    headers = {
        "Retry-After": format_datetime(site + timedelta(seconds=90), usegmt=True),
        "Date": format_datetime(site, usegmt=True),
    }
    assert retry_after(headers) == timedelta(seconds=90)


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "noon"}])
def test_a_site_that_does_not_tell_the_time_tells_none(headers: dict[str, str]) -> None:
    assert told_time(headers) is None


def test_a_date_without_the_answers_own_date_says_nothing() -> None:
    assert retry_after({"Retry-After": DATE}) is None


@given(st.text(), st.text())
def test_no_header_breaks_or_leaves_the_bounds(asked: str, date: str) -> None:
    """D18."""
    wait = retry_after({"Retry-After": asked, "Date": date})
    assert wait is None or LEAST_WAIT <= wait <= MOST_WAIT


@pytest.mark.parametrize(
    ("status", "body", "family", "code"),
    [
        (301, b"", HoldIntegration, "url_moved"),
        (308, b"", HoldIntegration, "url_moved"),
        (400, b"", NeedsAttention, "lms_rejected"),
        (401, b"", HoldIntegration, "access_refused"),
        (403, b"", HoldIntegration, "webservices_off"),
        (403, b"<html>blocked</html>", HoldIntegration, "access_refused"),
        (404, b"<html></html>", HoldIntegration, "wrong_url"),
        (405, b"", HoldIntegration, "wrong_url"),
        (408, b"", LmsUnavailable, "lms_no_answer"),
        (413, b"", NeedsAttention, "lms_rejected"),
        (429, b"", LmsThrottled, "lms_throttled"),
        (500, b"", UnknownOutcome, "lms_server_error"),
        (502, b"<html></html>", UnknownOutcome, "lms_server_error"),
        (503, b"<html></html>", LmsUnavailable, "lms_maintenance"),
        (504, b"", UnknownOutcome, "lms_server_error"),
        (204, b"", UnknownOutcome, "lms_unexpected_answer"),
    ],
)
def test_a_writes_status_decides(status: int, body: bytes, family: type[ProvisioningError], code: str) -> None:
    """D8, D9, D18, D20."""
    failure = answered(CREATE, status, body)
    assert (type(failure), failure.code) == (family, code)


@pytest.mark.parametrize("status", [500, 502, 504, 204])
def test_a_read_in_the_same_trouble_has_no_unknown_outcome(status: int) -> None:
    assert type(answered(LOOK_UP, status)) is LmsUnavailable


@pytest.mark.parametrize("status", [429, 503])
def test_a_status_that_asks_to_wait_brings_the_wait(status: int) -> None:
    """D18."""
    failure = answered(CREATE, status, Retry_After="90")
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == timedelta(seconds=90)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!DOCTYPE html><html><form></form></html>",
        b'<br />\n<b>Warning</b>: x<br />\n[{"id": 4, "username": "a"}]',
        b'[{"id": 4',
        b"[NaN]",
        b"[1e]",
        "[\xe9]".encode("latin-1"),
        b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]",
    ],
)
def test_what_is_no_json_leaves_a_write_unknown_and_a_read_undone(body: bytes) -> None:
    """D9, D10, D13, D14, D15."""
    write, read = answered(CREATE, 200, body), answered(LOOK_UP, 200, body)
    assert (type(write), write.code) == (UnknownOutcome, "lms_unexpected_answer")
    assert (type(read), read.code) == (LmsUnavailable, "lms_unexpected_answer")


@pytest.mark.parametrize("cut", range(1, 21))
def test_an_answer_cut_anywhere_is_not_taken_for_a_success(cut: int) -> None:
    """D14: at each of twenty offsets."""
    whole = b'[{"id": 40, "username": "ann.lee"}]'
    assert type(answered(CREATE, 200, whole[: len(whole) * cut // 21])) is UnknownOutcome


def test_a_page_where_the_site_should_introduce_itself_is_a_wrong_url() -> None:
    """D10: the one place where a page is told from trouble."""
    failure = answered(SITE_INFO, 200, b"\xef\xbb\xbf\n<!DOCTYPE html><html></html>")
    assert (type(failure), failure.code) == (HoldIntegration, "wrong_url")


@pytest.mark.parametrize("label", ["application/json", "text/html", "text/plain; charset=latin-1", ""])
def test_json_is_recognised_by_its_content(label: str) -> None:
    """D15: wrong label, wrong charset, byte order mark."""
    assert answered(LOOK_UP, 200, '\ufeff {"name": "Zoë"}'.encode(), Content_Type=label) == {"name": "Zoë"}


@pytest.mark.parametrize("namespace", ["", "core\\exception\\", "a\\b\\c\\"])
def test_without_an_errorcode_the_class_counts_and_not_its_namespace(namespace: str) -> None:
    failure = exception_failure(CREATE, {"exception": f"{namespace}required_capability_exception"})
    assert (type(failure), failure.code) == (HoldIntegration, "right_missing")


def test_the_errorcode_counts_before_the_class() -> None:
    told = {"exception": "dml_missing_record_exception", "errorcode": "invaliduser"}
    assert exception_failure(CREATE, told).code == "user_gone"


@pytest.mark.parametrize("errorcode", [None, 7, ["x"], {}, "", "Password of ann.lee@example.org is too short"])
def test_an_unknown_errorcode_is_tried_again_and_not_repeated(errorcode: object) -> None:
    """S5: what is no short word may hold somebody's data."""
    failure = exception_failure(CREATE, {"exception": "moodle_exception", "errorcode": errorcode})
    assert (type(failure), failure.code) == (TransientFailure, "lms_error")
    assert "ann" not in str(failure)


@pytest.mark.parametrize("warning", ["usernotupdatedadmin", "usernotupdatedguest"])
def test_administrators_and_guests_are_protected(warning: str) -> None:
    """S15."""
    assert failure_of("core_user_update_users", warning).code == "user_protected"


@pytest.mark.parametrize("error", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
@pytest.mark.parametrize("function", sorted(WRITES))
def test_a_call_that_was_never_sent_did_nothing(error: httpx.RequestError, function: str) -> None:
    """D1, D2."""
    assert type(transport_failure(function, error)) is LmsUnavailable


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("x"),
        httpx.ReadError("x"),
        httpx.WriteError("x"),
        httpx.WriteTimeout("x"),
        httpx.RemoteProtocolError("x"),
        httpx.DecodingError("x"),
    ],
)
@pytest.mark.parametrize("function", sorted(WRITES))
def test_a_write_that_was_sent_and_not_answered_is_unknown(error: httpx.RequestError, function: str) -> None:
    """D3, D5."""
    assert type(transport_failure(function, error)) is UnknownOutcome
    assert type(transport_failure(LOOK_UP, error)) is LmsUnavailable
