"""One call of a Moodle web service function: form in, checked answer or ProvisioningError out."""

from collections.abc import Iterable, Mapping

import httpx
from pydantic import TypeAdapter

from domain.errors import ProvisioningError
from lms.calls import OnCall, Shape, call, shaped
from lms.moodle_failures import read_answer
from runtime.secrets import Secret

ENDPOINT = "/webservice/rest/server.php"

Fields = dict[str, str]


def numbered(name: str, elements: Iterable[Mapping[str, str]]) -> Fields:
    """The elements of a list as Moodle wants them: name[0][key], name[1][key]; a key's dots part its levels."""
    return {
        f"{name}[{place}][{key.replace('.', '][')}]": value
        for place, element in enumerate(elements)
        for key, value in element.items()
    }


class MoodleCalls:
    """Calls functions of one site with one token."""

    def __init__(self, client: httpx.Client, base_url: str, token: Secret, on_call: OnCall | None) -> None:
        self._client = client
        self._url = base_url.rstrip("/") + ENDPOINT
        self._token = token
        self._on_call = on_call

    def ask(self, function: str, fields: Fields, shape: TypeAdapter[Shape], items: int = 1) -> Shape:
        """What the function answered. Raises a ProvisioningError."""

        def send() -> httpx.Response:
            # First come the fields without which nothing is read: what exceeds PHP's limit is lost from the end.
            fixed = {"wstoken": self._token.reveal(), "wsfunction": function, "moodlewsrestformat": "json"}
            return self._client.post(self._url, data=fixed | fields)

        def read(response: httpx.Response) -> Shape | ProvisioningError:
            answer = read_answer(function, response)
            if isinstance(answer, ProvisioningError):
                return answer
            return shaped(function, answer, shape)

        return call(function, items, send, read, self._on_call)
