"""Exports open as what they are: a text stays a text, whatever it begins with."""

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops import exports
from ops.actions import Refused
from ops.exports import export, safe_text

COLUMNS = ("enrolment_key", "passed", "grade", "completed_at", "attempted_on", "delivered_at")
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
FORMULAS = [
    '=HYPERLINK("http://example.org")',
    "+cmd",
    "-1+1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\nx",
    "\0x",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
]
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def row(key: str) -> list[Any]:
    return [key, True, Decimal("-5.50"), AT, date(2026, 3, 2), None]


def cells(file: Path) -> list[list[tuple[str, str]]]:
    """(type, value) of each cell, as the file says it."""
    with zipfile.ZipFile(file) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own file
        assert not sheet.findall(f".//{SHEET}f"), "a formula"
        return [
            [
                (c.get("t", "n"), "".join(t.text or "" for t in c.iter() if t.tag in (f"{SHEET}t", f"{SHEET}v")))
                for c in r
            ]
            for r in sheet.iter(f"{SHEET}row")
        ]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_in_a_key_is_a_text_in_every_format(text: str, tmp_path: Path) -> None:
    """S10: an apostrophe before it in CSV, a text cell in XLSX, as it is in JSON."""
    for kind in ("csv", "xlsx", "json"):
        assert export(str(tmp_path / kind), COLUMNS, [row(text)], kind) == 1

    read = list(csv.reader(io.StringIO((tmp_path / "csv").read_bytes().decode(), newline="")))
    assert read[1][0] == f"'{text}"
    assert cells(tmp_path / "xlsx")[1][0][0] == "inlineStr"
    assert json.loads((tmp_path / "json").read_text(encoding="utf-8"))[0]["enrolment_key"] == text


def test_numbers_days_and_instants_are_what_they_are(tmp_path: Path) -> None:
    """S10: typed; a negative grade is a number and no formula."""
    for kind in ("csv", "xlsx", "json"):
        export(str(tmp_path / kind), COLUMNS, [row("EN-1")], kind)

    assert (tmp_path / "csv").read_text().splitlines() == [
        ",".join(COLUMNS),
        "EN-1,yes,-5.50,2026-03-02T12:00:00+00:00,2026-03-02,",
    ]
    assert cells(tmp_path / "xlsx")[1] == [
        ("inlineStr", "EN-1"),
        ("inlineStr", "yes"),
        ("n", "-5.50"),
        ("inlineStr", "2026-03-02T12:00:00+00:00"),
        ("inlineStr", "2026-03-02"),
    ]
    assert json.loads((tmp_path / "json").read_text()) == [
        {
            "enrolment_key": "EN-1",
            "passed": True,
            "grade": "-5.50",
            "completed_at": "2026-03-02T12:00:00+00:00",
            "attempted_on": "2026-03-02",
            "delivered_at": None,
        }
    ]


@given(texts=st.lists(st.text(max_size=20), max_size=5))
def test_any_text_comes_back_out_of_a_csv_file(texts: list[str]) -> None:
    """S10, RFC 4180: quotes, commas and line ends; and never a formula."""
    output = io.BytesIO()
    plain = [text.encode("utf-8", "ignore").decode() for text in texts]
    exports._as_csv(output, ["key", "more"], [[text, "x"] for text in plain])

    read = list(csv.reader(io.StringIO(output.getvalue().decode(), newline="")))
    assert [one for one, _ in read[1:]] == [safe_text(text) for text in plain]
    assert not any(one.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")) for one, _ in read)


def test_nothing_is_an_empty_table_and_not_an_empty_file(tmp_path: Path) -> None:
    for kind in ("csv", "xlsx", "json"):
        assert export(str(tmp_path / kind), COLUMNS, [], kind) == 0

    assert (tmp_path / "csv").read_text().strip() == ",".join(COLUMNS)
    assert [value for _, value in cells(tmp_path / "xlsx")[0]] == list(COLUMNS)
    assert json.loads((tmp_path / "json").read_text()) == []


def test_an_export_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    def breaking() -> Any:
        yield row("EN-1")
        raise RuntimeError("lost")

    file = tmp_path / "results.csv"
    file.write_text("before")

    with pytest.raises(RuntimeError):
        export(str(file), COLUMNS, breaking(), "csv")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_more_rows_than_a_sheet_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R82: refused with the way out, never cut."""
    monkeypatch.setattr(exports, "XLSX_ROWS", 3)

    assert export(str(tmp_path / "two.xlsx"), COLUMNS, [row("a"), row("b")], "xlsx") == 2
    with pytest.raises(Refused, match="CSV or JSON"):
        export(str(tmp_path / "three.xlsx"), COLUMNS, [row("a"), row("b"), row("c")], "xlsx")
