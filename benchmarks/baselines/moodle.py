"""
The least a program must know to call a Moodle: one form per call.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import httpx


class Moodle:
    """One site; for one thread or several."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/webservice/rest/server.php"
        self._token = token
        self._client = httpx.Client(timeout=60)

    def call(self, function: str, **fields: object) -> Any:
        fixed = {"wstoken": self._token, "wsfunction": function, "moodlewsrestformat": "json"}
        answer = self._client.post(self._url, data=fixed | {name: str(value) for name, value in fields.items()}).json()
        if isinstance(answer, dict) and "exception" in answer:
            raise RuntimeError(answer)
        return answer

    def create(self, users: Iterable[Mapping[str, object]]) -> list[int]:
        """Ids of new users, in their order."""
        return [user["id"] for user in self.call("core_user_create_users", **_numbered("users", users))]

    def enrol(self, enrolments: Iterable[Mapping[str, object]]) -> None:
        self.call("enrol_manual_enrol_users", **_numbered("enrolments", enrolments))


def _numbered(name: str, elements: Iterable[Mapping[str, object]]) -> dict[str, object]:
    return {
        f"{name}[{place}][{key}]": value for place, element in enumerate(elements) for key, value in element.items()
    }
