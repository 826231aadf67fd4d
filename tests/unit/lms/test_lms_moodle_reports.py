"""Completion reports, made of texts for people."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import LmsUnavailable, NeedsAttention
from domain.lms import ReportedSpan, ReportPage, SpanPage
from lms.moodle_answers import ReportData, ReportLine
from lms.moodle_reports import DATE, report_date, report_page, report_spans

HEADERS = ["ID number", "Course ID number", "Completed", "Time completed", "Grade", "Status"]
WHEN = "Saturday, 21 November 2026, 7:39 PM"


def page_of(*lines: list[Any], headers: list[str] | None = None, total: int | None = None, page: int = 0) -> ReportPage:
    rows = [ReportLine(columns=line) for line in lines]
    counted = len(lines) if total is None else total
    return report_page(ReportData(headers=headers or HEADERS, rows=rows, totalrowcount=counted), page, size=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WHEN, datetime(2026, 11, 21, 19, 39, tzinfo=UTC)),
        ("Sunday, 1 November 2026, 12:05 AM", datetime(2026, 11, 1, 0, 5, tzinfo=UTC)),
        ("Sunday, 1 November 2026, 12:05 PM", datetime(2026, 11, 1, 12, 5, tzinfo=UTC)),
        ("Thursday, 29 February 2024, 1:00\u202fAM", datetime(2024, 2, 29, 1, 0, tzinfo=UTC)),
        ("", None),
        ("  ", None),
    ],
)
def test_dates_for_people_are_read(text: str, expected: datetime | None) -> None:
    assert report_date(text) == expected


@given(st.integers(0, 120_000_000))
def test_every_minute_survives_the_way_through_text(minutes: int) -> None:
    minute = datetime.fromtimestamp(minutes * 60, UTC)
    assert report_date(minute.strftime(DATE)) == minute


@pytest.mark.parametrize(
    "text", ["samedi, 21 novembre 2026, 19:39", "2026-11-21", "Saturday, 31 November 2026, 7:39 PM"]
)
def test_other_dates_are_refused(text: str) -> None:
    with pytest.raises(NeedsAttention, match="report_columns"):
        page_of(["E-1", "C-1", "Yes", text, "", "Active"])


def test_a_completed_row_carries_date_grade_and_evidence() -> None:
    [row] = page_of(["E-1", "A&amp;B", "Yes", WHEN, "81.00", "Active"]).rows
    assert (row.external_key, row.course_code) == ("E-1", "A&B")
    assert row.completion.completed_at == datetime(2026, 11, 21, 19, 39, tzinfo=UTC)
    assert row.completion.grade == Decimal("81.00")
    assert row.completion.evidence == {"source": "report", "status": "Active", "time_completed": WHEN, "grade": "81.00"}


@pytest.mark.parametrize("grade", ["", "-", "Good", "NaN", None])
def test_what_is_no_number_is_no_grade(grade: str | None) -> None:
    assert page_of(["E-1", "C-1", "Yes", WHEN, grade, ""]).rows[0].completion.grade is None


@pytest.mark.parametrize(
    "line",
    [
        ["E-1", "C-1", "No", "", "", "Active"],
        ["E-1", "C-1", "", "", "", "Active"],
        ["", "C-1", "Yes", WHEN, "", ""],
        [None, "C-1", "", "", "", None],
        ["E-1", "", "Yes", WHEN, "", ""],
    ],
)
def test_open_rows_and_rows_without_a_user_are_counted_and_left_out(line: list[Any]) -> None:
    page = page_of(line)
    assert (page.rows, page.size) == ([], 1)


def test_a_course_without_idnumber_goes_by_its_short_name() -> None:
    headers = ["Course short name", *HEADERS]
    assert page_of(["FIRE", "E-1", "", "Yes", WHEN, "", ""], headers=headers).rows[0].course_code == "FIRE"


@pytest.mark.parametrize("missing", HEADERS[:4])
def test_a_report_without_a_needed_column_is_refused(missing: str) -> None:
    headers = [f"other than {name}" if name == missing else name for name in HEADERS]
    with pytest.raises(NeedsAttention, match="report_columns") as caught:
        page_of(headers=headers)
    assert missing in caught.value.detail


def test_a_needed_column_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(NeedsAttention, match="report_columns"):
        page_of(headers=[*HEADERS, "Time completed"])


def test_yes_in_another_language_is_refused() -> None:
    with pytest.raises(NeedsAttention, match="report_columns"):
        page_of(["E-1", "C-1", "Ja", WHEN, "", ""])


OPEN = ["E-1", "C-1", "No", "", "", ""]


@pytest.mark.parametrize(
    ("page", "lines", "total", "last"),
    [(0, 2, 5, False), (1, 2, 5, False), (2, 1, 5, True), (1, 2, 4, True), (9, 0, 5, True)],
)
def test_the_last_page_is_known(page: int, lines: int, total: int, last: bool) -> None:
    assert page_of(*[OPEN] * lines, total=total, page=page).last is last


def test_a_short_page_before_the_end_is_not_believed() -> None:
    """The next page would leave rows out."""
    with pytest.raises(LmsUnavailable, match="lms_unexpected_answer"):
        page_of(OPEN, total=5)


def test_a_row_that_does_not_fit_its_headers_is_not_believed() -> None:
    with pytest.raises(LmsUnavailable, match="lms_unexpected_answer"):
        page_of(["E-1"])


SPAN_HEADERS = ["ID number", "Course ID number", "Course short name", "Time started", "Time ended"]
SEEN_AT = datetime(2026, 11, 21, 19, 39, tzinfo=UTC)


def spans_of(*lines: list[Any], headers: list[str] | None = None, total: int | None = None) -> SpanPage | None:
    rows = [ReportLine(columns=line) for line in lines]
    counted = len(lines) if total is None else total
    return report_spans(ReportData(headers=headers or SPAN_HEADERS, rows=rows, totalrowcount=counted), 0, size=2)


def test_the_dates_of_every_enrolment_are_told_and_an_empty_one_is_no_limit() -> None:
    """Methods without participants give rows of nobody, and a course without an idnumber goes by its short name."""
    page = spans_of(["E-1", "C-1", "X", WHEN, ""], ["", "C-1", "X", WHEN, WHEN], ["E-2", "", "X", None, WHEN], total=3)
    assert page == SpanPage(
        [ReportedSpan("E-1", "C-1", SEEN_AT, None), ReportedSpan("E-2", "X", None, SEEN_AT)], last=True
    )


@pytest.mark.parametrize("headers", [SPAN_HEADERS[:4], [*SPAN_HEADERS, "Time started"]], ids=["without", "twice"])
def test_a_report_that_does_not_tell_dates_certainly_tells_none(headers: list[str]) -> None:
    """The completion's start has the same header (contract, section 14.5)."""
    assert spans_of(["E-1", "C-1", "X", WHEN, "", ""][: len(headers)], headers=headers) is None


def test_dates_in_another_language_and_half_a_page_are_refused() -> None:
    with pytest.raises(NeedsAttention, match="Time ended"):
        spans_of(["E-1", "C-1", "X", WHEN, "samedi, 21 novembre 2026, 19:39"])
    with pytest.raises(LmsUnavailable, match="lms_unexpected_answer"):
        spans_of(["E-1", "C-1", "X", WHEN, ""], total=9)
