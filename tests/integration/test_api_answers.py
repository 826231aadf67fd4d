"""What every answer of the API has, and what is refused before anything is done; S5, S11, S12, S16, S20, S22."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from db.pool import Pool, open_pool, transaction
from ops.api import outer
from tests.integration.test_api import OPERATIONS, QUERIES, SETTINGS, filled
from tests.support.api import Api, serving
from tests.support.builders import enrolled, hired
from tests.support.workbench import Workbench, academy


@pytest.fixture
def bench(pool: Pool) -> Workbench:
    found = Workbench(pool, academy())
    found.done(hired(), enrolled())
    return found


@pytest.fixture
def api(bench: Workbench, database_url: str) -> Iterator[Api]:
    with serving(bench.pool, database_url, SETTINGS) as served:
        yield served


def test_the_headers_are_those_that_are_wanted() -> None:
    """S22"""
    wanted = {
        "Cache-Control": "no-store",
        "Strict-Transport-Security": "max-age=31536000",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
    assert {name: outer.HEADERS[name] for name in wanted} == wanted
    assert "default-src 'none'" in outer.HEADERS["Content-Security-Policy"]


def test_every_answer_has_the_headers_and_shows_its_id(api: Api) -> None:
    """S22: of every route, whether somebody is let in or not, and where there is no route."""
    places = [(method, filled(path) + QUERIES.get(name, "")) for name, (method, path, _) in OPERATIONS.items()]
    places += [("GET", "/nowhere"), ("DELETE", "/status"), ("GET", "/health/live")]
    for caller in (api.nobody(), api.as_("viewer"), api.as_("admin")):
        for method, path in places:
            answer = caller.send(method, path, {} if method != "GET" else None)
            assert {name: answer.headers[name.lower()] for name in outer.HEADERS} == outer.HEADERS, path
            assert "server" not in answer.headers
            if answer.status_code >= 400:
                assert answer.json()["request_id"] == answer.headers["x-request-id"] != "", path
                assert "Traceback" not in answer.text


def test_an_error_of_ours_tells_nothing_and_is_found_by_its_id(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S22: no trace outside; the id leads to ours."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr("ops.api.routes.standing.standing", broken)
    with structlog.testing.capture_logs() as logged:
        answer = api.as_("viewer").send("GET", "/status", headers={"x-request-id": "ticket-7"})

    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert (answer.json()["request_id"], answer.headers["x-request-id"]) == ("ticket-7", "ticket-7")
    assert "request failed" in [line["event"] for line in logged]


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "naïve", '"'])
def test_a_request_id_of_no_use_is_replaced(api: Api, given: str) -> None:
    """S11: nothing from outside gets into the log as it is."""
    answer = api.as_("viewer").send("GET", "/me", headers={"x-request-id": given.encode()})
    assert answer.headers["x-request-id"] not in ("", given)


def test_the_log_names_the_route_and_nobody(api: Api) -> None:
    """S16: a path may hold whose record it is."""
    with structlog.testing.capture_logs() as logged:
        api.as_("support").get("/people/E-1/why")

    line = next(line for line in logged if line["event"] == "request answered")
    assert (line["route"], line["status"]) == ("/people/{key}/why", 200)
    assert "E-1" not in str(logged)


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused(api: Api, announced: bool) -> None:
    """S20: whether its length is told or found out."""
    body = b"x" * (1024 * 1024 + 1)
    content: Any = body if announced else chunks(body)
    answer = api.as_("admin").send("POST", "/tokens", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def chunks(body: bytes) -> Any:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


def test_every_list_is_bounded_and_so_is_every_filter(api: Api) -> None:
    """S20: no page is longer than 200, and nobody sends a text of a megabyte to be looked for."""
    long = "x" * 1001
    caller = api.as_("admin")
    for method, path, operation in OPERATIONS.values():
        for one in operation.get("parameters", []) if method == "GET" else []:
            worst = 201 if one["name"] == "limit" else long
            if one["in"] == "query" and "boolean" not in str(one["schema"]):
                answer = caller.send("GET", f"{filled(path)}?{one['name']}={worst}")
                assert answer.status_code == 422, (path, one["name"])


def test_a_statement_that_takes_too_long_is_ended_and_the_caller_told(
    bench: Workbench, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S20: nobody holds a connection for ever by what they ask for."""

    def slow(pool: Any, *_: object) -> None:
        with transaction(pool) as db:
            db.execute("select pg_sleep(600)")

    monkeypatch.setattr("ops.api.routes.standing.standing", slow)
    short = timedelta(milliseconds=50)
    with open_pool(database_url, name="console", role="console", max_size=2, statement_timeout=short) as console:
        served = Api(bench.pool, console, SETTINGS)
        answer = served.as_("viewer").send("GET", "/status")
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/audit?limit=201", "query.limit"),
        ("/audit?limit=0", "query.limit"),
        ("/audit?cursor=x", "query.cursor"),
        ("/audit?cursor=W10=", "query.cursor"),
        ("/audit?cursor=WyJ4Il0=", "query.cursor"),
        ("/audit?cursor=Wy0xXQ==", "query.cursor"),
        ("/people?email_sha256=x", "query.email_sha256"),
        ("/people?key=a&lms_user_id=b", "query"),
        ("/integrations/0", "path.integration_id"),
        ("/people?key=%00", "query"),
        ("/people/E%00", "path"),
    ],
)
def test_what_cannot_be_is_named_by_its_field(api: Api, path: str, field: str) -> None:
    answer = api.as_("admin").send("GET", path)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"reason": "a\\u0000"}', "unusable_text"),
        (b'{"reason": "\\ud800"}', "unusable_text"),
        (b'{"reason": "a", "reason": "b"}', "duplicate_key"),
        (b"{", "not_json"),
        (b"\xff", "not_utf8"),
        (b'{"reason": ' + b"[" * 100 + b"]" * 100 + b"}", "too_deep"),
    ],
)
def test_a_body_is_read_strictly(api: Api, body: bytes, code: str) -> None:
    """S12: as HR's events are; what cannot be stored does not get as far as the store."""
    answer = api.as_("admin").send("POST", "/integrations/1/pause", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_what_was_sent_is_not_sent_back(api: Api) -> None:
    """S5: a secret in the wrong place stays where it is."""
    answer = api.as_("admin").send("PUT", "/integrations/1/token", {"token": {"canary": "secret-canary"}})
    assert answer.status_code == 422
    assert "canary" not in answer.text
