"""`matricula integration`: from a settings file to a working link with an LMS."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from db.configuration import IntegrationRow, integrations
from db.pool import Pool, transaction
from domain.checks import Check, asked, gaps
from domain.failure_catalogue import describe
from domain.integration import IntegrationSettings
from domain.support import Support
from ops import actions, life, selfcheck
from ops.actions import NotReady, Refused
from ops.cli.output import Exit, fail, out, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.operators import Operator
from runtime.secrets import Secret
from runtime.settings import Settings

READ = "integrations:integration:read"

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Yes = Annotated[bool, typer.Option("--yes", help="Confirm the monthly cost without being asked.")]
Name = Annotated[str, typer.Argument(help="The integration's name.")]
TokenFile = Annotated[
    Path | None, typer.Option(help="File that holds the LMS token; without it MATRICULA_TOKEN is read.")
]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The settings as a JSON object; see docs/integration.md.")],
    tenant: Annotated[str, typer.Option(help="The client company it belongs to.")],
    token_file: TokenFile = None,
    enable: Annotated[bool, typer.Option("--enable", help="Test it, and let it work at once.")] = False,
    yes: Yes = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Save an integration as a draft. Token and password are read from files or the environment, never arguments."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        wanted = IntegrationSettings.model_validate(settings_object(file))
        password = os.environ.get("MATRICULA_PASSWORD")
        integration_id = actions.add_integration(
            pool, settings, tenant, wanted, token_from(token_file), Secret(password) if password else None, by=by
        )
        ended: dict[str, object] = {"state": "draft"}
        if enable and not dry_run:
            row = actions.find_integration(pool, wanted.name, tenant)
            ended = enabled(settings, pool, by, row, yes=yes, as_json=as_json)
    what = "would be saved as a draft" if dry_run else "is enabled" if enable else "is saved as a draft"
    sentence = f"{wanted.name} {what}. {ended.get('mail', '')}".rstrip()
    said(sentence, {"integration_id": integration_id, **ended}, as_json)


@app.command("list")
def list_(
    tenant: Tenant = None,
    removed: Annotated[bool, typer.Option("--removed", help="Those that were removed too.")] = False,
    as_json: Json = False,
) -> None:
    """List integrations and how they stand."""
    with told(), opened(READ) as (_, pool), transaction(pool) as db:
        found = integrations(db, tenant, removed=removed)
    if as_json:
        show_json([actions.public(row) for row in found])
    else:
        show_table(
            ("integration", "tenant", "state", "address", "why held"),
            [(row.name, row.tenant, row.state, row.url, row.hold_code) for row in found],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def test(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Check that the LMS is there and lets us work; only harmless calls are made."""
    with told(), acting() as (settings, pool, by):
        row = actions.find_integration(pool, name, tenant)
        checks = selfcheck.check(pool, settings, row, by=by).checks
    show_checks(checks, IntegrationSettings.model_validate(row.settings).support, as_json=as_json)
    if gaps(checks):
        raise typer.Exit(Exit.ERROR)


@app.command("set-token")
def set_token(
    name: Name,
    token_file: TokenFile = None,
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replace the LMS token."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        row = actions.find_integration(pool, name, tenant)
        actions.replace_token(pool, settings, row, token_from(token_file), by=by)
    said(f"{name} has a new token", {"token": "replaced"}, as_json)


@app.command("set-webhook-secret")
def set_webhook_secret(
    name: Name,
    secret_file: Annotated[
        Path | None, typer.Option(help="File that holds the secret; without it MATRICULA_WEBHOOK_SECRET is read.")
    ] = None,
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Replace the secret that signs notices."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        row = actions.find_integration(pool, name, tenant)
        secret = secret_from(secret_file, "MATRICULA_WEBHOOK_SECRET")
        actions.replace_webhook_secret(pool, settings, row, secret, by=by)
    said(f"notices of {name} are signed with a new secret", {"webhook_secret": "replaced"}, as_json)


def enabled(
    settings: Settings, pool: Pool, by: Operator, row: IntegrationRow, *, yes: bool, as_json: bool
) -> dict[str, object]:
    """The integration works, after its cost was confirmed; the gaps are shown when it cannot."""
    chosen = IntegrationSettings.model_validate(row.settings)
    if row.state not in ("active", "quarantined"):
        _confirm_cost(chosen, yes=yes)
    try:
        done, mail = life.begin(pool, settings, row, by=by, cost_confirmed=True)
    except NotReady as problem:
        show_checks(problem.checks, chosen.support, as_json=as_json)
        raise
    if not as_json:
        show_checks([check for check in done.checks if check.state == "warning"], chosen.support, as_json=False)
    return {"state": "active", "was": done.was or "active", "mail": mail}


def _confirm_cost(chosen: IntegrationSettings, *, yes: bool) -> None:
    """Whoever enables is told what it costs a month, and says yes to it (R177)."""
    if not chosen.monthly_cost or yes:
        return
    warning = f"{chosen.name} costs {chosen.monthly_cost} a month from now on."
    if not sys.stdin.isatty():
        raise Refused(f"{warning} Add --yes to confirm it")
    if not typer.confirm(f"{warning} Enable it?", err=True):
        raise Refused("not enabled")


def show_checks(checks: list[Check], support: Support, *, as_json: bool) -> None:
    """One line a fact; a red one says what it costs, whose it is, whom to ask and where to click."""
    if as_json:
        show_json(checks)
    elif checks:
        told = [asked(check, support.chain(describe(check.code).owner)) if check.code else check for check in checks]
        show_table(
            ("check", "state", "detail", "what it costs", "owner", "where"),
            [(c.name, c.state, c.detail, c.consequence, c.owner, c.where) for c in told],
        )


def settings_object(file: Path) -> object:
    """The JSON of a settings file."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise fail(f"{file} is not JSON: {error}", Exit.USAGE) from None


def token_from(file: Path | None) -> Secret:
    return secret_from(file, "MATRICULA_TOKEN")


def secret_from(file: Path | None, variable: str) -> Secret:
    """What a file holds or, without one, the environment."""
    secret = file.read_text(encoding="utf-8").strip() if file else os.environ.get(variable, "").strip()
    if not secret:
        what = variable.removeprefix("MATRICULA_").lower().replace("_", " ")
        raise Refused(f"no {what}: set {variable}, or name a file with --{what.split()[-1]}-file")
    return Secret(secret)


def said(sentence: str, value: dict[str, object], as_json: bool) -> None:
    """What was done, in a sentence or as a value."""
    if as_json:
        show_json(value)
    else:
        out.print(sentence)
