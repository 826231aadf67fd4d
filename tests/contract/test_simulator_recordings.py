"""
The simulator gives the recorded answers.

Each recording is replayed to the simulated site in the state it was recorded in. Compared are the status, the content
type, for failures the class and the error code, for successes the whole answer with times, picture addresses and
generated texts made equal. What the database leaves unordered is compared without order.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from simulators.moodle import ENDPOINT, MoodleSite
from simulators.wire import Request, Response
from tests.contract.simulator_scene import recorded_site
from tests.contract.simulator_stages import CALLED_BY_THE_PRODUCT, prepare, reason_not_replayed

RECORDINGS = Path(__file__).parent / "recordings" / "moodle"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VOLATILE = {"timecreated", "timemodified", "cacherev"}
UNORDERED = ("core_course_get_courses", "core_reportbuilder_retrieve_report")
PATHS = {"err_wrong_url": "/webservice/rest/nothing", "err_wrong_endpoint_moodle_page": "/login/index.php"}
FUNCTION_OF = {path: json.loads(path.read_text()).get("function") or "" for path in sorted(RECORDINGS.glob("*/*.json"))}


def _reason(path: Path) -> str | None:
    return reason_not_replayed(path.parent.name, path.stem, FUNCTION_OF[path])


COVERED = [path for path in FUNCTION_OF if _reason(path) is None]
NOT_APPLICABLE = {path: reason for path in FUNCTION_OF if (reason := _reason(path)) is not None}


def request_of(name: str, recording: dict[str, Any]) -> Request:
    """The recorded request as it went over the wire."""
    sent, method = recording["request"], recording["http_method"]
    path = PATHS.get(name, ENDPOINT)
    if "body" in sent:
        fixed = {"wstoken": "TOKEN", "wsfunction": recording["function"], "moodlewsrestformat": "json"}
        query = urlencode(fixed) if name.startswith("token_in_query") else ""
        return Request(method, path, query, sent["headers"], sent["body"].encode())
    fields = dict(sent)
    if name.startswith("maxinputvars"):
        fields = _many_users(name, fields)
    if name in ("err_missing_token", "signup_settings_no_token"):
        fields.pop("wstoken", None)
    form = urlencode(fields)
    if name == "values_without_index":  # sent twice, of which the recording can hold one
        form = form.replace("values%5B%5D=", "values%5B%5D=admin&values%5B%5D=")
    return Request("GET", path, form) if method == "GET" else Request(method, path, "", FORM, form.encode())


def _many_users(name: str, shown: dict[str, str]) -> dict[str, str]:
    """All the fields of the two calls of which the recording shows the first."""
    fields = {key: value for key, value in shown.items() if not key.startswith(("users", "…"))}
    prefix, count = ("mvg", 1100) if "silent" in name else ("mvd", 1000)
    order = [key.split("[")[-1][:-1] for key in shown if key.startswith("users[0]")]
    for number in range(count):
        values = {"username": f"{prefix}{number}", "password": "Passw0rd!x", "firstname": "Max", "lastname": "Vars"}
        values["email"] = f"{prefix}{number}@example.com"
        fields |= {f"users[{number}][{part}]": values[part] for part in order}
    return fields


def normalised(value: Any) -> Any:
    """The value without what differs from site to site and from run to run."""
    if isinstance(value, dict):
        if value.get("name") in ("_lastloaded", "last_time_enrolments_synced"):
            return {"name": value["name"]}
        return {key: 0 if key in VOLATILE else normalised(part) for key, part in value.items()}
    if isinstance(value, list):
        return [normalised(part) for part in value]
    return re.sub(r"/boost/core/\d+/", "/boost/core/0/", value) if isinstance(value, str) else value


def arrange(site: MoodleSite, recording: dict[str, Any]) -> None:
    """Let the next ids be the recorded ones, and drop accounts and groups that the recorded call is about to make."""
    answer = recording["response"]
    sequence = {"core_user_create_users": "user", "core_group_create_groups": "group"}.get(recording["function"])
    made = [answer["_first"]] if isinstance(answer, dict) and "_first" in answer else answer
    if sequence is None or not isinstance(made, list):
        return
    for entry in made:
        number = site.state.by_username.get(entry.get("username", ""))
        if number is not None:
            site.state.change_user(site.state.users[number], deleted=True)
    site.state.journal.settle()
    site.state.ids.set(sequence, made[0]["id"] - 1)


@pytest.mark.parametrize("path", COVERED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_simulator_gives_the_recorded_answer(path: Path) -> None:
    recording = json.loads(path.read_text())
    site = recorded_site(path.parent.name)
    prepare(site, path.parent.name, path.stem, recording["function"] or "")
    arrange(site, recording)
    response = site(request_of(path.stem, recording))
    assert response.status == recording["status"]
    recorded_type = recording.get("content_type")
    if recorded_type:
        assert response.headers["Content-Type"] == recorded_type
    _compare(recording, response)
    if path.stem.startswith("report_retrieve") and "data" in recording["response"]:
        _compare_rows(recording, site)


UNCHANGED_IN_4_5 = [
    path
    for path in COVERED
    if path.parent.name == "4.4"
    and not (RECORDINGS / "4.5" / path.name).exists()
    and FUNCTION_OF[path] != "core_webservice_get_site_info"  # kept once: only version numbers differ
]


@pytest.mark.parametrize("path", UNCHANGED_IN_4_5, ids=lambda path: path.stem)
def test_what_4_5_did_not_change_is_the_same_on_a_site_of_4_5(path: Path) -> None:
    """Only answers that differ were kept for 4.5; the others hold there as they are."""
    recording = json.loads(path.read_text())
    site = recorded_site("4.4")
    prepare(site, "4.4", path.stem, recording["function"] or "")
    arrange(site, recording)
    site.release = "4.5"
    response = site(request_of(path.stem, recording))
    assert response.status == recording["status"]
    _compare(recording, response)


def _compare_rows(recording: dict[str, Any], site: MoodleSite) -> None:
    """The recorded rows are among ours; the recorded site had thousands more, in no order."""
    wanted = recording["response"]["data"]["rows"]
    everything = recording | {"request": recording["request"] | {"page": "0", "perpage": "1000"}}
    answer = json.loads(site(request_of("report", everything)).body)["data"]
    assert [row for row in wanted if row not in answer["rows"]] == []
    assert answer["totalrowcount"] == len(answer["rows"])


def _compare(recording: dict[str, Any], response: Response) -> None:
    recorded = recording["response"]
    if isinstance(recorded, dict) and "_raw" in recorded:
        _compare_text(recorded["_raw"], response.body.decode())
        return
    answer = json.loads(response.body)
    if isinstance(recorded, dict) and "exception" in recorded:
        codes = ("exception", "errorcode", "debuginfo")
        assert [answer.get(code) for code in codes] == [recorded.get(code) for code in codes]
    elif isinstance(recorded, dict) and "_summary" in recorded:
        ends = (answer[0], answer[-1], f"JSON array of {len(answer)} created users")
        assert ends == (recorded["_first"], recorded["_last"], recorded["_summary"])
    else:
        _compare_answers(recording, normalised(recorded), normalised(answer))


def _compare_answers(recording: dict[str, Any], recorded: Any, answer: Any) -> None:
    function, note = recording["function"], recording.get("note") or ""
    if function == "core_reportbuilder_retrieve_report":
        _compare_reports(recorded, answer)
        return
    if function == "core_webservice_get_site_info":
        for part in (recorded, answer):
            part["functions"].sort(key=lambda entry: entry["name"])
    recorded, answer = (
        part["courses"] if isinstance(part, dict) and "courses" in part else part for part in (recorded, answer)
    )
    if function in UNORDERED:
        recorded, answer = (sorted(part, key=lambda course: course["id"]) for part in (recorded, answer))
    if "trimmed" in note:
        _compare_trimmed(recorded, answer, note)
        return
    assert answer == recorded


def _compare_trimmed(recorded: list[Any], answer: list[Any], note: str) -> None:
    """A recording that keeps some elements: those are there, and there are as many as were counted."""
    counted = re.search(r"of (\d+)", note)
    assert counted is not None
    assert len(answer) == int(counted[1])
    kept = {element["id"] for element in recorded}
    assert [element for element in answer if element["id"] in kept] == recorded


def _compare_reports(recorded: Any, answer: Any) -> None:
    """The same report, the same columns, as many rows on the page."""
    assert answer["details"] == recorded["details"]
    assert answer["data"]["headers"] == recorded["data"]["headers"]
    assert len(answer["data"]["rows"]) == len(recorded["data"]["rows"])
    assert [len(row["columns"]) for row in answer["data"]["rows"]] == [
        len(row["columns"]) for row in recorded["data"]["rows"]
    ]


def _compare_text(recorded: str, text: str) -> None:
    if not recorded.startswith("<?xml"):
        assert text[:5].lower() == recorded[:5].lower()
        return
    expected, found = ElementTree.fromstring(recorded), ElementTree.fromstring(text)  # noqa: S314 - our own texts
    assert (found.tag, found.attrib) == (expected.tag, expected.attrib)
    assert [part.tag for part in found] == [part.tag for part in expected]
    assert found.findtext("ERRORCODE") == expected.findtext("ERRORCODE")
    keys = ({key.get("name") for key in tree.findall("SINGLE/KEY")} for tree in (expected, found))
    assert next(keys) == next(keys)


def test_every_recording_is_replayed_or_has_a_reason_not_to_be() -> None:
    assert len(COVERED) + len(NOT_APPLICABLE) == len(list(RECORDINGS.glob("*/*.json")))
    assert all(NOT_APPLICABLE.values())


def test_recordings_of_functions_the_product_calls_are_left_out_one_by_one() -> None:
    """A whole function may be left out only when the product never calls it."""
    left_out = {
        path.stem for path in NOT_APPLICABLE if path.parent.name != "4.2" and FUNCTION_OF[path] in CALLED_BY_THE_PRODUCT
    }
    assert left_out == {"create_users_client_timeout", "err_get_uri_too_long", "err_php_down"}
