"""The fault matrix's LMS rows as the client meets them: real sockets, the product's own HTTP client."""

import gzip
import io
import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
    UnknownOutcome,
)
from domain.lms import Done, Failed, LmsEnrolment, NewUser, Outcome, Pair, UserChange
from lms.moodle import MoodleGateway
from lms.moodle_calls import CallRecord
from lms.transport import MAX_BODY, Limits, build_client
from runtime.logs import QUIET
from runtime.secrets import Secret
from simulators.faults import NOTICE, Fault
from simulators.moodle import MoodleSite, add_user, moodle_site
from simulators.server import serve
from simulators.wire import Request, Response
from tests.contract.client_sites import COURSES, TOKEN, moodle_gateway
from tests.contract.client_sockets import certificate, deaf_port, gateway_at, read_request, server

CREATE, UPDATE, ENROL = "core_user_create_users", "core_user_update_users", "enrol_manual_enrol_users"
LOOK_UP = "core_user_get_users_by_field"
ANN = NewUser("ann.lee", "ann.lee@example.org", "Ann", "Lee-Canary", "E-1", password="Invented-1!")
JSON_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def site() -> MoodleSite:
    return moodle_site(courses=COURSES, token=TOKEN)


@pytest.fixture
def url(site: MoodleSite) -> Iterator[str]:
    with serve(site) as address:
        yield address


def created(gateway: MoodleGateway) -> ProvisioningError:
    [outcome] = gateway.create_users([ANN])
    assert isinstance(outcome, Failed)
    return outcome.failure


def kind(failure: ProvisioningError) -> tuple[type[ProvisioningError], str]:
    return type(failure), failure.code


def accounts(site: MoodleSite) -> int:
    return len(site.ledger.effects("user created"))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_refused_connection_did_nothing() -> None:
    """D1."""
    assert kind(created(gateway_at(f"http://127.0.0.1:{closed_port()}"))) == (LmsUnavailable, "lms_unreachable")


def test_a_name_that_does_not_resolve_did_nothing() -> None:
    """D1."""

    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    gateway = MoodleGateway(build_client(resolver=unknown), "https://academy.example", Secret(TOKEN))
    assert kind(created(gateway)) == (LmsUnavailable, "lms_unreachable")


def test_a_host_that_does_not_answer_is_given_up_early() -> None:
    """D2: the time to connect is bounded on its own, far below that of a call."""
    limits = Limits(connect=timedelta(seconds=0.3), read=timedelta(hours=1), total=timedelta(hours=1))
    with deaf_port() as port:
        failure = created(gateway_at(f"http://127.0.0.1:{port}", limits=limits))
    assert kind(failure) == (LmsUnavailable, "lms_unreachable")


@pytest.mark.parametrize(
    ("name", "days", "trusted"), [("localhost", 1, False), ("localhost", -1, True), ("elsewhere.example", 1, True)]
)
def test_a_certificate_that_does_not_verify_is_not_spoken_to(
    tmp_path: Path, name: str, days: int, trusted: bool
) -> None:
    """D1, S8, T4: self-signed, expired, another host's. The token is never sent."""
    context, authority = certificate(tmp_path, days=days, name=name)
    heard: list[bytes] = []
    with server(lambda connection: heard.append(read_request(connection)), context) as port:
        gateway = gateway_at(f"https://localhost:{port}", ca_file=authority if trusted else None)
        assert kind(created(gateway)) == (LmsUnavailable, "tls_failed")
    assert heard == []


def test_a_private_authority_can_be_trusted(tmp_path: Path) -> None:
    """S8."""
    context, authority = certificate(tmp_path)

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(JSON_OK + b"Content-Length: 2\r\n\r\n[]")

    with server(answer, context) as port:
        assert gateway_at(f"https://localhost:{port}", ca_file=authority).find_users("external_key", ["E-1"]) == []


def test_tls_before_1_2_is_not_spoken() -> None:
    """S8."""
    transport: Any = build_client()._transport
    assert transport._pool._ssl_context.minimum_version == 0x0303


def test_a_slow_first_byte_ends_the_call(site: MoodleSite, url: str) -> None:
    """D3."""
    site.faults.add(Fault(CREATE, delay=5))
    assert kind(created(gateway_at(url))) == (UnknownOutcome, "lms_no_answer")


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_slow_drip_ends_with_the_call_and_not_with_the_answer(part: str) -> None:
    """D3: every single byte comes in time, and still the call as a whole has a deadline."""
    dripping = threading.Event()

    def drip(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" if part == "head" else JSON_OK + b"Content-Length: 999\r\n\r\n")
        while not dripping.wait(0.05):
            connection.sendall(b"x")

    with server(drip) as port:
        failure = created(gateway_at(f"http://127.0.0.1:{port}"))
        dripping.set()
    assert kind(failure) == (UnknownOutcome, "lms_no_answer")


def test_a_silent_server_is_not_waited_for_beyond_the_deadline(site: MoodleSite, url: str) -> None:
    """D3: however long a single read may take."""
    site.faults.add(Fault(CREATE, delay=5))
    limits = Limits(read=timedelta(hours=1), total=timedelta(seconds=0.5))
    assert kind(created(gateway_at(url, limits=limits))) == (UnknownOutcome, "lms_no_answer")
    assert accounts(site) == 1


def test_a_server_that_does_not_read_ends_with_the_call() -> None:
    """D3, in the other direction."""
    released = threading.Event()

    def wait(_connection: socket.socket) -> None:
        released.wait(30)

    with server(wait) as port:
        users = [replace(ANN, username=f"ann{number}", password="x" * 900_000) for number in range(20)]
        outcomes = gateway_at(f"http://127.0.0.1:{port}").create_users(users)
        released.set()
    assert {kind(outcome.failure) for outcome in outcomes if isinstance(outcome, Failed)} == {
        (UnknownOutcome, "lms_no_answer")
    }


def test_a_connection_cut_before_the_request_was_read_is_still_unknown(site: MoodleSite, url: str) -> None:
    """D4: this side cannot tell it from D5, so it reads back; nothing happened."""
    site.faults.add(Fault(CREATE, close="before_read"))
    assert kind(created(gateway_at(url))) == (UnknownOutcome, "lms_no_answer")
    assert accounts(site) == 0


@pytest.mark.parametrize("close", ["reset", "after_request"])
@pytest.mark.parametrize(("commit", "effects"), [("before", 1), ("never", 0)])
def test_a_lost_answer_is_unknown_and_never_sent_again(
    site: MoodleSite, url: str, close: Any, commit: Any, effects: int
) -> None:
    """D5, D6: no retry below the caller."""
    site.faults.add(Fault(CREATE, commit=commit, close=close))
    assert kind(created(gateway_at(url))) == (UnknownOutcome, "lms_no_answer")
    assert (accounts(site), len(site.ledger.calls(CREATE))) == (effects, 1)


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


def test_a_connection_closed_between_two_calls_is_opened_again() -> None:
    """D25: a connection known to be closed is not used."""
    closed = threading.Event()

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(JSON_OK + b"Content-Length: 2\r\n\r\n[]")
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with server(answer) as port:
        gateway = gateway_at(f"http://127.0.0.1:{port}")
        for _ in range(5):
            assert gateway.find_users("external_key", ["E-1"]) == []
            assert closed.wait(5)
            closed.clear()


def test_a_connection_closed_as_we_send_is_an_unknown_outcome() -> None:
    """D25: the same as D5."""

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(JSON_OK + b"Content-Length: 2\r\n\r\n[]")
        read_request(connection)

    with server(answer) as port:
        gateway = gateway_at(f"http://127.0.0.1:{port}")
        assert gateway.find_users("external_key", ["E-1"]) == []
        assert kind(created(gateway)) == (UnknownOutcome, "lms_no_answer")


def test_calls_share_connections(site: MoodleSite, url: str) -> None:
    ports: set[int] = set()

    def answer(connection: socket.socket) -> None:
        ports.add(connection.getpeername()[1])
        while True:
            read_request(connection)
            connection.sendall(JSON_OK + b"Content-Length: 2\r\n\r\n[]")

    with server(answer) as port:
        gateway = gateway_at(f"http://127.0.0.1:{port}")
        for _ in range(3):
            gateway.find_users("external_key", ["E-1"])
    assert len(ports) == 1


def test_a_name_that_leads_into_a_private_network_by_now_is_not_connected_to() -> None:
    """S7: the name was public when it was saved (rebinding); asked again for each connection."""
    heard: list[bytes] = []
    with server(lambda connection: heard.append(connection.recv(1))) as port:
        client = build_client(resolver=lambda _host, _port: ["93.184.216.34", "127.0.0.1"])
        gateway = MoodleGateway(client, f"https://academy.example:{port}", Secret(TOKEN))
        assert kind(created(gateway)) == (HoldIntegration, "url_private")
    assert heard == []


@pytest.mark.parametrize("address", ["http://academy.example", "https://user:secret@academy.example"])
def test_only_https_without_user_names_is_spoken(address: str) -> None:
    """S7: the same rule at every call."""
    client = build_client(resolver=lambda _host, _port: ["93.184.216.34"])
    assert kind(created(MoodleGateway(client, address, Secret(TOKEN)))) == (HoldIntegration, "url_not_https")


def test_the_connection_goes_to_the_checked_address_under_the_hosts_name() -> None:
    """S7: resolved once, and no second look that could turn out otherwise."""
    heard: list[bytes] = []
    asked: list[str] = []

    def answer(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(JSON_OK + b"Content-Length: 2\r\n\r\n[]")

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.9", "127.0.0.1"]

    with server(answer) as port:
        client = build_client(allow_private=True, resolver=resolver)
        gateway = MoodleGateway(client, f"http://academy.example:{port}", Secret(TOKEN))
        assert gateway.find_users("external_key", ["E-1"]) == []
    assert asked == ["academy.example"]
    assert f"Host: academy.example:{port}".encode() in heard[0]


def test_proxies_of_the_environment_are_not_used(site: MoodleSite, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: a proxy would connect to addresses that nobody checked."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    assert gateway_at(url).find_users("external_key", ["E-1"]) == []


def test_cookies_are_not_kept(site: MoodleSite) -> None:
    """S13: one client serves all tenants."""
    seen: list[str] = []

    class Watched:
        faults, ledger = site.faults, site.ledger

        def __call__(self, request: Request) -> Response:
            seen.append(request.header("Cookie"))
            return site(request)

    site.faults.add(Fault("*", commit="before", headers={"Set-Cookie": "MoodleSession=abc; path=/"}))
    watched: Any = Watched()
    with serve(watched) as address:
        gateway = gateway_at(address)
        for _ in range(2):
            gateway.find_users("external_key", ["E-1"])
    assert seen == ["", ""]


def test_the_token_is_the_first_field_of_the_body_and_in_no_url(site: MoodleSite) -> None:
    """S5, contract 1.4: what is lost beyond PHP's limit is lost from the end."""
    sent: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        sent.append(read_request(connection))
        connection.sendall(JSON_OK + b"Content-Length: 4\r\n\r\nnull")

    with server(answer) as port:
        gateway_at(f"http://127.0.0.1:{port}").create_users([ANN])
    head, _, body = sent[0].partition(b"\r\n\r\n")
    assert body.startswith(f"wstoken={TOKEN}&wsfunction={CREATE}&moodlewsrestformat=json&users".encode())
    assert TOKEN.encode() not in head
    assert head.startswith(b"POST /webservice/rest/server.php HTTP/1.1")


FAULTS = [
    Fault("*", close="reset"),
    Fault("*", close="before_read"),
    Fault("*", delay=2),
    Fault("*", status=500, body=f"<html>wstoken={TOKEN} Lee-Canary</html>"),
    Fault("*", status=302, redirect=f"http://127.0.0.1:9/?wstoken={TOKEN}"),
    Fault("*", status=429),
    Fault("*", errorcode="invalidtoken"),
    Fault("*", errorcode=f"Token {TOKEN} of Lee-Canary is bad"),
    Fault("*", json={"exception": f"{TOKEN}", "message": f"{TOKEN} Lee-Canary"}),
    Fault("*", json=[{"id": "Lee-Canary", "username": TOKEN}]),
    Fault("*", page=f"<html>{TOKEN} Lee-Canary</html>"),
    Fault("*", oversize=MAX_BODY + 1),
]


@pytest.mark.parametrize("fault", FAULTS, ids=map(str, range(len(FAULTS))))
def test_neither_token_nor_person_is_in_any_failure_or_log(
    site: MoodleSite, url: str, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """S5, S16, I10: messages, representations, chained exceptions, frames' locals, and logs at debug level."""
    caplog.set_level(logging.DEBUG)
    for name in QUIET:
        caplog.set_level(logging.WARNING, logger=name)
    site.faults.add(fault)
    records: list[CallRecord] = []
    limits = Limits(read=timedelta(seconds=0.3), total=timedelta(seconds=0.5))
    gateway = gateway_at(url, limits=limits, on_call=records.append)
    told = io.StringIO()
    for failure in every_failure(gateway):
        assert failure.__context__ is None
        assert failure.__cause__ is None
        shown = traceback.TracebackException.from_exception(failure, capture_locals=True)
        told.write(f"{failure} {failure!r} {failure.args!r} {''.join(shown.format())}\n")
    told.write(f"{gateway!r} {records!r} {caplog.text}")
    text = told.getvalue()
    assert TOKEN not in text
    assert "Lee-Canary" not in text
    assert len(records) >= 4


def every_failure(gateway: MoodleGateway) -> Iterator[ProvisioningError]:
    enrolment = LmsEnrolment("7", "2", "5", None, None, suspended=False)
    batches: list[Any] = [
        gateway.create_users([ANN]),
        gateway.update_users([UserChange("4", {"last_name": ANN.last_name})]),
        gateway.enrol([enrolment]),
    ]
    for [outcome] in batches:
        yield failure_of(outcome)
    for read in (gateway.site, lambda: gateway.find_users("username", ["ann.lee"]), gateway.courses):
        with pytest.raises(ProvisioningError) as caught:
            read()
        yield caught.value


def failure_of(outcome: Outcome[Any]) -> ProvisioningError:
    assert isinstance(outcome, Failed)
    return outcome.failure


def test_every_call_is_counted_with_its_end(site: MoodleSite) -> None:
    records: list[CallRecord] = []
    gateway = moodle_gateway(site, records.append)
    site.faults.add(Fault(CREATE, nth=2, status=429), Fault(CREATE, nth=2, close="reset"))
    for number in range(3):
        gateway.create_users(
            [replace(ANN, username=f"ann{number}{n}", email=f"a{number}{n}@example.org") for n in range(2)]
        )
    gateway.find_users("username", ["ann00"])
    told = [(record.function, record.items, record.status, record.code) for record in records]
    assert told == [
        (CREATE, 2, "2xx", "ok"),
        (CREATE, 2, "4xx", "lms_throttled"),
        (CREATE, 2, "none", "lms_no_answer"),
        (LOOK_UP, 1, "2xx", "ok"),
        ("core_webservice_get_site_info", 1, "2xx", "ok"),
    ]
    assert all(record.took >= timedelta(0) for record in records)


def test_no_call_holds_more_than_a_hundred_items_and_none_is_lost(site: MoodleSite) -> None:
    """Contract, section 1.4: with PHP's own limit of a thousand fields."""
    site.settings.max_input_vars = 1000
    gateway = moodle_gateway(site)
    users = [replace(ANN, username=f"ann{n}", email=f"ann{n}@example.org", external_key=f"E-{n}") for n in range(230)]
    outcomes = gateway.create_users(users)
    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert accounts(site) == 230
    assert [call["items"] for call in site.ledger.calls(CREATE)] == [100, 100, 30]


def test_users_that_were_cut_off_silently_are_unknown(site: MoodleSite) -> None:
    """D24, contract 1.4: the answer is a success about fewer users than were sent."""
    site.settings.max_input_vars = 2 + 8 * 5  # PHP keeps one field more than its limit
    users = [replace(ANN, username=f"ann{n}", email=f"ann{n}@example.org") for n in range(8)]
    outcomes = moodle_gateway(site).create_users(users)
    assert [type(outcome) for outcome in outcomes] == [Done] * 5 + [Failed] * 3
    assert {kind(failure_of(outcome)) for outcome in outcomes[5:]} == {(UnknownOutcome, "lms_unexpected_answer")}
    assert accounts(site) == 5


def test_enrolments_are_sent_in_the_order_of_their_users(site: MoodleSite) -> None:
    """Contract, section 9: other orders end in deadlocks."""
    numbers = [
        add_user(site, username=f"u{n}", firstname="A", lastname="B", email=f"u{n}@example.org").id for n in range(5)
    ]
    pairs = [LmsEnrolment(str(n), "2", "5", None, None, suspended=False) for n in reversed(numbers)]
    assert moodle_gateway(site).enrol(pairs) == [Done(None)] * 5
    assert [effect["user"] for effect in site.ledger.effects("enrolled")] == numbers


def test_the_guest_and_the_tokens_own_account_are_protected(site: MoodleSite) -> None:
    """S15."""
    gateway = moodle_gateway(site)
    found = {
        user.username: user.protected for user in gateway.find_users("username", ["guest", "ws_matricula", "admin"])
    }
    assert found == {"guest": True, "ws_matricula": True, "admin": False}
    own = gateway.site().user_id
    [outcome] = gateway.update_users([UserChange(own, {"suspended": True})])
    assert kind(failure_of(outcome)) == (NeedsAttention, "user_protected")
    assert site.ledger.calls(UPDATE) == []


def test_administrators_refuse_to_be_changed(site: MoodleSite) -> None:
    """S15: Moodle itself guards them against a token that is no administrator's."""
    [outcome] = moodle_gateway(site).update_users([UserChange("2", {"last_name": "Berg"})])
    assert kind(failure_of(outcome)) == (NeedsAttention, "user_protected")


def test_a_course_the_token_may_not_enter_is_that_courses_trouble(site: MoodleSite) -> None:
    """D23."""
    ids = [
        add_user(site, username=f"u{n}", firstname="A", lastname="B", email=f"u{n}@example.org").id for n in range(3)
    ]
    site.faults.add(Fault(ENROL, value="3", errorcode="requireloginerror"))
    outcomes = moodle_gateway(site).enrol(
        [LmsEnrolment(str(n), course, "5", None, None, suspended=False) for n, course in zip(ids, "232", strict=True)]
    )
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]
    assert kind(failure_of(outcomes[1])) == (NeedsAttention, "course_not_accessible")


@pytest.mark.parametrize(
    ("seed", "code"),
    [({"manual_enrolment": False}, "no_manual_enrolment"), ({"manual_enrolment": "none"}, "no_manual_enrolment")],
)
def test_a_course_without_manual_enrolment_is_named(seed: dict[str, Any], code: str) -> None:
    """D23."""
    site = moodle_site(courses=[*COURSES, {"id": 4, "shortname": "X", "fullname": "X", **seed}], token=TOKEN)
    user = add_user(site, username="u", firstname="A", lastname="B", email="u@example.org").id
    [outcome] = moodle_gateway(site).enrol([LmsEnrolment(str(user), "4", "5", None, None, suspended=False)])
    assert kind(failure_of(outcome)) == (NeedsAttention, code)


def test_a_role_that_may_not_be_given_is_named(site: MoodleSite) -> None:
    user = add_user(site, username="u", firstname="A", lastname="B", email="u@example.org").id
    [outcome] = moodle_gateway(site).enrol([LmsEnrolment(str(user), "2", "1", None, None, suspended=False)])
    assert kind(failure_of(outcome)) == (NeedsAttention, "role_not_assignable")
