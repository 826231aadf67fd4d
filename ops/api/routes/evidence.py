"""Who did what and why, and the proof that nothing of it was changed."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from ops import audits
from ops.api.declaring import Done, act, router, view
from ops.api.guard import By
from ops.api.paging import Cursor, Limit, Page, page, read
from ops.commands import command

routes = router("audit")

Text = Annotated[str | None, Query(max_length=255)]


class Entry(BaseModel):
    """One act."""

    audit_id: int
    number: int
    at: datetime
    actor: str
    role: str
    source: str
    action: str
    target: str
    before: Any
    after: Any
    reason: str
    outcome: str
    request_id: str
    operation: int | None
    hash: str


class Verified(Done):
    chains: list[audits.Verdict]


@view(routes, "/audit", "audit:entry:read")
def audit_list(
    caller: By,
    actor: Text = None,
    action: Text = None,
    target: Text = None,
    outcome: Text = None,
    operation: Annotated[int | None, Query(ge=1, lt=2**62, description="Only the items of this entry.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Entry]:
    """What was done, the newest first."""
    (before,) = read(cursor, int) or (None,)
    chosen: dict[str, Any] = {"actor": actor, "action": action, "target": target, "outcome": outcome}
    found = audits.listed(caller.pool, caller.tenant, limit + 1, before, operation=operation, **chosen)
    entries = [Entry.model_validate(audits.public(row)) for row in found]
    return page(entries, limit, lambda entry: [entry.audit_id])


@act(routes, "/audit/verify", audits.VERIFY)
def audit_verify(caller: By) -> Verified:
    """Follow the chain from its beginning to where it should end."""
    chains = audits.verify(caller.pool, caller.tenant, by=caller.by)
    return Verified(chains=chains, command=command("audit", "verify", tenant=caller.tenant))


@act(routes, "/audit/export", audits.EXPORT, kept=False, response_class=StreamingResponse)
def audit_export(caller: By) -> StreamingResponse:
    """Every entry, one JSON object a line, the oldest first, with what each hash covers; itself on record."""
    entries = audits.export(caller.pool, caller.tenant, by=caller.by)
    return StreamingResponse(_lines(entries), media_type="application/x-ndjson")


def _lines(entries: Iterator[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(entry, ensure_ascii=False) + "\n"
