"""
Takes messages off the broker and stores them: one transaction per batch, and the acknowledgement after its commit.

A batch is what has arrived, nothing ever waits for one to fill. When Postgres is away the batch is held, with
heartbeats, until it is back; nothing is ever rejected. When the broker is away the batch is forgotten, because the
broker will deliver it again, and what was stored of it is recognised.
"""

import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Self

import amqp
import structlog
from amqp.method_framing import frame_handler

from db import inbox
from db.inbox import Entry, Stored
from db.pool import Pool, transaction
from domain.errors import StoreUnavailable
from domain.traces import named
from producers.broker import BROKER_ERRORS, Untyped, connect, declare, drop
from runtime.crashpoints import crashpoint
from runtime.liveness import INGEST, beat
from runtime.topology import DEAD_QUEUE, INBOX_QUEUE, UNROUTED_QUEUE
from workers.arrivals import Arrival, read

log = structlog.stdlib.get_logger(__name__)

BATCH = 500
BATCH_BYTES = 16 * 1024 * 1024
HELD_BYTES = 4 * BATCH_BYTES  # read ahead at most while Postgres is away
READ_AHEAD = 16 * 1024
PATIENCE = timedelta(seconds=1)  # for a first message, and between two tries to store
FIRST_PAUSE = timedelta(milliseconds=200)
LONGEST_PAUSE = timedelta(seconds=5)

# The dead queue holds what was returned too often, most of it innocent: it only waited beside something that was not.
QUEUES = (INBOX_QUEUE, DEAD_QUEUE, UNROUTED_QUEUE)

DELIVER = (60, 60)  # AMQP class and method of a delivery
HEADER_FRAME = 2
HEADER_START = 12  # bytes before the property flags
NO_PROPERTIES = b"\0\0"
UNREADABLE = (ValueError, OverflowError, ArithmeticError, IndexError, RecursionError, struct.error, amqp.AMQPError)

Wake = Callable[[str], None]


def run(amqp_url: str, pool: Pool, wake: Wake, stop: threading.Event, *, size: int = BATCH) -> None:
    """
    Ingest until `stop` is set, whatever becomes of broker and database.

    Args:
        wake: Called with each tenant that has new events. It must neither raise nor take long.
        size: Messages in a batch at most; the broker sends twice as many ahead.
    """
    pause = FIRST_PAUSE
    while not stop.is_set():
        began = time.monotonic()
        try:
            with Inlet(amqp_url, size) as inlet:
                log.info("ingest connected")
                _ingest(inlet, pool, wake, stop, size)
        except BROKER_ERRORS as error:
            log.warning("broker connection lost", problem=f"{type(error).__name__}: {error}".partition("\n")[0])
            if time.monotonic() - began > LONGEST_PAUSE.total_seconds():
                pause = FIRST_PAUSE
            stop.wait(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)


def _ingest(inlet: "Inlet", pool: Pool, wake: Wake, stop: threading.Event, size: int) -> None:
    while not stop.is_set():
        beat(INGEST)
        batch = inlet.take(size)
        if not batch:
            continue
        crashpoint("ingress.received")
        stored = _store_in_the_end(inlet, pool, [entry for _, entry in batch], stop)
        if stored is None:
            return
        crashpoint("ingress.committed")
        inlet.acknowledge(batch[-1][0])
        crashpoint("ingress.acked")
        log.info(
            "batch stored",
            messages=len(batch),
            stored=dict(stored.classes),
            duplicates=stored.duplicates,
            traces=named(entry.trace_id for _, entry in batch),
        )
        for tenant in stored.tenants:
            wake(tenant)


def _store_in_the_end(inlet: "Inlet", pool: Pool, entries: Sequence[Entry], stop: threading.Event) -> Stored | None:
    """Store the batch as soon as Postgres lets us; None when we were told to stop first."""
    while not stop.is_set():
        try:
            return ingest_batch(pool, entries)
        except StoreUnavailable as error:
            log.warning("batch held", messages=len(entries), code=error.code, detail=error.detail)
            inlet.hold(PATIENCE)
    return None


def ingest_batch(pool: Pool, entries: Sequence[Entry]) -> Stored:
    """
    Store a batch in one transaction.

    Raises:
        StoreUnavailable: It may be stored or not; store it again.
    """
    with transaction(pool) as db:
        stored = inbox.store(db, entries)
        crashpoint("ingress.inserted")
    return stored


class Inlet:
    """
    A connection to the broker on which all queues for ingest are consumed, in the order of delivery.

    Its methods raise BROKER_ERRORS; after that it is of no use.
    """

    def __init__(self, amqp_url: str, size: int) -> None:
        self._arrived: deque[tuple[int, Entry]] = deque()
        self._bytes = 0
        self._connection = connect(amqp_url, "ingest", tolerant_frame_handler)
        try:
            _read_ahead(self._connection.transport)
            channel = self._channel = DeliveryChannel(self._connection, self._on_delivery)
            channel.open()
            declare(channel)
            channel.basic_qos(0, 2 * size, False)
            for queue in QUEUES:
                channel.basic_consume(queue, consumer_tag=queue)
        except BROKER_ERRORS:
            drop(self._connection)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drop(self._connection)

    def take(self, size: int) -> list[tuple[int, Entry]]:
        """
        The messages that have arrived, with their delivery tags; waits a second for a first one, and for no other.
        """
        if not self._arrived:
            self._drain(PATIENCE.total_seconds())
        while self._arrived and len(self._arrived) < size and self._bytes < BATCH_BYTES and self._drain(0):
            pass
        self._connection.heartbeat_tick()
        batch = [self._arrived.popleft() for _ in range(min(size, len(self._arrived)))]
        self._bytes -= sum(len(entry.body) for _, entry in batch)
        return batch

    def acknowledge(self, delivery_tag: int) -> None:
        """
        Settle this delivery and all before it.
        """
        self._channel.basic_ack(delivery_tag, multiple=True)

    def hold(self, duration: timedelta) -> None:
        """
        Let time pass without losing the connection: the broker hears from us, and what it sends is read.

        A broker that cannot get rid of its bytes closes the connection, so reading goes on while memory allows.
        """
        deadline = time.monotonic() + duration.total_seconds()
        while (left := deadline - time.monotonic()) > 0:
            if self._bytes < HELD_BYTES:
                self._drain(left)
            else:
                time.sleep(left)
        self._connection.send_heartbeat()

    def _drain(self, timeout: float) -> bool:
        """Handle one frame or method from the broker; whether one came."""
        try:
            self._connection.drain_events(timeout=timeout)
        except TimeoutError:
            return False
        return True

    def _on_delivery(self, queue: str, delivery_tag: int, message: Untyped) -> None:
        properties = message.properties
        # Read at once: of a body that is too large only the beginning is kept.
        entry = read(
            Arrival(
                message.body or b"",  # py-amqp leaves an empty text where there is no body
                queue,
                properties.get("content_type", ""),
                properties.get("application_headers", {}),
            )
        )
        self._bytes += len(entry.body)
        self._arrived.append((delivery_tag, entry))


def _read_ahead(transport: Untyped) -> None:
    """
    Have the socket read by the buffer.

    py-amqp asks the kernel for each part of each frame, nine times per message, which was a third of all work here.
    """
    receive = transport.sock.recv
    buffer = b""

    def buffered(size: int) -> bytes:
        nonlocal buffer
        if not buffer:
            buffer = receive(READ_AHEAD)
        part, buffer = buffer[:size], buffer[size:]
        return part

    transport._quick_recv = buffered  # noqa: SLF001 - there is no other seam


class DeliveryChannel(amqp.Channel):  # type: ignore[misc]
    """
    A channel that hands on deliveries with as little reading as possible.

    py-amqp decodes exchange and routing key of each delivery, which takes time and fails when they are not UTF-8.
    """

    def __init__(self, connection: Untyped, on_delivery: Callable[[str, int, Untyped], None]) -> None:
        super().__init__(connection, auto_decode=False)
        self._on_delivery = on_delivery

    def dispatch_method(self, method_sig: tuple[int, int], payload: bytes, content: Untyped) -> None:
        if method_sig != DELIVER or self.is_closing:
            super().dispatch_method(method_sig, payload, content)
            return
        end = 5 + payload[4]  # behind the method: the consumer's tag, which is its queue, and the delivery's
        [delivery_tag] = struct.unpack_from(">Q", payload, end)
        self._on_delivery(payload[5:end].decode("ascii"), delivery_tag, content)


def tolerant_frame_handler(connection: Untyped, callback: Untyped) -> Callable[[Untyped], bool]:
    """
    py-amqp's reader of frames, but a message whose properties cannot be read is taken to have none.

    Without this, one message with Latin-1 in its message id ends each connection that it is delivered on.
    """
    handle = frame_handler(connection, callback)

    def on_frame(frame: tuple[int, int, bytes]) -> bool:
        kind, channel, payload = frame
        if kind != HEADER_FRAME:
            return bool(handle(frame))
        try:
            return bool(handle(frame))
        except UNREADABLE:
            return bool(handle((kind, channel, payload[:HEADER_START] + NO_PROPERTIES)))

    return on_frame
