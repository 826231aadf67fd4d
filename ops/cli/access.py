"""`matricula operator` and `matricula token`: who may act through the API, and with what."""

from datetime import datetime, timedelta
from typing import Annotated, get_args

import typer

from db.access import operators, tokens
from db.pool import transaction
from domain.permissions import PERMISSIONS, Role
from ops import access
from ops.cli.output import Exit, out, printable, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened

operator = typer.Typer(no_args_is_help=True, help="Who may act for a client company through the API, in which role.")
token = typer.Typer(no_args_is_help=True, help="The tokens that operators act with; each is shown once.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Of = Annotated[str, typer.Option("--tenant", help="The client company.")]
Name = Annotated[str, typer.Argument(help="The operator's name.")]
Chosen = Annotated[str, typer.Option("--role", help=f"One of {', '.join(get_args(Role))}.")]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", help="A permission; may be given again. All of the role's without it.")
]


@operator.command("add")
def add(
    name: Name, role: Chosen, tenant: Of, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Let somebody act for a client company; said again, it changes the role."""
    known = next((one for one in get_args(Role) if one == role), None)
    if known is None:
        raise typer.BadParameter(f"a role is one of {', '.join(get_args(Role))}", param_hint="--role")
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        new = access.add_operator(pool, tenant, name, known, by=by)
    if as_json:
        show_json({"tenant": tenant, "name": name, "role": role, "new": new})
    else:
        out.print(printable(f"{name} {'may act' if new else 'acts'} for {tenant} as {role}"))


@operator.command("list")
def list_operators(tenant: Tenant = None, as_json: Json = False) -> None:
    """List who may act, in which role, with how many tokens."""
    with told(), opened("access:operator:read") as (_, pool), transaction(pool) as db:
        found = operators(db, tenant)
    if as_json:
        show_json(found)
    else:
        rows = [(o.tenant, o.name, o.role, f"{o.added_at:%F}", o.tokens) for o in found]
        show_table(("tenant", "operator", "role", "since", "tokens"), rows)
    if not found:
        raise typer.Exit(Exit.NOTHING)


@operator.command("remove")
def remove(name: Name, tenant: Of, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Let somebody do nothing any more; every token of theirs is of no use from now on."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        access.remove_operator(pool, tenant, name, by=by)
    if as_json:
        show_json({"tenant": tenant, "name": name, "removed": True})
    else:
        out.print(printable(f"{name} may do nothing any more for {tenant}"))


@token.command("create")
def create(
    operator_name: Annotated[str, typer.Option("--operator", help="Whose it is.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    tenant: Of,
    scope: Scopes = None,
    days: Annotated[int, typer.Option(min=1, max=access.LONGEST.days, help="How long it lasts.")] = 90,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a token, and print it: this is the only time that it is shown."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        made = access.create_token(pool, tenant, operator_name, name, scope or [], timedelta(days=days), by=by)
    shown = "" if dry_run else made.token.reveal()
    if as_json:
        show_json({"token_id": made.token_id, "token": shown, "expires_at": made.expires_at})
    else:
        out.print(shown or "it would be made; this was a dry run")


@token.command("list")
def list_tokens(
    tenant: Tenant = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are revoked or have expired.")] = False,
    as_json: Json = False,
) -> None:
    """List tokens, the newest first; what they are is known to their holders only."""
    with told(), opened("access:token:read") as (_, pool), transaction(pool) as db:
        found = tokens(db, tenant, used_up=all_)
    if as_json:
        show_json(found)
    else:
        show_table(
            ("token", "tenant", "operator", "for", "expires", "last used", "revoked", "scopes"),
            [
                (
                    t.token_id,
                    t.tenant,
                    t.operator,
                    t.name,
                    _day(t.expires_at),
                    _day(t.last_used_at),
                    _day(t.revoked_at),
                    len(t.scopes),
                )
                for t in found
            ],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)


@token.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="Its id: what stands behind lms_.")],
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make a token useless."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        changed = access.revoke_token(pool, token_id, tenant, by=by)
    if as_json:
        show_json({"token_id": token_id, "changed": changed})
    else:
        out.print(f"{token_id} is {'of no use any more' if changed else 'revoked or unused already'}")


@token.command("scopes")
def scopes(as_json: Json = False) -> None:
    """List what tokens can be for, and which roles have it."""
    if as_json:
        show_json(PERMISSIONS)
    else:
        show_table(("scope", "roles"), [(name, ", ".join(roles)) for name, roles in PERMISSIONS.items()])


def _day(instant: datetime | None) -> str:
    return f"{instant:%F}" if instant else ""
