"""`matricula drift`: what somebody changed at the LMS; look for it, list it, and decide."""

import json
from typing import Annotated, Any

import typer

from db.findings import FindingRow
from domain.drift import ADVICE, KINDS
from ops import actions, drift
from ops.cli import runs
from ops.cli.output import Exit, err, out, printable, show_json, show_table, told
from ops.cli.session import Acting, DryRun, Reason, acting
from ops.drift import Decision

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Name = Annotated[str | None, typer.Option("--integration", help="Only this integration.")]
Numbers = Annotated[list[int], typer.Argument(help="The findings' numbers, as `drift list` shows them.")]


@app.command()
def scan(
    integration: Name = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until every run is over.")] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Compare linked people and their enrolments with the LMS now; joins a run that is under way."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        if integration is None:
            rows = drift.scannable(pool, tenant)
        else:
            rows = [actions.find_integration(pool, integration, tenant)]
        asked = [(row, drift.scan_now(pool, row, by=by)) for row in rows]
        runs.follow(pool, asked, wait=wait, as_json=as_json)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option(help=f"Only one of {', '.join(KINDS)}.")] = None,
    integration: Name = None,
    person: Annotated[str | None, typer.Option(help="Only this employee key.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Also what was accepted, or is being put back.")] = False,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Show at most so many.")] = 1000,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List what was changed, is missing, unknown or claimed twice at the LMS and waits for a decision."""
    chosen = next((one for one in KINDS if one == kind), None)
    if kind and chosen is None:
        raise typer.BadParameter(f"a kind is one of {', '.join(KINDS)}", param_hint="--kind")
    wanted = {"integration": integration, "employee_key": person, "kind": chosen, "open_only": not all_, "most": most}
    with told(), acting() as (_, pool, by):
        found = drift.listed(pool, tenant, by=by, **wanted)
    if as_json:
        show_json(found)
    else:
        _show(found)
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def accept(
    numbers: Numbers, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Leave it as the LMS holds it until HR says something new about it."""
    _decide("accepted", numbers, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


@app.command("put-back")
def put_back(
    numbers: Numbers, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Have HR's word written again; a user or an enrolment that is missing is made again."""
    _decide("put_back", numbers, tenant, acting(reason, dry_run=dry_run), as_json=as_json)


def _decide(decision: Decision, numbers: list[int], tenant: str | None, session: Acting, *, as_json: bool) -> None:
    with told(), session as (_, pool, by):
        decisions = drift.decide(pool, numbers, decision, by=by, tenant=tenant)
    if as_json:
        show_json({"state": decision, "done": decisions.done, "refused": decisions.refused})
    else:
        for number, problem in decisions.refused.items():
            err.print(f"[bold red]matricula:[/] {printable(f'{number}: {problem}')}")
        out.print(f"{len(decisions.done)} {'accepted' if decision == 'accepted' else 'will be put back'}")
    if decisions.refused:
        raise typer.Exit(Exit.PARTLY if decisions.done else Exit.REFUSED)


def _show(found: list[FindingRow]) -> None:
    whose = ("finding", "integration", "kind", "employee", "LMS user", "course")
    show_table(
        (*whose, "field", "written", "at the LMS", "state", "since"),
        [
            (
                one.finding_id,
                one.integration,
                one.kind,
                one.employee_key,
                one.lms_user_id,
                one.lms_course_id,
                one.field.removeprefix("enrolment."),
                _text(one.ours),
                _text(one.held),
                one.state,
                f"{one.first_seen_at:%F %H:%M}",
            )
            for one in found
        ],
    )
    if found:
        out.print()
    for kind in KINDS:
        if any(one.kind == kind for one in found):
            out.print(f"{kind}: {ADVICE[kind]}")


def _text(value: Any) -> str:
    """A JSON value as people read it."""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items() if part)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)
