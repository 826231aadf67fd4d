"""Results counted: by course, by payroll, by date, for the clients that have the report."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from ops.cli.main import app
from ops.cli.output import Exit
from simulators.learners import Learners
from tests.support.builders import enrolled, hired, results, settings
from tests.support.workbench import KEY, Workbench, academy

REPORTED = results(report="1", pass_grade=60, attempted_on="completion")
# Who finishes what, when in March, with which grade.
FINISHED = (("E-1", "C-FIRE", 2, 80), ("E-2", "C-FIRE", 2, 50), ("E-3", "C-FIRE", 3, 90), ("E-3", "C-LAW", 3, 70))


def report(database_url: str, *arguments: str) -> Result:
    environment = {
        "DATABASE_URL": database_url,
        "AMQP_URL": "amqp://127.0.0.1:9/",
        "MATRICULA_KEY": KEY,
    }
    return CliRunner().invoke(app, ["report", *arguments], env=environment)


def counted(database_url: str, *arguments: str) -> list[tuple[Any, ...]]:
    found = json.loads(report(database_url, *arguments, "--json").stdout)
    return [(line["counted"], line["results"], line["passed"], line["failed"]) for line in found]


@pytest.fixture
def bench(pool: Pool) -> Workbench:
    """Four results of three people, one of them without a payroll."""
    site = academy()
    made = Workbench(pool, site, features=["result_report"], results=REPORTED)
    made.tell(hired("E-1", payroll="NL-01"), hired("E-2", payroll="NL-02"), hired("E-3", payroll=None))
    made.done(*(enrolled(f"{key}/{course}", key, course) for key, course, _, _ in FINISHED))
    for key, course, day, grade in FINISHED:
        at = datetime(2026, 3, day, 12, tzinfo=UTC).timestamp()
        Learners(site).complete(key, course, grade=float(grade), at=at)
    for _ in range(2):
        site.run_cron()
    made.poll()
    return made


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("course", [("C-FIRE", 3, 2, 1), ("C-LAW", 1, 1, 0)]),
        ("payroll", [("NL-01", 1, 1, 0), ("NL-02", 1, 0, 1), (None, 2, 2, 0)]),
        ("date", [("2026-03-02", 2, 1, 1), ("2026-03-03", 2, 2, 0)]),
    ],
)
@pytest.mark.usefixtures("bench")
def test_results_are_counted_by_course_payroll_and_date(
    database_url: str, by: str, expected: list[tuple[Any, ...]]
) -> None:
    """R10."""
    assert counted(database_url, "--by", by) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--course", "C-LAW"], [("C-LAW", 1, 1, 0)]),
        (["--payroll", "NL-02"], [("C-FIRE", 1, 0, 1)]),
        (["--since", "2026-03-03"], [("C-FIRE", 1, 1, 0), ("C-LAW", 1, 1, 0)]),
        (["--until", "2026-03-02"], [("C-FIRE", 2, 1, 1)]),
        (["--since", "2026-03-03", "--until", "2026-03-03", "--course", "C-FIRE"], [("C-FIRE", 1, 1, 0)]),
    ],
    ids=["course", "payroll", "since", "until", "all of them"],
)
@pytest.mark.usefixtures("bench")
def test_a_report_is_narrowed(database_url: str, arguments: list[str], expected: list[tuple[Any, ...]]) -> None:
    """R10: both days are included."""
    assert counted(database_url, *arguments) == expected


@pytest.mark.usefixtures("bench")
def test_a_report_is_a_table_and_says_when_there_is_nothing(database_url: str) -> None:
    """R10."""
    shown = report(database_url, "--by", "payroll")
    nothing = report(database_url, "--course", "C-TALK")

    assert "(none)" in shown.stdout
    assert (shown.exit_code, nothing.exit_code) == (Exit.OK, Exit.NOTHING)


def test_results_of_those_who_do_not_have_the_report_are_not_counted(bench: Workbench, database_url: str) -> None:
    """R5, R10: it is billed, so it is there for those who have it only."""
    bench.add(academy(), settings(name="Beta academy", url="https://beta.example.org"))
    assert report(database_url, "--integration", "Beta academy").exit_code == Exit.REFUSED
    assert [line for line in counted(database_url) if line[0] == "C-LAW"] != []

    bench.choose(features=[])

    refused = report(database_url)
    assert refused.exit_code == Exit.REFUSED
    assert "add result_report to `features`" in refused.stderr
