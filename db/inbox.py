"""
Where messages from the broker arrive: stored once, with their exact bytes.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

from db.failure_groups import FailureStore, Problem
from db.pool import Db
from db.statements import statements

Kind: TypeAlias = Literal["event", "conflict", "poison", "unknown"]
Identity: TypeAlias = tuple[bytes, bytes]

CONFLICT_CODE = "same_id_other_bytes"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One message as it will stand in the table inbox; its fields are columns there.

    Attributes:
        event_key: SHA-256 over source and id, or over the bytes when they have none.
        body_sha256: Over all bytes, and over the attributes too when those came as headers.
        body: The exact bytes, or their beginning when they were too many.
        body_size: Of all bytes.
        attributes: The headers that were the event's attributes, as a JSON object; None when they stand in the body.
        kind: The column `class`.
        code: Why it cannot be applied; None for events.
        returned: It came by way of the dead queue.
    """

    event_key: bytes
    body_sha256: bytes
    body: bytes
    body_size: int
    attributes: str | None = None
    source: str | None = None
    event_id: str | None = None
    type: str | None = None
    subject: str | None = None
    tenant: str | None = None
    trace_id: str | None = None
    kind: Kind = "event"
    code: str | None = None
    detail: str | None = None
    returned: bool = False

    @property
    def identity(self) -> Identity:
        """What makes it the same message."""
        return self.event_key, self.body_sha256


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch: counts by class, duplicates, and the tenants that have new events to apply."""

    classes: Counter[str]
    duplicates: int
    tenants: frozenset[str]


_SQL = statements("inbox")
_COLUMNS = tuple(field.name for field in fields(Entry))


def store(db: Db, entries: Sequence[Entry]) -> Stored:
    """
    Store each message that is not there yet; an event with a known id and other bytes is stored as a conflict.

    They keep the order of their arrival, so that a tenant's events are applied in it. Two transactions that store the
    same events in different orders may deadlock; one of them is then refused and can be repeated.
    """
    new, left = _insert(db, entries)
    known = _count_duplicates(db, left)
    others = [_as_conflict(entry) for entry in left if entry.identity not in known]
    conflicts, repeated = _insert(db, others)
    # The same conflicting bytes twice in one batch: the first is in the table only now.
    _count_duplicates(db, repeated)
    stored = new + conflicts
    _open_failures(db, stored)
    return Stored(
        classes=Counter(row[3] for row in stored),
        duplicates=len(entries) - len(stored),
        tenants=frozenset(row[2] for row in new if row[2] and row[3] == "event"),
    )


_Row: TypeAlias = tuple[bytes, bytes, str | None, str, int, str | None, str | None]


def _open_failures(db: Db, stored: Iterable[_Row]) -> None:
    """What can not be applied is visible."""
    problems: dict[str | None, list[Problem]] = defaultdict(list)
    for _, _, tenant, _, inbox_id, code, detail in stored:
        if code is not None:
            problems[tenant].append(Problem("inbox", str(inbox_id), code, detail or ""))
    for tenant, found in problems.items():
        FailureStore(db, tenant, None).open(found)


def _insert(db: Db, entries: Sequence[Entry]) -> tuple[list[_Row], list[Entry]]:
    """What was stored, and the messages that were not."""
    if not entries:
        return [], []
    columns = {name: [getattr(entry, name) for entry in entries] for name in _COLUMNS}
    stored: list[_Row] = db.execute(_SQL["insert"], columns, binary=True).fetchall()
    if len(stored) == len(entries):
        return stored, []
    return stored, _without(entries, ((row[0], row[1]) for row in stored))


def _without(entries: Iterable[Entry], stored: Iterable[Identity]) -> list[Entry]:
    """The messages that were not stored; of several with one identity the first was, if any."""
    credit = set(stored)
    left = []
    for entry in entries:
        if entry.identity in credit:
            credit.remove(entry.identity)
        else:
            left.append(entry)
    return left


def _count_duplicates(db: Db, entries: Sequence[Entry]) -> Collection[Identity]:
    if not entries:
        return ()
    keys = {
        "event_key": [entry.event_key for entry in entries],
        "body_sha256": [entry.body_sha256 for entry in entries],
    }
    return {(row[0], row[1]) for row in db.execute(_SQL["count_duplicates"], keys, binary=True)}


def _as_conflict(entry: Entry) -> Entry:
    detail = "an event with this source and id is here already, and its bytes differ"
    return replace(entry, kind="conflict", code=CONFLICT_CODE, detail=detail)
