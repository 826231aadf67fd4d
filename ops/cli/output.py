"""How the command line speaks: a table for people, JSON for machines, errors on standard error, exit codes."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from math import ceil
from typing import Any, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.errors import NeedsAttention, ProvisioningError, StoreUnavailable
from domain.failure_catalogue import describe
from ops.access import Unauthenticated
from ops.actions import NotFound, Refused
from ops.operators import Forbidden, ReasonMissing
from producers.broker import BROKER_ERRORS
from runtime.settings import BadSettings

T = TypeVar("T")

PAGE = 10  # lines
PIPE_WIDTH = 200  # a pipe has no width, and a line that was broken cannot be searched for


def _console(*, stderr: bool) -> Console:
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=True, width=None if terminal else PIPE_WIDTH)


out = _console(stderr=False)
err = _console(stderr=True)


class Exit(IntEnum):
    """What the shell is told."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOTHING = 3
    REFUSED = 4
    PARTLY = 5


def show_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False, indent=2) + "\n")


def plain(value: Any) -> Any:
    """A value that JSON has no way to write, as one that it has."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not shown as JSON")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """A table, which says so when it is empty; control characters in it are shown, not obeyed."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(printable(value) for value in row))
    out.print(table)
    if not table.row_count:
        out.print("[dim](none)[/]")


def printable(value: object) -> str:
    """The value as text that cannot move the cursor, change colours or open a link."""
    text = "" if value is None else str(value)
    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))


def span(duration: timedelta) -> str:
    """A duration in its two largest units, rounded up."""
    seconds = ceil(duration.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes = ceil(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = ceil(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


def fail(message: str, code: Exit = Exit.ERROR) -> typer.Exit:
    """The error to raise after saying what is wrong."""
    err.print(f"[bold red]matricula:[/] {printable(message)}")
    return typer.Exit(code)


def paged(lines: list[T], page: int | None) -> list[T]:
    """One page of a list, saying which; the whole list without a number (R36)."""
    if page is None:
        return lines
    err.print(f"page {page} of {-(-len(lines) // PAGE)}")
    return lines[(page - 1) * PAGE : page * PAGE]


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """What was given as NAME=TEXT, by name."""
    found = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise Refused(f"{option} {one}: write it as NAME=TEXT")
        found[name.strip()] = text.strip()
    return found


@contextmanager
def told() -> Iterator[None]:
    """Let every expected trouble leave as one clear message and its exit code."""
    try:
        yield
    except BadSettings as problem:
        raise fail("; ".join(problem.problems), Exit.USAGE) from None
    except ValidationError as problem:
        raise fail(_fields(problem), Exit.USAGE) from None
    except NotFound as problem:
        raise fail(str(problem), Exit.NOTHING) from None
    except (Refused, Forbidden, ReasonMissing, Unauthenticated) as problem:
        raise fail(str(problem), Exit.REFUSED) from None
    except StoreUnavailable as problem:
        raise fail(_away(problem)) from None
    except NeedsAttention as problem:
        raise fail(_described(problem), Exit.REFUSED) from None
    except ProvisioningError as problem:
        raise fail(_described(problem)) from None
    except (FileNotFoundError, IsADirectoryError, PermissionError) as problem:
        raise fail(f"{problem.filename}: {problem.strerror}", Exit.USAGE) from None
    except BROKER_ERRORS as problem:
        raise fail(f"the broker does not answer ({type(problem).__name__}); check AMQP_URL and the server") from None


def _away(problem: StoreUnavailable) -> str:
    if problem.code == "store_unavailable":
        return f"the database does not answer ({problem.detail}); check DATABASE_URL and the server"
    return _described(problem)


def _described(problem: ProvisioningError) -> str:
    entry = describe(problem.code)
    detail = f" ({problem.detail})" if problem.detail else ""
    return f"{entry.title}{detail}. {entry.fix} [{problem.code}, {entry.owner}]"


def _fields(problem: ValidationError) -> str:
    lines = [
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg'].removeprefix('Value error, ')}"
        for item in problem.errors(include_url=False, include_input=False, include_context=False)
    ]
    return "; ".join(lines)
