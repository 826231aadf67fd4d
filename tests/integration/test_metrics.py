"""What Prometheus scrapes is what there is, of one client company, without people, and cheap; S13, S16, S20."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from db.console_views import Views
from db.heartbeats import Heartbeats
from db.pool import OfTenant, Pool, transaction
from ops import metrics
from ops.cli.main import app
from ops.metrics import METRICS, exposition
from tests.integration.test_api import SETTINGS
from tests.integration.test_status_counts import lively
from tests.support.api import Api, serving
from tests.support.builders import MOODLE, TENANT, enrolled, hired
from tests.support.workbench import KEY, Workbench, academy

OTHER = "zenith"
Samples = dict[tuple[str, ...], float]


def parsed(text: str) -> dict[str, Samples]:
    """Samples by metric, each by its labels' values in the order of the table."""
    found: dict[str, Samples] = {metric.name: {} for metric in METRICS}
    order = {metric.name: metric.labels for metric in METRICS}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert set(sample.labels) == set(order[sample.name]), sample.name
            found[sample.name][tuple(sample.labels[label] for label in order[sample.name])] = sample.value
    return found


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[Api]:
    with serving(pool, database_url, SETTINGS) as served:
        yield served


def scraped(caller: Any) -> dict[str, Samples]:
    answer = caller.send("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return parsed(answer.text)


def test_the_figures_are_those_of_the_status(pool: Pool) -> None:
    """I13"""
    bench = lively(pool)
    with transaction(pool) as db:
        overview = Views(db, None).overview()
        Heartbeats(db).tell({"clock": 7.0})
    counts = overview.integrations[bench.integration_id]

    found = parsed(exposition(pool))

    ours = {state: n for (_, name, state), n in found["matricula_accounts"].items() if name == MOODLE and n}
    assert ours == counts.accounts
    placed = {state: n for (_, name, state), n in found["matricula_enrolments"].items() if n}
    assert placed == {state: n for state, n in counts.enrolments.items() if n}
    states: dict[str, float] = {}
    for (_, state), n in found["matricula_events"].items():
        states[state] = states.get(state, 0) + n
    assert {state: n for state, n in states.items() if n} == overview.inbox
    assert sum(found["matricula_event_duplicates_total"].values()) == overview.duplicates
    assert found["matricula_announcements"][TENANT, "published"] == overview.outbox_published
    assert sum(found["matricula_lms_calls_total"].values()) == counts.lms_calls
    reached = found["matricula_enrolments_reached"]
    assert reached[TENANT, MOODLE, "completed"] == counts.completed == 1
    assert reached.get((TENANT, MOODLE, "provisioned"), 0) == counts.provisioned
    assert found["matricula_integration_state"] == {(TENANT, MOODLE, "active"): 1}
    assert 7 <= found["matricula_heartbeat_age_seconds"][("clock",)] < 60


def test_failures_are_counted_by_their_code_and_its_class(pool: Pool) -> None:
    bench = Workbench(pool, academy())
    bench.done(hired("E-1", first_name=""), enrolled("EN-1", "E-1"))
    bench.run(
        "update failure_group set failures = (select count(*) from failure f where f.group_id = failure_group.group_id)"
    )

    found = parsed(exposition(pool))

    assert found["matricula_failures"]
    for (tenant, name, kind, code), n in found["matricula_failures"].items():
        assert (tenant, name) == (TENANT, MOODLE)
        assert kind
        assert code
        assert n > 0
    assert sum(found["matricula_failure_groups"].values()) == len(found["matricula_failures"])


def test_the_age_of_due_work_grows_and_falls_back_to_nothing(pool: Pool) -> None:
    bench = Workbench(pool, academy())
    bench.tell(hired(), enrolled())
    bench.pass_time(minutes=5)

    ages = parsed(exposition(pool))["matricula_oldest_due_age_seconds"]
    assert ages[TENANT, MOODLE, "people"] >= 300
    assert ages[TENANT, MOODLE, "sweep"] == ages[TENANT, "", "events"] == 0

    bench.provision()
    assert parsed(exposition(pool))["matricula_oldest_due_age_seconds"][TENANT, MOODLE, "people"] == 0

    bench.run("update integration set state = 'paused'")
    assert (TENANT, MOODLE, "people") not in parsed(exposition(pool))["matricula_oldest_due_age_seconds"]


def test_a_token_sees_the_figures_of_its_own_company(pool: Pool, api: Api) -> None:
    """S13"""
    lively(pool)
    with transaction(pool) as db:
        db.execute("insert into tenant (tenant) values (%s)", [OTHER])

    ours, theirs = scraped(api.as_("viewer")), scraped(api.as_("viewer", OTHER))

    assert {labels[0] for name, found in ours.items() if name != HEARTBEATS for labels in found} == {TENANT}
    assert {labels[0] for name, found in theirs.items() if name != HEARTBEATS for labels in found} == {OTHER}


HEARTBEATS = "matricula_heartbeat_age_seconds"


def test_no_label_is_a_person(pool: Pool) -> None:
    """S16"""
    bench = Workbench(pool, academy())
    bench.done(hired("E-77", first_name="Canaria", emails=["canary@example.org"]), enrolled("EN-77", "E-77", "C-NONE"))

    text = exposition(pool)

    for person in ("E-77", "EN-77", "Canaria", "canary@example.org"):
        assert person not in text


def test_only_a_token_with_the_permission_may_scrape(api: Api) -> None:
    assert api.nobody().send("GET", "/metrics").status_code == 401
    assert api.as_("admin", scopes=["ops:status:read"]).send("GET", "/metrics").status_code == 403
    assert api.as_("viewer", scopes=[metrics.READ]).send("GET", "/metrics").status_code == 200


def test_who_scrapes_often_makes_no_work(pool: Pool, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """S20"""
    viewer = api.as_("viewer")
    read: list[Pool] = []

    def counted(of: Pool) -> str:
        read.append(of)
        return exposition(of)

    monkeypatch.setattr(metrics, "exposition", counted)
    for _ in range(5):
        scraped(viewer)

    assert len(read) == 1
    assert isinstance(read[0], OfTenant)


def test_the_command_line_prints_the_same(pool: Pool, api: Api, database_url: str) -> None:
    Workbench(pool, academy()).done(hired(), enrolled())
    viewer = api.as_("viewer")
    environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9/", "MATRICULA_KEY": KEY}

    whole = CliRunner().invoke(app, ["metrics"], env=environment)
    own = CliRunner().invoke(app, ["metrics"], env=environment | {"MATRICULA_API_TOKEN": viewer.token})

    assert (whole.exit_code, own.exit_code) == (0, 0)
    assert parsed(own.stdout).keys() == parsed(whole.stdout).keys() == scraped(viewer).keys()
    assert parsed(own.stdout)["matricula_accounts"] == scraped(viewer)["matricula_accounts"]
