import hashlib
import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import MAX_EVENT_BYTES, decode_json, parse
from runtime.topology import DEAD_QUEUE, INBOX_QUEUE, UNROUTED_QUEUE
from tests.support import poison
from tests.support.events import UPDATED, as_bytes, cloud_event
from workers.arrivals import COLUMN, HEAD_BYTES, Arrival, read

ATTRIBUTES = {name: value for name, value in cloud_event().items() if name != "data"}
DATA = json.dumps(cloud_event()["data"]).encode()


def structured(body: bytes, queue: str = INBOX_QUEUE) -> Arrival:
    return Arrival(body, queue, "application/cloudevents+json")


def binary(prefix: str = "cloudEvents:", **changes: Any) -> Arrival:
    headers = {prefix + name: value for name, value in (ATTRIBUTES | changes).items() if value is not None}
    return Arrival(DATA, INBOX_QUEUE, "application/json", headers)


def test_a_structured_event_is_read_from_its_body() -> None:
    body = as_bytes(cloud_event())

    entry = read(structured(body))

    assert (entry.kind, entry.code, entry.attributes, entry.returned) == ("event", None, None, False)
    assert (entry.source, entry.event_id, entry.type) == ("/psiber/acme", "E-1", UPDATED)
    assert (entry.subject, entry.tenant) == ("1002", "acme")
    assert (entry.body, entry.body_size) == (body, len(body))
    assert entry.body_sha256 == hashlib.sha256(body).digest()


def test_a_structured_event_needs_no_content_type() -> None:
    assert read(Arrival(as_bytes(cloud_event()), INBOX_QUEUE)).kind == "event"


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_", "ce-", "CE-"])
def test_a_binary_event_is_read_from_its_headers(prefix: str) -> None:
    entry = read(binary(prefix))

    assert (entry.kind, entry.tenant, entry.event_id, entry.body) == ("event", "acme", "E-1", DATA)
    assert entry.attributes is not None
    assert parse({**json.loads(entry.attributes), "data": decode_json(entry.body)}).envelope.tenant == "acme"


def test_an_amqp_timestamp_is_a_time_in_utc() -> None:
    entry = read(binary(time=datetime.fromisoformat("2026-01-31T07:00:00")))

    assert json.loads(entry.attributes or "")["time"] == "2026-01-31T07:00:00Z"


def test_attributes_in_headers_make_a_difference_like_bytes_of_the_body() -> None:
    """A11"""
    one, other = read(binary()), read(binary(time="2026-02-01T00:00:00Z"))

    assert one.event_key == other.event_key
    assert one.body_sha256 != other.body_sha256


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tenant": None}, "missing_field"),
        ({"specversion": None}, "missing_field"),
        ({"id": "E\x00"}, "unusable_text"),
        ({"id": "E\ud800"}, "unusable_text"),
        ({"id": b"\xff"}, "not_utf8"),
        ({"id": {"nested": []}}, "bad_field"),
    ],
)
def test_headers_that_cannot_be_used_are_poison(changes: dict[str, Any], code: str) -> None:
    entry = read(binary(**changes))

    assert (entry.kind, entry.code) == ("poison", code)


def test_an_event_without_id_gets_one_from_its_source_and_bytes() -> None:
    """A12"""
    one = read(structured(as_bytes(cloud_event(None))))
    again = read(structured(as_bytes(cloud_event(None))))
    other = read(structured(as_bytes(cloud_event(None, source="/psiber/other"))))

    assert one.kind == "event"
    assert one.event_id == hashlib.sha256(b"/psiber/acme\0" + one.body).hexdigest()
    assert one.identity == again.identity
    assert one.event_key != other.event_key


def test_source_and_id_are_trimmed_and_never_run_into_each_other() -> None:
    assert (
        read(structured(as_bytes(cloud_event(" E-1 ")))).event_key
        == read(structured(as_bytes(cloud_event()))).event_key
    )
    assert (
        read(structured(as_bytes(cloud_event("b:c", source="a")))).event_key
        != read(structured(as_bytes(cloud_event("c", source="a:b")))).event_key
    )


def test_what_comes_by_way_of_the_dead_queue_is_marked_and_still_an_event() -> None:
    """A13"""
    entry = read(structured(as_bytes(cloud_event()), DEAD_QUEUE))

    assert (entry.kind, entry.returned) == ("event", True)


@pytest.mark.parametrize("event_type", ["hr.employee.created.v99", "payroll.run.v1"])
def test_an_unknown_type_is_kept_as_unknown(event_type: str) -> None:
    """A15"""
    entry = read(structured(as_bytes(cloud_event(type=event_type)), UNROUTED_QUEUE))

    assert (entry.kind, entry.code, entry.type, entry.tenant) == ("unknown", "unknown_type", event_type, "acme")


@pytest.mark.parametrize("name", poison.POISON)
def test_poison_is_kept_with_its_code(name: str) -> None:
    body, code = poison.POISON[name]

    entry = read(structured(body))

    assert (entry.kind, entry.code) == ("poison", code)
    assert entry.body_size == len(body)
    assert entry.body_sha256 == hashlib.sha256(body).digest()
    assert entry.body == (body if len(body) <= MAX_EVENT_BYTES else body[:HEAD_BYTES])
    assert entry.detail


@pytest.mark.parametrize("name", poison.EVENTS)
def test_odd_events_are_events(name: str) -> None:
    entry = read(structured(poison.EVENTS[name]))

    assert (entry.kind, entry.tenant) == ("event", "acme")
    assert all(len(text or "") <= COLUMN for text in (entry.source, entry.event_id, entry.subject, entry.type))


@given(
    st.binary()
    | st.dictionaries(
        st.sampled_from(["specversion", "id", "source", "type", "subject", "tenant", "data"]),
        st.text() | st.none() | st.integers() | st.sampled_from([UPDATED, "acme"]),
    ).map(lambda event: json.dumps(event).encode("utf-8", "surrogatepass"))
)
def test_any_bytes_become_an_entry_that_postgres_can_hold(body: bytes) -> None:
    entry = read(structured(body))

    assert (entry.kind == "event") == (entry.code is None)
    for text in (entry.source, entry.event_id, entry.type, entry.subject, entry.tenant, entry.code, entry.detail):
        assert "\x00" not in (text or "")
        (text or "").encode()
