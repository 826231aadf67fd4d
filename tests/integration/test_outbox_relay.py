"""
From the outbox to a real broker: every event at least once, under one id and with the same bytes.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from db import outbox
from db.pool import Pool, open_pool, transaction
from producers.outbox_relay import BATCH, relay_once
from producers.publisher import Publisher
from runtime.topology import RESULTS
from tests.support.link import linked
from tests.support.queues import bind, depth, take_all
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
RECEIVER = "receiver"


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    with open_pool(database_url, name="relay", max_size=2) as opened:
        yield opened


@pytest.fixture
def publisher(amqp_url: str) -> Iterator[Publisher]:
    with Publisher(amqp_url) as opened:
        yield opened


@pytest.fixture
def receiver(amqp_url: str) -> str:
    """The URL of a broker on which somebody wants results."""
    bind(amqp_url, RESULTS, RECEIVER)
    return amqp_url


def write(database_url: str, *ids: str) -> None:
    """Have events with these ids wait in the outbox."""
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into outbox (tenant, event_id, type, body) values ('acme', %s, 'lms.result.recorded.v1', %s)",
            [(event_id, b"body of " + event_id.encode()) for event_id in ids],
        )


def rows(database_url: str) -> list[tuple[str, bool, str | None]]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "select event_id, published_at is not null, problem from outbox order by outbox_id"
        ).fetchall()


def test_events_are_published_in_order_and_marked(
    database_url: str, receiver: str, pool: Pool, publisher: Publisher
) -> None:
    write(database_url, "R-1", "R-2", "R-3")

    assert relay_once(pool, publisher) == 3
    assert relay_once(pool, publisher) == 0

    assert rows(database_url) == [("R-1", True, None), ("R-2", True, None), ("R-3", True, None)]
    found = take_all(receiver, RECEIVER)
    assert [(message.properties["message_id"], message.body) for message in found] == [
        (event_id, b"body of " + event_id.encode()) for event_id in ("R-1", "R-2", "R-3")
    ]
    assert {message.delivery_info["routing_key"] for message in found} == {"lms.result.recorded.v1"}


def test_a_long_outbox_goes_out_batch_by_batch(
    database_url: str, receiver: str, pool: Pool, publisher: Publisher
) -> None:
    write(database_url, *(f"R-{number}" for number in range(BATCH + 1)))

    assert [relay_once(pool, publisher) for _ in range(3)] == [BATCH, 1, 0]


def test_what_nobody_wants_is_set_aside_and_can_be_sent_again(
    database_url: str, amqp_url: str, pool: Pool, publisher: Publisher
) -> None:
    write(database_url, "R-1")
    assert relay_once(pool, publisher) == 0
    assert rows(database_url) == [("R-1", False, "unroutable")]
    assert relay_once(pool, publisher) == 0

    bind(amqp_url, RESULTS, RECEIVER)
    with transaction(pool) as db:
        assert outbox.send_again(db, outbox.UNROUTABLE) == 1
    assert relay_once(pool, publisher) == 1

    assert rows(database_url) == [("R-1", True, None)]
    assert depth(amqp_url, RECEIVER) == 1


def test_while_the_broker_is_away_the_outbox_waits(database_url: str, receiver: str, pool: Pool) -> None:
    """G9, B6"""
    write(database_url, "R-1")
    with linked(receiver) as (link, url), Publisher(url) as publisher:
        link.open = False
        assert relay_once(pool, publisher) == 0
        assert rows(database_url) == [("R-1", False, None)]
        link.open = True
        assert relay_once(pool, publisher) == 1

    assert rows(database_url) == [("R-1", True, None)]


def test_an_event_whose_confirm_was_lost_is_sent_again_with_the_same_id_and_bytes(
    database_url: str, receiver: str, pool: Pool
) -> None:
    """G10"""
    write(database_url, "R-1")
    with linked(receiver) as (link, url), Publisher(url, confirm_timeout=timedelta(seconds=1)) as publisher:
        publisher.publish([])
        link.silent = True
        assert relay_once(pool, publisher) == 0
        link.silent = False
        assert relay_once(pool, publisher) == 1

    found = take_all(receiver, RECEIVER)
    assert len(found) == 2
    assert {(message.properties["message_id"], message.body) for message in found} == {("R-1", b"body of R-1")}


def test_a_full_receiver_is_offered_the_event_again(
    database_url: str, amqp_url: str, pool: Pool, publisher: Publisher
) -> None:
    """G9"""
    bind(amqp_url, RESULTS, RECEIVER, {"x-overflow": "reject-publish", "x-max-length": 1})
    for number in range(50):
        write(database_url, f"R-{number}")
        relay_once(pool, publisher)
        if not all(published for _, published, _ in rows(database_url)):
            break
    waiting = [event_id for event_id, published, _ in rows(database_url) if not published]
    assert waiting
    assert {problem for _, _, problem in rows(database_url)} == {None}

    take_all(amqp_url, RECEIVER)

    until(lambda: relay_once(pool, publisher))
    assert all(published for _, published, _ in rows(database_url))


def test_two_relays_do_not_send_the_same_event(
    database_url: str, receiver: str, pool: Pool, publisher: Publisher
) -> None:
    write(database_url, "R-1", "R-2")
    with transaction(pool) as db:
        assert len(outbox.take_due(db, 1)) == 1

        assert relay_once(pool, publisher) == 1

    assert rows(database_url) == [("R-1", False, None), ("R-2", True, None)]


PROGRAM = """
import sys
from db.pool import open_pool
from producers.outbox_relay import relay_once
from producers.publisher import Publisher
amqp_url, database_url = sys.argv[1:]
with open_pool(database_url, name="relay", max_size=1) as pool:
    relay_once(pool, Publisher(amqp_url))
"""


@pytest.mark.crash
@pytest.mark.parametrize(
    ("place", "marked", "least", "most"),
    [
        ("outbox.selected", False, 0, 0),
        ("outbox.published", False, 0, 2),
        ("outbox.confirmed", False, 2, 2),
        ("outbox.marked", True, 2, 2),
    ],
)
def test_killed_anywhere_each_event_goes_out_with_one_id_and_the_same_bytes(
    database_url: str,
    receiver: str,
    pool: Pool,
    publisher: Publisher,
    place: str,
    marked: bool,
    least: int,
    most: int,
) -> None:
    """G11, I5"""
    write(database_url, "R-1", "R-2")
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, receiver, database_url],
        cwd=ROOT,
        env={**os.environ, "CRASH_AT": place, "MATRICULA_CRASH_TESTS": "1"},
        timeout=60,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    assert rows(database_url) == [("R-1", marked, None), ("R-2", marked, None)]
    assert least <= depth(receiver, RECEIVER) <= most

    # Postgres notices that the process is gone when it next looks at the connection, and lets go of the rows then.
    until(lambda: relay_once(pool, publisher) or all(published for _, published, _ in rows(database_url)))

    assert rows(database_url) == [("R-1", True, None), ("R-2", True, None)]
    found = {(message.properties["message_id"], message.body) for message in take_all(receiver, RECEIVER)}
    assert found == {("R-1", b"body of R-1"), ("R-2", b"body of R-2")}
