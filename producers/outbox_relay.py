"""
Carries the outbox to the broker.
"""

from collections import defaultdict

import structlog

from db import outbox
from db.pool import Pool, transaction
from producers.publisher import Outcome, OutgoingEvent, Publisher
from runtime.crashpoints import crashpoint
from runtime.topology import RESULTS

log = structlog.stdlib.get_logger(__name__)

BATCH = 500


def relay_once(pool: Pool, publisher: Publisher) -> int:
    """
    Publish the oldest events that wait, and mark what the broker confirmed.

    The rows stay locked while the broker answers, which the publisher bounds; so two relays never send the same event.
    What is unknown or refused waits for the next time. What nobody has bound a queue for is set aside as unroutable:
    marking it published would lose it, and trying each second would never end. `db.outbox.send_again` brings it back.

    Returns:
        How many events were confirmed; 0 also when the broker is away.

    Raises:
        StoreUnavailable: The marks may be missing; then the events are sent again under the same ids.
    """
    with transaction(pool) as db:
        due = outbox.take_due(db, BATCH)
        if not due:
            return 0
        crashpoint("outbox.selected")
        events = [OutgoingEvent(RESULTS, row.type, row.event_id, row.body) for row in due]
        receipts = publisher.publish(events, on_sent=lambda: crashpoint("outbox.published"))
        crashpoint("outbox.confirmed")
        outcomes: dict[Outcome, list[int]] = defaultdict(list)
        for row, receipt in zip(due, receipts, strict=True):
            outcomes[receipt.outcome].append(row.outbox_id)
        outbox.mark_published(db, outcomes[Outcome.CONFIRMED])
        outbox.set_aside(db, outcomes[Outcome.UNROUTABLE], outbox.UNROUTABLE)
    crashpoint("outbox.marked")
    log.info("outbox relayed", **{outcome.value: len(rows) for outcome, rows in outcomes.items()})
    return len(outcomes[Outcome.CONFIRMED])
