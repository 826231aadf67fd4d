"""Events that somebody hands us, on their way to the broker: checked whole, then sent whole."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import unquote

import structlog

from db.pool import Pool, transaction
from domain.events import BadEvent, decode_json, parse_bytes
from domain.traces import named
from ops.operators import Operator, audited
from producers.publisher import Outcome, OutgoingEvent
from runtime.topology import EVENTS

log = structlog.get_logger()

PUBLISH = "events:event:publish"
TARGET = "events/hr"

MAX_BATCH = 500
"""Events at once, of as many bytes as one may have."""

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = "application/json"
_HEADER = "ce-"

Send = Callable[[Sequence[OutgoingEvent]], tuple[Sequence[Outcome], str]]


class UnknownMediaType(Exception):
    """The body is none of the three forms of CloudEvents over HTTP."""

    def __init__(self) -> None:
        super().__init__(f"send {STRUCTURED}, {BATCH}, or {BINARY} with ce- headers")


class NotTaken(Exception):
    """The broker has not confirmed all of them; the text says how many and why."""


def read(body: bytes, content_type: str, headers: Iterable[tuple[str, str]], *, tenant: str) -> list[OutgoingEvent]:
    """
    The events of one request, each as the broker will carry it.

    Raises:
        UnknownMediaType: They are in another form.
        BadEvent: One of them is no event of this tenant; `field` names where. None of them is to be sent.
    """
    form = content_type.partition(";")[0].strip().lower()
    if form == STRUCTURED:
        return [_checked(body, tenant)]
    if form == BATCH:
        return _batch(body, tenant)
    attributes = {name[len(_HEADER) :].lower(): unquote(value) for name, value in headers if name.startswith(_HEADER)}
    if form != BINARY or not attributes:
        raise UnknownMediaType
    return [_checked(_written(attributes | {"data": decode_json(body)}), tenant)]


def publish(pool: Pool, send: Send, events: Sequence[OutgoingEvent], *, by: Operator) -> int:
    """
    The broker has confirmed every event, and who brought them is on record. Answers with how many, and in a dry run
    with how many would be sent.

    Raises:
        NotTaken: It has not, or not all of them; sending all again doubles nothing.
    """
    by.check(PUBLISH, by.tenant)
    if by.dry_run:
        return len(events)
    outcomes, problem = send(events)
    log.info("events published", events=len(events), traces=named(event.trace_id for event in events))
    counts = Counter(str(outcome) for outcome in outcomes)
    with transaction(pool) as db:
        audited(db, by, PUBLISH, TARGET, tenant=by.tenant, after=counts, outcome=problem or "done")
    lost = len(outcomes) - counts[Outcome.CONFIRMED]
    if lost:
        raise NotTaken(f"{lost} of {len(outcomes)} were not confirmed; send all of them again")
    return len(outcomes)


def _batch(body: bytes, tenant: str) -> list[OutgoingEvent]:
    try:
        items = decode_json(b'{"events":' + body + b"}")["events"]
    except BadEvent as error:
        raise BadEvent(error.code, error.field.removeprefix("events"), error.problem) from None
    if not isinstance(items, list) or not 0 < len(items) <= MAX_BATCH:
        raise BadEvent("bad_field", "", f"is not an array of 1 to {MAX_BATCH} events")
    return [_numbered(at, item, tenant) for at, item in enumerate(items)]


def _numbered(at: int, item: Any, tenant: str) -> OutgoingEvent:
    try:
        return _checked(_written(item), tenant)
    except BadEvent as error:
        raise BadEvent(error.code, f"[{at}].{error.field}".rstrip("."), error.problem) from None


def _checked(body: bytes, tenant: str) -> OutgoingEvent:
    event = parse_bytes(body)
    if event.envelope.tenant != tenant:
        raise BadEvent("bad_field", "tenant", "is not the company of this token")
    return OutgoingEvent(EVENTS, event.type, event.envelope.id, body, trace_id=event.envelope.trace_id)


def _written(event: Any) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()
