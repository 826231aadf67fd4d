"""What the LMS should hold for an enrolment, when, and how several enrolments in one course become one."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from pydantic import BaseModel, ConfigDict

from domain.events import Course, CourseEnrolment
from domain.integration import IntegrationSettings
from domain.lms import LmsEnrolment


class WantedPlacement(BaseModel):
    """
    One enrolment as the LMS should hold it. Instants are UTC; None is "without limit".

    Attributes:
        group_key: The group that the person is put into once enrolled; empty for none (R130).
        ended: HR has ended it; where it is left as it is, it is not suspended (R133).
        again: Where an enrolment may be provisioned more than once, the day that asks for it (R127).
    """

    model_config = ConfigDict(frozen=True)

    role: str
    starts_at: datetime | None
    ends_at: datetime | None
    suspended: bool
    group_key: str = ""
    ended: bool = False
    again: date | None = None


def ended(enrolment: CourseEnrolment) -> bool:
    """
    Whether HR has ended the enrolment. What merely speaks against a first provision, an export box say, ends nothing
    (R128, R146).
    """
    return enrolment.status == "withdrawn" or enrolment.booking_status == "cancelled"


def wanted_placement(
    enrolment: CourseEnrolment, settings: IntegrationSettings, course: Course | None = None
) -> WantedPlacement:
    """
    The enrolment in the LMS: whole days of the integration's own time zone, the last day included.

    TalentLMS keeps no dates, so there neither a deferment nor an extension changes anything (R133).
    """
    dated = settings.lms == "moodle"
    return WantedPlacement(
        role=settings.role(enrolment.role),
        starts_at=_midnight(enrolment.starts_on, settings) if dated else None,
        ends_at=_last_second(_last_day(enrolment), settings) if dated else None,
        suspended=ended(enrolment) and settings.ends_enrolments(),
        ended=ended(enrolment),
        group_key=((course and course.group_key) or "").strip(),
        again=None if "not_provisioned" in settings.conditions() else enrolment.export_on,
    )


def _last_day(enrolment: CourseEnrolment) -> date | None:
    """An extension never shortens."""
    given = [day for day in (enrolment.ends_on, enrolment.extended_to) if day is not None]
    return max(given, default=None)


def hindrance(
    *, due: bool, provisioned: bool, course_id: str | None, wanted_if_absent: bool, too_late: bool = False
) -> str | None:
    """What keeps a placement that is due from being sent; None when nothing does."""
    if due and not provisioned and not wanted_if_absent:
        return "person_left"
    if due and not provisioned and too_late:
        return "export_day_missed"
    if due and course_id is None:
        return "course_not_found"
    return None


def due_between(enrolment: CourseEnrolment, settings: IntegrationSettings) -> tuple[datetime | None, datetime | None]:
    """
    From when, and until when, the enrolment may be provisioned; None is "at once" and "for ever".

    A missed day is made up, unless the integration says that day or never (R124).
    """
    if "export_due" not in settings.conditions():
        return None, None
    first = _midnight(enrolment.export_on, settings)
    last = _last_second(enrolment.export_on, settings) if settings.enrolments.due == "today" else None
    return first, last


def merged(user_id: str, course_id: str, wanted: Iterable[WantedPlacement]) -> list[LmsEnrolment]:
    """
    The elements that make the LMS hold all of one person's placements in one course.

    An LMS keeps one enrolment per person and course, with one span of dates, however often HR enrols: open if any
    is, from the earliest start to the latest end of the open ones; one element per role.
    """
    every = list(wanted)
    open_ones = [item for item in every if not item.suspended] or every
    starts = None if any(item.starts_at is None for item in open_ones) else min(_given(i.starts_at) for i in open_ones)
    ends = None if any(item.ends_at is None for item in open_ones) else max(_given(i.ends_at) for i in open_ones)
    suspended = all(item.suspended for item in every)
    roles = sorted({item.role for item in open_ones})
    return [LmsEnrolment(user_id, course_id, role, starts, ends, suspended) for role in roles]


def _given(instant: datetime | None) -> datetime:
    assert instant is not None  # noqa: S101 - the caller has looked
    return instant


def _midnight(day: date | None, settings: IntegrationSettings) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), settings.zone()).astimezone(UTC)


def _last_second(day: date | None, settings: IntegrationSettings) -> datetime | None:
    after = _midnight(day + timedelta(days=1), settings) if day else None
    return after and after - timedelta(seconds=1)
