"""Runs over everything as the command line shows them: begun or joined, under way, and what came of them."""

import time
from collections.abc import Sequence

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from db.configuration import IntegrationRow
from db.pool import Pool
from db.sync_runs import Asked, RunRow
from domain.failure_catalogue import describe
from domain.syncing import READINGS
from ops import syncing
from ops.cli.output import Exit, err, out, printable, show_json, show_table

LOOK_EVERY_S = 0.5

AskedOf = Sequence[tuple[IntegrationRow, Sequence[Asked]]]


def follow(pool: Pool, asked: AskedOf, *, wait: bool, as_json: bool) -> None:
    """
    Say what was begun or joined and, when waiting, what came of it.

    Raises:
        typer.Exit: Always, with the worst of what came of the runs so far.
    """
    if not as_json:
        for row, some in asked:
            for one in some:
                name = f"{row.name}: " if len(asked) > 1 else ""
                what = "a run is under way already" if one.joined else "begun"
                out.print(printable(f"{name}{one.flow}: {what} (run {one.run_id})"))
    runs = _waited(pool, asked, quiet=as_json) if wait else _ordered(pool, asked)
    if as_json:
        joined = {one.run_id: one.joined for _, some in asked for one in some}
        show_json([syncing.public_run(run) | {"joined": joined[run.run_id]} for run in runs])
    elif wait:
        show(runs)
    raise typer.Exit(_exit(runs))


def _waited(pool: Pool, asked: AskedOf, *, quiet: bool) -> list[RunRow]:
    """The runs once all of them are over."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    silent = quiet or not err.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=err, disable=silent, transient=True) as progress:
        bars = {one.run_id: progress.add_task(one.flow, total=None) for _, some in asked for one in some}
        while True:
            runs = _ordered(pool, asked)
            for run in runs:
                waits = f", waits: {describe(run.code).title}" if run.code and run.done_at is None else ""
                seen = sum(run.counts.values())
                progress.update(bars[run.run_id], completed=seen, total=run.expected, description=run.flow + waits)
            if all(run.done_at for run in runs):
                return runs
            time.sleep(LOOK_EVERY_S)


def _ordered(pool: Pool, asked: AskedOf) -> list[RunRow]:
    return [
        run
        for row, some in asked
        for run in sorted(
            syncing.runs_of(pool, row, [one.run_id for one in some]), key=lambda run: READINGS.index(run.flow)
        )
    ]


def _exit(runs: Sequence[RunRow]) -> Exit:
    if any(run.state == "failed" for run in runs):
        return Exit.ERROR
    return Exit.PARTLY if any(run.failed for run in runs) else Exit.OK


def show(runs: Sequence[RunRow]) -> None:
    """A table, one line a run."""
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
