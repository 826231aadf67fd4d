"""Which trace an event belongs to."""

import pytest

from domain.traces import NAMED, given_trace, is_trace, named, trace_of, traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_an_event_keeps_the_trace_that_it_carries() -> None:
    assert trace_of("/hr/acme", "1", PARENT) == TRACE
    assert trace_of("/hr/acme", "1", f"01-{TRACE}-00f067aa0ba902b7-01-and-more") == TRACE


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "",
        TRACE,
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        PARENT.upper(),
        PARENT + "\n",
        f" {PARENT}",
    ],
)
def test_without_a_usable_one_it_follows_from_source_and_id(malformed: str | None) -> None:
    """W3C trace context: what is malformed is as if it were not there."""
    made = trace_of("/hr/acme", "1", malformed)

    assert is_trace(made)
    assert made == trace_of("/hr/acme", "1", None) != TRACE
    assert made != trace_of("/hr/acme", "2", malformed)
    assert trace_of("ab", "c", None) != trace_of("a", "bc", None)


def test_what_we_send_on_is_in_the_same_trace_and_the_same_each_time() -> None:
    sent = traceparent(TRACE, "event 1")

    assert given_trace(sent) == TRACE
    assert sent == traceparent(TRACE, "event 1") != traceparent(TRACE, "event 2")


def test_a_line_names_some_traces_once_each() -> None:
    assert named(["a", None, "b", "a", ""]) == ["a", "b"]
    assert len(named(str(number) for number in range(100))) == NAMED
