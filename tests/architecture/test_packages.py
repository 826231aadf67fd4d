"""What imports what, where packages come from, and what they may be called."""

import ast
import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["setuptools"]["packages"]
TOP = sorted({name.partition(".")[0] for name in PACKAGES})
# Too plain to be safe beside other people's packages, and too vague to say what they hold.
FORBIDDEN_NAMES = {"utils", "common", "core", "config", "types", "logging"}


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_imports_go_down_only() -> None:
    """The contracts of import-linter, as in pyproject.toml."""
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    done = subprocess.run(
        [sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False, env=dict(os.environ)
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_is_imported_from_this_repository(package: str) -> None:
    """The names are plain words; somebody else's package of that name must not win."""
    origin = importlib.import_module(package).__file__

    assert origin is not None
    assert Path(origin).resolve() == (ROOT / package.replace(".", "/") / "__init__.py").resolve()


def test_every_folder_with_code_is_listed_as_a_package() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for top in TOP
        for path in (ROOT / top).rglob("__init__.py")
    }

    assert folders == set(PACKAGES)
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"} == set(TOP)


def test_no_package_has_a_name_that_says_nothing() -> None:
    assert FORBIDDEN_NAMES & {name.rpartition(".")[2] for name in PACKAGES} == set()
    assert FORBIDDEN_NAMES & {path.stem for path in ROOT.glob("*.py")} == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_what_it_is(package: str) -> None:
    assert (importlib.import_module(package).__doc__ or "").strip()


def test_relative_imports_are_not_used() -> None:
    relative = [
        name
        for package in TOP
        for name, tree in modules(package)
        if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    ]

    assert relative == []


def test_the_rules_import_the_standard_library_and_two_friends_only() -> None:
    """Rule 3 of the architecture: decisions are pure."""
    allowed = sys.stdlib_module_names | {"domain", "pydantic", "anyascii"}
    strangers = {
        (name, module)
        for name, tree in modules("domain")
        for module in imported(tree)
        if module.partition(".")[0] not in allowed
    }

    assert strangers == set()


# What reads a clock, rolls dice, or touches the world outside.
IMPURE_MODULES = {
    "time",
    "random",
    "secrets",
    "os",
    "socket",
    "subprocess",
    "threading",
    "asyncio",
    "logging",
    "pathlib",
}
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "uuid1", "uuid4", "getenv"}


def test_the_rules_read_no_clock_roll_no_dice_and_touch_nothing() -> None:
    """Rule 3: whatever varies is an argument, so that a replay decides the same."""
    impure = [(name, module) for name, tree in modules("domain") for module in imported(tree) & IMPURE_MODULES]
    impure += [
        (f"{name}:{node.lineno}", ast.unparse(node.func))
        for name, tree in modules("domain")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in IMPURE_CALLS
    ]

    assert impure == []


def test_the_failure_catalogue_is_a_plain_table() -> None:
    (tree,) = [tree for name, tree in modules("domain") if name == "domain/failure_catalogue.py"]

    assert imported(tree) == {"collections.abc", "dataclasses", "typing"}
