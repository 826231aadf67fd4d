"""The fault matrix in the answer: statuses, pages, half texts, wrong shapes, throttling, redirects."""

import gzip
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    TransientFailure,
    UnknownOutcome,
)
from domain.lms import Failed, LmsEnrolment, Pair, UserChange
from lms.transport import MAX_BODY
from simulators.faults import NOTICE, Fault
from simulators.moodle import MoodleSite, add_user, moodle_site
from simulators.server import serve
from tests.contract.client_faults import (
    ANN,
    CREATE,
    JSON_OK,
    LOOK_UP,
    UPDATE,
    accounts,
    created,
    kind,
)
from tests.contract.client_sites import COURSES, TOKEN
from tests.contract.client_sockets import gateway_at, read_request, server


@pytest.fixture
def site() -> MoodleSite:
    return moodle_site(courses=COURSES, token=TOKEN)


@pytest.fixture
def url(site: MoodleSite) -> Iterator[str]:
    with serve(site) as address:
        yield address


@pytest.mark.parametrize(("commit", "effects"), [("before", 1), ("never", 0)])
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_is_unknown(site: MoodleSite, url: str, status: int, commit: Any, effects: int) -> None:
    """D8, D9."""
    site.faults.add(Fault(CREATE, commit=commit, status=status, page="proxy"))
    assert kind(created(gateway_at(url))) == (UnknownOutcome, "lms_server_error")
    assert accounts(site) == effects


@pytest.mark.parametrize("page", ["login", "maintenance", "proxy"])
def test_a_page_with_status_200_is_no_success(site: MoodleSite, url: str, page: str) -> None:
    """D10: a write is unknown, a look-up is not read as "nobody", the site's introduction names the URL."""
    site.faults.add(Fault("*", page=page))
    gateway = gateway_at(url)
    assert kind(created(gateway)) == (UnknownOutcome, "lms_unexpected_answer")
    with pytest.raises(LmsUnavailable, match="lms_unexpected_answer"):
        gateway.find_users("external_key", ["E-1"])
    with pytest.raises(HoldIntegration, match="wrong_url"):
        gateway.site()


def test_maintenance_waits_for_everybody_with_one_call(site: MoodleSite, url: str) -> None:
    """D10: not one failure per record."""
    site.settings.maintenance = "web"
    users = [replace(ANN, username=f"ann{number}", email=f"ann{number}@example.org") for number in range(250)]
    outcomes = gateway_at(url).create_users(users)
    assert {kind(o.failure) for o in outcomes if isinstance(o, Failed)} == {(LmsUnavailable, "lms_maintenance")}
    assert len(site.ledger.calls(CREATE)) == 1


@pytest.mark.parametrize("body", ["", "null"])
def test_an_empty_answer_is_no_success_of_a_create(site: MoodleSite, url: str, body: str) -> None:
    """D11."""
    site.faults.add(Fault(CREATE, body=body))
    assert kind(created(gateway_at(url))) == (UnknownOutcome, "lms_unexpected_answer")


def test_an_exception_in_the_body_is_a_failure(site: MoodleSite, url: str) -> None:
    """D12."""
    site.faults.add(Fault(CREATE, errorcode="accessexception"))
    assert kind(created(gateway_at(url))) == (HoldIntegration, "access_refused")


def test_notices_before_the_json_leave_the_outcome_unknown(site: MoodleSite, url: str) -> None:
    """D13."""
    site.faults.add(Fault(CREATE, commit="before", prefix=NOTICE))
    assert kind(created(gateway_at(url))) == (UnknownOutcome, "lms_unexpected_answer")
    assert accounts(site) == 1


@pytest.mark.parametrize("offset", range(20))
def test_an_answer_cut_at_any_offset_is_unknown(site: MoodleSite, url: str, offset: int) -> None:
    """D14: complete HTTP around half a text, and a connection that ends within the announced length."""
    site.faults.add(Fault(CREATE, nth=1, commit="before", truncate=offset))
    site.faults.add(Fault(UPDATE, nth=1, commit="before", cut=min(offset, 14)))
    gateway = gateway_at(url)
    assert kind(created(gateway)) == (UnknownOutcome, "lms_unexpected_answer")
    [outcome] = gateway.update_users([UserChange("4", {"last_name": "Berg"})])
    assert isinstance(outcome, Failed)
    assert kind(outcome.failure) == (UnknownOutcome, "lms_no_answer")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(LOOK_UP, commit="before", content_type="text/html; charset=latin-1"),
        Fault(LOOK_UP, commit="before", prefix="\ufeff"),
    ],
)
def test_labels_and_marks_do_not_hide_an_answer(site: MoodleSite, url: str, fault: Fault) -> None:
    """D15."""
    add_user(site, username="zoe", firstname="Zoë", lastname="Ek", email="zoe@example.org", idnumber="E-9")
    site.faults.add(fault)
    assert [user.first_name for user in gateway_at(url).find_users("external_key", ["E-9"])] == ["Zoë"]


@pytest.mark.parametrize(
    "fault", [Fault(CREATE, oversize=MAX_BODY + 1), Fault(CREATE, gzip_bomb=MAX_BODY + 1), Fault(CREATE, gzip_bomb=10)]
)
def test_an_answer_that_is_too_large_is_not_read_to_its_end(site: MoodleSite, url: str, fault: Fault) -> None:
    """D15: five mebibytes, packed or not; the small one shows that packed answers are read at all."""
    site.faults.add(fault)
    failure = created(gateway_at(url))
    assert kind(failure) == (UnknownOutcome, "lms_unexpected_answer")
    assert failure.detail == (f"{CREATE}: not the shape known" if fault.gzip_bomb == 10 else CREATE)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate"])
def test_an_answer_that_is_not_packed_as_it_says_is_unknown(encoding: str) -> None:
    """D15."""

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(JSON_OK + f"Content-Encoding: {encoding}\r\nContent-Length: 4\r\n\r\nnull".encode())

    with server(answer) as port:
        enrolment = LmsEnrolment("7", "2", "5", None, None, suspended=False)
        [outcome] = gateway_at(f"http://127.0.0.1:{port}").enrol([enrolment])
    assert isinstance(outcome, Failed)
    assert kind(outcome.failure) == (UnknownOutcome, "lms_unexpected_answer")


def test_a_packed_answer_is_read() -> None:
    """D15: and one that ends too early is not."""
    packed = gzip.compress(b"[]" + b" " * 100_000)

    def answer(connection: socket.socket) -> None:
        while True:
            sent = packed if b"E-1" in read_request(connection) else packed[:-12]
            head = f"Content-Encoding: gzip\r\nContent-Length: {len(sent)}\r\n\r\n"
            connection.sendall(JSON_OK + head.encode() + sent)

    with server(answer) as port:
        gateway = gateway_at(f"http://127.0.0.1:{port}")
        assert gateway.find_users("external_key", ["E-1"]) == []
        with pytest.raises(LmsUnavailable, match="lms_unexpected_answer"):
            gateway.find_users("external_key", ["E-2"])


@pytest.mark.parametrize(
    "answer",
    [
        [{"id": "12", "username": "ann.lee"}],
        [{"id": None, "username": "ann.lee"}],
        [{"id": 12.5, "username": "ann.lee"}],
        [{"id": True, "username": "ann.lee"}],
        [{"id": 12}],
        [12],
        {"id": 12, "username": "ann.lee"},
        "ok",
        [],
        [{"id": 12, "username": "somebody.else"}],
        [{"id": 12, "username": "ann.lee"}, {"id": 13, "username": "ann.lee"}],
        [{"id": 12, "username": "ann.lee"}, {"id": 12, "username": "bo.ek"}],
    ],
)
def test_an_answer_of_another_shape_is_no_success(site: MoodleSite, url: str, answer: Any) -> None:
    """D16, D17: also when it is about somebody else, or tells nothing of the user sent."""
    site.faults.add(Fault(CREATE, json=answer))
    assert kind(created(gateway_at(url))) == (UnknownOutcome, "lms_unexpected_answer")


def test_a_warning_about_somebody_else_leaves_updates_unknown(site: MoodleSite, url: str) -> None:
    """D17."""
    site.faults.add(Fault(UPDATE, json={"warnings": [{"itemid": 99, "warningcode": "invaliduserid"}]}))
    [outcome] = gateway_at(url).update_users([UserChange("4", {"last_name": "Berg"})])
    assert isinstance(outcome, Failed)
    assert kind(outcome.failure) == (UnknownOutcome, "lms_unexpected_answer")


def test_an_answer_about_somebody_else_stops_the_integration(site: MoodleSite, url: str) -> None:
    """D17: a cache mixed up two answers."""
    for name in ("ann", "bo"):
        add_user(site, username=name, firstname=name, lastname="Ek", email=f"{name}@example.org", idnumber=f"E-{name}")
    site.faults.add(Fault(LOOK_UP, swap=True))
    with pytest.raises(HoldIntegration, match="wrong_answers"):
        gateway_at(url).find_users("external_key", ["E-bo"])


def test_grades_of_somebody_else_stop_the_integration(site: MoodleSite, url: str) -> None:
    """D17."""
    done = {"completionstatus": {"completed": True, "completions": []}}
    grades = {"usergrades": [{"courseid": 2, "userid": 8, "gradeitems": [{"itemtype": "course", "graderaw": 90}]}]}
    site.faults.add(Fault("core_completion_*", json=done), Fault("gradereport_*", json=grades))
    [outcome] = gateway_at(url).completions([Pair("7", "2")])
    assert isinstance(outcome, Failed)
    assert kind(outcome.failure) == (HoldIntegration, "wrong_answers")


@pytest.mark.parametrize(
    ("asked", "wait"),
    [("7", timedelta(seconds=7)), ("-1", None), ("1000000000", timedelta(hours=1)), ("soon", None), (None, None)],
)
def test_throttling_brings_its_wait(site: MoodleSite, url: str, asked: str | None, wait: timedelta | None) -> None:
    """D18."""
    site.faults.add(Fault(CREATE, status=429, retry_after=asked))
    failure = created(gateway_at(url))
    assert kind(failure) == (LmsThrottled, "lms_throttled")
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after == wait


def test_throttled_writes_do_not_stop_reads(site: MoodleSite, url: str) -> None:
    """D19."""
    site.faults.add(Fault(CREATE, status=429))
    gateway = gateway_at(url)
    assert kind(created(gateway)) == (LmsThrottled, "lms_throttled")
    assert gateway.find_users("external_key", ["E-1"]) == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_the_token_goes_nowhere(site: MoodleSite, url: str, status: int) -> None:
    """D20."""
    elsewhere = moodle_site(courses=COURSES, token=TOKEN)
    with serve(elsewhere) as other:
        site.faults.add(Fault(CREATE, status=status, redirect=f"{other}/webservice/rest/server.php"))
        assert kind(created(gateway_at(url))) == (HoldIntegration, "url_moved")
    assert elsewhere.ledger.calls() == []
