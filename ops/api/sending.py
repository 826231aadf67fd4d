"""Events on their way to the broker, for many requests at a time."""

import threading
from collections.abc import Sequence

from producers.publisher import Outcome, OutgoingEvent, Publisher


class Sender:
    """One connection to the broker, used by one request after the other."""

    def __init__(self, amqp_url: str) -> None:
        self._publisher = Publisher(amqp_url)
        self._lock = threading.Lock()

    def send(self, events: Sequence[OutgoingEvent]) -> tuple[list[Outcome], str]:
        """What became of each event, and why some did not arrive."""
        with self._lock:
            receipts = list(self._publisher.publish_all(events, tries=2))
            return [receipt.outcome for receipt in receipts], self._publisher.problem

    def close(self) -> None:
        with self._lock:
            self._publisher.close()
