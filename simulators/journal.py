"""
How both simulated systems change what they hold: a call that fails half-way leaves nothing behind but lost ids.

Effects for the ledger wait in the journal and are handed over when the call commits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Journal:
    """The changes of the running call: undone in reverse when it fails, told to the ledger when it commits."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []
        self.effects: list[dict[str, Any]] = []

    def effect(self, kind: str, **facts: Any) -> None:
        """Note an effect for the ledger."""
        self.effects.append({"kind": kind, **facts})

    def assign(self, target: Any, name: str, value: Any) -> None:
        """Set an attribute."""
        old = getattr(target, name)
        setattr(target, name, value)
        self._undo.append(lambda: setattr(target, name, old))

    def put(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        """Set a key."""
        self._undo.append(self._restore(mapping, key))
        mapping[key] = value

    def drop(self, mapping: dict[Any, Any], key: Any) -> None:
        """Remove a key if it is there."""
        if key in mapping:
            self._undo.append(self._restore(mapping, key))
            del mapping[key]

    @staticmethod
    def _restore(mapping: dict[Any, Any], key: Any) -> Callable[[], None]:
        if key in mapping:
            old = mapping[key]
            return lambda: mapping.__setitem__(key, old)
        return lambda: mapping.pop(key, None) and None

    def settle(self) -> list[dict[str, Any]]:
        """Make the changes final; returns the effects to tell."""
        effects, self.effects, self._undo = self.effects, [], []
        return effects

    def savepoint(self) -> tuple[int, int]:
        """A point to return to."""
        return len(self._undo), len(self.effects)

    def rollback(self, point: tuple[int, int] = (0, 0)) -> None:
        """Undo everything since a point."""
        changes, effects = point
        while len(self._undo) > changes:
            self._undo.pop()()
        del self.effects[effects:]


class Counters:
    """Ids as database sequences give them: never twice, not even after a rollback."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def next(self, name: str) -> int:
        """The next id of a sequence."""
        self._last[name] = self._last.get(name, 0) + 1
        return self._last[name]

    def reach(self, name: str, used: int) -> None:
        """Make sure the next id lies above one that is in use."""
        self._last[name] = max(self._last.get(name, 0), used)

    def set(self, name: str, used: int) -> None:
        """Make the next id follow this one, even if that goes back."""
        self._last[name] = used
