"""
One id leads from an event through every log to what became of it: its trace id, as in W3C's trace context.

An event that carries a `traceparent` keeps its trace; any other gets one that follows from its source and id, so that
the same event sent again has the same.
"""

import hashlib
import re
from collections.abc import Iterable

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_TRACE = re.compile("(?!0{32})[0-9a-f]{32}")

NAMED = 20


def named(traces: Iterable[str | None]) -> list[str]:
    """The traces as a line of a log names them, each once; of many the first, and the line says how many there are."""
    return list(dict.fromkeys(trace for trace in traces if trace))[:NAMED]


def trace_of(source: str, event_id: str, traceparent: str | None) -> str:
    """The trace that an event belongs to."""
    return given_trace(traceparent) or hashlib.sha256(f"{len(source)}:{source}:{event_id}".encode()).hexdigest()[:32]


def given_trace(traceparent: str | None) -> str | None:
    """The trace id in a traceparent; None when there is none, or it is malformed."""
    found = _PARENT.fullmatch(traceparent or "")
    return found["trace"] if found else None


def is_trace(text: str) -> bool:
    """Whether a text can be a trace id."""
    return bool(_TRACE.fullmatch(text))


def traceparent(trace: str, step: str) -> str:
    """What a message of ours carries on; the same for the same step of a trace."""
    return f"00-{trace}-{hashlib.sha256(step.encode()).hexdigest()[:16]}-01"
