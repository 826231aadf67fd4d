"""The nine conditions under which an enrolment is provisioned, each with the value it was judged by (R118-R126)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple, get_args

from domain.events import Course, CourseEnrolment

Condition = Literal[
    "course_not_archived",
    "course_exported",
    "course_id_numeric",
    "booking_confirmed",
    "enrolment_active",
    "enrolment_exported",
    "export_due",
    "not_provisioned",
    "has_email",
]
CONDITIONS: tuple[Condition, ...] = get_args(Condition)
Due = Literal["on_or_before", "today"]


@dataclass(frozen=True, slots=True)
class Subject:
    """
    What the conditions look at.

    Attributes:
        course: HR's word on the course for this integration; without one, nothing speaks against it.
        has_email: HR knows an address of the person; a made-up one is none.
        provisioned: There is a contact log.
        today: In the integration's time zone.
    """

    enrolment: CourseEnrolment
    course: Course | None
    has_email: bool
    provisioned: bool
    today: date


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One condition as it was found.

    Attributes:
        required: Whether this integration asks for it.
        value: What was found; never personal data.
        code: What to look up in the failure catalogue while it does not hold.
    """

    condition: Condition
    required: bool
    holds: bool
    value: str
    code: str

    @property
    def fails(self) -> bool:
        return self.required and not self.holds


def examine(subject: Subject, *, required: Sequence[Condition], due: Due) -> list[Finding]:
    """Every condition, required or not, in the order in which they are put right."""
    judged = {
        "course_not_archived": _not_archived(subject),
        "course_exported": _course_exported(subject),
        "course_id_numeric": _id_numeric(subject),
        "booking_confirmed": _confirmed(subject),
        "enrolment_active": _active(subject),
        "enrolment_exported": _Judged(subject.enrolment.export, _ticked(subject.enrolment.export), "export_off"),
        "export_due": _due(subject, due),
        "not_provisioned": _Judged(
            not subject.provisioned, "already" if subject.provisioned else "not yet", "provisioned"
        ),
        "has_email": _Judged(subject.has_email, "known" if subject.has_email else "none", "email_missing"),
    }
    return [Finding(condition, condition in required, *judged[condition]) for condition in CONDITIONS]


def first_to_fix(findings: Sequence[Finding]) -> Finding | None:
    """
    The failing condition to begin with; a provision date that lies ahead is not one, because it comes by itself.
    """
    return next((finding for finding in findings if finding.fails and finding.code != "not_due_yet"), None)


def is_lms_id(text: str | None) -> bool:
    """Whether HR's course leads to an LMS course: a number above zero, blanks around it aside (R120)."""
    digits = (text or "").strip()
    return digits.isascii() and digits.isdigit() and int(digits) > 0


class _Judged(NamedTuple):
    """Whether a condition holds, the value that was found, and the code of its failing."""

    holds: bool
    value: str
    code: str


def _not_archived(subject: Subject) -> _Judged:
    archived = subject.course is not None and subject.course.archived
    return _Judged(not archived, "archived" if archived else "in use", "course_archived")


def _course_exported(subject: Subject) -> _Judged:
    exported = subject.course is None or subject.course.export
    return _Judged(exported, _ticked(exported), "course_export_off")


def _id_numeric(subject: Subject) -> _Judged:
    given = subject.course.lms_course_id if subject.course else None
    return _Judged(is_lms_id(given), (given or "").strip()[:40] or "none", "course_id_not_numeric")


def _confirmed(subject: Subject) -> _Judged:
    status = subject.enrolment.booking_status
    return _Judged(status == "confirmed", status, f"booking_{status}")


def _active(subject: Subject) -> _Judged:
    status = subject.enrolment.status
    return _Judged(status == "active", status, "withdrawn" if status == "withdrawn" else "enrolment_completed")


def _once(subject: Subject) -> _Judged:
    return _Judged(not subject.provisioned, "already" if subject.provisioned else "not yet", "provisioned")


def _due(subject: Subject, due: Due) -> _Judged:
    day = subject.enrolment.export_on
    if day is None:
        return _Judged(True, "at once", "not_due_yet")
    if day > subject.today:
        return _Judged(False, day.isoformat(), "not_due_yet")
    return _Judged(due == "on_or_before" or day == subject.today, day.isoformat(), "export_day_missed")


def _ticked(box: bool) -> str:
    return "ticked" if box else "not ticked"
