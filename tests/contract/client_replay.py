"""Recorded exchanges of real Moodle sites, replayed to the client."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lms.moodle import MoodleGateway
from lms.moodle_calls import MoodleCalls
from runtime.secrets import Secret

RECORDINGS = Path(__file__).parent / "recordings" / "moodle"
URL = "https://academy.example"
TOKEN = "canary-token-5e1f"


@dataclass(frozen=True)
class Recording:
    """One exchange; `body` is what the site sent, None when the answer never came."""

    name: str
    function: str
    request: dict[str, str]
    status: int | None
    headers: dict[str, str]
    body: str | None
    answer: Any

    @property
    def is_json(self) -> bool:
        return self.status == 200 and not (isinstance(self.answer, dict) and "_raw" in self.answer)

    @property
    def is_exception(self) -> bool:
        return self.is_json and isinstance(self.answer, dict) and "exception" in self.answer

    def response(self) -> httpx.Response:
        if self.status is None or self.body is None:
            raise httpx.ReadTimeout("recorded: the client gave up")
        return httpx.Response(self.status, headers=self.headers, content=self.body.encode())


def recordings() -> Iterator[Recording]:
    """Every recorded exchange whose answer was kept as it was."""
    for path in sorted(RECORDINGS.glob("*/*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        answer = told.get("response")
        if "request" in told and not (isinstance(answer, dict) and "_summary" in answer):
            yield _recording(f"{path.parent.name}/{path.stem}", told, answer)


def _recording(name: str, told: dict[str, Any], answer: Any) -> Recording:
    raw = isinstance(answer, dict) and "_raw" in answer
    body = answer["_raw"] if raw else json.dumps(answer)
    # The length and the framing belong to the recorded connection, not to the replayed one.
    kept = {k: v for k, v in told.get("headers", {}).items() if k not in ("Transfer-Encoding", "Connection")}
    headers = {"Content-Type": told.get("content_type") or "text/html"} | kept
    status = told.get("status")
    function = told.get("function") or "none"
    return Recording(name, function, told["request"], status, headers, None if status is None else body, answer)


def recording(name: str) -> Recording:
    """The recording of that name, such as 4.4/enrol_ok."""
    return next(found for found in recordings() if found.name == name)


def calls_answered_by(found: Recording) -> MoodleCalls:
    """The client's innermost part, getting this answer to whatever it sends."""
    client = httpx.Client(transport=httpx.MockTransport(lambda _request: found.response()))
    return MoodleCalls(client, URL, Secret(TOKEN), None)


def gateway_answered_by(**by_function: Recording) -> MoodleGateway:
    """A gateway whose calls get the recorded answer of their function."""

    def answer(request: httpx.Request) -> httpx.Response:
        function = httpx.QueryParams(request.content.decode())["wsfunction"]
        return by_function[function].response()

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return MoodleGateway(client, URL, Secret(TOKEN))
