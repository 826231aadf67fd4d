"""
Publishing to a real broker: every message has a known end.
"""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from producers.publisher import Outcome, OutgoingEvent, Publisher, Receipt
from runtime.topology import EVENTS, INBOX_QUEUE, RESULTS, UNROUTED_QUEUE
from tests.support.events import outgoing
from tests.support.link import Link, linked
from tests.support.queues import bind, channel, depth, take_all
from tests.support.waiting import until

AT_ONCE = timedelta(0)
SHORTLY = timedelta(milliseconds=500)


@pytest.fixture
def publisher(amqp_url: str) -> Iterator[Publisher]:
    with Publisher(amqp_url) as opened:
        yield opened


@pytest.fixture
def link(amqp_url: str) -> Iterator[tuple[Link, str]]:
    with linked(amqp_url) as opened:
        yield opened


def ids(receipts: list[Receipt], outcome: Outcome) -> list[str]:
    return [receipt.message_id for receipt in receipts if receipt.outcome is outcome]


def test_confirmed_events_are_in_the_queue_byte_for_byte_and_persistent(amqp_url: str, publisher: Publisher) -> None:
    """I1"""
    events = [outgoing(f"E-{number}") for number in range(1_200)]

    receipts = list(publisher.publish_all(events))

    assert ids(receipts, Outcome.CONFIRMED) == [event.message_id for event in events]
    found = take_all(amqp_url, INBOX_QUEUE)
    assert [message.body for message in found] == [event.body for event in events]
    assert [message.properties["message_id"] for message in found] == [event.message_id for event in events]
    assert {message.properties["delivery_mode"] for message in found} == {2}
    assert {message.properties["content_type"] for message in found} == {"application/cloudevents+json"}


def test_an_odd_type_is_caught_and_confirmed(amqp_url: str, publisher: Publisher) -> None:
    """A15"""
    [receipt] = publisher.publish([outgoing(type="payroll.run.v1")])

    assert receipt.outcome is Outcome.CONFIRMED
    assert depth(amqp_url, UNROUTED_QUEUE) == 1


def test_what_no_queue_wants_is_unroutable_and_its_neighbours_are_confirmed(publisher: Publisher) -> None:
    receipts = publisher.publish([outgoing("E-1"), outgoing("R-1", RESULTS), outgoing("E-2"), outgoing("R-2", RESULTS)])

    assert ids(receipts, Outcome.CONFIRMED) == ["E-1", "E-2"]
    assert ids(receipts, Outcome.UNROUTABLE) == ["R-1", "R-2"]


def test_a_full_queue_refuses(amqp_url: str, publisher: Publisher) -> None:
    bind(amqp_url, RESULTS, "receiver", {"x-overflow": "reject-publish", "x-max-length": 1})

    # A queue notices only with a delay that it is full.
    until(lambda: publisher.publish([outgoing("R-0", RESULTS)])[0].outcome is Outcome.REFUSED)
    receipts = publisher.publish([outgoing("R-1", RESULTS), outgoing("E-1")])

    assert ids(receipts, Outcome.REFUSED) == ["R-1"]
    assert ids(receipts, Outcome.CONFIRMED) == ["E-1"]


def test_an_id_longer_than_amqp_allows_is_published_all_the_same(amqp_url: str, publisher: Publisher) -> None:
    event = outgoing("é" * 200)

    [receipt] = publisher.publish([event])

    assert receipt == Receipt(event.message_id, Outcome.CONFIRMED)
    [message] = take_all(amqp_url, INBOX_QUEUE)
    assert message.body == event.body
    assert len(message.properties["message_id"]) == 64


def test_a_broker_that_is_away_leaves_everything_unknown_and_says_why() -> None:
    publisher = Publisher("amqp://someone:secret@127.0.0.1:1/hr")

    receipts = list(publisher.publish_all([outgoing("E-1"), outgoing("E-2")], pause=AT_ONCE))

    assert ids(receipts, Outcome.UNKNOWN) == ["E-1", "E-2"]
    assert publisher.problem.startswith("ConnectionRefusedError")
    assert "secret" not in publisher.problem


def test_unknown_events_are_sent_again_after_a_cut(amqp_url: str, link: tuple[Link, str]) -> None:
    """G10: the same id and bytes arrive once or twice, and never not at all."""
    wire, url = link
    events = [outgoing(f"E-{number}") for number in range(100)]
    with Publisher(url) as publisher:
        publisher.publish([outgoing("E-0")])

        receipts = publisher.publish(events, on_sent=wire.cut)
        assert ids(receipts, Outcome.UNKNOWN)
        again = list(publisher.publish_all(events, pause=AT_ONCE))

    assert ids(again, Outcome.CONFIRMED) == [event.message_id for event in events]
    assert {message.body for message in take_all(amqp_url, INBOX_QUEUE)} == {event.body for event in events}


def test_publish_all_makes_another_connection_by_itself(link: tuple[Link, str]) -> None:
    wire, url = link
    with Publisher(url) as publisher:
        publisher.publish([outgoing("E-0")])
        wire.cut()

        receipts = list(publisher.publish_all([outgoing("E-1")], pause=AT_ONCE))

    assert ids(receipts, Outcome.CONFIRMED) == ["E-1"]
    assert wire.connections == 2


def test_a_silent_broker_is_waited_for_within_bounds(link: tuple[Link, str]) -> None:
    """A6: only the test's own time limit would notice a wait without end."""
    wire, url = link
    with Publisher(url, confirm_timeout=SHORTLY) as publisher:
        publisher.publish([outgoing("E-0")])
        wire.silent = True

        receipts = publisher.publish([outgoing("E-1")])

    assert ids(receipts, Outcome.UNKNOWN) == ["E-1"]
    assert publisher.problem == "TimeoutError: timed out"


def test_nothing_is_read_ahead_of_the_batch_under_way(amqp_url: str) -> None:
    asked_for: list[int] = []

    def endless() -> Iterator[OutgoingEvent]:
        while True:
            asked_for.append(len(asked_for))
            yield outgoing(f"E-{len(asked_for)}")

    with Publisher(amqp_url, batch=10) as publisher:
        receipts = publisher.publish_all(endless())
        first = [next(receipts) for _ in range(15)]

    assert len(ids(first, Outcome.CONFIRMED)) == 15
    assert len(asked_for) == 20


def test_a_wiped_topology_is_made_again_by_the_next_connection(amqp_url: str, publisher: Publisher) -> None:
    """A4"""
    publisher.publish([outgoing("E-0")])
    with channel(amqp_url) as opened:
        for queue in (INBOX_QUEUE, UNROUTED_QUEUE):
            opened.queue_delete(queue)
    [lost] = publisher.publish([outgoing("E-1")])
    publisher.close()

    [receipt] = publisher.publish([outgoing("E-2")])

    assert (lost.outcome, receipt.outcome) == (Outcome.UNROUTABLE, Outcome.CONFIRMED)
    assert depth(amqp_url, INBOX_QUEUE) == 1


def test_an_exchange_that_does_not_exist_is_an_unknown_end(publisher: Publisher) -> None:
    receipts = list(publisher.publish_all([outgoing("E-1", "no.such.exchange")], pause=AT_ONCE))

    assert ids(receipts, Outcome.UNKNOWN) == ["E-1"]
    assert "NotFound" in publisher.problem
    assert publisher.publish([outgoing("E-2", EVENTS)])[0].outcome is Outcome.CONFIRMED
