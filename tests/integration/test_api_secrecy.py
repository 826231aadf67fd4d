"""No token of an LMS and no token of ours in any answer, log line, message or row; S4, S5, S23."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from db.pool import Pool
from simulators.moodle import MoodleSite
from simulators.server import serve
from tests.integration.test_api import SETTINGS
from tests.support.api import Api, Caller, serving
from tests.support.builders import enrolled, hired, results
from tests.support.database import dumped
from tests.support.workbench import TOKEN, Workbench, academy

CANARY = "canary-5f1c9e70a2b44d6e8f3a1b7c9d0e2f46"


@pytest.fixture
def site() -> MoodleSite:
    return academy()


@pytest.fixture
def api(pool: Pool, database_url: str, site: MoodleSite) -> Iterator[Api]:
    with serve(site) as url:
        bench = Workbench(pool, site, url=url)
        bench.done(hired(), enrolled())
        with serving(pool, database_url, SETTINGS) as served:
            yield served


def provoked(admin: Caller) -> Iterator[Any]:
    """Every act that has to do with tokens, in good order and in bad."""
    wanted = {"name": "Second", "url": "http://127.0.0.1:9/x", "results": results()}
    for body in (
        {"settings": wanted, "token": CANARY},
        {"settings": wanted, "token": CANARY},  # taken
        {"settings": {"name": CANARY[:3]}, "token": CANARY},
        {"settings": wanted | {"token": CANARY}, "token": CANARY},
        {"settings": wanted, "token": [CANARY]},
        {"settings": wanted | {"url": f"http://{CANARY}@127.0.0.1/"}, "token": CANARY},
        {"settings": wanted, "token": CANARY, "password": CANARY, "strange": CANARY},
    ):
        yield admin.send("POST", "/integrations", body)
    yield admin.send("PUT", "/integrations/1/token", {"token": CANARY})
    yield admin.send("PUT", "/integrations/99/token", {"token": CANARY})
    yield admin.send("PUT", "/integrations/1/token", content=b'{"token": "' + CANARY.encode())
    for act in ("test", "enable", "fields/discover", "scan"):
        yield admin.send("POST", f"/integrations/1/{act}", {"reason": "to see it fail"})
    yield admin.send("POST", "/people/E-1/plan")
    for path in ("/integrations", "/integrations/1", "/integrations/1/checks", "/audit", "/status", "/keys", "/tokens"):
        yield admin.send("GET", path)
    yield admin.send("POST", "/audit/export")


def test_a_token_is_never_told(api: Api, pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    admin = api.as_("admin")
    with structlog.testing.capture_logs() as logged:
        answers = list(provoked(admin))

    assert {answer.status_code for answer in answers} >= {200, 201, 404, 409, 422}
    told = " ".join(f"{answer.text} {answer.headers}" for answer in answers)
    for secret in (CANARY, TOKEN, admin.token):
        assert secret not in told
        assert secret not in str(logged)
        assert secret not in caplog.text
    assert CANARY not in dumped(pool)


def test_the_log_of_a_wrong_token_has_no_token(api: Api) -> None:
    nobody = api.nobody()
    nobody.token = "lms_0123456789ab_" + "S" * 43
    with structlog.testing.capture_logs() as logged:
        nobody.send("GET", "/status")

    assert "SSSS" not in str(logged)
    assert "0123456789ab" not in str(logged)
