"""
Wake-ups: Dramatiq messages that name a scope in which work is due, and the broker they travel on.

A wake-up carries no person and no payload. Losing one costs seconds, because the scheduler sends another; repeating one
costs a query. So there are no delays, no retries and no dead letters here: all waiting is a row in Postgres.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeAlias

import dramatiq
import pika
import pika.exceptions
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware
from pika.adapters.utils.connection_workflow import AMQPConnectorException

from runtime.liveness import beat
from runtime.topology import APPLY, MAINTENANCE, POLL, PROVISION, WAKE_UP_QUEUES

log = structlog.stdlib.get_logger(__name__)

WakeUp: TypeAlias = "dramatiq.Message[None]"

# A handshake that takes too long is none of pika's AMQPErrors.
SEND_ERRORS = (pika.exceptions.AMQPError, AMQPConnectorException, OSError)

SENDS = 2  # the first may find that the broker has closed an idle connection

PATIENCE = timedelta(seconds=3)  # for a confirm: a queue that has lost its leader gives none, and pika would wait on
SILENCE = timedelta(seconds=5)  # after a failed send: a broker with an alarm would hold up each one for seconds

# Seconds, pika's unit. Together they bound how long a send can take when the broker answers slowly or not at all.
LIMITS = {
    "connection_attempts": 1,
    "socket_timeout": 3,
    "stack_timeout": 5,
    "blocked_connection_timeout": 3,
    "heartbeat": 15,
}


class WakeUpConsumer(_RabbitmqConsumer):
    """
    Dramatiq's consumer, whose queue has a beat each time that the broker gave something or, for a second, nothing.
    """

    def __next__(self) -> MessageProxy | None:
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        beat(self.queue_name)
        return message


class WakeUpBroker(RabbitmqBroker):
    """
    Dramatiq's RabbitMQ broker on the queues of `runtime.topology`, without its queues for delayed and dead messages.

    Two queues less per queue, and one consumer with its connection less per queue and process.
    """

    consumer_class = WakeUpConsumer

    def declare_queue(self, queue_name: str, *, ensure: bool = False) -> None:
        """
        Know the queue, and make it exist when `ensure` is set.

        Raises:
            KeyError: It is not in the topology.
        """
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(WAKE_UP_QUEUES[queue_name].name)
            self.queues_pending.add(queue_name)
            self.emit_after("declare_queue", queue_name)
        if ensure:
            self._ensure_queue(queue_name)  # type: ignore[no-untyped-call]

    def _build_queue_arguments(self, queue_name: str) -> dict[str, str | int]:
        return dict(WAKE_UP_QUEUES[queue_name].arguments)

    def _declare_dq_queue(self, queue_name: str) -> None:
        """There is none."""

    def _declare_xq_queue(self, queue_name: str) -> None:
        """There is none."""

    def enqueue(self, message: WakeUp, *, delay: int | None = None) -> WakeUp:
        """
        Send a message and wait for its confirm; twice at most, where Dramatiq's own broker tries six times.

        Raises:
            ConnectionClosed: The broker is away, blocked or refuses it. It may arrive all the same.
        """
        if delay is not None:
            raise ValueError("a wake-up is never delayed: waiting is a row with a due time")
        for tries_left in reversed(range(SENDS)):
            try:
                return self._send(message)
            except SEND_ERRORS as error:
                self._forget_connection(message.queue_name)
                if not tries_left or isinstance(error, pika.exceptions.ConnectionBlockedTimeout):
                    raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        raise AssertionError("the last try returns or raises")

    def _send(self, message: WakeUp) -> WakeUp:
        with self._within_bounds():
            self.declare_queue(message.queue_name, ensure=True)
            self.emit_before("enqueue", message, None)
            self.channel.basic_publish(
                exchange="",
                routing_key=message.queue_name,
                body=message.encode(),
                properties=pika.BasicProperties(delivery_mode=2),
                mandatory=True,
            )
            self.emit_after("enqueue", message, None)
        return message

    @contextmanager
    def _within_bounds(self) -> Iterator[None]:
        """The connection is torn down when the broker, alive as it may be, does not answer in time."""
        # Nothing public of pika's runs a timer during a wait; this is how it bounds the time that it is blocked.
        inner = self.connection._impl  # noqa: SLF001
        late = pika.exceptions.ConnectionBlockedTimeout("no confirm in time")
        timer = inner._adapter_call_later(PATIENCE.total_seconds(), lambda: inner._terminate_stream(late))  # noqa: SLF001
        try:
            yield
        finally:
            inner._adapter_remove_timeout(timer)  # noqa: SLF001

    def _forget_connection(self, queue_name: str) -> None:
        del self.connection
        # The queue may be gone with the broker's data; then the next send declares it again.
        self.queues_pending.add(queue_name)


def wakeup_broker(amqp_url: str, *, middleware: Sequence[Middleware] = ()) -> WakeUpBroker:
    """
    A broker for wake-ups; nothing is connected until it is used.

    Args:
        middleware: All of it. Dramatiq's default list is not used, because it holds Retries.
    """
    parameters = pika.URLParameters(amqp_url)
    for name, value in LIMITS.items():
        setattr(parameters, name, value)
    broker = WakeUpBroker(confirm_delivery=True, middleware=list(middleware))
    broker.parameters = parameters
    return broker


class WakeUps:
    """
    Sends wake-ups by name, without importing the actors that they wake: actor and queue share one name.

    A wake-up that cannot be sent is logged and forgotten after a bounded wait, and so are those of the next seconds to
    the same actor without any wait; the scheduler repeats them.
    """

    def __init__(self, broker: WakeUpBroker) -> None:
        self._broker = broker
        # By actor: one queue in trouble must not silence the others.
        self._silent_until: defaultdict[str, float] = defaultdict(float)

    def apply(self, tenant: str) -> None:
        """Events of this tenant wait to be applied."""
        self._wake(APPLY, tenant)

    def provision(self, integration_id: int) -> None:
        """Accounts of this integration are due."""
        self._wake(PROVISION, integration_id)

    def poll(self, integration_id: int) -> None:
        """Results of this integration are due to be read."""
        self._wake(POLL, integration_id)

    def maintain(self) -> None:
        """Housekeeping is due."""
        self._wake(MAINTENANCE)

    def _wake(self, actor: str, *scope: str | int) -> None:
        if time.monotonic() < self._silent_until[actor]:
            return
        message: WakeUp = dramatiq.Message(queue_name=actor, actor_name=actor, args=scope, kwargs={}, options={})
        try:
            self._broker.enqueue(message)
        except ConnectionClosed as error:
            self._silent_until[actor] = time.monotonic() + SILENCE.total_seconds()
            log.warning("wake-up not sent", actor=actor, problem=type(error.__context__ or error).__name__)
