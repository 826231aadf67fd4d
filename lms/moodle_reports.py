"""A completion report's pages, made of texts for people, as completions (contract, section 8.6)."""

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.errors import LmsUnavailable, NeedsAttention
from domain.lms import Completion, ReportedSpan, ReportPage, ReportRow, SpanPage
from lms.moodle_answers import ReportData

PAGE_SIZE = 1000
# The texts are read, so the call fixes their language and their time zone.
REPORT_SETTINGS = {"moodlewssettingtimezone": "UTC", "moodlewssettinglang": "en"}

KEY, COURSE, COMPLETED, COMPLETED_AT = "ID number", "Course ID number", "Completed", "Time completed"
SHORT_NAME, GRADE, STATUS = "Course short name", "Grade", "Status"
NEEDED = (KEY, COURSE, COMPLETED, COMPLETED_AT)
OPTIONAL = (SHORT_NAME, GRADE, STATUS)
STARTS, ENDS = "Time started", "Time ended"
NEEDED_FOR_SPANS = (KEY, COURSE, STARTS, ENDS)
DATE = "%A, %d %B %Y, %I:%M %p"

Cells = Mapping[str, str]


def report_page(data: ReportData, page: int, size: int = PAGE_SIZE) -> ReportPage:
    """
    The completed rows of a page of at most `size`.

    Raises NeedsAttention (report_columns) when a needed column is missing or unreadable, LmsUnavailable when the page
    holds fewer rows than it should, because the next page would then leave rows out.
    """
    wrong = _wrong(data.headers, NEEDED)
    if wrong:
        raise NeedsAttention("report_columns", f"the report needs the column {', '.join(wrong)} exactly once")
    lines, last = _lines(data, NEEDED + OPTIONAL, page, size)
    rows = [_row(cells) for cells in lines]
    return ReportPage([row for row in rows if row is not None], len(lines), last)


def report_spans(data: ReportData, page: int, size: int = PAGE_SIZE) -> SpanPage | None:
    """
    The dates of the enrolments on a page of at most `size`; None when the report lacks a column for them.

    The completion's start has the same header as the enrolment's (contract, section 14.5): with both, neither counts.
    """
    if _wrong(data.headers, NEEDED_FOR_SPANS):
        return None
    lines, last = _lines(data, (*NEEDED_FOR_SPANS, SHORT_NAME), page, size)
    spans = [ReportedSpan(c[KEY], _course(c), _instant(c, STARTS), _instant(c, ENDS)) for c in lines]
    return SpanPage([span for span in spans if span.external_key and span.course_code], last)


def report_date(text: str) -> datetime | None:
    """The instant behind "Saturday, 21 November 2026, 7:39 PM"; None for an empty text. Raises ValueError."""
    return datetime.strptime(" ".join(text.split()), DATE).replace(tzinfo=UTC) if text.strip() else None


def _wrong(headers: Sequence[str], needed: Sequence[str]) -> list[str]:
    # Headers are not unique (both starts are "Time started"), so a needed one must stand there exactly once.
    return [name for name in needed if headers.count(name) != 1]


def _lines(data: ReportData, wanted: Sequence[str], page: int, size: int) -> tuple[list[dict[str, str]], bool]:
    """The wanted cells of each line as far as there are such columns, and whether no page follows."""
    places = {name: data.headers.index(name) for name in wanted if name in data.headers}
    lines = [line.columns for line in data.rows]
    read = page * size + len(lines)
    ragged = any(len(line) != len(data.headers) for line in lines)
    if ragged or (0 < len(lines) < size and read < data.totalrowcount):
        raise LmsUnavailable("lms_unexpected_answer", "the report's page is incomplete")
    cells = [{name: _text(line[place]) for name, place in places.items()} for line in lines]
    return cells, not lines or read >= data.totalrowcount


def _row(cells: Cells) -> ReportRow | None:
    """A completed participation; None for an open one, and for enrolment methods without participants."""
    if cells[COMPLETED] not in ("Yes", "No", ""):
        raise NeedsAttention("report_columns", f"the column {COMPLETED} does not say Yes or No")
    course = _course(cells)
    if cells[COMPLETED] != "Yes" or not cells[KEY] or not course:
        return None
    return ReportRow(cells[KEY], course, Completion(_instant(cells, COMPLETED_AT), _grade(cells), _evidence(cells)))


def _course(cells: Cells) -> str:
    return cells[COURSE] or cells.get(SHORT_NAME, "")


def _instant(cells: Cells, column: str) -> datetime | None:
    try:
        return report_date(cells[column])
    except ValueError:
        raise NeedsAttention("report_columns", f"the column {column} does not hold dates in English") from None


def _grade(cells: Cells) -> Decimal | None:
    try:
        grade = Decimal(cells.get(GRADE, ""))
    except InvalidOperation:
        return None
    return grade if grade.is_finite() else None


def _evidence(cells: Cells) -> dict[str, Any]:
    shown = {"status": cells.get(STATUS, ""), "time_completed": cells[COMPLETED_AT], "grade": cells.get(GRADE, "")}
    return {"source": "report"} | {name: value for name, value in shown.items() if value}


def _text(cell: Any) -> str:
    return "" if cell is None else html.unescape(str(cell)).strip()
