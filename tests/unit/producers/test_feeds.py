import io
import json
import sys
from pathlib import Path

import pytest

from domain.events import MAX_EVENT_BYTES
from producers.feeds import BadLine, GoodLine, read_feed
from runtime.topology import EVENTS

HIRE = {
    "specversion": "1.0",
    "id": "E-1",
    "source": "/psiber/acme",
    "type": "hr.employee.created.v1",
    "subject": "1002",
    "time": "2026-01-31T09:00:00+02:00",
    "tenant": "acme",
    "data": {"employee_key": "1002", "first_name": "Zoë"},
}


def line(**changes: object) -> bytes:
    return json.dumps(HIRE | changes, ensure_ascii=False).encode()


def feed(tmp_path: Path, *lines: bytes, end: bytes = b"\n") -> str:
    path = tmp_path / "feed.jsonl"
    path.write_bytes(end.join(lines) + end)
    return str(path)


def test_a_good_line_goes_out_byte_for_byte(tmp_path: Path) -> None:
    odd_spacing = b'  {"specversion": "1.0" , ' + line()[1:].replace(b'"specversion": "1.0", ', b"") + b"  "

    [found] = read_feed(feed(tmp_path, odd_spacing, end=b"\r\n"))

    assert isinstance(found, GoodLine)
    assert found.event.body == odd_spacing
    assert (found.event.exchange, found.event.routing_key) == (EVENTS, "hr.employee.created.v1")
    assert found.event.message_id == "E-1"


def test_each_bad_line_is_named_and_the_others_are_good(tmp_path: Path) -> None:
    path = feed(
        tmp_path,
        line(id="E-1"),
        line(data={"first_name": "Noor"}),
        b"{not json",
        b"",
        line(time="2026-01-31"),
        line(type="hr.employee.created.v9"),
        line(id="E-2"),
    )

    found = list(read_feed(path))

    assert [one.number for one in found if isinstance(one, GoodLine)] == [1, 7]
    bad = {one.number: (one.field, one.problem) for one in found if isinstance(one, BadLine)}
    assert bad[2] == ("data.employee_key", "is missing")
    assert bad[3] == ("", "is not JSON at character 1")
    assert bad[5][0] == "time"
    assert bad[6] == ("type", "version 9 of hr.employee.created is not known to this release")
    assert len(bad) == 4


def test_a_line_without_end_is_bad_and_the_next_one_keeps_its_number(tmp_path: Path) -> None:
    longest = line(pad="x" * (MAX_EVENT_BYTES - len(line(pad=""))))
    assert len(longest) == MAX_EVENT_BYTES

    found = list(read_feed(feed(tmp_path, b"x" * (3 * MAX_EVENT_BYTES), longest, line())))

    assert [(one.number, type(one)) for one in found] == [(1, BadLine), (2, GoodLine), (3, GoodLine)]


def test_the_file_is_not_read_ahead_of_the_lines_that_are_asked_for(tmp_path: Path) -> None:
    path = feed(tmp_path, *(line(id=f"E-{number}") for number in range(10_000)))
    lines = read_feed(path)
    next(lines)
    size = Path(path).stat().st_size
    Path(path).write_bytes(b"")

    rest = list(lines)

    assert len(rest) < 9_999 * 200_000 / size


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line())))

    [found] = read_feed("-")

    assert isinstance(found, GoodLine)
