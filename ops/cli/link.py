"""`matricula link`: who is which user of an LMS, and saying so by hand."""

from typing import Annotated

import typer

from db.links import links
from db.pool import transaction
from ops.actions import find_integration
from ops.cli.output import Exit, out, printable, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.links import set_link, unset_link

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Person = Annotated[str, typer.Argument(help="HR's key of the person.")]
Integration = Annotated[str, typer.Option("--integration", help="The integration's name.")]


@app.command("list")
def list_(
    tenant: Tenant = None,
    integration: Annotated[str | None, typer.Option(help="Only this integration.")] = None,
    person: Annotated[str | None, typer.Option(help="Only this employee key.")] = None,
    linked: Annotated[
        bool, typer.Option("--linked", help="The links that are there, instead of what is unclear.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List people whose account in the LMS is unclear, with the candidates; or the links that are there."""
    with told(), opened("people:person:read") as (_, pool), transaction(pool) as db:
        found = links(db, tenant=tenant, integration=integration, employee_key=person, linked=linked)
    if as_json:
        show_json(found)
    elif linked:
        show_table(
            ("employee", "integration", "LMS user", "how", "since"),
            [
                (r.employee_key, r.integration, r.lms_user_id, r.link, r.linked_at and f"{r.linked_at:%F}")
                for r in found
            ],
        )
    else:
        show_table(
            ("employee", "integration", "code", "candidates"),
            [(r.employee_key, r.integration, r.code, r.detail) for r in found],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command("set")
def set_(
    person: Person,
    lms_user_id: Annotated[str, typer.Argument(help="The user's id in the LMS.")],
    integration: Integration,
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say that PERSON is this LMS user; it must exist, be nobody else's, and not be protected."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        row = find_integration(pool, integration, tenant)
        set_link(pool, settings, row, person, lms_user_id, by=by)
    _said(f"{person} is LMS user {lms_user_id} of {integration}", person, lms_user_id, as_json=as_json)


@app.command()
def unset(
    person: Person,
    integration: Integration,
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say that PERSON is not the LMS user linked now; the user itself is left alone."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        row = find_integration(pool, integration, tenant)
        was = unset_link(pool, row, person, by=by)
    _said(f"{person} is not LMS user {was} of {integration} any more", person, None, as_json=as_json)


def _said(sentence: str, person: str, lms_user_id: str | None, *, as_json: bool) -> None:
    if as_json:
        show_json({"employee_key": person, "lms_user_id": lms_user_id})
    else:
        out.print(printable(sentence))
