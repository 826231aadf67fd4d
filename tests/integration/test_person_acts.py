"""
One person looked at anew, and everything that is held of them taken out; `matricula person`, S18, S19.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool, transaction
from db.portability import MESSAGES, TABLES
from ops import person_acts
from ops.actions import NotFound, Refused
from ops.cli.main import app
from ops.cli.output import Exit
from ops.operators import Forbidden
from simulators.moodle import MoodleSite, change_user
from tests.support.builders import MOODLE, TENANT, enrolled, hired
from tests.support.drifting import look
from tests.support.operators import BY, operator
from tests.support.workbench import KEY, Workbench, academy, store_events


@pytest.fixture
def site() -> MoodleSite:
    return academy()


@pytest.fixture
def bench(pool: Pool, site: MoodleSite) -> Workbench:
    """Two people with an enrolment each, and one of the first in a course that is not there."""
    made = Workbench(pool, site)
    made.choose(drift={"default": "tell"})
    made.done(hired(), enrolled(), hired("E-2"), enrolled("EN-2", "E-2"), enrolled("EN-9", "E-1", "C-NONE"))
    return made


class Cli:
    def __init__(self, database_url: str) -> None:
        self._environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9/", "MATRICULA_KEY": KEY}

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["person", *arguments], env=self._environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


# Looked at anew


def test_a_person_is_read_anew_and_written_where_the_lms_differs(bench: Workbench, site: MoodleSite) -> None:
    change_user(site, int(bench.account("E-1")["lms_user_id"]), lastname="Own")
    change_user(site, int(bench.account("E-2")["lms_user_id"]), lastname="Own")

    done = person_acts.sync(bench.pool, TENANT, "E-1", by=BY)
    bench.provision()

    assert (done.integrations, done.left) == ([MOODLE], {})
    names = {user.idnumber: user.lastname for user in site.state.users.values() if user.idnumber}
    assert names == {"E-1": "Meer1", "E-2": "Own"}, "only who was asked for"


def test_an_enrolment_that_was_parked_is_tried_again_with_its_person(bench: Workbench) -> None:
    person_acts.sync(bench.pool, TENANT, "E-1", by=BY)
    assert bench.column("select state from placement where enrolment_key = 'EN-9'") == ["due"]
    bench.provision()
    assert bench.column("select state from placement where enrolment_key = 'EN-9'") == ["parked"]


@pytest.mark.parametrize(
    ("scene", "why"),
    [
        ("update integration set state = 'paused'", "paused"),
        ("update account set lease_token = 1, lease_until = now() + interval '1 minute'", "busy"),
        ("update account set state = 'staged', code = 'guard_open', due_at = null", "decision"),
    ],
)
def test_who_cannot_be_looked_at_now_is_refused_with_the_reason(bench: Workbench, scene: Any, why: str) -> None:
    bench.run(scene)
    with pytest.raises(Refused, match=why):
        person_acts.sync(bench.pool, TENANT, "E-1", by=BY)
    with pytest.raises(NotFound):
        person_acts.sync(bench.pool, TENANT, "E-7", by=BY)
    with pytest.raises(NotFound):
        person_acts.sync(bench.pool, TENANT, "EN-1", by=BY)


def test_the_command_says_where_and_a_dry_run_leaves_them_alone(bench: Workbench, cli: Cli) -> None:
    tried = cli("sync", "E-1", "--dry-run")
    assert "E-1 would be looked at in Acme Moodle" in tried.stdout
    assert bench.account("E-1")["due_at"] is None
    assert cli.json("sync", "E-1")["integrations"] == [MOODLE]
    assert bench.account("E-1")["due_at"] is not None


# Taken out


def everywhere(bench: Workbench, site: MoodleSite) -> None:
    """Something of the first person in each table."""
    change_user(site, int(bench.account("E-1")["lms_user_id"]), lastname="Own")
    look(bench)
    store_events(bench.pool, hired("E-1") | {"time": "2020-01-01T00:00:00Z", "id": "again"})
    bench.run(
        """
        insert into result (result_id, tenant, integration_id, enrolment_key, employee_key, course_code, outcome,
                            passed, synced_at, attempted_on, evidence, event_id)
        select 'r' || n, 'acme', 1, 'EN-' || n, 'E-' || n, 'C-FIRE', 'C', true, now(), '2026-03-02', '{}', 'e' || n
        from generate_series(1, 2) n;
        insert into result_event (event_id, result_id, kind, completion_key, data)
        select 'e' || n, 'r' || n, 'recorded', 'k', '{}' from generate_series(1, 2) n;
        insert into held_completion (tenant, integration_id, enrolment_key, employee_key, course_code, unit_key,
                                     unit_code, reason, evidence, settings_version)
        select 'acme', 1, 'EN-' || n, 'E-' || n, 'C-FIRE', 'x', 'X', 'unmatched', '{}', 1 from generate_series(1, 2) n;
        insert into guard (integration_id, payroll, counted, "limit") values (1, 'NL-02', 2, 1);
        insert into guard_item (guard_id, account_id, wanted) select 1, account_id, wanted from account;
        insert into replay (tenant, integration_id, mode, selection, digest, members, predicted, per_minute, rules,
                            state, created_by, approval)
        values ('acme', 1, 'resume', '{}', 'd', 1, '{}', 1, '{}', 'running', 'eva', false);
        insert into replay_item (replay_id, position, failure_id, subject_kind, subject_id, employee_key, code)
        select 1, 1, failure_id, subject_kind, subject_id, employee_key, code from failure
        where code = 'course_not_found'
        union all select 1, 2, failure_id, 'account', '99', 'E-2', code from failure where code = 'course_not_found';
        """
    )
    person_acts.sync(bench.pool, TENANT, "E-1", by=BY)


# How to tell from the database alone whose a row is, by the column that says so.
WHOSE = {
    "employee_key": "t.employee_key = 'E-1'",
    "account_id": "t.account_id in (select account_id from account where employee_key = 'E-1')",
    "result_id": "t.result_id in (select result_id from result where employee_key = 'E-1')",
    "subject": "t.subject in ('E-1', 'EN-1', 'EN-9')",
}
BESIDES = {
    "outbox": """convert_from(t.body, 'UTF8')::jsonb #>> '{data,employee_key}' = 'E-1'""",
    "audit": "t.target = 'person/E-1'",
}


def whose(bench: Workbench) -> dict[str, str]:
    """The condition for each table that may hold a person, found in the catalogue."""
    with transaction(bench.pool) as db:
        columns = db.execute(
            "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and a.attname = any(%s)",
            [list(WHOSE)],
        ).fetchall()
    found = {str(table): WHOSE[column] for column in reversed(WHOSE) for table, name in columns if name == column}
    return found | BESIDES


def test_the_export_holds_all_that_the_database_holds_of_a_person_and_nothing_else(
    bench: Workbench, site: MoodleSite
) -> None:
    """S18: compared with the database, table by table; a table that is new and forgotten turns this red."""
    everywhere(bench, site)
    conditions = whose(bench)
    held = {
        table: bench.column(f"select count(*)::int from {table} t where {mine}")[0]  # type: ignore[arg-type] # noqa: S608
        for table, mine in conditions.items()
    }
    found = person_acts.export(bench.pool, TENANT, "E-1", by=BY).holdings

    assert set(conditions) == {*TABLES, *MESSAGES}
    assert {table: len(rows) for table, rows in found.items()} == held
    assert [table for table, count in held.items() if not count] == [], "the scene is too empty to tell"
    assert "E-2" not in json.dumps(found, default=str)
    assert "noor1@example.org" in str(found["inbox"]), "as it came"


def test_that_a_person_was_taken_out_is_on_record_with_the_reason(bench: Workbench) -> None:
    """S19: the read-audit of what is personal."""
    person_acts.export(bench.pool, TENANT, "E-1", by=BY)
    [line] = bench.rows("select actor, target, reason, after from audit where action = 'people:person:export'")
    assert (line["actor"], line["target"], line["reason"]) == ("op", "person/E-1", "looked into it")
    assert line["after"]["person"] == 1
    assert "Noor" not in str(line)
    with pytest.raises(Forbidden):
        person_acts.export(bench.pool, TENANT, "E-1", by=operator("operator", TENANT))


def test_the_command_writes_the_file_and_needs_a_reason(bench: Workbench, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "person.json"
    assert cli("export", "E-1", str(file)).exit_code == Exit.REFUSED
    assert not file.exists()
    done = cli("export", "E-1", str(file), "--reason", "she asked for it")

    assert done.exit_code == Exit.OK, done.output
    assert json.loads(file.read_text())["holdings"]["person"][0]["data"]["first_name"] == "Noor"
    assert cli("export", "E-7", str(file), "--reason", "x").exit_code == Exit.NOTHING


# Shown


def test_a_person_is_shown_masked_until_somebody_asks_and_is_on_record(bench: Workbench, cli: Cli) -> None:
    """S16, S19"""
    masked = cli("show", "E-1", "--timeline")
    assert masked.exit_code == Exit.OK, masked.output
    assert "Noor" not in masked.stdout
    assert "hr.employee.created.v1" in masked.stdout
    assert bench.column("select count(*) from audit where action = 'people:pii:read'") == [0]
    assert "Noor" in cli("show", "E-1", "--unmask").stdout
    assert bench.column("select target from audit where action = 'people:pii:read'") == ["person/E-1"]
    assert cli("show", "E-7").exit_code == Exit.NOTHING


@pytest.mark.parametrize(
    ("mark", "keys"),
    [
        ((), ["E-1", "E-2"]),
        (("--key", "E-2"), ["E-2"]),
        (("--lms-user", "4"), ["E-1"]),
        (("--email-sha256", hashlib.sha256(b"noor1@example.org").hexdigest()), ["E-1"]),
    ],
)
def test_people_are_found_by_one_exact_mark(bench: Workbench, cli: Cli, mark: tuple[str, ...], keys: list[str]) -> None:
    assert [one["employee_key"] for one in cli.json("list", *mark)] == keys


def test_a_mark_that_is_none_is_refused(bench: Workbench, cli: Cli) -> None:
    assert cli("list", "--email-sha256", "noor").exit_code == Exit.REFUSED
    assert cli("list", "--key", "E-1", "--lms-user", "4").exit_code == Exit.REFUSED
    assert cli("list", "--key", "E-7").exit_code == Exit.NOTHING
