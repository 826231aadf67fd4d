"""
Every act is the same act from the command line and through the API: the same line in the audit but for its source, and
the command that an answer offers does what the request did. Acceptance 11 of the console.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.audit import entries
from db.lms_fields import FieldStore
from db.pool import Pool, open_pool, transaction
from db.replays import Selection
from domain.lms import LmsField
from ops import access, failures, replay_acts, replays
from ops.cli.main import app
from runtime.settings import Settings
from simulators.moodle import MoodleSite, change_user
from simulators.server import serve
from tests.integration.test_api import ACTS
from tests.integration.test_walk import NOTHING_TO_TRY
from tests.support.api import Caller, serving
from tests.support.builders import (
    MOODLE,
    TENANT,
    as_bytes,
    enrolled,
    hired,
    hires,
    results,
    terminated,
    updated,
)
from tests.support.database import new_database, table_rows
from tests.support.drifting import look
from tests.support.operators import BY
from tests.support.workbench import KEY, KEYS, TOKEN, Workbench, academy

WHY = {"reason": "asked to, by somebody"}
# What is no act: a stream of evidence, and looks.
NO_ACT = {"audit_export", "integration_idnumbers", "replay_preview", "result_reconcile"}
# What cannot be the same twice.
VOLATILE = {"expires_at", "event"}
# The site of each scene, for what somebody does there by hand.
SITES: dict[int, MoodleSite] = {}


@dataclass
class Place:
    """A database with a scene in it, the API on it, and the command line."""

    bench: Workbench
    url: str
    admin: Caller
    environment: dict[str, str]
    folder: Path

    def typed(self, command: str) -> Result:
        words = shlex.split(command)
        assert words[0] == "matricula"
        files = {"SETTINGS.json": "settings.json", "EVENTS.jsonl": "events.jsonl", "EXPORT": "export"}
        typed = [str(self.folder / files[word]) if word in files else word for word in words[1:]]
        return CliRunner().invoke(app, typed, env=self.environment)

    def rows(self) -> dict[str, list[str]]:
        """Every row of every table; when a token was last used is no matter."""
        self.bench.run("update api_token set last_used_at = null")
        return table_rows(self.bench.pool)

    def lines(self) -> list[Any]:
        """What the audit says of everything done here, without what cannot be the same twice."""
        with transaction(self.bench.pool) as db:
            found = entries(db)[::-1]
        return [
            (
                row.action,
                re.sub("token/[0-9a-f]{12}", "token/…", row.target),
                row.tenant,
                row.actor,
                row.role,
                row.before,
                {name: value for name, value in (row.after or {}).items() if name not in VOLATILE},
                row.reason,
                row.outcome,
            )
            for row in found
            if row.actor == "admin"
        ]


@dataclass(frozen=True)
class Case:
    """One act: the scene that it needs, and the request; the command is taken from the answer when none is given."""

    path: str
    body: dict[str, Any]
    scene: Callable[[Workbench], None] = lambda _: None
    method: str = "POST"
    command: str = ""


def paused(bench: Workbench) -> None:
    bench.run("update integration set state = 'paused'")


def unlinked(bench: Workbench) -> None:
    bench.run("update account set lms_user_id = null, link = null, due_at = null")
    bench.run("update account set external_key = 'X' where employee_key <> 'E-1'")


def guarded(bench: Workbench) -> None:
    bench.choose(guard={"share": "0.02", "at_least": 1})
    bench.done(*(terminated(key, at=9) for key in ("E-2", "E-3")))


def approved(bench: Workbench) -> None:
    guarded(bench)
    bench.run("update guard set state = 'approved', decided_at = now(), decided_by = 'x', reason = 'x'")


def drifted(bench: Workbench) -> None:
    bench.choose(drift={"default": "tell"})
    change_user(SITES[id(bench)], int(bench.account()["lms_user_id"]), lastname="Own")
    look(bench)


def known_fields(bench: Workbench) -> None:
    field = LmsField("user", "number", "text", "No.")
    with transaction(bench.pool) as db:
        FieldStore(db, bench.integration_id).keep([field])


def mapped(bench: Workbench) -> None:
    known_fields(bench)
    bench.choose(people={"fields": [{"lms_field": "number", "kind": "text", "source": "status"}]})


def selected(bench: Workbench) -> None:
    bench.choose(payrolls="selected")


def failed(bench: Workbench) -> None:
    bench.done(enrolled("EN-9", "E-1", "C-NONE"))


def dismissed(bench: Workbench) -> None:
    failed(bench)
    failures.dismiss(bench.pool, TENANT, failures.Chosen(ids=[1]), BY)


def replaying(bench: Workbench) -> None:
    failed(bench)
    replays.create(bench.pool, Settings("", "", KEYS), TENANT, Selection(ids=(1,)), BY)


def replay_paused(bench: Workbench) -> None:
    replaying(bench)
    replay_acts.pause(bench.pool, TENANT, 1, BY)


def replay_unapproved(bench: Workbench) -> None:
    replaying(bench)
    bench.run("update replay set state = 'unapproved'")


def eva(bench: Workbench) -> None:
    access.add_operator(bench.pool, TENANT, "eva", "viewer", by=BY)


def evas_token(bench: Workbench) -> None:
    eva(bench)
    bench.run(
        "insert into api_token (token_id, tenant, operator_id, name, scopes, secret_hash, expires_at)"
        " select 'abcdefabcdef', tenant, operator_id, 'x', '{}', sha256('x'), now() + interval '1 day'"
        " from operator where name = 'eva'"
    )


def finished(bench: Workbench) -> None:
    """One result, so that there is something to take out."""
    bench.run(
        "insert into result (result_id, tenant, integration_id, enrolment_key, employee_key, course_code, outcome,"
        " passed, synced_at, attempted_on, evidence, event_id)"
        " values ('r', 'acme', 1, 'EN-1', 'E-1', 'C-FIRE', 'C', true, now(), '2026-03-02', '{}', 'e')"
    )


I1 = "/integrations/1"
NEW: Any = {"name": "Second", "url": "http://127.0.0.1:9/second", "results": results()}
CASES = {
    "integration_add": Case("/integrations", {"settings": NEW, "token": TOKEN} | WHY),
    "integration_edit": Case(f"{I1}/settings", WHY, method="PUT"),
    "integration_test": Case(f"{I1}/test", {}),
    "integration_enable": Case(f"{I1}/enable", WHY, paused),
    "integration_pause": Case(f"{I1}/pause", WHY),
    "integration_resume": Case(f"{I1}/resume", WHY, paused),
    "integration_remove": Case(f"{I1}/remove", WHY),
    "integration_token": Case(f"{I1}/token", {"token": TOKEN} | WHY, method="PUT"),
    "integration_webhook_secret": Case(f"{I1}/webhook-secret", {"secret": "hidden"} | WHY, method="PUT"),
    "version_revert": Case(
        f"{I1}/revert", {"version": 1} | WHY, lambda bench: bench.choose(timezone="Europe/Amsterdam")
    ),
    "integration_sync": Case(f"{I1}/sync", {"flows": ["courses", "results"]} | WHY),
    "integration_select": Case(f"{I1}/payrolls", {"payrolls": ["NL-02"], "select": True} | WHY, selected),
    "field_discover": Case(f"{I1}/fields/discover", {}),
    "field_map": Case(
        f"{I1}/fields/number", {"source": "status", "value_map": {"active": "yes"}} | WHY, known_fields, "PUT"
    ),
    "field_unmap": Case(f"{I1}/fields/number/unmap", WHY, mapped),
    "link_set": Case("/links/set", {"integration_id": 1, "employee_key": "E-1", "lms_user_id": "4"} | WHY, unlinked),
    "link_unset": Case("/links/unset", {"integration_id": 1, "employee_key": "E-1"} | WHY),
    "group_acknowledge": Case("/failures/groups/1/acknowledge", WHY, failed),
    "group_snooze": Case("/failures/groups/1/snooze", {"until": "2150-01-31T12:00:00Z"} | WHY, failed),
    "group_assign": Case("/failures/groups/1/assign", {"to": "eva"} | WHY, failed),
    "group_note": Case("/failures/groups/1/note", {"text": "the course is missing"}, failed),
    "failure_dismiss": Case("/failures/dismiss", {"group": 1} | WHY, failed),
    "failure_restore": Case("/failures/restore", {"ids": [1]} | WHY, dismissed),
    "replay_create": Case("/replays", {"ids": [1]} | WHY, failed),
    "replay_approve": Case("/replays/1/approve", WHY, replay_unapproved),
    "replay_pause": Case("/replays/1/pause", WHY, replaying),
    "replay_resume": Case("/replays/1/resume", WHY, replay_paused),
    "replay_cancel": Case("/replays/1/cancel", WHY, replaying),
    "integration_outcomes": Case(f"{I1}/outcomes", {"added": {"X": "Exempt"}} | WHY),
    "guard_approve": Case("/guards/1/approve", WHY, guarded),
    "guard_reject": Case("/guards/1/reject", WHY, guarded),
    "guard_undo": Case("/guards/1/undo", WHY, approved),
    "finding_scan": Case(f"{I1}/scan", WHY),
    "finding_accept": Case("/findings/accept", {"findings": [1]} | WHY, drifted),
    "finding_put_back": Case("/findings/put-back", {"findings": [1]} | WHY, drifted),
    "enrolment_export": Case(
        "/enrolments/export",
        {"keys": ["EN-1"], "box": False, "day": "2150-01-31"} | WHY,
        lambda bench: bench.run("update placement set provisioned_at = null"),
    ),
    "enrolment_reprovision": Case("/enrolments/EN-1/reprovision", {"integration_id": 1} | WHY),
    "people_override": Case("/people/E-1/override", {"fields": {"last_name": "Zee"}} | WHY),
    "people_plan": Case(
        "/people/E-1/plan",
        {},
        lambda bench: bench.tell(updated(last_name="Other")),
        command=f"matricula plan --person E-1 --tenant {TENANT}",
    ),
    "payroll_plan": Case(
        "/payrolls/NL-02/plan",
        {},
        lambda bench: bench.tell(updated(last_name="Other")),
        command=f"matricula plan --payroll NL-02 --tenant {TENANT}",
    ),
    "event_plan": Case(
        "/events/plan", json.loads(as_bytes(hired("E-9"))), command="matricula plan EVENTS.jsonl --tenant acme"
    ),
    "people_sync": Case("/people/E-1/sync", WHY),
    "people_export": Case(
        "/people/E-1/export", WHY, command=f"matricula person export E-1 EXPORT --reason '{WHY['reason']}'"
    ),
    "result_export": Case(
        "/results/export", WHY, finished, command=f"matricula results export EXPORT --reason '{WHY['reason']}'"
    ),
    "operator_add": Case("/operators", {"name": "eva", "role": "viewer"} | WHY),
    "operator_remove": Case("/operators/eva/remove", WHY, eva),
    "token_create": Case(
        "/tokens", {"operator": "eva", "name": "a feed", "scopes": ["guards:guard:read"], "days": 7} | WHY, eva
    ),
    "token_revoke": Case("/tokens/abcdefabcdef/revoke", WHY, evas_token),
    "key_rotate": Case(
        "/keys/rotate", WHY, lambda bench: bench.run("update tenant_key set master_key = 'older' where false")
    ),
    "audit_verify": Case("/audit/verify", {}),
    "event_publish": Case("/events", json.loads(as_bytes(hired("E-9"))), command="matricula publish EVENTS.jsonl"),
}


@pytest.fixture
def place(services: Any, schema_template: str, amqp_url: str, tmp_path: Path) -> Iterator[Callable[[], Place]]:
    """Makes the same scene in a database of its own each time."""
    with ExitStack() as stack:

        def made() -> Place:
            url = stack.enter_context(new_database(services.database_url, schema_template))
            site = academy()
            lms = stack.enter_context(serve(site))
            pool: Pool = stack.enter_context(open_pool(url, name="test", max_size=4))
            bench = Workbench(pool, site, url=lms)
            SITES[id(bench)] = site
            bench.done(*hires(3))
            api = stack.enter_context(serving(pool, url, Settings(url, amqp_url, KEYS, allow_private_lms=True)))
            admin = api.as_("admin")
            admin.site = api.app.state.site  # type: ignore[attr-defined]
            environment = {
                "DATABASE_URL": url,
                "AMQP_URL": amqp_url,
                "MATRICULA_KEY": KEY,
                "MATRICULA_ALLOW_PRIVATE_LMS": "1",
                "MATRICULA_TOKEN": TOKEN,
                "MATRICULA_WEBHOOK_SECRET": "hidden",
                "MATRICULA_API_TOKEN": admin.token,
            }
            return Place(bench, lms, admin, environment, tmp_path)

        yield made


def test_every_act_of_the_api_is_compared() -> None:
    assert CASES.keys() == ACTS.keys() - NO_ACT


def asked(case: Case, name: str, here: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    """Body and headers of the request, and the same in files for the command."""
    body = dict(case.body)
    if name == "integration_edit":
        body["settings"] = {"name": MOODLE, "url": here.url, "payrolls": "all", "results": results()}
        body["settings"]["timezone"] = "Europe/Amsterdam"
    (here.folder / "settings.json").write_text(json.dumps(body.get("settings", {})))
    (here.folder / "events.jsonl").write_bytes(as_bytes(hired("E-9")) + b"\n")
    media = {"headers": {"content-type": "application/cloudevents+json"}} if name.startswith("event_") else {}
    return body, media


@pytest.mark.parametrize("name", CASES)
def test_an_act_is_the_same_from_both_sides(place: Callable[[], Place], name: str) -> None:
    case = CASES[name]
    by_command, by_request = place(), place()
    for one in (by_command, by_request):
        case.scene(one.bench)
    body, media = asked(case, name, by_request)

    answer = by_request.admin.send(case.method, case.path, body, **media)
    assert answer.status_code < 300, answer.text
    command = case.command or answer.json()["command"]
    asked(case, name, by_command)
    typed = by_command.typed(command)

    assert typed.exit_code == 0, typed.output
    if name not in ("key_rotate", "audit_verify"):
        assert by_request.lines(), "nothing on record"
    assert by_command.lines() == by_request.lines()
    assert sources(by_command) <= {"cli"}
    assert sources(by_request) <= {"api"}


@pytest.mark.parametrize("name", sorted(CASES.keys() - NOTHING_TO_TRY.keys()))
def test_an_act_that_is_only_tried_leaves_everything_as_it_was(place: Callable[[], Place], name: str) -> None:
    """The same answer, and nothing kept: by request, and by command."""
    case, here = CASES[name], place()
    case.scene(here.bench)
    body, media = asked(case, name, here)
    before = here.rows()

    answer = here.admin.send(case.method, f"{case.path}?dry_run=true", body, **media)
    assert answer.status_code < 300, answer.text
    assert here.rows() == before
    typed = here.typed(f"{case.command or answer.json()['command']} --dry-run")
    assert typed.exit_code == 0, typed.output
    assert here.rows() == before


def sources(place: Place) -> set[str]:
    return set(place.bench.column("select distinct source from audit where actor = 'admin'"))


def test_a_viewers_token_is_a_viewers_on_the_command_line_too(place: Callable[[], Place]) -> None:
    """Acceptance 11: the same refusal, and one tenant only."""
    here = place()
    access.add_operator(here.bench.pool, TENANT, "admin", "viewer", by=BY)

    assert here.typed("matricula integration list").exit_code == 0
    refused = here.typed(f"matricula integration pause '{MOODLE}' --reason x")
    assert refused.exit_code == 4
    assert "integrations:integration:pause" in refused.stderr
    assert here.typed("matricula status --tenant zenith").exit_code == 0
    assert here.typed("matricula init").exit_code == 4
    here.environment["MATRICULA_API_TOKEN"] = "lms_none"
    assert here.typed("matricula status").exit_code == 4


def test_a_feed_of_another_company_is_not_sent_with_a_token(place: Callable[[], Place]) -> None:
    """S13"""
    here = place()
    other = as_bytes(enrolled()).replace(TENANT.encode(), b"zenith")
    (here.folder / "events.jsonl").write_bytes(other + b"\n")
    refused = here.typed("matricula publish EVENTS.jsonl")

    assert refused.exit_code == 1
    assert "is not acme" in refused.stderr
