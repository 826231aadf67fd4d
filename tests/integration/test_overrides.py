"""
Fields of a person set by hand: a new word that goes the way of all events, until HR says something newer.
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
from tests.support import queues
from tests.support.builders import erased, event, hired, lms_courses, person
from tests.support.fake_lms import FakeLms
from tests.support.workbench import KEY, Workbench

FAR_FUTURE = {"time": "2150-01-01T00:00:00+00:00"}


class Desk:
    """
    A workbench, the command line on the same database, and HR's way in through a real broker.
    """

    def __init__(self, pool: Pool, database_url: str, amqp_url: str) -> None:
        self.lms = FakeLms(courses=lms_courses())
        self.bench = Workbench(pool, self.lms)
        self._environment = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url, "MATRICULA_KEY": KEY}
        self._amqp_url = amqp_url

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env=self._environment)

    def override(self, *pairs: str, key: str = "E-1", **more: Any) -> Result:
        flags = [flag for pair in pairs for flag in ("--set", pair)]
        return self("override", key, *flags, "--reason", more.get("reason", "HR is away"), *more.get("extra", ()))

    def deliver(self) -> list[dict[str, Any]]:
        """
        What was published is stored, applied and done.
        """
        bodies = [bytes(message.body) for message in queues.take_all(self._amqp_url, INBOX_QUEUE)]
        self.bench.done(*bodies)
        return [json.loads(body) for body in bodies]

    def last_names(self) -> list[str]:
        return [user.last_name for user in self.lms.users.values()]


@pytest.fixture
def desk(pool: Pool, database_url: str, amqp_url: str) -> Desk:
    made = Desk(pool, database_url, amqp_url)
    with queues.channel(amqp_url):
        made.bench.done(hired(attributes={"gender": "F"}))
    return made


def test_a_field_set_by_hand_is_a_new_whole_word_and_reaches_the_lms(desk: Desk) -> None:
    ended = desk.override("last_name=By hand", "attributes.desk=7")
    [event_] = desk.deliver()

    assert ended.exit_code == Exit.OK
    assert (event_["type"], event_["source"]) == ("hr.employee.updated.v1", "/matricula/acme/override")
    # Everything else is as HR said it: facts are whole.
    assert event_["data"]["emails"] == ["noor1@example.org"]
    assert event_["data"]["attributes"] == {"gender": "F", "desk": "7"}
    assert desk.last_names() == ["By hand"]
    # What HR said is kept beside it.
    assert desk.bench.inbox() == [("applied", None)] * 2


def test_hrs_next_newer_word_supersedes_it_and_an_older_one_does_not(desk: Desk) -> None:
    desk.override("last_name=By hand")
    desk.deliver()
    desk.bench.done(event("hr.employee.updated.v1", "E-1", person(last_name="Older"), at=5))
    assert desk.last_names() == ["By hand"]

    desk.bench.done(event("hr.employee.updated.v1", "E-1", person(last_name="Newer"), at=6, **FAR_FUTURE))
    assert desk.last_names() == ["Newer"]


def test_it_is_newer_than_a_word_of_hrs_whose_clock_is_ahead(desk: Desk) -> None:
    desk.bench.done(event("hr.employee.updated.v1", "E-1", person(last_name="Ahead"), at=6, **FAR_FUTURE))
    desk.override("last_name=By hand")
    desk.deliver()

    assert desk.last_names() == ["By hand"]


def test_it_stays_visible_and_the_audit_names_fields_and_no_values(desk: Desk) -> None:
    desk.override("last_name=Canary")
    desk.deliver()

    lines = json.loads(desk("timeline", "E-1", "--json").stdout)
    assert [line["data"].get("by_hand") for line in lines if line["kind"].startswith("hr.")] == [
        None,
        "/matricula/acme/override",
    ]
    [line] = desk.bench.rows("select target, after, reason from audit where action = 'people:person:override'")
    assert (line["target"], line["after"]["fields"], line["reason"]) == ("person/E-1", ["last_name"], "HR is away")
    assert "Canary" not in str(line)


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (("employee_key=E-2",), "no field that can be set"),
        (("salary=1",), "no field that can be set"),
        (("status=promoted",), "status"),
        (("starts_on=tomorrow",), "starts_on"),
        (("emails=a@example.org,b@example.org,c@example.org,d@example.org",), "emails"),
        (("last_name=Meer1",), "what HR says"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_nothing_is_sent(desk: Desk, pairs: tuple[str, ...], says: str) -> None:
    """Typed: no free editing of what an event carries."""
    ended = desk.override(*pairs)

    assert ended.exit_code == Exit.REFUSED
    assert says in ended.stderr
    assert desk.deliver() == []


def test_a_reason_is_needed_and_a_dry_run_sends_nothing(desk: Desk) -> None:
    assert desk.override("last_name=X", reason=" ").exit_code == Exit.REFUSED
    shown = desk.override("last_name=X", "first_name=", extra=("--dry-run", "--json"))

    assert json.loads(shown.stdout)["fields"] == {"first_name": ["Noor", None], "last_name": ["Meer1", "X"]}
    assert desk.deliver() == []


def test_where_hr_counts_its_words_ours_has_no_place(desk: Desk) -> None:
    desk.bench.done(event("hr.employee.updated.v1", "E-1", person(), at=7, sequence="12"))

    ended = desk.override("last_name=X")

    assert ended.exit_code == Exit.REFUSED
    assert "by sequence" in ended.stderr


def test_the_erased_stay_erased(desk: Desk) -> None:
    """S17"""
    desk.bench.tell(erased())

    assert desk.override("last_name=X").exit_code == Exit.NOTHING
    assert desk.override("last_name=X", key="E-77").exit_code == Exit.NOTHING
