"""The `matricula` command."""

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from db.pool import Pool
from ops import actions
from ops.cli import (
    access,
    audit,
    doctor,
    drift,
    enrolments,
    failures,
    fields,
    guard,
    integration,
    keys,
    life,
    link,
    metrics,
    notices,
    people,
    person,
    plan,
    replay,
    report,
    results,
    setup,
    status,
    sync,
    versions,
)
from ops.cli.output import Exit, err, fail, out, printable, show_json, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.operators import Operator
from runtime.logs import configure_logs
from runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(integration.app, name="integration")
app.add_typer(people.app, name="person")
app.add_typer(link.app, name="link")
app.add_typer(guard.app, name="guard")
app.add_typer(failures.app, name="failures")
app.add_typer(replay.app, name="replay")
app.add_typer(enrolments.app, name="enrolments")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(access.operator, name="operator")
app.add_typer(access.token, name="token")
app.add_typer(drift.app, name="drift")
app.add_typer(results.app, name="results")
app.command()(doctor.doctor)
app.command()(plan.plan)
app.command()(person.why)
app.command()(person.timeline)
app.command()(person.override)
app.command("metrics")(metrics.show_metrics)
app.command("notices")(notices.list_notices)
app.command()(person.available)
app.command()(report.report)
setup.register(integration.app)
life.register(integration.app)
versions.register(integration.app)
integration.app.add_typer(fields.app, name="fields")
sync.register(integration.app)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]


def main() -> None:
    """Entry point."""
    configure_logs("cli", level="ERROR")
    app()


@app.command()
def init() -> None:
    """Make database and broker ready; harmless when they are."""
    with told(), acting() as (settings, pool, by):
        made = actions.initialise(settings, pool, by=by)
    out.print("database and broker are ready" if made else "database and broker were ready")


@app.command()
def publish(
    file: Annotated[str, typer.Argument(help="JSON Lines, one CloudEvent each; - is standard input.")],
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send the events of FILE to the broker; bad lines are named, good ones go out."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        done = _published(file, settings, pool, by, quiet=as_json)
    lost = sum(done.unconfirmed.values())
    if as_json:
        show_json(done)
    else:
        for line in done.bad_lines:
            where = f"{line.field}: " if line.field else ""
            err.print(f"[red]line {line.number}:[/] {printable(where + line.problem)}")
        what = "would be sent" if dry_run else "confirmed"
        out.print(f"{done.confirmed} events {what}, {len(done.bad_lines)} bad lines, {lost} not confirmed")
    if lost:
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in done.unconfirmed.items())
        raise fail(
            f"{outcomes}: {done.problem or 'the broker did not take them'}. Publish the file again; nothing is doubled",
            Exit.PARTLY if done.confirmed else Exit.ERROR,
        )
    if done.bad_lines:
        raise typer.Exit(Exit.PARTLY if done.confirmed else Exit.ERROR)
    if not done.confirmed:
        raise typer.Exit(Exit.NOTHING)


def _published(file: str, settings: Settings, pool: Pool, by: Operator, *, quiet: bool) -> actions.Published:
    columns = (SpinnerColumn(), TextColumn("publishing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal, transient=True) as progress:
        task = progress.add_task("publishing", total=None)
        return actions.publish_feed(
            file, settings, pool, by=by, on_line=lambda number: progress.update(task, completed=number)
        )


@app.command("status")
def show_status(tenant: Tenant = None, as_json: Json = False) -> None:
    """Is it working, and if not, what do I do?"""
    with told(), opened("ops:status:read") as (_, pool):
        status.show(pool, tenant, as_json=as_json)


if __name__ == "__main__":
    main()
