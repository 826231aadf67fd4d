"""`matricula integration`: enabling, changing, pausing and removing, and what there is to look at before."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ops import actions, life, selfcheck
from ops.actions import NotReady
from ops.cli.integration import READ, Json, Name, Tenant, Yes, enabled, said, settings_object, show_checks
from ops.cli.output import Exit, fail, out, printable, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.payrolls import Ticked, tick
from runtime.secrets import Secret


def enable(
    name: Name,
    tenant: Tenant = None,
    yes: Yes = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Test the integration and, if all is well, let it work."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        row = actions.find_integration(pool, name, tenant)
        done = enabled(settings, pool, by, row, yes=yes, as_json=as_json)
    already = done["was"] == "active"
    said(f"{name} {'works already' if already else 'is enabled'}. {done['mail']}".rstrip(), done, as_json)


def edit(
    name: Name,
    file: Annotated[Path, typer.Argument(help="All settings as a JSON object; see docs/settings.md.")],
    tenant: Tenant = None,
    rekey: Annotated[
        bool, typer.Option("--rekey", help="Give linked people another id number when people.identity changes.")
    ] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """
    Replace an integration's settings, and show what changed. A password is read as `add` does.

    Settings that FILE leaves out get their defaults; only the advanced ones keep their values.
    """
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        row = actions.find_integration(pool, name, tenant)
        wanted = life.edited(row, settings_object(file))
        password = os.environ.get("MATRICULA_PASSWORD")
        try:
            done = life.edit(
                pool,
                settings,
                row,
                wanted,
                by=by,
                password=Secret(password) if password else None,
                rekey=rekey,
            )
        except NotReady as problem:
            show_checks(problem.checks, wanted.support, as_json=as_json)
            raise
    if as_json:
        show_json(done)
        return
    show_table(("setting", "before", "after"), [(c.setting, c.before, c.after) for c in done.changes])
    rekeyed = f" {done.rekeyed} linked people get another id number." if done.rekeyed else ""
    if not done.changes:
        out.print("nothing differs")
    elif dry_run:
        out.print(f"nothing was changed: this was a dry run.{rekeyed}")
    else:
        out.print(f"saved as version {done.version}.{rekeyed}")


def pause(
    name: Name, tenant: Tenant = None, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Stop calling the LMS; what arrives meanwhile waits, nothing is lost, and `resume` does it in order."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        changed = life.pause(pool, actions.find_integration(pool, name, tenant), by=by)
    said(
        f"{name} is paused: nothing is sent, everything waits" if changed else f"{name} was paused already",
        {"state": "paused", "changed": changed},
        as_json,
    )


def resume(
    name: Name, tenant: Tenant = None, reason: Reason = "", dry_run: DryRun = False, as_json: Json = False
) -> None:
    """Go on after a pause; what waited is done in order."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        changed = life.resume(pool, actions.find_integration(pool, name, tenant), by=by)
    said(
        f"{name} goes on with what waited" if changed else f"{name} was not paused",
        {"state": "active", "changed": changed},
        as_json,
    )


def remove(
    name: Name,
    tenant: Tenant = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Give up the link with an LMS. History, links and results stay, and so do the accounts in the LMS."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        row = actions.find_integration(pool, name, tenant)
        if not (yes or dry_run) and not typer.confirm(f"Remove {row.name} of {row.tenant}, at {row.url}?", err=True):
            raise actions.Refused("not removed")
        life.remove(pool, row, by=by)
    said(f"{name} is removed; its accounts in the LMS are as they were", {"state": "removed"}, as_json)


def payrolls(
    name: Name,
    tenant: Tenant = None,
    containing: Annotated[str, typer.Option("--filter", help="Only those with this text in code or name.")] = "",
    only: Annotated[list[str] | None, typer.Option(help="Only this payroll; may be given again.")] = None,
    sort: Annotated[life.Order, typer.Option(help="What to sort by.")] = "payroll",
    descending: Annotated[bool, typer.Option("--descending", help="The other way round.")] = False,
    tick_all: Annotated[
        bool | None, typer.Option("--tick-all/--untick-all", help="Select all that are listed, or none of them.")
    ] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """List the payrolls that HR has named, whether they are in scope, their people, and how far a sweep has come."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        if tick_all is None:
            by.check(READ, by.tenant)
        row = actions.find_integration(pool, name, tenant)
        found = life.payrolls(pool, row, containing=containing, order=sort, descending=descending)
        found = [one for one in found if not only or one.payroll in only]
        if tick_all is not None:
            _tell_ticked(tick(pool, settings, row, found, select=tick_all, by=by), as_json=as_json)
            return
    if as_json:
        show_json([asdict(p) | {"sweep": p.sweep} for p in found])
    else:
        show_payrolls(found)
    if not found:
        raise typer.Exit(Exit.NOTHING)


def _tell_ticked(done: Ticked, *, as_json: bool) -> None:
    if as_json:
        show_json(done)
    else:
        out.print(printable(f"told of {len(done.payrolls)} payrolls: {', '.join(done.payrolls) or 'none differed'}"))
    if done.unconfirmed:
        raise fail(
            f"not told of {', '.join(done.unconfirmed)}: {done.problem or 'the broker did not take it'}. Try again",
            Exit.PARTLY if done.payrolls else Exit.ERROR,
        )


def show_payrolls(found: list[life.Payroll]) -> None:
    """One line a payroll."""
    show_table(
        ("payroll", "name", "in scope", "people", "employed", "linked", "due", "sweep"),
        [
            (
                p.payroll or "(none)",
                p.name,
                "yes" if p.in_scope else "no",
                p.people,
                p.employed,
                p.linked,
                p.due,
                p.sweep,
            )
            for p in found
        ],
    )


def idnumbers(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Compare the LMS's id numbers with those that people should have; nothing is written."""
    with told(), opened("integrations:integration:test") as (settings, pool):
        compared = selfcheck.compare_id_numbers(pool, settings, actions.find_integration(pool, name, tenant))
    if as_json:
        show_json(compared)
    else:
        show_table(
            ("employee", "id number", "LMS users", "detail"),
            [(f.employee_key, f.kind, ", ".join(f.lms_user_ids), f.detail) for f in compared.findings],
        )
        out.print(
            f"{compared.right} right, {len(compared.findings)} to look at,"
            f" {compared.absent} not in the LMS: accounts are made for them"
        )
    if compared.findings:
        raise typer.Exit(Exit.PARTLY)


def register(app: typer.Typer) -> None:
    """These are commands of `matricula integration`."""
    for command in (enable, edit, pause, resume, remove, payrolls, idnumbers):
        app.command()(command)
