"""The nine conditions of a provision: each by itself, and every combination of them."""

from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest

from domain.conditions import CONDITIONS, Condition, Due, Subject, examine, first_to_fix, is_lms_id
from domain.events import Course, CourseEnrolment

TODAY = date(2026, 6, 2)
GOOD: dict[str, Any] = {
    "course": {"archived": False, "export": True, "lms_course_id": "126"},
    "enrolment": {"booking_status": "confirmed", "status": "active", "export": True, "export_on": TODAY},
    "has_email": True,
    "provisioned": False,
}
BROKEN: dict[Condition, tuple[str, Any]] = {
    "course_not_archived": ("course.archived", True),
    "course_exported": ("course.export", False),
    "course_id_numeric": ("course.lms_course_id", "126a"),
    "booking_confirmed": ("enrolment.booking_status", "tentative"),
    "enrolment_active": ("enrolment.status", "withdrawn"),
    "enrolment_exported": ("enrolment.export", False),
    "export_due": ("enrolment.export_on", TODAY - timedelta(days=1)),
    "not_provisioned": ("provisioned", True),
    "has_email": ("has_email", False),
}


def subject(*broken: Condition) -> Subject:
    """An enrolment for which all is well but these."""
    said = {name: dict(value) if isinstance(value, dict) else value for name, value in GOOD.items()}
    for condition in broken:
        path, value = BROKEN[condition]
        group, _, name = path.partition(".")
        if name:
            said[group][name] = value
        else:
            said[group] = value
    return Subject(
        CourseEnrolment(enrolment_key="EN-1", employee_key="E-1", course_code="C-FIRE", **said["enrolment"]),
        Course(course_code="C-FIRE", **said["course"]),
        has_email=said["has_email"],
        provisioned=said["provisioned"],
        today=TODAY,
    )


@pytest.mark.parametrize(
    "broken", list(product([False, True], repeat=9)), ids=lambda flags: "".join(map(str, map(int, flags)))
)
def test_of_every_combination_exactly_the_failing_ones_are_named(broken: tuple[bool, ...]) -> None:
    """R118, R119, R120, R121, R122, R123, R124, R125, R126: all 512; the first of them is the one to begin with."""
    failing = [condition for condition, is_broken in zip(CONDITIONS, broken, strict=True) if is_broken]

    findings = examine(subject(*failing), required=CONDITIONS, due="today")

    assert [finding.condition for finding in findings if finding.fails] == failing
    first = first_to_fix(findings)
    assert (first.condition if first else None) == (failing[0] if failing else None)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_that_is_not_asked_for_is_told_and_stops_nothing(condition: Condition) -> None:
    """R127: each may be switched off for an integration."""
    required = [other for other in CONDITIONS if other != condition]

    findings = examine(subject(condition), required=required, due="today")

    [one] = [finding for finding in findings if finding.condition == condition]
    assert (one.required, one.holds, one.fails) == (False, False, False)
    assert first_to_fix(findings) is None


@pytest.mark.parametrize(
    ("given", "is_one"),
    [
        ("126", True),
        (" 126 ", True),
        ("126a", False),
        ("", False),
        ("  ", False),
        ("0", False),
        ("-3", False),
        (None, False),
    ],
)
def test_only_a_number_leads_to_an_lms_course(given: str | None, is_one: bool) -> None:
    """R120: blanks around it do not count."""
    assert is_lms_id(given) == is_one


@pytest.mark.parametrize(
    ("due", "days", "code"),
    [
        ("on_or_before", 0, None),
        ("on_or_before", -30, None),
        ("on_or_before", 1, "not_due_yet"),
        ("today", 0, None),
        ("today", -1, "export_day_missed"),
        ("today", 1, "not_due_yet"),
    ],
)
def test_a_missed_day_is_made_up_unless_only_that_day_counts(due: Due, days: int, code: str | None) -> None:
    """R124: both ways."""
    enrolment = CourseEnrolment(
        enrolment_key="EN-1", employee_key="E-1", course_code="C", export_on=TODAY + timedelta(days=days)
    )
    findings = examine(Subject(enrolment, None, True, False, TODAY), required=CONDITIONS, due=due)

    [one] = [finding for finding in findings if finding.condition == "export_due"]
    assert (one.code if not one.holds else None) == code


def test_a_day_that_lies_ahead_is_nothing_to_be_fixed() -> None:
    """R132: it comes by itself; whatever else fails is."""
    enrolment = CourseEnrolment(enrolment_key="EN-1", employee_key="E-1", course_code="C", export_on=date(2027, 1, 1))
    course = Course(course_code="C", lms_course_id="126")
    ahead = examine(Subject(enrolment, course, True, False, TODAY), required=CONDITIONS, due="on_or_before")
    without_address = examine(Subject(enrolment, course, False, False, TODAY), required=CONDITIONS, due="on_or_before")

    assert first_to_fix(ahead) is None
    assert [finding.condition for finding in without_address if finding.fails] == ["export_due", "has_email"]
    first = first_to_fix(without_address)
    assert first is not None
    assert first.code == "email_missing"


def test_without_hrs_word_on_the_course_only_its_number_is_missing() -> None:
    """R118, R119, R120: courses that are matched by their code need no word of HR's."""
    enrolment = CourseEnrolment(enrolment_key="EN-1", employee_key="E-1", course_code="C")
    findings = examine(Subject(enrolment, None, True, False, TODAY), required=CONDITIONS, due="on_or_before")

    assert [finding.condition for finding in findings if finding.fails] == ["course_id_numeric"]
