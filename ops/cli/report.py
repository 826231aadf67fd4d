"""`matricula report`: results counted."""

from datetime import datetime
from typing import Annotated

import typer

from db.console_views import CountedBy, ReportFilter
from ops.cli.output import Exit, show_json, show_table, told
from ops.cli.session import opened
from ops.reports import result_report

DAY = ["%Y-%m-%d"]


def report(
    by: Annotated[CountedBy, typer.Option(help="What to count by; a date is the date of attempt.")] = "course",
    since: Annotated[datetime | None, typer.Option(formats=DAY, help="Only attempts on this day or later.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=DAY, help="Only attempts on this day or earlier.")] = None,
    course: Annotated[str | None, typer.Option(help="Only this course code.")] = None,
    payroll: Annotated[str | None, typer.Option(help="Only people of this payroll.")] = None,
    integration: Annotated[str | None, typer.Option(help="Only this integration.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this client company.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Count results by course, payroll or date, where the client has that report."""
    wanted = ReportFilter(by, integration, course, payroll, since and since.date(), until and until.date())
    with told(), opened("results:result:read") as (_, pool):
        lines = result_report(pool, tenant, wanted)
    if as_json:
        show_json(lines)
    else:
        show_table(
            (by, "results", "passed", "failed", "first", "last", "integration"),
            [
                (
                    line.counted or "(none)",
                    line.results,
                    line.passed,
                    line.failed,
                    line.first_on,
                    line.last_on,
                    line.integration,
                )
                for line in lines
            ],
        )
    if not lines:
        raise typer.Exit(Exit.NOTHING)
