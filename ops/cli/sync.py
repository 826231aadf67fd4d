"""`matricula integration sync|syncs|courses`: reading everything again, and what is known of the courses."""

from typing import Annotated

import typer

from domain.failure_catalogue import describe
from domain.syncing import FLOWS, Flow
from ops import actions, syncing
from ops.cli import runs
from ops.cli.integration import READ
from ops.cli.output import Exit, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Name = Annotated[str, typer.Argument(help="The integration's name.")]


def sync(
    name: Name,
    flow: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(FLOWS)}; may be given again. All without it.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show progress until every run is over.")] = False,
    enrolments: Annotated[bool, typer.Option("--enrolments", help="Write every enrolment again, too.")] = False,
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Compare everything with the LMS now; joins a run that is under way."""
    flows = _flows(flow or [])
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        row = actions.find_integration(pool, name, tenant)
        asked = syncing.sync_now(pool, row, flows, by=by, enrolments=enrolments)
        runs.follow(pool, [(row, asked)], wait=wait, as_json=as_json)


def syncs(
    name: Name,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")] = 20,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the runs over everything, the newest first, with what came of them."""
    with told(), opened(READ) as (_, pool):
        found = syncing.runs_of(pool, actions.find_integration(pool, name, tenant), most=most)
    if as_json:
        show_json([syncing.public_run(run) for run in found])
    else:
        runs.show(found)
    if not found:
        raise typer.Exit(Exit.NOTHING)


def courses(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """List the courses of the LMS as HR knows them."""
    with told(), opened(READ) as (_, pool):
        lines = syncing.courses_of(pool, actions.find_integration(pool, name, tenant))
    if as_json:
        show_json(lines)
    else:
        show_table(
            ("code", "title", "category", "active", "starts", "completion", "problem"),
            [
                (
                    line.code,
                    line.title,
                    line.category,
                    "gone" if line.gone else _yes(line.active),
                    line.starts_on,
                    "" if line.tracks_completion is None else _yes(line.tracks_completion),
                    describe(line.problem).title if line.problem else "",
                )
                for line in lines
            ],
        )
    if not lines:
        raise typer.Exit(Exit.NOTHING)


def register(app: typer.Typer) -> None:
    """The commands of this module belong to `app`."""
    for command in (sync, syncs, courses):
        app.command()(command)


def _flows(chosen: list[str]) -> list[Flow]:
    known = [flow for flow in FLOWS if flow in chosen]
    unknown = set(chosen) - set(known)
    if unknown:
        raise typer.BadParameter(f"a flow is one of {', '.join(FLOWS)}", param_hint="--flow")
    return known


def _yes(value: bool) -> str:
    return "yes" if value else "no"
