"""`matricula enrolments`: where enrolments stand, when they are exported, and having one provisioned anew."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

import typer

from db.enrolments import Chosen, EnrolmentLine, EnrolmentViews
from db.pool import Pool, transaction
from domain.failure_catalogue import describe
from ops import enrolments
from ops.actions import NotFound, Refused, find_integration
from ops.cli.output import Exit, fail, out, printable, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.enrolments import Export, SetExport

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Course = Annotated[str | None, typer.Option(help="Only this course, by HR's code.")]
Integration = Annotated[str | None, typer.Option(help="Only in this integration.")]
Key = Annotated[str, typer.Argument(help="HR's key of the enrolment.")]


@app.command("list")
def list_(
    tenant: Tenant = None,
    course: Course = None,
    person: Annotated[str | None, typer.Option(help="Only this employee key.")] = None,
    integration: Integration = None,
    state: Annotated[str | None, typer.Option(help="Only these: due, settled, parked or not_wanted.")] = None,
    most: Annotated[int, typer.Option(min=1, max=enrolments.MOST, help="Show at most so many.")] = 200,
    as_json: Json = False,
) -> None:
    """List enrolments with box and day of their export, and where they stand."""
    with told(), opened("enrolments:enrolment:read") as (_, pool), transaction(pool) as db:
        found = EnrolmentViews(db, tenant).lines(Chosen(course, person, integration, state), most)
    if as_json:
        show_json(found)
    else:
        _show_lines(found)
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def show(key: Key, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show one enrolment: export settings, every condition, each provisioning, and the results fetched."""
    with told(), opened("enrolments:enrolment:read") as (_, pool):
        found = enrolments.show(pool, enrolments.find_line(pool, key, tenant))
    if as_json:
        show_json(found)
        return
    _show_lines(found.lines)
    for one in found.explanations:
        out.print(f"\n[bold]{printable(one.integration)}[/]: {printable(one.verdict)}")
        show_table(("condition", "", "value"), [(c.name, c.mood, c.value) for c in one.conditions])
    if found.contacts:
        show_table(
            ("contact log", "integration", "text", "deleted"),
            [
                (
                    f"{c.at:%F %H:%M}",
                    c.integration,
                    c.text,
                    c.deleted_at and f"{c.deleted_at:%F %H:%M} by {c.deleted_by}: {c.reason}",
                )
                for c in found.contacts
            ],
        )
    if found.results:
        show_table(
            ("unit", "outcome", "completed", "fetched", "integration"),
            [
                (
                    r.unit_code,
                    r.outcome,
                    r.completed_at and f"{r.completed_at:%F}",
                    f"{r.synced_at:%F %H:%M}",
                    r.integration,
                )
                for r in found.results
            ],
        )


@app.command("set-export")
def set_export(
    keys: Annotated[list[str] | None, typer.Argument(help="The ticked rows: HR's keys of enrolments.")] = None,
    course: Annotated[str | None, typer.Option(help="Tick every enrolment of this course.")] = None,
    tick: Annotated[bool | None, typer.Option("--tick/--untick", help="The export box.")] = None,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The export day.")] = None,
    at_once: Annotated[bool, typer.Option("--at-once", help="No export day: as soon as possible.")] = False,
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """
    Set export box and day of the ticked rows and of no others. Those provisioned already are shown and left alone.
    """
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        chosen = _ticked(keys, course)
        export = Export(tick, on.date() if on else None, at_once)
        if export == Export():
            raise fail("say what to set: --tick or --untick, --on DAY or --at-once", Exit.USAGE)
        done = enrolments.set_export(pool, settings, _tenant(pool, chosen, tenant), chosen, export, by=by)
    if as_json:
        show_json(done)
    else:
        _tell(done, dry_run=dry_run)


def _ticked(keys: list[str] | None, course: str | None) -> Chosen:
    if bool(keys) == bool(course):
        raise fail("tick rows by their keys, or all of a course with --course", Exit.USAGE)
    return Chosen(course=course, keys=keys or None)


def _tell(done: SetExport, *, dry_run: bool) -> None:
    show_table(
        ("enrolment", "what"),
        [
            *((key, "would change" if dry_run else "changed") for key in done.changed),
            *((key, "was so already") for key in done.unchanged),
            *((key, "provisioned already: left alone") for key in done.unaffected),
        ],
    )
    out.print(
        "nothing was changed: this was a dry run"
        if dry_run
        else f"{len(done.changed)} changed, {len(done.unchanged)} were so, {len(done.unaffected)} provisioned already"
    )


@app.command()
def forget(
    key: Key,
    integration: Annotated[str, typer.Option("--integration", help="The integration's name.")],
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Delete an enrolment's contact log, so that it is provisioned anew; nothing is made or enrolled twice by it."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        row = find_integration(pool, integration, tenant)
        employee_key = enrolments.forget(pool, row, key, by=by)
    if as_json:
        show_json({"enrolment_key": key, "employee_key": employee_key})
    else:
        out.print(printable(f"{key} of {employee_key} is provisioned anew in {integration}"))


def _tenant(pool: Pool, chosen: Chosen, tenant: str | None) -> str:
    with transaction(pool) as db:
        found = {line.tenant for line in EnrolmentViews(db, tenant).lines(chosen, enrolments.MOST)}
    if not found:
        raise NotFound("no enrolment matches")
    if len(found) > 1:
        raise Refused("several client companies have such enrolments; add --tenant")
    return found.pop()


def _show_lines(lines: Sequence[EnrolmentLine]) -> None:
    show_table(
        ("enrolment", "employee", "course", "export", "on", "state", "why", "provisioned", "integration"),
        [
            (
                line.enrolment_key,
                line.employee_key,
                line.course_code,
                "ticked" if line.export else "not ticked",
                _day(line.export_on),
                line.state or "not taken up",
                describe(line.code).title if line.code else "",
                _minute(line.provisioned_at),
                line.integration,
            )
            for line in lines
        ],
    )


def _minute(instant: datetime | None) -> str:
    return f"{instant:%F %H:%M}" if instant else ""


def _day(day: date | None) -> str:
    return f"{day:%F}" if day else "at once"
