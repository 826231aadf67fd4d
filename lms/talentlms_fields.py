"""
The custom fields of TalentLMS: what they are called, and their values as both sides write them.

Unlike Moodle, the portal tells all its fields, with types and options, so they are asked for and remembered. A checkbox
is `on` or `off` there, and a date a day in the portal's own format; here they are 1 or 0, and the seconds at which the
day begins.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from threading import Lock
from typing import Generic, Literal, TypeVar

from domain.lms import CustomValue, LmsField
from lms.talentlms_answers import FieldRecord

T = TypeVar("T")

# The portal's words for the kinds of field that HR's values are fitted to.
KINDS = {"dropdown": "menu", "date": "datetime"}
DATE_FORMATS = {"DDMMYYYY": "%d/%m/%Y", "MMDDYYYY": "%m/%d/%Y", "YYYYMMDD": "%Y/%m/%d"}
USUAL_FORMAT = "DDMMYYYY"


@dataclass(frozen=True, slots=True)
class Days:
    """How the portal writes days, and in which zone they begin."""

    date_format: str
    zone: tzinfo

    def read(self, text: str) -> datetime | None:
        """The beginning of the day, None when it is none; without the time after it, with slashes or dashes."""
        try:
            day = datetime.strptime(text.partition(",")[0].strip().replace("-", "/"), self._pattern())  # noqa: DTZ007
        except ValueError:
            return None
        return day.replace(tzinfo=self.zone)

    def written(self, seconds: str) -> str:
        return datetime.fromtimestamp(int(seconds), UTC).astimezone(self.zone).strftime(self._pattern())

    def _pattern(self) -> str:
        return DATE_FORMATS.get(self.date_format.upper(), DATE_FORMATS[USUAL_FORMAT])


class Remembered(Generic[T]):
    """Asked for once, by whoever needs it first; threads share it, and a failure is not remembered."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._lock = Lock()
        self._known: list[T] = []

    def __call__(self) -> T:
        with self._lock:
            if not self._known:
                self._known.append(self._ask())
            return self._known[0]

    def forget(self) -> None:
        """Ask again the next time."""
        with self._lock:
            self._known.clear()


class Fields:
    """
    The fields of users, or of courses, by key.

    Args:
        days: Asks the portal how it writes days; only asked when there is one to read or to write.
    """

    def __init__(self, records: Iterable[FieldRecord], days: Callable[[], Days]) -> None:
        self._records = {record.key: record for record in records}
        self._days = days

    def described(self, area: Literal["user", "course"]) -> list[LmsField]:
        return [LmsField(area, r.key, _kind(r), r.name, _options(r)) for r in self._records.values()]

    def missing(self, supplied: Collection[str]) -> list[str]:
        """The names of the fields that a newcomer must have and that are not supplied (section 8.20)."""
        return [r.name or r.key for r in self._records.values() if _is_mandatory(r) and r.key not in supplied]

    def of_user(self, told: Mapping[str, str]) -> dict[str, str]:
        """What the portal tells of a user's fields, as the port has it."""
        return {key: self._for_user(key, value) for key, value in told.items()}

    def of_course(self, told: Mapping[str, str]) -> dict[str, CustomValue]:
        """The same of a course."""
        return {key: self._for_course(key, value) for key, value in told.items()}

    def written(self, custom: Mapping[str, str]) -> dict[str, str]:
        """The port's values as the portal takes them."""
        return {key: self._written(key, value) for key, value in custom.items()}

    def _for_user(self, key: str, value: str) -> str:
        match self._kind_of(key):
            case "checkbox":
                return str(int(_is_on(value)))
            case "datetime":
                day = self._days().read(value)
                return value if day is None else str(int(day.timestamp()))
        return value

    def _for_course(self, key: str, value: str) -> CustomValue:
        match self._kind_of(key):
            case "checkbox":
                return _is_on(value)
            case "datetime":
                return self._days().read(value)
        return value

    def _written(self, key: str, value: str) -> str:
        match self._kind_of(key):
            case "checkbox":
                return "on" if value == "1" else "off"
            case "datetime" if value:
                return self._days().written(value)
        return value

    def _kind_of(self, key: str) -> str:
        record = self._records.get(key)
        return "" if record is None else _kind(record)


def _kind(record: FieldRecord) -> str:
    return KINDS.get(record.type.lower(), record.type.lower())


def _options(record: FieldRecord) -> tuple[str, ...] | None:
    if _kind(record) != "menu":
        return None
    return tuple(option.strip() for option in record.dropdown_values.split(";") if option.strip())


def _is_mandatory(record: FieldRecord) -> bool:
    """A field of a branch only is asked of nobody who signs up at the portal itself."""
    elsewhere = record.selective_availability.lower() == "yes" and record.main_domain_availability.lower() != "yes"
    return record.mandatory.lower() == "yes" and not elsewhere


def _is_on(value: str) -> bool:
    return value.strip().lower() in ("on", "1", "yes")
