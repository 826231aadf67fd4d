"""What people do with failures and their groups, on record."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from db.failure_groups import FailureStore, Problem
from db.pool import Db
from db.statements import statements
from db.store import Store
from domain.fields import STANDING_CODES
from domain.fingerprints import Cause, Fingerprint

AT_ONCE = 500

Touched = Mapping[int, int]
"""Group by number of the failure."""


class FailureActs(Store):
    """One tenant's failures, or everybody's, in one transaction. Groups answer whether they were as they have to be."""

    sql = statements("failure_acts")

    def __init__(self, db: Db, tenant: str | None) -> None:
        super().__init__(db, tenant=tenant)

    def acknowledge(self, group_id: int) -> bool:
        return bool(self._rows("acknowledge", group_id=group_id))

    def snooze(self, group_id: int, until: datetime) -> bool:
        return bool(self._rows("snooze", group_id=group_id, until=until))

    def assign(self, group_id: int, to: str | None) -> bool:
        return bool(self._rows("assign", group_id=group_id, to=to))

    def note(self, group_id: int, note: str) -> bool:
        return bool(self._rows("note", group_id=group_id, note=note))

    def remember(self, groups: Iterable[int], what: str, *, who: str, reason: str, **data: Any) -> None:
        """The groups' history says so."""
        self._rows("remember", groups=sorted(set(groups)), what=what, who=who, reason=reason, data=json.dumps(data))

    def dismiss(
        self, *, ids: Iterable[int] = (), groups: Iterable[int] = (), who: str, reason: str, kept: timedelta
    ) -> Touched:
        """These need nobody; what ends by itself with its cause is left out."""
        chosen = {"ids": list(ids), "groups": list(groups)}
        return dict(self._rows("dismiss", who=who, reason=reason, kept=kept, **chosen))

    def restore(self, *, ids: Iterable[int] = (), groups: Iterable[int] = ()) -> Touched:
        """These need somebody after all; what is done by now, or was dismissed too long ago, is left out."""
        return dict(self._rows("restore", ids=list(ids), groups=list(groups), standing=list(STANDING_CODES)))


class Regrouping(Store):
    """Groups by the rules of another version, some failures at a time."""

    sql = statements("failure_acts")

    def __init__(self, db: Db) -> None:
        super().__init__(db)

    def move(self, version: str, make: Callable[[Cause], Fingerprint]) -> int:
        """How many failures of this version's groups were moved; none when there are no more."""
        rows = self._rows("of_version", version=version, most=AT_ONCE)
        by_scope: dict[tuple[str | None, int | None], list[tuple[int, int, Fingerprint, Problem]]] = {}
        for failure_id, group_id, tenant, integration_id, lms, kind, subject_id, code, detail in rows:
            mark = make(Cause("hr" if kind == "inbox" else lms, kind, code, detail))
            problem = Problem(kind, subject_id, code, detail)
            by_scope.setdefault((tenant, integration_id), []).append((failure_id, group_id, mark, problem))
        for (tenant, integration_id), found in by_scope.items():
            groups = FailureStore(self._db, tenant, integration_id).groups_of((mark, p) for _, _, mark, p in found)
            self._rows(
                "move",
                failures=[failure_id for failure_id, *_ in found],
                old=[group_id for _, group_id, *_ in found],
                new=[groups[str(mark)] for _, _, mark, _ in found],
            )
        return len(rows)
