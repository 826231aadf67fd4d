"""Hears what is announced on lms.results, as an upstream system would."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from producers.broker import connect, declare, drop
from runtime.topology import RESULTS


class Listener:
    """A durable queue of its own that gets every announcement made from now on; no connection waits with it."""

    def __init__(self, amqp_url: str, queue: str) -> None:
        self._amqp_url = amqp_url
        self._queue = queue
        with self._channel() as channel:
            declare(channel)
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(queue, RESULTS, "#")

    def drain(self) -> list[tuple[str, str]]:
        """Type and id of every announcement that waits; they are taken off the queue."""
        taken = []
        with self._channel() as channel:
            while message := channel.basic_get(self._queue, no_ack=True):
                event = json.loads(message.body)
                taken.append((event["type"], event["id"]))
        return taken

    @contextmanager
    def _channel(self) -> Iterator[Any]:
        connection = connect(self._amqp_url, "listener")
        try:
            yield connection.channel()
        finally:
            drop(connection)
