"""
Whatever is sent, the API answers as its document says; S11, S20.

Requests are made up from docs/api/openapi.json, good ones and bad ones, and every answer is held against it. Few of
each kind, and always the same, so that CI ends.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.types import Receive, Scope, Send

from db.pool import Pool
from ops.api.openapi import PLACE, text
from tests.integration.test_api import OPERATIONS, SETTINGS
from tests.support.api import Api, serving, the_app
from tests.support.builders import enrolled, hired
from tests.support.workbench import Workbench, academy

# The fuzzer draws from the random module inside its strategies.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")

# A 500 is in no document. A 502 is: it says that the LMS does not answer.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
FEW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


async def documented(scope: Scope, receive: Receive, send: Send) -> None:
    """The application with its document beside it, where the fuzzer wants to find it."""
    if scope["type"] == "http" and scope["path"] == "/openapi.json":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": PLACE.read_bytes()})
    else:
        await the_app()(scope, receive, send)


SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", documented)


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[Api]:
    bench = Workbench(pool, academy())
    bench.done(hired(), enrolled())
    with serving(pool, database_url, SETTINGS) as served:
        yield served


def test_the_document_in_the_repository_is_the_apis() -> None:
    """Change a route and run `python -m ops.api.openapi`."""
    assert PLACE.read_text(encoding="utf-8") == text()
    assert json.loads(text())["openapi"].startswith("3.1")


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_as_documented(api: Api, name: str) -> None:
    method, path, _ = OPERATIONS[name]
    operation = SCHEMA[f"/api/v1{path}"][method]
    token = api.as_("admin").token
    headers = {"Authorization": f"Bearer {token}"}

    @FEW
    @given(operation.as_strategy())
    def answered(case: Any) -> None:
        case.headers.pop("Authorization", None)
        case.call_and_validate(headers=headers, checks=CHECKS)

    answered()
