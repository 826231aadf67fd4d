"""What goes over the wire to a portal, letter by letter, and what never leaves the client: the key and people."""

import base64
import io
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

import pytest

from domain.errors import HoldIntegration, LmsThrottled, ProvisioningError
from domain.lms import LmsEnrolment, Membership, NewUser, Pair, UserChange
from lms.calls import CallRecord
from lms.talentlms import TalentGateway
from lms.transport import MAX_BODY, Limits, build_client
from runtime.logs import QUIET
from runtime.secrets import Secret
from simulators.faults import Fault
from simulators.server import serve
from simulators.talentlms import TalentSite, add_user, talent_site
from tests.contract.client_faults import failure_of
from tests.contract.client_sockets import BRIEF, PATIENCE, server

KEY = "canary-key-of-nobody-0000000-x"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
NOBODY = b'{"error":{"type":"invalid_request_error","message":"The requested user does not exist"}}'
NOT_FOUND = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    % len(NOBODY)
)
ANN = NewUser("ann.lee", "ann.lee@example.org", "Ann", "Lee-Canary", "E-1", password="Invented1")


def gateway_at(url: str, *, limits: Limits = PATIENCE, **chosen: Any) -> TalentGateway:
    """A gateway with the product's own client; loopback is allowed, everything else is as in production."""
    client = build_client(allow_private=True, limits=limits)
    return TalentGateway(client, url, Secret(KEY), **{"zone": UTC, "key_field": "custom_field_1", **chosen})


@contextmanager
def heard(answer: bytes) -> Iterator[tuple[TalentGateway, list[bytes]]]:
    """A gateway to a server that gives one answer to everything, and the requests as they came."""
    requests: list[bytes] = []

    def reply(connection: socket.socket) -> None:
        requests.append(received(connection))
        connection.sendall(answer)

    with server(reply) as port:
        yield gateway_at(f"http://127.0.0.1:{port}", at_once=1), requests


def received(connection: socket.socket) -> bytes:
    """One request with its body."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(65536)
    head, _, body = text.partition(b"\r\n\r\n")
    lines = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lines and len(body) < int(lines[0].partition(b":")[2]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def lines(requests: list[bytes]) -> list[str]:
    return [request.partition(b" HTTP/1.1\r\n")[0].decode("ascii") for request in requests]


@pytest.mark.parametrize(
    ("by", "value", "asked"),
    [
        ("username", "ann.lee", ["users/username:ann.lee"]),
        ("username", "Ann Lee", ["users/username:Ann%20Lee"]),
        ("username", "a~b!c'd", ["users/username:a%7Eb%21c%27d"]),
        ("username", "a&b=c?d#e", ["users/username:a%26b%3Dc%3Fd%23e"]),
        ("username", "..", ["users/username:.."]),
        ("username", "a/../b", ["users?username=a%2F..%2Fb"]),
        ("username", "50%41", ["users?username=50%2541"]),
        (
            "email",
            "ann_lee-1@example.org",
            ["users/email:ann_lee-1@example.org", "users?email=ann_lee-1%40example.org"],
        ),
        ("email", "ann+lms@example.org", ["users?email=ann%2Blms%40example.org"]),
        ("email", "a,b:c@example.org", ["users?email=a%2Cb%3Ac%40example.org"]),
        ("email", "zoë@example.org", ["users?email=zo%C3%AB%40example.org"]),
        ("user_id", "412", ["users/id:412"]),
        ("external_key", "E-1", ["getusersbycustomfield/custom_field_value:E-1"]),
        ("external_key", "E 1/2", ["getusersbycustomfield?custom_field_value=E%201%2F2"]),
    ],
)
def test_a_look_up_is_spelt_so_that_the_portal_reads_it(by: Any, value: str, asked: list[str]) -> None:
    """8.3, 8.4: separators and at signs as they are, the rest in codes; what a path would lose stands in the query."""
    with heard(NOT_FOUND + NOBODY) as (gateway, requests):
        assert gateway.find_users(by, [value]) == []
    assert lines(requests) == [f"GET /api/v1/{target}" for target in asked]


def test_several_arguments_are_parted_by_commas() -> None:
    with heard(JSON % (34, b'{"user_id": "7", "course_id": "37"}'[:34])) as (gateway, requests):
        gateway.enrol([LmsEnrolment("7", "37", "learner", None, None, suspended=True)])
        gateway.join([Membership("7", "37", "Night shift,1")])
    assert lines(requests) == [
        "GET /api/v1/removeuserfromcourse/user_id:7,course_id:37",
        "GET /api/v1/addusertogroup?user_id=7&group_key=Night%20shift%2C1",
    ]


def test_the_address_of_the_portal_may_have_a_folder() -> None:
    """8.1: a simulator, or a proxy, may stand anywhere."""
    with server(lambda connection: connection.sendall(JSON % (2, b"[]")) if received(connection) else None) as port:
        gateway = gateway_at(f"http://127.0.0.1:{port}/portal/")
        assert gateway.find_users("external_key", ["E-1"]) == []


def test_the_key_is_the_user_name_of_basic_authentication_and_stands_nowhere_else() -> None:
    """8.2, S5."""
    with heard(JSON % (2, b"[]")) as (gateway, requests):
        gateway.find_users("external_key", ["E-1"])
        gateway.enrol([LmsEnrolment("7", "37", "learner", None, None, suspended=False)])
    expected = b"Authorization: Basic " + base64.b64encode(f"{KEY}:".encode())
    for request in requests:
        assert expected in request.split(b"\r\n")
        assert KEY.encode() not in request


def test_what_is_written_goes_as_a_form() -> None:
    """8.5."""
    with heard(JSON % (2, b"[]")) as (gateway, requests):
        gateway.enrol([LmsEnrolment("7", "37", "instructor", None, None, suspended=False)])
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v1/addusertocourse HTTP/1.1\r\n")
    assert b"Content-Type: application/x-www-form-urlencoded" in head
    assert body == b"user_id=7&course_id=37&role=instructor"


@pytest.mark.parametrize("address", ["http://portal.example", "https://user:secret@portal.example"])
def test_only_https_without_user_names_is_spoken(address: str) -> None:
    """S7: the key travels in a header of every call."""
    client = build_client(resolver=lambda _host, _port: ["93.184.216.34"])
    gateway = TalentGateway(client, address, Secret(KEY), zone=UTC)
    with pytest.raises(HoldIntegration, match="url_not_https"):
        gateway.site()


# What never leaves


@pytest.fixture
def site() -> TalentSite:
    made = talent_site(courses=2, key=KEY)
    add_user(made, login="bob", id=7, last_name="Lee-Canary")
    return made


@pytest.fixture
def url(site: TalentSite) -> Iterator[str]:
    with serve(site) as address:
        yield address


def error(message: str) -> dict[str, Any]:
    return {"error": {"type": "invalid_request_error", "message": message}}


FAULTS = [
    Fault("*", close="reset"),
    Fault("*", close="before_read"),
    Fault("*", delay=2),
    Fault("*", status=500, body=f"<html>{KEY} Lee-Canary</html>"),
    Fault("*", status=302, redirect=f"http://127.0.0.1:9/?key={KEY}"),
    Fault("*", status=429),
    Fault("*", status=400, json=error(f"Key {KEY} of Ann Lee-Canary <b>(ann.lee@example.org)</b> with Invented1")),
    Fault("*", status=401, json=error(f"{KEY}")),
    Fault("*", status=403, json=error(f"Not for {KEY}")),
    Fault("*", json=[{"id": "Lee-Canary", "login": KEY}]),
    Fault("*", json={"id": 9, "login": "x", "email": "Lee-Canary@example.org", "status": KEY}),
    Fault("*", page=f"<html>{KEY} Lee-Canary</html>"),
    Fault("*", oversize=MAX_BODY + 1),
]


@pytest.mark.parametrize("fault", FAULTS, ids=map(str, range(len(FAULTS))))
def test_neither_key_nor_person_is_in_any_failure_or_log(
    site: TalentSite, url: str, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """S5, S16, I10: messages, representations, chained exceptions, frames' locals, and logs at debug level."""
    caplog.set_level(logging.DEBUG)
    for name in QUIET:
        caplog.set_level(logging.WARNING, logger=name)
    records: list[CallRecord] = []
    gateway = gateway_at(url, limits=BRIEF if fault.delay else PATIENCE, on_call=records.append)
    # Asked for once: the fields of users, which come before a signup.
    gateway.fields([])
    site.faults.add(fault)
    told = io.StringIO()
    for failure in every_failure(gateway):
        assert failure.__context__ is None
        assert failure.__cause__ is None
        shown = traceback.TracebackException.from_exception(failure, capture_locals=True)
        told.write(f"{failure} {failure!r} {failure.args!r} {''.join(shown.format())}\n")
    told.write(f"{gateway!r} {records!r} {caplog.text}")
    text = told.getvalue()
    for secret in (
        KEY,
        base64.b64encode(f"{KEY}:".encode()).decode(),
        "Lee-Canary",
        "ann.lee@example.org",
        "Invented1",
    ):
        assert secret not in text
    assert len(records) >= 8


def every_failure(gateway: TalentGateway) -> Iterator[ProvisioningError]:
    batches: list[Any] = [
        gateway.create_users([ANN]),
        gateway.update_users([UserChange("7", {"last_name": ANN.last_name, "email": ANN.email})]),
        gateway.enrol([LmsEnrolment("7", "1", "learner", None, None, suspended=False)]),
        gateway.join([Membership("7", "1", "NIGHT")]),
        gateway.standings([Pair("7", "1")]),
    ]
    for [outcome] in batches:
        yield failure_of(outcome)
    reads: list[Callable[[], object]] = [
        gateway.site,
        gateway.courses,
        gateway.allowance,
        lambda: gateway.roster("1"),
        lambda: gateway.regraded(None),
    ]
    for read in reads:
        with pytest.raises(ProvisioningError) as caught:
            read()
        yield caught.value


def test_a_spent_budget_sends_nothing_but_what_is_free(site: TalentSite, url: str) -> None:
    """8.22: asked before every call; what the portal does not count is not counted here."""
    asked: list[None] = []

    def spent() -> None:
        asked.append(None)
        raise LmsThrottled("lms_throttled", "the hour is spent")

    records: list[CallRecord] = []
    gateway = gateway_at(url, budget=spent, on_call=records.append, at_once=1)
    assert gateway.allowance().remaining > 0
    assert asked == []
    outcomes: list[Any] = [*gateway.create_users([ANN]), *gateway.standings([Pair("7", "1"), Pair("8", "1")])]
    assert {type(failure_of(outcome)) for outcome in outcomes} == {LmsThrottled}
    with pytest.raises(LmsThrottled):
        gateway.courses()
    assert [record.function for record in records] == ["ratelimit"]
    assert len(asked) == 3
