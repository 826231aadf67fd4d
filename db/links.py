"""Links by hand: who is which LMS user, as people say it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements
from db.store import Store

SQL = statements("links")

UNCLEAR = (
    "several_candidates",
    "account_of_another",
    "email_taken",
    "external_key_taken",
    "protected_account",
    "user_protected",
    "link_refused",
    "account_gone",
    "lms_user_taken",
)
"""The codes under which a person is parked for want of an account that is certainly theirs."""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link, or what stands in the way of one: `detail` names the candidates."""

    tenant: str
    integration: str
    employee_key: str
    code: str | None
    detail: str | None
    lms_user_id: str | None
    link: str | None
    linked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Locked:
    """One account until the transaction ends; `busy` while a worker has it, `at_rest` with nothing to be written."""

    account_id: int
    lms_user_id: str | None
    busy: bool
    at_rest: bool


def links(
    db: Db,
    *,
    tenant: str | None,
    integration: str | None = None,
    employee_key: str | None = None,
    linked: bool,
    after: Sequence[str] | None = None,
    most: int = 1000,
) -> list[LinkRow]:
    """
    The links that are there, or the people whose link is unclear.

    Args:
        after: Integration and employee key of the last on the page before.
    """
    values: dict[str, Any] = {"tenant": tenant, "integration": integration, "employee_key": employee_key}
    values |= {"after": list(after) if after else None, "most": most}
    with db.cursor(row_factory=class_row(LinkRow)) as cursor:
        if linked:
            return cursor.execute(SQL["links"], values).fetchall()
        return cursor.execute(SQL["parked_links"], values | {"codes": list(UNCLEAR)}).fetchall()


class LinkStore(Store):
    """One person's link in one integration, in one transaction."""

    sql = SQL

    def __init__(self, db: Db, tenant: str, integration_id: int, employee_key: str) -> None:
        super().__init__(db, tenant=tenant, integration_id=integration_id, employee_key=employee_key)

    def lock(self) -> Locked | None:
        rows = self._rows("lock_account")
        return Locked(*rows[0]) if rows else None

    def holder(self, lms_user_id: str, external_key: str) -> str | None:
        """The employee key of somebody else who has this LMS user."""
        rows = self._rows("holder", lms_user_id=lms_user_id, external_key=external_key)
        return rows[0][0] if rows else None

    def link(self, account_id: int, lms_user_id: str, *, by: str, reason: str) -> None:
        """
        Raises:
            LmsUserTaken: Somebody else was linked to the user meanwhile.
        """
        self._rows("set_link", account_id=account_id, lms_user_id=lms_user_id)
        self._done(account_id, "link set by hand", {"user": lms_user_id, "by": by, "reason": reason})

    def unlink(self, account: Locked, *, by: str, reason: str) -> None:
        self._rows("unset_link", account_id=account.account_id)
        self._done(account.account_id, "link broken by hand", {"user": account.lms_user_id, "by": by, "reason": reason})

    def look_again(self, account: Locked, *, by: str, reason: str) -> bool:
        """The person is due, to be read anew; False when nothing is wanted, or a decision about them is waited for."""
        if not self._rows("look_again", account_id=account.account_id):
            return False
        self._rows("enrol_again", account_id=account.account_id)
        self._rows("note_link", kind="looked at by hand", data=json.dumps({"by": by, "reason": reason}))
        return True

    def _done(self, account_id: int, kind: str, data: dict[str, Any]) -> None:
        self._rows("enrol_anew", account_id=account_id)
        self._rows("resolve_account_failures", account_id=account_id)
        self._rows("note_link", kind=kind, data=json.dumps(data))
