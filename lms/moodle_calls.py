"""One call of a Moodle web service function: form in, checked answer or ProvisioningError out."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from domain.errors import ProvisioningError
from lms.failures import doubtful, read_answer, transport_failure
from runtime.secrets import Secret

ENDPOINT = "/webservice/rest/server.php"

Shape = TypeVar("Shape")
Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, for counting: `status` is "2xx" and so on or "none"; `code` is "ok" or the failure's code."""

    function: str
    items: int
    status: str
    code: str
    took: timedelta


def numbered(name: str, elements: Iterable[Mapping[str, str]]) -> Fields:
    """The elements of a list as Moodle wants them: name[0][key], name[1][key]; a key's dots part its levels."""
    return {
        f"{name}[{place}][{key.replace('.', '][')}]": value
        for place, element in enumerate(elements)
        for key, value in element.items()
    }


class MoodleCalls:
    """Calls functions of one site with one token."""

    def __init__(
        self, client: httpx.Client, base_url: str, token: Secret, on_call: Callable[[CallRecord], None] | None
    ) -> None:
        self._client = client
        self._url = base_url.rstrip("/") + ENDPOINT
        self._token = token
        self._on_call = on_call

    def ask(self, function: str, fields: Fields, shape: TypeAdapter[Shape], items: int = 1) -> Shape:
        """What the function answered. Raises a ProvisioningError."""
        started = time.monotonic()
        response = self._post(function, fields)
        outcome = _read(function, response, shape)
        if self._on_call is not None:
            status = f"{response.status_code // 100}xx" if isinstance(response, httpx.Response) else "none"
            code = outcome.code if isinstance(outcome, ProvisioningError) else "ok"
            self._on_call(CallRecord(function, items, status, code, timedelta(seconds=time.monotonic() - started)))
        if isinstance(outcome, ProvisioningError):
            raise outcome
        return outcome

    def _post(self, function: str, fields: Fields) -> httpx.Response | ProvisioningError:
        # First come the fields without which nothing is read: what exceeds PHP's limit is lost from the end. Failures
        # are values here, so that none carries httpx's exception along, whose request holds the token (S5).
        try:
            fixed = {"wstoken": self._token.reveal(), "wsfunction": function, "moodlewsrestformat": "json"}
            return self._client.post(self._url, data=fixed | fields)
        except httpx.RequestError as error:
            return transport_failure(function, error)
        except ProvisioningError as failure:
            return failure.with_traceback(None)


def _read(
    function: str, response: httpx.Response | ProvisioningError, shape: TypeAdapter[Shape]
) -> Shape | ProvisioningError:
    answer = response if isinstance(response, ProvisioningError) else read_answer(function, response)
    if isinstance(answer, ProvisioningError):
        return answer
    try:
        return shape.validate_python(answer)
    except ValidationError:
        return doubtful(function, "lms_unexpected_answer", f"{function}: not the shape known")
