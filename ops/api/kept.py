"""What is looked up for whoever asks, but not each time: who asks often gets what was seen a few seconds ago."""

import threading
import time
from collections.abc import Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """
    Answers by key, each as old as `fresh` at most, as long as looking takes less.

    Nobody waits for somebody else's look: that would let a few who ask take every thread (S20).
    """

    def __init__(self, fresh: timedelta) -> None:
        self._fresh = fresh.total_seconds()
        self._kept: dict[Hashable, tuple[float, T]] = {}
        self._looking: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, look: Callable[[], T]) -> T | None:
        """What was seen lately; while somebody else looks, what was seen before, and None if nothing was."""
        seen = self._kept.get(key)
        if seen and time.monotonic() - seen[0] < self._fresh:
            return seen[1]
        looking = self._looking.setdefault(key, threading.Lock())
        if not looking.acquire(blocking=False):
            return seen[1] if seen else None
        try:
            found = look()
            self._kept[key] = time.monotonic(), found
            return found
        finally:
            looking.release()
