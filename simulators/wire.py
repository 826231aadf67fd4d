"""
Requests and responses as values.

A simulated site is a callable `Request -> Response`. Tests hand it to a mock transport, `simulators.server` to a
socket. What only a socket can do (close early, reset, drip) is a field of the response and carried out there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any, Literal, Protocol

Close = Literal["", "before_read", "after_request", "reset", "after_answer"]


@dataclass(frozen=True)
class Request:
    """One HTTP request, read completely."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"

    def header(self, name: str) -> str:
        """The value of a header, "" when absent; names are compared without case."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), "")


@dataclass(frozen=True)
class Response:
    """
    One HTTP answer and how it travels.

    `delay` seconds pass before the first byte; `drip` is bytes per second; `cut` is the number of body bytes sent
    although the length announces all of them. `close`: "after_request" and "reset" send nothing at all,
    "after_answer" sends everything and then closes a connection that looked alive.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    delay: float = 0.0
    drip: float | None = None
    cut: int | None = None
    close: Close = ""

    def dated(self, now: float) -> Response:
        """The same with the time at the site, as web servers tell it, unless it says another one."""
        return replace(self, headers={"Date": formatdate(now, usegmt=True), **self.headers})

    @property
    def lost(self) -> bool:
        """Whether the caller sees no answer at all."""
        return self.close in ("before_read", "after_request", "reset")


class Site(Protocol):
    """Anything that answers requests."""

    def __call__(self, request: Request) -> Response: ...


def json_response(value: Any, status: int = 200) -> Response:
    """A JSON answer as Moodle labels it, without a charset."""
    return Response(status, {"Content-Type": "application/json"}, json.dumps(value).encode())


def html_response(text: str, status: int = 200, **headers: str) -> Response:
    """An HTML answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"Content-Type": "text/html; charset=utf-8", **named}, text.encode())
