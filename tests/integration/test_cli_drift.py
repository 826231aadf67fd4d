"""`matricula drift`: scans asked for, findings listed, and decisions with a reason; each finding on its own."""

import json
from threading import Thread
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from ops.cli.main import app
from ops.cli.output import Exit
from runtime.secrets import new_key
from simulators.moodle import MoodleSite, add_user, change_user, enrol, unenrol
from tests.support.builders import MOODLE, hired, hires, settings
from tests.support.drifting import change_enrolment, found, look, user_id, writes
from tests.support.waiting import until
from tests.support.workbench import Workbench, academy

FIRE = 2
WHY = ("--reason", "agreed on the phone")
TELL: dict[str, Any] = {"drift": {"default": "tell"}}


class Cli:
    def __init__(self, database_url: str) -> None:
        self._environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9", "MATRICULA_KEY": new_key()}

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ("drift", *arguments), env=self._environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

    def number(self, kind: str) -> str:
        """The one finding of this kind."""
        [finding] = self.json("list", "--kind", kind)
        return str(finding["finding_id"])


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


@pytest.fixture
def site() -> MoodleSite:
    return academy()


@pytest.fixture
def bench(pool: Pool, site: MoodleSite) -> Workbench:
    """Three people in Fire safety; whatever is found is only told."""
    made = Workbench(pool, site, **TELL)
    made.done(*hires(3))
    return made


def lines(bench: Workbench, kind: str) -> list[Any]:
    return bench.column("select data from timeline where kind = %(kind)s order by timeline_id", kind=kind)


# Asking


def test_a_scan_says_what_it_began_and_joins_the_second_time(bench: Workbench, cli: Cli) -> None:
    """R81: of one integration, or of all that are active."""
    first = cli("scan")
    assert (first.exit_code, first.stdout) == (Exit.OK, "people: begun (run 1)\nenrolments: begun (run 2)\n")
    assert [run["joined"] for run in cli.json("scan", "--integration", MOODLE)] == [True, True]
    assert cli("scan", "--integration", "Nowhere").exit_code == Exit.NOTHING


def test_waiting_shows_the_counts_and_what_was_found(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    """R11: somebody who is gone makes the scan a partial one."""
    change_user(site, user_id(bench, "E-1"), lastname="Own")
    change_user(site, user_id(bench, "E-2"), deleted=True)
    bench.pass_time(minutes=1)

    def work() -> None:
        until(lambda: len(bench.rows("select 1 from sync_run where done_at is null")) == 2)
        bench.look_again()

    worker = Thread(target=work)
    worker.start()
    ended = cli("scan", "--wait")
    worker.join()
    assert ended.exit_code == Exit.PARTLY
    assert "1 account_gone, 1 changed_by_hand, 1 unchanged" in ended.stdout


def test_all_active_integrations_are_named_and_the_others_left_out(bench: Workbench, cli: Cli) -> None:
    bench.add(academy(), settings(name="Second", url="https://second.example.org"))
    bench.add(academy(), settings(name="Third", url="https://third.example.org"), active=False)
    assert [line.split(":")[0] for line in cli("scan").stdout.splitlines()] == [MOODLE, MOODLE, "Second", "Second"]
    assert cli("scan", "--integration", "Third").exit_code == Exit.REFUSED
    bench.set_state("paused")
    bench.set_state("paused", "Second")
    assert cli("scan").exit_code == Exit.NOTHING


def test_findings_are_a_table_with_what_to_do(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    assert cli("list").exit_code == Exit.NOTHING
    change_user(site, user_id(bench), lastname="[red]Own", suspended=True)
    look(bench)
    shown = cli("list")
    assert shown.exit_code == Exit.OK
    name, suspended = [line for line in shown.stdout.splitlines() if MOODLE in line]
    assert ("last_name" in name, "Meer1" in name, "[red]Own" in name) == (True, True, True)
    assert ("suspended" in suspended, " false " in suspended, " true " in suspended) == (True, True, True)
    assert "changed_by_hand: Put it back, or accept it" in shown.stdout
    assert "missing:" not in shown.stdout
    assert [one["field"] for one in cli.json("list", "--person", "E-1")] == ["last_name", "suspended"]
    for nobody in (("--person", "E-2"), ("--kind", "missing"), ("--tenant", "other"), ("--integration", "Other")):
        assert cli("list", *nobody).exit_code == Exit.NOTHING
    assert cli("list", "--kind", "odd").exit_code == Exit.USAGE


# Deciding


def test_accepting_keeps_it_until_hr_says_something_new(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    change_user(site, user_id(bench), lastname="Married")
    look(bench)
    done = cli("accept", cli.number("changed_by_hand"), *WHY)
    assert (done.exit_code, done.stdout) == (Exit.OK, "1 accepted\n")
    assert cli("list").exit_code == Exit.NOTHING
    assert [one["reason"] for one in cli.json("list", "--all")] == ["agreed on the phone"]
    [said] = lines(bench, "drift accepted")
    assert (said["field"], said["reason"], bool(said["by"])) == ("last_name", "agreed on the phone", True)
    bench.choose(drift={"default": "put_back"})
    look(bench)
    assert site.state.users[user_id(bench)].lastname == "Married"
    assert found(bench) == [("changed_by_hand", "last_name", "accepted")]
    [finding] = cli.json("list", "--all")
    assert (finding["reason"], finding["times"]) == ("agreed on the phone", 2)


def test_putting_back_writes_hrs_word_and_is_over_when_that_is_seen(
    bench: Workbench, site: MoodleSite, cli: Cli
) -> None:
    change_user(site, user_id(bench), lastname="Own", email="own@example.org")
    look(bench)
    email, _ = cli.json("list")
    done = cli("put-back", str(email["finding_id"]), *WHY)
    assert (done.exit_code, done.stdout) == (Exit.OK, "1 will be put back\n")
    bench.provision()
    user = site.state.users[user_id(bench)]
    assert (user.email, user.lastname) == ("noor1@example.org", "Own")
    assert len(lines(bench, "drift put back")) == 1
    look(bench)
    assert found(bench) == [("changed_by_hand", "last_name", "open")]


def test_what_was_accepted_can_be_put_back_after_all(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    change_user(site, user_id(bench), lastname="Married")
    look(bench)
    number = cli.number("changed_by_hand")
    cli("accept", number, *WHY)
    again = cli("accept", number, *WHY)
    assert (again.exit_code, "accepted already" in again.stderr) == (Exit.REFUSED, True)
    assert cli("put-back", number, *WHY).exit_code == Exit.OK
    assert cli("put-back", number, *WHY).exit_code == Exit.REFUSED
    bench.provision()
    assert site.state.users[user_id(bench)].lastname == "Meer1"


def test_a_missing_user_is_made_again_when_somebody_says_so(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    """D22: not in silence, with a reason, and with the enrolments."""
    gone = user_id(bench)
    change_user(site, gone, deleted=True)
    look(bench)
    assert cli("put-back", cli.number("missing"), *WHY).exit_code == Exit.OK
    bench.provision()
    assert user_id(bench) != gone
    assert site.state.users[user_id(bench)].idnumber == "E-1"
    assert site.state.enrolment(user_id(bench), FIRE) is not None
    look(bench)
    assert found(bench) == []


def test_that_a_user_is_gone_can_be_accepted(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    change_user(site, user_id(bench), deleted=True)
    look(bench)
    cli("accept", cli.number("missing"), *WHY)
    look(bench)
    assert found(bench) == [("missing", "", "accepted")]
    assert bench.rows("select reasons from sync_run where flow = 'people' order by run_id")[-1]["reasons"] == {
        "unchanged": 2,
        "accepted": 1,
    }


def test_enrolments_are_put_back_as_a_whole(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    unenrol(site, user_id(bench, "E-1"), FIRE)
    change_enrolment(site, user_id(bench, "E-2"), suspended=True, role=4)
    look(bench)
    numbers = [str(one["finding_id"]) for one in cli.json("list")]
    assert len(numbers) == 3
    assert cli("put-back", *numbers, *WHY).exit_code == Exit.OK
    bench.provision()
    for key in ("E-1", "E-2"):
        held = site.state.enrolment(user_id(bench, key), FIRE)
        assert held is not None
        assert held.suspended is False
    look(bench)
    assert found(bench) == []


def test_ghosts_and_other_claimants_are_never_touched(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    """S15: refused with the reason; knowing of them is all there is."""
    ghost = add_user(site, username="ghost", email="ghost@example.org")
    enrol(site, ghost.id, FIRE)
    add_user(site, username="double", email="double@example.org", idnumber="E-1")
    look(bench)
    before = writes(site)
    refused = cli("put-back", cli.number("unknown"), cli.number("claimed_twice"), *WHY)
    assert refused.exit_code == Exit.REFUSED
    assert "HR has not asked for it" in refused.stderr
    assert "carries this person's key" in refused.stderr
    assert cli("accept", cli.number("unknown"), cli.number("claimed_twice"), *WHY).exit_code == Exit.OK
    look(bench)
    assert cli("list").exit_code == Exit.NOTHING
    assert writes(site) == before


def test_a_key_given_to_somebody_elses_user_can_be_put_back(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    change_user(site, user_id(bench, "E-1"), idnumber="E-2")
    look(bench)
    [own] = cli.json("list", "--person", "E-1")
    assert cli("put-back", str(own["finding_id"]), *WHY).exit_code == Exit.OK
    bench.provision()
    assert site.state.users[user_id(bench, "E-1")].idnumber == "E-1"
    look(bench)
    assert found(bench) == []


def test_each_finding_is_decided_on_its_own(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    """J7: refused per item, not all."""
    change_user(site, user_id(bench), lastname="Own")
    look(bench)
    partly = cli.json("put-back", cli.number("changed_by_hand"), "999", *WHY)
    assert (len(partly["done"]), list(partly["refused"])) == (1, ["999"])
    assert cli("accept", "999", *WHY).exit_code == Exit.REFUSED
    assert cli("accept", "1", "--reason", " ").exit_code == Exit.REFUSED
    assert cli("accept", "1").exit_code == Exit.REFUSED


def test_somebody_with_work_under_way_is_not_put_back_meanwhile(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    change_user(site, user_id(bench), lastname="Own")
    look(bench)
    number = cli.number("changed_by_hand")
    bench.tell(hired("E-1", at=5, first_name="Nora"))
    refused = cli("put-back", number, *WHY)
    assert (refused.exit_code, "under way" in refused.stderr) == (Exit.REFUSED, True)
    bench.provision()
    bench.run("update account set lms_user_id = '9999' where employee_key = 'E-1'")
    refused = cli("put-back", number, *WHY)
    assert (refused.exit_code, "not linked to LMS user" in refused.stderr) == (Exit.REFUSED, True)


def test_the_status_counts_what_waits_for_a_decision(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    change_user(site, user_id(bench), lastname="Own", email="own@example.org")
    look(bench)
    told = CliRunner().invoke(app, ("status", "--json"), env=cli._environment)
    assert json.loads(told.stdout)["integrations"][0]["drift"] == 2
    shown = CliRunner().invoke(app, ("status",), env=cli._environment)
    assert shown.stdout.startswith("Working. 2 changes made at the LMS wait for a decision")


def test_whoever_asks_why_is_told_what_was_changed_by_hand(bench: Workbench, site: MoodleSite, cli: Cli) -> None:
    change_user(site, user_id(bench), lastname="Own")
    change_enrolment(site, user_id(bench, "E-2"), suspended=True)
    look(bench)

    def why(key: str) -> str:
        return CliRunner().invoke(app, ("why", key), env=cli._environment).stdout

    assert "changed in the LMS by hand: last_name; `matricula drift list`" in why("E-1")
    assert "changed in the LMS by hand" not in why("E-2")
    assert "changed in the LMS by hand: enrolment.suspended" in why("EN-2")
    cli("accept", *[str(one["finding_id"]) for one in cli.json("list")], *WHY)
    assert [key for key in ("E-1", "EN-2") if "by hand" in why(key)] == []
