"""
Calling a simulated portal in a line.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from simulators.talentlms import API_KEY, TalentSite, basic
from simulators.wire import Request, Response

FORM = "application/x-www-form-urlencoded"
PERSON = {
    "first_name": "Ann",
    "last_name": "Berg",
    "email": "ann@example.org",
    "login": "ann",
    "password": "Passw0rd1",
}


def send(
    site: TalentSite, target: str, body: str | bytes = "", method: str = "", kind: str = FORM, key: str = API_KEY
) -> Response:
    """The answer to a call; `target` is what comes after the base address, as it goes over the wire."""
    path, _, query = target.partition("?")
    headers = {"Authorization": basic(key), "Content-Type": kind}
    sent = body.encode() if isinstance(body, str) else body
    return site(Request(method or ("POST" if sent else "GET"), f"/api/v1/{path}", query, headers, sent))


def get(site: TalentSite, target: str) -> Any:
    """The JSON of the answer to a read."""
    return json.loads(send(site, target).body)


def post(site: TalentSite, action: str, **fields: Any) -> Any:
    """The JSON of the answer to a form."""
    return json.loads(send(site, action, urlencode(fields)).body)


def sign_up(site: TalentSite, name: str = "ann", **fields: Any) -> Any:
    """The answer to the signup of somebody whose login and address follow from the name."""
    return post(site, "usersignup", **{**PERSON, "login": name, "email": f"{name}@example.org", **fields})


def said(answer: Any) -> str:
    """The message of a refusal; empty for an answer that is none."""
    return str(answer["error"]["message"]) if isinstance(answer, dict) and "error" in answer else ""


def refusal(site: TalentSite, target: str, **fields: Any) -> tuple[int, str]:
    """The status and the message with which a call is refused."""
    response = send(site, target, urlencode(fields))
    return response.status, said(json.loads(response.body))
