"""
The commands about one person: why, timeline, plan, link and guard, against a real database and an LMS that answers.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from ops.cli.main import app
from ops.cli.output import Exit
from simulators.moodle import MoodleSite
from simulators.server import serve
from tests.support.builders import as_bytes, enrolled, hired, hires, terminated, updated
from tests.support.database import table_rows
from tests.support.workbench import KEY, Workbench, academy


class Desk:
    """
    A workbench and the command line on the same database and LMS.
    """

    def __init__(self, pool: Pool, database_url: str, site: MoodleSite, url: str, **chosen: Any) -> None:
        self.site = site
        self.bench = Workbench(pool, site, url=url, **chosen)
        self.bench.read_catalogue()
        self._environment = {
            "DATABASE_URL": database_url,
            "AMQP_URL": "amqp://127.0.0.1:9/",
            "MATRICULA_KEY": KEY,
            "MATRICULA_ALLOW_PRIVATE_LMS": "1",
        }

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self._environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


TWINS = [{"username": f"twin{n}", "email": "noor9@example.org"} for n in (1, 2)]


@pytest.fixture
def desk(pool: Pool, database_url: str) -> Iterator[Desk]:
    site = academy(users=TWINS)
    with serve(site) as url:
        yield Desk(pool, database_url, site, url, guard={"at_least": 2})


# Why


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("E-1", "The account is as HR wants it."),
        ("EN-1", "The enrolment is as HR wants it."),
        ("E-9", "account: parked. Several accounts could be this person (LMS users 4, 5 all match by email)"),
        ("EN-9", "account: parked. Several accounts could be this person"),
        ("EN-2", "enrolment: parked. No course has this code"),
        ("E-404", "known to HR: no"),
        ("EN-404", "known to HR: no"),
        ("E-3", "account: parked. No first name (first_name is empty)"),
        ("E-4", "event refused: A field of the event is wrong (data.emails: "),
    ],
)
def test_why_says_the_first_thing_to_fix(desk: Desk, key: str, verdict: str) -> None:
    """R72-R77: one verdict line first, with cause, owner and fix."""
    desk.bench.done(
        hired("E-1"),
        enrolled("EN-1", "E-1"),
        enrolled("EN-2", "E-1", "C-NONE"),
        hired("E-9"),
        enrolled("EN-9", "E-9"),
        enrolled("EN-404", "E-404"),
        hired("E-3", first_name=""),
        as_bytes(hired("E-4", emails="not a list")),
    )
    (said,) = desk.json("why", key)["explanations"]
    assert said["verdict"].startswith(verdict)
    assert said["verdict"] in desk("why", key).stdout.replace("Acme Moodle: ", "", 1)


def test_why_tells_every_condition_with_its_value(desk: Desk) -> None:
    desk.bench.done(hired(), enrolled())
    (said,) = desk.json("why", "EN-1")["explanations"]
    values = {line["name"]: line["value"] for line in said["conditions"]}
    assert values["known to HR"] == "yes, active"
    assert values["payroll"] == "NL-02"
    assert values["integration"] == "active"
    assert values["LMS user"].startswith("6, made by us")
    assert values["account"] == "settled"
    assert values["suspension"] == "HR wants active, the LMS holds active"
    assert values["booking"] == "confirmed, active"
    assert values["course"] == "C-FIRE, LMS course 2"
    assert values["dates"] == "from 2020-01-01 to 2150-12-31"
    assert values["enrolment"].startswith("in the LMS since ")


def test_why_tells_of_the_integration_before_the_person(desk: Desk) -> None:
    """R161: what is paused is paused for everybody."""
    desk.bench.set_state("paused")
    desk.bench.tell(hired())
    assert desk.json("why", "E-1")["explanations"][0]["verdict"].startswith("integration: paused")


@pytest.mark.parametrize("command", ["why", "timeline"])
def test_an_unknown_key_is_said_to_be_unknown(desk: Desk, command: str) -> None:
    ended = desk(command, "E-0")
    assert ended.exit_code == Exit.NOTHING
    assert "E-0" in ended.stderr


# Timeline


def test_a_timeline_tells_what_hr_said_and_what_was_done_newest_last(desk: Desk) -> None:
    desk.bench.done(hired(), enrolled(), hired("E-2"))
    desk.bench.done(hired(), updated(last_name="Other"))
    desk.bench.done(hired("E-1", at=0))
    lines = desk.json("timeline", "E-1")
    assert [line["kind"] for line in lines] == [
        "hr.employee.created.v1",
        "hr.course_enrolment.confirmed.v1",
        "account linked",
        "enrolled",
        "hr.employee.updated.v1",
    ]
    assert lines[0]["data"]["state"] == "applied"
    assert [line["kind"] for line in desk.json("timeline", "E-1", "--most", "2")] == [
        line["kind"] for line in lines[-2:]
    ]
    assert "account linked" in desk("timeline", "E-1").stdout


def test_an_event_that_could_not_be_applied_is_in_the_timeline(desk: Desk) -> None:
    desk.bench.done(hired(), as_bytes(updated(at=3, emails="not a list")))
    last = desk.json("timeline", "E-1")[-2:]
    assert ("failed", "bad_field") in [(line["data"].get("state"), line["data"].get("code")) for line in last]


# Plan


def without_audit(pool: Pool) -> dict[str, list[str]]:
    return {table: rows for table, rows in table_rows(pool).items() if not table.startswith("audit")}


def test_plan_prints_the_calls_and_makes_none(desk: Desk, pool: Pool, tmp_path: Path) -> None:
    """
    Nothing is written but that somebody looked (S19): the record is the same byte for byte, the LMS saw reads only.
    """
    desk.bench.done(hired(), enrolled())
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([as_bytes(updated(last_name="[bold]Other")), as_bytes(hired("E-7")), b"{"]))
    stored, effects = without_audit(pool), len(desk.site.ledger.effects())
    ended = desk("plan", str(file))
    assert ended.exit_code == Exit.OK
    assert "E-1 in Acme Moodle: update" in ended.stdout
    assert "    last_name: Meer1 -> [bold]Other" in ended.stdout
    assert "  create_users noor7@example.org" in ended.stdout
    assert "1 create, 1 update, 2 events applied; 2 writes planned, none made" in ended.stdout
    assert "line 3" in ended.stderr
    assert desk.json("plan", str(file))["counts"] == {"update": 1, "create": 1}
    assert without_audit(pool) == stored
    assert desk.bench.column("select distinct target from audit where action = 'people:plan:preview'") == [
        "events/feed"
    ]
    assert len(desk.site.ledger.effects()) == effects


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--person", "E-1"], Exit.NOTHING),
        (["--payroll", "NL-02"], Exit.NOTHING),
        (["--person", "E-1", "--payroll", "NL-02"], Exit.USAGE),
        ([], Exit.USAGE),
        (["--person", "E-1", "--integration", "Other"], Exit.NOTHING),
    ],
)
def test_plan_says_when_there_is_nothing_to_plan(desk: Desk, arguments: list[str], code: Exit) -> None:
    desk.bench.done(hired())
    assert desk("plan", *arguments).exit_code == code


# Links and guards


def test_a_link_is_listed_set_and_broken_by_hand(desk: Desk) -> None:
    """D21: the two candidates are shown, one is chosen, and the choice can be taken back."""
    desk.bench.done(hired("E-9"))
    assert "LMS users 4, 5" in desk("link", "list").stdout
    why = ("--integration", "Acme Moodle", "--reason", "asked her")
    assert desk("link", "set", "E-9", "5", *why).exit_code == Exit.OK
    desk.bench.provision()
    assert [row["lms_user_id"] for row in desk.json("link", "list", "--linked")] == ["5"]
    assert desk("link", "list").exit_code == Exit.NOTHING
    assert desk("link", "set", "E-9", "4", *why).exit_code == Exit.REFUSED
    assert desk("link", "unset", "E-9", *why).exit_code == Exit.OK
    assert desk("link", "list", "--linked").exit_code == Exit.NOTHING
    assert "link set by hand" in desk("timeline", "E-9").stdout


def test_a_guard_is_listed_shown_and_decided(desk: Desk) -> None:
    """F8, S24: also why says that a person has to decide."""
    desk.bench.done(*hires(5))
    desk.bench.done(*(terminated(f"E-{n}", at=5) for n in range(1, 6)))
    (guard,) = desk.json("guard", "list")
    number = str(guard["guard_id"])
    assert (guard["people"], guard["state"]) == (5, "open")
    assert [one["employee_key"] for one in desk.json("guard", "show", number)["people"]] == [
        f"E-{n}" for n in range(1, 6)
    ]
    assert "5 suspensions where 2 pass unasked" in desk("guard", "show", number).stdout
    assert desk.json("why", "E-1")["explanations"][0]["verdict"].startswith("account: suspension staged by guard")
    assert desk("guard", "undo", number, "--reason", "x").exit_code == Exit.REFUSED
    assert "5 people will be suspended" in desk("guard", "approve", number, "--reason", "plant closed").stdout
    desk.bench.provision()
    assert len(desk.site.ledger.effects("user suspended")) == 5
    assert "5 people will be active again" in desk("guard", "undo", number, "--reason", "wrong plant").stdout
    desk.bench.provision()
    assert len(desk.site.ledger.effects("user unsuspended")) == 5
    assert desk("guard", "list").exit_code == Exit.NOTHING
    assert desk("guard", "show", "404").exit_code == Exit.NOTHING
    assert "kept active by a decision" in desk("why", "E-1").stdout
