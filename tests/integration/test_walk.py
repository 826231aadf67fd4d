"""
Every verb of the command line has its route with the same permission, or a reason why it has none; and the other way
round. Nobody without the permission gets past either. Console parity, acceptance 11, S2.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from click import Command
from typer.testing import CliRunner

from db.pool import Pool
from domain.permissions import EVERYTHING, permissions_of
from ops.api.guard import PERMISSION
from ops.cli.main import app
from ops.cli.output import Exit
from tests.integration.test_api import ACTS, OPERATIONS, SETTINGS, belongings
from tests.support.api import Api, serving
from tests.support.builders import MOODLE, TENANT, enrolled, hired, results
from tests.support.database import table_rows
from tests.support.workbench import KEY, TOKEN, Workbench, academy


@dataclass(frozen=True)
class Same:
    """The operations that a verb shares its work with, and how the verb is typed."""

    operations: str
    words: str = ""


@dataclass(frozen=True)
class Alone:
    """Why there is no other way to it."""

    because: str


REASON = "--reason x"
NAME = f"'{MOODLE}'"
VERBS: dict[str, Same | Alone] = {
    "audit export": Same("audit_export"),
    "audit list": Same("audit_list"),
    "audit verify": Same("audit_verify"),
    "available": Same("people_available", "E-1"),
    "doctor": Alone("it looks at what the API itself needs; `/health/ready` is a part of it"),
    "drift accept": Same("finding_accept", f"1 {REASON}"),
    "drift list": Same("finding_list"),
    "drift put-back": Same("finding_put_back", f"1 {REASON}"),
    "drift scan": Same("finding_scan"),
    "enrolments forget": Same("enrolment_reprovision", f"EN-1 --integration {NAME} {REASON}"),
    "enrolments list": Same("enrolment_list"),
    "enrolments set-export": Same("enrolment_export", "EN-1 --tick"),
    "enrolments show": Same("enrolment_show", "EN-1"),
    "failures ack": Same("group_acknowledge", "1"),
    "failures assign": Same("group_assign", "1 --to eva"),
    "failures dismiss": Same("failure_dismiss", f"1 {REASON}"),
    "failures groups": Same("group_list failure_counts"),
    "failures list": Same("failure_list"),
    "failures note": Same("group_note", "1 text"),
    "failures restore": Same("failure_restore", "1"),
    "failures show": Same("group_show", "1"),
    "failures snooze": Same("group_snooze", "1 --until 2150-01-01"),
    "guard approve": Same("guard_approve", f"1 {REASON}"),
    "guard list": Same("guard_list"),
    "guard reject": Same("guard_reject", f"1 {REASON}"),
    "guard show": Same("guard_show guard_people", "1"),
    "guard undo": Same("guard_undo", f"1 {REASON}"),
    "init": Alone("it makes the database that the API runs on"),
    "integration add": Same("integration_add", f"SETTINGS --tenant {TENANT}"),
    "integration courses": Same("integration_courses", NAME),
    "integration diff": Same("version_diff", f"{NAME} 1"),
    "integration edit": Same("integration_edit", f"{NAME} SETTINGS {REASON}"),
    "integration enable": Same("integration_enable", NAME),
    "integration features": Same("integration_features", NAME),
    "integration fields discover": Same("field_discover", NAME),
    "integration fields map": Same("field_map field_unmap", f"{NAME} number status {REASON}"),
    "integration fields show": Same("field_list", NAME),
    "integration idnumbers": Same("integration_idnumbers", NAME),
    "integration list": Same("integration_list"),
    "integration outcomes": Same("integration_outcomes", f"{NAME} --add X=Y {REASON}"),
    "integration pause": Same("integration_pause", f"{NAME} {REASON}"),
    "integration payrolls": Same("integration_select integration_payrolls", f"{NAME} --tick-all"),
    "integration remove": Same("integration_remove", f"{NAME} --yes {REASON}"),
    "integration resume": Same("integration_resume", NAME),
    "integration revert": Same("version_revert", f"{NAME} 1 {REASON}"),
    "integration set-token": Same("integration_token", NAME),
    "integration set-webhook-secret": Same("integration_webhook_secret", NAME),
    "integration show": Same("integration_show", NAME),
    "integration sync": Same("integration_sync", NAME),
    "integration syncs": Same("integration_syncs", NAME),
    "integration test": Same("integration_test", NAME),
    "integration versions": Same("version_list", NAME),
    "keys new": Alone("a master key never travels"),
    "keys rotate": Same("key_rotate"),
    "keys status": Same("key_list"),
    "link list": Same("link_list"),
    "link set": Same("link_set", f"E-1 4 --integration {NAME} {REASON}"),
    "link unset": Same("link_unset", f"E-1 --integration {NAME} {REASON}"),
    "notices": Same("notice_list"),
    "operator add": Same("operator_add", f"eva --role viewer --tenant {TENANT}"),
    "operator list": Same("operator_list"),
    "operator remove": Same("operator_remove", f"eva --tenant {TENANT} {REASON}"),
    "metrics": Same("metrics_read"),
    "override": Same("people_override", f"E-1 --set last_name=Zee {REASON}"),
    "person export": Same("people_export", f"E-1 {REASON}"),
    "person list": Same("people_list"),
    "person show": Same("people_show", "E-1"),
    "person sync": Same("people_sync", "E-1"),
    "plan": Same("people_plan payroll_plan event_plan", "--person E-1"),
    "publish": Same("event_publish", "EVENTS"),
    "replay approve": Same("replay_approve", "1"),
    "replay cancel": Same("replay_cancel", "1"),
    "replay create": Same("replay_create", "--item 1"),
    "replay list": Same("replay_list"),
    "replay pause": Same("replay_pause", "1"),
    "replay preview": Same("replay_preview", "--item 1"),
    "replay report": Same("replay_report replay_items", "1"),
    "replay resume": Same("replay_resume", "1"),
    "replay watch": Same("replay_report", "1"),
    "report": Same("result_counts"),
    "results export": Same("result_export", "-"),
    "results list": Same("result_list result_held"),
    "results reconcile": Same("result_reconcile"),
    "results show": Same("result_show", "EN-1"),
    "status": Same("status"),
    "timeline": Same("people_timeline", "E-1"),
    "token create": Same("token_create", f"--operator eva --name x --tenant {TENANT}"),
    "token list": Same("token_list"),
    "token revoke": Same("token_revoke", "abcdefabcdef"),
    "token scopes": Alone("a table of the program, the same for everybody; `GET /me` names every one of them"),
    "why": Same("people_why", "E-1"),
}

ONLY_API: dict[str, str] = {
    "me": "who acts on the command line is the user of the machine, or known by their token",
    "integration_checks": "`integration test` makes the lines anew and shows them",
}

SHARED = {name for one in VERBS.values() if isinstance(one, Same) for name in one.operations.split()}


def commands() -> Iterator[tuple[str, Command]]:
    yield from _below(typer.main.get_command(app), ())


def _below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Command]]:
    if not hasattr(command, "commands"):
        yield " ".join(words), command
        return
    for name, one in command.commands.items():
        yield from _below(one, (*words, name))


COMMANDS = dict(commands())
SAME = {verb: one for verb, one in VERBS.items() if isinstance(one, Same)}


def permission_of(verb: str) -> str:
    operations = SAME[verb].operations.split()
    return str(OPERATIONS[operations[0]][2][PERMISSION])


def acts_by_command() -> list[str]:
    return [verb for verb, one in SAME.items() if one.operations.split()[0] in ACTS]


def test_every_verb_has_its_route_or_a_reason() -> None:
    """A verb that is new and stands in neither table turns this red."""
    assert COMMANDS.keys() == VERBS.keys()
    assert SHARED - OPERATIONS.keys() == set()
    assert [verb for verb, one in VERBS.items() if isinstance(one, Alone) and not one.because] == []


def test_every_route_has_its_verb_or_a_reason() -> None:
    assert OPERATIONS.keys() - SHARED == ONLY_API.keys()


def test_what_the_console_promises_on_the_command_line_is_there() -> None:
    """The verbs of console parity; those of `person link` and `integration create` go by other words here."""
    promised = """
        status, failures groups, failures list, failures show, failures dismiss, failures snooze, failures note,
        person show, person sync, link set, person export, replay preview, replay create, replay approve,
        replay watch, replay pause, replay cancel, replay report, integration list, integration show,
        integration add, integration test, integration pause, integration resume, integration sync,
        integration set-token, integration diff, integration revert, results list, results export, results reconcile,
        audit list, audit export, audit verify, keys status, keys rotate, token create, token revoke"""
    assert {" ".join(verb.split()) for verb in promised.split(",")} - COMMANDS.keys() == set()


def test_every_permission_guards_something() -> None:
    """A permission that guards nothing promises what is not there."""
    code = "".join(file.read_text(encoding="utf-8") for file in Path("ops").rglob("*.py"))
    assert {name for name in EVERYTHING if f'"{name}"' not in code} == set()


# Only to see what would be done

NOTHING_TO_TRY: dict[str, str] = {
    "audit_export": "takes out and changes nothing",
    "audit_verify": "looks",
    "field_discover": "looks, and remembers what it saw",
    "integration_idnumbers": "looks",
    "integration_test": "looks, and remembers what it saw",
    "people_export": "takes out and changes nothing",
    "event_plan": "is what a dry run is",
    "payroll_plan": "is what a dry run is",
    "people_plan": "is what a dry run is",
    "replay_preview": "is what a dry run is",
    "result_export": "takes out and changes nothing",
    "result_reconcile": "looks",
}


def test_every_act_can_be_tried_first_by_request() -> None:
    """What it then leaves as it was is compared in tests/integration/test_parity.py."""
    tried = {
        name for name, (_, _, act) in ACTS.items() if "dry_run" in {one["name"] for one in act.get("parameters", [])}
    }
    assert ACTS.keys() - tried == NOTHING_TO_TRY.keys()


def test_every_act_can_be_tried_first_by_command_and_takes_a_reason() -> None:
    """Console parity: every mutating verb has --reason and --dry-run."""
    mutating = [verb for verb in acts_by_command() if SAME[verb].operations.split()[0] not in NOTHING_TO_TRY]
    options = {verb: {name for one in COMMANDS[verb].params for name in one.opts} for verb in mutating}
    assert [verb for verb, known in options.items() if not {"--reason", "--dry-run"} <= known] == []


# Whoever may not


@pytest.fixture
def scene(pool: Pool, database_url: str) -> Iterator[Api]:
    """Something that every verb can name, so that nobody is told that it is not there."""
    bench = Workbench(pool, academy())
    bench.done(hired(), enrolled())
    belongings(pool, bench)
    with serving(pool, database_url, SETTINGS) as served:
        yield served


def typed(verb: str, token: str, database_url: str, folder: Path) -> Any:
    settings = {"name": MOODLE, "url": "http://127.0.0.1:9", "results": results()}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "events.jsonl").write_text("")
    files = {"SETTINGS": str(folder / "settings.json"), "EVENTS": str(folder / "events.jsonl")}
    words = [files.get(word, word) for word in shlex.split(SAME[verb].words)]
    environment = {
        "DATABASE_URL": database_url,
        "AMQP_URL": "amqp://127.0.0.1:9/",
        "MATRICULA_KEY": KEY,
        "MATRICULA_ALLOW_PRIVATE_LMS": "1",
        "MATRICULA_TOKEN": TOKEN,
        "MATRICULA_WEBHOOK_SECRET": "secret-of-nobody",
        "MATRICULA_API_TOKEN": token,
    }
    return CliRunner().invoke(app, [*verb.split(), *words], env=environment)


def test_with_a_token_for_nothing_each_verb_asks_for_the_permission_of_its_route(
    scene: Api, database_url: str, tmp_path: Path
) -> None:
    """Acceptance 11: the same string on both sides."""
    token = scene.as_("admin", scopes=["access:self:read"]).token
    asked = {}
    for verb in SAME:
        refused = typed(verb, token, database_url, tmp_path)
        named = re.search(r"needs the permission ([a-z:]+)", refused.stderr)
        asked[verb] = (refused.exit_code, named and named[1])
    assert asked == {verb: (Exit.REFUSED, permission_of(verb)) for verb in SAME}


def test_a_viewer_may_do_nothing_on_either_side(scene: Api, database_url: str, tmp_path: Path) -> None:
    """Acceptance 11: every act, by request and by command."""
    viewer = scene.as_("viewer")
    assert {viewer.send(method, path, {}).status_code for method, path, _ in ACTS.values()} == {403}
    ended = {verb: typed(verb, viewer.token, database_url, tmp_path).exit_code for verb in acts_by_command()}
    assert ended == dict.fromkeys(ended, Exit.REFUSED)
    assert not {permission_of(verb) for verb in ended} & permissions_of("viewer")


# What they may look at in their own company, which has nothing, and what finds nothing there to do.
OF_THEIR_OWN = {
    "audit export",
    "audit list",
    "audit verify",
    "keys rotate",
    "metrics",
    "operator list",
    "results export",
    "status",
}
OF_THEIR_OWN |= {"token list"}
# Their own audit, with what was refused, and when their token was last used.
STRANGERS = {"audit", "audit_chain", "api_token"}
NAMES = (MOODLE, "E-1", "EN-1", "course_not_found")


def test_who_acts_for_another_company_finds_and_changes_nothing(
    scene: Api, pool: Pool, database_url: str, tmp_path: Path
) -> None:
    """S2, S13: every verb, with the names and numbers of this company."""
    stranger = scene.as_("admin", tenant="zenith")
    before = {table: rows for table, rows in table_rows(pool).items() if table not in STRANGERS}
    for verb in SAME:
        done = typed(verb, stranger.token, database_url, tmp_path)
        assert (done.exit_code == Exit.OK) <= (verb in OF_THEIR_OWN), (verb, done.output)
        assert not any(name in done.stdout for name in NAMES), (verb, done.output)
    assert {table: rows for table, rows in table_rows(pool).items() if table not in STRANGERS} == before
