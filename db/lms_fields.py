"""Custom fields of an LMS as they were seen, and what HR holds to put into them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from db.statements import statements
from db.store import IntegrationStore
from domain.fields import FieldNews, compared
from domain.lms import LmsField

SQL = statements("lms_fields")

MOST_USERS = 99
MOST_VALUES = 500


@dataclass(frozen=True, slots=True)
class KnownField:
    """A field on record; `gone` when the last discovery did not see it."""

    field: LmsField
    gone: bool


class FieldStore(IntegrationStore):
    """One integration's fields in one transaction."""

    sql = SQL

    def known(self) -> list[KnownField]:
        rows = self._rows("lms_fields")
        return [KnownField(_field(*row), gone) for *row, gone in rows]

    def keep(self, seen: Sequence[LmsField]) -> list[FieldNews]:
        """What was seen is on record, and what was not is marked as gone; what that changed (R39)."""
        news = compared([known.field for known in self.known() if not known.gone], seen)
        self._save(news)
        return news

    def _save(self, news: Sequence[FieldNews]) -> None:
        seen = [item.field for item in news if item.news != "gone"]
        gone = [item.field for item in news if item.news == "gone"]
        self._rows(
            "save_lms_fields",
            areas=[field.area for field in seen],
            shortnames=[field.shortname for field in seen],
            kinds=[field.kind for field in seen],
            names=[field.name for field in seen],
            options=[None if field.options is None else json.dumps(field.options) for field in seen],
        )
        self._rows("lose_lms_fields", areas=[f.area for f in gone], shortnames=[f.shortname for f in gone])

    def users_to_look_at(self) -> list[str]:
        """Ids of users of the LMS that are linked."""
        return [user_id for (user_id,) in self._rows("linked_users", most=MOST_USERS)]

    def keys_to_look_for(self) -> list[str]:
        """External keys of people that the LMS may know already."""
        return [key for (key,) in self._rows("some_keys", most=MOST_USERS)]

    def hr_values(self, tenant: str, source: str) -> list[str]:
        """Some of the different values that HR holds in a source."""
        level, _, name = source.partition(".")
        if level == "payroll" and name:
            path = ["name"] if name == "name" else ["attributes", name]
            rows = self._rows("payroll_values", tenant=tenant, path=path, most=MOST_VALUES)
        else:
            path = [level, name] if name else [level]
            rows = self._rows("person_values", tenant=tenant, path=path, most=MOST_VALUES)
        return [value for (value,) in rows]


def _field(area: Any, shortname: str, kind: str, name: str, options: list[str] | None) -> LmsField:
    return LmsField(area, shortname, kind, name, None if options is None else tuple(options))
