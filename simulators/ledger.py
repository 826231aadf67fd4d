"""
What a simulated site did, as opposed to what it was asked.

The ledger lists effects in the order in which they became true; the call log lists requests without tokens and
without values. Both only grow. Checkers read the first for "at most one account", the second for "no call too early".
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Ledger:
    """An append-only list of effects and one of calls, safe to read while the site works."""

    def __init__(self, clock: Callable[[], float], path: Path | None = None) -> None:
        self._clock = clock
        self._path = path
        self._lock = threading.Lock()
        self._effects: list[Entry] = []
        self._calls: list[Entry] = []

    def record(self, effects: Iterable[Entry]) -> None:
        """Append effects (`{"kind": ..., ...}`), numbering and dating each."""
        with self._lock:
            self._append(self._effects, "effect", effects)

    def record_call(self, duration: float, **call: Any) -> None:
        """
        Append one finished call, dated by its arrival.

        `items` is the count of elements sent or records returned, `duration` is in seconds, `status` 0 means that no
        answer was sent, `fault` names the fault it met.
        """
        with self._lock:
            self._append(self._calls, "call", [{**call, "duration": round(duration, 6)}])

    def _append(self, entries: list[Entry], log: str, new: Iterable[Entry]) -> None:
        written = []
        for entry in new:
            numbered = {"n": len(entries) + 1, "at": self._clock(), **entry}
            entries.append(numbered)
            written.append(json.dumps({"log": log, **numbered}))
        if self._path is not None and written:
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n".join(written) + "\n")

    def effects(self, kind: str | None = None, **facts: Any) -> list[Entry]:
        """The effects so far, narrowed to a kind and to entries having all the given facts."""
        with self._lock:
            entries = list(self._effects)
        return [e for e in entries if (kind is None or e["kind"] == kind) and _has(e, facts)]

    def calls(self, function: str | None = None) -> list[Entry]:
        """The calls so far, narrowed to one function."""
        with self._lock:
            entries = list(self._calls)
        return [entry for entry in entries if function is None or entry["function"] == function]

    def counts(self) -> dict[str, int]:
        """How many effects of each kind there are."""
        return dict(Counter(entry["kind"] for entry in self.effects()))


def _has(entry: Entry, facts: dict[str, Any]) -> bool:
    return all(entry.get(name) == value for name, value in facts.items())
