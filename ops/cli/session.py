"""What every command begins with: settings, a pool, and who acts."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, TypeAlias

import typer

from db.pool import Pool, open_pool
from ops.operators import Operator
from runtime.settings import Settings, read_settings

Reason = Annotated[str, typer.Option(help="Why; kept in the audit.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only see whether it would be done; nothing is changed.")]

Acting: TypeAlias = AbstractContextManager[tuple[Settings, Pool, Operator]]


@contextmanager
def opened(permission: str) -> Iterator[tuple[Settings, Pool]]:
    """Settings and a pool for a command that looks."""
    with acting() as (settings, pool, by):
        by.check(permission, by.tenant)
        yield settings, pool


@contextmanager
def acting(reason: str = "", *, dry_run: bool = False) -> Iterator[tuple[Settings, Pool, Operator]]:
    """Settings, a pool and who acts, for a command that does something; the acts check what that person may do."""
    settings = read_settings(os.environ)
    with open_pool(settings.database_url, name="cli", max_size=2) as pool:
        yield settings, pool, Operator.at_the_machine().because(reason, dry_run=dry_run)
