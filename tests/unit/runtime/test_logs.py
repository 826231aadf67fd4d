import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from runtime.logs import configure_logs


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged, line by line; the logging of the test run is put back afterwards."""
    root = logging.getLogger()
    before = root.handlers, root.level
    stream = io.StringIO()
    configure_logs("ingest", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_record_is_one_line_of_json_with_its_facts(lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.stdlib.get_logger("workers.ingest").info("batch stored", messages=12)

    [record] = lines()
    assert record["event"] == "batch stored"
    assert record["messages"] == 12
    assert record["process"] == "ingest"
    assert record["logger"] == "workers.ingest"
    assert record["level"] == "info"
    assert record["timestamp"].endswith("Z")


def test_records_of_libraries_take_the_same_way(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("some.library").warning("lost %s", "a thing", extra={"seconds": 3})

    [record] = lines()
    assert (record["event"], record["seconds"], record["process"]) == ("lost a thing", 3, "ingest")


@pytest.mark.parametrize("library", ["httpx", "httpcore", "amqp", "dramatiq"])
def test_noisy_libraries_are_heard_from_warnings_on(library: str, lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger(library).info("POST https://lms.example/webservice?wstoken=secret")
    logging.getLogger(f"{library}.below").warning("gave up")

    assert [record["event"] for record in lines()] == ["gave up"]


@pytest.mark.parametrize(
    "sample", ['a\n{"level":"forged"}', "\x1b[2J", "bell\x07", "\u202eright to left", "\x9bC1", "\u2028"]
)
def test_values_cannot_forge_a_line_or_move_the_cursor(sample: str, lines: Callable[[], list[dict[str, Any]]]) -> None:
    structlog.stdlib.get_logger().info("event parked", detail=sample, nested={"keys": [sample]})

    [record] = lines()
    for value in (record["detail"], record["nested"]["keys"][0]):
        assert value.isprintable()
        assert value == sample.translate({ord(mark): repr(mark)[1:-1] for mark in "\n\x1b\x07\u202e\x9b\u2028"})


def fail() -> None:
    raise ValueError("duplicate key\nDETAIL: Key (email)=(noor@example.org)")


def test_an_exception_shows_its_place_but_not_the_values_below_its_first_line(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    try:
        fail()
    except ValueError:
        structlog.stdlib.get_logger().exception("event parked")

    [record] = lines()
    assert record["exception"] == "builtins.ValueError: duplicate key"
    assert "test_logs.py" in record["frames"][0]
    assert "noor" not in json.dumps(record)


def test_an_exception_of_a_library_is_as_discreet(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger("some.library").exception("broke")

    [record] = lines()
    assert record["exception"] == "builtins.ValueError: duplicate key"
    assert "noor" not in json.dumps(record)


def test_people_read_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRICULA_LOG", "console")
    root = logging.getLogger()
    before = root.handlers, root.level
    stream = io.StringIO()

    configure_logs("ingest", stream=stream)
    structlog.stdlib.get_logger("workers.ingest").info("batch stored", detail="a\x1b[2Jb")
    root.handlers, level = before
    root.setLevel(level)
    structlog.reset_defaults()

    assert "batch stored" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")
