"""
The simulated portal gives the documented answers.

Each example exchange of the fact sheet is put to the portal in the state that the example shows. Compared are the
status, the kind of body and the whole answer: keys, types and values, but for the secret part of sign-in addresses and
for what an example shows that cannot follow from its request.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from simulators.talentlms import basic
from simulators.wire import Request
from tests.contract.talent_scene import KEY, NOT_REPLAYED, documented_portal, prepare

RECORDINGS = Path(__file__).parent / "recordings" / "talentlms"
ALL = sorted(RECORDINGS.glob("*.json"))
COVERED = [path for path in ALL if path.stem not in NOT_REPLAYED]
SECRET = re.compile(r"key:\w+")
# Keys of which only the type is compared, and why.
LOOSE = {
    # The example is a row of another course under a new name.
    "createcourse": {"description", "creation_date", "last_update_on"},
    # The example counts a portal of a thousand people.
    "siteinfo": {"total_users", "total_courses", "total_categories", "total_groups", "total_branches"}
    | {"monthly_active_users"},
}
# The example shows the beginning of a list of everybody.
CUT_SHORT = {"users_argument_ignored_returns_list"}


def request_of(name: str, recording: dict[str, Any]) -> Request:
    """The documented request as it goes over the wire; blanked-out values are filled in."""
    method, _, target = recording["request"].partition(" (")[0].partition(" ")
    path, _, query = target.partition("?")
    headers = {} if name == "error_no_credentials_html" else {"Authorization": basic(KEY)}
    if name == "error_invalid_api_key":
        headers["Authorization"] = basic("another key")
    kind, _, body = recording.get("request_body", "").partition(": ")
    if name.startswith("usersignup"):
        body = _filled_in(body)
    return Request(method, f"/api/v1/{path}", query, headers | {"Content-Type": kind}, body.encode())


def _filled_in(body: str) -> str:
    if body.startswith("..."):
        body = body.replace("...", "first_name=A&last_name=B&login=c&password=...", 1).replace("&...", "")
        body = body.removesuffix("&...")
    return body.replace("password=...", "password=Passw0rd")


def normalised(name: str, value: Any) -> Any:
    """The answer without secrets, and with the types of what cannot be foretold."""
    loose = LOOSE.get(name, set())
    if isinstance(value, dict):
        return {k: type(part).__name__ if k in loose else normalised(name, part) for k, part in value.items()}
    if isinstance(value, list):
        return [normalised(name, part) for part in value]
    return SECRET.sub("key:KEY", value) if isinstance(value, str) else value


@pytest.mark.parametrize("path", COVERED, ids=lambda path: path.stem)
def test_the_portal_gives_the_documented_answer(path: Path) -> None:
    recording = json.loads(path.read_text())
    site = documented_portal()
    prepare(site, path.stem)

    response = site(request_of(path.stem, recording))

    assert response.status == recording["status"]
    if isinstance(recording["response"], str):
        assert response.headers["Content-Type"].startswith("text/html")
        assert response.body.decode() == recording["response"]
        return
    assert response.headers["Content-Type"] == "application/json"
    answer = normalised(path.stem, json.loads(response.body))
    expected = normalised(path.stem, recording["response"])
    assert (answer[: len(expected)] if path.stem in CUT_SHORT else answer) == expected


def test_every_example_is_replayed_or_has_a_reason_not_to_be() -> None:
    assert {path.stem for path in ALL} >= set(NOT_REPLAYED)
    assert len(COVERED) == 70
