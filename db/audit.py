"""What people did, who, why and with which outcome: appended in the transaction of the act, never changed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements
from db.store import Store
from domain.audit_chain import Head, Sealed

SQL = statements("audit")

AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One act, before it is written.

    Attributes:
        tenant: Whose chain it goes into; None is the installation's own.
        action: The permission that it takes, `area:object:action`.
        target: What it was done to, as `kind/name`.
        before, after: What changed. Never a secret, name or address: a secret is told as "changed".
        operation: The entry of the operation that this one is an item of.
    """

    tenant: str | None
    actor: str
    role: str
    source: str
    action: str
    target: str
    before: Any = None
    after: Any = None
    reason: str = ""
    outcome: str = "done"
    request_id: str = ""
    operation: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One of many things that an operation did."""

    target: str
    before: Any = None
    after: Any = None
    outcome: str = "done"


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry as people read it; `number` counts the entries of its tenant."""

    audit_id: int
    number: int
    at: datetime
    tenant: str | None
    actor: str
    role: str
    source: str
    action: str
    target: str
    before: Any
    after: Any
    reason: str
    outcome: str
    request_id: str
    operation: int | None
    hash: bytes


class AuditStore(Store):
    """
    The audit in one transaction.

    Appending locks the tenant's chain until the transaction ends: append last, and never across a call elsewhere.
    """

    sql = SQL

    def append(self, entry: Entry) -> int:
        """The entry stands; its id is returned, for items to refer to."""
        return int(self._rows("append", **_values(entry))[0][0])

    def append_refusal(self, entry: Entry) -> None:
        """The entry stands, unless the same one was written within the last minute."""
        self._rows("append_refusal", **_values(entry))

    def append_items(self, operation: int, items: Sequence[Item]) -> None:
        """The items stand under their operation; who, why and whence is what the operation says."""
        self._rows(
            "append_items",
            operation=operation,
            targets=[item.target for item in items],
            befores=[_json(item.before) for item in items],
            afters=[_json(item.after) for item in items],
            outcomes=[item.outcome for item in items],
        )

    def chains(self, tenant: str | None = None) -> dict[str, Head]:
        """Where each chain ends, by tenant; the installation's own has an empty name."""
        return {name: Head(*end) for name, *end in self._rows("chains", tenant=tenant)}

    def sealed(self, chain: str, after: int = 0) -> Iterator[Sealed]:
        """The entries of one chain in order, a piece at a time."""
        while rows := self._rows("sealed", chain=chain, after=after, most=AT_ONCE):
            yield from (Sealed(*row) for row in rows)
            after = rows[-1][0]


def entries(
    db: Db,
    *,
    tenant: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    target: str | None = None,
    outcome: str | None = None,
    operation: int | None = None,
    before_id: int | None = None,
    most: int = 100,
) -> list[AuditRow]:
    """Entries that match, the newest first; `before_id` is where the page before ended."""
    values = {"tenant": tenant, "actor": actor, "action": action, "target": target, "outcome": outcome}
    with db.cursor(row_factory=class_row(AuditRow)) as cursor:
        return cursor.execute(
            SQL["entries"], values | {"operation": operation, "before_id": before_id, "most": most}
        ).fetchall()


def _values(entry: Entry) -> dict[str, Any]:
    return asdict(entry) | {"before": _json(entry.before), "after": _json(entry.after)}


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, default=str)
