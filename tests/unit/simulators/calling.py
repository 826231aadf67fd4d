"""
Calling a simulated site in a line.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from simulators.moodle import ENDPOINT, MoodleSite
from simulators.wire import Request, Response

TOKEN = "simulated-token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def body_of(function: str, token: str = TOKEN, **parameters: Any) -> bytes:
    """The form of a call; nested parameters are dicts and lists."""
    fields = {"wstoken": token, "wsfunction": function, "moodlewsrestformat": "json", **_flat(parameters)}
    return urlencode(fields).encode()


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict | list):
        return {prefix: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    named = ((f"{prefix}[{key}]" if prefix else str(key), part) for key, part in pairs)
    return {name: leaf for path, part in named for name, leaf in _flat(part, path).items()}


def send(site: MoodleSite, function: str, token: str = TOKEN, **parameters: Any) -> Response:
    """The answer to a call."""
    return site(Request("POST", ENDPOINT, headers=FORM, body=body_of(function, token, **parameters)))


def call(site: MoodleSite, function: str, token: str = TOKEN, **parameters: Any) -> Any:
    """The JSON of the answer to a call."""
    return json.loads(send(site, function, token, **parameters).body)


def person(name: str, **more: Any) -> dict[str, Any]:
    """An element for `core_user_create_users`."""
    address = f"{name}@example.org"
    return {"username": name, "firstname": name, "lastname": "Berg", "email": address, "password": "Passw0rd!", **more}


def found(site: MoodleSite, field: str, *values: str) -> list[int]:
    """The ids that a look-up finds."""
    return [user["id"] for user in call(site, "core_user_get_users_by_field", field=field, values=list(values))]
