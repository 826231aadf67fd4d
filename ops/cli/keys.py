"""`matricula keys`: the master keys that seal the LMS tokens. They are never in the database."""

import sys
from typing import Annotated

import typer

from ops import keys
from ops.cli.output import Exit, out, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from runtime.secrets import new_key

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]


@app.command()
def new() -> None:
    """Print a new master key, for MATRICULA_KEY or its file."""
    sys.stdout.write(new_key() + "\n")


@app.command()
def status(as_json: Json = False) -> None:
    """Show which master key protects each company's secrets, and since when."""
    with told(), opened("keys:key:read") as (settings, pool):
        found = keys.in_use(pool, settings)
    if as_json:
        show_json(found)
    else:
        show_table(
            ("company", "protected by", "key", "since"),
            [(f.state.tenant, f.wrapped_by, f.state.master_key, f"{f.state.wrapped_at:%F %H:%M}") for f in found],
        )
    if any(f.wrapped_by == "a key that is missing" for f in found):
        raise typer.Exit(Exit.ERROR)
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def rotate(reason: Reason = "", dry_run: DryRun = False, as_json: Json = False) -> None:
    """Protect every company's secrets by the newest master key: the first of those in MATRICULA_KEY or its file."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        rotated = keys.rotate(pool, settings, by=by)
    if as_json:
        show_json({"rotated": rotated})
    else:
        out.print(
            f"{rotated} companies changed to the newest key; older keys can be taken away"
            if rotated
            else "every company is protected by the newest key already"
        )
