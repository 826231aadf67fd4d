"""Whether the console lives and is ready, asked by whoever watches processes: without a token, and without details."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Event

import pytest

from db.pool import Pool, transaction
from ops.api.health import LIVE, READY
from ops.api.kept import Kept
from runtime.secrets import MasterKeys, new_key
from runtime.settings import Settings
from tests.support.api import Api, serving
from tests.support.workbench import KEYS, Workbench, academy

NOWHERE = "127.0.0.1:9"
WELL = {"database": "ok", "schema": "ok", "master_key": "ok", "broker": "ok"}


@pytest.fixture
def settings(database_url: str, amqp_url: str) -> Settings:
    return Settings(database_url, amqp_url, KEYS)


@pytest.fixture
def api(pool: Pool, database_url: str, settings: Settings) -> Iterator[Api]:
    Workbench(pool, academy())
    with serving(pool, database_url, settings) as served:
        yield served


def parts(api: Api, status: int) -> dict[str, str]:
    answer = api.nobody().send("GET", READY)
    assert answer.status_code == status, answer.text
    assert answer.json()["state"] == ("ready" if status == 200 else "not ready")
    found: dict[str, str] = answer.json()["parts"]
    return found


def test_a_console_that_has_what_it_needs_is_ready_and_tells_nobody_more(api: Api) -> None:
    assert parts(api, 200) == WELL
    assert api.nobody().send("GET", LIVE).json() == {"state": "live"}


def test_without_the_broker_it_lives_and_is_not_ready(pool: Pool, database_url: str, settings: Settings) -> None:
    with serving(pool, database_url, replace(settings, amqp_url=f"amqp://{NOWHERE}/")) as api:
        assert parts(api, 503) == WELL | {"broker": "away"}
        assert api.nobody().send("GET", LIVE).status_code == 200


def test_without_the_database_it_lives_and_is_not_ready(pool: Pool, settings: Settings) -> None:
    with serving(pool, f"postgresql://x@{NOWHERE}/x", settings) as api:
        found = parts(api, 503)

        assert found == WELL | {"database": "away", "schema": "not checked", "master_key": "not checked"}
        assert api.nobody().send("GET", LIVE).status_code == 200


def test_with_a_schema_of_another_version_it_is_not_ready(api: Api, pool: Pool) -> None:
    with transaction(pool) as db:
        db.execute("alter table notice drop column problem")

    assert parts(api, 503) == WELL | {"schema": "another version", "master_key": "not checked"}


def test_without_the_key_that_is_in_use_it_is_not_ready(pool: Pool, database_url: str, settings: Settings) -> None:
    """E5"""
    Workbench(pool, academy())
    with serving(pool, database_url, replace(settings, master_keys=MasterKeys.read(new_key()))) as api:
        assert parts(api, 503) == WELL | {"master_key": "missing"}


def test_who_asks_often_makes_no_work(api: Api, pool: Pool) -> None:
    """S20"""
    assert parts(api, 200) == WELL
    with transaction(pool) as db:
        db.execute("alter table notice drop column problem")

    assert parts(api, 200) == WELL, "looked again at once"


def test_nobody_waits_for_somebody_elses_look() -> None:
    """S20: a look that hangs holds one thread, however many ask."""
    kept, begun, end = Kept[int](timedelta(0)), Barrier(2), Event()

    def slowly() -> int:
        begun.wait()
        end.wait()
        return 2

    with ThreadPoolExecutor(1) as other:
        looking = other.submit(kept.get, "it", slowly)
        begun.wait()
        assert kept.get("it", lambda: 3) is None
        assert kept.get("else", lambda: 4) == 4
        end.set()
        assert looking.result() == 2
    assert kept.get("it", lambda: 5) == 5
