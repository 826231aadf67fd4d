"""
The API in this process, and callers with a token of each role.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI

from db.pool import Pool, open_pool
from domain.permissions import Role
from ops import access
from ops.api.app import PREFIX, build
from ops.api.guard import Site
from ops.api.health import readiness
from ops.api.routes.metrics import seen
from producers.publisher import Outcome, OutgoingEvent
from runtime.settings import Settings
from tests.support.builders import TENANT
from tests.support.operators import BY


@dataclass
class FakeSender:
    """Takes the place of the broker: confirms everything, or what it is told to."""

    outcome: Outcome = Outcome.CONFIRMED
    sent: list[OutgoingEvent] = field(default_factory=list)

    def send(self, events: Sequence[OutgoingEvent]) -> tuple[list[Outcome], str]:
        self.sent += events
        return [self.outcome] * len(events), "" if self.outcome is Outcome.CONFIRMED else "the broker is away"

    def close(self) -> None:
        pass


class Caller:
    """Sends requests with one token; paths are below /api/v1."""

    def __init__(self, app: FastAPI, token: str) -> None:
        self._app = app
        self.token = token

    def __call__(self, method: str, path: str, json: Any = None, *, expect: int | None = None, **more: Any) -> Any:
        answer = self.send(method, path, json, **more)
        assert expect is None or answer.status_code == expect, (answer.status_code, answer.text)
        return answer.json() if expect is not None and answer.content else answer

    def get(self, path: str, **params: Any) -> Any:
        query = urlencode(params)
        return self("GET", f"{path}{'&' if '?' in path else '?'}{query}" if query else path, expect=200)

    def post(self, path: str, body: Any = None, *, expect: int = 200, **more: Any) -> Any:
        return self("POST", path, {} if body is None else body, expect=expect, **more)

    def send(self, method: str, path: str, json: Any = None, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        more["headers"] = headers | more.pop("headers", {})
        return asyncio.run(self._sent(method, path, json, more))

    async def _sent(self, method: str, path: str, json: Any, more: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://matricula.example.org") as client:
            place = path if path.startswith("/health/") else f"{PREFIX}{path}"
            if json is not None:
                more["json"] = json
            return await client.request(method, place, **more)


@cache
def the_app() -> FastAPI:
    """Building it takes most of a second; what it works on is put into it."""
    return build(Site(None, None, None))  # type: ignore[arg-type]


class Api:
    """The application on a database, as the console process has it."""

    def __init__(self, owner: Pool, console: Pool, settings: Settings) -> None:
        self.sender = FakeSender()
        self.app = the_app()
        self.app.state.site = Site(settings, console, self.sender)  # type: ignore[arg-type]
        self.app.state.readiness = readiness()
        self.app.state.metrics = seen()
        self._owner = owner

    def as_(self, role: Role, tenant: str = TENANT, scopes: Sequence[str] = ()) -> Caller:
        """Somebody with this role in a tenant."""
        access.add_operator(self._owner, tenant, role, role, by=BY)
        made = access.create_token(self._owner, tenant, role, "test", scopes, timedelta(days=1), by=BY)
        return Caller(self.app, made.token.reveal())

    def nobody(self) -> Caller:
        return Caller(self.app, "")


@contextmanager
def serving(owner: Pool, database_url: str, settings: Settings) -> Iterator[Api]:
    """The API with the console's own rights."""
    with open_pool(database_url, name="console", role="console", max_size=4) as console:
        yield Api(owner, console, settings)
