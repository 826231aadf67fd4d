"""Deciding over suspensions that a guard has staged."""

from db.guards import GuardRow, decide, guard_people, guards
from db.pool import Pool, transaction
from domain.guard import GuardState
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited, deed

BEFORE: dict[GuardState, GuardState] = {"approved": "open", "rejected": "open", "undone": "approved"}
"""What a guard must be for each decision."""

PERMISSION: dict[GuardState, str] = {
    "approved": "guards:guard:approve",
    "rejected": "guards:guard:reject",
    "undone": "guards:guard:undo",
}


def find_guard(pool: Pool, guard_id: int, tenant: str | None = None) -> GuardRow:
    """
    Raises:
        NotFound: There is no such guard.
    """
    with transaction(pool) as db:
        found = guards(db, tenant, guard_id=guard_id)
    if not found:
        raise NotFound(f"there is no guard {guard_id}; see `matricula guard list`")
    return found[0]


def people_of(pool: Pool, guard: GuardRow) -> list[tuple[str, str | None]]:
    """Employee key and LMS user id of everybody of whom HR still says what was staged."""
    with transaction(pool) as db:
        return guard_people(db, guard.guard_id)


def decide_guard(pool: Pool, guard: GuardRow, state: GuardState, *, by: Operator) -> int:
    """
    approved: exactly those suspensions go on. rejected: the people stay active until HR says something new.
    undone: whom an approved guard suspended is active again, until HR says something new.

    Returns:
        How many people it concerns.

    Raises:
        Refused: The guard is not in a state for this decision.
    """
    action = PERMISSION[state]
    by.check(action, guard.tenant, f"guard/{guard.guard_id}")
    needed = BEFORE[state]
    concerned = None
    if guard.state == needed:
        with deed(pool, by) as db:
            concerned = decide(db, guard, state, by=by.name, reason=by.reason)
            if concerned is not None:
                target, after = f"guard/{guard.guard_id}", {"state": state, "people": concerned}
                audited(db, by, action, target, tenant=guard.tenant, before={"state": needed}, after=after)
    if concerned is None:
        now = find_guard(pool, guard.guard_id).state
        raise Refused(f"guard {guard.guard_id} is {now}; only one that is {needed} can be {state}")
    return concerned
