"""What `matricula doctor` and the readiness check see of the broker; nothing of it is changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import amqp

from producers.broker import Untyped, connect, drop
from runtime.topology import TOPOLOGY, WAKE_UP_QUEUES, Exchange, Queue


@dataclass(slots=True)
class Found:
    """
    What the broker has of our topology.

    Attributes:
        wrong: What is missing or other than ours, in words.
        waiting, consumers: Messages in each queue that is there, and who takes from it.
    """

    server: str = ""
    wrong: list[str] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    consumers: dict[str, int] = field(default_factory=dict)


@contextmanager
def reached(amqp_url: str) -> Iterator[Untyped]:
    """
    A connection for one look.

    Raises:
        BROKER_ERRORS: The broker is away or refuses us.
    """
    connection = connect(amqp_url, "doctor")
    try:
        yield connection
    finally:
        drop(connection)


def inspect(connection: Untyped) -> Found:
    """
    Every exchange and queue of ours is asked for. Bindings are not: AMQP has no question for one that does not make it.

    Raises:
        BROKER_ERRORS: The connection is lost.
    """
    found = Found(" ".join(str(connection.server_properties.get(name, "")) for name in ("product", "version")))
    for exchange in TOPOLOGY.exchanges:
        found.wrong += _trouble(connection, f"exchange {exchange.name}", partial(_ask_for_exchange, exchange))
    for queue in TOPOLOGY.queues:
        found.wrong += _trouble(connection, f"queue {queue.name}", partial(_count, found, queue))
    for queue in WAKE_UP_QUEUES.values():
        # A worker makes its queues when it first starts; that none did shows in that nobody takes from them.
        trouble = _trouble(connection, f"queue {queue.name}", partial(_count, found, queue))
        found.wrong += [one for one in trouble if not one.endswith(MISSING)]
    return found


MISSING = "is missing"


def _ask_for_exchange(exchange: Exchange, channel: Untyped) -> None:
    arguments = dict(exchange.arguments)
    channel.exchange_declare(exchange.name, exchange.kind, passive=True)
    # It is there: to declare what is there changes nothing, and is refused where it differs.
    channel.exchange_declare(exchange.name, exchange.kind, durable=True, auto_delete=False, arguments=arguments)


def _count(found: Found, queue: Queue, channel: Untyped) -> None:
    there = channel.queue_declare(queue.name, passive=True)
    found.waiting[queue.name], found.consumers[queue.name] = there.message_count, there.consumer_count
    channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=dict(queue.arguments))


def _trouble(connection: Untyped, what: str, ask: Callable[[Untyped], None]) -> list[str]:
    """What is wrong with a thing. The broker closes a channel when it says no, so each question has its own."""
    channel = connection.channel()
    try:
        ask(channel)
    except amqp.NotFound:
        return [f"{what} {MISSING}"]
    except amqp.PreconditionFailed:
        return [f"{what} is of another kind or has other arguments than ours"]
    except amqp.AccessRefused:
        return [f"{what} may not be looked at by this user"]
    channel.close()
    return []
