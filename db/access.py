"""Who may act through the API: operators with their roles, and the tokens that they act with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements
from db.store import Store
from domain.permissions import Role

SQL = statements("access")


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One operator of a tenant; `tokens` counts those that can be used."""

    tenant: str
    name: str
    role: Role
    added_at: datetime
    tokens: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token as people see it; the secret is known to nobody but its holder."""

    token_id: str
    tenant: str
    operator: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a token is, and what it may be used for."""

    tenant: str
    name: str
    role: Role
    scopes: list[str]


def holder(db: Db, token_id: str, secret_hash: bytes) -> Holder | None:
    """Whose token this is; None when it is wrong, expired, revoked, or its operator is gone."""
    with db.cursor(row_factory=class_row(Holder)) as cursor:
        return cursor.execute(SQL["holder"], {"token_id": token_id, "secret_hash": secret_hash}).fetchone()


def operators(db: Db, tenant: str | None = None, name: str | None = None) -> list[OperatorRow]:
    with db.cursor(row_factory=class_row(OperatorRow)) as cursor:
        return cursor.execute(SQL["operators"], {"tenant": tenant, "name": name}).fetchall()


def tokens(db: Db, tenant: str | None = None, *, token_id: str | None = None, used_up: bool = False) -> list[TokenRow]:
    """The tokens, the newest first; those that cannot be used any more only when asked for."""
    with db.cursor(row_factory=class_row(TokenRow)) as cursor:
        return cursor.execute(SQL["tokens"], {"tenant": tenant, "token_id": token_id, "used_up": used_up}).fetchall()


class AccessStore(Store):
    """One tenant's operators and tokens in one transaction."""

    sql = SQL

    def __init__(self, db: Db, tenant: str) -> None:
        super().__init__(db, tenant=tenant)

    def put_operator(self, name: str, role: Role) -> Role | None:
        """The operator has this role from now on; the one before, None when there was no such operator."""
        before = self._rows("lock_operator", name=name)
        self._rows("change_role" if before else "add_operator", name=name, role=role)
        return before[0][0] if before else None

    def remove_operator(self, name: str) -> bool:
        """Gone, with every token; False when there is no such operator."""
        return bool(self._rows("remove_operator", name=name))

    def add_token(
        self, token_id: str, operator: str, name: str, scopes: Sequence[str], secret_hash: bytes, lasts: timedelta
    ) -> datetime | None:
        """When the new token expires; None when there is no such operator."""
        values: dict[str, Any] = {"token_id": token_id, "operator": operator, "name": name, "scopes": list(scopes)}
        rows = self._rows("add_token", secret_hash=secret_hash, lasts=lasts, **values)
        return rows[0][0] if rows else None

    def revoke_token(self, token_id: str) -> bool:
        """Of no use any more; False when it was so already."""
        return bool(self._rows("revoke_token", token_id=token_id))
