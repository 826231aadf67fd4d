"""Requests that may come twice, and what was answered to the first."""

from dataclasses import dataclass
from typing import Any

from db.pool import Db
from db.statements import statements
from db.store import Store

SQL = statements("idempotent")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came before; without a status it is under way, without a body its answer was not kept."""

    request: bytes
    status: int | None
    body: Any


class Requests(Store):
    """One token's requests in one transaction."""

    sql = SQL

    def __init__(self, db: Db, tenant: str, token_id: str) -> None:
        super().__init__(db, tenant=tenant, token_id=token_id)

    def begin(self, key: str, request: bytes) -> Asked | None:
        """None when it is ours to do; else what came under this key before. Whoever vanished is given two minutes."""
        self._rows("forget_old")
        if self._rows("begin", key=key, request=request):
            return None
        rows = self._rows("asked", key=key)
        return Asked(*rows[0]) if rows else None

    def end(self, key: str, status: int, body: str | None) -> None:
        self._rows("end", key=key, status=status, body=body)

    def forget(self, key: str) -> None:
        self._rows("forget", key=key)
