"""Replays on record: chosen, frozen, and advanced by rows alone, so that no process has to stay alive for one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row

from db.pool import Db
from db.releases import Member
from db.statements import statements
from db.store import Store
from domain.fingerprints import FailureKind
from domain.replays import DOUBLE_CLICK, Digest, Mode, ReplayState, Rules, Standing

SQL = statements("replays")


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Which failures are meant: those that match all that is given. Instants are fixed when it is made.

    Attributes:
        ids: Failures by number, as a list of ids gives them.
        type: Of messages, the type of event.
        since, until: When the failure last happened.
    """

    ids: tuple[int, ...] | None = None
    groups: tuple[int, ...] | None = None
    integration: str | None = None
    code: str | None = None
    person: str | None = None
    payroll: str | None = None
    course: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        """Whether anything was chosen: everything there is was never meant."""
        return any(value is not None for value in asdict(self).values())

    def values(self) -> dict[str, Any]:
        return asdict(self) | {
            "ids": None if self.ids is None else list(self.ids),
            "groups": None if self.groups is None else list(self.groups),
        }


@dataclass(frozen=True, slots=True)
class NewReplay:
    """Everything that is decided about a replay before it begins."""

    tenant: str | None
    integration_id: int | None
    mode: Mode
    selection: Selection
    digest: Digest
    predicted: Mapping[int, str]
    counts: Mapping[str, int]
    reason: str
    per_minute: float
    rules: Rules
    approval: bool
    by: str


@dataclass(frozen=True, slots=True)
class Locked:
    """A replay that is ours to advance until the transaction ends. `lms` is hr for messages."""

    replay_id: int
    tenant: str | None
    integration_id: int | None
    lms: str
    mode: Mode
    state: ReplayState
    per_minute: float
    rules: dict[str, Any]
    ladder_from: int
    may_go_on: bool
    site_ready: bool


@dataclass(frozen=True, slots=True)
class Next:
    """An item that may be begun."""

    position: int
    failure_id: int
    kind: FailureKind
    subject_id: str
    employee_key: str | None
    code: str

    def member(self, replay: Locked) -> Member:
        kept = (self.kind, self.subject_id, self.employee_key, self.code)
        return Member(self.failure_id, replay.tenant, replay.integration_id, 0, *kept, times=1)


class ChoosingStore(Store):
    """What can be tried again, and making a replay of it, in one transaction."""

    sql = SQL

    def __init__(self, db: Db, tenant: str | None) -> None:
        super().__init__(db, tenant=tenant)

    def members(self, selection: Selection, *, most: int) -> list[Member]:
        """What matches and can be tried again, in the order in which it would be."""
        return [Member(*row) for row in self._rows("members", **selection.values(), most=most)]

    def why_not(self, ids: Iterable[int]) -> dict[int, str]:
        """Why these failures cannot be tried again; what is not here at all is left out."""
        return dict(self._rows("why_not", ids=list(ids)))

    def settings_version(self, integration_id: int | None) -> int:
        rows = self._rows("settings_version", integration_id=integration_id)
        return int(rows[0][0]) if rows else 0

    def people_per_minute(self, integration_id: int | None) -> float | None:
        """What the calls that the LMS allows are enough for; None where it does not count them, or never told."""
        rows = self._rows("people_per_minute", integration_id=integration_id)
        return float(rows[0][0]) if rows else None

    def lock(self) -> None:
        """Be the only one who makes a replay until the transaction ends."""
        self._rows("lock_scope")

    def same(self, digest: Digest) -> int | None:
        """The replay that was made of these very members a moment ago."""
        rows = self._rows("same_replay", digest=digest.sum, within=DOUBLE_CLICK)
        return rows[0][0] if rows else None

    def active(self, tenant: str | None, integration_id: int | None) -> int | None:
        """The replay that is at work there, or waits to be."""
        rows = self._rows("active_replay", integration_id=integration_id, tenant=tenant)
        return rows[0][0] if rows else None

    def freeze(self, new: NewReplay, members: Sequence[Member]) -> int:
        """
        The replay exists with exactly these members, and their groups say so.

        Returns:
            Its number.
        """
        values: dict[str, Any] = {"tenant": new.tenant, "integration_id": new.integration_id, "by": new.by}
        replay_id = int(
            self._rows(
                "add_replay",
                mode=new.mode,
                selection=json.dumps(new.selection.values(), default=str),
                digest=new.digest.sum,
                members=len(members),
                predicted=json.dumps(dict(new.counts)),
                reason=new.reason,
                per_minute=new.per_minute,
                rules=json.dumps(asdict(new.rules)),
                approval=new.approval,
                **values,
            )[0][0]
        )
        self._rows(
            "freeze",
            replay_id=replay_id,
            failures=[member.failure_id for member in members],
            kinds=[member.kind for member in members],
            ids=[member.subject_id for member in members],
            employees=[member.employee_key for member in members],
            codes=[member.code for member in members],
            predicted=[new.predicted.get(member.failure_id) for member in members],
        )
        groups = sorted({member.group_id for member in members})
        self._rows("mark_groups", replay_id=replay_id, groups=groups, by=new.by, reason=new.reason)
        return replay_id


class ReplayStore(Store):
    """One replay under way, in one transaction."""

    sql = SQL

    def __init__(self, db: Db, replay_id: int) -> None:
        super().__init__(db, replay_id=replay_id)
        self._replay_id = replay_id

    def lock(self) -> Locked | None:
        """The replay for us alone; None while somebody else looks after it."""
        with self._db.cursor(row_factory=class_row(Locked)) as cursor:
            return cursor.execute(SQL["lock_replay"], {"replay_id": self._replay_id}).fetchone()

    def settle(self) -> int:
        """How many items have ended, by what the workers recorded."""
        return int(self._rows("settle_items")[0][0])

    def standing(self, ladder_from: int) -> Standing:
        return Standing(*self._rows("standing", ladder_from=ladder_from)[0])

    def following(self, most: int) -> list[Next]:
        """What comes next, in order."""
        return [Next(*row) for row in self._rows("next_items", most=most)]

    def skip_gone(self) -> None:
        """What waits and is a failure no more is not tried."""
        self._rows("skip_gone")

    def begin(self, replay: Locked, positions: Sequence[int]) -> None:
        """These are under way from now on."""
        scope = {"tenant": replay.tenant, "integration_id": replay.integration_id}
        self._rows("begin_items", positions=list(positions), **scope)

    def fail(self, codes: Mapping[int, str]) -> None:
        """These fail as before, by position."""
        self._rows("fail_items", positions=list(codes), codes=list(codes.values()))

    def go_on_after(self, pause: timedelta) -> None:
        self._rows("go_on_at", pause=pause)

    def end(self, state: ReplayState, why: str = "") -> None:
        """Nothing further is begun; what is under way comes to its end."""
        self._rows("end_replay", state=state, why=why)
        self._rows("free_groups")


class ActStore(Store):
    """What people do with a replay, in one transaction; each answers whether the replay was as it has to be."""

    sql = SQL

    def __init__(self, db: Db, replay_id: int) -> None:
        super().__init__(db, replay_id=replay_id)

    def approve(self, by: str) -> bool:
        return bool(self._rows("approve", by=by))

    def pause(self, why: str) -> bool:
        return bool(self._rows("pause", why=why))

    def resume(self, why: str) -> bool:
        resumed = bool(self._rows("resume", why=why))
        if resumed:
            self._rows("mark_groups_again")
        return resumed

    def cancel(self, why: str) -> bool:
        cancelled = bool(self._rows("cancel", why=why))
        if cancelled:
            self._rows("free_groups")
        return cancelled


def at_work(db: Db) -> list[int]:
    """Replays that somebody has to look after now."""
    return [row[0] for row in db.execute(SQL["at_work"]).fetchall()]
