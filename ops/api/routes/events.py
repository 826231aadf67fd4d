"""HR's events over HTTP: CloudEvents 1.0, structured, binary or as a batch."""

from fastapi import Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from ops.api.declaring import DryRun, act, router
from ops.api.guard import READS_ITSELF, By
from ops.api.problems import Trouble
from ops.publishing import PUBLISH, NotTaken, UnknownMediaType, publish, read
from producers.publisher import OutgoingEvent

routes = router("events")

ANY = {"schema": {"type": "object"}}
BODY = {
    READS_ITSELF: True,
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": ANY,
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {"type": "object"}}},
            "application/json": ANY,
        },
    },
}


class Accepted(BaseModel):
    """The broker has all of them."""

    accepted: int


async def events_of(caller: By, request: Request) -> list[OutgoingEvent]:
    """
    The events of a request.

    Raises:
        Trouble: They are in another form.
        BadEvent: One of them is no event of the caller's company.
    """
    body = await request.body()
    try:
        return read(body, request.headers.get("content-type", ""), request.headers.items(), tenant=caller.tenant)
    except UnknownMediaType as problem:
        raise Trouble(415, "media_type", "This media type is not taken", detail=str(problem)) from None


@act(routes, "/events", PUBLISH, status_code=202, extra=BODY, ends=(415,))
async def event_publish(caller: By, request: Request, dry_run: DryRun = False) -> Accepted:
    """
    Take events. 202 says that the broker has confirmed every one; anything else, and all may be sent again: nothing is
    doubled by it.
    """
    events = await events_of(caller, request)
    try:
        by = caller.acting("", dry_run=dry_run)
        accepted = await run_in_threadpool(publish, caller.pool, caller.site.sender.send, events, by=by)
    except NotTaken as problem:
        title, later = "The broker did not take all of it", {"Retry-After": "5"}
        raise Trouble(503, "not_confirmed", title, detail=str(problem), headers=later) from None
    return Accepted(accepted=accepted)
