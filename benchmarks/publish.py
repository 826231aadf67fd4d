"""
How many events per second reach the broker for certain: the publisher's batches against a confirm per message.
"""

import time
from collections.abc import Callable
from itertools import islice

from kombu.connection import Connection

from benchmarks.figures import Figure, against
from benchmarks.lab import Lab, lab
from benchmarks.people import all_events, hires
from producers.publisher import Outcome, OutgoingEvent, Publisher

ROUNDS = 5
OURS, THEIRS = 10_000, 1_500


def measure(say: Callable[[str], None]) -> list[Figure]:
    events = list(all_events(hires(OURS // 2)))
    rounds = []
    for _ in range(ROUNDS):
        with lab() as place:
            rounds.append((_in_batches(place, events), _one_by_one(place, list(islice(events, THEIRS)))))
        say(f"batches {rounds[-1][0]:.0f}/s, one by one {rounds[-1][1]:.0f}/s")
    return [against("publish_ratio", rounds, "events/s", ">= 5")]


def _in_batches(place: Lab, events: list[OutgoingEvent]) -> float:
    with Publisher(place.settings.amqp_url) as publisher:
        list(publisher.publish_all(events[:1]))
        started = time.perf_counter()
        outcomes = {receipt.outcome for receipt in publisher.publish_all(events)}
        took = time.perf_counter() - started
    assert outcomes == {Outcome.CONFIRMED}, outcomes  # noqa: S101 - else nothing was measured
    return len(events) / took


def _one_by_one(place: Lab, events: list[OutgoingEvent]) -> float:
    """kombu as its documentation has it: `confirm_publish`, and each publish returns when its confirm is there."""
    to = Connection(place.settings.amqp_url, transport_options={"confirm_publish": True})  # type: ignore[no-untyped-call]
    with to as connection:
        producer = connection.Producer()
        producer.publish(b"", exchange="", routing_key="hr.unrouted")
        started = time.perf_counter()
        for event in events:
            producer.publish(
                event.body,
                exchange=event.exchange,
                routing_key=event.routing_key,
                content_type=event.content_type,
                content_encoding="binary",
                message_id=event.message_id,
                delivery_mode=2,
                mandatory=True,
            )
        return len(events) / (time.perf_counter() - started)
