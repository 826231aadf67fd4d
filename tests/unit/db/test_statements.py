import re

import pytest

from db.statements import QUERIES, BadQueries, parse, statements

GOOD = """\
-- name: first
-- Takes what is due.
select 1;

-- name: second
-- Says who.
-- In two lines.
select ';'  -- kept
from person
"""


def test_a_block_is_found_by_its_name_without_purpose_and_semicolon() -> None:
    found = parse("some.sql", GOOD)

    assert {name: text.as_string() for name, text in found.items()} == {
        "first": "select 1",
        "second": "select ';'  -- kept\nfrom person",
    }


def test_a_missing_name_fails_loudly() -> None:
    with pytest.raises(BadQueries, match=r"some\.sql has no statement named third"):
        parse("some.sql", GOOD)["third"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (GOOD + "\n-- name: first\n-- Again.\nselect 2;", "names first twice"),
        ("-- name: bare\nselect 1;", "block bare needs"),
        ("-- name: empty\n-- Does nothing.\n\n-- name: next\n-- Something.\nselect 1;", "block empty needs"),
        ("-- name:\n-- Nobody.\nselect 1;", r"block \? needs"),
        ("select 1;\n" + GOOD, "something that has no name"),
    ],
)
def test_a_file_that_is_not_in_order_is_refused(content: str, complaint: str) -> None:
    with pytest.raises(BadQueries, match=complaint):
        parse("some.sql", content)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BadQueries, match=r"there is no nowhere\.sql"):
        statements("nowhere")


@pytest.mark.parametrize("subject", sorted(path.stem for path in QUERIES.glob("*.sql")))
def test_every_statement_is_asked_for_somewhere_in_db(subject: str) -> None:
    sources = "\n".join(path.read_text() for path in QUERIES.parent.glob("*.py"))
    wanted = set(re.findall(r'"(\w+)"', sources))

    assert set(statements(subject)) <= wanted
