"""Who did what and why, and the proof that nothing of it was changed."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
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


class Heads(BaseModel):
    """Where chains ended once, kept elsewhere since."""

    model_config = ConfigDict(extra="forbid")

    heads: list[Annotated[str, Field(max_length=400)]] = Field(
        [], max_length=100, description="Each `TENANT:NUMBER:HASH`: that entry must still be there."
    )


class Verified(Done):
    """`lost` are the companies one of whose heads is no entry of their chain any more."""

    chains: list[audits.Verdict]
    lost: list[str]


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
def audit_verify(caller: By, kept: Heads) -> Verified:
    """Follow the chain from its beginning to where it should end."""
    chains = audits.verify(caller.pool, caller.tenant, by=caller.by)
    lost = audits.lost_heads(caller.pool, kept.heads, by=caller.by)
    words = [word for head in kept.heads for word in ("--head", head)]
    return Verified(chains=chains, lost=lost, command=command("audit", "verify", *words, tenant=caller.tenant))


@act(routes, "/audit/export", audits.EXPORT, kept=False, response_class=StreamingResponse)
def audit_export(caller: By) -> StreamingResponse:
    """Every entry, one JSON object a line, the oldest first, with what each hash covers; itself on record."""
    entries = audits.export(caller.pool, caller.tenant, by=caller.by)
    return StreamingResponse(_lines(entries), media_type="application/x-ndjson")


def _lines(entries: Iterator[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(entry, ensure_ascii=False) + "\n"
