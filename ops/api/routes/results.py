"""What came back from the LMS, what is held back, and results taken out, counted and compared."""

from collections.abc import Iterator
from datetime import date
from tempfile import TemporaryFile
from typing import IO, Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from db.console_views import CountedBy, ReportFilter, ReportLine
from db.pool import transaction
from db.result_views import HeldLine, ResultFilter, ResultLine, ResultViews
from ops import results
from ops.api.declaring import Key, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, page, read, slice_of
from ops.exports import MEDIA_TYPES, Format
from ops.reports import result_report

READ = "results:result:read"
MOST_HELD = 10_000
MOST_EXPORTED = 100_000
MOST_COMPARED = 200
"""Each is a call of the LMS, and somebody waits for the answer."""
PIECE = 65_536

routes = router("results")

Text = Annotated[str | None, Query(max_length=255)]
Word = Annotated[str | None, Field(max_length=255)]


class Exporting(Why):
    """Which results, and as what; all of them without any."""

    format: Format = "csv"
    integration: Word = None
    course: Word = None
    employee_key: Word = None
    enrolment_key: Word = None
    since: date | None = None
    until: date | None = None
    outcome: Word = None
    delivered: bool | None = None


class Comparing(BaseModel):
    """Which enrolments; all of them without any."""

    model_config = ConfigDict(extra="forbid")

    integration: Word = None
    course: Word = None
    employee_key: Word = None
    enrolment_key: Word = None
    most: int = Field(MOST_COMPARED, ge=1, le=MOST_COMPARED, description="Of each integration; a call of its LMS each.")


@view(routes, "/results", READ)
def result_list(
    caller: By,
    integration: Text = None,
    course: Text = None,
    employee_key: Text = None,
    enrolment_key: Text = None,
    since: date | None = None,
    until: date | None = None,
    outcome: Text = None,
    delivered: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ResultLine]:
    """Results, the newest first."""
    chosen = ResultFilter(
        caller.tenant, integration, course, employee_key, enrolment_key, since, until, outcome, delivered
    )
    place = read(cursor, str, str)
    with transaction(caller.pool) as db:
        found = ResultViews(db).results(chosen, limit + 1, (place[0], place[1]) if place else None)
    return page(found, limit, lambda row: [row.synced_at.isoformat(), row.result_id])


@view(routes, "/results/held", READ)
def result_held(
    caller: By,
    integration: Text = None,
    course: Text = None,
    employee_key: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[HeldLine]:
    """Completions that are no results, and why, the latest first."""
    chosen = ResultFilter(caller.tenant, integration, course, employee_key)
    with transaction(caller.pool) as db:
        return slice_of(ResultViews(db).held(chosen, MOST_HELD), limit, cursor)


@view(routes, "/results/report", READ, ends=(409,))
def result_counts(
    caller: By,
    by: CountedBy = "course",
    integration: Text = None,
    course: Text = None,
    payroll: Text = None,
    since: date | None = None,
    until: date | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReportLine]:
    """Results counted by course, payroll or date of attempt, where the client has that report."""
    wanted = ReportFilter(by, integration, course, payroll, since, until)
    return slice_of(result_report(caller.pool, caller.tenant, wanted), limit, cursor)


@view(routes, "/enrolments/{key}/results", READ)
def result_show(caller: By, key: Key) -> results.ResultsOfEnrolment:
    """One enrolment's results: what they rest on, what HR was told and when, and what is held back."""
    return results.enrolment_results(caller.pool, caller.tenant, key)


@act(routes, "/results/export", results.EXPORT, kept=False, response_class=StreamingResponse)
def result_export(caller: By, wanted: Exporting) -> StreamingResponse:
    """A file of these results, the newest first, safe to open in a spreadsheet; that it was taken is on record."""
    chosen = ResultFilter(
        caller.tenant,
        wanted.integration,
        wanted.course,
        wanted.employee_key,
        wanted.enrolment_key,
        wanted.since,
        wanted.until,
        wanted.outcome,
        wanted.delivered,
    )
    file, by = TemporaryFile(), caller.acting(wanted.reason)  # noqa: SIM115 - closed at the end of the answer
    results.export_results(caller.pool, file, chosen, wanted.format, by=by, most=MOST_EXPORTED)
    named = {"Content-Disposition": f'attachment; filename="results.{wanted.format}"'}
    return StreamingResponse(_pieces(file), media_type=MEDIA_TYPES[wanted.format], headers=named)


@act(routes, "/results/reconcile", results.RECONCILE)
def result_reconcile(caller: By, chosen: Comparing) -> results.Reconciled:
    """Compare the LMS, the results and what HR was told; changes nothing."""
    rows = results.reachable(caller.pool, caller.tenant, chosen.integration)
    which = ResultFilter(caller.tenant, chosen.integration, chosen.course, chosen.employee_key, chosen.enrolment_key)
    return results.reconcile(caller.pool, caller.site.settings, rows, which, most=chosen.most)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece
