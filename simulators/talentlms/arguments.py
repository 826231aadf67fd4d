"""
What a request asks for: its action, and its arguments from the path, the query and the body alike.

The path is read as it came over the wire. Its separators count only when they are literal; values are decoded as in a
form.
"""

from __future__ import annotations

import json
from email import message_from_bytes
from urllib.parse import parse_qsl, unquote, unquote_plus

from simulators.talentlms.errors import PortalError
from simulators.talentlms.settings import Settings
from simulators.wire import Request

PREFIX = "/api/v1/"
READ_JSON = frozenset({"usersignup", "addusertocourse"})
PAGE_ACTION = ""


def action_of(path: str) -> str:
    """The action in lower case; nothing for a path outside the API."""
    return path.removeprefix(PREFIX).partition("/")[0].lower() if path.startswith(PREFIX) else PAGE_ACTION


def check_route(path: str) -> None:
    """Refuse, with a page, what the API's own router never sees."""
    if not path.startswith(PREFIX):
        raise PortalError("lost")
    _, slash, rest = path.removeprefix(PREFIX).partition("/")
    if rest.startswith("/"):
        raise PortalError("doubled_slash")
    first = rest.partition(",")[0]
    if slash and rest and (":" not in first or "/" in rest.rstrip("/")):
        raise PortalError("lost")


def arguments(request: Request, settings: Settings) -> dict[str, str]:
    """The arguments of a request, whatever its method; those in the path count most."""
    in_query = parse_qsl(request.query, keep_blank_values=True)
    return {**_in_body(request), **dict(in_query), **_in_path(request.path, settings)}


def _in_path(path: str, settings: Settings) -> dict[str, str]:
    text = path.removeprefix(PREFIX).partition("/")[2].rstrip("/")
    pairs = (pair.partition(":") for pair in text.split(","))
    return {_decoded(name, settings): _decoded(value, settings) for name, colon, value in pairs if colon}


def _decoded(text: str, settings: Settings) -> str:
    kept = text.replace("%40", "%2540") if settings.encoded_at_misses else text
    return unquote_plus(kept) if settings.plus_is_space else unquote(kept)


def _in_body(request: Request) -> dict[str, str]:
    kind = request.header("Content-Type").lower()
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if kind.startswith("multipart/form-data"):
        return _parts(request.header("Content-Type"), request.body)
    if kind.startswith("application/json") and action_of(request.path) in READ_JSON:
        return _json(request.body)
    return {}


def _parts(kind: str, body: bytes) -> dict[str, str]:
    message = message_from_bytes(b"Content-Type: " + kind.encode("latin-1", "replace") + b"\r\n\r\n" + body)
    payload = message.get_payload()
    parts = [part for part in payload if not isinstance(part, str)] if isinstance(payload, list) else []
    named = ((part.get_param("name", header="Content-Disposition"), part.get_payload(decode=True)) for part in parts)
    return {str(name): value.decode("utf-8", "replace") for name, value in named if isinstance(value, bytes)}


def _json(body: bytes) -> dict[str, str]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return {str(name): _text(part) for name, part in value.items()} if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return "" if value is None else str(value)
