"""
Events from a file of lines, each a CloudEvent in JSON: checked one by one, and sent on byte for byte.
"""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from domain.events import MAX_EVENT_BYTES, BadEvent, parse_bytes
from producers.publisher import OutgoingEvent
from runtime.topology import EVENTS

STDIN = "-"


@dataclass(frozen=True, slots=True)
class GoodLine:
    """A line that may be sent, and whose it is."""

    number: int
    event: OutgoingEvent
    tenant: str


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that may not be sent: which field is wrong, empty for the line as a whole, and what is wrong with it."""

    number: int
    field: str
    problem: str


Line: TypeAlias = GoodLine | BadLine


def read_feed(path: str) -> Iterator[Line]:
    """
    Each line of a file, or of standard input for `-`, numbered from 1; empty lines are left out.

    One line is held at a time, and of a line that is too long only its beginning.

    Raises:
        OSError: The file cannot be read.
    """
    with nullcontext(sys.stdin.buffer) if path == STDIN else Path(path).open("rb") as source:
        for number, line in enumerate(_lines(source), start=1):
            body = line.rstrip(b"\r\n")
            if body.strip():
                yield _checked(number, body)


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """Lines without an upper limit of memory: the rest of one that is too long is read and dropped."""
    limit = MAX_EVENT_BYTES + 2  # a line break more, so that a line of the greatest size is not taken for a longer one
    while line := source.readline(limit):
        yield line
        while len(line) == limit and not line.endswith(b"\n"):
            line = source.readline(limit)


def _checked(number: int, body: bytes) -> Line:
    try:
        event = parse_bytes(body)
    except BadEvent as error:
        return BadLine(number, error.field, error.problem)
    return GoodLine(number, OutgoingEvent(EVENTS, event.type, event.envelope.id, body), event.envelope.tenant)
