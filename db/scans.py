"""Scans of what an LMS holds: whose turn it is, what there is to compare, and what is put back."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.statements import statements
from db.store import IntegrationStore
from domain.accounts import WantedAccount
from domain.enrolments import WantedPlacement, merged
from domain.lms import LmsEnrolment, UserFields
from domain.syncing import Position, Reading

SQL = statements("scans")


@dataclass(frozen=True, slots=True)
class Turn:
    """
    The right to read on for one run.

    Attributes:
        spent: Calls of the rolling scan in this hour, of which `hour_left` is left.
        others_wait: Provisioning has work that is due.
    """

    run_id: int
    reading: Reading
    asked_by: str
    position: Position
    spent: int
    hour_left: timedelta
    others_wait: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Linked:
    """
    One linked person for whom nothing is to be written.

    Attributes:
        wanted: The fields that are kept up to date.
        applied: The fields as last written.
        told: What became of them in the run is counted where it is written.
    """

    account_id: int
    employee_key: str
    user_id: str
    revision: int
    wanted: UserFields
    applied: UserFields
    told: bool


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person's enrolment in one course as last written; empty while something is being written for it."""

    account_id: int
    employee_key: str
    user_id: str
    revision: int
    course_id: str
    ours: tuple[LmsEnrolment, ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an LMS user is; `expected` when the person may well be in the course that was asked about."""

    employee_key: str
    expected: bool


class ScanStore(IntegrationStore):
    """One integration's scan in one transaction."""

    sql = SQL

    # Turns

    def claim(self, *, lease: timedelta, calls_per_hour: int) -> Turn | None:
        """A turn when it is due and there is something to read; nobody else has one until the lease ends."""
        turns = self._rows("claim_turn", lease=lease, calls_per_hour=calls_per_hour)
        runs = self._rows("next_run") if turns else []
        if not runs:
            return None
        run_id, reading, asked_by, position = runs[0]
        return Turn(run_id, reading, asked_by, Position.model_validate(position), *turns[0])

    def end(self, *, wait: timedelta, calls: int) -> None:
        """The turn is over; `calls` are those spent in this hour."""
        self._rows("end_turn", wait=wait, calls=calls)

    def move(self, run_id: int, position: Position, following: Position | None) -> bool:
        """The scan has come further; False when somebody else has moved it, so that the caller rolls back."""
        values = {"position": position.model_dump_json(), "following": following and following.model_dump_json()}
        return bool(self._rows("move_scan", run_id=run_id, **values))

    # What there is to compare

    def people(self, run_id: int, after: str, most: int) -> list[Linked]:
        return [_linked(*row) for row in self._rows("people_at_rest", run_id=run_id, after=int(after), most=most)]

    def next_course(self, after: str) -> str | None:
        rows = self._rows("next_course", after=after)
        return rows[0][0] if rows else None

    def enrolments_in(self, course_id: str) -> list[Enrolled]:
        """Everybody of ours who was enrolled in the course."""
        return [_enrolled(*row) for row in self._rows("enrolments_in", course=course_id)]

    def enrolments_named(self, names: Sequence[tuple[str, str]]) -> list[tuple[int, Enrolled]]:
        """The enrolments behind pairs of external key and course code, each with the place of its pair."""
        rows = self._rows("enrolments_named", external_keys=[k for k, _ in names], course_codes=[c for _, c in names])
        return [(row[0] - 1, _enrolled(*row[1:])) for row in rows]

    def owners(self, course_id: str, user_ids: Iterable[str]) -> dict[str, Owner]:
        """Whose these LMS users are, by user id; those of nobody here are left out."""
        rows = self._rows("owners", course=course_id, user_ids=list(user_ids))
        return {user_id: Owner(key, bool(expected)) for user_id, key, expected in rows}

    def keys_taken(self, keys: Collection[str]) -> set[str]:
        """Which of these external keys belong to somebody here."""
        return {row[0] for row in self._rows("keys_taken", keys=list(keys))} if keys else set()

    def still_at_rest(self, read: Iterable[Linked | Enrolled]) -> set[int]:
        """The account ids of those of whom nothing has changed since; nothing will before the transaction ends."""
        revisions = {one.account_id: one.revision for one in read}
        if not revisions:
            return set()
        return {row[0] for row in self._rows("still_at_rest", ids=list(revisions), revisions=list(revisions.values()))}

    # What is put back

    def put_back_people(self, run_id: int | None, held: Mapping[int, UserFields]) -> None:
        """By account id what the LMS holds in the fields that HR's word is to be written to."""
        if held:
            fields = [json.dumps(fields) for fields in held.values()]
            self._rows("put_back_people", run_id=run_id, ids=list(held), held=fields)

    def put_back_enrolments(self, pairs: Collection[tuple[int, str]]) -> None:
        """By account id and course."""
        if pairs:
            ids, courses = zip(*pairs, strict=True)
            self._rows("put_back_enrolments", ids=list(ids), courses=list(courses))


def _linked(
    account_id: int, key: str, user_id: str, revision: int, wanted: Any, applied: UserFields, told: bool
) -> Linked:
    fields = WantedAccount.model_validate(wanted).fields()
    return Linked(account_id, key, user_id, revision, fields, applied, told)


def _enrolled(
    account_id: int, key: str, user_id: str, revision: int, course_id: str, applied: Sequence[Any], at_rest: bool
) -> Enrolled:
    placements = [WantedPlacement.model_validate(one) for one in applied] if at_rest else []
    ours = merged(user_id, course_id, placements) if placements else []
    return Enrolled(account_id, key, user_id, revision, course_id, tuple(ours))
