"""`matricula audit`: who did what and why, and the proof that nothing of it was changed."""

import json
import sys
from textwrap import shorten
from typing import Annotated, Any

import typer

from ops import audits
from ops.cli.output import Exit, err, fail, out, show_json, show_table, told
from ops.cli.session import Reason, acting, opened

app = typer.Typer(no_args_is_help=True, help=__doc__)

SHOWN = 60  # characters of what was before and after

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]


@app.command("list")
def list_(
    tenant: Tenant = None,
    actor: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this act, as `area:object:action`.")] = None,
    target: Annotated[str | None, typer.Option(help="Only what was done to this, as `kind/name`.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only what ended so: done, refused and others.")] = None,
    operation: Annotated[int | None, typer.Option(help="Only the items of this entry.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Show at most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List what was done, the newest first."""
    with told(), opened("audit:entry:read") as (_, pool):
        chosen: dict[str, Any] = {"actor": actor, "action": action, "target": target, "outcome": outcome}
        found = audits.listed(pool, tenant, most, operation=operation, **chosen)
    if as_json:
        show_json([audits.public(row) for row in found])
    else:
        show_table(
            ("entry", "at", "who", "by way of", "what", "target", "outcome", "before", "after", "why", "tenant"),
            [
                (
                    row.audit_id,
                    f"{row.at:%F %T}",
                    f"{row.actor} ({row.role})",
                    row.source,
                    row.action,
                    row.target,
                    row.outcome,
                    _text(row.before),
                    _text(row.after),
                    row.reason,
                    row.tenant,
                )
                for row in found
            ],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def export(tenant: Tenant = None, reason: Reason = "") -> None:
    """Write every entry to standard output, one JSON object a line, the oldest first, with what each hash covers."""
    with told(), acting(reason) as (_, pool, by):
        for entry in audits.export(pool, tenant, by=by):
            sys.stdout.write(json.dumps(entry, ensure_ascii=False) + "\n")


@app.command()
def verify(
    tenant: Tenant = None,
    head: Annotated[
        list[str] | None,
        typer.Option(help="Where a chain ended once, as TENANT:NUMBER:HASH: that entry must still be there."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove that no entry was changed or taken out; ends with 1 when one was."""
    with told(), acting() as (_, pool, by):
        found = audits.verify(pool, tenant, by=by)
        lost = audits.lost_heads(pool, head or [], by=by)
    if as_json:
        show_json({"chains": found, "lost": lost})
    else:
        rows = [(v.tenant, v.entries, v.head, v.broken_at or "") for v in found]
        show_table(("chain", "entries hold", "head", "broken at"), rows)
    broken = [v.tenant for v in found if v.broken_at] + lost
    if broken:
        raise fail(f"the audit of {', '.join(broken)} was changed by somebody with the rights of the database's owner")
    if not found:
        err.print("there is no entry yet")
        raise typer.Exit(Exit.NOTHING)
    if not as_json:
        out.print("every entry is as it was written")


def _text(value: Any) -> str:
    """Enough of it for a table; `--json` and `export` tell all."""
    return "" if value is None else shorten(json.dumps(value, ensure_ascii=False), SHOWN, placeholder=" …")
