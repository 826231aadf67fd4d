"""
Exchanges, queues and bindings as plain data, valid on RabbitMQ 3.10 and 4.x.

kombu and Dramatiq both declare from here. A queue's arguments cannot be changed later, so they are few: a change of one
needs a queue of another name. Each queue says its type and its delivery limit, because the defaults differ between
versions: 3.10 has no limit and 4.x throws a message away after 20 deliveries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Arguments: TypeAlias = Mapping[str, str | int]

EVENTS = "hr.events"
UNROUTED = "hr.unrouted"
RESULTS = "lms.results"

INBOX_QUEUE = "hr.events.inbox"
DEAD_QUEUE = "hr.events.dead"
UNROUTED_QUEUE = "hr.unrouted"

# A delivery counts when its consumer dies, also for messages that were only waiting in its prefetch.
DELIVERIES = 20
# The end of the line: there is nowhere else to go, so nothing may ever be thrown away. -1 must not be used: on 3.10 it
# throws away at the first redelivery.
ENDLESS = 1_000_000_000

WAKE_UP_DELIVERIES = 3
WAKE_UP_TTL_MS = 60_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: Literal["topic", "fanout"]
    arguments: Arguments = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue."""

    name: str
    arguments: Arguments


@dataclass(frozen=True, slots=True)
class Binding:
    exchange: str
    queue: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Topology:
    """What must exist, in an order in which it can be declared: dead queues before what dead-letters to them."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


def _kept(name: str, *, dead_letters_to: str | None = None) -> Queue:
    """A queue that loses nothing: what cannot be delivered moves on, and moving on is confirmed."""
    if dead_letters_to is None:
        return Queue(name, {"x-queue-type": "quorum", "x-delivery-limit": ENDLESS})
    return Queue(
        name,
        {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERIES,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead_letters_to,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",  # at-least-once works with this only
        },
    )


def _wake_ups(name: str) -> Queue:
    """A queue of hints: one delivered too often or waiting too long is dropped; the scheduler has sent another."""
    arguments: Arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": WAKE_UP_DELIVERIES,
        "x-message-ttl": WAKE_UP_TTL_MS,
    }
    return Queue(name, arguments)


APPLY, PROVISION, POLL, MAINTENANCE = "apply", "provision", "poll", "maintenance"
WAKE_UP_QUEUES: Mapping[str, Queue] = {name: _wake_ups(name) for name in (APPLY, PROVISION, POLL, MAINTENANCE)}

# `mandatory` reports a message that reached no queue at all. What hr.events cannot route goes to hr.unrouted, which is
# bound, so a returned fact means that this topology is damaged and never that somebody used an odd type.
#
# lms.results has no queue of ours. Who wants results binds a queue; until then each event is returned, and the relay
# sets it aside instead of losing it.
TOPOLOGY = Topology(
    exchanges=(
        Exchange(UNROUTED, "fanout"),
        Exchange(EVENTS, "topic", {"alternate-exchange": UNROUTED}),
        Exchange(RESULTS, "topic"),
    ),
    queues=(
        _kept(DEAD_QUEUE),
        _kept(UNROUTED_QUEUE, dead_letters_to=DEAD_QUEUE),
        _kept(INBOX_QUEUE, dead_letters_to=DEAD_QUEUE),
    ),
    bindings=(
        Binding(UNROUTED, UNROUTED_QUEUE, ""),
        Binding(EVENTS, INBOX_QUEUE, "hr.#"),
    ),
)
