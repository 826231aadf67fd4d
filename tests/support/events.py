"""
Events of an invented company, as a sender would build them.
"""

import json
from typing import Any

from producers.publisher import OutgoingEvent
from runtime.topology import EVENTS

UPDATED = "hr.employee.updated.v1"


def cloud_event(event_id: str | None = "E-1", **changes: Any) -> dict[str, Any]:
    """
    A valid structured CloudEvent about employee 1002; a change to None takes the attribute away.
    """
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/psiber/acme",
        "type": UPDATED,
        "subject": "1002",
        "time": "2026-01-31T09:00:00+02:00",
        "tenant": "acme",
        "data": {"employee_key": "1002", "first_name": "Zoë"},
    }
    return {name: value for name, value in (event | changes).items() if value is not None}


def as_bytes(event: dict[str, Any]) -> bytes:
    """
    The body of a structured event.
    """
    return json.dumps(event, ensure_ascii=False).encode()


def outgoing(event_id: str = "E-1", exchange: str = EVENTS, **changes: Any) -> OutgoingEvent:
    """
    An event ready to be published.
    """
    event = cloud_event(event_id, **changes)
    return OutgoingEvent(exchange, event["type"], event_id, as_bytes(event))
