"""`matricula integration`: from a settings file to a working link with an LMS."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from db.configuration import IntegrationRow, integrations
from db.pool import transaction
from domain.integration import IntegrationSettings
from ops import actions
from ops.actions import Check, NotReady, Refused
from ops.cli.output import Exit, fail, out, show_json, show_table, told
from ops.cli.session import opened
from runtime.secrets import Secret

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
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
    as_json: Json = False,
) -> None:
    """Save an integration as a draft. Token and password are read from files or the environment, never arguments."""
    with told(), opened() as (settings, pool):
        wanted = IntegrationSettings.model_validate(_object(file))
        password = os.environ.get("MATRICULA_PASSWORD")
        integration_id = actions.add_integration(
            pool, settings, tenant, wanted, _token(token_file), Secret(password) if password else None
        )
        if enable:
            _enable(settings, pool, actions.find_integration(pool, wanted.name, tenant))
    _said(
        f"{wanted.name} is {'enabled' if enable else 'saved as a draft'}", {"integration_id": integration_id}, as_json
    )


@app.command("list")
def list_(tenant: Tenant = None, as_json: Json = False) -> None:
    """List integrations and how they stand."""
    with told(), opened() as (_, pool), transaction(pool) as db:
        found = integrations(db, tenant)
    if as_json:
        show_json([_public(row) for row in found])
    else:
        show_table(
            ("integration", "tenant", "state", "address", "why held"),
            [(row.name, row.tenant, row.state, row.url, row.hold_code) for row in found],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def show(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show one integration's settings; the token never."""
    with told(), opened() as (_, pool):
        row = actions.find_integration(pool, name, tenant)
    if as_json:
        show_json(_public(row))
        return
    show_table(("", row.name), [(key, value) for key, value in _public(row).items() if key not in ("name", "settings")])
    out.print_json(json.dumps(row.settings))


@app.command()
def test(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Check that the LMS is there and lets us work; only harmless calls are made."""
    with told(), opened() as (settings, pool):
        checks = actions.check_integration(settings, actions.find_integration(pool, name, tenant))
    _show_checks(checks, as_json=as_json)
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(Exit.ERROR)


@app.command()
def enable(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Test the integration and, if all is well, let it work."""
    with told(), opened() as (settings, pool):
        _enable(settings, pool, actions.find_integration(pool, name, tenant))
    _said(f"{name} is enabled", {"state": "active"}, as_json)


@app.command()
def pause(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Stop calling the LMS; what arrives meanwhile waits and is done after `enable`."""
    with told(), opened() as (_, pool):
        actions.pause(pool, actions.find_integration(pool, name, tenant))
    _said(f"{name} is paused", {"state": "paused"}, as_json)


@app.command("set-token")
def set_token(name: Name, token_file: TokenFile = None, tenant: Tenant = None, as_json: Json = False) -> None:
    """Replace the LMS token."""
    with told(), opened() as (settings, pool):
        actions.replace_token(pool, settings, actions.find_integration(pool, name, tenant), _token(token_file))
    _said(f"{name} has a new token", {"token": "replaced"}, as_json)


def _enable(settings: object, pool: object, row: IntegrationRow) -> None:
    try:
        actions.enable(pool, settings, row)  # type: ignore[arg-type]
    except NotReady as problem:
        _show_checks(problem.checks, as_json=False)
        raise


def _show_checks(checks: list[Check], *, as_json: bool) -> None:
    if as_json:
        show_json(checks)
        return
    show_table(("check", "state", "detail"), [(c.name, c.state, c.detail) for c in checks])


def _public(row: IntegrationRow) -> dict[str, object]:
    return {
        "integration_id": row.integration_id,
        "tenant": row.tenant,
        "name": row.name,
        "url": row.url,
        "state": row.state,
        "hold_code": row.hold_code,
        "hold_detail": row.hold_detail,
        "held_since": row.held_since,
        "settings_version": row.settings_version,
        "settings": row.settings,
    }


def _object(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise fail(f"{file} is not JSON: {error}", Exit.USAGE) from None


def _token(file: Path | None) -> Secret:
    token = file.read_text(encoding="utf-8").strip() if file else os.environ.get("MATRICULA_TOKEN", "").strip()
    if not token:
        raise Refused("no token: set MATRICULA_TOKEN, or name a file with --token-file")
    return Secret(token)


def _said(sentence: str, value: dict[str, object], as_json: bool) -> None:
    if as_json:
        show_json(value)
    else:
        out.print(sentence)
