"""
How RabbitMQ is reached and its topology declared, for publishers and for the ingest.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeAlias

import amqp
from kombu.connection import Connection

from runtime.topology import TOPOLOGY

# kombu and py-amqp have no types; this is the one name for what they give.
Untyped: TypeAlias = Any

CONNECT_TIMEOUT = timedelta(seconds=5)
SOCKET_TIMEOUT = timedelta(seconds=10)  # for one read or write, when the broker has stopped answering
HEARTBEAT = timedelta(seconds=30)

# What a connection may end in. AMQPError covers channels closed by the broker, OSError sockets and their time-outs.
BROKER_ERRORS = (amqp.AMQPError, OSError)


def connect(amqp_url: str, name: str, frame_handler: Callable[..., Untyped] = amqp.connection.frame_handler) -> Untyped:
    """
    A py-amqp connection with heartbeats agreed and no read or write without an end.

    Heartbeats are the caller's work: `heartbeat_tick()` about once a second.

    Args:
        name: Shown in the broker's list of connections.
        frame_handler: Takes the place of py-amqp's own.

    Raises:
        BROKER_ERRORS: The broker is away or refuses us.
    """
    place = Connection(  # type: ignore[no-untyped-call]
        amqp_url,
        connect_timeout=CONNECT_TIMEOUT.total_seconds(),
        heartbeat=HEARTBEAT.total_seconds(),
        transport_options={
            "read_timeout": SOCKET_TIMEOUT.total_seconds(),
            "write_timeout": SOCKET_TIMEOUT.total_seconds(),
            "client_properties": {"connection_name": f"matricula {name}"},
            "frame_handler": frame_handler,
        },
    )
    # One try: when to try again is for the caller to say, and it must not be hidden in a library's loop.
    return place.transport.establish_connection()


def drop(connection: Untyped) -> None:
    """
    Close the socket and nothing else; the AMQP farewell would wait for a broker that may not answer.
    """
    if connection is not None:
        connection.collect()


def declare(channel: Untyped) -> None:
    """
    Make the topology exist; harmless when it does.

    Raises:
        BROKER_ERRORS: Something of that name exists with other arguments, or we may not declare.
    """
    for exchange in TOPOLOGY.exchanges:
        channel.exchange_declare(
            exchange.name, exchange.kind, durable=True, auto_delete=False, arguments=dict(exchange.arguments)
        )
    for queue in TOPOLOGY.queues:
        channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=dict(queue.arguments))
    for binding in TOPOLOGY.bindings:
        channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)
