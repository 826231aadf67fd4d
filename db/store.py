"""What every store has in common: named statements in one transaction, all with the same fixed values."""

from datetime import datetime
from typing import Any, ClassVar

from psycopg.rows import tuple_row

from db.pool import Db
from db.statements import Statements


class Store:
    """One subject's statements in one transaction; `sql` names the file they stand in."""

    sql: ClassVar[Statements]

    def __init__(self, db: Db, **fixed: Any) -> None:
        self._db = db
        self._fixed = fixed

    def _rows(self, statement: str, /, **values: Any) -> list[tuple[Any, ...]]:
        cursor = self._db.cursor(row_factory=tuple_row)
        cursor.execute(self.sql[statement], self._fixed | values)
        return cursor.fetchall() if cursor.description else []

    def now(self) -> datetime:
        """The database's time: the one clock that all processes share."""
        cursor = self._db.cursor(row_factory=tuple_row)
        row = cursor.execute("select now()").fetchone()
        assert row is not None  # noqa: S101 - select without from has a row
        now: datetime = row[0]
        return now


class IntegrationStore(Store):
    """A store of one integration."""

    def __init__(self, db: Db, integration_id: int) -> None:
        super().__init__(db, integration_id=integration_id)
        self._integration_id = integration_id
