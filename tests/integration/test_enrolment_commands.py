"""
`matricula enrolments`: looking, setting when enrolments are exported, and having one provisioned anew.
"""

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from ops.cli.main import app
from ops.cli.output import Exit
from runtime.topology import INBOX_QUEUE
from simulators.talentlms import TalentSite
from tests.integration.test_powerpro import GROUP, PROVISIONED, TALENT, bench_on, done, fire, portal
from tests.support import queues
from tests.support.builders import changed, course, enrolled, hired
from tests.support.workbench import KEY, Workbench

LATER = "2150-01-31"


class Desk:
    """
    A workbench on a portal, the command line on the same database, and HR's way in through a real broker.
    """

    def __init__(self, pool: Pool, database_url: str, amqp_url: str) -> None:
        self.site: TalentSite = portal()
        self.bench: Workbench = bench_on(pool, self.site)
        self._environment = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "MATRICULA_KEY": KEY}
        self._amqp_url = amqp_url

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["enrolments", *arguments], env=self._environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

    def deliver(self) -> None:
        """
        What the commands have published is stored, applied and done.
        """
        self.bench.done(*(bytes(message.body) for message in queues.take_all(self._amqp_url, INBOX_QUEUE)))

    def export(self, key: str) -> tuple[bool, str | None]:
        [line] = [line for line in self.json("list") if line["enrolment_key"] == key]
        return line["export"], line["export_on"]


@pytest.fixture
def desk(pool: Pool, database_url: str, amqp_url: str) -> Desk:
    made = Desk(pool, database_url, amqp_url)
    with queues.channel(amqp_url):
        made.bench.done(fire(group_key=GROUP), course("C-LAW", lms_course_id="127"))
    for number in range(1, 5):
        made.bench.tell(hired(f"E-{number}"), enrolled(f"EN-{number}", f"E-{number}", export=False, export_on=LATER))
    made.bench.done(hired("E-9"), enrolled("EN-9", "E-9"), enrolled("EN-LAW", "E-9", "C-LAW", export_on=LATER))
    return made


def test_box_and_day_are_set_for_the_ticked_rows_and_no_others(desk: Desk) -> None:
    """R132, R134: Apply changes the ticked rows only; a day that is not due yet reschedules."""
    done_ = desk.json("set-export", "EN-1", "EN-3", "--tick", "--on", "2150-02-01")
    desk.deliver()

    assert done_["changed"] == ["EN-1", "EN-3"]
    assert [desk.export(f"EN-{n}") for n in range(1, 5)] == [
        (True, "2150-02-01"),
        (False, LATER),
        (True, "2150-02-01"),
        (False, LATER),
    ]
    assert desk.bench.placement("EN-1")["state"] == "due"
    assert desk.bench.placement("EN-2")["code"] == "export_off"


def test_a_whole_course_is_ticked_and_what_is_provisioned_stays_as_it_is(desk: Desk) -> None:
    """R134: rows that were provisioned are shown and unaffected; another course's are not ticked."""
    done_ = desk.json("set-export", "--course", "C-FIRE", "--tick", "--at-once")
    desk.deliver()

    assert done_ == {"changed": ["EN-1", "EN-2", "EN-3", "EN-4"], "unaffected": ["EN-9"], "unchanged": []}
    assert desk.export("EN-LAW") == (True, LATER)
    assert done(desk.site).count("enrolled") == 5
    again = desk.json("set-export", "--course", "C-FIRE", "--tick", "--at-once")
    assert again["changed"] == []


def test_a_dry_run_changes_none(desk: Desk) -> None:
    """R134: closing changes none."""
    ended = desk("set-export", "--course", "C-FIRE", "--tick", "--at-once", "--dry-run")
    desk.deliver()

    assert "EN-2       would change" in ended.stdout
    assert desk.export("EN-2") == (False, LATER)


def test_hrs_next_word_counts_more(desk: Desk) -> None:
    """The command speaks as HR does, and so it is overruled as HR is."""
    desk("set-export", "EN-1", "--tick", "--at-once")
    desk.deliver()
    desk.bench.done(changed("EN-1", "E-1", at=10**9 // 60, export=False, export_on=LATER))

    assert desk.export("EN-1") == (False, LATER)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (["EN-1"], Exit.USAGE, "say what to set"),
        (["--tick"], Exit.USAGE, "tick rows by their keys"),
        (["EN-1", "--course", "C-FIRE", "--tick"], Exit.USAGE, "tick rows by their keys"),
        (["EN-404", "--tick"], Exit.NOTHING, "no enrolment matches"),
        (["EN-1", "--on", "soon"], Exit.USAGE, "soon"),
    ],
)
def test_what_cannot_be_done_is_said(desk: Desk, arguments: list[str], exit_code: Exit, says: str) -> None:
    ended = desk("set-export", *arguments)
    assert (ended.exit_code, says in ended.stderr) == (exit_code, True), ended.stderr


def test_a_deleted_contact_log_provisions_anew_and_doubles_nothing(desk: Desk) -> None:
    """R137, I3, I4: no second account and no second enrolment; the new log tells upstream again."""
    users = desk.bench.column("select lms_user_id from account where employee_key = 'E-9'")
    ended = desk("forget", "EN-9", "--integration", TALENT, "--reason", "was enrolled by mistake")
    desk.bench.provision()

    assert ended.exit_code == Exit.OK, ended.stderr
    assert desk.bench.column("select lms_user_id from account where employee_key = 'E-9'") == users
    assert len(desk.site.ledger.effects("enrolled")) == 1
    assert len(desk.site.ledger.effects("user created")) == 1
    assert [told["enrolment_key"] for told in desk.bench.announced(PROVISIONED)] == ["EN-9", "EN-9"]
    logs = desk.json("show", "EN-9")["contacts"]
    assert [log["reason"] for log in logs] == ["was enrolled by mistake", None]


@pytest.mark.parametrize(
    ("key", "reason", "exit_code"),
    [("EN-9", " ", Exit.REFUSED), ("EN-1", "because", Exit.NOTHING), ("EN-404", "because", Exit.NOTHING)],
)
def test_a_contact_log_goes_only_with_a_reason_and_where_there_is_one(
    desk: Desk, key: str, reason: str, exit_code: Exit
) -> None:
    assert desk("forget", key, "--integration", TALENT, "--reason", reason).exit_code == exit_code


def test_one_enrolment_shows_its_settings_conditions_history_and_results(desk: Desk) -> None:
    """R155, R118-R126: every condition with its value; the first to fix before all."""
    shown = desk.json("show", "EN-1")
    [explained] = shown["explanations"]
    values = {line["name"]: (line["value"].partition(".")[0], line["mood"]) for line in explained["conditions"]}

    assert explained["verdict"].startswith("enrolment exported: not ticked. The enrolment is not to be exported")
    assert values["course not archived"] == ("in use", "ok")
    assert values["course id numeric"] == ("126", "ok")
    assert values["enrolment exported"] == ("not ticked", "stops")
    assert values["export due"] == (LATER, "waits")
    assert values["has email"] == ("known", "ok")
    assert (shown["contacts"], shown["results"]) == ([], [])
    text = desk("show", "EN-9").stdout
    assert f"Enrolled in course 126, group {GROUP} of {TALENT}" in text


def test_lists_are_narrowed(desk: Desk) -> None:
    assert {line["course_code"] for line in desk.json("list", "--course", "C-LAW")} == {"C-LAW"}
    assert [line["enrolment_key"] for line in desk.json("list", "--person", "E-9", "--state", "settled")] == ["EN-9"]
    assert desk("list", "--course", "C-NONE").exit_code == Exit.NOTHING
    assert "The enrolment is not to be exported" in desk("list").stdout
