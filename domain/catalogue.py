"""
A course of the LMS as HR gets to know it (R38, R41, R56-R59).

HR knows a course by the code that it was first told, whatever becomes of the course in the LMS; a course that is hidden
or gone is inactive, never deleted. What cannot be told, because HR could not file it, is parked with its reason.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any

from domain.errors import NeedsAttention
from domain.integration import Catalogue, CourseAttribute
from domain.lms import CustomValue, LmsCourse, LmsField
from domain.results import stable_id

Told = Mapping[str, Any]
"""What HR was told about a course: the data of the last `lms.course.observed.v1`, less what names the integration."""

PROBLEM_CODES = ("course_category_unknown", "course_code_taken", "completion_off")
"""Everything that can be wrong with one course of the catalogue; seen again, or healed, at each reading."""


@dataclass(frozen=True, slots=True)
class KnownCourse:
    """
    What is on record about a course.

    Attributes:
        told: None while HR has never heard of it.
        opened: HR has been told once that it is active.
    """

    lms_course_id: str
    told: Told | None
    told_by: str | None
    first_seen_at: datetime
    gone: bool
    opened: bool = False


@dataclass(frozen=True, slots=True)
class CourseNews:
    """
    What one reading means for one course.

    Attributes:
        told: What HR is to know from now on, when that differs from what it knew.
        event_id: Of the event that says so. It names the event before, so that a change back is told too.
        opens: It is active for the first time, so employees may hear of it (R7).
        problem: Why HR hears nothing, or no more than that the course is inactive.
    """

    lms_course_id: str
    told: Told | None = None
    event_id: str | None = None
    first: bool = False
    opens: bool = False
    problem: NeedsAttention | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """What the settings make of every course read: the news, and the course fields that cannot be used as mapped."""

    news: list[CourseNews]
    unusable_fields: list[str]


def read_courses(
    courses: Iterable[LmsCourse],
    known: Mapping[str, KnownCourse],
    *,
    scope: str,
    settings: Catalogue,
    zone: tzinfo,
    now: datetime,
) -> Readings:
    """
    What HR is to hear after a reading of the whole catalogue.

    Args:
        known: By LMS course id; those that are not among `courses` are gone.
        scope: Names the integration within event ids.
        now: When a course that is new here is first seen.
    """
    courses = sorted(
        courses, key=lambda course: (course.course_id not in known, len(course.course_id), course.course_id)
    )
    seen = {course.course_id for course in courses}
    gone = (entry for course_id, entry in sorted(known.items()) if course_id not in seen)
    # Whoever is gone is told first: a course that was made anew takes over the code.
    news = [_news(entry, entry.told and {**entry.told, "visible": False}, scope) for entry in gone]
    codes = {str(e.told["code"]): e.lms_course_id for e in known.values() if e.told and e.lms_course_id in seen}
    for course in courses:
        entry = known.get(course.course_id) or KnownCourse(course.course_id, None, None, now, gone=False)
        code = str(entry.told["code"]) if entry.told else course.code
        first_seen = entry.first_seen_at.astimezone(zone).date()
        try:
            _claim_code(codes, code, course.course_id)
            told = _for_hr(course, code, settings, zone, first_seen)
        except NeedsAttention as problem:
            # HR cannot file it, but it can be told that a course it has is not to be used any more (R57).
            news.append(_news(entry, entry.told and {**entry.told, "visible": course.visible}, scope, problem))
        else:
            news.append(_news(entry, told, scope))
    return Readings(news, unusable_fields(courses, settings) if courses else [])


def _claim_code(codes: dict[str, str], code: str, course_id: str) -> None:
    """The code leads HR to this course and no other; whoever had it first keeps it."""
    if codes.setdefault(code, course_id) != course_id:
        raise NeedsAttention("course_code_taken", f"course {codes[code]} has the code {code} already")


def _news(entry: KnownCourse, told: Told | None, scope: str, problem: NeedsAttention | None = None) -> CourseNews:
    if told is None or told == entry.told:
        return CourseNews(entry.lms_course_id, problem=problem)
    event_id = stable_id("course", scope, entry.lms_course_id, entry.told_by or "", fingerprint(told))
    opens = bool(told["visible"]) and not entry.opened
    return CourseNews(entry.lms_course_id, told, event_id, first=entry.told is None, opens=opens, problem=problem)


def fingerprint(told: Told) -> str:
    """The same for the same facts, whatever the order they stand in."""
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _for_hr(course: LmsCourse, code: str, settings: Catalogue, zone: tzinfo, first_seen: date) -> Told:
    return {
        "lms_course_id": course.course_id,
        "code": code,
        "title": course.title,
        "category": hr_category(course, settings),
        "visible": course.visible,
        "starts_at": course.starts_at and course.starts_at.isoformat(),
        "starts_on": _start_day(course, settings, zone, first_seen),
        "attributes": attributes(course, settings, zone),
    }


def hr_category(course: LmsCourse, settings: Catalogue) -> str | None:
    """
    The item of HR's category pick-list (R56); None where the LMS names none and there is no default.

    Raises:
        NeedsAttention: The category is not mapped, and such courses are parked.
    """
    name = (course.category or "").strip()
    mapped = settings.category_map().get(name.casefold()) if name else None
    if mapped is not None:
        return mapped
    if name and settings.unknown_category == "accept":
        return name
    if (not name or settings.unknown_category == "default") and settings.default_category:
        return settings.default_category
    if settings.unknown_category == "park":
        told = f"category {name!r} is not in catalogue.categories" if name else "the course has no category"
        raise NeedsAttention("course_category_unknown", told)
    return None


def _start_day(course: LmsCourse, settings: Catalogue, zone: tzinfo, first_seen: date) -> str | None:
    """The day of the start where the integration is (R59); Moodle's zero came as None."""
    if course.starts_at is not None:
        return course.starts_at.astimezone(zone).date().isoformat()
    return first_seen.isoformat() if settings.without_start == "first_seen" else None


_KINDS = {"checkbox": ("yes_no",), "date": ("date",), "datetime": ("date",)}
"""What a course field of each type may be in HR; all other types are texts, which may hold numbers."""


def attributes(course: LmsCourse, settings: Catalogue, zone: tzinfo) -> dict[str, Any]:
    """The course fields that HR asked for, in HR's names and kinds (R38, R41). Unset and unusable ones are None."""
    return {
        wanted.to: None if _misfit(course.custom.get(field), wanted) else _value(course.custom.get(field), wanted, zone)
        for field, wanted in sorted(settings.fields.items())
    }


def unusable_fields(courses: Iterable[LmsCourse], settings: Catalogue) -> list[str]:
    """
    Each mapped field that no course has, or whose values are of another kind, with the reason (R31, R39).

    A mapping that a single course's text breaks is named too: a pass mark of "high" is no number.
    """
    held: dict[str, list[CustomValue]] = {}
    for course in courses:
        for field, value in course.custom.items():
            held.setdefault(field, []).append(value)
    told = []
    for field, wanted in sorted(settings.fields.items()):
        if field not in held:
            told.append(f"{field} is not there")
        elif any(_misfit(value, wanted) for value in held[field]):
            told.append(f"{field} is not a {wanted.kind.replace('_', '/')}")
    return told


def misfitting_fields(settings: Catalogue, seen: Mapping[str, LmsField]) -> list[str]:
    """
    Each mapped field that was discovered with a type which can never be what HR expects (R31, R38).

    Args:
        seen: The course fields of the LMS by short name; what was not seen may still be mapped.
    """
    wrong = []
    for field, wanted in sorted(settings.fields.items()):
        kind = seen[field].kind if field in seen else None
        if kind is not None and wanted.kind not in _KINDS.get(kind, ("text", "number")):
            wrong.append(f"{field} is a {kind} and can be no {wanted.kind.replace('_', '/')}")
    return wrong


def _misfit(value: CustomValue, wanted: CourseAttribute) -> bool:
    match value:
        case None:
            return False
        case bool():
            return wanted.kind != "yes_no"
        case datetime():
            return wanted.kind != "date"
        case str():
            return wanted.kind in ("yes_no", "date") or (wanted.kind == "number" and _number(value) is None)


def _value(value: CustomValue, wanted: CourseAttribute, zone: tzinfo) -> Any:
    match value:
        case datetime():
            return value.astimezone(zone).date().isoformat()
        case str() if wanted.kind == "number":
            return _number(value)
        case _:
            return value


def _number(text: str) -> str | None:
    """The number in a text such as "65" or "65,5 %", as HR's events carry numbers: text with a full stop."""
    try:
        number = Decimal(text.strip().removesuffix("%").strip().replace(",", "."))
    except InvalidOperation:
        return None
    return str(number) if number.is_finite() else None
