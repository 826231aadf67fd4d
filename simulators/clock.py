"""
A clock that tests may move.
"""

from __future__ import annotations

import time


class MovableClock:
    """Real time plus an offset, in Unix seconds; `advance` moves it for everybody who reads it."""

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = offset

    def __call__(self) -> float:
        """The simulated time."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move on (or back, with a negative number)."""
        self._offset += seconds
