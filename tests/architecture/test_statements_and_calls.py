"""SQL is read from db/queries, and no way leads to making a course."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from domain.lms import LmsGateway

ROOT = Path(__file__).parents[2]
OURS = ("domain", "runtime", "db", "lms", "producers", "workers", "ops", "deploy")

# Statements in place, each with its reason. Everything else stands in db/queries under a name and a purpose.
IN_PLACE = {
    # The clock and the session, not data: one line that a name would only hide.
    ("db/store.py", "select now()"),
    ("db/facts.py", "select set_config('lock_timeout', %s, true)"),
    ("db/facts.py", "select set_config('lock_timeout', '0', true)"),
    ("db/pool.py", "select set_config('matricula.tenant', %s, true)"),
    # Asked before there are tables.
    ("db/schema.py", "select to_regclass('inbox') is null"),
    # The schema as a whole, and the one place that vouches for text as SQL: both read our own files.
    ("db/schema.py", "sql.SQL(file.read_text(encoding='utf-8'))"),
    ("db/schema.py", "file.read_text(encoding='utf-8')"),
    ("db/statements.py", "text"),
}
SENDING = {"execute", "executemany", "copy", "stream"}
NAMED = re.compile(r"(_?SQL|self\.sql)\[[^\]]+\]")


def sources(*packages: str) -> Iterator[tuple[str, str]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def statements(text: str) -> Iterator[ast.expr]:
    """The first argument of every call that sends a statement, and the text of every other piece of SQL."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if node.func.attr in SENDING or ast.unparse(node.func) in ("sql.SQL", "sql.Composed"):
            yield node.args[0]


def in_place(text: str) -> list[str]:
    """The statements that were not taken by name out of a file."""
    found = (expression for expression in statements(text) if not NAMED.fullmatch(ast.unparse(expression)))
    return [str(e.value) if isinstance(e, ast.Constant) else ast.unparse(e) for e in found]


def test_every_statement_is_read_from_db_queries() -> None:
    """S11: parameters only. Text put together with f-strings or percent signs is never a statement."""
    found = {(name, statement) for name, text in sources(*OURS) for statement in in_place(text)}

    assert found - IN_PLACE == set()
    assert IN_PLACE - found == set(), "an exception that is not needed any more"


def test_the_search_for_statements_finds_what_it_is_for() -> None:
    text = """
db.execute(SQL["known"], {"a": 1})
db.execute(f"select {x}")
db.execute("select %s" % x)
cursor.executemany("delete from " + table, rows)
with cursor.copy("copy t from stdin"):
    pass
sql.SQL("drop table {}").format(x)
"""
    assert len(in_place(text)) == 5


def test_only_db_asks_for_statements() -> None:
    """The store is one package; no other sends anything."""
    others = [package for package in OURS if package != "db"]

    assert [name for name, text in sources(*others) if in_place(text)] == []


COURSE_MAKING = re.compile(
    r"create_?courses?\b|courses?_?create|core_course_(?!get_)\w+|duplicate_course|import_course|restore_course",
    re.IGNORECASE,
)


def test_no_way_leads_to_making_a_course() -> None:
    """R3: courses flow from the LMS to HR only."""
    named = [(name, match[0]) for name, text in sources(*OURS) for match in COURSE_MAKING.finditer(text)]

    assert named == []
    assert not any(COURSE_MAKING.search(name) for name in vars(LmsGateway))


def test_a_function_that_makes_courses_would_be_found() -> None:
    names = ["core_course_create_courses", "core_course_duplicate_course", "def create_course(", "courses:create"]

    assert [bool(COURSE_MAKING.search(name)) for name in names] == [True, True, True, False]
    assert not COURSE_MAKING.search("core_course_get_courses")


WRITING_RESULTS = re.compile(
    r"core_grades_update\w*|gradeimport\w*|mod_assign_save_grades?|core_completion_(update|override|mark)\w*|grade_update",
    re.IGNORECASE,
)


def test_no_way_leads_to_writing_a_result_into_the_lms() -> None:
    """R4: results flow from the LMS to HR only; the port writes users and enrolments and nothing else."""
    named = [(name, match[0]) for name, text in sources(*OURS) for match in WRITING_RESULTS.finditer(text)]

    assert named == []
    assert not any(re.search("grade|result|complete", name) for name in vars(LmsGateway))


def test_a_function_that_writes_results_would_be_found() -> None:
    names = [
        "core_grades_update_grades",
        "core_completion_override_activity_completion_status",
        "mod_assign_save_grade",
    ]

    assert all(WRITING_RESULTS.search(name) for name in names)
    assert not WRITING_RESULTS.search("core_completion_get_course_completion_status")


def test_nobody_is_ever_deleted_in_the_lms() -> None:
    """R55, R123: a leaver is suspended, an enrolment too; removing would lose grades."""
    removing = re.compile(r"core_user_delete_users|enrol_manual_unenrol_users|unenrol_user", re.IGNORECASE)

    assert [name for name, text in sources(*OURS) if removing.search(text)] == []


def test_competencies_are_neither_set_nor_read() -> None:
    """R86: out of the first phase, though a service may offer the function."""
    competency = re.compile(r"core_competency|tool_lp|competenc(y|ies)", re.IGNORECASE)

    assert [name for name, text in sources(*OURS) if competency.search(text)] == []
    assert competency.search("core_competency_grade_competency")
