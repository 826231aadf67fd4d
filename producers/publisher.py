"""
Publishes events and knows of each whether the broker has it.

Confirms are awaited by the batch, which is about ten times as fast as one by one. After any error the connection is
dropped and every message without a confirm is unknown: it may be there, and it may be sent again, because whoever
receives it recognises it by its id.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from itertools import islice
from types import TracebackType
from typing import Self

import structlog
from amqp import Message
from amqp.exceptions import ConnectionForced

from producers.broker import BROKER_ERRORS, HEARTBEAT, Untyped, connect, declare, drop

log = structlog.stdlib.get_logger(__name__)

BATCH = 500
CONFIRM_TIMEOUT = timedelta(seconds=10)
SHORT = 255  # bytes in an AMQP short string
PERSISTENT = 2


class Outcome(StrEnum):
    """What became of one message."""

    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"  # no queue wanted it, and it is gone
    REFUSED = "refused"  # the broker has it not and will not take it now, for example because a queue is full
    UNKNOWN = "unknown"  # no answer: it may be there


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    exchange: str
    routing_key: str
    message_id: str
    body: bytes
    content_type: str = "application/cloudevents+json"
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    message_id: str
    outcome: Outcome


class Publisher:
    """
    A connection to the broker that is made when it is needed. For one thread.

    Args:
        confirm_timeout: How long a batch may stay without its last confirm.
        batch: Messages on their way at the same time.
    """

    def __init__(self, amqp_url: str, *, confirm_timeout: timedelta = CONFIRM_TIMEOUT, batch: int = BATCH) -> None:
        self._amqp_url = amqp_url
        self._confirm_timeout = confirm_timeout.total_seconds()
        self._batch = batch
        self._lane: _Lane | None = None
        self._used_at = 0.0
        self.problem = ""  # what ended the last connection, in words without secrets

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, events: Sequence[OutgoingEvent], *, on_sent: Callable[[], None] = lambda: None) -> list[Receipt]:
        """
        Send each event once and wait, not longer than the confirm timeout, for what becomes of them.

        Args:
            on_sent: Called between the last send and the wait.

        Raises nothing for a broker that is away: then all outcomes are unknown, and `problem` says why.
        """
        outcomes: dict[int, Outcome] = {}
        try:
            lane = self._open_lane()
            lane.send(events, outcomes)
            on_sent()
            lane.await_confirms(time.monotonic() + self._confirm_timeout)
            self._used_at = time.monotonic()
        except BROKER_ERRORS as error:
            self.problem = _in_words(error)
            log.warning("broker connection lost", problem=self.problem, unknown=len(events) - len(outcomes))
            self.close()
        return [Receipt(event.message_id, outcomes.get(at, Outcome.UNKNOWN)) for at, event in enumerate(events)]

    def publish_all(
        self, events: Iterable[OutgoingEvent], *, tries: int = 3, pause: timedelta = timedelta(seconds=1)
    ) -> Iterator[Receipt]:
        """
        Send all events, batch by batch, unknown ones again; each outcome is final and comes in the order of the events.

        Nothing is read ahead of the batch under way, so `events` may be endless; nothing is sent that is not asked for,
        so iterate to the end.
        """
        source = iter(events)
        while batch := list(islice(source, self._batch)):
            yield from self._insist(batch, tries, pause)

    def _insist(self, batch: list[OutgoingEvent], tries: int, pause: timedelta) -> list[Receipt]:
        receipts = self.publish(batch)
        for again in range(1, tries):
            unknown = [at for at, receipt in enumerate(receipts) if receipt.outcome is Outcome.UNKNOWN]
            if not unknown:
                break
            time.sleep(pause.total_seconds() * again)
            for at, receipt in zip(unknown, self.publish([batch[at] for at in unknown]), strict=True):
                receipts[at] = receipt
        return receipts

    def close(self) -> None:
        """
        Let go of the connection; the next publish makes another.
        """
        lane, self._lane = self._lane, None
        if lane is not None:
            drop(lane.connection)

    def _open_lane(self) -> "_Lane":
        # Nobody tends the heartbeat between two batches, so a connection that has been idle may be dead already. A new
        # one takes milliseconds, and finding out by using it would leave a batch unknown.
        if time.monotonic() - self._used_at > HEARTBEAT.total_seconds() / 2:
            self.close()
        if self._lane is None:
            self._lane = _Lane(connect(self._amqp_url, "publisher"))
        return self._lane


class _Lane:
    """A channel with confirms, and the messages on it that have none yet."""

    def __init__(self, connection: Untyped) -> None:
        self.connection = connection
        self._waiting: dict[int, int] = {}  # delivery tag: position in the batch
        self._ids: list[str] = []  # by position
        self._returned: set[str] = set()
        self._outcomes: dict[int, Outcome] = {}
        self._messages_sent = 0
        try:
            self._channel = connection.channel()
            declare(self._channel)
            self._channel.events["basic_return"].add(self._on_return)
            self._channel.events["basic_ack"].add(self._on_ack)
            self._channel.events["basic_nack"].add(self._on_nack)
            self._channel.confirm_select()
        except BROKER_ERRORS:
            drop(connection)
            raise

    def send(self, events: Sequence[OutgoingEvent], outcomes: dict[int, Outcome]) -> None:
        self._outcomes = outcomes
        self._ids = [_short(event.message_id) for event in events]
        self._returned.clear()
        for at, event in enumerate(events):
            message = Message(
                event.body, content_type=event.content_type, delivery_mode=PERSISTENT, message_id=self._ids[at]
            )
            self._messages_sent += 1
            self._waiting[self._messages_sent] = at
            self._channel.basic_publish(message, event.exchange, event.routing_key, mandatory=True)

    def await_confirms(self, deadline: float) -> None:
        while self._waiting:
            self.connection.drain_events(timeout=max(deadline - time.monotonic(), 0))

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: Untyped) -> None:
        self._returned.add(message.properties["message_id"])

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        self._settle(delivery_tag, multiple, Outcome.CONFIRMED)

    def _on_nack(self, delivery_tag: int, multiple: bool) -> None:
        self._settle(delivery_tag, multiple, Outcome.REFUSED)

    def _settle(self, delivery_tag: int, multiple: bool, outcome: Outcome) -> None:
        tags = [tag for tag in self._waiting if tag <= delivery_tag] if multiple else [delivery_tag]
        for tag in tags:
            at = self._waiting.pop(tag)
            # The broker returns a message before it confirms it. A return names no tag, so it is known by its id.
            self._outcomes[at] = Outcome.UNROUTABLE if self._ids[at] in self._returned else outcome


def _short(text: str) -> str:
    """Text that fits an AMQP short string; a longer one is replaced by its hash."""
    raw = text.encode()
    return text if len(raw) <= SHORT else hashlib.sha256(raw).hexdigest()


def _in_words(error: Exception) -> str:
    if isinstance(error, ConnectionForced):
        return "the broker closed the connection"
    return f"{type(error).__name__}: {error}".partition("\n")[0]
