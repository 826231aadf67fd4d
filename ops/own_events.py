"""Events that say something by hand: like HR's own, from a source that tells them apart."""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.traces import is_trace, traceparent
from producers.publisher import Outcome, OutgoingEvent, Publisher
from runtime.settings import Settings
from runtime.topology import EVENTS


def own_event(
    event_type: str,
    source: str,
    tenant: str,
    subject: str,
    data: Mapping[str, Any],
    *,
    after: datetime,
    request_id: str = "",
) -> OutgoingEvent:
    """
    An event that is newer than what HR said at `after`, whatever HR's clock says, and older than HR's next word.

    Args:
        request_id: Of the request that it comes from; where it can be one, it is the event's trace.
    """
    event_id = str(uuid.uuid4())
    traced = {"traceparent": traceparent(request_id, event_id)} if is_trace(request_id) else {}
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": event_type,
        "subject": subject,
        "time": max(datetime.now(UTC), after + timedelta(microseconds=1)).isoformat(),
        "tenant": tenant,
        **traced,
        "data": data,
    }
    return OutgoingEvent(EVENTS, event_type, event_id, json.dumps(event, ensure_ascii=False).encode())


def publish(settings: Settings, events: Sequence[OutgoingEvent]) -> str:
    """What the broker did not take, and why; empty when it took everything."""
    with Publisher(settings.amqp_url) as publisher:
        receipts = list(publisher.publish_all(events))
        lost = [receipt for receipt in receipts if receipt.outcome is not Outcome.CONFIRMED]
        why = publisher.problem or "the broker did not take them"
    return f"{len(lost)} of {len(receipts)} changes were not sent: {why}" if lost else ""
