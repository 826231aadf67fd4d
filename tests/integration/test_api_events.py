"""HR's events over HTTP: CloudEvents in three forms, and 202 only for what the broker has."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from db.pool import Pool
from ops.api.sending import Sender
from producers.publisher import Outcome
from runtime.topology import EVENTS, INBOX_QUEUE
from tests.integration.test_api import SETTINGS
from tests.support import queues
from tests.support.api import Api, Caller, serving
from tests.support.builders import as_bytes, enrolled, hired

STRUCTURED = {"headers": {"content-type": "application/cloudevents+json"}}
BATCH = {"headers": {"content-type": "application/cloudevents-batch+json; charset=utf-8"}}


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[Api]:
    with serving(pool, database_url, SETTINGS) as served:
        yield served


@pytest.fixture
def hr(api: Api) -> Caller:
    """HR's own token: good for publishing, and for nothing else."""
    return api.as_("integrator", scopes=["events:event:publish"])


def said(event: Any) -> dict[str, Any]:
    return dict(json.loads(as_bytes(event)))


def attributes(event: Any, **changes: str) -> dict[str, Any]:
    """The headers of binary mode."""
    found = {f"ce-{name}": str(value) for name, value in said(event).items() if name != "data"}
    return {"headers": {"content-type": "application/json", **found, **changes}}


def test_a_structured_event_goes_out_byte_for_byte(api: Api, hr: Caller) -> None:
    body = as_bytes(hired())
    answer = hr.send("POST", "/events", content=body, **STRUCTURED)

    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    [sent] = api.sender.sent
    assert (sent.exchange, sent.routing_key, sent.body) == (EVENTS, "hr.employee.created.v1", body)


def test_a_binary_event_is_the_same_event(api: Api, hr: Caller) -> None:
    """Attributes come as headers, percent-encoded where they are not ASCII."""
    event = said(hired())
    answer = hr.send("POST", "/events", event["data"], **attributes(hired(), **{"ce-source": "/hr/%C3%A9t%C3%A9"}))

    assert answer.status_code == 202, answer.text
    assert json.loads(api.sender.sent[0].body) == event | {"source": "/hr/été"}


def test_a_batch_keeps_its_order(api: Api, hr: Caller) -> None:
    events = [said(event) for event in (hired("E-2"), hired("E-1"), enrolled())]
    answer = hr.send("POST", "/events", events, **BATCH)

    assert (answer.status_code, answer.json()) == (202, {"accepted": 3})
    assert [json.loads(sent.body) for sent in api.sender.sent] == events


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.CONFIRMED])
def test_what_the_broker_has_not_confirmed_is_not_accepted(api: Api, hr: Caller, outcome: Outcome) -> None:
    api.sender.outcome = outcome
    answer = hr.send("POST", "/events", content=as_bytes(hired()), **STRUCTURED)

    assert (answer.status_code, answer.json()["code"]) == (503, "not_confirmed")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "text/plain"}, 415, "media_type"),
        ({"content-type": "application/json"}, 415, "media_type"),
        ({"content-type": "application/xml"}, 415, "media_type"),
        ({}, 415, "media_type"),
    ],
)
def test_another_form_is_not_taken(api: Api, hr: Caller, headers: dict[str, str], status: int, code: str) -> None:
    answer = hr.send("POST", "/events", content=as_bytes(hired()), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert api.sender.sent == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tenant": "zenith"}, "tenant"),
        ({"tenant": None}, "tenant"),
        ({"time": "yesterday"}, "time"),
        ({"subject": "E-2"}, "subject"),
        ({"data": {"employee_key": "E-1", "emails": "none"}}, "data.emails"),
        ({"type": "hr.unheard.of.v1"}, "type"),
    ],
)
def test_a_bad_event_is_refused_by_its_field(api: Api, hr: Caller, change: dict[str, Any], field: str) -> None:
    """422 names the field; in a batch with its place, and then nothing of the batch goes out."""
    bad = said(hired()) | change
    alone = hr.send("POST", "/events", bad, **STRUCTURED)
    among = hr.send("POST", "/events", [said(hired("E-5")), bad], **BATCH)

    assert (alone.status_code, among.status_code) == (422, 422), (alone.text, among.text)
    assert [error["field"] for error in alone.json()["errors"]] == [field]
    assert [error["field"] for error in among.json()["errors"]] == [f"[1].{field}"]
    assert alone.json()["owner"]
    assert alone.json()["fix"]
    assert api.sender.sent == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"[1]", b'[{"a":1}', b"\xff", b"[" * 100])
def test_what_is_no_batch_is_refused(api: Api, hr: Caller, body: bytes) -> None:
    answer = hr.send("POST", "/events", content=body, **BATCH)
    assert answer.status_code == 422, answer.text


def test_too_many_events_are_refused(hr: Caller) -> None:
    """S20"""
    answer = hr.send("POST", "/events", [{"id": str(n)} for n in range(501)], **BATCH)
    assert answer.status_code == 422
    assert "500" in answer.text


def test_an_event_that_is_too_large_is_refused(hr: Caller) -> None:
    answer = hr.send("POST", "/events", content=b" " * (1024 * 1024 + 1), **STRUCTURED)
    assert answer.status_code == 413


def test_hrs_token_is_good_for_nothing_else(hr: Caller) -> None:
    assert hr.send("GET", "/people").status_code == 403


def test_a_real_broker_has_what_was_accepted(pool: Pool, database_url: str, amqp_url: str) -> None:
    """202 after the confirm: the message is in the queue, durable, when the answer is there."""
    with serving(pool, database_url, SETTINGS) as served, queues.channel(amqp_url):
        sender = Sender(amqp_url)
        served.app.state.site = type(served.app.state.site)(SETTINGS, served.app.state.site.pool, sender)
        caller = served.as_("integrator")
        answer = caller.send("POST", "/events", [said(hired("E-1")), said(hired("E-2"))], **BATCH)
        sender.close()

        assert answer.status_code == 202
        arrived = [json.loads(bytes(message.body))["subject"] for message in queues.take_all(amqp_url, INBOX_QUEUE)]
        assert arrived == ["E-1", "E-2"]


def test_a_broker_that_is_away_is_told_as_it_is(pool: Pool, database_url: str) -> None:
    with serving(pool, database_url, SETTINGS) as served:
        sender = Sender("amqp://127.0.0.1:9/")
        served.app.state.site = type(served.app.state.site)(SETTINGS, served.app.state.site.pool, sender)
        answer = served.as_("integrator").send("POST", "/events", content=as_bytes(hired()), **STRUCTURED)

    assert (answer.status_code, answer.json()["code"]) == (503, "not_confirmed")
