"""`matricula integration versions|diff|revert`: how settings came to be as they are, and going back."""

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from ops.cli.main import app
from ops.cli.output import Exit
from tests.support.builders import MOODLE
from tests.support.workbench import KEY, Workbench, academy

WHY = ("--reason", "as it was")


class Cli:
    def __init__(self, database_url: str) -> None:
        self._environment = {
            "DATABASE_URL": database_url,
            "AMQP_URL": "amqp://127.0.0.1:9/",
            "MATRICULA_KEY": KEY,
            "MATRICULA_ALLOW_PRIVATE_LMS": "1",
        }

    def __call__(self, verb: str, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["integration", verb, MOODLE, *arguments], env=self._environment)

    def json(self, verb: str, *arguments: str) -> Any:
        return json.loads(self(verb, *arguments, "--json").stdout)


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


@pytest.fixture
def bench(pool: Pool) -> Workbench:
    """Settings of three versions."""
    made = Workbench(pool, academy(), url="http://127.0.0.1:9")
    made.choose(timezone="Europe/Amsterdam")
    made.choose(guard={"at_least": 7})
    return made


def changes(lines: list[dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    return {line["setting"]: (line["before"], line["after"]) for line in lines}


def test_every_version_says_what_it_changed(bench: Workbench, cli: Cli) -> None:
    found = cli.json("versions")
    assert [(one["version"], one["changed"]) for one in found] == [
        (3, ["guard.at_least"]),
        (2, ["timezone"]),
        (1, []),
    ]
    assert "guard.at_least" in cli("versions").stdout


def test_two_versions_are_compared_setting_by_setting(bench: Workbench, cli: Cli) -> None:
    assert changes(cli.json("diff", "1", "2")) == {"timezone": ("UTC", "Europe/Amsterdam")}
    assert changes(cli.json("diff", "2")) == {"guard.at_least": (10, 7)}
    assert cli("diff", "3").exit_code == Exit.NOTHING
    assert cli("diff", "9").exit_code == Exit.NOTHING


def test_going_back_is_a_new_version_on_record(bench: Workbench, cli: Cli) -> None:
    tried = cli("revert", "1", "--dry-run")
    assert "this was a dry run" in tried.stdout, tried.output
    assert bench.integration().settings_version == 3

    assert cli("revert", "1").exit_code == Exit.REFUSED, "it takes a reason, as every edit does"
    done = cli("revert", "1", *WHY)
    assert done.exit_code == Exit.OK, done.output
    assert "saved as version 4" in done.stdout
    assert cli("diff", "1", "4").exit_code == Exit.NOTHING
    [line] = bench.rows("select target, before, after, reason from audit where outcome = 'done'")
    assert (line["after"]["version"], sorted(line["after"]["settings"])) == (4, ["guard.at_least", "timezone"])
    assert line["reason"] == "as it was"
    assert "nothing differs" in cli("revert", "4", *WHY).stdout


def test_there_is_no_way_back_to_a_version_that_never_was(bench: Workbench, cli: Cli) -> None:
    assert cli("revert", "9", *WHY).exit_code == Exit.NOTHING
