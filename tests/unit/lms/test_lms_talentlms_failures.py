"""What a portal's answers mean: the JSON first, then the message, then the status."""

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
from lms.talentlms_failures import AS_ANSWER, MESSAGES, MOST_KEPT, NO_USER, Said, read_answer, without_data

READ, WRITE = "users", "usersignup"
PAGE = b"<!DOCTYPE html><html><body>Log in</body></html>"


def answered(action: str, status: int, body: Any = PAGE, sent: dict[str, str] | None = None, **headers: str) -> Any:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return read_answer(action, httpx.Response(status, headers=headers, **content), sent or {})


def error(message: Any) -> dict[str, Any]:
    return {"error": {"type": "invalid_request_error", "message": message}}


def kind(failure: ProvisioningError) -> tuple[type[ProvisioningError], str]:
    return type(failure), failure.code


@pytest.mark.parametrize(
    ("status", "family", "code"),
    [
        (301, HoldIntegration, "url_moved"),
        (400, NeedsAttention, "lms_rejected"),
        (401, HoldIntegration, "wrong_url"),
        (403, HoldIntegration, "access_refused"),
        (404, HoldIntegration, "wrong_url"),
        (408, LmsUnavailable, "lms_no_answer"),
        (429, LmsThrottled, "lms_throttled"),
        (500, UnknownOutcome, "lms_server_error"),
        (502, UnknownOutcome, "lms_server_error"),
        (503, LmsUnavailable, "lms_maintenance"),
        (200, UnknownOutcome, "lms_unexpected_answer"),
    ],
)
@pytest.mark.parametrize("body", [PAGE, b"", b"[" * 9])
def test_what_is_no_json_is_told_by_its_status(
    status: int, body: bytes, family: type[ProvisioningError], code: str
) -> None:
    """8.7, D9, D10: never "nobody"."""
    assert kind(answered(WRITE, status, body)) == (family, code)


@pytest.mark.parametrize("status", [401, 404, 400, 403])
@pytest.mark.parametrize("body", [{"detail": "Not found."}, [], None, "gone", {"error": "no"}, error(None)])
def test_json_that_is_not_a_portals_is_as_good_as_a_page(status: int, body: Any) -> None:
    """8.7: somebody else's 404 is no missing user."""
    assert kind(answered(READ, status, body)) == kind(answered(READ, status, PAGE))


@pytest.mark.parametrize("message", [NO_USER, NO_USER.upper(), "The requested user  does not exist."])
@pytest.mark.parametrize("status", [400, 404, 410])
@pytest.mark.parametrize("action", ["users", "getusersbycustomfield"])
def test_nobody_is_nobody_whatever_the_status(message: str, status: int, action: str) -> None:
    """R141: statuses are not certain (contract, section 4), the message is."""
    assert answered(action, status, error(message)) is Said.NOTHING


@pytest.mark.parametrize("message", [m for m in MESSAGES if m != NO_USER])
def test_any_other_error_is_no_miss(message: str) -> None:
    """R141: least of all a user who was deleted and can be restored."""
    assert isinstance(answered("users", 404, error(message)), ProvisioningError)


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(("action", "message"), sorted(AS_ANSWER))
def test_trouble_with_the_portal_is_never_an_answer(status: int, action: str, message: str) -> None:
    assert isinstance(answered(action, status, error(message)), TransientFailure)


def test_somebody_unknown_is_a_failure_where_something_was_to_be_done() -> None:
    assert kind(answered("edituser", 404, error(NO_USER))) == (NeedsAttention, "user_gone")
    assert kind(answered("addusertocourse", 404, error(NO_USER))) == (NeedsAttention, "user_gone")


@pytest.mark.parametrize(
    ("status", "message", "code"),
    [
        (401, "Invalid API Key provided", "token_refused"),
        (401, "The key has expired", "token_refused"),
        (403, "(text unknown)", "api_off"),
    ],
)
def test_a_bad_key_is_told_from_an_api_that_is_off(status: int, message: str, code: str) -> None:
    """R117."""
    assert kind(answered(READ, status, error(message))) == (HoldIntegration, code)


def test_an_unknown_refusal_is_lasting_and_says_what_the_portal_said() -> None:
    """8.21."""
    failure = answered(WRITE, 400, error("The group key has been redeemed 30 times"))
    assert kind(failure) == (NeedsAttention, "lms_rejected")
    assert failure.detail == "usersignup: The group key has been redeemed 30 times"


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_is_what_it_holds(status: int) -> None:
    assert answered(READ, status, {"id": "7"}) == {"id": "7"}
    assert answered(READ, status, b'\xef\xbb\xbf {"id": "7"}') == {"id": "7"}


def test_a_page_where_the_portal_should_introduce_itself_is_a_wrong_url() -> None:
    assert kind(answered("siteinfo", 200)) == (HoldIntegration, "wrong_url")


def test_a_wait_that_is_asked_for_is_kept() -> None:
    """D18: none is documented; a proxy may ask."""
    failure = answered(READ, 429, error("slow down"), **{"Retry-After": "90"})
    assert failure.retry_after.total_seconds() == 90


@pytest.mark.parametrize(
    ("message", "sent", "kept"),
    [
        ("The plan allows 40 users", {}, "The plan allows 40 users"),
        ("O&#039;Brien is not a valid email", {"email": "O'Brien"}, "(email) is not a valid email"),
        ("Ann Lee cannot be enrolled", {}, "… … cannot be enrolled"),
        ("User ann@example.org <b>waits</b>", {}, "User (address)  waits"),
        ("ann lee waits", {"first_name": "Ann", "last_name": "LEE"}, "(first_name) (last_name) waits"),
        ("Annual limit of Ann", {"first_name": "Ann"}, "… limit of (first_name)"),
        ("nothing\x00 here\n", {"login": ""}, "nothing  here"),
    ],
)
def test_a_message_is_kept_without_anybodys_data(message: str, sent: dict[str, str], kept: str) -> None:
    """S5."""
    assert without_data(message, sent) == kept


@given(st.text(), st.dictionaries(st.sampled_from(["login", "email"]), st.text()))
def test_no_message_breaks_or_grows(message: str, sent: dict[str, str]) -> None:
    assert len(without_data(message, sent)) <= MOST_KEPT
