"""A completion report's pages, made of texts for people, as completions (contract, section 8.6)."""

import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.errors import LmsUnavailable, NeedsAttention
from domain.lms import Completion, ReportPage, ReportRow
from lms.moodle_answers import ReportData

PAGE_SIZE = 1000
# The texts are read, so the call fixes their language and their time zone.
REPORT_SETTINGS = {"moodlewssettingtimezone": "UTC", "moodlewssettinglang": "en"}

KEY, COURSE, COMPLETED, COMPLETED_AT = "ID number", "Course ID number", "Completed", "Time completed"
SHORT_NAME, GRADE, STATUS = "Course short name", "Grade", "Status"
NEEDED = (KEY, COURSE, COMPLETED, COMPLETED_AT)
OPTIONAL = (SHORT_NAME, GRADE, STATUS)
DATE = "%A, %d %B %Y, %I:%M %p"

Cells = Mapping[str, str]


def report_page(data: ReportData, page: int, size: int = PAGE_SIZE) -> ReportPage:
    """
    The completed rows of a page of at most `size`.

    Raises NeedsAttention (report_columns) when a needed column is missing or unreadable, LmsUnavailable when the page
    holds fewer rows than it should, because the next page would then leave rows out.
    """
    places = _places(data.headers)
    lines = [line.columns for line in data.rows]
    read = page * size + len(lines)
    ragged = any(len(line) != len(data.headers) for line in lines)
    if ragged or (0 < len(lines) < size and read < data.totalrowcount):
        raise LmsUnavailable("lms_unexpected_answer", "the report's page is incomplete")
    rows = [_row({name: _text(line[place]) for name, place in places.items()}) for line in lines]
    last = not lines or read >= data.totalrowcount
    return ReportPage([row for row in rows if row is not None], len(lines), last)


def report_date(text: str) -> datetime | None:
    """The instant behind "Saturday, 21 November 2026, 7:39 PM"; None for an empty text. Raises ValueError."""
    return datetime.strptime(" ".join(text.split()), DATE).replace(tzinfo=UTC) if text.strip() else None


def _places(headers: Sequence[str]) -> dict[str, int]:
    # Headers are not unique (both starts are "Time started"), so a needed one must stand there exactly once.
    wrong = [name for name in NEEDED if headers.count(name) != 1]
    if wrong:
        raise NeedsAttention("report_columns", f"the report needs the column {', '.join(wrong)} exactly once")
    return {name: headers.index(name) for name in NEEDED + OPTIONAL if name in headers}


def _row(cells: Cells) -> ReportRow | None:
    """A completed participation; None for an open one, and for enrolment methods without participants."""
    if cells[COMPLETED] not in ("Yes", "No", ""):
        raise NeedsAttention("report_columns", f"the column {COMPLETED} does not say Yes or No")
    course = cells[COURSE] or cells.get(SHORT_NAME, "")
    if cells[COMPLETED] != "Yes" or not cells[KEY] or not course:
        return None
    return ReportRow(cells[KEY], course, Completion(_instant(cells[COMPLETED_AT]), _grade(cells), _evidence(cells)))


def _instant(text: str) -> datetime | None:
    try:
        return report_date(text)
    except ValueError:
        raise NeedsAttention("report_columns", f"the column {COMPLETED_AT} does not hold dates in English") from None


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
