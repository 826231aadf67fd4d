"""What the workers would do, shown without doing it: for a person, a payroll, or events that were not sent yet."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from db.configuration import integrations
from db.pool import transaction
from domain.events import parse_bytes
from domain.planning import counted
from ops.actions import NotFound
from ops.api.declaring import Key, act, router
from ops.api.guard import By
from ops.api.routes.events import BODY, events_of
from ops.planning import PREVIEW, Selection, previewed

routes = router("plans")

Name = Annotated[str | None, Query(max_length=255, description="Only in this integration.")]


class Planned(BaseModel):
    """
    The exact LMS calls, with each field before and after; none was made.

    `events` says what would become of the events that were sent along.
    """

    events: dict[str, int]
    people: list[dict[str, Any]]
    counts: dict[str, int]


@act(routes, "/people/{key}/plan", PREVIEW)
def people_plan(caller: By, key: Key, integration: Name = None) -> Planned:
    """The exact LMS calls that the workers would make for a person. The LMS is read; nothing is written."""
    return _planned(caller, Selection(person=key), integration)


@act(routes, "/payrolls/{key}/plan", PREVIEW)
def payroll_plan(caller: By, key: Key, integration: Name = None) -> Planned:
    """The exact LMS calls that the workers would make for everybody of a payroll."""
    return _planned(caller, Selection(payroll=key), integration)


@act(routes, "/events/plan", PREVIEW, extra=BODY, ends=(415,))
async def event_plan(caller: By, request: Request, integration: Name = None) -> Planned:
    """The exact LMS calls that these events would lead to, in the forms of `POST /events`; none is sent."""
    events = [parse_bytes(event.body) for event in await events_of(caller, request)]
    return await run_in_threadpool(_planned, caller, Selection(events), integration)


def _planned(caller: By, chosen: Selection, integration: str | None) -> Planned:
    with transaction(caller.pool) as db:
        rows = integrations(db, caller.tenant, integration)
    if not rows:
        raise NotFound("no integration matches")
    done = previewed(caller.pool, caller.site.settings, caller.tenant, rows, chosen, by=caller.by)
    people = [asdict(one) for one in done.people]
    return Planned(events=dict(done.endings), people=people, counts=dict(counted(done.people)))
