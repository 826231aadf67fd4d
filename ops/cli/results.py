"""`matricula results`: what came back, why something did not, and whether LMS, results and HR agree."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from typer.core import TyperGroup

from db.pool import transaction
from db.result_views import HeldLine, ResultFilter, ResultLine, ResultViews, ToldLine
from ops.cli.output import Exit, err, out, printable, show_json, show_table, told
from ops.cli.session import Reason, acting, opened
from ops.results import RECONCILE, Reconciled, enrolment_results, export_results, reachable
from ops.results import reconcile as compare


class _ListsByDefault(TyperGroup):
    """Without a command it is the list that is wanted."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args or (args[0].startswith("-") and args[0] != "--help"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_ListsByDefault, no_args_is_help=False, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Integration = Annotated[str | None, typer.Option("--integration", help="Only this integration.")]
Course = Annotated[str | None, typer.Option(help="Only this course, by HR's code.")]
Person = Annotated[str | None, typer.Option(help="Only this employee key.")]
Enrolment = Annotated[str | None, typer.Option(help="Only this enrolment, by HR's key.")]
Since = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day of attempt.")]
Until = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day of attempt.")]
Outcome = Annotated[str | None, typer.Option(help="Only this item of HR's pick-list, by its code.")]
Delivered = Annotated[
    bool | None, typer.Option("--delivered/--undelivered", help="Only those HR's broker has, or has not.")
]
Most = Annotated[int, typer.Option(min=1, max=100_000, help="Show at most so many.")]

READ = "results:result:read"


@app.command("list")
def list_results(
    tenant: Tenant = None,
    integration: Integration = None,
    course: Course = None,
    person: Person = None,
    since: Since = None,
    until: Until = None,
    outcome: Outcome = None,
    delivered: Delivered = None,
    enrolment: Enrolment = None,
    held: Annotated[bool, typer.Option("--held", help="Completions that are no results, and why.")] = False,
    most: Most = 100,
    as_json: Json = False,
) -> None:
    """List results, the newest first; --held lists what is completed but no result, and why."""
    chosen = ResultFilter(tenant, integration, course, person, enrolment, _day(since), _day(until), outcome, delivered)
    if held and (outcome or delivered is not None):
        raise typer.BadParameter("what is held back has neither outcome nor delivery", param_hint="--held")
    with told(), opened(READ) as (_, pool), transaction(pool) as db:
        views = ResultViews(db)
        lines = [] if held else views.results(chosen, most)
        waiting = views.held(chosen, most) if held else []
    if as_json:
        show_json(waiting if held else lines)
    elif held:
        _show_held(waiting)
    else:
        _show_results(lines)
    if not lines and not waiting:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def show(
    enrolment: Annotated[str, typer.Argument(help="HR's key of the enrolment.")],
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show all results of one enrolment: what they rest on, what HR was told and when, and what is held back."""
    with told(), opened(READ) as (_, pool):
        found = enrolment_results(pool, tenant, enrolment)
    if as_json:
        show_json(found)
        return
    _show_results(found.results)
    _show_history(found.results, found.history)
    _show_held(found.held)


@app.command()
def export(
    file: Annotated[str, typer.Argument(help="The file to write; - is standard output.")],
    kind: Annotated[Literal["csv", "json", "xlsx"], typer.Option("--format", help="csv, json or xlsx.")] = "csv",
    tenant: Tenant = None,
    integration: Integration = None,
    course: Course = None,
    person: Person = None,
    since: Since = None,
    until: Until = None,
    outcome: Outcome = None,
    delivered: Delivered = None,
    enrolment: Enrolment = None,
    reason: Reason = "",
) -> None:
    """Write all results to FILE, the newest first; safe to open in a spreadsheet."""
    chosen = ResultFilter(tenant, integration, course, person, enrolment, _day(since), _day(until), outcome, delivered)
    with told(), acting(reason) as (_, pool, by):
        count = export_results(pool, file, chosen, kind, by=by)
    err.print(f"{count} results written")
    if not count:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def reconcile(
    tenant: Tenant = None,
    integration: Integration = None,
    course: Course = None,
    person: Person = None,
    enrolment: Enrolment = None,
    most: Annotated[
        int, typer.Option(min=1, max=100_000, help="Ask about at most so many enrolments of each integration.")
    ] = 200,
    as_json: Json = False,
) -> None:
    """
    Compare the LMS, the results and what HR was told; changes nothing. One call of the LMS per enrolment.

    Ends with 5 when something differs, or when enrolments were left out.
    """
    chosen = ResultFilter(tenant, integration, course, person, enrolment)
    columns = (SpinnerColumn(), TextColumn("asking the LMS"), BarColumn(), MofNCompleteColumn())
    with told(), opened(RECONCILE) as (settings, pool):
        rows = reachable(pool, tenant, integration)
        with Progress(*columns, console=err, disable=as_json or not err.is_terminal, transient=True) as progress:
            task = progress.add_task("asking", total=None)
            done = compare(
                pool,
                settings,
                rows,
                chosen,
                most=most,
                on_look=lambda n, of: progress.update(task, completed=n, total=of),
            )
    if as_json:
        show_json(done)
    else:
        _show_reconciled(done)
    raise typer.Exit(_ended(done))


def _ended(done: Reconciled) -> Exit:
    if done.deviations or done.left_out:
        return Exit.PARTLY
    return Exit.OK if done.looked_at else Exit.NOTHING


def _show_results(lines: Sequence[ResultLine]) -> None:
    show_table(
        (
            "enrolment",
            "employee",
            "course",
            "unit",
            "outcome",
            "grade",
            "completed",
            "attempted on",
            "delivered",
            "from",
        ),
        [
            (
                r.enrolment_key,
                r.employee_key,
                r.course_code,
                " ".join(filter(None, (r.unit_code, r.unit_title))),
                r.outcome,
                r.grade,
                _minute(r.completed_at),
                r.attempted_on,
                _minute(r.delivered_at) or r.problem or "waits",
                r.integration,
            )
            for r in lines
        ],
    )


def _show_history(lines: Sequence[ResultLine], history: Sequence[ToldLine]) -> None:
    units = {line.result_id: line.unit_code for line in lines}
    out.print()
    show_table(
        ("told", "unit", "what", "outcome", "delivered", "completed in the LMS", "rule", "settings", "event"),
        [
            (
                _minute(one.recorded_at),
                units[one.result_id],
                one.kind,
                one.outcome,
                _minute(one.delivered_at) or one.problem or "waits",
                one.evidence.get("completed_at"),
                one.evidence.get("rule"),
                one.evidence.get("settings_version"),
                one.event_id,
            )
            for one in history
        ],
    )
    for stamp in dict.fromkeys(line.stamp for line in lines):
        out.print(printable(stamp))


def _show_held(lines: Sequence[HeldLine]) -> None:
    if not lines:
        return
    out.print()
    show_table(
        ("enrolment", "employee", "course", "unit", "held back", "completed", "grade", "first seen", "until", "from"),
        [
            (
                h.enrolment_key,
                h.employee_key,
                h.course_code,
                h.unit_code,
                h.reason,
                _minute(h.completed_at),
                h.grade,
                _minute(h.first_seen_at),
                _minute(h.resolved_at),
                h.integration,
            )
            for h in lines
        ],
    )


def _show_reconciled(done: Reconciled) -> None:
    show_table(
        ("enrolment", "employee", "course", "unit", "what differs", "more", "integration"),
        [
            (d.enrolment_key, d.employee_key, d.course_code, d.unit_code, d.what, d.detail, d.integration)
            for d in done.deviations
        ],
    )
    left = f", {done.left_out} left out (--most)" if done.left_out else ""
    err.print(f"{done.looked_at} enrolments looked at{left}, {len(done.deviations)} differences")


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _minute(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""
