"""
Tables in files for other programs: CSV, JSON and XLSX.

A text that a spreadsheet would take for a formula never reaches one as such (S10): in CSV an apostrophe goes before it,
in XLSX every text is a text cell. JSON holds it as it is.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal

import xlsxwriter

from ops.actions import Refused

Format = Literal["csv", "json", "xlsx"]
Row = Sequence[Any]

STANDARD_OUTPUT = "-"
XLSX_ROWS = 1_048_576
_FORMULA = tuple("=+-@\t\r\n\0＝＋－＠")


MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def export(file: str | IO[bytes], columns: Sequence[str], rows: Iterable[Row], kind: Format) -> int:
    """
    The file, by its name or open already, holds all rows under these columns; when anything goes wrong, one of that
    name holds what it did before.

    Returns:
        How many rows there were.
    """
    with _opened(file) as output:
        return _WRITERS[kind](output, columns, rows)


@contextmanager
def _opened(file: str | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file appears under its name when it is complete."""
    if not isinstance(file, str):
        yield file
        return
    if file == STANDARD_OUTPUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = Path(f"{file}.unfinished")
    try:
        with unfinished.open("wb") as output:
            yield output
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def safe_text(text: str) -> str:
    """The text as a CSV file may hold it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _as_csv(output: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> int:
    lines = csv.writer(_Utf8(output), lineterminator="\r\n")
    lines.writerow(columns)
    count = 0
    for row in rows:
        lines.writerow([safe_text(value) if isinstance(value, str) else _plain(value) for value in row])
        count += 1
    return count


class _Utf8:
    """What the CSV writer writes to."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output

    def write(self, text: str) -> int:
        return self._output.write(text.encode())


def _as_json(output: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> int:
    count = 0
    output.write(b"[")
    for row in rows:
        told = {
            name: value if isinstance(value, bool) else _plain(value) for name, value in zip(columns, row, strict=True)
        }
        output.write((b",\n" if count else b"\n") + json.dumps(told, ensure_ascii=False).encode())
        count += 1
    output.write(b"\n]\n")
    return count


def _as_xlsx(output: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> int:
    # Row by row into a temporary file, so that the memory in use does not grow with the rows.
    with xlsxwriter.Workbook(output, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        for at, name in enumerate(columns):
            sheet.write_string(0, at, name, bold)
        count = 0
        for count, row in enumerate(rows, 1):
            if count >= XLSX_ROWS:
                raise Refused(f"XLSX holds {XLSX_ROWS - 1} rows at most; export as CSV or JSON, or choose fewer")
            for at, value in enumerate(row):
                if isinstance(value, Decimal):
                    sheet.write_number(count, at, value)
                elif value is not None:
                    sheet.write_string(count, at, str(_plain(value)))
    return count


def _plain(value: Any) -> Any:
    """Instants and days as ISO 8601, numbers as they are written, nothing as nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


_WRITERS: dict[Format, Callable[[IO[bytes], Sequence[str], Iterable[Row]], int]] = {
    "csv": _as_csv,
    "json": _as_json,
    "xlsx": _as_xlsx,
}
