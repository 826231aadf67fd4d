"""
Reads a message from the broker far enough to store it: who sent it, what it is, whose it is.

Pure. Everything ends as an entry for the inbox, whatever the bytes are; whether the data of an event are valid is
decided when it is applied.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from db.inbox import Entry, Kind
from domain.events import FACT_TYPES, MAX_EVENT_BYTES, BadEvent, UnknownType, decode_json, parse
from domain.traces import trace_of
from runtime.topology import DEAD_QUEUE

# What is larger than an event may be can never be applied; its beginning is enough to tell what it was.
HEAD_BYTES = 64 * 1024
DETAIL = 500  # characters; a path into the JSON may be as long as the body
COLUMN = 255  # characters; longer ones are invalid anyway, and the body has them in full

_HEADER = re.compile("^(?:cloudevents[:_]|ce[-_])", re.IGNORECASE)
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as the broker delivered it."""

    body: bytes
    queue: str
    content_type: str = ""
    headers: Mapping[Any, Any] = field(default_factory=dict)


def read(arrival: Arrival) -> Entry:
    """
    The inbox entry of one message.

    Structured mode has attributes and data in the body. In binary mode, the attributes are headers and the body is the
    data. An event without an id gets the SHA-256 over its source and bytes as its id.
    """
    returned = arrival.queue == DEAD_QUEUE
    try:
        attributes = _header_attributes(arrival)
        content = decode_json(arrival.body)
        if attributes is None:
            return _entry(arrival.body, content, None, returned)
        return _entry(arrival.body, attributes, json.dumps(attributes, sort_keys=True), returned)
    except BadEvent as error:
        return _poison(arrival.body, error, returned)


def _header_attributes(arrival: Arrival) -> dict[str, str] | None:
    """The attributes that came as headers; None when the message is in structured mode."""
    if not arrival.headers or arrival.content_type.startswith("application/cloudevents"):
        return None
    named = {name: _HEADER.match(name) for name in arrival.headers if isinstance(name, str)}
    found = {
        name[match.end() :].lower(): _as_text(name, arrival.headers[name]) for name, match in named.items() if match
    }
    return found or None


def _as_text(name: str, value: object) -> str:
    if isinstance(value, bytes):
        raise BadEvent("not_utf8", name, "is not UTF-8")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):  # AMQP timestamps are in UTC, and py-amqp gives them without saying so
        return value.isoformat() + "Z"
    if not isinstance(value, str | int | float):
        raise BadEvent("bad_field", name, "is neither text nor a number")
    text = str(value)
    if _UNUSABLE.search(text) or _UNUSABLE.search(name):
        raise BadEvent("unusable_text", "", "holds a NUL or a lone surrogate, which nothing after us can store")
    return text


def _entry(body: bytes, content: Mapping[str, Any], attributes: str | None, returned: bool) -> Entry:
    source = _text(content, "source") or ""
    event_id = _text(content, "id") or hashlib.sha256(source.encode() + b"\0" + body).hexdigest()
    event_type = _text(content, "type")
    tenant = _text(content, "tenant")
    # Attributes in headers are part of what the sender said, so they make a difference like any byte of the body.
    said = body if attributes is None else attributes.encode() + b"\n" + body
    entry = Entry(
        event_key=hashlib.sha256(f"{len(source)}:{source}:{event_id}".encode()).digest(),
        body_sha256=hashlib.sha256(said).digest(),
        body=body,
        body_size=len(body),
        attributes=attributes,
        source=source[:COLUMN],
        event_id=event_id[:COLUMN],
        type=event_type and event_type[:COLUMN],
        subject=(_text(content, "subject") or "")[:COLUMN] or None,
        tenant=tenant and tenant[:COLUMN],
        trace_id=trace_of(source, event_id, _text(content, "traceparent")),
        returned=returned,
    )
    problem = _problem(content, event_type, tenant)
    if problem is None:
        return entry
    kind: Kind = "unknown" if isinstance(problem, UnknownType) else "poison"
    return replace(entry, kind=kind, code=problem.code, detail=str(problem)[:DETAIL])


def _problem(content: Mapping[str, Any], event_type: str | None, tenant: str | None) -> BadEvent | None:
    """Why this can never be an event of ours, so far as that shows without its data."""
    if "specversion" not in content:
        return BadEvent("missing_field", "specversion", "is missing; this is not a CloudEvent")
    if tenant is None:
        return BadEvent("missing_field", "tenant", "is missing")
    if len(tenant) > COLUMN:
        return BadEvent("bad_field", "tenant", f"has more than {COLUMN} characters")
    if event_type in FACT_TYPES:
        return None
    try:
        parse(content)
    except BadEvent as error:
        return error
    return None


def _text(content: Mapping[str, Any], name: str) -> str | None:
    """An attribute as its envelope will have it: trimmed, and None when it is empty or no text."""
    value = content.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _poison(body: bytes, error: BadEvent, returned: bool) -> Entry:
    digest = hashlib.sha256(body).digest()
    return Entry(
        event_key=digest,
        body_sha256=digest,
        body=body if len(body) <= MAX_EVENT_BYTES else body[:HEAD_BYTES],
        body_size=len(body),
        kind="poison",
        code=error.code,
        detail=str(error)[:DETAIL],
        returned=returned,
    )
