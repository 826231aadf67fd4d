"""The schema of a new database."""

from pathlib import Path

from psycopg import errors, sql

from db.pool import Db
from domain.errors import NeedsAttention

FILES = [Path(__file__).with_name(name) for name in ("schema.sql", "access.sql")]


def create_schema(db: Db) -> bool:
    """
    The database has our tables and the server our roles; False when they were there before.

    Raises:
        NeedsAttention: The server lacks the roles, and this user may not make them (roles_missing).
    """
    row = db.execute("select to_regclass('inbox') is null").fetchone()
    if row is None or not row[0]:
        return False
    lay_out(db)
    return True


def lay_out(db: Db) -> None:
    """
    The current schema, empty before, has our tables and the server our roles.

    Raises:
        NeedsAttention: See `create_schema`.
    """
    for file in FILES:
        try:
            # The one other place that vouches for text as SQL: our own files.
            db.execute(sql.SQL(file.read_text(encoding="utf-8")))
        except errors.InsufficientPrivilege as error:
            raise NeedsAttention("roles_missing", error.diag.message_primary or "") from None
