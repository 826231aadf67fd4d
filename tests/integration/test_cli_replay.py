"""
`matricula failures` and `matricula replay`: what they show, the command that they offer, and how they end.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from domain.lms import NewUser
from ops import replays
from ops.cli.main import app
from ops.cli.output import Exit
from tests.support.builders import lms_courses
from tests.support.fake_lms import FakeLms
from tests.support.replaying import Replaying, failing, mended
from tests.support.workbench import KEY, Workbench


class Desk:
    """
    A workbench with three people who failed of a cause that is gone, and the command line on the same database.
    """

    def __init__(self, pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lms = FakeLms(courses=lms_courses())
        self.bench = Workbench(pool, self.lms)
        self.replaying = Replaying(self.bench, monkeypatch)
        self._environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9/", "MATRICULA_KEY": KEY}
        failing(self.bench, self.lms, 3)
        mended(self.lms)

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), env=self._environment)

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json").stdout)


@pytest.fixture
def desk(pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(pool, database_url, monkeypatch)


def test_what_a_preview_offers_to_copy_is_what_confirms_it(desk: Desk) -> None:
    shown = desk("replay", "preview", "--code", "lms_rejected")
    offered = shlex.split(shown.stdout.splitlines()[-1].replace("…", "mended"))

    made = desk(*offered[1:], "--json")
    report = desk.replaying.finish(json.loads(made.stdout)["replay"]["replay_id"])

    assert offered[:3] == ["matricula", "replay", "create"]
    assert "create_users" in shown.stdout
    assert made.exit_code == Exit.OK
    assert report.done == {"create": 3}
    assert desk("replay", "report", str(report.replay.replay_id)).exit_code == Exit.OK


def test_more_than_one_takes_a_digest_and_yes(desk: Desk) -> None:
    digest = desk.json("replay", "preview", "--code", "lms_rejected")["digest"]
    words = ("replay", "create", "--code", "lms_rejected")

    assert desk(*words).exit_code == Exit.REFUSED
    assert desk(*words, "--digest", digest).exit_code == Exit.USAGE
    assert desk(*words, "--digest", "nonsense", "--yes").exit_code == Exit.REFUSED
    assert desk("replay", "create").exit_code == Exit.REFUSED
    assert desk(*words, "--dry-run").exit_code == Exit.OK
    assert desk.bench.rows("select * from replay") == []


def test_who_confirms_is_told_what_is_foreseen_by_then(desk: Desk) -> None:
    """J4: somebody was made by hand since the preview."""
    [last] = desk.bench.column("select max(failure_id) from failure")
    mended(desk.lms)
    desk.lms._create(NewUser("by-hand", "noor3@example.org", "Noor", "Meer3", "", "pass"))

    made = desk("replay", "create", "--item", str(last), "--reason", "mended")
    assert made.exit_code == Exit.OK, made.output
    assert "foreseen now: 1 link" in made.stdout


def test_ids_are_read_from_a_file_and_a_bad_line_is_named(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text("\n".join(str(number) for number in desk.bench.column("select failure_id from failure")))
    assert desk.json("replay", "preview", "--ids", str(file))["members"] == 3

    file.write_text("1\nE-1\n")
    wrong = desk("replay", "preview", "--ids", str(file))
    assert wrong.exit_code == Exit.USAGE
    assert "line 2" in wrong.stderr


def test_a_replay_that_failed_again_ends_the_report_partly(desk: Desk) -> None:
    failing(desk.bench, desk.lms, 1, first=20)
    [last] = desk.bench.column("select max(failure_id) from failure")
    made = desk.json("replay", "create", "--item", str(last), "--reason", "a try")
    desk.replaying.finish(made["replay"]["replay_id"])

    ended = desk("replay", "report", str(made["replay"]["replay_id"]))

    assert ended.exit_code == Exit.PARTLY
    assert "failed again: 1" in ended.stdout


def test_groups_are_shown_with_their_next_steps(desk: Desk) -> None:
    [group] = desk.json("failures", "groups")
    shown = desk("failures", "show", str(group["group_id"])).stdout

    assert (group["code"], group["failures"], group["owner"]) == ("lms_rejected", 3, "LMS")
    assert "why together" in shown
    assert f"matricula replay preview --group {group['group_id']}" in shown
    assert desk("failures", "groups", "--code", "token_refused").exit_code == Exit.NOTHING
    assert desk("failures", "show", "999").exit_code == Exit.NOTHING


def test_dismissing_says_what_is_left_and_needs_a_reason(desk: Desk) -> None:
    [number] = map(str, desk.bench.column("select min(failure_id) from failure"))

    assert desk("failures", "dismiss", number).exit_code == Exit.REFUSED
    assert desk("failures", "dismiss", number, "999", "--reason", "left").exit_code == Exit.PARTLY
    assert [line["failure_id"] for line in desk.json("failures", "list", "--dismissed")] == [int(number)]
    assert desk("failures", "restore", number).exit_code == Exit.OK
    assert desk("failures", "dismiss", "--reason", "x").exit_code == Exit.USAGE


def test_too_many_for_one_replay_are_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """S20"""
    monkeypatch.setattr(replays, "MOST", 2)

    ended = desk("replay", "preview", "--code", "lms_rejected")

    assert ended.exit_code == Exit.REFUSED
    assert "more than 2 failures match" in ended.stderr
