"""`matricula integration versions|diff|revert`: how the settings came to be as they are, and going back."""

from typing import Annotated

import typer

from ops import actions
from ops import versions as acts
from ops.cli.integration import READ, Json, Name, Tenant
from ops.cli.output import Exit, out, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.life import Change


def versions(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """List every version of an integration's settings, the newest first, and what it changed."""
    with told(), opened(READ) as (_, pool):
        found = acts.versions(pool, actions.find_integration(pool, name, tenant))
    if as_json:
        show_json(found)
    else:
        rows = [(one.version, f"{one.saved_at:%F %H:%M}", ", ".join(one.changed)) for one in found]
        show_table(("version", "saved", "changed"), rows)


def diff(
    name: Name,
    old: Annotated[int, typer.Argument(min=1, help="A version, as `versions` shows it.")],
    new: Annotated[int | None, typer.Argument(min=1, help="Another one; today's without it.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show each setting that differs between two versions."""
    with told(), opened(READ) as (_, pool):
        found = acts.diff(pool, actions.find_integration(pool, name, tenant), old, new)
    if as_json:
        show_json(found)
    else:
        show_changes(found)
    if not found:
        raise typer.Exit(Exit.NOTHING)


def show_changes(changes: list[Change]) -> None:
    """One line a setting."""
    show_table(("setting", "before", "after"), [(c.setting, c.before, c.after) for c in changes])


def revert(
    name: Name,
    version: Annotated[int, typer.Argument(min=1, help="The version to go back to.")],
    rekey: Annotated[
        bool, typer.Option("--rekey", help="Give linked people another id number when people.identity changes.")
    ] = False,
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Work by the settings of an earlier version again, as a new version."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        row = actions.find_integration(pool, name, tenant)
        done = acts.revert(pool, settings, row, version, by=by, rekey=rekey)
    if as_json:
        show_json(done)
        return
    show_changes(done.changes)
    if not done.changes:
        out.print("nothing differs")
    else:
        out.print("nothing was changed: this was a dry run" if dry_run else f"saved as version {done.version}")


def register(app: typer.Typer) -> None:
    """These are commands of `matricula integration`."""
    for command in (versions, diff, revert):
        app.command()(command)
