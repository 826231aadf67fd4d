"""Where the client may go, and what never leaves it: tokens and people (S5, S7, S13)."""

import io
import logging
import socket
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from domain.errors import (
    HoldIntegration,
    ProvisioningError,
)
from domain.lms import LmsEnrolment, UserChange
from lms.calls import CallRecord
from lms.moodle import MoodleGateway
from lms.transport import MAX_BODY, build_client
from runtime.logs import QUIET
from runtime.secrets import Secret
from simulators.faults import Fault
from simulators.moodle import MoodleSite, moodle_site
from simulators.server import serve
from simulators.wire import Request, Response
from tests.contract.client_faults import ANN, CREATE, JSON_OK, closed_port, created, failure_of, kind
from tests.contract.client_sites import COURSES, TOKEN
from tests.contract.client_sockets import BRIEF, PATIENCE, gateway_at, read_request, server


@pytest.fixture
def site() -> MoodleSite:
    return moodle_site(courses=COURSES, token=TOKEN)


@pytest.fixture
def url(site: MoodleSite) -> Iterator[str]:
    with serve(site) as address:
        yield address


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
        faults, ledger, clock = site.faults, site.ledger, site.clock

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
    limits = BRIEF if fault.delay else PATIENCE
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
