"""`matricula integration sync|syncs|courses`: reading everything again, and what is known of the courses."""

import time
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from db.configuration import IntegrationRow
from db.pool import Pool
from db.sync_runs import Asked, RunRow
from domain.failure_catalogue import describe
from domain.syncing import FLOWS, Flow
from ops import actions, syncing
from ops.cli.integration import READ
from ops.cli.output import Exit, err, out, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened

LOOK_EVERY_S = 0.5

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
        if not as_json:
            for one in asked:
                what = "a run is under way already" if one.joined else "begun"
                out.print(f"{one.flow}: {what} (run {one.run_id})")
        runs = _waited(pool, row, asked, quiet=as_json) if wait else _ordered(pool, row, asked)
    if as_json:
        joined = {one.run_id: one.joined for one in asked}
        show_json([_public(run) | {"joined": joined[run.run_id]} for run in runs])
    elif wait:
        _show(runs)
    raise typer.Exit(_exit(runs))


def syncs(
    name: Name,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")] = 20,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the runs over everything, the newest first, with what came of them."""
    with told(), opened(READ) as (_, pool):
        runs = syncing.runs_of(pool, actions.find_integration(pool, name, tenant), most=most)
    if as_json:
        show_json([_public(run) for run in runs])
    else:
        _show(runs)
    if not runs:
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


def _waited(pool: Pool, row: IntegrationRow, asked: list[Asked], *, quiet: bool) -> list[RunRow]:
    """The runs once all of them are over."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    silent = quiet or not err.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=err, disable=silent, transient=True) as progress:
        bars = {one.run_id: progress.add_task(one.flow, total=None) for one in asked}
        while True:
            runs = _ordered(pool, row, asked)
            for run in runs:
                waits = f", waits: {describe(run.code).title}" if run.code and run.done_at is None else ""
                seen = sum(run.counts.values())
                progress.update(bars[run.run_id], completed=seen, total=run.expected, description=run.flow + waits)
            if all(run.done_at for run in runs):
                return runs
            time.sleep(LOOK_EVERY_S)


def _ordered(pool: Pool, row: IntegrationRow, asked: list[Asked]) -> list[RunRow]:
    return sorted(syncing.runs_of(pool, row, [one.run_id for one in asked]), key=lambda run: FLOWS.index(run.flow))


def _exit(runs: list[RunRow]) -> Exit:
    if any(run.state == "failed" for run in runs):
        return Exit.ERROR
    return Exit.PARTLY if any(run.failed for run in runs) else Exit.OK


def _show(runs: list[RunRow]) -> None:
    counts = ("created", "updated", "skipped", "failed", "calls", "reasons")
    show_table(
        ("run", "flow", "state", "asked by", "started", "took", *counts),
        [
            (
                run.run_id,
                run.flow,
                run.state,
                run.asked_by,
                f"{run.started_at:%Y-%m-%d %H:%M:%S}",
                f"{run.took.total_seconds():.1f} s",
                *run.counts.values(),
                run.calls,
                ", ".join(_reasons(run)),
            )
            for run in runs
        ],
    )


def _reasons(run: RunRow) -> list[str]:
    why = [describe(run.code).title] if run.code else []
    return why + [f"{times} {reason}" for reason, times in sorted(run.reasons.items())]


def _public(run: RunRow) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "integration": run.integration,
        "tenant": run.tenant,
        "flow": run.flow,
        "state": run.state,
        "asked_by": run.asked_by,
        "enrolments": run.enrolments,
        "expected": run.expected,
        "counts": run.counts,
        "reasons": run.reasons,
        "calls": run.calls,
        "code": run.code,
        "started_at": run.started_at,
        "done_at": run.done_at,
        "took_s": round(run.took.total_seconds(), 3),
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"
