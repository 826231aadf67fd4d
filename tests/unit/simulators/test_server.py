"""
A simulated site behind a socket: what only a socket can do, and the control.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.clock import MovableClock
from simulators.faults import Fault
from simulators.moodle import ENDPOINT, MoodleSite, moodle_site
from simulators.server import serve
from tests.unit.simulators.calling import FORM, body_of, found, person

INFO = "core_webservice_get_site_info"
CREATE = "core_user_create_users"


@pytest.fixture
def site() -> MoodleSite:
    return moodle_site(courses=2, clock=MovableClock())


@pytest.fixture
def client(site: MoodleSite) -> Iterator[httpx.Client]:
    with serve(site) as url, httpx.Client(base_url=url, headers=FORM, timeout=5) as client:
        yield client


def post(client: httpx.Client, function: str = INFO, **parameters: Any) -> httpx.Response:
    return client.post(ENDPOINT, content=body_of(function, **parameters))


def test_one_connection_serves_many_calls(client: httpx.Client) -> None:
    streams = {post(client).extensions["network_stream"].get_extra_info("client_addr") for _ in range(3)}
    assert len(streams) == 1


@pytest.mark.parametrize(
    ("close", "error", "words"),
    [
        ("before_read", httpx.TransportError, "reset|disconnected"),
        ("after_request", httpx.RemoteProtocolError, "disconnected"),
        ("reset", httpx.ReadError, "reset by peer"),
    ],
)
def test_a_connection_may_break_without_an_answer(
    client: httpx.Client, site: MoodleSite, close: Any, error: type[Exception], words: str
) -> None:
    """D4, D5"""
    site.faults.add(Fault(close=close, times=1))
    with pytest.raises(error, match=words):
        post(client)
    assert post(client).status_code == 200


def test_an_answer_tells_the_time_at_the_site(client: httpx.Client, site: MoodleSite) -> None:
    """T2: as web servers do, unless a fault makes it another one."""
    told = parsedate_to_datetime(post(client).headers["Date"]).timestamp()
    assert abs(told - site.clock()) < 60
    site.faults.add(Fault(status=503, headers={"Date": "Mon, 02 Mar 2026 12:00:00 GMT"}, times=1))
    assert post(client).headers["Date"] == "Mon, 02 Mar 2026 12:00:00 GMT"


def test_an_answer_may_stop_half_way(client: httpx.Client, site: MoodleSite) -> None:
    """D14"""
    site.faults.add(Fault(cut=20, times=1))
    with pytest.raises(httpx.RemoteProtocolError, match="received 20 bytes"):
        post(client)


def test_a_connection_may_close_between_two_calls(client: httpx.Client, site: MoodleSite) -> None:
    """D25"""
    site.faults.add(Fault(close="after_answer", times=1))
    assert "connection" not in post(client).headers
    try:
        second = post(client)
    except httpx.TransportError:  # noticed only after sending
        second = post(client)
    assert second.status_code == 200


def test_the_first_byte_may_be_late(client: httpx.Client, site: MoodleSite) -> None:
    """D3"""
    site.faults.add(Fault(delay=30, times=1))
    with pytest.raises(httpx.ReadTimeout):
        client.post(ENDPOINT, content=body_of(INFO), timeout=0.2)


def test_bytes_may_come_one_by_one(client: httpx.Client, site: MoodleSite) -> None:
    """D3"""
    site.faults.add(Fault(drip=500, times=1))
    with client.stream("POST", ENDPOINT, content=body_of(INFO)) as response:
        first = next(response.iter_raw())
    assert 0 < len(first) < 100


def test_work_goes_on_when_the_caller_gives_up(client: httpx.Client, site: MoodleSite) -> None:
    site.faults.add(Fault(CREATE, delay=1, times=1))
    with pytest.raises(httpx.ReadTimeout):
        client.post(ENDPOINT, content=body_of(CREATE, users=[person("ann")]), timeout=0.1)
    assert len(found(site, "username", "ann")) == 1


def control(client: httpx.Client, route: str, body: Any = None) -> Any:
    response = client.post(f"/control/{route}", json=body or {})
    assert response.status_code == 200, response.text
    return response.json()["result"]


def test_a_story_told_through_the_control(client: httpx.Client, site: MoodleSite) -> None:
    control(
        client, "courses", [{"shortname": "FIRE", "fullname": "Fire safety", "idnumber": "FIRE", "completion": "self"}]
    )
    [user] = control(client, "users", [{"username": "ann", "idnumber": "E-1", "email": "ann@example.org"}])
    place = {"roleid": 5, "userid": user, "courseid": 4}
    post(client, "enrol_manual_enrol_users", enrolments=[place])
    control(client, "complete", {"user": "E-1", "course": "FIRE"})
    assert control(client, "cron") == 1
    kinds = [entry["kind"] for entry in client.get("/control/ledger").json()]
    assert kinds == ["enrolled", "course completed"]
    assert client.get("/control/state").json()["enrolments"] == 1
    assert [entry["function"] for entry in client.get("/control/calls").json()] == ["enrol_manual_enrol_users"]


def test_tokens_faults_releases_and_time_are_under_control(client: httpx.Client, site: MoodleSite) -> None:
    control(client, "token/revoke", {"token": "simulated-token"})
    assert post(client).json()["errorcode"] == "invalidtoken"
    control(client, "token/restore", {"token": "simulated-token", "as": "new-token"})
    assert post(client).json()["errorcode"] == "invalidtoken"
    control(client, "token/revoke", {"token": "new-token"})
    control(client, "token/restore", {"token": "new-token", "as": "simulated-token"})
    control(client, "release", {"release": "4.5"})
    assert post(client).json()["release"].startswith("4.5")
    control(client, "faults", {"status": 503, "retry_after": "9"})
    assert post(client).headers["Retry-After"] == "9"
    control(client, "faults/clear")
    control(client, "settings", {"maintenance": "cli"})
    assert post(client).headers["Retry-After"] == "300"
    assert control(client, "clock", {"advance": 3600}) > time.time() + 3500


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("nothing", {}, 404),
        ("faults", {"sttaus": 1}, 400),
        ("release", {"release": "3.9"}, 400),
        ("settings", {"x": 1}, 400),
    ],
)
def test_a_mistaken_control_request_says_so(client: httpx.Client, route: str, body: Any, status: int) -> None:
    response = client.post(f"/control/{route}", json=body)
    assert response.status_code == status
    assert response.json()["error"]


def test_the_command_line_prints_its_address_and_serves(tmp_path: Path) -> None:
    courses = tmp_path / "courses.json"
    courses.write_text(json.dumps([{"shortname": "FIRE", "fullname": "Fire", "idnumber": "FIRE"}]))
    command = [
        sys.executable,
        "-m",
        "simulators.server",
        "--courses",
        str(courses),
        "--token",
        "t",
        "--latency",
        "small",
    ]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            answer = httpx.post(url + ENDPOINT, headers=FORM, content=body_of("core_course_get_courses", token="t"))
            assert [course["shortname"] for course in answer.json()] == ["acme", "FIRE"]
        finally:
            process.terminate()
