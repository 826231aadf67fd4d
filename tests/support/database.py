"""
A database per test, copied in milliseconds from a template that holds the schema.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from db.pool import Pool, transaction

SCHEMA = [Path(__file__).parents[2] / "db" / name for name in ("schema.sql", "access.sql")]


@contextmanager
def template_database(server_url: str) -> Iterator[str]:
    """
    A database with the schema and no rows, closed to connections so that it can always be copied; yields its name.
    """
    with new_database(server_url) as url:
        name = urlsplit(url).path.lstrip("/")
        with psycopg.connect(url) as connection:
            for file in SCHEMA:
                connection.execute(file.read_bytes())
        _execute(server_url, "alter database {} with allow_connections false", name)
        yield name


@contextmanager
def new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """
    A database that nobody else uses; yields its URL and removes it in spite of open connections.

    Args:
        template: The database to copy; without one it is empty, in UTF-8 whatever the server's own choice is.
    """
    name = f"matricula_test_{secrets.token_hex(6)}"
    if template:
        _execute(server_url, "create database {} template {} strategy file_copy", name, template)
    else:
        _execute(server_url, "create database {} template template0 encoding 'UTF8' locale 'C.UTF-8'", name)
    try:
        yield urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    finally:
        _execute(server_url, "drop database {} with (force)", name)


def _execute(url: str, statement: LiteralString, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def table_rows(pool: Pool) -> dict[str, list[str]]:
    """
    Every row of every table as text, by table and in an order of its own.
    """
    with transaction(pool) as db:
        tables = db.execute(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        ).fetchall()
        rows = sql.SQL("select t::text from {} t order by 1")
        return {name: [str(row) for (row,) in db.execute(rows.format(sql.Identifier(name)))] for (name,) in tables}


def dumped(pool: Pool) -> str:
    """
    Every row of every table as one text.
    """
    return " ".join(row for rows in table_rows(pool).values() for row in rows)
