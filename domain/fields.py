"""
HR's values as profile fields of the LMS: what goes where, in which form, and what is better not sent.

Moodle checks almost nothing here. An option that a menu does not have is accepted and wipes the stored one, so what is
not certainly right is never sent (contract, section 3.1).
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.events import Employee
from domain.lms import LmsField

Kind = Literal["text", "textarea", "menu", "checkbox", "datetime"]
KINDS: tuple[str, ...] = get_args(Kind)

_TEXTS = (
    "employee_key",
    "employee_number",
    "external_id",
    "id_number",
    "first_name",
    "initials",
    "infix",
    "last_name",
    "preferred_name",
    "phone",
    "mobile",
    "language",
    "timezone",
    "payroll",
    "payroll.name",
)
SOURCES: Mapping[str, str] = dict.fromkeys(_TEXTS, "text") | {
    "status": "choice",
    "starts_on": "date",
    "ends_on": "date",
}
# What HR's own fields hold says nothing before the values come: each is looked at by itself.
FREE_SOURCE = re.compile(r"(attributes|payroll)\.\S(.{0,253}\S)?")
STATUSES: tuple[str, ...] = get_args(Employee.model_fields["status"].annotation)

FITTING: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text", "choice", "date", "free"}),
    "textarea": frozenset({"text", "choice", "date", "free"}),
    "menu": frozenset({"text", "choice", "free"}),
    "checkbox": frozenset({"free"}),
    "datetime": frozenset({"date", "free"}),
}
MOST: Mapping[str, int] = {"text": 2048, "textarea": 4000}
"""Moodle cuts what is longer, and the cut text would differ from HR's for ever."""

EMPTY: Mapping[str, str] = {"checkbox": "0"}
YES = frozenset({"yes", "y", "true", "1", "on", "ja", "j", "x"})
NO = frozenset({"no", "n", "false", "0", "off", "nee"})
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

OPTION_MISSING_CODE = "field_option_missing"
BAD_VALUE_CODE = "field_value_bad"
FIELD_CODES = (OPTION_MISSING_CODE, BAD_VALUE_CODE)
"""Failures of an account that is provisioned all the same, without the field."""


class FieldMap(BaseModel):
    """One profile field of the LMS and where its value comes from (R30). A field without one is never written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lms_field: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,100}$")] = Field(
        description="The field's short name in the LMS; its label may change freely."
    )
    kind: Kind = Field(description="The field's type in the LMS.")
    source: str = Field(
        description="Where the value comes from: a field of the employee such as employee_number, status or starts_on, "
        "attributes.NAME of the employee, or payroll.NAME of the payroll the employee belongs to."
    )
    options: tuple[str, ...] = Field(
        default=(), description="A menu's options, in their exact words; anything else wipes it."
    )
    value_map: dict[str, str] = Field(default={}, description="HR's value to the text the LMS has for it.")
    when_empty: Literal["leave", "clear"] = Field(
        default="leave", description="An empty value in HR: leave what the LMS holds, or clear it."
    )
    payrolls: tuple[str, ...] = Field(
        default=(), description="Only for people of these payrolls; none named means all."
    )

    @property
    def holds(self) -> str:
        """The type of what the source holds: text, choice, date, or free when only each value can tell."""
        return SOURCES.get(self.source, "free")

    @model_validator(mode="after")
    def _fits(self) -> "FieldMap":
        problem = _problem(self)
        if problem:
            raise ValueError(f"{self.lms_field}: {problem}")
        return self


def _problem(chosen: FieldMap) -> str | None:
    """Why this pair would never work (R31)."""
    if chosen.source not in SOURCES and not FREE_SOURCE.fullmatch(chosen.source):
        return f"{chosen.source} is not known; use attributes.NAME, payroll.NAME, or one of {', '.join(SOURCES)}"
    translated = chosen.kind == "checkbox" and bool(chosen.value_map)
    if chosen.holds not in FITTING[chosen.kind] and not (translated and chosen.holds != "date"):
        return f"a {chosen.kind} field cannot take {chosen.source}, which is a {chosen.holds}"
    if (chosen.kind == "menu") != bool(chosen.options):
        return "a menu, and nothing else, names its options"
    if any(not option.strip() or "\n" in option for option in chosen.options):
        return "an option of a menu is one line of text"
    if chosen.kind == "datetime" and chosen.value_map:
        return "dates are not translated by value_map"
    if chosen.kind == "checkbox" and any(_yes_or_no(text) is None for text in chosen.value_map.values()):
        return "value_map may lead to yes and no only"
    return None


STANDING_CODES = (*FIELD_CODES, "email_of_another")
"""Failures of an account that stay although everything else about it is done."""


def doubly_mapped(maps: Iterable[FieldMap]) -> list[str]:
    """The fields that more than one map writes to."""
    names = [chosen.lms_field for chosen in maps]
    return sorted({name for name in names if names.count(name) > 1})


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why one field of one person is not sent. `detail` never holds the value, which may be personal."""

    lms_field: str
    code: str
    detail: str


def mapped_values(
    person: Employee, payroll_attributes: Mapping[str, Any], maps: Iterable[FieldMap], zone: ZoneInfo
) -> tuple[dict[str, str], tuple[FieldProblem, ...]]:
    """
    What the LMS's fields should hold for this person, by short name, and the fields to keep away from.

    Args:
        payroll_attributes: Those of the payroll that the person belongs to, its name included.
    """
    values: dict[str, str] = {}
    problems: list[FieldProblem] = []
    for chosen in maps:
        if chosen.payrolls and person.payroll not in chosen.payrolls:
            continue
        found = _value(person, payroll_attributes, chosen.source)
        if found is None or found == "":
            if chosen.when_empty == "clear":
                values[chosen.lms_field] = EMPTY.get(chosen.kind, "")
            continue
        fit = _fit(found, chosen, zone)
        if isinstance(fit, FieldProblem):
            problems.append(fit)
        else:
            values[chosen.lms_field] = fit
    return values, tuple(problems)


def _value(person: Employee, payroll_attributes: Mapping[str, Any], source: str) -> Any:
    level, _, name = source.partition(".")
    if level == "attributes":
        found = person.attributes.get(name)
    elif name:
        found = payroll_attributes.get(name)
    else:
        found = getattr(person, source)
    return found.strip() if isinstance(found, str) else found


def _fit(found: Any, chosen: FieldMap, zone: ZoneInfo) -> str | FieldProblem:
    """The value as the field takes it."""
    text = _as_text(found)
    if text is None:
        return FieldProblem(chosen.lms_field, BAD_VALUE_CODE, "is a list or an object")
    translated = chosen.value_map.get(text, text)
    match chosen.kind:
        case "checkbox":
            return _yes_or_no(translated) or FieldProblem(chosen.lms_field, BAD_VALUE_CODE, "is neither yes nor no")
        case "datetime":
            day = found if isinstance(found, date) else _day(found, zone)
            return midnight(day, zone) if day else FieldProblem(chosen.lms_field, BAD_VALUE_CODE, "is not a date")
        case "menu" if translated not in chosen.options:
            return FieldProblem(chosen.lms_field, OPTION_MISSING_CODE, "is not among the menu's options")
        case "menu":
            return translated
    if isinstance(found, bool) and text not in chosen.value_map:
        return FieldProblem(chosen.lms_field, BAD_VALUE_CODE, "is a yes or no without a text for it")
    return _kept(translated, chosen)


def _kept(text: str, chosen: FieldMap) -> str | FieldProblem:
    text = unicodedata.normalize("NFC", text if chosen.kind == "textarea" else " ".join(text.split()))
    if len(text) > MOST[chosen.kind]:
        return FieldProblem(chosen.lms_field, BAD_VALUE_CODE, f"is longer than {MOST[chosen.kind]} characters")
    return text


def _as_text(found: Any) -> str | None:
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, date):
        return found.isoformat()
    return str(found) if isinstance(found, str | int | float | Decimal) else None


def _yes_or_no(text: str) -> str | None:
    """1 or 0, as a checkbox wants it (R33); None for any other word."""
    word = text.strip().casefold()
    return "1" if word in YES else "0" if word in NO else None


def _day(found: Any, zone: ZoneInfo) -> date | None:
    """The day that a text names; of an instant the day it falls on in the zone."""
    if not isinstance(found, str) or not _DAY.match(found):
        return None
    try:
        moment = datetime.fromisoformat(found)
        day = (moment.astimezone(zone) if moment.tzinfo else moment).date()
    except (ValueError, OverflowError):
        return None
    return day if 1900 <= day.year < 2200 else None


def midnight(day: date, zone: ZoneInfo) -> str:
    """The Unix seconds at which this day begins in the zone (R34)."""
    return str(int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()))


# What the LMS says of its fields


def as_seen(maps: Iterable[FieldMap], seen: Mapping[str, LmsField]) -> tuple[FieldMap, ...]:
    """
    The maps with the types and options that the LMS has by now: they decide what would be wiped, not ours (R39).

    Args:
        seen: The profile fields that were discovered, by short name.
    """
    return tuple(_as_seen(chosen, seen.get(chosen.lms_field)) for chosen in maps)


def _as_seen(chosen: FieldMap, seen: LmsField | None) -> FieldMap:
    if seen is None or seen.kind not in KINDS:
        return chosen
    options = chosen.options if seen.options is None else seen.options
    return chosen.model_copy(update={"kind": seen.kind, "options": options if seen.kind == "menu" else ()})


def missing_options(chosen: FieldMap, hr_values: Iterable[str]) -> tuple[str, ...]:
    """
    The texts that would be sent to this menu and that it does not have (R32).

    Args:
        hr_values: Values that HR's people hold in the source.
    """
    if chosen.kind != "menu":
        return ()
    known = STATUSES if chosen.source == "status" else ()
    texts = [chosen.value_map.get(value, value) for value in (*known, *hr_values)]
    return tuple(dict.fromkeys(text for text in (*chosen.value_map.values(), *texts) if text not in chosen.options))


@dataclass(frozen=True, slots=True)
class FieldNews:
    """What a discovery says of one field compared with the one before."""

    field: LmsField
    news: Literal["new", "changed", "gone", "same"]


def concern_people(news: Iterable[FieldNews]) -> bool:
    """Whether what may be written into profiles has changed, so that people are to be looked at again."""
    return any(item.news in ("new", "changed") and item.field.area == "user" for item in news)


def compared(known: Sequence[LmsField], seen: Sequence[LmsField]) -> list[FieldNews]:
    """
    What is new, changed, gone or the same, in the order of area and short name.

    Options that are not told this time are taken to be those told before, as long as the field is a menu still.
    """
    before = {(field.area, field.shortname): field for field in known}
    now = {
        (field.area, field.shortname): _completed(field, before.get((field.area, field.shortname))) for field in seen
    }
    news = [FieldNews(field, _news(before.get(key), field)) for key, field in now.items()]
    gone = [FieldNews(field, "gone") for key, field in before.items() if key not in now]
    return sorted(news + gone, key=lambda item: (item.field.area, item.field.shortname))


def _completed(field: LmsField, before: LmsField | None) -> LmsField:
    if field.options is None and before is not None and before.kind == field.kind:
        return LmsField(field.area, field.shortname, field.kind, field.name, before.options)
    return field


def _news(before: LmsField | None, field: LmsField) -> Literal["new", "changed", "same"]:
    if before is None:
        return "new"
    return "same" if before == field else "changed"
