"""What came back from the LMS, and what is held back."""

from datetime import date
from typing import Annotated

from fastapi import Query

from db.pool import transaction
from db.result_views import HeldLine, ResultFilter, ResultLine, ResultViews
from ops.api.declaring import router, view
from ops.api.guard import By
from ops.api.paging import Cursor, Limit, Page, page, read, slice_of

READ = "results:result:read"
MOST_HELD = 10_000

routes = router("results")

Text = Annotated[str | None, Query(max_length=255)]


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
