"""
The public interface for upstream systems: one CloudEvents envelope and a handful of facts.

Facts are full snapshots of their subject. Extra fields are kept, never fatal.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from domain.traces import trace_of

MAX_EVENT_BYTES = 1024 * 1024
MAX_DEPTH = 64

_YEAR = re.compile("[0-9]{4}-")


class BadEvent(ValueError):
    """This event can never become a fact. `field` names the place, `problem` the cause in one sentence."""

    def __init__(self, code: str, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.code = code
        self.field = field
        self.problem = problem


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _written_out(value: object) -> object:
    # pydantic would read a number as seconds since 1970, so that 0 or an epoch became a day nobody meant.
    if isinstance(value, int | float) or (isinstance(value, str) and not _YEAR.match(value)):
        raise ValueError("is not written as a date, for example 2026-01-31")
    return value


def _with_offset(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("needs an offset, for example 2026-01-31T09:00:00+02:00")
    if not 1900 <= value.year < 2200:
        raise ValueError("lies outside the years 1900 to 2200")
    return value


def _plausible_day(value: date) -> date:
    if not 1900 <= value.year < 2200:
        raise ValueError("lies outside the years 1900 to 2200")
    return value


Key = Annotated[str, BeforeValidator(_trimmed), Field(min_length=1, max_length=255)]
Text = Annotated[str, Field(max_length=4000)]
Instant = Annotated[datetime, BeforeValidator(_written_out), AfterValidator(_with_offset)]
Day = Annotated[date, BeforeValidator(_written_out), AfterValidator(_plausible_day)]


class Fact(BaseModel):
    """What HR says about one subject. Extra fields stay readable in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True, str_strip_whitespace=False)
    subject_field: ClassVar[str]

    def key(self) -> str:
        """The key of the subject this fact is about."""
        return str(getattr(self, self.subject_field))


class Employee(Fact):
    subject_field = "employee_key"

    employee_key: Key
    employee_number: Text | None = None
    external_id: Text | None = None
    id_number: Text | None = None
    first_name: Text | None = None
    initials: Text | None = None
    infix: Text | None = None
    last_name: Text | None = None
    preferred_name: Text | None = None
    emails: Annotated[list[Text | None], Field(max_length=3)] = []
    phone: Text | None = None
    mobile: Text | None = None
    language: Text | None = None
    timezone: Text | None = None
    payroll: Key | None = None
    status: Literal["active", "on_leave", "suspended", "terminated"] = "active"
    starts_on: Day | None = None
    ends_on: Day | None = None
    attributes: dict[str, Any] = {}
    lms_user_ids: dict[str, Any] = {}


class ErasedEmployee(Fact):
    subject_field = "employee_key"

    employee_key: Key


class Payroll(Fact):
    subject_field = "payroll"

    payroll: Key
    name: Text | None = None
    integration: Key | None = None
    attributes: dict[str, Any] = {}


class CourseUnit(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    code: Key
    kind: Text | None = None
    title: Text | None = None


class Course(Fact):
    subject_field = "course_code"

    course_code: Key
    title: Text | None = None
    integration: Key | None = None
    archived: bool = False
    export: bool = True
    lms_course_id: Text | None = None
    group_key: Text | None = None
    units: list[CourseUnit] = []


class KnownOutcome(BaseModel):
    """
    An outcome that HR has for an enrolment, or for one unit of its course.

    Attributes:
        unit_code: None for the whole course.
        outcome: Code of the item in HR's pick-list.
        origin: `hand` when a person set it, `lms` when it came from us.
        set_at: When it was set; tells setting the same outcome anew from saying it again.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    unit_code: Key | None = None
    outcome: Key
    origin: Literal["hand", "lms"] = "hand"
    set_at: Instant | None = None


class CourseEnrolment(Fact):
    subject_field = "enrolment_key"

    enrolment_key: Key
    employee_key: Key
    course_code: Key
    role: Literal["learner", "tutor"] = "learner"
    booking_status: Literal["tentative", "confirmed", "cancelled"] = "confirmed"
    status: Literal["active", "withdrawn", "completed"] = "active"
    export: bool = True
    export_on: Day | None = None
    starts_on: Day | None = None
    ends_on: Day | None = None
    deferred_on: Day | None = None
    extended_to: Day | None = None
    withdrawn_on: Day | None = None
    outcomes: list[KnownOutcome] = []

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "CourseEnrolment":
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise ValueError("ends_on lies before starts_on")
        return self


class Seat(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    first_name: Text
    last_name: Text
    email: Text


class SessionOrder(Fact):
    subject_field = "order_key"

    order_key: Key
    integration: Key | None = None
    course_short_name: Key
    product_ref: Text | None = None
    unit_price: Text | None = None
    seats: Annotated[int, Field(ge=0)] = 0
    operator: Seat | None = None
    learners: list[Seat] = []
    tutors: list[Seat] = []
    parameters: Text = ""


class SyncRequest(Fact):
    subject_field = "integration"

    integration: Key
    flows: list[Literal["people", "courses", "results"]] = ["people", "courses", "results"]
    enrolments: bool = False


FACT_TYPES: Mapping[str, type[Fact]] = {
    "hr.employee.created.v1": Employee,
    "hr.employee.updated.v1": Employee,
    "hr.employee.terminated.v1": Employee,
    "hr.employee.erased.v1": ErasedEmployee,
    "hr.payroll.enabled.v1": Payroll,
    "hr.payroll.disabled.v1": Payroll,
    "hr.payroll.updated.v1": Payroll,
    "hr.course.changed.v1": Course,
    "hr.course_enrolment.confirmed.v1": CourseEnrolment,
    "hr.course_enrolment.changed.v1": CourseEnrolment,
    "hr.course_enrolment.withdrawn.v1": CourseEnrolment,
    "hr.course_enrolment.completed.v1": CourseEnrolment,
    "hr.course_session.ordered.v1": SessionOrder,
    "hr.course_session.cancelled.v1": SessionOrder,
    "hr.sync.requested.v1": SyncRequest,
}


class Envelope(BaseModel):
    """The CloudEvents attributes of one event, without its data."""

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: Literal["1.0"]
    id: Key
    source: Key
    type: Key
    subject: Key
    time: Instant
    tenant: Key
    sequence: Text | None = None
    traceparent: Text | None = None

    @property
    def trace_id(self) -> str:
        return trace_of(self.source, self.id, self.traceparent)


@dataclass(frozen=True, slots=True)
class Event:
    """One valid event: its envelope and its fact."""

    envelope: Envelope
    fact: Fact

    @property
    def type(self) -> str:
        return self.envelope.type

    @property
    def freshness(self) -> "Freshness":
        return Freshness(self.envelope.sequence, self.envelope.time, self.envelope.id)


@dataclass(frozen=True, slots=True)
class Freshness:
    """
    Decides which of two facts about one subject is newer.

    `sequence` decides when both have one, then `time`, then the event id. Every order of arrival ends in the same
    fact, as long as either all facts about a subject have a sequence or none has.
    """

    sequence: str | None
    time: datetime
    event_id: str

    def newer_than(self, other: "Freshness | None") -> bool:
        if other is None:
            return True
        if self.sequence is not None and other.sequence is not None:
            ours, theirs = _sequence_order(self.sequence), _sequence_order(other.sequence)
            # "7" and "07" are the same place in the order, so they differ by what comes next.
            if ours != theirs:
                return ours > theirs
        return (self.time, self.event_id) > (other.time, other.event_id)


def _sequence_order(sequence: str) -> tuple[int, str]:
    """Orders decimal sequences by value ("9" < "10") and all others as text."""
    digits = sequence.lstrip("0")
    return (len(digits), digits) if sequence.isascii() and sequence.isdigit() else (0, sequence)


def _refuse_constant(name: str) -> None:
    raise BadEvent("not_json", "", f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise BadEvent("not_json", "", "holds a number too large to keep")
    return number


def _check_text(value: object, path: str = "") -> None:
    """Refuses what Postgres and the LMSs cannot store; only escapes can smuggle it past UTF-8 and JSON."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, path)
            _check_text(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_text(inner, f"{path}.{index}")
    elif isinstance(value, str) and _UNUSABLE.search(value):
        raise BadEvent("unusable_text", path, "holds a NUL or a lone surrogate, which nothing after us can store")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadEvent("duplicate_key", "", "a JSON object names a key twice; which value is meant is not known")
    return found


_NESTING = re.compile(rb"[\[{]")
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")


def _check_depth(body: bytes) -> None:
    if len(_NESTING.findall(body)) <= MAX_DEPTH:
        return
    depth = 0
    in_text = False
    escaped = False
    for byte in body:
        if in_text:
            in_text = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BadEvent("too_deep", "", f"nests deeper than {MAX_DEPTH} levels")
        elif byte in b"]}":
            depth -= 1


def decode_json(body: bytes) -> dict[str, Any]:
    """
    The JSON object in `body`, strictly: UTF-8, no byte order mark, no NaN, no repeated keys, bounded size and depth.

    Raises:
        BadEvent: It is none; the code says why.
    """
    if len(body) > MAX_EVENT_BYTES:
        raise BadEvent("too_large", "", f"has {len(body)} bytes; at most {MAX_EVENT_BYTES} are read")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadEvent("not_utf8", "", f"is not UTF-8 at byte {error.start}") from None
    _check_depth(body)
    try:
        found = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_once_each)
    except BadEvent:
        raise
    except ValueError as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadEvent("not_json", "", f"is not JSON{where}") from None
    if not isinstance(found, dict):
        raise BadEvent("not_an_object", "", "is JSON, but not an object")
    if "\\u" in text or "\x00" in text:
        _check_text(found)
    return found


def _explain(error: ValidationError, prefix: str) -> BadEvent:
    """The first problem, by field; the offending value is left out because it may be personal data."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    field = f"{prefix}{path}"
    if first["type"] == "missing":
        return BadEvent("missing_field", field, "is missing")
    return BadEvent("bad_field", field, first["msg"].removeprefix("Value error, "))


@lru_cache(maxsize=1024)
def _type_problem(event_type: str) -> str:
    family, _, version = event_type.rpartition(".v")
    if any(known.rpartition(".v")[0] == family for known in FACT_TYPES):
        return f"version {version} of {family} is not known to this release"
    return f"type {event_type} is not known to this release"


class UnknownType(BadEvent):
    """Valid so far as we can tell, but not for this release; kept, and applied after an upgrade."""


def parse(content: Mapping[str, Any]) -> Event:
    """
    The event in a decoded CloudEvents object.

    Raises:
        UnknownType: The type or its version is not known here.
        BadEvent: A field is missing or wrong; `field` names it, `data.` in front for the fact's own.
    """
    attributes = {name: value for name, value in content.items() if name not in ("data", "datacontenttype")}
    try:
        envelope = Envelope.model_validate(attributes)
    except ValidationError as error:
        raise _explain(error, "") from None
    model = FACT_TYPES.get(envelope.type)
    if model is None:
        raise UnknownType("unknown_type", "type", _type_problem(envelope.type))
    data = content.get("data")
    if not isinstance(data, Mapping):
        raise BadEvent("missing_field", "data", "is missing or not an object")
    try:
        fact = model.model_validate(data)
    except ValidationError as error:
        raise _explain(error, "data.") from None
    if fact.key() != envelope.subject:
        raise BadEvent("subject_mismatch", "subject", f"differs from data.{fact.subject_field}")
    return Event(envelope, fact)


def parse_bytes(body: bytes) -> Event:
    """The event in the bytes of a structured CloudEvent; see `decode_json` and `parse` for what is refused."""
    return parse(decode_json(body))
