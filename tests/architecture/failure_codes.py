"""
Every failure code that the source raises or stores, read from its syntax trees and its statements.

A code reaches a failure in a handful of ways: as an argument of an error or of a record of how something ended, in a
table of meanings, as a constant, as the answer of a function that gives reasons, or in SQL. Anything that is none of
these and no plain hand-on of a code found elsewhere is reported as unreadable, so that no code can slip by.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import domain.errors
from domain.events import BadEvent, UnknownType

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "db", "lms", "workers", "producers", "ops")

ERRORS = {name for name, thing in vars(domain.errors).items() if isinstance(thing, type)} - {"timedelta"}
EVENT_ERRORS = {BadEvent.__name__, UnknownType.__name__}
# Where in a call the code stands. Errors have it first.
CARRIERS = dict.fromkeys(ERRORS | EVENT_ERRORS | {"Park", "Give", "Hold"}, 0) | {
    "AccountState": 99,  # by keyword only
    "AccountEnd": 2,
    "PlacementEnd": 2,
    "Settled": 2,
    "Problem": 2,
    "park": 1,
    "_park_placement": 1,
    "doubtful": 1,
    "set_aside": 2,
    "_Judged": 2,
    "Check": 3,
    "line": 3,
    "courses_line": 3,
}
# Functions whose answers are codes.
REASONS = {"out_of_scope", "hindrance"}
# A class of failures that carries its code, and a constant named for one.
CONSTANTS = re.compile(r"taken_code|[A-Z_]*(CODE|UNROUTABLE)")
# What codes that are put together may become.
COMPOSED = {
    "f'{field}_missing'": {"first_name_missing", "last_name_missing"},
    "f'booking_{status}'": {"booking_tentative", "booking_cancelled"},
}
# A code found elsewhere, handed on.
HANDED_ON = re.compile(r"(\w+\.)*(code|taken_code|outside|reason|UNROUTABLE)")

IN_SQL = re.compile(r"\bcode\s*=\s*'([a-z_]+)'|subject_id, code\)\s*select[^;]*?'([a-z_]+)' from", re.DOTALL)


@dataclass(slots=True)
class Found:
    """Codes by the place they were found at first, and expressions that could not be read."""

    codes: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def collect(root: Path = ROOT) -> Found:
    """All codes in the source below `root`."""
    found = Found()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            read_source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"), found)
        for path in sorted((root / package).rglob("*.sql")):
            for match in IN_SQL.finditer(path.read_text(encoding="utf-8")):
                found.codes.setdefault(match[1] or match[2], path.relative_to(root).as_posix())
    return found


def read_source(name: str, text: str, found: Found) -> None:
    """Add what one module holds."""
    tree = ast.parse(text)
    constants = _constants(tree)
    for expression in _expressions(tree):
        _read(expression, constants, f"{name}:{expression.lineno}", found)


def _constants(tree: ast.Module) -> dict[str, str]:
    named = (node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant))
    return {
        target.id: str(node.value.value)
        for node in named
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant)
    }


def _expressions(tree: ast.Module) -> Iterator[ast.expr]:
    """Every expression that is a code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _in_call(node)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and _name(node.elts[0]) in ERRORS:
            # A family beside its code: how lms.moodle_failures writes down what answers mean.
            yield from [] if _name(node.elts[1]) in ERRORS else [node.elts[1]]
        elif isinstance(node, ast.FunctionDef) and node.name in REASONS:
            yield from _answers(node)
        elif isinstance(node, ast.ClassDef) and any(_name(base) in ERRORS | EVENT_ERRORS for base in node.bases):
            yield from _given_to_parent(node)
        elif isinstance(node, ast.Assign) and CONSTANTS.fullmatch(_name(node.targets[0])):
            yield node.value


def _in_call(call: ast.Call) -> Iterator[ast.expr]:
    name = _name(call.func)
    if name in CARRIERS:
        yield from call.args[CARRIERS[name] : CARRIERS[name] + 1]
        yield from (word.value for word in call.keywords if word.arg == "code")
    elif name == "replace":
        yield from (word.value for word in call.keywords if word.arg == "code")


def _given_to_parent(family: ast.ClassDef) -> Iterator[ast.expr]:
    """What a failure class of a module's own passes on as its code."""
    for node in ast.walk(family):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__":
            # Within domain.errors and domain.events the arguments are named code throughout.
            yield from node.args[:1]


def _answers(function: ast.FunctionDef) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value


def _read(expression: ast.expr, constants: dict[str, str], where: str, found: Found) -> None:
    match expression:
        case ast.Constant(value=None):
            pass
        case ast.Constant(value=str(code)):
            found.codes.setdefault(code, where)
        case ast.IfExp():
            _read(expression.body, constants, where, found)
            _read(expression.orelse, constants, where, found)
        case ast.BoolOp():
            for value in expression.values:
                _read(value, constants, where, found)
        case ast.Name(id=name) if name in constants:
            found.codes.setdefault(constants[name], where)
        case ast.JoinedStr() if ast.unparse(expression) in COMPOSED:
            for code in COMPOSED[ast.unparse(expression)]:
                found.codes.setdefault(code, where)
        case _ if not HANDED_ON.fullmatch(ast.unparse(expression)):
            found.unreadable.append(f"{where}: {ast.unparse(expression)}")


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
        case _:
            return ""
