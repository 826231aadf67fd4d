"""What every command begins with: settings, a pool, and who acts."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Annotated, TypeAlias

import typer

from db.pool import OfTenant, Pool, open_pool
from ops.access import authenticated
from ops.operators import Operator
from ops.refusals import refusals_on_record
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
    """
    Settings, a pool and who acts, for a command that does something; the acts check what that person may do.

    With MATRICULA_API_TOKEN it is the token's operator, who sees one tenant; without, the user of this machine.
    """
    settings = read_settings(os.environ)
    token = os.environ.get("MATRICULA_API_TOKEN", "")
    with open_pool(settings.database_url, name="cli", role="console" if token else None, max_size=2) as pool:
        by, seen = _who(pool, token)
        with refusals_on_record(seen, by):
            yield settings, seen, by.because(reason, dry_run=dry_run)


def _who(pool: Pool, token: str) -> tuple[Operator, Pool]:
    if not token:
        return Operator.at_the_machine(), pool
    by, _ = authenticated(pool, token, "cli")
    return by, OfTenant(pool, by.tenant or "")
