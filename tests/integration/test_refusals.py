"""What was refused is on record as what was done is, whichever way it was asked for; S19, the auditor's questions."""

from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from db.pool import Pool
from ops import replays
from ops.cli.main import app
from ops.cli.output import Exit
from tests.integration.test_api import SETTINGS
from tests.support.api import Api, Caller, serving
from tests.support.builders import MOODLE, TENANT, enrolled, hired
from tests.support.operators import BY
from tests.support.workbench import KEY, Workbench, academy

LINES = """
    select actor, role, tenant, source, action, target, after ->> 'because' as because, reason, outcome
    from audit where outcome = 'refused' order by audit_id
"""


@pytest.fixture
def bench(pool: Pool) -> Workbench:
    made = Workbench(pool, academy())
    made.done(hired(), enrolled("EN-9", "E-1", "C-NONE"))
    return made


@pytest.fixture
def api(bench: Workbench, database_url: str) -> Iterator[Api]:
    with serving(bench.pool, database_url, SETTINGS) as served:
        yield served


def typed(caller: Caller, database_url: str, *words: str) -> int:
    environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9/", "MATRICULA_KEY": KEY}
    return CliRunner().invoke(app, words, env=environment | {"MATRICULA_API_TOKEN": caller.token}).exit_code


def by_both(bench: Workbench) -> tuple[dict[str, Any], dict[str, Any]]:
    """The line of the request and that of the command."""
    request, command = bench.rows(LINES)
    assert (request.pop("source"), command.pop("source")) == ("api", "cli")
    return request, command


def test_who_may_not_is_on_record_whichever_way_they_tried(api: Api, bench: Workbench, database_url: str) -> None:
    viewer = api.as_("viewer")
    viewer.post("/integrations/1/pause", {"reason": "maintenance"}, expect=403)
    assert typed(viewer, database_url, "integration", "pause", MOODLE, "--reason", "maintenance") == Exit.REFUSED

    request, command = by_both(bench)
    # Nobody reads what they sent before they are let in.
    assert (request.pop("reason"), command.pop("reason")) == ("", "maintenance")
    assert request == command
    assert request == {
        "actor": "viewer",
        "role": "viewer",
        "tenant": TENANT,
        "action": "integrations:integration:pause",
        "target": "integration",
        "because": "viewer may not do this: it needs the permission integrations:integration:pause",
        "outcome": "refused",
    }


def test_whoever_made_a_replay_and_agrees_to_it_is_on_record(api: Api, bench: Workbench, database_url: str) -> None:
    """Four eyes."""
    operator = api.as_("operator")
    operator.post("/replays", {"ids": [1], "reason": "mended"}, expect=201)
    bench.run("update replay set state = 'unapproved'")
    operator.post("/replays/1/approve", {"reason": "I agree"}, expect=409)
    assert typed(operator, database_url, "replay", "approve", "1", "--reason", "I agree") == Exit.REFUSED

    request, command = by_both(bench)
    assert request == command
    assert (request["action"], request["target"]) == ("replays:replay:approve", "replay/1")
    assert request["reason"] == "I agree"
    assert request["because"] == "replay 1 was made by operator; somebody else has to agree"


def test_an_act_that_would_do_harm_is_on_record(api: Api, bench: Workbench, database_url: str) -> None:
    """A guard that was decided, a draft that is paused: what was tried, and why not."""
    bench.run("update integration set state = 'draft'")
    operator = api.as_("operator")
    operator.post("/integrations/1/pause", {"reason": "maintenance"}, expect=409)
    assert typed(operator, database_url, "integration", "pause", MOODLE, "--reason", "maintenance") == Exit.REFUSED

    request, command = by_both(bench)
    assert request == command
    assert "is a draft" in request["because"]
    assert request["target"] == f"integration/{MOODLE}"


def test_a_look_at_names_that_was_refused_is_on_record(api: Api, bench: Workbench) -> None:
    """Not whose it was: who may not look has not been told whether there is such a person."""
    api.as_("viewer").send("GET", "/people/E-1?unmask=true")
    [line] = bench.rows(LINES)
    assert (line["action"], line["target"], line["actor"]) == ("people:pii:read", "pii", "viewer")


def test_the_same_refusal_again_and_again_is_one_line_a_minute(api: Api, bench: Workbench) -> None:
    """S20: the audit can never be emptied, so nobody may fill it."""
    viewer = api.as_("viewer")
    for _ in range(5):
        viewer.post("/integrations/1/pause", {}, expect=403)
    viewer.post("/integrations/1/resume", {}, expect=403)
    assert bench.column("select action from audit where outcome = 'refused' order by audit_id") == [
        "integrations:integration:pause",
        "integrations:integration:resume",
    ]


def test_what_was_only_tried_or_only_wrong_leaves_no_line(api: Api, bench: Workbench) -> None:
    bench.run("update integration set state = 'draft'")
    operator = api.as_("operator")
    operator.post("/integrations/1/pause?dry_run=true", {"reason": "x"}, expect=409)
    operator.post("/integrations/1/pause", {}, expect=422)
    operator.post("/integrations/99/pause", {"reason": "x"}, expect=404)
    operator.post("/replays/1/approve", {"reason": "x"}, expect=404)
    assert bench.rows(LINES) == []


def test_refusals_are_found_by_their_outcome_and_the_chain_holds(api: Api, bench: Workbench) -> None:
    api.as_("viewer").post("/integrations/1/pause", {}, expect=403)
    auditor = api.as_("auditor")
    assert [one["actor"] for one in auditor.get("/audit", outcome="refused")["items"]] == ["viewer"]
    assert auditor.post("/audit/verify")["chains"][0]["broken_at"] is None


def test_on_the_machine_a_refusal_is_on_record_too(bench: Workbench, database_url: str) -> None:
    replays.create(bench.pool, SETTINGS, TENANT, replays.Selection(ids=(1,)), BY)
    environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9/", "MATRICULA_KEY": KEY}
    ended = CliRunner().invoke(app, ["replay", "resume", "1", "--reason", "on"], env=environment)
    assert ended.exit_code == Exit.REFUSED
    [line] = bench.rows(LINES)
    assert (line["role"], line["action"], line["tenant"]) == ("break-glass", "replays:replay:resume", None)
