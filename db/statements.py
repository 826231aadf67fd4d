"""
SQL kept as SQL: the named statements of db/queries, read once.

A file is a run of blocks. A block begins with its name and says in a comment what it is for:

    -- name: claim_accounts
    -- Takes what is due in one integration, urgent first.
    select ...;
"""

import re
from functools import cache
from pathlib import Path
from typing import NoReturn

from psycopg import sql

QUERIES = Path(__file__).parent / "queries"

_BLOCK = re.compile(
    r"^-- name:[ \t]*(?P<name>\S*)[ \t]*\n(?P<purpose>(?:--(?! name:)[^\n]*\n)*)(?P<text>.*?)(?=^-- name:|\Z)",
    re.MULTILINE | re.DOTALL,
)


class BadQueries(Exception):
    """A file of statements is not what this module expects; the text says which one and why."""


class Statements(dict[str, sql.SQL]):
    """The statements of one file by name; asking for one that is not there says which file lacks it."""

    def __init__(self, file: str, found: dict[str, sql.SQL]) -> None:
        super().__init__(found)
        self._file = file

    def __missing__(self, name: str) -> NoReturn:
        raise BadQueries(f"{self._file} has no statement named {name}")


@cache
def statements(subject: str) -> Statements:
    """
    The statements of db/queries/<subject>.sql by name, without their leading comments and closing semicolons.

    Raises:
        BadQueries: There is no such file, or a block lacks a name, a purpose or a statement, or a name comes twice.
    """
    path = QUERIES / f"{subject}.sql"
    if not path.is_file():
        raise BadQueries(f"there is no {path.name} in db/queries")
    return parse(path.name, path.read_text(encoding="utf-8"))


def parse(file: str, content: str) -> Statements:
    """The statements in the text of one file; see `statements`."""
    found: dict[str, sql.SQL] = {}
    for block in _BLOCK.finditer(content):
        name, text = block["name"], block["text"].strip().removesuffix(";")
        if not name.isidentifier() or not block["purpose"] or not text:
            raise BadQueries(f"{file}: block {name or '?'} needs a name, a comment on its purpose and a statement")
        if name in found:
            raise BadQueries(f"{file} names {name} twice")
        # The one place that vouches for text as SQL: it was read from our own file.
        found[name] = sql.SQL(text)
    if _BLOCK.sub("", content).strip():
        raise BadQueries(f"{file} begins with something that has no name")
    return Statements(file, found)
