"""Hears what is announced on lms.results, as an upstream system would."""

import json
from types import TracebackType
from typing import Self

from producers.broker import connect, declare, drop
from runtime.topology import RESULTS


class Listener:
    """A durable queue of its own that gets every announcement made from now on."""

    def __init__(self, amqp_url: str, queue: str) -> None:
        self._connection = connect(amqp_url, "listener")
        self._channel = self._connection.channel()
        self._queue = queue
        declare(self._channel)
        arguments = {"x-queue-type": "quorum"}
        self._channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
        self._channel.queue_bind(queue, RESULTS, "#")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drop(self._connection)

    def drain(self) -> list[tuple[str, str]]:
        """Type and id of every announcement that waits; they are taken off the queue."""
        taken = []
        while message := self._channel.basic_get(self._queue, no_ack=True):
            event = json.loads(message.body)
            taken.append((event["type"], event["id"]))
        return taken
