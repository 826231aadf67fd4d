"""One call of an action of TalentLMS's API v1: arguments in, checked answer or ProvisioningError out."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from pydantic import TypeAdapter

from domain.errors import HoldIntegration, ProvisioningError
from lms.calls import OnCall, Shape, call, shaped
from lms.failures import WRITES, told_time
from lms.talentlms_failures import Said, read_answer
from runtime.secrets import Secret

BASE = "/api/v1/"
RATE_LIMIT = "ratelimit"

Arguments = Mapping[str, str]
# A path loses or mistakes these, however they are written; a query does not (contract, sections 1 and 8.4).
_LOST_IN_PATHS = re.compile(r"[+,:/%]|[^\x00-\x7f]")


def path(action: str, arguments: Arguments) -> str:
    """
    The action and its arguments in one segment of a path.

    Separators and the at sign stay as they are: written in codes, the portal does not know them (section 8.3).
    """
    # quote() leaves a tilde, whatever it is told.
    written = ",".join(f"{name}:{quote(value, safe='@').replace('~', '%7E')}" for name, value in arguments.items())
    return f"{action}/{written}" if written else action


def query(action: str, arguments: Arguments) -> str:
    """The same call with the arguments behind a question mark."""
    return f"{action}?{urlencode(arguments, quote_via=quote)}"


def is_lost_in_paths(value: str) -> bool:
    """Whether the value is asked for behind a question mark at once."""
    return _LOST_IN_PATHS.search(value) is not None


class TalentCalls:
    """
    Calls actions of one portal with its key.

    Args:
        budget: Called before every call that counts; may raise LmsThrottled, and then nothing is sent.
    """

    def __init__(
        self, client: httpx.Client, base_url: str, key: Secret, on_call: OnCall | None, budget: Callable[[], None]
    ) -> None:
        self._client = client
        self._url = base_url.rstrip("/") + BASE
        self._key = key
        self._on_call = on_call
        self._budget = budget

    def get(
        self, action: str, shape: TypeAdapter[Shape], arguments: Arguments | None = None, *, by_query: bool = False
    ) -> Shape | None:
        """What the action answered; None where it says that there is nothing. Raises a ProvisioningError."""
        asked = arguments or {}
        by_query = by_query or any(map(is_lost_in_paths, asked.values()))
        address = self._url + (query(action, asked) if by_query else path(action, asked))
        return self._made(action, lambda: self._client.get(address, auth=self._auth()), shape, asked)

    def post(self, action: str, shape: TypeAdapter[Shape], fields: Arguments) -> Shape | None:
        """The same with a form."""
        return self._made(
            action, lambda: self._client.post(self._url + action, data=fields, auth=self._auth()), shape, fields
        )

    def timed(self, action: str, shape: TypeAdapter[Shape]) -> tuple[Shape | None, datetime | None]:
        """What the action answered, and what time it was at the portal, where it tells it."""
        responses: list[httpx.Response] = []

        def send() -> httpx.Response:
            responses.append(self._client.get(self._url + action, auth=self._auth()))
            return responses[0]

        return self._made(action, send, shape, {}), told_time(responses[0].headers)

    def _made(
        self, action: str, send: Callable[[], httpx.Response], shape: TypeAdapter[Shape], sent: Arguments
    ) -> Shape | None:
        if action != RATE_LIMIT:
            self._budget()

        def read(response: httpx.Response) -> Shape | ProvisioningError | None:
            answer = read_answer(action, response, {**sent, "key": self._key.reveal()})
            if answer is Said.NOTHING:
                return None
            if isinstance(answer, ProvisioningError):
                return answer
            return _shaped(action, answer, shape)

        return call(action, 1, send, read, self._on_call)

    def _auth(self) -> httpx.BasicAuth:
        return httpx.BasicAuth(self._key.reveal(), "")


def _shaped(action: str, answer: Any, shape: TypeAdapter[Shape]) -> Shape | ProvisioningError:
    found = shaped(action, answer, shape)
    if isinstance(found, ProvisioningError) and isinstance(answer, list) and answer and action not in WRITES:
        # Whoever is first in it is not the one who was asked for (section 8.8).
        return HoldIntegration("wrong_answers", f"{action}: everybody instead of one; the arguments were not read")
    return found
