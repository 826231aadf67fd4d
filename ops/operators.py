"""
Who acts: every act takes an operator, is denied unless a permission allows it, and leaves a line in the audit in the
same transaction.
"""

import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from db.audit import AuditStore, Entry, Item
from db.pool import Db, Pool, rehearsal, transaction
from domain.permissions import EVERYTHING, NEEDS_REASON

Source = Literal["cli", "api", "console"]

BREAK_GLASS = "break-glass"
"""The role of whoever is on the machine: all permissions, and the audit says so."""


class Forbidden(Exception):
    """The operator may not do this; the text names the permission that is missing."""

    def __init__(self, operator: "Operator", permission: str) -> None:
        super().__init__(f"{operator.name} may not do this: it needs the permission {permission}")
        self.permission = permission


class ReasonMissing(Exception):
    """The act needs a reason and none was given."""

    def __init__(self, permission: str) -> None:
        super().__init__(f"say why: {permission.rpartition(':')[2]} needs a reason, and the audit keeps it")


def _user_of_the_machine() -> str:
    """Their name, or the number of a user that has none, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wanted to do, whether they were let or not."""

    permission: str
    tenant: str | None
    target: str
    reason: str
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Operator:
    """
    Who acts, by which way, and why.

    Attributes:
        tenant: The one client company that they act for; None is every one.
        request_id: Leads from the audit to the logs of one request.
        reason: In their own words; some acts need one.
        dry_run: They only want to know what would happen: nothing that an act writes is kept.
        asked: What they wanted, in order; a refusal is on record under the last (ops.refusals).
    """

    name: str
    source: Source
    permissions: frozenset[str]
    role: str
    tenant: str | None = None
    request_id: str = ""
    reason: str = ""
    dry_run: bool = False
    asked: list[Asked] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def at_the_machine(cls) -> Self:
        """The user of the operating system, with every permission: whoever has the database has everything anyway."""
        return cls(_user_of_the_machine(), "cli", EVERYTHING, BREAK_GLASS)

    def because(self, reason: str, *, dry_run: bool = False) -> Self:
        """The same operator, for this reason."""
        return replace(self, reason=reason, dry_run=dry_run)

    def may(self, permission: str, tenant: str | None) -> bool:
        """Whether a permission is theirs for this tenant; None is the installation as a whole."""
        return permission in self.permissions and self.tenant in (None, tenant)

    def enter(self, permission: str, tenant: str | None, target: str = "") -> None:
        """
        Where they may not even look: before anything that they sent is read, and so without their reason.

        Raises:
            Forbidden: The permission is not theirs.
        """
        self.asked.append(Asked(permission, tenant, target, self.reason, self.dry_run))
        if not self.may(permission, tenant):
            raise Forbidden(self, permission)

    def check(self, permission: str, tenant: str | None, target: str = "") -> None:
        """
        Call it first in an act, before anything is read or called.

        Args:
            target: `kind/name` of what it would be done to, where that is one thing.

        Raises:
            Forbidden: The permission is not theirs.
            ReasonMissing: It takes a reason, and they gave none; only to try it, they need none.
        """
        self.enter(permission, tenant, target)
        if permission in NEEDS_REASON and not (self.reason.strip() or self.dry_run):
            raise ReasonMissing(permission)


@contextmanager
def deed(pool: Pool, by: Operator) -> Iterator[Db]:
    """The transaction of an act: kept, unless it is a dry run."""
    with rehearsal(pool) if by.dry_run else transaction(pool) as db:
        yield db


def audited(
    db: Db,
    operator: Operator,
    action: str,
    target: str,
    *,
    tenant: str | None,
    before: Any = None,
    after: Any = None,
    outcome: str = "done",
) -> int:
    """
    The act stands in the audit if its transaction commits.

    Call it last in the transaction: it locks the tenant's chain until the end of it.

    Args:
        action: The permission that the act takes.
        target: `kind/name` of what it was done to.
        tenant: Whose it is; None is the installation as a whole.
        before, after: What changed, as plain values without secrets, names and addresses.

    Returns:
        The entry's id; items are put under it with `audited_items`.

    Raises:
        Forbidden, ReasonMissing: The transaction is rolled back with what was done.
    """
    operator.check(action, tenant, target)
    return AuditStore(db).append(
        Entry(
            tenant=tenant,
            actor=operator.name,
            role=operator.role,
            source=operator.source,
            action=action,
            target=target,
            before=before,
            after=after,
            reason=operator.reason,
            outcome=outcome,
            request_id=operator.request_id,
        )
    )


def audited_items(db: Db, operation: int, items: Sequence[Item]) -> None:
    """What an operation did, one by one, under the name and reason of whoever ordered it."""
    AuditStore(db).append_items(operation, items)
