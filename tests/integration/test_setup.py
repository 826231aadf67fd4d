"""What stands on the setup screen: seen on one screen, changed beside where it is seen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.pool import Pool
from ops.cli.output import Exit
from runtime.topology import INBOX_QUEUE
from simulators.server import serve
from tests.support import queues
from tests.support.builders import COURSES, MOODLE, TENANT, event, hired, payroll, results
from tests.support.command_line import Cli
from tests.support.workbench import TOKEN, academy, store_events
from workers.apply import apply_events

PAYROLLS = ("BE-01", "NL-01", "NL-02", "NL-03")


@pytest.fixture
def url() -> Iterator[str]:
    with serve(academy(courses=COURSES)) as found:
        yield found


@pytest.fixture
def cli(database_url: str, amqp_url: str, tmp_path: Path, url: str) -> Cli:
    return Cli(tmp_path, url, database_url, amqp_url)


def tell(pool: Pool, *events: Any) -> None:
    store_events(pool, *events)
    apply_events(pool, TENANT, [].append)


# One screen


def test_one_screen_holds_what_an_integration_is_set_up_with(cli: Cli, pool: Pool, url: str) -> None:
    """R15: name, all-payrolls switch, enabled switch, address, token, pass and fail result, payrolls."""
    cli.add("--enable", payrolls="selected")
    tell(pool, hired("E-1", payroll="NL-02"), payroll("NL-02"), payroll("BE-01", enabled=False))

    shown = cli("show", MOODLE)

    assert shown.exit_code == Exit.OK
    lines = {" ".join(line.split()) for line in shown.stdout.splitlines()}
    payrolls = {line.partition(" done ")[0] for line in lines}
    assert {"NL-02 yes 1 1 0 1", "BE-01 no 0 0 0 0"} <= payrolls
    assert {
        MOODLE,
        "all payrolls no, the selected ones",
        "enabled yes: active",
        f"address {url}",
        "token stored, never shown",
        "pass result C Competent",
        "fail result NYC Not yet competent",
    } <= lines
    assert TOKEN not in shown.output


def test_the_screen_says_what_is_off_and_what_is_missing(cli: Cli) -> None:
    """R15, R27: a result that is not in the pick-list would block all results."""
    cli.add(results=results(pass_outcome="GONE"))

    shown = cli("show", MOODLE).stdout

    assert "enabled           no: draft" in shown
    assert "yes" in shown.partition("all payrolls")[2].splitlines()[0]
    assert "GONE, which is not in the pick-list" in shown


# The pick-list


def test_an_item_is_added_beside_the_result_that_it_stands_for(cli: Cli) -> None:
    """R24, R26: added and chosen at once, in a new version of the settings."""
    cli.add()

    ended = cli("outcomes", MOODLE, "--add", "C2=Competent, reassessed", "--pass", "C2")

    assert ended.exit_code == Exit.OK
    assert cli.json("outcomes", MOODLE) == [
        {"code": "C", "label": "Competent", "stands_for": ""},
        {"code": "NYC", "label": "Not yet competent", "stands_for": "fail"},
        {"code": "C2", "label": "Competent, reassessed", "stands_for": "pass"},
    ]
    assert cli.json("show", MOODLE)["settings_version"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--add", "C=Again"], Exit.REFUSED, "has C already"),
        (["--pass", "X"], Exit.REFUSED, "has no X"),
        (["--pass", "NYC"], Exit.USAGE, "must differ"),
        (["--add", "label only"], Exit.REFUSED, "NAME=TEXT"),
        (["--add", "=label only"], Exit.USAGE, "outcomes.2.code"),
    ],
    ids=["there already", "not there", "pass is fail", "no code", "empty code"],
)
def test_a_pick_list_that_cannot_be_is_refused(cli: Cli, arguments: list[str], code: Exit, said: str) -> None:
    """R24, R25, R26: and the settings stay."""
    cli.add()

    ended = cli("outcomes", MOODLE, *arguments)

    assert ended.exit_code == code
    assert said in ended.stderr
    assert cli.json("show", MOODLE)["settings_version"] == 1


def test_looking_at_the_pick_list_makes_no_version(cli: Cli) -> None:
    """R26."""
    cli.add()

    assert "Not yet competent" in cli("outcomes", MOODLE).stdout
    assert cli.json("show", MOODLE)["settings_version"] == 1


# Features


def test_features_are_listed_with_phase_and_whether_they_are_billed_and_on(cli: Cli) -> None:
    """R5: switched by the settings of each integration."""
    cli.add(features=["result_report"])

    listed = {one["name"]: (one["phase"], one["billable"], one["on"]) for one in cli.json("features", MOODLE)}

    assert listed["people"] == (1, False, True)
    assert listed["available_courses"] == (2, True, False)
    assert listed["result_report"] == (3, True, True)
    assert "results counted by course" in cli("features", MOODLE).stdout


# Advanced settings


def test_advanced_settings_are_shown_on_request_and_kept_by_an_edit_that_does_not_see_them(cli: Cli) -> None:
    """R162."""
    cli.add(guard={"at_least": 3}, people={"protected": ["boss"]})
    plain, everything = cli("show", MOODLE).stdout, cli("show", MOODLE, "--advanced").stdout
    # What somebody does who copies what is shown into a file, changes one line and saves it.
    visible = json.loads(plain[plain.index("{") :])

    done = cli.json("edit", MOODLE, cli.file(**visible | {"timezone": "Europe/Amsterdam"}))

    assert "at_least" not in plain
    assert "boss" not in plain
    assert '"at_least": 3' in everything
    assert [change["setting"] for change in done["changes"]] == ["timezone"]
    settings = cli.json("show", MOODLE)["settings"]
    assert (settings["guard"]["at_least"], settings["people"]["protected"]) == (3, ["boss"])


# Payrolls


def known(pool: Pool) -> None:
    """Four payrolls that HR has named, one of them selected with a tax reference."""
    selected = {"payroll": "NL-01", "integration": MOODLE, "name": "Monthly", "attributes": {"tax": "U-77"}}
    named = [event("hr.payroll.updated.v1", code, {"payroll": code}) for code in PAYROLLS]
    tell(pool, *named, event("hr.payroll.enabled.v1", "NL-01", selected), hired("E-1", payroll=None))


def apply_what_was_told(pool: Pool, amqp_url: str) -> list[dict[str, Any]]:
    """The events in the broker are stored and applied, as ingest and a worker would; and what they were."""
    bodies = [bytes(message.body) for message in queues.take_all(amqp_url, INBOX_QUEUE)]
    tell(pool, *bodies)
    return [json.loads(body) for body in bodies]


def in_scope(cli: Cli) -> dict[str | None, bool]:
    return {line["payroll"]: line["in_scope"] for line in cli.json("payrolls", MOODLE)}


def test_ticking_all_under_a_filter_selects_the_filtered_ones_and_no_others(
    cli: Cli, pool: Pool, amqp_url: str
) -> None:
    """R18, R19: and says nothing of those that are selected already."""
    cli.add(payrolls="selected")
    known(pool)

    ended = cli("payrolls", MOODLE, "--filter", "nl", "--tick-all")
    said = apply_what_was_told(pool, amqp_url)

    assert ended.stdout.strip() == "told of 2 payrolls: NL-02, NL-03"
    assert [(one["type"], one["subject"]) for one in said] == [
        ("hr.payroll.enabled.v1", "NL-02"),
        ("hr.payroll.enabled.v1", "NL-03"),
    ]
    assert in_scope(cli) == {"BE-01": False, "NL-01": True, "NL-02": True, "NL-03": True, None: False}


def test_unticking_all_leaves_none_and_keeps_what_hr_said_of_them(cli: Cli, pool: Pool, amqp_url: str) -> None:
    """R18, R19, R40: the tax reference of a payroll is not lost by unticking it."""
    cli.add(payrolls="selected")
    known(pool)

    cli("payrolls", MOODLE, "--untick-all")
    (said,) = apply_what_was_told(pool, amqp_url)

    assert not any(in_scope(cli).values())
    assert said["data"] == {
        "payroll": "NL-01",
        "integration": MOODLE,
        "name": "Monthly",
        "attributes": {"tax": "U-77"},
    }


def test_where_all_payrolls_are_in_scope_there_is_nothing_to_tick(cli: Cli, pool: Pool) -> None:
    """R17, R19."""
    cli.add(payrolls="all")
    known(pool)

    ended = cli("payrolls", MOODLE, "--tick-all")

    assert ended.exit_code == Exit.REFUSED
    assert "takes all payrolls" in ended.stderr


def test_a_tick_that_the_broker_does_not_take_is_said(cli: Cli, pool: Pool) -> None:
    """R19, C1: nothing is selected by halves without a word."""
    cli.add(payrolls="selected")
    known(pool)

    ended = cli("payrolls", MOODLE, "--tick-all", AMQP_URL="amqp://127.0.0.1:9/")

    assert ended.exit_code == Exit.ERROR
    assert "not told of BE-01, NL-02, NL-03" in ended.stderr
