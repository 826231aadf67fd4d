"""One id leads from an event through the logs to the LMS's calls and to what HR is told."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from db.audit import entries
from db.pool import Pool, transaction
from domain.traces import given_trace, trace_of
from tests.integration.test_api import SETTINGS
from tests.support.api import Api, serving
from tests.support.builders import as_bytes, enrolled, hired, hires
from tests.support.workbench import Workbench, academy

PERSON, COURSE = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"


def traced(event: Any, trace: str) -> bytes:
    return json.dumps(json.loads(as_bytes(event)) | {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}).encode()


@pytest.fixture
def bench(pool: Pool) -> Workbench:
    return Workbench(pool, academy())


def test_a_trace_leads_from_the_event_to_the_batch_and_its_calls(bench: Workbench) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        bench.done(traced(hired(), PERSON), traced(enrolled(), COURSE))

    [applied] = [line for line in lines if line["event"] == "events applied"]
    assert applied["traces"] == [PERSON, COURSE]
    [recorded] = [line for line in lines if line["event"] == "batch recorded"]
    assert recorded["traces"] == [PERSON, COURSE]
    calls = {line["function"]: line for line in lines if line.get("batch") == recorded["batch"] and "function" in line}
    assert {"core_user_create_users", "enrol_manual_enrol_users"} <= calls.keys()
    assert calls["core_user_create_users"]["outcome"] == "ok"
    assert bench.column("select trace_id from inbox order by inbox_id") == [PERSON, COURSE]


def test_what_hr_is_told_is_in_the_trace_of_what_hr_said(bench: Workbench) -> None:
    bench.done(traced(hired(), PERSON), traced(enrolled(), COURSE))

    bodies = [json.loads(bytes(body)) for body in bench.column("select body from outbox")]
    told = {body["type"]: body for body in bodies}

    assert given_trace(told["lms.account.linked.v1"]["traceparent"]) == PERSON
    assert given_trace(told["lms.enrolment.provisioned.v1"]["traceparent"]) == COURSE
    assert "traceparent" not in told["lms.course.observed.v1"], "nobody asked for it"


def test_an_event_without_a_trace_has_the_same_each_time_it_comes(bench: Workbench) -> None:
    said = json.loads(as_bytes(hired()))

    bench.done(hired())

    assert bench.column("select trace_id from inbox") == [trace_of(said["source"], said["id"], None)]
    assert bench.column("select trace_id from person") == bench.column("select trace_id from inbox")


def test_a_batch_of_many_names_some_and_says_how_many(bench: Workbench) -> None:
    with capture_logs(processors=[merge_contextvars]) as lines:
        bench.done(*hires(30))

    [recorded] = [line for line in lines if line["event"] == "batch recorded"]
    assert (recorded["accounts"], len(recorded["traces"])) == (30, 20)


@pytest.fixture
def api(pool: Pool, bench: Workbench, database_url: str) -> Iterator[Api]:
    with serving(pool, database_url, replace(SETTINGS)) as served:
        yield served


def test_a_request_is_in_the_trace_that_it_says_and_so_is_what_it_causes(api: Api, pool: Pool) -> None:
    parent = {"traceparent": f"00-{PERSON}-00f067aa0ba902b7-01"}
    headers = parent | {"content-type": "application/cloudevents+json"}

    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = api.as_("admin").send("POST", "/events", content=traced(hired(), COURSE), headers=headers)

    assert (answer.status_code, answer.headers["x-request-id"]) == (202, PERSON)
    [published] = [line for line in lines if line["event"] == "events published"]
    assert published["traces"] == [COURSE], "the event says for itself what it belongs to"
    with transaction(pool) as db:
        assert entries(db)[0].request_id == PERSON
