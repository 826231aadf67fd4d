"""Events that say something by hand are in the trace of the request that they come from."""

import json
from datetime import UTC, datetime

from domain.events import parse_bytes
from domain.traces import given_trace
from ops.own_events import own_event

AT = datetime(2026, 3, 2, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
DATA = {"employee_key": "E-1"}


def said(request_id: str) -> str | None:
    event = own_event("hr.employee.updated.v1", "/matricula/acme", "acme", "E-1", DATA, after=AT, request_id=request_id)
    assert parse_bytes(event.body).envelope.id == event.message_id
    found: str | None = json.loads(event.body).get("traceparent")
    return found


def test_a_request_that_is_a_trace_goes_on_in_what_it_causes() -> None:
    assert given_trace(said(TRACE)) == TRACE


def test_a_request_of_another_kind_of_id_begins_no_trace() -> None:
    assert said("ticket-7") is None
    assert said("") is None
