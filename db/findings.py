"""What scans have found at an LMS, and what was decided about it."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import class_row

from db.people import MASK
from db.pool import Db
from db.statements import statements
from db.store import IntegrationStore
from domain.drift import Decided, Kind, Standing, State

SQL = statements("findings")

SubjectKind = Literal["account", "enrolment"]
Known = Mapping[str, Mapping[str, Standing]]
"""What is known from before, by the subject's id and field."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a finding is about; without an employee key it is nobody of ours."""

    kind: SubjectKind
    subject_id: str
    employee_key: str | None
    user_id: str
    course_id: str | None = None


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as people see it. Without an employee key it is about nobody whom HR has told us of."""

    finding_id: int
    tenant: str
    integration: str
    integration_id: int
    kind: Kind
    subject_kind: SubjectKind
    subject_id: str
    field: str
    ours: Any
    held: Any
    state: State
    employee_key: str | None
    lms_user_id: str
    lms_course_id: str | None
    times: int
    first_seen_at: datetime
    last_seen_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None

    def masked(self) -> "FindingRow":
        """For eyes that have no business with what stands in people's profiles."""
        ours, held = (MASK if value is not None else None for value in (self.ours, self.held))
        return replace(self, ours=ours, held=held)


class FindingStore(IntegrationStore):
    """One integration's findings in one transaction."""

    sql = SQL

    def of(self, kind: SubjectKind, subject_ids: Collection[str]) -> Known:
        return _by_subject(self._rows("findings_of", subject_kind=kind, ids=list(subject_ids)) if subject_ids else [])

    def in_course(self, course_id: str) -> Known:
        return _by_subject(self._rows("findings_in", course=course_id))

    def keep(self, seen: Sequence[tuple[Subject, Decided]]) -> None:
        """Each finding is on record, once per subject and field."""
        if not seen:
            return
        self._rows(
            "keep_findings",
            subject_kinds=[subject.kind for subject, _ in seen],
            subject_ids=[subject.subject_id for subject, _ in seen],
            fields=[decided.found.field for _, decided in seen],
            kinds=[decided.found.kind for _, decided in seen],
            ours=[json.dumps(decided.found.ours) for _, decided in seen],
            held=[json.dumps(decided.found.held) for _, decided in seen],
            states=[decided.state for _, decided in seen],
            employees=[subject.employee_key for subject, _ in seen],
            users=[subject.user_id for subject, _ in seen],
            courses=[subject.course_id for subject, _ in seen],
        )

    def resolve(self, finding_ids: Collection[int]) -> None:
        """All is the same again."""
        if finding_ids:
            self._rows("resolve_findings", ids=list(finding_ids))

    def forget_accounts(self) -> None:
        """What was found about users who are linked to nobody now is over."""
        self._rows("forget_accounts")

    def forget_courses(self) -> None:
        """What was found in courses that nobody of ours is in any more is over."""
        self._rows("forget_courses")

    def decide(self, finding: FindingRow, state: State, *, by: str, reason: str) -> bool:
        """The decision is on record; False when somebody else, or a scan, was faster."""
        values = {"state": state, "before": finding.state, "told": f"drift {state.replace('_', ' ')}"}
        return bool(self._rows("decide_finding", finding_id=finding.finding_id, by=by, reason=reason, **values))


def findings(
    db: Db,
    tenant: str | None = None,
    *,
    integration: str | None = None,
    employee_key: str | None = None,
    kind: Kind | None = None,
    ids: Sequence[int] | None = None,
    open_only: bool = False,
    after: int = 0,
    most: int = 1000,
) -> list[FindingRow]:
    """What has been found and is not over, the oldest first; `after` is where the page before ended."""
    values: dict[str, Any] = {"tenant": tenant, "integration": integration, "employee_key": employee_key, "kind": kind}
    values |= {"ids": None if ids is None else list(ids), "open_only": open_only, "after": after, "most": most}
    with db.cursor(row_factory=class_row(FindingRow)) as cursor:
        return cursor.execute(SQL["findings"], values).fetchall()


def _by_subject(rows: Sequence[tuple[Any, ...]]) -> Known:
    known: dict[str, dict[str, Standing]] = defaultdict(dict)
    for finding_id, subject_id, field, *rest in rows:
        known[subject_id][field] = Standing(finding_id, *rest)
    return known
