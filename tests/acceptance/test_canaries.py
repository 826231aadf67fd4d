"""
One LMS token and one set of people that stand out go through a whole installation of real processes, in success and in
every class of error that the site can be made to answer with, and then everything is searched for them; S5, S16.

Employee keys may be seen by whoever runs an installation. Names, addresses and tokens may not.
"""

import http.client
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from deploy.server import free_ports
from producers.publisher import OutgoingEvent
from runtime.topology import APPLY, PROVISION
from tests.support import company, queues
from tests.support.installation import TENANT, TOKEN, Installation, installation

OTHER = "zenith"
NAME, INFIX, LAST_NAME = "Canaria", "van den", "Vogelzang"
PERSONAL = ("canaria", "vogelzang", "+31 6 5550")
# Where people are kept on purpose; all other tables hold what is known about the work.
OF_PEOPLE = {"inbox", "person", "account", "finding"}

# A site that repeats in its error whom it was asked about, and what with.
ECHO = f"{NAME} {INFIX} {LAST_NAME}, canaria.01@vogelzang.example, +31 6 5550, wstoken={TOKEN}"


def said(errorcode: str, exception: str = "moodle_exception") -> dict[str, Any]:
    return {"json": {"exception": exception, "errorcode": errorcode, "message": ECHO, "debuginfo": ECHO}}


CREATE, ENROL = "core_user_create_users", "enrol_manual_enrol_users"

# By class of domain.fingerprints; each meets somebody new.
TROUBLES: dict[str, dict[str, Any]] = {
    "conflict": said("usernametaken"),
    "address taken": said("emailexists"),
    "invalid data": said("invalidparameter", "invalid_parameter_exception"),
    "site's own bug": said("codingerror", "coding_exception"),
    "its database": said("dmlwriteexception", "dml_write_exception"),
    "a code nobody knows": said("somethingnew"),
    "a code that is none": said("canaria.01@vogelzang.example"),
    "rate limited": {"function": "*", "status": 429, "retry_after": "1", "body": ECHO},
    "unavailable": {"function": "*", "status": 503, "page": "maintenance"},
    "server error": {"status": 500, "body": ECHO},
    "timeout": {"commit": "before", "delay": 2.5},
    "unknown outcome": {"commit": "before", "close": "reset"},
    "lost before": {"commit": "never", "close": "reset"},
    "not JSON": {"page": f"<html>{ECHO}</html>"},
    "other JSON": {"json": {"warnings": [{"message": ECHO}]}},
    "notices before JSON": {"prefix": f"<b>Warning</b>: {ECHO}\n", "commit": "before"},
    "cut short": {"commit": "before", "truncate": 20},
    "too much": {"oversize": 30_000_000},
    "led elsewhere": {"redirect": f"http://elsewhere.example/?wstoken={TOKEN}&name={LAST_NAME}"},
}
# What holds back everybody, and so comes last.
REFUSALS: dict[str, dict[str, Any]] = {
    "forbidden by a proxy": {"function": ENROL, "status": 403, "page": f"<html>{ECHO}</html>"},
    "auth": {"function": "*"} | said("invalidtoken"),
    "permission": {"function": "*"} | said("accessexception", "webservice_access_exception"),
    "right missing": said("nopermissions", "required_capability_exception"),
}


class Talking:
    """An installation, and all that it says to people and machines."""

    def __init__(self, made: Installation, port: int) -> None:
        self.made = made
        self._port = port
        self.answers: list[str] = []

    def ask(self, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, str]:
        """Status and body of an answer of the API."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        self.answers.append(f"{path}\n{answer.headers}\n{text}")
        return answer.status, text

    def said(self) -> dict[str, str]:
        """Logs of processes and commands, and what the API answered."""
        logs = {name: process.log for name, process in self.made.processes.items() if "simulator" not in name}
        return logs | {"the API": "\n".join(self.answers)}


@pytest.fixture
def talking(database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Talking]:
    [port] = free_ports(1)
    # Short, so that trouble is over soon; a call may take what a timeout needs.
    with installation(database_url, amqp_url, tmp_path, MATRICULA_CONSOLE_PORT=str(port)) as made:
        company.set_the_clock(made)
        made.set_up()
        made.add("console", ["-m", "ops.api"])
        made.start()
        made["console"].start()
        yield Talking(made, port)


def test_no_token_and_nobodys_name_is_anywhere_but_where_people_are_kept(talking: Talking) -> None:
    """S5, S16"""
    made = talking.made
    everybody_is_known_and_the_one_without_trouble_is_enrolled(made)
    for number, (trouble, fault) in enumerate(TROUBLES.items(), start=2):
        meets(made, number, trouble, fault)
    made.until(lambda: all_came_to_an_end(made), "nobody is being worked on any more")
    for number, (trouble, fault) in enumerate(REFUSALS.items(), start=31):
        meets(made, number, trouble, fault)

    everybody_asks(talking)

    assert_nothing_leaked(talking.said())
    assert_nothing_leaked(written_down(made))
    assert_nothing_leaked(sent_to_workers(made))
    assert_no_token(seen_in_process_list(made))


def everybody_is_known_and_the_one_without_trouble_is_enrolled(made: Installation) -> None:
    made.publish(somebody(1))
    made.until(lambda: made.one("select count(*) from placement where provisioned_at is not null") == 1, "one is done")


def meets(made: Installation, number: int, trouble: str, fault: dict[str, Any]) -> None:
    """Somebody new, at whose account the site does this, unless the trouble says at which call."""
    made.site.tell("faults", **{"function": CREATE, "times": 1} | fault)
    made.publish(somebody(number))
    made.until(lambda: made.site.read("faults")[-1]["fired"] == 1, f"the site did: {trouble}")


def somebody(number: int) -> list[OutgoingEvent]:
    key = f"E-{number:02d}"
    person = {
        "employee_key": key,
        "first_name": NAME,
        "infix": INFIX,
        "last_name": f"{LAST_NAME}{number}",
        "emails": [f"canaria.{number:02d}@vogelzang.example"],
        "mobile": "+31 6 5550 0001",
        "status": "active",
    }
    booking = {
        "enrolment_key": f"{key}/1",
        "employee_key": key,
        "course_code": "C001" if number % 5 else "C-NONE",
        "starts_on": "2026-03-02",
        "ends_on": "2026-06-02",
    }
    event = company._event
    return [event(company.HIRED, key, person), event(company.CONFIRMED, f"{key}/1", booking)]


def all_came_to_an_end(made: Installation) -> bool:
    """Everybody is provisioned, or waits for a person, and their enrolments with them."""
    return bool(
        made.one("select count(*) from account where state = 'due' or lease_until is not null") == 0
        and made.one(
            "select count(*) from placement p join account a using (account_id)"
            " where p.state = 'due' and a.state <> 'parked'"
        )
        == 0
        and made.one("select count(*) from inbox where state = 'received'") == 0
    )


COMMANDS: Sequence[Sequence[str]] = (
    ("status",),
    ("doctor",),
    ("metrics",),
    ("failures", "groups"),
    ("failures", "list", "--json"),
    ("failures", "show", "1"),
    ("why", "E-02"),
    ("timeline", "E-02"),
    ("timeline", "E-13", "--json"),
    ("notices",),
    ("integration", "show", "Academy"),
    ("integration", "test", "Academy"),
    ("integration", "list", "--json"),
    ("integration", "set-token", "Academy", "--token-file", "nowhere"),
    ("enrolments", "list"),
    ("results", "export", "-", "--tenant", OTHER),
    ("audit", "list"),
    ("audit", "export", "--tenant", OTHER),
    ("audit", "export"),
    ("keys", "status"),
)


def everybody_asks(talking: Talking) -> None:
    """What people see on the command line and over HTTP, in good order and in bad."""
    made = talking.made
    for command in COMMANDS:
        made.run(*command)
    own, other = token_for(made, TENANT), token_for(made, OTHER)
    for path in (
        "/health/live",
        "/health/ready",
        "/api/v1/metrics",
        "/api/v1/status",
        "/api/v1/failures",
        "/api/v1/failures/groups",
        "/api/v1/integrations",
        f"/api/v1/integrations/{made.integration_id}",
        "/api/v1/people?key=E-02",
        "/api/v1/people/E-02/why",
        "/api/v1/people/E-02/timeline",
        "/api/v1/audit",
    ):
        for token in (own, other, ""):
            talking.ask("GET", path, token=token)
    at = f"/api/v1/integrations/{made.integration_id}"
    talking.ask("POST", f"{at}/test", {"reason": "to see"}, own)
    for body in ({"token": [TOKEN]}, {"token": TOKEN, "else": TOKEN}, {"token": TOKEN}):
        talking.ask("PUT", f"{at}/token", body, own)
    assert "matricula_lms_calls_total{" in talking.said()["the API"]


def token_for(made: Installation, tenant: str) -> str:
    """An admin's token; it is printed once, to be copied, and is none of the LMS's."""
    with psycopg.connect(made.settings.database_url) as connection:
        connection.execute("insert into tenant (tenant) values (%s) on conflict do nothing", [tenant])
    made.run("operator", "add", "eva", "--tenant", tenant, "--role", "admin")
    command = ("token", "create", "--operator", "eva", "--tenant", tenant, "--name", "canaries", "--json")
    assert made.run(*command) == 0
    made_token: str = json.loads(made[f"matricula {' '.join(command)}"].log)["token"]
    return made_token


def written_down(made: Installation) -> dict[str, str]:
    """Every row of every table that is not there to hold people; in all of them, no token."""
    with psycopg.connect(made.settings.database_url) as connection:
        tables: LiteralString = (
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        names = [name for (name,) in connection.execute(tables).fetchall()]
        rows = sql.SQL("select coalesce(string_agg(t::text, chr(10)), '') from {} t")
        found = {name: _text(connection.execute(rows.format(sql.Identifier(name))).fetchone()) for name in names}
    assert found["failure"].count("\n") >= len(TROUBLES) / 3, "hardly anything failed"
    assert_no_token(found)
    return {name: text for name, text in found.items() if name not in OF_PEOPLE}


def _text(row: Any) -> str:
    """With what bytes hold, in plain."""
    return str(row[0]) + "".join(_plain(part) for part in str(row[0]).split("\\x")[1:])


def _plain(part: str) -> str:
    digits = part[: next((at for at, c in enumerate(part) if c not in "0123456789abcdef"), len(part))]
    return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("latin-1")


def sent_to_workers(made: Installation) -> dict[str, str]:
    """Wake-ups that nobody takes, because the workers are gone."""
    for name in ("worker", "poller"):
        made[name].stop()
    made.publish(somebody(90))
    with psycopg.connect(made.settings.database_url) as connection:
        connection.execute("update account set due_at = now() where state = 'settled'")
    found: dict[str, str] = {}

    def both() -> bool:
        for queue in (APPLY, PROVISION):
            for message in queues.take_all(made.settings.amqp_url, queue):
                found[queue] = found.get(queue, "") + str(bytes(message.body)) + str(message.properties)
        return {APPLY, PROVISION} <= found.keys()

    made.until(both, "wake-ups of both kinds")
    return found


def seen_in_process_list(made: Installation) -> dict[str, str]:
    """Arguments and environment of our processes that live."""
    return {
        f"{name}: {what}": Path(f"/proc/{process._running.pid}/{what}").read_bytes().decode("latin-1")
        for name, process in made.processes.items()
        if "simulator" not in name and process._process is not None and process.alive
        for what in ("cmdline", "environ")
    }


def assert_nothing_leaked(said: dict[str, str]) -> None:
    assert_no_token(said)
    for where, text in said.items():
        found = [line for line in text.splitlines() if any(word in line.lower() for word in PERSONAL)]
        assert found == [], where


def assert_no_token(said: dict[str, str]) -> None:
    assert said
    for where, text in said.items():
        assert [line for line in text.splitlines() if TOKEN in line] == [], where
