"""Completions and what becomes of them: results, result events, announcements and the cursor, together."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.statements import statements
from db.store import IntegrationStore
from domain.lms import ReportRow
from domain.polling import Run
from domain.results import Held, Result

SQL = statements("results")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The poll of one integration while it is ours. `run` is the pass under way, if one is."""

    run: Run | None
    full_at: datetime | None
    token: int
    now: datetime


@dataclass(frozen=True, slots=True)
class OpenPerson:
    """Somebody with enrolments that are not completed: placement id per LMS course id."""

    account_id: int
    user_id: str
    courses: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class ResultSubject:
    """The enrolment a completion belongs to, and the result HR has for it."""

    placement_id: int
    enrolment_key: str
    employee_key: str
    course_code: str
    held: Held | None


class ResultStore(IntegrationStore):
    """One integration's results in one transaction."""

    sql = SQL

    def claim(self, lease: timedelta) -> Cursor | None:
        rows = self._rows("claim_poll", lease=lease)
        if not rows:
            return None
        run, full_at, token, now = rows[0]
        return Cursor(run and Run.model_validate(run), full_at, token, now)

    def advance(self, token: int, run: Run, lease: timedelta) -> bool:
        """False when the cursor is not ours any more; the caller rolls back."""
        return bool(self._rows("advance_poll", token=token, run=run.model_dump_json(), lease=lease))

    def end(self, token: int, *, wait: timedelta, run: Run | None = None, read_everything: bool = False) -> bool:
        """The lease is over. With a `run` the pass goes on later from there. False when it was not ours any more."""
        kept = run.model_dump_json() if run else None
        return bool(self._rows("end_poll", token=token, run=kept, wait=wait, read_everything=read_everything))

    def open_people(self, after: int, most: int) -> list[OpenPerson]:
        people = []
        for account_id, user_id, placement_ids, course_ids in self._rows("open_people", after=after, most=most):
            courses: dict[str, list[int]] = {}
            for placement_id, course_id in zip(placement_ids, course_ids, strict=True):
                courses.setdefault(course_id, []).append(placement_id)
            people.append(OpenPerson(account_id, user_id, courses))
        return people

    def subjects(self, placement_ids: Iterable[int]) -> dict[int, ResultSubject]:
        rows = self._rows("placements_by_id", ids=list(placement_ids))
        return {row[0]: _subject(row) for row in rows}

    def subjects_of(self, rows: Sequence[ReportRow]) -> list[tuple[ReportRow, ResultSubject]]:
        """Each row of a report with each enrolment it speaks of; rows of nobody we know are left out."""
        found = self._rows(
            "placements_by_key",
            external_keys=[row.external_key for row in rows],
            course_codes=[row.course_code for row in rows],
        )
        return [(rows[n - 1], _subject(rest)) for n, *rest in found]

    def save(self, tenant: str, results: Sequence[tuple[ResultSubject, Result]]) -> None:
        """The results are HR's current ones and their events exist, once."""
        if not results:
            return
        self._rows(
            "save_results",
            tenant=tenant,
            result_ids=[result.result_id for _, result in results],
            enrolments=[subject.enrolment_key for subject, _ in results],
            employees=[subject.employee_key for subject, _ in results],
            courses=[subject.course_code for subject, _ in results],
            outcomes=[result.outcome for _, result in results],
            passed=[result.passed for _, result in results],
            grades=[result.grade for _, result in results],
            completed_at=[result.completed_at for _, result in results],
            attempted_on=[result.attempted_on for _, result in results],
            evidence=[json.dumps(result.evidence) for _, result in results],
            event_ids=[result.event_id for _, result in results],
        )
        self._rows(
            "save_result_events",
            event_ids=[result.event_id for _, result in results],
            result_ids=[result.result_id for _, result in results],
            kinds=[result.kind for _, result in results],
            completion_keys=[result.completion_key for _, result in results],
            data=[json.dumps({"outcome": result.outcome, "evidence": result.evidence}) for _, result in results],
        )

    def complete(self, placement_ids: Iterable[int]) -> None:
        self._rows("complete_placements", ids=list(placement_ids))

    def note_finished(self, placement_ids: Sequence[int]) -> None:
        """These are finished but not called complete; the first time counts."""
        if placement_ids:
            self._rows("note_finished", ids=placement_ids)

    def late_completions(self, late: timedelta) -> int:
        """How many enrolments have been finished, but not complete, for longer than `late`."""
        return int(self._rows("late_completions", late=late)[0][0])


def _subject(row: Sequence[Any]) -> ResultSubject:
    placement_id, enrolment_key, employee_key, course_code, outcome, completed_at, event_id = row
    held = None if outcome is None else Held(outcome, completed_at, event_id)
    return ResultSubject(placement_id, enrolment_key, employee_key, course_code, held)
