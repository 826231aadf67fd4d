"""Around every request: an id, the headers of every answer, one line in the log, and no trace outside."""

import re
import secrets
import time
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.traces import given_trace
from ops.api.problems import answer

log = structlog.stdlib.get_logger(__name__)

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "",
    "Referrer-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}

_GIVEN_ID = re.compile("[A-Za-z0-9_-]{1,64}")


class Outer:
    """
    The outermost of our middleware.

    Args:
        most: Bytes of a body; more are answered with 413, whether announced or not.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request_id = _request_id(request)
        request.state.request_id = request_id
        begun = time.monotonic()
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in {**HEADERS, "X-Request-Id": request_id}.items():
                    headers[name] = value
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, _bounded(request, receive, self._most), sending)
            except Exception:
                log.exception("request failed", **_described(scope))
                if status:
                    raise
                problem = answer(request, 500, "bug", "Something of ours is broken", detail="It is in our logs.")
                await problem(scope, receive, sending)
            took = round((time.monotonic() - begun) * 1000, 1)
            log.info("request answered", status=status, took_ms=took, **_described(scope))


def _request_id(request: Request) -> str:
    """The trace that the caller is in, the id that they gave, or one that can be a trace's."""
    given = request.headers.get("x-request-id", "")
    trace = given_trace(request.headers.get("traceparent"))
    return trace or (given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(16))


def _bounded(request: Request, receive: Receive, most: int) -> Receive:
    """The body, as far as it may go. What is announced counts at once, and what comes is counted."""
    announced = request.headers.get("content-length", "")
    left = -1 if announced.isdecimal() and int(announced) > most else most

    async def receiving() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413)
        return message

    return receiving


def _described(scope: Scope) -> dict[str, Any]:
    """The route, not the path: a path may hold whose record it is."""
    return {"method": scope["method"], "route": getattr(scope.get("route"), "path", "")}
