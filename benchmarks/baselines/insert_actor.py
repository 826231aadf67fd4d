"""
A stock Dramatiq actor that stores one message in one transaction, from environment AMQP_URL into DATABASE_URL.

`python -m dramatiq benchmarks.baselines.insert_actor` works; `preload` fills its queue.
"""

import json
import os
import sys
from collections.abc import Sequence
from functools import cache

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from psycopg_pool import ConnectionPool

THREADS = 8

broker = RabbitmqBroker(url=os.environ["AMQP_URL"], confirm_delivery=True)
dramatiq.set_broker(broker)


@cache
def pool() -> ConnectionPool:
    return ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=THREADS, open=True)


@dramatiq.actor
def store(message_id: str, body: str) -> None:
    with pool().connection() as connection:
        connection.execute(
            "insert into message (message_id, body) values (%s, %s) on conflict do nothing", [message_id, body.encode()]
        )


def preload(messages: Sequence[tuple[str, str]]) -> None:
    """All of them wait in the queue."""
    for message_id, body in messages:
        store.send(message_id, body)


if __name__ == "__main__":
    preload(json.load(sys.stdin))
