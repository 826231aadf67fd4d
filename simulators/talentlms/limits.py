"""
How often a portal lets itself be called: so many calls in a fixed hour, and so many in a few seconds.

Calls that are turned away do not count.
"""

from __future__ import annotations

from collections import deque

from simulators.talentlms.settings import Settings

HOUR = 3600.0


class Meter:
    """The calls of the running hour and of the last seconds."""

    def __init__(self) -> None:
        self.used = 0
        self._ends = 0.0
        self._recent: deque[float] = deque()

    def admits(self, now: float, settings: Settings) -> bool:
        """Whether one more call is within the limits; it is counted if so."""
        remaining, _ = self.hour(now, settings)
        while self._recent and self._recent[0] <= now - settings.burst_seconds:
            self._recent.popleft()
        if remaining <= 0 or len(self._recent) >= settings.burst_calls:
            return False
        self.used += 1
        self._recent.append(now)
        return True

    def hour(self, now: float, settings: Settings) -> tuple[int, float]:
        """What is left of the hour, and when it ends; one that is over makes room for the next."""
        if now >= self._ends:
            self.used, self._ends = 0, now + HOUR
        return max(settings.calls_per_hour - self.used, 0), self._ends
