"""`matricula operator`, `token` and `audit` from a shell: the first admin, what is shown, and the proof; S19, R163."""

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool, transaction
from domain.permissions import PERMISSIONS
from ops.cli.main import app
from ops.cli.output import Exit
from tests.support.workbench import KEY

ADMIN = ("operator", "add", "eva", "--role", "admin", "--tenant", "acme")


class Cli:
    def __init__(self, database_url: str) -> None:
        self.environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9/", "MATRICULA_KEY": KEY}

    def __call__(self, *arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self.environment | environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)

    def token(self, *more: str) -> str:
        made = self("token", "create", "--operator", "eva", "--tenant", "acme", "--name", "laptop", *more)
        assert made.exit_code == Exit.OK, made.output
        return made.stdout.strip()


@pytest.fixture
def cli(database_url: str) -> Cli:
    return Cli(database_url)


def test_the_first_admin_is_made_on_the_machine_and_acts_with_a_token(cli: Cli) -> None:
    """Never by whoever comes first over the network; and the audit tells break-glass from a person's own right."""
    assert cli(*ADMIN).exit_code == Exit.OK
    token = cli.token("--days", "30")
    added = cli("operator", "add", "adam", "--role", "viewer", "--tenant", "acme", MATRICULA_API_TOKEN=token)

    assert added.exit_code == Exit.OK, added.output
    assert [(row["name"], row["role"], row["tokens"]) for row in cli.json("operator", "list")] == [
        ("adam", "viewer", 0),
        ("eva", "admin", 1),
    ]
    assert [(row["actor"], row["role"]) for row in cli.json("audit", "list", "--target", "operator/adam")] == [
        ("eva", "admin")
    ]
    assert cli.json("audit", "list", "--target", "operator/eva")[0]["role"] == "break-glass"


def test_a_token_is_shown_once_and_listed_without_its_secret(cli: Cli) -> None:
    """S4"""
    cli(*ADMIN)
    token = cli.token("--scope", "guards:guard:read")
    listed = cli("token", "list").output + json.dumps(cli.json("token", "list"))

    assert token.startswith("lms_")
    assert token not in listed
    assert token.split("_")[1] in listed
    assert cli.json("token", "list")[0]["scopes"] == ["guards:guard:read"]
    assert cli("token", "revoke", token.split("_")[1]).exit_code == Exit.OK
    assert cli("token", "list").exit_code == Exit.NOTHING
    assert cli("status", MATRICULA_API_TOKEN=token).exit_code == Exit.REFUSED


def test_a_role_that_does_not_exist_is_wrong_usage(cli: Cli) -> None:
    assert cli("operator", "add", "eva", "--role", "king", "--tenant", "acme").exit_code == Exit.USAGE
    assert cli("operator", "add", "e\x07va", "--role", "admin", "--tenant", "acme").exit_code == Exit.REFUSED
    assert cli("operator", "remove", "nobody", "--tenant", "acme", "--reason", "x").exit_code == Exit.NOTHING
    assert cli("operator", "remove", "nobody", "--tenant", "acme").exit_code == Exit.REFUSED


def test_scopes_are_listed_with_their_roles(cli: Cli) -> None:
    assert cli.json("token", "scopes") == {name: list(roles) for name, roles in PERMISSIONS.items()}
    assert "guards:guard:approve" in cli("token", "scopes").stdout


def test_an_entry_is_one_line_however_much_was_changed(cli: Cli) -> None:
    """A token of an admin has dozens of scopes; all of them are there for machines."""
    cli(*ADMIN)
    cli.token()
    [entry] = cli.json("audit", "list", "--action", "access:token:create")
    shown = cli("audit", "list", "--action", "access:token:create").stdout.splitlines()

    assert len(entry["after"]["scopes"]) > 40
    assert [line.split()[0] for line in shown] == ["entry", str(entry["audit_id"])]


def test_the_audit_is_proven_and_tampering_shows(cli: Cli, pool: Pool) -> None:
    """S19: `audit verify` ends with 1, and names whose chain it is."""
    cli(*ADMIN)
    cli.token()
    whole = cli("audit", "verify")
    [chain] = cli.json("audit", "verify")["chains"]
    with transaction(pool) as db:
        db.execute("update audit set reason = 'nothing happened' where number = 1")
    broken = cli("audit", "verify")

    assert whole.exit_code == Exit.OK, whole.output
    assert (chain["tenant"], chain["entries"], chain["broken_at"]) == ("acme", 2, None)
    assert broken.exit_code == Exit.ERROR
    assert "acme" in broken.stderr


def test_a_chain_that_was_cut_off_is_told_from_an_end_kept_elsewhere(cli: Cli, pool: Pool) -> None:
    """S19: whoever owns the database can cut off the end and make it fit, but not what somebody kept elsewhere."""
    cli(*ADMIN)
    cli.token()
    [end] = cli.json("audit", "verify")["chains"]
    head = f"acme:{end['entries']}:{end['head']}"
    assert cli("audit", "verify", "--head", head).exit_code == Exit.OK
    with transaction(pool) as db:
        db.execute("delete from audit where number = 2")
        db.execute("update audit_chain set number = 1, hash = (select hash from audit where number = 1)")

    assert cli("audit", "verify").exit_code == Exit.OK
    assert cli("audit", "verify", "--head", head).exit_code == Exit.ERROR
    assert cli("audit", "verify", "--head", "acme").exit_code == Exit.REFUSED


def test_the_audit_is_taken_out_line_by_line_and_that_is_on_record(cli: Cli) -> None:
    cli(*ADMIN)
    cli.token()
    lines = [json.loads(line) for line in cli("audit", "export", "--tenant", "acme").stdout.splitlines()]

    assert [line["number"] for line in lines] == [1, 2]
    assert cli.json("audit", "list")[0]["action"] == "audit:entry:export"
    assert cli("audit", "list", "--actor", "nobody").exit_code == Exit.NOTHING
    assert "access:token:create" in cli("audit", "list").stdout


def test_an_audit_that_is_empty_says_so(cli: Cli) -> None:
    assert cli("audit", "verify").exit_code == Exit.NOTHING
    assert cli("audit", "list").exit_code == Exit.NOTHING
