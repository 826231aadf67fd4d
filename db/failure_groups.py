"""Failures on record, each in the group of its cause, and the groups as they are counted."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from db.pool import Db
from db.statements import statements
from db.store import Store
from domain.fingerprints import Cause, FailureKind, Fingerprint, fingerprint

SQL = statements("failure_groups")

NO_LMS = "hr"
"""Stands in a fingerprint for what no LMS has a part in."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that needs a person."""

    kind: FailureKind
    subject_id: str
    code: str
    detail: str


class FailureStore(Store):
    """The failures of one tenant in one integration, or of messages in none, in one transaction."""

    sql = SQL

    def __init__(self, db: Db, tenant: str | None, integration_id: int | None, *, lms: str | None = None) -> None:
        super().__init__(db, tenant=tenant, integration_id=integration_id)
        self._is_of_integration = integration_id is not None
        self._lms = lms

    def open(self, problems: Sequence[Problem]) -> None:
        """What is wrong is visible, with what has the same cause; what was known to be wrong is counted once more."""
        if not problems:
            return
        found = [(self._fingerprint(problem), problem) for problem in problems]
        # In one order, whoever comes: two that add the same causes wait for each other at most.
        found.sort(key=lambda pair: (str(pair[0]), pair[1].subject_id))
        self._know({str(mark): (mark, problem) for mark, problem in found})
        self._rows(
            "open_failures",
            fingerprints=[str(mark) for mark, _ in found],
            kinds=[problem.kind for _, problem in found],
            ids=[problem.subject_id for _, problem in found],
            codes=[problem.code for _, problem in found],
            details=[problem.detail for _, problem in found],
        )

    def groups_of(self, causes: Iterable[tuple[Fingerprint, Problem]]) -> dict[str, int]:
        """The group of each fingerprint; one that there was none of exists from now on."""
        by_mark = {str(mark): (mark, problem) for mark, problem in sorted(causes, key=lambda pair: str(pair[0]))}
        self._know(by_mark, telling=False)
        return dict(self._rows("group_ids", fingerprints=list(by_mark)))

    def _know(self, causes: dict[str, tuple[Fingerprint, Problem]], *, telling: bool = True) -> None:
        self._rows(
            "know_groups",
            telling=telling,
            fingerprints=list(causes),
            parts=[json.dumps(dict(mark.parts)) for mark, _ in causes.values()],
            codes=[problem.code for _, problem in causes.values()],
            kinds=[problem.kind for _, problem in causes.values()],
            details=[problem.detail for _, problem in causes.values()],
        )

    def _fingerprint(self, problem: Problem) -> Fingerprint:
        lms = NO_LMS if problem.kind == "inbox" else self._kind_of_lms()
        return fingerprint(Cause(lms, problem.kind, problem.code, problem.detail))

    def _kind_of_lms(self) -> str:
        if self._lms is None:
            self._lms = self._rows("lms_of")[0][0] if self._is_of_integration else NO_LMS
        return self._lms


def count_groups(db: Db) -> None:
    """The groups whose failures changed are counted, snoozes that are over have ended, and long tallies are short."""
    if db.execute(SQL["counting"]).fetchone() == (True,):
        db.execute(SQL["count_groups"])
        db.execute(SQL["end_snoozes"])
        db.execute(SQL["sum_tally"])
