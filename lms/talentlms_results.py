"""What TalentLMS tells of results, as the port has it: marks of whole courses, units, and news of gradings."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.lms import (
    Completion,
    CourseUnit,
    Mark,
    Participant,
    ParticipantPage,
    Progress,
    Regraded,
    Roster,
    Standing,
    UnitState,
)
from lms.talentlms_answers import (
    CourseOfUser,
    CourseWithMembers,
    Progressed,
    StatusInCourse,
    TimelineEntry,
    UnitProgress,
)

HEADING = "section"
# Words for a state that is reached; all others are kept as they are (contract, section 8.12).
REACHED = frozenset({"completed", "passed"})
FULL = 100

# What may change a grade and leave the course as it was (section 9.5).
GRADINGS = (
    "unitprogress_assignment_graded",
    "unitprogress_ilt_graded",
    "unitprogress_test_completion",
    "unitprogress_test_failed",
)
MOST_NEWS = 200


def as_roster(course: CourseWithMembers) -> Roster:
    """Everybody in the course, instructors too; names are shortened there, so people are known by id only."""
    units = [CourseUnit(unit.id, unit.name) for unit in course.units if unit.type.strip().lower() != HEADING]
    return Roster(course.id, units, {member.id: as_mark(member) for member in course.users})


def as_participants(course: CourseWithMembers) -> ParticipantPage:
    """Everybody in the course; whose key each of them bears is not told here."""
    people = [Participant(member.id, "", frozenset(filter(None, [member.role]))) for member in course.users]
    return ParticipantPage(people, last=True)


def as_mark(told: Progressed) -> Mark:
    return Mark(
        told.completion_percentage,
        told.enrolled_on_timestamp,
        told.completed_on_timestamp,
        told.expired_on_timestamp,
        told.total_time_seconds,
    )


def as_standing(told: StatusInCourse) -> Standing:
    """The person's units, headings left out should there be any."""
    units = [_unit(unit) for unit in told.units if unit.type.strip().lower() != HEADING]
    return Standing(as_mark(told), _is_reached(told.completion_status), units)


def as_completion(told: StatusInCourse) -> Completion | None:
    """None when the course is not complete; TalentLMS gives grades to units only."""
    if not _is_reached(told.completion_status):
        return None
    evidence: dict[str, Any] = {"source": "status_in_course", "percentage": told.completion_percentage}
    return Completion(told.completed_on_timestamp, None, evidence)


def as_progress(courses: Iterable[CourseOfUser]) -> Progress:
    """How far a user is; a course without rules for completion cannot be told from others."""
    shown = {course.id: course for course in courses}
    completed = frozenset(key for key, course in shown.items() if _is_reached(course.completion_status))
    full = frozenset(key for key, course in shown.items() if course.completion_percentage >= FULL)
    return Progress(frozenset(shown), completed, full - completed, frozenset())


def as_regraded(news: Mapping[str, Sequence[TimelineEntry]], since: datetime | None) -> Regraded:
    """
    Whom the news name, by kind.

    Entries name a unit and sometimes a course, and which is which is not documented; users they name for certain.
    """
    dated = [(entry, entry.unix_timestamp) for entries in news.values() for entry in entries]
    fresh = [entry for entry, at in dated if at is not None and (since is None or at > since)]
    newest = max((at for at in (since, *(at for _, at in dated)) if at is not None), default=None)
    users = frozenset(entry.user_id for entry in fresh if entry.user_id.isdigit())
    return Regraded(users, newest, all(_reach(entries, since) for entries in news.values()))


def _reach(entries: Sequence[TimelineEntry], since: datetime | None) -> bool:
    """Whether nothing after `since` was cut off at the end of the list."""
    if len(entries) < MOST_NEWS:
        return True
    return since is not None and any(entry.unix_timestamp and entry.unix_timestamp <= since for entry in entries)


def _unit(told: UnitProgress) -> UnitState:
    return UnitState(
        told.id,
        told.name,
        told.completion_status,
        _is_reached(told.completion_status),
        told.completed_on_timestamp,
        told.score,
    )


def _is_reached(status: str) -> bool:
    return status.strip().casefold() in REACHED
