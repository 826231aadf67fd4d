"""
The shapes of TalentLMS's answers, as far as we read them.

Numbers come as texts or as numbers, and what is unset as an empty text, as null or not at all: all are read alike
(contract, sections 2 and 8.10); lists must be there, since a missing one would read as "nobody". Texts come with HTML
entities. Instants are taken from the fields in seconds, since those for people follow the portal's format and zone
(8.11).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

CUSTOM_FIELD = re.compile(r"custom_field_[0-9]{1,9}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_LAST_SECOND = 253_402_300_799  # of the year 9999


def _text(value: Any) -> Any:
    if value is None:
        return ""
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


def _shown(value: Any) -> Any:
    text = _text(value)
    return unescape(text).strip() if isinstance(text, str) else text


def _number(value: Any) -> Decimal | None:
    """None where there is none."""
    text = str(_text(value)).strip().rstrip("%").rstrip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError("not a number")
    return Decimal(text)


def _count(value: Any) -> int:
    return int(_number(value) or 0)


def _instant(value: Any) -> datetime | None:
    seconds = _count(value)
    if not 0 <= seconds <= _LAST_SECOND:
        raise ValueError("not an instant")
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


Id = Annotated[str, BeforeValidator(_text), Field(min_length=1)]
Text = Annotated[str, BeforeValidator(_text)]
Shown = Annotated[str, BeforeValidator(_shown)]
Count = Annotated[int, BeforeValidator(_count)]
Number = Annotated[Decimal | None, BeforeValidator(_number)]
Instant = Annotated[datetime | None, BeforeValidator(_instant)]


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Customised(_Answer):
    """`custom` holds the fields that the portal's administrators added, by key, those that are unset left out."""

    custom: dict[str, Shown] = {}

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, answer: Any) -> Any:
        if not isinstance(answer, Mapping):
            return answer
        own = {name: value for name, value in answer.items() if CUSTOM_FIELD.fullmatch(name)}
        return {**answer, "custom": {name: value for name, value in own.items() if _text(value) != ""}}


class SiteInfo(_Answer):
    """`domain_map` is the portal's own domain, where it has one besides the address that the API is at."""

    total_users: Count
    total_courses: Count
    domain_map: Text = ""
    date_format: Text = ""


class RateLimit(_Answer):
    limit: Count
    remaining: Count
    reset: Annotated[datetime, BeforeValidator(_instant)]


class Progressed(_Answer):
    """How far somebody is in a course."""

    enrolled_on_timestamp: Instant = None
    completed_on_timestamp: Instant = None
    expired_on_timestamp: Instant = None
    completion_percentage: Count = 0
    total_time_seconds: Count = 0


class CourseOfUser(Progressed):
    id: Id
    completion_status: Text = ""


class UserRecord(_Customised):
    """A user, without what else comes when a single one is asked for."""

    id: Id
    login: Text
    email: Text
    status: Text
    user_type: Text = ""
    first_name: Shown = ""
    last_name: Shown = ""


class UserWithCourses(_Answer):
    id: Id
    courses: list[CourseOfUser]


class FoundUser(_Answer):
    id: Id


class StatusSet(_Answer):
    user_id: Id
    status: Text


class UserOfCourse(_Answer):
    """The answer to an enrolment, to its end, and to joining a group."""

    user_id: Id


class Member(Progressed):
    id: Id
    role: Text = ""


class UnitRecord(_Answer):
    id: Id
    type: Text = ""
    name: Shown = ""


class CourseRecord(_Customised):
    """`start_datetime` is in seconds, unlike other fields whose names end so (section 3)."""

    id: Id
    name: Shown
    code: Shown = ""
    category_id: Text = ""
    status: Text = ""
    start_datetime: Instant = None


class CourseWithMembers(_Answer):
    id: Id
    users: list[Member]
    units: list[UnitRecord]


class UnitProgress(_Answer):
    id: Id
    name: Shown = ""
    type: Text = ""
    completion_status: Text = ""
    completed_on_timestamp: Instant = None
    score: Number = None


class StatusInCourse(Progressed):
    completion_status: Text = ""
    units: list[UnitProgress]


class Category(_Answer):
    id: Id
    name: Shown


class GroupRecord(_Answer):
    id: Id
    key: Text = ""


class FieldRecord(_Answer):
    """`dropdown_values` are parted by semicolons. A field of a branch may be missing in the main domain."""

    key: Id
    type: Text
    name: Shown = ""
    mandatory: Text = ""
    dropdown_values: Shown = ""
    selective_availability: Text = ""
    main_domain_availability: Text = ""


class TimelineEntry(_Answer):
    unix_timestamp: Instant
    user_id: Text = ""


def _none_is_no_list(answer: Any) -> Any:
    """PHP writes a map without entries as a list (section 1)."""
    return {} if answer == [] else answer


def _only(answer: Any) -> Any:
    """One of one: an enrolment is answered with a list (section 8.9)."""
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer


SITE = TypeAdapter(SiteInfo)
RATE = TypeAdapter(RateLimit)
USER = TypeAdapter(UserRecord)
USERS = TypeAdapter(list[UserRecord])
USER_COURSES = TypeAdapter(UserWithCourses)
FOUND = TypeAdapter(Annotated[dict[str, FoundUser], BeforeValidator(_none_is_no_list)])
STATUS_SET = TypeAdapter(StatusSet)
ENROLLED = TypeAdapter(Annotated[UserOfCourse, BeforeValidator(_only)])
OF_COURSE = TypeAdapter(UserOfCourse)
COURSES = TypeAdapter(list[CourseRecord])
COURSE = TypeAdapter(CourseWithMembers)
STANDING = TypeAdapter(StatusInCourse)
CATEGORIES = TypeAdapter(list[Category])
GROUPS = TypeAdapter(list[GroupRecord])
FIELDS = TypeAdapter(list[FieldRecord])
TIMELINE = TypeAdapter(list[TimelineEntry])
