"""Completions and what becomes of them: results, result events, announcements and the cursor, together."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from db.statements import statements
from db.store import IntegrationStore
from domain.events import CourseUnit, KnownOutcome
from domain.lms import ReportRow
from domain.polling import Run
from domain.results import Current, Found, HandSet, HeldBack, Result, Terms

SQL = statements("results")

_OUTCOMES = TypeAdapter(list[KnownOutcome])
_UNITS = TypeAdapter(list[CourseUnit])


@dataclass(frozen=True, slots=True)
class Cursor:
    """
    The poll of one integration while it is ours.

    Attributes:
        run: The pass under way, if one is.
        full_at: When everything was last read; regraded_at: when changed grades were last asked for, which are known up
            to `regraded_until`; polled_at: when the last pass ended.
    """

    run: Run | None
    full_at: datetime | None
    regraded_at: datetime | None
    regraded_until: datetime | None
    polled_at: datetime | None
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
    """The enrolment a completion belongs to, what HR says of it, and the events that said so."""

    placement_id: int
    enrolment_key: str
    employee_key: str
    course_code: str
    enrolment_event: str | None
    course_event: str | None
    terms: Terms
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A completion that is held back."""

    subject: ResultSubject
    found: Found
    why: HeldBack
    evidence: dict[str, Any]


class ResultStore(IntegrationStore):
    """One integration's results in one transaction."""

    sql = SQL

    def claim(self, lease: timedelta) -> Cursor | None:
        rows = self._rows("claim_poll", lease=lease)
        if not rows:
            return None
        run, *rest = rows[0]
        return Cursor(run and Run.model_validate(run), *rest)

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
        ids = list(placement_ids)
        current: dict[int, dict[str, Current]] = defaultdict(dict)
        for placement_id, *rest in self._rows("current_results", ids=ids):
            result = Current(*rest)
            current[placement_id][result.unit.casefold()] = result
        return {row[0]: _subject(row, current[row[0]]) for row in self._rows("result_subjects", ids=ids)}

    def placements_of(self, rows: Sequence[ReportRow]) -> list[tuple[ReportRow, int]]:
        """Each row of a report with each enrolment it speaks of; rows of nobody we know are left out."""
        found = self._rows(
            "placements_by_key",
            external_keys=[row.external_key for row in rows],
            course_codes=[row.course_code for row in rows],
        )
        return [(rows[n - 1], placement_id) for n, placement_id in found]

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
            units=[result.unit_code for _, result in results],
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
            corrects=[result.corrects for _, result in results],
            data=[json.dumps({"outcome": result.outcome, "evidence": result.evidence}) for _, result in results],
        )

    def hold(self, tenant: str, settings_version: int, held: Sequence[Held]) -> set[tuple[str, str]]:
        """
        These completions are held back, once each.

        Returns:
            Enrolment and unit key of those that were not before.
        """
        if not held:
            return set()
        rows = self._rows(
            "hold_completions",
            tenant=tenant,
            settings_version=settings_version,
            enrolments=[one.subject.enrolment_key for one in held],
            employees=[one.subject.employee_key for one in held],
            courses=[one.subject.course_code for one in held],
            unit_keys=[one.found.key for one in held],
            units=[one.found.unit for one in held],
            reasons=[one.why.reason for one in held],
            completed_at=[one.found.completion.completed_at for one in held],
            grades=[one.found.completion.grade for one in held],
            evidence=[json.dumps(one.evidence) for one in held],
            enrolment_events=[one.subject.enrolment_event for one in held],
            course_events=[one.subject.course_event for one in held],
        )
        return {(enrolment_key, unit_key) for enrolment_key, unit_key in rows}

    def let_go_of_held(self, subjects: Iterable[ResultSubject], still: Sequence[Held]) -> None:
        """Of these enrolments nothing is held back but what `still` is."""
        self._rows(
            "let_go_of_held",
            enrolments=[subject.enrolment_key for subject in subjects],
            still=[one.subject.enrolment_key for one in still],
            unit_keys=[one.found.key for one in still],
        )

    def note_completed(self, completed: Mapping[int, bool]) -> None:
        """By placement id, whether all is completed, so that it need not be asked for again."""
        self._rows("lock_owners", ids=list(completed))
        self._rows("note_completed", ids=list(completed), completed=list(completed.values()))

    def note_finished(self, placement_ids: Sequence[int]) -> None:
        """These are finished but not called complete; the first time counts."""
        if placement_ids:
            self._rows("lock_owners", ids=placement_ids)
            self._rows("note_finished", ids=placement_ids)

    def late_completions(self, late: timedelta) -> int:
        """How many enrolments have been finished, but not complete, for longer than `late`."""
        return int(self._rows("late_completions", late=late)[0][0])


def _subject(row: Sequence[Any], current: Mapping[str, Current]) -> ResultSubject:
    *who, enrolment_event, course_event, starts_on, outcomes, units, trace_id = row
    placement_id, enrolment_key, employee_key, course_code = who
    said = _OUTCOMES.validate_python(outcomes or [])
    terms = Terms(
        enrolment_key,
        starts_on=date.fromisoformat(starts_on) if starts_on else None,
        codes=tuple(unit.code for unit in _UNITS.validate_python(units or [])),
        hand_set={
            (one.unit_code or "").casefold(): HandSet(one.outcome, one.set_at) for one in said if one.origin == "hand"
        },
        current=current,
    )
    events = (enrolment_event, course_event)
    return ResultSubject(placement_id, enrolment_key, employee_key, course_code, *events, terms, trace_id)
