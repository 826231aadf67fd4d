"""The command line against real services: what it does, what it says, and how it ends."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import open_pool, transaction
from deploy.services import Services
from ops.cli.main import app
from ops.cli.output import Exit
from ops.demo.generate import COURSES, FEED
from producers.broker import connect, drop
from runtime.secrets import new_key
from runtime.topology import INBOX_QUEUE
from simulators.moodle import moodle_site
from simulators.server import serve
from tests.support.database import new_database

TOKEN = "canary-token-4711"
NOWHERE = "127.0.0.1:9"


class Cli:
    """Runs commands as a shell would, under one environment."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: str, given: bytes | None = None, **environment: str) -> Result:
        return CliRunner().invoke(app, arguments, input=given, env={**self.environment, **environment})

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def cli(database_url: str, amqp_url: str) -> Cli:
    environment = {
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "MATRICULA_KEY": new_key(),
        "MATRICULA_ALLOW_PRIVATE_LMS": "1",
        "MATRICULA_TOKEN": TOKEN,
    }
    return Cli(environment)


@pytest.fixture
def moodle() -> Iterator[str]:
    with serve(moodle_site(courses=3, token=TOKEN)) as url:
        yield url


@pytest.fixture
def no_moodle() -> Iterator[str]:
    """A web server that has never heard of Moodle."""

    class NotFound(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), NotFound) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def settings_file(folder: Path, **changes: Any) -> str:
    file = folder / "integration.json"
    results = {"outcomes": [{"code": "C"}, {"code": "N"}], "pass_outcome": "C", "fail_outcome": "N"}
    file.write_text(json.dumps({"name": "Acme Moodle", "url": "http://127.0.0.1", "results": results, **changes}))
    return str(file)


def test_an_empty_database_is_told_with_what_to_do(cli: Cli, services: Services) -> None:
    with new_database(services.database_url) as url:
        ended = cli("status", DATABASE_URL=url)

    assert ended.exit_code == Exit.ERROR
    assert ended.stderr.startswith("matricula: The database is empty. Run `matricula init`")


def test_publish_names_each_bad_line_and_sends_the_good_ones(cli: Cli) -> None:
    """The demo's feed has six broken lines, each broken in its own way."""
    assert cli("init").exit_code == Exit.OK

    ended = cli("publish", str(FEED))

    assert ended.exit_code == Exit.PARTLY
    named = [line for line in ended.stderr.splitlines() if line.startswith("line ")]
    assert [line.split(":")[0] for line in named] == [f"line {n}" for n in (204, 231, 414, 441, 449, 735)]
    assert "tenant: is missing" in named[0]
    assert "data.first_name" in named[4]
    assert "854 events confirmed" in ended.stdout
    assert _messages_in(cli.environment["AMQP_URL"], INBOX_QUEUE) == 854


def test_publish_reads_standard_input_and_says_when_there_was_nothing(cli: Cli) -> None:
    assert cli("publish", "-", given=b"\n\n").exit_code == Exit.NOTHING
    assert cli("publish", "-", given=FEED.read_bytes().splitlines()[0]).exit_code == Exit.OK


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "is not JSON"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b'{"a": "\\u0000"}', "a: holds a NUL"),
        (b'{"a": "\\ud800"}', "a: holds a NUL or a lone surrogate"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "nests deeper"),
        (b"x" * (16 * 1024 * 1024), "at most"),
        (b'{"specversion": "1.0"}', "id: is missing"),
        (b"[]", "not an object"),
    ],
    ids=["cut off", "not UTF-8", "NUL", "surrogate", "NaN", "deep", "16 MB", "no attributes", "array"],
)
def test_every_kind_of_bad_line_is_named_with_its_cause(cli: Cli, line: bytes, problem: str) -> None:
    ended = cli("publish", "-", given=line)

    assert ended.exit_code == Exit.ERROR
    assert ended.stderr.startswith("line 1: ")
    assert problem in ended.stderr


def test_publishing_without_a_broker_says_so_and_how_to_go_on(cli: Cli) -> None:
    ended = cli("publish", str(FEED), AMQP_URL=f"amqp://{NOWHERE}/")

    assert ended.exit_code == Exit.ERROR
    assert "854 unknown" in ended.stderr
    assert "nothing is doubled" in ended.stderr


@pytest.mark.parametrize("command", [["status"], ["results"], ["integration", "list"], ["init"]])
def test_a_database_that_is_down_is_named(cli: Cli, command: list[str]) -> None:
    ended = cli(*command, DATABASE_URL=f"postgresql://{NOWHERE}/nothing")

    assert ended.exit_code == Exit.ERROR
    assert "DATABASE_URL" in ended.stderr


def test_all_bad_settings_are_told_at_once(cli: Cli) -> None:
    ended = cli("status", DATABASE_URL="mysql://x", AMQP_URL="", MATRICULA_KEY="short")

    assert ended.exit_code == Exit.USAGE
    for name in ("DATABASE_URL", "AMQP_URL", "MATRICULA_KEY"):
        assert name in ended.stderr


def test_an_integration_goes_from_draft_to_enabled_and_paused(cli: Cli, moodle: str, tmp_path: Path) -> None:
    """R22, R23, R161: saved apart from enabled, and nothing of the token is ever shown."""
    added = cli("integration", "add", settings_file(tmp_path, url=moodle), "--tenant", "acme")
    states = [cli.json("integration", "list")[0]["state"]]
    cli("integration", "enable", "Acme Moodle")
    states.append(cli.json("integration", "show", "Acme Moodle")["state"])
    cli("integration", "pause", "Acme Moodle", "--reason", "asked to")
    states.append(cli.json("integration", "show", "Acme Moodle")["state"])

    assert states == ["draft", "active", "paused"]
    shown = cli("integration", "show", "Acme Moodle").output + cli("integration", "list").output + added.output
    assert TOKEN not in shown
    assert TOKEN not in _dump(cli.environment["DATABASE_URL"])


def test_a_sound_integration_passes_every_check(cli: Cli, moodle: str, tmp_path: Path) -> None:
    cli("integration", "add", settings_file(tmp_path, url=moodle), "--tenant", "acme")

    checks = cli.json("integration", "test", "Acme Moodle")

    assert {check["state"] for check in checks} == {"ok", "not checked"}
    assert all(check["detail"] for check in checks if check["state"] == "not checked")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [("token", "token_refused"), ("path", "wrong_url"), ("port", "lms_unreachable")],
)
def test_an_integration_that_cannot_work_is_not_enabled_and_says_why(
    cli: Cli, moodle: str, no_moodle: str, tmp_path: Path, wrong: str, code: str
) -> None:
    """R68, R70: a wrong token, a wrong address and an LMS that is down are three different things."""
    url = {"token": moodle, "path": no_moodle, "port": f"http://{NOWHERE}"}[wrong]
    token = "another" if wrong == "token" else TOKEN
    cli("integration", "add", settings_file(tmp_path, url=url), "--tenant", "acme", MATRICULA_TOKEN=token)

    ended = cli("integration", "enable", "Acme Moodle")

    assert ended.exit_code != Exit.OK
    assert code in ended.stderr
    assert cli.json("integration", "show", "Acme Moodle")["state"] == "draft"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"url": "nonsense"}, "url"),
        ({"results": {"pass_outcome": "C", "fail_outcome": "C"}}, "must differ"),
        ({"results": {"pass_outcome": "C"}}, "results.fail_outcome"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"colour": "red"}, "colour"),
        ({"people": {"no_email": "pseudo"}}, "pseudo_domain"),
    ],
    ids=["URL", "pass is fail", "no fail", "zone", "unknown", "no domain"],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    cli: Cli, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    """R22, R25: mandatory, and different from each other."""
    ended = cli("integration", "add", settings_file(tmp_path, **changes), "--tenant", "acme")

    assert ended.exit_code in (Exit.USAGE, Exit.REFUSED)
    assert named.lower() in ended.stderr.lower()
    assert cli.json("integration", "list") == []


def test_a_token_is_mandatory(cli: Cli, tmp_path: Path) -> None:
    """R23"""
    ended = cli("integration", "add", settings_file(tmp_path), "--tenant", "acme", MATRICULA_TOKEN="")

    assert ended.exit_code == Exit.REFUSED
    assert "--token-file" in ended.stderr


def test_two_integrations_cannot_share_a_name_or_a_site(cli: Cli, moodle: str, tmp_path: Path) -> None:
    """R13, R16"""
    cli("integration", "add", settings_file(tmp_path, url=moodle), "--tenant", "acme")

    same_name = cli("integration", "add", settings_file(tmp_path, url=f"{moodle}/other"), "--tenant", "acme")
    same_site = cli("integration", "add", settings_file(tmp_path, url=moodle), "--tenant", "other")

    assert "integration_name_taken" in same_name.stderr
    assert "lms_taken" in same_site.stderr


def test_status_says_what_to_do_first(cli: Cli, moodle: str, tmp_path: Path) -> None:
    before = cli("status").stdout
    cli("integration", "add", settings_file(tmp_path, url=moodle), "--tenant", "acme", "--enable")
    after = cli("status").stdout

    assert before.startswith("No integration yet")
    assert after.startswith("Working.")


def test_a_file_that_is_not_there_is_named(cli: Cli) -> None:
    ended = cli("publish", "/no/such/file")

    assert ended.exit_code == Exit.USAGE
    assert "/no/such/file" in ended.stderr


def test_the_feed_and_the_courses_of_the_demo_are_where_the_readme_says() -> None:
    assert FEED.is_file()
    assert COURSES.is_file()


def _messages_in(amqp_url: str, queue: str) -> int:
    connection = connect(amqp_url, "test")
    try:
        return int(connection.channel().queue_declare(queue, passive=True).message_count)
    finally:
        drop(connection)


def _dump(database_url: str) -> str:
    with open_pool(database_url, name="test", max_size=1) as pool, transaction(pool) as db:
        return str(db.execute("select i::text from integration i").fetchall())
