"""`matricula integration sync|syncs|courses` and the flows in `status`: what people see of runs and courses."""

import json
from threading import Thread
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool, transaction
from db.sync_runs import SyncRuns
from ops.cli.main import app
from ops.cli.output import Exit
from runtime.secrets import new_key
from simulators.moodle.build import change_course
from tests.support.builders import MOODLE, hires
from tests.support.waiting import until
from tests.support.workbench import Workbench, academy


class Cli:
    def __init__(self, database_url: str) -> None:
        self._environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9", "MATRICULA_KEY": new_key()}

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self._environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


def test_a_sync_says_what_it_began_and_joins_the_second_time(pool: Pool, cli: Cli) -> None:
    """R81."""
    Workbench(pool, academy())
    first = cli("integration", "sync", MOODLE, "--flow", "courses")
    assert (first.exit_code, first.stdout) == (Exit.OK, "courses: begun (run 1)\n")
    again = cli("integration", "sync", MOODLE, "--flow", "courses")
    assert again.stdout == "courses: a run is under way already (run 1)\n"
    assert [run["joined"] for run in cli.json("integration", "sync", MOODLE, "--flow", "courses")] == [True]


def test_waiting_shows_the_counts_and_the_reasons(pool: Pool, cli: Cli) -> None:
    """R11, R81, R156."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(3))

    def work() -> None:
        until(lambda: len(bench.rows("select 1 from sync_run where done_at is null")) == 2)
        bench.provision()
        bench.maintain()

    worker = Thread(target=work)
    worker.start()
    ended = cli("integration", "sync", MOODLE, "--wait", "--flow", "people", "--flow", "courses")
    worker.join()
    assert ended.exit_code == Exit.OK
    assert "3 unchanged" in ended.stdout
    people, courses = [line.split() for line in ended.stdout.splitlines() if " done " in line]
    assert people[1:3] == ["people", "done"]
    assert courses[1:3] == ["courses", "done"]
    listed = cli.json("integration", "syncs", MOODLE)
    assert [run["counts"] for run in listed] == [{"created": 0, "updated": 0, "skipped": 3, "failed": 0}] * 2


def test_what_a_run_could_not_do_shows_in_the_exit_code(pool: Pool, cli: Cli) -> None:
    bench = Workbench(pool, academy())
    with transaction(pool) as db:
        runs = SyncRuns(db, bench.integration_id)
        runs.finish(runs.ask("results", by="test").run_id, "report_unknown")
    assert "The report does not exist" in cli("integration", "syncs", MOODLE).stdout
    assert cli("integration", "sync", MOODLE, "--flow", "grades").exit_code == Exit.USAGE
    assert cli("integration", "sync", "Nowhere").exit_code == Exit.NOTHING
    bench.set_state("paused")
    refused = cli("integration", "sync", MOODLE)
    assert (refused.exit_code, "paused" in refused.stderr) == (Exit.REFUSED, True)


def test_the_catalogue_is_a_table(pool: Pool, cli: Cli) -> None:
    """R56-R59: code, title, category, active, start, completion and what is wrong."""
    site = academy()
    bench = Workbench(pool, site, catalogue={"unknown_category": "park", "categories": {"Training": "T1"}})
    assert cli("integration", "courses", MOODLE).exit_code == Exit.NOTHING
    bench.read_catalogue()
    change_course(site, 2, visible=False)
    change_course(site, 3, category=0, completion=False)
    bench.pass_time(days=2)
    bench.read_catalogue()
    shown = cli("integration", "courses", MOODLE)
    assert shown.stdout.split("\n")[0].split() == [
        "code", "title", "category", "active", "starts", "completion", "problem",
    ]  # fmt: skip
    fire, law = [line for line in shown.stdout.splitlines() if line.startswith(("C-FIRE", "C-LAW"))]
    assert " T1 " in fire
    assert " no " in fire
    assert "The course's category is not mapped" in law
    assert [line["active"] for line in cli.json("integration", "courses", MOODLE)] == [False, True, True]


def test_the_status_tells_when_each_flow_last_worked(pool: Pool, cli: Cli) -> None:
    """R1."""
    bench = Workbench(pool, academy())
    bench.done(*hires(1))
    flows = cli.json("status")["integrations"][0]["flows"]
    assert {flow: state["succeeded_at"] is not None for flow, state in flows.items()} == {
        "people": True,
        "courses": True,
        "results": False,
    }
    assert "never" in cli("status").stdout
