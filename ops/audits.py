"""The audit as evidence: read, taken out, and shown to be whole."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from db.audit import AuditRow, AuditStore, entries
from db.pool import Pool, transaction
from domain.audit_chain import Head, follow
from ops.actions import Refused
from ops.operators import Operator, audited

EXPORT = "audit:entry:export"
VERIFY = "audit:chain:verify"

INSTALLATION = "(installation)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    Whether one chain holds.

    Attributes:
        tenant: Whose it is; the installation's own is called (installation).
        entries: How many hold, from the first on.
        head: The last one's hash. Kept elsewhere, it tells later whether the end was cut off.
        broken_at: The number of the first entry that was changed or is missing; None when all is well.
    """

    tenant: str
    entries: int
    head: str
    broken_at: int | None


def verify(pool: Pool, tenant: str | None, *, by: Operator) -> list[Verdict]:
    """Every chain, or a tenant's, followed from its beginning to where it should end."""
    by.check(VERIFY, by.tenant)
    with transaction(pool) as db:
        store = AuditStore(db)
        return [_verdict(store, chain, end) for chain, end in store.chains(tenant).items()]


def _verdict(store: AuditStore, chain: str, end: Head) -> Verdict:
    head, broken_at = follow(store.sealed(chain))
    if broken_at is None and head != end:
        broken_at = head.number + 1
    return Verdict(chain or INSTALLATION, head.number, head.hash.hex(), broken_at)


def lost_heads(pool: Pool, heads: Sequence[str], *, by: Operator) -> list[str]:
    """
    Those heads, kept elsewhere, that are no entry of their chain any more: it was cut off, or written anew.

    Args:
        heads: Each `TENANT:NUMBER:HASH`.
    """
    by.check(VERIFY, by.tenant)
    lost = []
    with transaction(pool) as db:
        store = AuditStore(db)
        for head in heads:
            tenant, number, expected = _parts(head)
            chain = "" if tenant == INSTALLATION else tenant
            found = next(store.sealed(chain, after=number - 1), None)
            if found is None or (found.number, found.hash.hex()) != (number, expected):
                lost.append(tenant)
    return lost


def _parts(head: str) -> tuple[str, int, str]:
    tenant, _, rest = head.rpartition(":")
    tenant, _, number = tenant.rpartition(":")
    if not tenant or not number.isdecimal():
        raise Refused(f"{head}: write it as TENANT:NUMBER:HASH, as `audit verify` shows them")
    return tenant, int(number), rest


def public(row: AuditRow) -> dict[str, Any]:
    """An entry as JSON."""
    return asdict(row) | {"hash": row.hash.hex()}


def export(pool: Pool, tenant: str | None, *, by: Operator) -> Iterator[dict[str, Any]]:
    """
    Every entry, the oldest first, with all that its hash covers; that it was taken out is on record, too.

    A hash is SHA-256 over the hash before it and `content` in UTF-8.
    """
    whose = tenant or by.tenant
    by.check(EXPORT, whose)
    with transaction(pool) as db:
        store = AuditStore(db)
        ends = {chain: end.number for chain, end in store.chains(tenant).items()}
        audited(db, by, EXPORT, "audit/entries", tenant=whose, after={"entries": sum(ends.values())})
    return _entries(pool, ends)


def _entries(pool: Pool, ends: dict[str, int]) -> Iterator[dict[str, Any]]:
    with transaction(pool) as db:
        store = AuditStore(db)
        for chain, end in ends.items():
            for one in store.sealed(chain):
                if one.number > end:
                    break
                hashes = {"previous": one.previous.hex(), "hash": one.hash.hex()}
                yield {"tenant": chain or INSTALLATION, "number": one.number, "content": one.content, **hashes}


def listed(pool: Pool, tenant: str | None, most: int, before_id: int | None = None, **chosen: Any) -> list[AuditRow]:
    """Entries that match, the newest first; see `db.audit.entries`."""
    with transaction(pool) as db:
        return entries(db, tenant=tenant, most=most, before_id=before_id, **chosen)
