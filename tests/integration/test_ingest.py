"""
From a real broker into a real database: whatever arrives is stored once, and nothing that was confirmed is lost.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from amqp import Message, NotFound
from psycopg.rows import dict_row

from db.pool import open_pool
from deploy.services import Services
from domain.events import MAX_EVENT_BYTES
from producers.broker import connect, drop
from producers.publisher import Outcome, Publisher
from runtime.topology import DEAD_QUEUE, EVENTS, INBOX_QUEUE, UNROUTED_QUEUE
from tests.support import poison
from tests.support.events import UPDATED, as_bytes, cloud_event, outgoing
from tests.support.link import linked
from tests.support.queues import channel, depth
from tests.support.waiting import until
from workers import ingest
from workers.arrivals import HEAD_BYTES

ROOT = Path(__file__).parents[2]
LONG = timedelta(seconds=30)

Row = dict[str, Any]


@dataclass
class Store:
    """What is in the database."""

    url: str
    woken: list[str] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return self.query("select * from inbox order by inbox_id")

    def failures(self) -> list[Row]:
        return self.query("select * from failure order by failure_id")

    def query(self, statement: str) -> list[Row]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode()).fetchall()

    def holds(self, rows: int) -> list[Row]:
        """Wait until there are as many rows in the inbox, and return them."""
        until(lambda: len(self.rows()) >= rows, LONG, describe=lambda: f"{rows} rows, there are {len(self.rows())}")
        return self.rows()


@pytest.fixture
def store(database_url: str) -> Store:
    return Store(database_url)


@contextmanager
def ingesting(amqp_url: str, store: Store, *, database_url: str | None = None, size: int = 500) -> Iterator[None]:
    stop = threading.Event()
    with open_pool(database_url or store.url, name="ingest", max_size=1) as pool:
        running = threading.Thread(
            target=ingest.run, args=(amqp_url, pool, store.woken.append, stop), kwargs={"size": size}
        )
        running.start()
        try:
            yield
        finally:
            stop.set()
            running.join(timeout=30)
            assert not running.is_alive()


def publish(
    amqp_url: str, *bodies: bytes, routing_key: str = UPDATED, exchange: str = EVENTS, **properties: Any
) -> None:
    """Publish as a stranger would, and return when the broker has all of it."""
    with channel(amqp_url) as opened:
        opened.confirm_select()
        for body in bodies:
            opened.basic_publish_confirm(Message(body, delivery_mode=2, **properties), exchange, routing_key)


def is_consumed(amqp_url: str, queue: str) -> bool:
    """Whether the queue is there and somebody consumes it; it is not declared for the asking."""
    connection = connect(amqp_url, "test")
    try:
        return bool(connection.channel().queue_declare(queue, passive=True).consumer_count)
    except NotFound:
        return False
    finally:
        drop(connection)


def settled(amqp_url: str) -> Callable[[], bool]:
    """Whether no message is left in any queue, with nobody consuming."""
    return lambda: all(depth(amqp_url, queue) == 0 for queue in (INBOX_QUEUE, DEAD_QUEUE, UNROUTED_QUEUE))


def test_confirmed_events_are_stored_once_with_their_exact_bytes_in_order(amqp_url: str, store: Store) -> None:
    """I1"""
    events = [outgoing(f"E-{number}", tenant=f"tenant-{number % 2}") for number in range(1_300)]
    with Publisher(amqp_url) as publisher, ingesting(amqp_url, store):
        assert {receipt.outcome for receipt in publisher.publish_all(events)} == {Outcome.CONFIRMED}
        rows = store.holds(1_300)
        until(lambda: set(store.woken) == {"tenant-0", "tenant-1"})

    assert [row["body"] for row in rows] == [event.body for event in events]
    assert [row["body_sha256"] for row in rows] == [hashlib.sha256(event.body).digest() for event in events]
    assert {(row["class"], row["state"], row["returned"]) for row in rows} == {("event", "received", False)}
    assert rows[7]["event_id"] == "E-7"
    assert store.failures() == []
    assert settled(amqp_url)()


def test_the_same_bytes_again_are_counted_and_not_stored(amqp_url: str, store: Store) -> None:
    """A10"""
    body = as_bytes(cloud_event())
    publish(amqp_url, body, body, body)

    with ingesting(amqp_url, store, size=2):
        until(lambda: [row["duplicates"] for row in store.rows()] == [2])

    assert settled(amqp_url)()


def test_the_same_id_with_other_bytes_is_kept_as_a_conflict(amqp_url: str, store: Store) -> None:
    """A11"""
    first, other = as_bytes(cloud_event()), as_bytes(cloud_event(subject="9999"))
    publish(amqp_url, first, other, other, first)

    with ingesting(amqp_url, store):
        until(lambda: [row["duplicates"] for row in store.rows()] == [1, 1])
    rows = store.rows()

    assert [(row["class"], row["state"], row["body"]) for row in rows] == [
        ("event", "received", first),
        ("conflict", "set_aside", other),
    ]
    [failure] = store.failures()
    assert (failure["subject_kind"], failure["subject_id"]) == ("inbox", str(rows[1]["inbox_id"]))
    assert (failure["tenant"], failure["code"]) == ("acme", "same_id_other_bytes")


def test_conflicts_are_recognised_across_batches(amqp_url: str, store: Store) -> None:
    """A11"""
    publish(amqp_url, *(as_bytes(cloud_event(subject=str(number % 3))) for number in range(9)))

    with ingesting(amqp_url, store, size=1):
        until(lambda: sum(row["duplicates"] for row in store.rows()) == 6)

    assert [row["class"] for row in store.rows()] == ["event", "conflict", "conflict"]
    assert len(store.failures()) == 2


def test_an_event_without_an_id_is_stored_once_under_its_hash(amqp_url: str, store: Store) -> None:
    """A12"""
    body = as_bytes(cloud_event(None))
    publish(amqp_url, body, body)

    with ingesting(amqp_url, store):
        until(lambda: [row["duplicates"] for row in store.rows()] == [1])

    [row] = store.rows()
    assert row["class"] == "event"
    assert row["event_id"] == hashlib.sha256(b"/psiber/acme\0" + body).hexdigest()


def test_a_dead_letter_is_stored_and_marked_as_returned(amqp_url: str, store: Store) -> None:
    """A13: consumers that die use up the deliveries of everything they had been sent."""
    publish(amqp_url, as_bytes(cloud_event("E-1")), b"not json")
    for _ in range(21):
        with channel(amqp_url) as opened:
            opened.basic_consume(INBOX_QUEUE, callback=bool)
            opened.connection.drain_events(timeout=5)
    until(lambda: depth(amqp_url, DEAD_QUEUE) == 2, LONG)
    publish(amqp_url, as_bytes(cloud_event("E-1")))

    with ingesting(amqp_url, store):
        rows = store.holds(2)
        until(lambda: sum(row["duplicates"] for row in store.rows()) == 1)

    assert Counter(row["class"] for row in rows) == {"event": 1, "poison": 1}
    [poisoned] = [row for row in rows if row["class"] == "poison"]
    assert poisoned["returned"]
    assert settled(amqp_url)()


def test_an_odd_type_ends_as_unknown(amqp_url: str, store: Store) -> None:
    """A15"""
    body = as_bytes(cloud_event(type="payroll.run.v1"))
    publish(amqp_url, body, routing_key="payroll.run.v1")

    with ingesting(amqp_url, store):
        [row] = store.holds(1)

    assert (row["class"], row["state"], row["code"]) == ("unknown", "set_aside", "unknown_type")
    assert row["detail"] == "type: type payroll.run.v1 is not known to this release"
    assert store.woken == []


def test_a_known_type_under_an_odd_routing_key_is_an_event(amqp_url: str, store: Store) -> None:
    """A15"""
    publish(amqp_url, as_bytes(cloud_event()), routing_key="payroll")

    with ingesting(amqp_url, store):
        [row] = store.holds(1)

    assert row["class"] == "event"


def test_poison_is_set_aside_and_its_neighbours_are_events(amqp_url: str, store: Store) -> None:
    """H: the poison corpus, all at once and between honest events."""
    bodies = [body for body, _ in poison.POISON.values()]
    publish(amqp_url, as_bytes(cloud_event("before")), *bodies, *poison.EVENTS.values(), as_bytes(cloud_event("after")))

    with ingesting(amqp_url, store):
        rows = store.holds(2 + len(bodies) + len(poison.EVENTS))

    by_class = Counter(row["class"] for row in rows)
    assert by_class == {"poison": len(bodies), "event": 2 + len(poison.EVENTS)}
    found = {row["body_sha256"]: row for row in rows}
    for body, code in poison.POISON.values():
        row = found[hashlib.sha256(body).digest()]
        assert (row["code"], row["body_size"]) == (code, len(body))
        assert row["body"] == (body if len(body) <= MAX_EVENT_BYTES else body[:HEAD_BYTES])
    for body in poison.EVENTS.values():
        assert found[hashlib.sha256(body).digest()]["body"] == body
    assert len(store.failures()) == len(bodies)
    assert settled(amqp_url)()


def test_a_binary_event_keeps_its_data_and_its_attributes(amqp_url: str, store: Store) -> None:
    event = cloud_event()
    data = json.dumps(event.pop("data")).encode()
    headers = {f"cloudEvents:{name}": value for name, value in event.items()}
    publish(amqp_url, data, content_type="application/json", application_headers=headers)

    with ingesting(amqp_url, store):
        [row] = store.holds(1)

    assert (row["class"], row["tenant"], row["body"], row["attributes"]) == ("event", "acme", data, event)


@pytest.mark.parametrize(
    "properties",
    [
        {"message_id": b"\xff\xfe"},
        {"content_type": b"caf\xe9"},
        {"correlation_id": b"\x80", "application_headers": {"k": "v"}},
        {"content_encoding": "gzip"},
        {"content_encoding": "utf-16"},
        {"application_headers": {"ce-tenant": b"\xff"}, "content_type": "application/cloudevents+json"},
    ],
    ids=str,
)
def test_properties_that_cannot_be_read_do_not_matter(amqp_url: str, store: Store, properties: dict[str, Any]) -> None:
    """Poison in the envelope: py-amqp's own reader ends the connection over these, again and again."""
    body = as_bytes(cloud_event())
    publish(amqp_url, body, **properties)
    publish(amqp_url, as_bytes(cloud_event("E-2")))

    with ingesting(amqp_url, store):
        rows = store.holds(2)

    assert [(row["class"], row["event_id"]) for row in rows] == [("event", "E-1"), ("event", "E-2")]
    assert rows[0]["body"] == body


def test_a_routing_key_that_is_no_text_does_not_matter(amqp_url: str, store: Store) -> None:
    publish(amqp_url, as_bytes(cloud_event()), routing_key=b"hr.\xff")  # type: ignore[arg-type]

    with ingesting(amqp_url, store):
        [row] = store.holds(1)

    assert row["class"] == "event"


@pytest.mark.parametrize("cut_after", [700, 1_500, 2_345, 4_000, 20_001, 30_000])
def test_a_connection_cut_in_the_middle_of_a_frame_costs_nothing(amqp_url: str, store: Store, cut_after: int) -> None:
    """A5"""
    events = [outgoing(f"E-{number}") for number in range(300)]
    with Publisher(amqp_url) as publisher:
        publisher.publish(events)

    with linked(amqp_url) as (link, url):
        link.cut_after = cut_after
        with ingesting(url, store):
            until(lambda: link.connections >= 2, LONG)
            link.cut_after = None
            rows = store.holds(300)
            until(lambda: store.query("select count(*) from inbox")[0]["count"] == 300)
        until(settled(amqp_url), LONG)

    assert Counter(row["event_id"] for row in rows) == Counter(event.message_id for event in events)


def test_while_postgres_is_away_the_batch_is_held_and_neither_rejected_nor_lost(amqp_url: str, store: Store) -> None:
    """A8"""
    with linked(store.url) as (link, url), ingesting(amqp_url, store, database_url=url):
        publish(amqp_url, as_bytes(cloud_event("E-0")))
        store.holds(1)
        link.open = False
        link.cut()
        seen = link.connections
        publish(amqp_url, *(as_bytes(cloud_event(f"E-{number}")) for number in range(1, 10)))
        until(lambda: link.connections >= seen + 3, LONG, describe="tries to reach Postgres")
        assert depth(amqp_url, DEAD_QUEUE) == 0
        assert len(store.rows()) == 1
        link.open = True
        rows = store.holds(10)
    until(settled(amqp_url), LONG)

    assert [row["event_id"] for row in rows] == [f"E-{number}" for number in range(10)]
    assert sum(row["duplicates"] for row in rows) == 0


def test_told_to_stop_while_postgres_is_away_the_batch_goes_back(amqp_url: str, store: Store) -> None:
    """A8"""
    publish(amqp_url, as_bytes(cloud_event()))
    with linked(store.url) as (link, url):
        link.open = False
        with ingesting(amqp_url, store, database_url=url):
            until(lambda: link.connections >= 2, LONG)

    until(lambda: depth(amqp_url, INBOX_QUEUE) == 1, LONG)
    assert store.rows() == []


def test_deleted_queues_are_declared_again(amqp_url: str, store: Store) -> None:
    """A4"""
    with ingesting(amqp_url, store):
        publish(amqp_url, as_bytes(cloud_event("E-1")))
        store.holds(1)
        with channel(amqp_url) as opened:
            for queue in (INBOX_QUEUE, DEAD_QUEUE, UNROUTED_QUEUE):
                opened.queue_delete(queue)
        # Nobody else may declare them: of a queue that is back at once the broker cancels no consumer.
        until(lambda: all(is_consumed(amqp_url, queue) for queue in (INBOX_QUEUE, DEAD_QUEUE, UNROUTED_QUEUE)), LONG)
        publish(amqp_url, as_bytes(cloud_event("E-2")))
        rows = store.holds(2)

    assert [row["event_id"] for row in rows] == ["E-1", "E-2"]


def test_a_broker_that_refuses_us_is_asked_less_and_less_often(amqp_url: str, store: Store) -> None:
    """A14"""
    with linked(amqp_url) as (link, url):
        link.open = False
        with ingesting(url, store):
            until(lambda: link.connections >= 4, LONG)
            threading.Event().wait(3)
            # Pauses of 0.2, 0.4, 0.8, 1.6 s and so on: a loop without them would have tried thousands of times.
            assert link.connections <= 7


PROGRAM = """
import sys, threading
from db.pool import open_pool
from deploy.services import Services
from workers import ingest
amqp_url, database_url = sys.argv[1:]
with open_pool(database_url, name="ingest", max_size=1) as pool:
    ingest.run(amqp_url, pool, lambda tenant: None, threading.Event())
"""


@pytest.mark.crash
@pytest.mark.parametrize("hit", [1, 2])
@pytest.mark.parametrize("place", ["ingress.received", "ingress.inserted", "ingress.committed", "ingress.acked"])
def test_killed_anywhere_each_event_ends_in_exactly_one_row(amqp_url: str, store: Store, place: str, hit: int) -> None:
    """A7, I1"""
    events = [outgoing(f"E-{number}") for number in range(1_500)]
    with Publisher(amqp_url) as publisher:
        publisher.publish(events)
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, amqp_url, store.url],
        cwd=ROOT,
        env={**os.environ, "CRASH_AT": f"{place}:{hit}", "MATRICULA_CRASH_TESTS": "1"},
        timeout=60,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    before = len(store.rows())
    # What was committed and not acknowledged is all that may come twice, and acknowledged rows are all there.
    assert (before > 0) == (place in ("ingress.committed", "ingress.acked") or hit > 1)

    with ingesting(amqp_url, store):
        rows = store.holds(1_500)
    until(settled(amqp_url), LONG)

    assert Counter(row["event_id"] for row in rows) == Counter(event.message_id for event in events)
    assert {row["class"] for row in rows} == {"event"}


@pytest.mark.crash
def test_a_broker_that_crashes_costs_no_confirmed_event(crashable_services: Services, store: Store) -> None:
    """A1, I1: it crashes twice while events are published and ingested, and comes back."""
    amqp_url = crashable_services.amqp_url
    confirmed: set[str] = set()
    with Publisher(amqp_url) as publisher, ingesting(amqp_url, store):
        publisher.publish([outgoing("E-0")])
        store.holds(1)
        # RabbitMQ 3.x forgets a quorum queue that is younger than half a second when it crashes.
        threading.Event().wait(1)
        for crash in range(2):
            events = [outgoing(f"E-{crash}-{number}") for number in range(400)]
            # How many of these it still confirms depends on how fast it dies; all are sent again.
            publisher.publish(events, on_sent=crashable_services.kill_broker)
            crashable_services.restart_broker()
            again = publisher.publish_all(events)
            confirmed |= {receipt.message_id for receipt in again if receipt.outcome is Outcome.CONFIRMED}
        assert len(confirmed) == 800
        rows = store.holds(801)

    assert {row["event_id"] for row in rows} == confirmed | {"E-0"}
    assert {row["class"] for row in rows} == {"event"}
