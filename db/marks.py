"""How far everybody was when their units were last read, and whom to read again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from db.statements import statements
from db.store import IntegrationStore
from domain.lms import Mark, Pair
from domain.polling import Scope

SQL = statements("marks")

_MARK = TypeAdapter(Mark)


@dataclass(frozen=True, slots=True)
class Member:
    """One enrolment whose results count. `mark` is None when its units are to be read in any case."""

    placement_id: int
    account_id: int
    pair: Pair
    mark: Mark | None
    completed: bool


class MarkStore(IntegrationStore):
    """One integration's marks in one transaction."""

    sql = SQL

    def scope(self) -> Scope:
        return Scope(*self._rows("scope")[0])

    def members_of_next_course(self, after: str, *, whole: bool) -> list[Member]:
        """Empty when no course is left."""
        return [_member(row) for row in self._rows("members_of_next_course", after=after, whole=whole)]

    def courses_of_next_people(self, after: int, most: int, *, whole: bool) -> list[Member]:
        """Empty when nobody is left."""
        return [_member(row) for row in self._rows("courses_of_next_people", after=after, most=most, whole=whole)]

    def save_marks(self, marks: Mapping[int, Mark]) -> None:
        """The units of these enrolments, by placement id, have been read."""
        if marks:
            texts = [_MARK.dump_json(mark).decode() for mark in marks.values()]
            self._rows("save_marks", ids=list(marks), marks=texts)

    def read_people_again(self, user_ids: Iterable[str]) -> None:
        self._rows("read_people_again", user_ids=list(user_ids))

    def read_oldest_again(self, most: int, *, not_before: timedelta) -> None:
        """So many of the open enrolments that were read longest ago, and at least that long, are to be read again."""
        if most:
            self._rows("read_oldest_again", most=most, not_before=not_before)

    def read_held_again(self) -> None:
        self._rows("read_held_again")

    def note_regrades(self, newest: datetime | None) -> None:
        """Changed grades have been asked for; they are known up to `newest`, or as far as before."""
        self._rows("note_regrades", newest=newest)


def _member(row: tuple[Any, ...]) -> Member:
    placement_id, account_id, user_id, course_id, mark, completed = row
    held = None if mark is None else _MARK.validate_python(mark)
    return Member(placement_id, account_id, Pair(user_id, course_id), held, completed)
