"""`matricula notices`: what people were told, and what could not be sent."""

from typing import Annotated

import typer

from db.notices import notices
from db.pool import transaction
from ops.cli.output import Exit, show_json, show_table, told
from ops.cli.session import opened


def list_notices(
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")] = 50,
    tenant: Annotated[str | None, typer.Option(help="Only this client company.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """List what people were told by mail and webhook, the newest first, and why some of it was not sent."""
    with told(), opened("failures:group:read") as (_, pool), transaction(pool) as db:
        found = notices(db, tenant, most)
    if as_json:
        show_json(found)
    else:
        show_table(
            ("at", "about", "integration", "code", "by", "sent", "why not"),
            [
                (
                    f"{n.written_at:%F %H:%M:%S}",
                    n.kind,
                    n.integration or "messages",
                    n.code,
                    n.channel,
                    f"{n.sent_at:%F %H:%M:%S}" if n.sent_at else "waits" if n.waiting else "no",
                    n.problem,
                )
                for n in found
            ],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)
