"""The fault matrix on the way there and back: connections refused, slow, cut and closed, over real sockets."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import (
    LmsUnavailable,
    UnknownOutcome,
)
from domain.lms import Failed
from lms.moodle import MoodleGateway
from lms.transport import Limits, build_client
from runtime.secrets import Secret
from simulators.faults import Fault
from simulators.moodle import MoodleSite, moodle_site
from simulators.server import serve
from tests.contract.client_faults import ANN, CREATE, JSON_OK, accounts, closed_port, created, kind
from tests.contract.client_sites import COURSES, TOKEN
from tests.contract.client_sockets import BRIEF, certificate, deaf_port, gateway_at, read_request, server


@pytest.fixture
def site() -> MoodleSite:
    return moodle_site(courses=COURSES, token=TOKEN)


@pytest.fixture
def url(site: MoodleSite) -> Iterator[str]:
    with serve(site) as address:
        yield address


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
    assert kind(created(gateway_at(url, limits=BRIEF))) == (UnknownOutcome, "lms_no_answer")


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
        failure = created(gateway_at(f"http://127.0.0.1:{port}", limits=BRIEF))
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
        outcomes = gateway_at(f"http://127.0.0.1:{port}", limits=BRIEF).create_users(users)
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
