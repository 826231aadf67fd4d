"""
Looking into queues, and making some that the product does not have.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from producers.broker import connect, declare, drop
from runtime.topology import Arguments


@contextmanager
def channel(amqp_url: str) -> Iterator[Any]:
    """
    A py-amqp channel of the test's own, with the topology declared.
    """
    connection = connect(amqp_url, "test")
    try:
        opened = connection.channel()
        opened.auto_decode = False
        declare(opened)
        yield opened
    finally:
        drop(connection)


def depth(amqp_url: str, queue: str) -> int:
    """
    Messages in a queue that no consumer holds.
    """
    with channel(amqp_url) as opened:
        return int(opened.queue_declare(queue, passive=True).message_count)


def take_all(amqp_url: str, queue: str) -> list[Any]:
    """
    Every message in a queue, taken out of it.
    """
    with channel(amqp_url) as opened:
        return list(iter(lambda: opened.basic_get(queue, no_ack=True), None))


def bind(amqp_url: str, exchange: str, queue: str, arguments: Arguments | None = None) -> None:
    """
    A quorum queue of a receiver's own that wants everything from an exchange.
    """
    with channel(amqp_url) as opened:
        opened.queue_declare(
            queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum", **(arguments or {})}
        )
        opened.queue_bind(queue, exchange, "#")
