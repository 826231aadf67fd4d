"""`matricula results`: lists, one enrolment in full, files for other programs, and the comparison with the LMS."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from ops.cli.main import app
from ops.cli.output import Exit
from simulators.server import serve
from simulators.talentlms import Settings as Switches
from simulators.talentlms import TalentLearners, TalentSite, talent_site
from tests.contract.portal_stands import COURSES, KEY_FIELD, PATIENT
from tests.support.builders import BY_CODE, MOODLE, enrolled, hired, hires, results
from tests.support.units import NOON, company, portal, units
from tests.support.workbench import KEY, Workbench

SENT = "update outbox set published_at = now() where event_id = %(id)s"


class Cli:
    def __init__(self, database_url: str) -> None:
        self._environment = {
            "DATABASE_URL": database_url,
            "AMQP_URL": "amqp://127.0.0.1:9",
            "MATRICULA_KEY": KEY,
            "MATRICULA_ALLOW_PRIVATE_LMS": "1",
        }

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["results", *arguments], env=self._environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


@pytest.fixture
def bench(pool: Pool) -> Workbench:
    """Two people with a unit each, one of them with a fail and a completion that HR has no unit for."""
    lms = portal()
    made = company(pool, lms, 2, pass_grade=50)
    lms.complete_unit("101", "2", "21", NOON)
    lms.complete_unit("102", "2", "22", NOON, Decimal(40))
    lms.complete_unit("102", "2", "23", NOON)
    made.poll()
    return made


def found(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((line["enrolment_key"], line["unit_code"]) for line in lines)


FIRST, SECOND = ("EN-1", "FIRE01"), ("EN-2", "FIRE02")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ([], [FIRST, SECOND]),
        (["--integration", MOODLE], [FIRST, SECOND]),
        (["--tenant", "acme", "--course", "C-FIRE"], [FIRST, SECOND]),
        (["--person", "E-2"], [SECOND]),
        (["--outcome", "C"], [FIRST]),
        (["--outcome", "NYC"], [SECOND]),
        (["--from", "2020-01-01", "--to", "2099-12-31"], [FIRST, SECOND]),
        (["--most", "1", "--person", "E-1"], [FIRST]),
    ],
)
def test_results_are_listed_by_what_is_asked_for(
    bench: Workbench, cli: Cli, chosen: list[str], expected: list[tuple[str, str]]
) -> None:
    """R155, R10."""
    assert found(cli.json("list", *chosen)) == expected
    assert found(cli.json(*chosen)) == expected, "without a command it is the list"


@pytest.mark.parametrize(
    "chosen",
    [
        ["--integration", "Another"],
        ["--tenant", "other"],
        ["--course", "C-LAW"],
        ["--to", "2020-01-01"],
        ["--from", "2099-12-31"],
        ["--delivered"],
    ],
)
def test_where_nothing_is_found_the_exit_status_says_so(bench: Workbench, cli: Cli, chosen: list[str]) -> None:
    ended = cli("list", *chosen)

    assert ended.exit_code == Exit.NOTHING


def test_a_table_shows_code_title_outcome_date_and_delivery(bench: Workbench, cli: Cli) -> None:
    """R152, R155: for people."""
    shown = cli().stdout

    assert "FIRE01 Fire01" in shown
    assert "2026-03-02 12:00" in shown
    assert "waits" in shown
    line = cli.json("--person", "E-1")[0]
    assert (line["outcome"], line["outcome_label"], line["unit_title"]) == ("C", "Competent", "Fire01")
    assert line["stamp"].startswith("fetched by Matricula from Acme Moodle on ")


def test_delivered_and_undelivered_are_told_apart(bench: Workbench, cli: Cli) -> None:
    event_id = bench.column("select event_id from result where enrolment_key = 'EN-1'")[0]
    bench.run(SENT, id=event_id)

    assert found(cli.json("--delivered")) == [FIRST]
    assert found(cli.json("--undelivered")) == [SECOND]


def test_what_is_held_back_is_listed_with_its_reason(bench: Workbench, cli: Cli) -> None:
    """R149, G12: visible, with evidence."""
    [line] = cli.json("list", "--held")

    assert (line["enrolment_key"], line["unit_code"], line["reason"]) == ("EN-2", "Essay", "unmatched")
    assert line["evidence"]["units"][0]["name"] == "Essay"
    assert "unmatched" in cli("--held").stdout
    assert cli("--held", "--person", "E-1").exit_code == Exit.NOTHING
    assert cli("--held", "--outcome", "C").exit_code == Exit.USAGE


def test_one_enrolment_is_shown_with_its_history_and_evidence(bench: Workbench, cli: Cli) -> None:
    """R85, R153, G5: each event, what it corrects, and the rule it was made by."""
    lms: Any = bench._gateways[bench.integration_id]
    lms.complete_unit("102", "2", "22", NOON + timedelta(days=1), Decimal(60))
    bench.run("update placement set mark = null")
    bench.poll()

    shown = cli.json("show", "EN-2")
    kinds = [(one["kind"], one["outcome"], one["evidence"]["grade"]) for one in shown["history"]]
    assert kinds == [("recorded", "NYC", "40"), ("corrected", "C", "60")]
    assert shown["history"][1]["corrects"] == shown["history"][0]["event_id"]
    assert [one["reason"] for one in shown["held"]] == ["unmatched"]
    table = cli("show", "EN-2").stdout
    assert "completion and grade" in table
    assert "fetched by Matricula from Acme Moodle on " in table


def test_an_enrolment_without_results_is_not_found(bench: Workbench, cli: Cli) -> None:
    ended = cli("show", "EN-404")

    assert ended.exit_code == Exit.NOTHING
    assert "matricula why EN-404" in ended.stderr


@pytest.mark.parametrize("kind", ["csv", "json", "xlsx"])
def test_an_export_holds_all_that_match(bench: Workbench, cli: Cli, kind: str, tmp_path: Path) -> None:
    """S10: see the unit tests for what is in the cells."""
    file = tmp_path / f"results.{kind}"

    ended = cli("export", str(file), "--format", kind, "--outcome", "C")

    assert (ended.exit_code, ended.stderr) == (Exit.OK, "1 results written\n")
    assert file.stat().st_size > 0
    assert cli("export", str(file), "--format", kind, "--course", "none").exit_code == Exit.NOTHING


def test_a_key_that_looks_like_a_formula_is_exported_as_a_text(pool: Pool, cli: Cli) -> None:
    """S10: keys are HR's own, and may be anything."""
    lms = portal()
    bench = company(pool, lms, 0)
    bench.done(hired(), enrolled("=1+1"))
    lms.complete_unit("101", "2", "21", NOON)
    bench.poll()

    [line] = csv.DictReader(io.StringIO(cli("export", "-").stdout))
    assert line["enrolment_key"] == "'=1+1"
    assert cli.json()[0]["enrolment_key"] == "=1+1"


def test_a_file_that_cannot_be_written_is_named(bench: Workbench, cli: Cli) -> None:
    ended = cli("export", "/no/such/folder/results.csv")

    assert ended.exit_code == Exit.USAGE
    assert "/no/such/folder/results.csv" in ended.stderr


# Against the LMS


@pytest.fixture
def campus() -> Iterator[tuple[TalentSite, str]]:
    site = talent_site(courses=COURSES, settings=Switches(**PATIENT))
    with serve(site) as url:
        yield site, url


def at_the_portal(pool: Pool, campus: tuple[TalentSite, str], people: int = 3) -> tuple[Workbench, TalentLearners]:
    site, url = campus
    bench = Workbench(
        pool, site, url=url, lms="talentlms", enrolments=BY_CODE, people={"key_field": KEY_FIELD}, results=results()
    )
    bench.done(units("FIRE01", "FIRE02"), *hires(people))
    return bench, TalentLearners(site)


def test_lms_results_and_hr_agree_or_the_differences_are_named(
    pool: Pool, cli: Cli, campus: tuple[TalentSite, str]
) -> None:
    """I13: one line for each, and nothing is changed by looking."""
    bench, learners = at_the_portal(pool, campus)
    login = {row["employee_key"]: int(row["lms_user_id"]) for row in bench.rows("select * from account")}
    at = NOON.timestamp()
    learners.complete_unit(login["E-1"], 2, 21, at=at)
    learners.complete_unit(login["E-2"], 2, 21, at=at)
    bench.poll()
    bench.run("update outbox set published_at = now()")
    assert (cli("reconcile").exit_code, cli.json("reconcile")["deviations"]) == (Exit.OK, [])

    learners.reopen(login["E-1"], 2, 21, at=at + 60)
    learners.complete_unit(login["E-2"], 2, 22, score=90, at=at + 60)
    learners.complete_unit(login["E-3"], 2, 23, score=90, at=at + 60)
    bench.run("update outbox set published_at = null where type = 'lms.result.recorded.v1'")
    before = bench.rows("select * from result"), bench.rows("select * from placement")
    effects = len(campus[0].ledger.effects())
    ended = cli("reconcile")

    told = cli.json("reconcile")
    lines = sorted((d["enrolment_key"], d["unit_code"], d["what"]) for d in told["deviations"])
    assert lines == [
        ("EN-1", "FIRE01", "not delivered"),
        ("EN-1", "FIRE01", "not in the LMS"),
        ("EN-2", "FIRE01", "not delivered"),
        ("EN-2", "FIRE02", "not recorded"),
        ("EN-3", "FIRE03", "held back"),
    ]
    assert (ended.exit_code, told["looked_at"]) == (Exit.PARTLY, 3)
    assert "not in the LMS" in ended.stdout
    assert (bench.rows("select * from result"), bench.rows("select * from placement")) == before
    assert len(campus[0].ledger.effects()) == effects


def test_a_comparison_says_what_it_left_out_and_what_it_could_not_read(
    pool: Pool, cli: Cli, campus: tuple[TalentSite, str]
) -> None:
    """R82: bounded by --most; whoever is gone from the LMS is a line of the table."""
    bench, learners = at_the_portal(pool, campus)
    login = bench.account("E-1")["lms_user_id"]
    learners.delete(int(login), permanent=True)

    told = cli.json("reconcile", "--most", "2")
    assert (told["looked_at"], told["left_out"]) == (2, 1)
    assert [(d["enrolment_key"], d["what"], d["detail"]) for d in told["deviations"]] == [
        ("EN-1", "could not be read", "user_gone")
    ]
    assert cli("reconcile", "--most", "2", "--person", "E-2").exit_code == Exit.OK
    assert cli("reconcile", "--person", "E-404").exit_code == Exit.NOTHING


def test_a_paused_integration_is_not_called(pool: Pool, cli: Cli, campus: tuple[TalentSite, str]) -> None:
    """R161."""
    bench, _ = at_the_portal(pool, campus)
    bench.set_state("paused")
    before = len(campus[0].ledger.calls())

    ended = cli("reconcile", "--integration", MOODLE)

    assert ended.exit_code == Exit.REFUSED
    assert "is paused" in ended.stderr
    assert len(campus[0].ledger.calls()) == before
    assert cli("reconcile", "--integration", "Another").exit_code == Exit.NOTHING


def test_an_lms_that_is_away_ends_the_comparison(pool: Pool, cli: Cli, campus: tuple[TalentSite, str]) -> None:
    at_the_portal(pool, campus)
    campus[0].key = "another"

    ended = cli("reconcile")

    assert ended.exit_code == Exit.ERROR
    assert "token_refused" in ended.stderr


def test_why_names_the_results_of_each_unit(bench: Workbench, cli: Cli, database_url: str) -> None:
    shown = CliRunner().invoke(app, ["why", "EN-2"], env=cli._environment).stdout

    assert "FIRE02 NYC" in shown
