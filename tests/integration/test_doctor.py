"""
`matricula doctor` against real services: each trouble is one red line that says what to do; nothing ends in a trace.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import amqp
import pytest
from click.testing import Result
from psycopg import sql
from typer.testing import CliRunner

from db.heartbeats import Heartbeats
from db.inspection import columns
from db.pool import Pool, connect, transaction
from domain.installation import FACTS, LOOPS
from ops.cli.main import app
from ops.cli.output import Exit
from runtime.secrets import new_key
from runtime.topology import DEAD_QUEUE, INBOX_QUEUE, RESULTS, WAKE_UP_QUEUES
from tests.support import queues
from tests.support.builders import enrolled, hired
from tests.support.database import dumped, new_database
from tests.support.workbench import KEY, Workbench, academy, store_events

NOWHERE = "127.0.0.1:9"


class Doctor:
    """Examines one installation as a shell would, under one environment."""

    def __init__(self, database_url: str, amqp_url: str) -> None:
        self.environment = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "MATRICULA_KEY": KEY}

    def __call__(self, *arguments: str, **environment: str) -> Result:
        result = CliRunner().invoke(app, ["doctor", *arguments], env={**self.environment, **environment})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def lines(self, **environment: str) -> dict[str, dict[str, Any]]:
        told = json.loads(self("--json", **environment).stdout)
        assert [line["name"] for line in told] == [fact.name for fact in FACTS]
        return {line["name"]: line for line in told}

    def red(self, **environment: str) -> dict[str, str]:
        """The red lines with their causes; each says what it costs, whose it is and what they do."""
        found = {
            name: line for name, line in self.lines(**environment).items() if line["state"] in ("failed", "warning")
        }
        assert all(
            line["consequence"] and line["owner"] and line["where"] and line["detail"] for line in found.values()
        )
        return {name: line["detail"] for name, line in found.items()}


@pytest.fixture
def doctor(database_url: str, amqp_url: str, pool: Pool) -> Iterator[Doctor]:
    """An installation that is well, as far as it can be seen: its loops turn and somebody listens."""
    beat(pool)
    with listeners(amqp_url):
        yield Doctor(database_url, amqp_url)


@contextmanager
def listeners(amqp_url: str) -> Iterator[None]:
    with queues.channel(amqp_url) as channel:
        for queue in WAKE_UP_QUEUES.values():
            channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=dict(queue.arguments))
            channel.basic_consume(queue.name)
        yield


def beat(pool: Pool, **ages: float) -> None:
    with transaction(pool) as db:
        db.execute("delete from heartbeat")
        Heartbeats(db).tell(dict.fromkeys(LOOPS, 1.0) | ages)


def test_an_installation_that_is_well_has_no_red_line(doctor: Doctor) -> None:
    result = doctor()

    assert result.exit_code == Exit.OK, result.output
    assert doctor.red() == {}
    assert "PostgreSQL" in result.stdout
    assert "RabbitMQ" in result.stdout


def test_looking_changes_nothing(doctor: Doctor, pool: Pool) -> None:
    before = dumped(pool)

    doctor()

    assert dumped(pool) == before
    with transaction(pool) as db:
        assert db.execute("select nspname from pg_namespace where nspname like 'matricula%%'").fetchall() == []


def test_a_database_that_is_away_is_one_line_and_the_broker_is_looked_at_all_the_same(doctor: Doctor) -> None:
    away = {"DATABASE_URL": f"postgresql://eva:hidden-word@{NOWHERE}/nothing"}

    assert doctor(**away).exit_code == Exit.ERROR
    assert "refused" in doctor.red(**away)["database"]
    lines = doctor.lines(**away)
    assert lines["queues"]["state"] == "ok"
    assert lines["schema"]["state"] == lines["apply turns"]["state"] == "not checked"
    assert "hidden-word" not in doctor(**away).output


def test_a_broker_that_is_away_or_refuses_the_password_is_one_line(doctor: Doctor) -> None:
    for url in (f"amqp://eva:hidden-word@{NOWHERE}/", wrong_password(doctor.environment["AMQP_URL"])):
        red = doctor.red(AMQP_URL=url)

        assert list(red) == ["broker"]
        assert "hidden-word" not in doctor(AMQP_URL=url).output
        assert doctor(AMQP_URL=url).exit_code == Exit.ERROR


def wrong_password(url: str) -> str:
    head, _, place = url.rpartition("@")
    return f"{head.rpartition(':')[0]}:hidden-word@{place}"


def test_everything_is_missing_at_once_and_still_each_line_is_there(doctor: Doctor) -> None:
    nothing = {"DATABASE_URL": "", "AMQP_URL": "", "MATRICULA_KEY": ""}

    assert list(doctor.red(**nothing)) == ["settings"]
    assert all(name in doctor.red(**nothing)["settings"] for name in nothing)
    assert doctor(**nothing).exit_code == Exit.ERROR


def test_a_key_that_is_missing_or_no_key_leaves_the_other_lines_as_they_are(doctor: Doctor) -> None:
    for key in ("", "hidden-word"):
        assert list(doctor.red(MATRICULA_KEY=key)) == ["settings"]
        assert "hidden-word" not in doctor(MATRICULA_KEY=key).output


def test_a_key_that_opens_nothing_here_is_named_with_the_companies(doctor: Doctor, pool: Pool) -> None:
    """E5"""
    Workbench(pool, academy())

    red = doctor.red(MATRICULA_KEY=new_key())

    assert list(red) == ["master key"]
    assert "is not in MATRICULA_KEY" in red["master key"]


def test_an_older_key_is_a_warning_until_it_is_rotated(doctor: Doctor, pool: Pool) -> None:
    Workbench(pool, academy())
    both = {"MATRICULA_KEY": f"{new_key()} {KEY}"}

    assert list(doctor.red(**both)) == ["master key"]
    assert doctor(**both).exit_code == Exit.OK


def test_a_key_that_was_changed_in_the_database_does_not_pass(doctor: Doctor, pool: Pool) -> None:
    """S6: the key at hand has the right name, and the value does not open."""
    Workbench(pool, academy())
    with transaction(pool) as db:
        db.execute("update tenant_key set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)")

    assert "does not open" in doctor.red()["master key"]


def test_an_empty_database_says_that_it_wants_init(services: Any, doctor: Doctor) -> None:
    with new_database(services.database_url) as url:
        lines = doctor.lines(DATABASE_URL=url)

        assert lines["schema"]["state"] == "failed"
        assert "matricula init" in lines["schema"]["where"]
        assert lines["apply turns"]["state"] == "not checked"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("alter table inbox drop column duplicates cascade", "column inbox.duplicates"),
        ("drop index account_due", "index account_due"),
        ("drop trigger audit_append on audit", "trigger audit.audit_append"),
        ("alter table account drop constraint account_integration_id_employee_key_key", "constraint account."),
        ("drop table heartbeat", "column heartbeat.loop"),
    ],
)
def test_a_schema_of_another_version_says_what_is_not_as_it_should_be(
    doctor: Doctor, pool: Pool, change: Any, named: str
) -> None:
    with transaction(pool) as db:
        db.execute(change)

    assert named in doctor.red()["schema"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("revoke insert on inbox from matricula_ingest", "lacking: grant matricula_ingest on inbox INSERT"),
        ("grant update on audit to matricula_console", "too many: grant matricula_console on audit UPDATE"),
        ("drop policy own on person", "lacking: policy person.own"),
        ("alter table person disable row level security", "row security person"),
    ],
)
def test_rights_that_are_not_as_they_should_be_are_named(doctor: Doctor, pool: Pool, change: Any, named: str) -> None:
    """S13"""
    with transaction(pool) as db:
        db.execute(change)

    assert named in doctor.red()["rights"]


def test_what_somebody_added_for_themselves_is_no_fault(doctor: Doctor, pool: Pool) -> None:
    with transaction(pool) as db:
        db.execute("create index theirs on inbox (received_at)")

    assert doctor.red() == {}


def test_a_queue_that_is_missing_or_of_another_kind_is_named(doctor: Doctor, amqp_url: str) -> None:
    with queues.channel(amqp_url) as channel:
        channel.queue_delete(DEAD_QUEUE)
        channel.queue_delete(INBOX_QUEUE)
        channel.queue_declare(INBOX_QUEUE, durable=True, auto_delete=False)

    red = doctor.red()

    assert list(red) == ["queues"]
    assert f"queue {DEAD_QUEUE} is missing" in red["queues"]
    assert f"queue {INBOX_QUEUE} is of another kind" in red["queues"]
    assert f"queue {DEAD_QUEUE} is missing" in doctor.red()["queues"], "looking has made it"


def test_an_exchange_that_is_missing_is_named_and_not_made(doctor: Doctor, amqp_url: str) -> None:
    with queues.channel(amqp_url) as channel:
        channel.exchange_delete(RESULTS)

    assert doctor.red() == doctor.red() == {"queues": f"exchange {RESULTS} is missing"}


def test_a_user_who_may_not_look_is_told_so(doctor: Doctor, pool: Pool, database_url: str) -> None:
    with stranger(pool) as name:
        place = urlsplit(database_url)
        url = urlunsplit(place._replace(netloc=f"{name}:{name}@{place.hostname}:{place.port}"))

        red = doctor.red(DATABASE_URL=url)

    assert list(red) == ["rights"]
    assert "permission denied" in red["rights"]


@contextmanager
def stranger(pool: Pool) -> Iterator[str]:
    """A user of the server who may do nothing; its password is its name."""
    name = f"stranger_{secrets.token_hex(6)}"
    with transaction(pool) as db:
        db.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(name), sql.Literal(name)))
    try:
        yield name
    finally:
        with transaction(pool) as db:
            db.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def test_messages_in_the_dead_queue_are_counted(doctor: Doctor, amqp_url: str) -> None:
    with queues.channel(amqp_url) as channel:
        channel.confirm_select()
        channel.basic_publish_confirm(amqp.Message(b"{}"), "", DEAD_QUEUE)

    assert doctor.red() == {"dead letters": f"1 in {DEAD_QUEUE}"}


def test_wake_ups_that_nobody_listens_to_are_red(database_url: str, amqp_url: str, pool: Pool) -> None:
    beat(pool)
    with queues.channel(amqp_url):
        assert list(Doctor(database_url, amqp_url).red()) == ["wake-ups"]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_that_has_stopped_turning_is_red_and_names_its_service(doctor: Doctor, pool: Pool, loop: str) -> None:
    """B4"""
    beat(pool, **{loop: 61.0})

    assert list(doctor.red()) == [f"{loop} turns"]
    assert "service" in doctor.lines()[f"{loop} turns"]["where"]


def test_work_that_is_due_for_long_is_red_although_every_loop_turns(doctor: Doctor, pool: Pool) -> None:
    """B4: alive is who gets something done."""
    bench = Workbench(pool, academy())
    bench.tell(hired(), enrolled())
    assert doctor.red() == {}

    bench.pass_time(minutes=11)

    red = doctor.red()
    assert list(red) == ["people are provisioned", "results are read"]
    assert red["people are provisioned"] == "Acme Moodle for 11 min"


def test_work_of_an_integration_that_is_paused_is_not_late(doctor: Doctor, pool: Pool) -> None:
    bench = Workbench(pool, academy())
    bench.tell(hired(), enrolled())
    bench.pass_time(minutes=11)
    with transaction(pool) as db:
        db.execute("update integration set state = 'paused'")

    assert doctor.red() == {}


def test_events_and_announcements_that_wait_for_long_are_red(doctor: Doctor, pool: Pool) -> None:
    store_events(pool, hired())
    with transaction(pool) as db:
        db.execute("update inbox set received_at = received_at - interval '11 minutes'")
        db.execute(
            "insert into outbox (tenant, event_id, type, body, written_at)"
            " values ('acme', '1', 'x', 'x', now() - interval '11 minutes')"
        )

    assert list(doctor.red()) == ["events are applied", "results are published"]


def test_mail_that_cannot_be_sent_is_red_and_a_token_may_not_look(doctor: Doctor) -> None:
    mail = {"MATRICULA_SMTP_URL": f"smtp://{NOWHERE}", "MATRICULA_MAIL_FROM": "matricula@example.org"}

    assert list(doctor.red(**mail)) == ["mail"]
    assert doctor(MATRICULA_API_TOKEN="lms_x_y").exit_code == Exit.REFUSED


def test_the_columns_read_from_the_schema_are_those_that_it_makes(pool: Pool, database_url: str) -> None:
    with connect(database_url, name="test") as db:
        made = db.execute(
            "select relname || '.' || attname from pg_class join pg_attribute on attrelid = pg_class.oid"
            " where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and attnum > 0"
        ).fetchall()

    assert sorted(columns()) == sorted(name for (name,) in made)
