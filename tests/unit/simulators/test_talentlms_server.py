"""
A simulated portal behind a socket, with its control.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.clock import MovableClock
from simulators.faults import Fault
from simulators.latency import latency_named
from simulators.server import serve
from simulators.talentlms import API_KEY, TalentSite, talent_site
from tests.unit.simulators.talent_calling import PERSON


@pytest.fixture
def site() -> TalentSite:
    return talent_site(courses=2, clock=MovableClock())


@pytest.fixture
def client(site: TalentSite) -> Iterator[httpx.Client]:
    with serve(site) as url, httpx.Client(base_url=f"{url}/api/v1/", auth=(API_KEY, ""), timeout=5) as client:
        yield client


def control(client: httpx.Client, route: str, body: Any = None) -> Any:
    response = client.post(client.base_url.join(f"/control/{route}"), json=body or {})
    assert response.status_code == 200, response.text
    return response.json()["result"]


def told(client: httpx.Client, route: str) -> Any:
    return client.get(client.base_url.join(f"/control/{route}")).json()


def test_a_portal_names_its_own_address(client: httpx.Client) -> None:
    assert client.get("users/id:1").json()["login_key"].startswith(str(client.base_url).removesuffix("/api/v1/"))


def test_the_encoding_of_a_path_arrives_as_it_was_sent(client: httpx.Client) -> None:
    client.post("usersignup", data={**PERSON, "email": "ann+lms@example.org"})
    assert client.get("users/email:ann%2Blms@example.org").json()["login"] == "ann"
    assert client.get("users/email:ann+lms@example.org").status_code == 404
    assert client.get("users/email%3Aann%2Blms@example.org").headers["content-type"].startswith("text/html")


def test_a_caller_who_gives_up_on_a_signup_finds_the_account(client: httpx.Client, site: TalentSite) -> None:
    """D5"""
    site.faults.add(Fault("usersignup", delay=1, times=1))
    with pytest.raises(httpx.ReadTimeout):
        client.post("usersignup", data=PERSON, timeout=0.1)
    assert client.get("users/email:ann@example.org").json()["login"] == "ann"


def test_a_story_told_through_the_control(client: httpx.Client) -> None:
    [ann] = control(client, "users", [{"login": "ann", "custom_field_1": "E-1"}])
    [law] = control(client, "courses", [{"name": "Law", "code": "LAW", "units": ["LAW1 Read", "LAW2 Write"]}])
    [group] = control(client, "groups", [{"name": "Lawyers", "courses": ["LAW"], "key": "L"}])
    client.get(f"addusertogroup/user_id:{ann},group_key:L")
    control(client, "unit", {"user": "ann", "course": "LAW", "unit": "LAW1", "score": 50})
    control(client, "grade", {"user": "ann", "course": "LAW", "unit": "LAW1", "score": 60})
    control(client, "finish-course", {"user": "ann", "course": "LAW"})
    control(client, "reopen", {"user": "ann", "course": "LAW", "unit": "LAW1"})
    control(client, "reset", {"user": "ann", "course": "LAW"})
    control(client, "enrol", [{"user_id": 1, "course_id": law, "role": "instructor"}])
    control(client, "users/change", {"user": "ann", "last_name": "Dahl"})
    assert client.get(f"groups/id:{group}").json()["users"] == [{"id": str(ann), "name": ". Dahl"}]
    control(client, "users/delete", {"user": "ann"})
    assert [entry["kind"] for entry in told(client, "ledger")] == [
        "group joined",
        "enrolled",
        "unit completed",
        "unit graded",
        "unit completed",
        "course completed",
        "unit reopened",
        "progress reset",
        "user deleted",
    ]
    assert told(client, "state")["enrolments"] == 1
    assert [entry["function"] for entry in told(client, "calls")] == ["addusertogroup", "groups"]


def test_the_key_settings_faults_time_and_latency_are_under_control(client: httpx.Client, site: TalentSite) -> None:
    control(client, "settings", {"calls_per_hour": 1})
    assert [client.get("siteinfo").status_code for _ in range(2)] == [200, 429]
    control(client, "clock", {"advance": 3600})
    control(client, "faults", {"function": "siteinfo", "status": 502, "page": "proxy"})
    assert client.get("siteinfo").status_code == 502
    control(client, "faults/clear")
    control(client, "latency", {"preset": "portal"})
    assert site.latency.enabled
    control(client, "key", {"key": "another"})
    assert client.get("siteinfo").json()["error"]["message"] == "Invalid API Key provided"


@pytest.mark.parametrize("body", [{"no_such": 1}, {"date_format": "YYDD"}])
def test_a_mistaken_setting_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    response = client.post(client.base_url.join("/control/settings"), json=body)
    assert (response.status_code, list(response.json())) == (400, ["error"])


@pytest.mark.parametrize("action", ["users", "usersignup", "addusertocourse", "ratelimit", "siteinfo"])
def test_a_portal_with_latency_takes_a_tenth_to_three_tenths_of_a_second(action: str) -> None:
    assert 0.1 <= latency_named("portal").seconds(action, 1) <= 0.3


def test_the_command_line_serves_a_portal() -> None:
    command = [sys.executable, "-m", "simulators.server", "--lms", "talentlms", "--demo-courses", "3"]
    command += ["--demo-groups", "2", "--token", "K" * 30]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            groups = httpx.get(f"{url}/api/v1/groups", auth=("K" * 30, "")).json()
            assert [group["key"] for group in groups] == ["GROUP001", "GROUP002"]
        finally:
            process.terminate()
