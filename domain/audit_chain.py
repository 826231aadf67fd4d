"""
The audit as a chain: each entry's hash covers the one before it and its own content, so that no entry can be changed,
taken out or put in between without every later hash being wrong.

Only the end of a chain is not covered by it. Whoever keeps a `Head` elsewhere can tell later whether it was cut off.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Sealed:
    """One entry as stored; `content` is everything that was written, as one text."""

    number: int
    content: str
    previous: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many entries it has, and the last one's hash."""

    number: int = 0
    hash: bytes = b""

    @classmethod
    def of(cls, entry: Sealed) -> Self:
        return cls(entry.number, entry.hash)


def hash_of(previous: bytes, content: str) -> bytes:
    """The hash of an entry."""
    return hashlib.sha256(previous + content.encode()).digest()


def follow(entries: Iterable[Sealed], start: Head = Head()) -> tuple[Head, int | None]:
    """
    How far the chain holds, from `start` on, and the number of the first entry that is wrong or missing, if any.
    """
    head = start
    for entry in entries:
        expected = (head.number + 1, head.hash, hash_of(entry.previous, entry.content))
        if (entry.number, entry.previous, entry.hash) != expected:
            return head, head.number + 1
        head = Head.of(entry)
    return head, None
