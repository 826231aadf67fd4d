"""The documented exchanges of TalentLMS, replayed to the client."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import httpx

from lms.talentlms import TalentGateway
from runtime.secrets import Secret

RECORDINGS = Path(__file__).parent / "recordings" / "talentlms"
KEY = "canary-key-5e1f00000000000000"
URL = "https://portal.example"


@dataclass(frozen=True)
class Example:
    """One exchange; `request` is the method, the action and its arguments."""

    name: str
    request: str
    status: int
    answer: Any

    @property
    def action(self) -> str:
        target = self.request.partition(" (")[0].split()[1].removeprefix("/api/v1/")
        return target.partition("/")[0].partition("?")[0].lower()

    @property
    def is_page(self) -> bool:
        return isinstance(self.answer, str)

    @property
    def is_error(self) -> bool:
        return self.is_page or (isinstance(self.answer, dict) and "error" in self.answer)

    @property
    def message(self) -> str:
        return str(self.answer["error"]["message"])

    def response(self) -> httpx.Response:
        if self.is_page:
            return httpx.Response(self.status, html=self.answer)
        # As PHP writes it: slashes are escaped.
        return httpx.Response(self.status, content=json.dumps(self.answer).replace("/", "\\/"))


def examples() -> list[Example]:
    """Every exchange of version 1."""
    told = [(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(RECORDINGS.glob("*.json"))]
    return [
        Example(name, one["request"], one["status"], one["response"]) for name, one in told if not name.startswith("v2")
    ]


def example(name: str) -> Example:
    return next(found for found in examples() if found.name == name)


class Portal:
    """
    Answers each action with an example, or with what a rule makes of the request, and remembers what it was asked.

    `asked` holds method, target as it went over the wire, and form.
    """

    def __init__(
        self, *, key_field: str = "", at_once: int = 1, budget: Callable[[], None] = lambda: None, **answers: Any
    ) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self._answers = {"getcustomregistrationfields": [], **answers}
        client = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.gateway = TalentGateway(
            client, URL, Secret(KEY), zone=UTC, key_field=key_field, at_once=at_once, budget=budget
        )

    def actions(self) -> list[str]:
        return [target.partition("/")[0].partition("?")[0] for _, target, _ in self.asked]

    def targets(self, action: str) -> list[str]:
        return [target for _, target, _ in self.asked if target.startswith(action)]

    def forms(self, action: str) -> list[dict[str, str]]:
        return [form for _, target, form in self.asked if target == action]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode().removeprefix("/api/v1/")
        form = dict(httpx.QueryParams(request.content.decode()))
        self.asked.append((request.method, target, form))
        answer = self._answers[self.actions()[-1]]
        answer = answer(target, form) if callable(answer) else answer
        if isinstance(answer, Example):
            return answer.response()
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def refused(message: str, status: int = 400) -> httpx.Response:
    """An error as the portal words it."""
    return httpx.Response(status, json={"error": {"type": "invalid_request_error", "message": message}})
