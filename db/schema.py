"""The schema of a new database."""

from pathlib import Path

from psycopg import sql

from db.pool import Db

SCHEMA = Path(__file__).with_name("schema.sql")


def create_schema(db: Db) -> bool:
    """The database has our tables; False when it had them before."""
    row = db.execute("select to_regclass('inbox') is null").fetchone()
    if row is None or not row[0]:
        return False
    # The one other place that vouches for text as SQL: our own file.
    db.execute(sql.SQL(SCHEMA.read_text(encoding="utf-8")))
    return True
