"""
The console of an installation as a real process, and people with a token each who ask it and type commands.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from db.pool import open_pool
from deploy.server import free_ports
from domain.permissions import Role
from ops import access
from ops.api.app import PREFIX
from ops.api.health import LIVE
from tests.support.installation import TENANT, Installation
from tests.support.operators import BY


@dataclass(frozen=True)
class Person:
    """
    Somebody with a token, by both ways.
    """

    made: Installation
    client: httpx.Client
    token: str

    def asks(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """
        The answer to a request, which must have this status.
        """
        headers = {"authorization": f"Bearer {self.token}"}
        answer = self.client.request(method, f"{PREFIX}{path}", json=body, headers=headers)
        assert answer.status_code == expect, (answer.status_code, answer.text)
        return answer.json()

    def types(self, *words: str) -> int:
        """
        The exit status of a command.
        """
        return self.made.run(*words, MATRICULA_API_TOKEN=self.token)


class Console:
    """
    The console's process, answering.
    """

    def __init__(self, made: Installation, stack: ExitStack) -> None:
        [port] = free_ports(1)
        made.add("console", ["-m", "ops.api"], MATRICULA_CONSOLE_PORT=str(port)).start()
        self._made = made
        self._client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        made.until(self._answers, "the console answers")

    def _answers(self) -> bool:
        try:
            return self._client.get(LIVE).is_success
        except httpx.TransportError:
            return False

    def person(self, name: str, role: Role) -> Person:
        """
        Somebody new with this role and a token for all of it.
        """
        self.has_role(name, role)
        with open_pool(self._made.settings.database_url, name="test", max_size=1) as pool:
            made = access.create_token(pool, TENANT, name, "test", (), timedelta(days=1), by=BY)
        return Person(self._made, self._client, made.token.reveal())

    def has_role(self, name: str, role: Role) -> None:
        with open_pool(self._made.settings.database_url, name="test", max_size=1) as pool:
            access.add_operator(pool, TENANT, name, role, by=BY)
