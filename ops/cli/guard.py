"""`matricula guard`: more suspensions at once than pass unasked; look, then decide."""

from typing import Annotated

import typer

from db.guards import guards
from db.pool import transaction
from domain.guard import GuardState
from ops.cli.output import Exit, out, printable, show_json, show_table, told
from ops.cli.session import Acting, DryRun, Reason, acting, opened
from ops.guards import decide_guard, find_guard, people_of

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Number = Annotated[int, typer.Argument(help="The guard's number, as `guard list` shows it.")]

SENTENCES: dict[GuardState, str] = {
    "approved": "people will be suspended",
    "rejected": "people stay active until HR says something new",
    "undone": "people will be active again",
}


@app.command("list")
def list_(
    tenant: Tenant = None,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    as_json: Json = False,
) -> None:
    """List guards that wait for a decision."""
    with told(), opened("guards:guard:read") as (_, pool), transaction(pool) as db:
        found = guards(db, tenant, open_only=not all_)
    if as_json:
        show_json(found)
    else:
        show_table(
            ("guard", "integration", "payroll", "state", "people", "counted", "limit", "since"),
            [
                (g.guard_id, g.integration, g.payroll, g.state, g.people, g.counted, g.limit, f"{g.opened_at:%F %H:%M}")
                for g in found
            ],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def show(number: Number, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show whom a guard is about, and what was decided."""
    with told(), opened("guards:guard:read") as (_, pool):
        guard = find_guard(pool, number, tenant)
        people = people_of(pool, guard)
    if as_json:
        show_json({"guard": guard, "people": [{"employee_key": key, "lms_user_id": user} for key, user in people]})
        return
    decided = f", {guard.state} by {guard.decided_by}: {guard.reason}" if guard.decided_at else ""
    sentence = (
        f"Guard {guard.guard_id} of {guard.integration}, payroll {guard.payroll or '(none)'}:"
        f" {guard.counted} suspensions where {guard.limit} pass unasked{decided}"
    )
    out.print(printable(sentence))
    show_table(("employee", "LMS user"), people)


@app.command()
def approve(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Let exactly these suspensions go on."""
    _decide("approved", number, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


@app.command()
def reject(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Keep these people active until HR says something new about them."""
    _decide("rejected", number, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


@app.command()
def undo(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Make active again whom an approved guard suspended."""
    _decide("undone", number, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


def _decide(state: GuardState, number: int, tenant: str | None, session: Acting, *, as_json: bool) -> None:
    with told(), session as (_, pool, by):
        concerned = decide_guard(pool, find_guard(pool, number, tenant), state, by=by)
    if as_json:
        show_json({"guard_id": number, "state": state, "people": concerned})
    else:
        out.print(f"{concerned} {SENTENCES[state]}")
