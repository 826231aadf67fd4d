"""The courses of one integration: what the LMS holds, what HR was told, and who waits for which."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row

from db.statements import statements
from db.store import IntegrationStore
from domain.catalogue import CourseNews, KnownCourse
from domain.lms import LmsCourse

SQL = statements("catalogue")


@dataclass(frozen=True, slots=True)
class CourseLine:
    """One course as a list shows it: code and category as HR knows them, where it does."""

    lms_course_id: str
    code: str
    title: str
    category: str | None
    active: bool
    starts_on: str | None
    starts_at: datetime | None
    tracks_completion: bool | None
    gone: bool
    attributes: dict[str, Any]
    told: bool
    problem: str | None


class CatalogueStore(IntegrationStore):
    """One integration's courses in one transaction."""

    sql = SQL

    def lock(self) -> None:
        """Be the only one who records a reading until the transaction ends."""
        self._rows("lock_catalogue")

    def seen_at(self) -> tuple[datetime | None, datetime]:
        """When the reading on record ended, if there is one, and the database's time."""
        seen_at, now = self._rows("seen_at")[0]
        return seen_at, now

    def known(self) -> dict[str, KnownCourse]:
        """Every course on record by its LMS id, the gone ones too."""
        return {row[0]: KnownCourse(*row) for row in self._rows("known_courses")}

    def save(self, courses: Sequence[LmsCourse], news: Mapping[str, CourseNews]) -> None:
        """The site's courses are these; `news` by LMS course id."""
        of = [news[course.course_id] for course in courses]
        self._rows(
            "save_courses",
            ids=[course.course_id for course in courses],
            codes=[course.code for course in courses],
            short_names=[course.short_name for course in courses],
            titles=[course.title for course in courses],
            visible=[course.visible for course in courses],
            tracks=[course.tracks_completion for course in courses],
            categories=[course.category for course in courses],
            starts_at=[course.starts_at for course in courses],
            **_told(of),
            problems=[one.problem and one.problem.code for one in of],
        )

    def lose(self, gone: Sequence[CourseNews]) -> None:
        """The site does not have these any more."""
        if gone:
            self._rows("lose_courses", ids=[one.lms_course_id for one in gone], **_told(gone))

    def wake_enrolments(self) -> None:
        """Enrolments that waited for a course which is there now are due."""
        self._rows("unpark_found_courses")

    def in_use(self) -> set[str]:
        """Ids of the courses whose completions somebody waits for."""
        return {row[0] for row in self._rows("courses_in_use")}

    def resolve_failures(self, codes: Sequence[str], *, still_open: Iterable[str]) -> None:
        """Failures of courses under these codes end, except for the subjects named."""
        self._rows("resolve_course_failures", codes=list(codes), open=list(still_open))

    def note_read(self) -> None:
        self._rows("courses_read")

    def put_off(self, wait: timedelta) -> None:
        """Nobody reads the courses before the wait is over."""
        self._rows("put_off_courses", wait=wait)

    def lines(self) -> list[CourseLine]:
        """The catalogue by code."""
        with self._db.cursor(row_factory=class_row(CourseLine)) as cursor:
            return cursor.execute(SQL["list_courses"], {"integration_id": self._integration_id}).fetchall()


def _told(news: Sequence[CourseNews]) -> dict[str, list[Any]]:
    return {
        "told": [None if one.told is None else json.dumps(one.told) for one in news],
        "told_by": [one.event_id for one in news],
    }
