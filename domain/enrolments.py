"""What the LMS should hold for an enrolment, when, and how several enrolments in one course become one."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from pydantic import BaseModel, ConfigDict

from domain.events import CourseEnrolment
from domain.integration import IntegrationSettings
from domain.lms import LmsEnrolment


class WantedPlacement(BaseModel):
    """One enrolment as the LMS should hold it. Instants are UTC; None is "without limit"."""

    model_config = ConfigDict(frozen=True)

    role: str
    starts_at: datetime | None
    ends_at: datetime | None
    suspended: bool


def refusal(enrolment: CourseEnrolment) -> str | None:
    """Why this enrolment is not to be in the LMS (any more), or None when it is."""
    if enrolment.booking_status != "confirmed":
        return f"booking_{enrolment.booking_status}"
    if enrolment.status == "withdrawn":
        return "withdrawn"
    if not enrolment.export:
        return "export_off"
    return None


def wanted_placement(enrolment: CourseEnrolment, settings: IntegrationSettings) -> WantedPlacement:
    """
    The enrolment in the LMS: whole days of the integration's own time zone, the last day included.

    A refused enrolment is wanted suspended: never removed, because removing loses grades (contract, section 4.2).
    """
    return WantedPlacement(
        role=settings.roles.learner if enrolment.role == "learner" else settings.roles.tutor,
        starts_at=_midnight(enrolment.starts_on, settings),
        ends_at=_last_second(_last_day(enrolment), settings),
        suspended=refusal(enrolment) is not None,
    )


def _last_day(enrolment: CourseEnrolment) -> date | None:
    """An extension never shortens."""
    given = [day for day in (enrolment.ends_on, enrolment.extended_to) if day is not None]
    return max(given, default=None)


def hindrance(*, due: bool, provisioned: bool, course_id: str | None, wanted_if_absent: bool) -> str | None:
    """What keeps a placement that is due from being sent; None when nothing does."""
    if due and not provisioned and not wanted_if_absent:
        return "person_left"
    if due and course_id is None:
        return "course_not_found"
    return None


def due_at(enrolment: CourseEnrolment, settings: IntegrationSettings) -> datetime | None:
    """When the enrolment may be provisioned at the earliest; None is at once. A missed day is made up (R124)."""
    return _midnight(enrolment.export_on, settings)


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
