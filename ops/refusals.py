"""
What was refused is on record as what was done is: who wanted what, and why it was not.

A refusal is written after the act was rolled back, in a transaction of its own. The same refusal of the same person is
written once a minute at most, so that nobody can fill the audit, which can never be emptied.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from db.audit import AuditStore, Entry
from db.pool import Pool, transaction
from ops.actions import Refused
from ops.operators import Asked, Forbidden, Operator

REFUSED = "refused"


@contextmanager
def refusals_on_record(pool: Pool, by: Operator) -> Iterator[None]:
    """What is refused within the block stands in the audit."""
    try:
        yield
    except (Forbidden, Refused) as problem:
        put_on_record(pool, by, problem)
        raise


def put_on_record(pool: Pool, by: Operator, problem: Forbidden | Refused) -> None:
    """The refusal of what they asked for last stands in the audit, unless it was only tried."""
    if by.asked and not by.asked[-1].dry_run:
        asked = by.asked[-1]
        # Who may not is told nothing of the thing, and over HTTP nobody has looked yet which it is.
        named = "" if isinstance(problem, Forbidden) else asked.target
        _record(pool, by, asked, named or asked.permission.split(":")[1], str(problem))


def _record(pool: Pool, by: Operator, asked: Asked, target: str, why: str) -> None:
    with transaction(pool) as db:
        AuditStore(db).append_refusal(
            Entry(
                tenant=by.tenant or asked.tenant,
                actor=by.name,
                role=by.role,
                source=by.source,
                action=asked.permission,
                target=target,
                after={"because": why},
                reason=asked.reason,
                outcome=REFUSED,
                request_id=by.request_id,
            )
        )
