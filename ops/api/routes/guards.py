"""More suspensions at once than pass unasked: look, then decide."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from db.guards import GuardRow, guards
from db.pool import transaction
from domain.guard import GuardState
from ops.api.declaring import Done, DryRun, Id, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, slice_of
from ops.commands import command
from ops.guards import PERMISSION, decide_guard, find_guard, people_of

READ = "guards:guard:read"

routes = router("guards")


class Concerned(BaseModel):
    employee_key: str
    lms_user_id: str | None


class Decided(Done):
    state: GuardState
    people: int


@view(routes, "/guards", READ)
def guard_list(
    caller: By,
    decided: Annotated[bool, Query(description="Also those that are decided.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[GuardRow]:
    """Guards that wait for a decision, the newest first."""
    with transaction(caller.pool) as db:
        return slice_of(guards(db, open_only=not decided), limit, cursor)


@view(routes, "/guards/{guard_id}", READ)
def guard_show(caller: By, guard_id: Id) -> GuardRow:
    """One guard."""
    return find_guard(caller.pool, guard_id)


@view(routes, "/guards/{guard_id}/people", READ)
def guard_people(caller: By, guard_id: Id, limit: Limit = 50, cursor: Cursor = None) -> Page[Concerned]:
    """Whom a guard is about."""
    people = people_of(caller.pool, find_guard(caller.pool, guard_id))
    return slice_of([Concerned(employee_key=key, lms_user_id=user) for key, user in people], limit, cursor)


@act(routes, "/guards/{guard_id}/approve", PERMISSION["approved"])
def guard_approve(caller: By, guard_id: Id, why: Why, dry_run: DryRun = False) -> Decided:
    """Let exactly these suspensions go on."""
    return _decided(caller, guard_id, "approved", "approve", why, dry_run=dry_run)


@act(routes, "/guards/{guard_id}/reject", PERMISSION["rejected"])
def guard_reject(caller: By, guard_id: Id, why: Why, dry_run: DryRun = False) -> Decided:
    """Keep these people active until HR says something new about them."""
    return _decided(caller, guard_id, "rejected", "reject", why, dry_run=dry_run)


@act(routes, "/guards/{guard_id}/undo", PERMISSION["undone"])
def guard_undo(caller: By, guard_id: Id, why: Why, dry_run: DryRun = False) -> Decided:
    """Make active again whom an approved guard suspended."""
    return _decided(caller, guard_id, "undone", "undo", why, dry_run=dry_run)


def _decided(caller: By, guard_id: int, state: GuardState, verb: str, why: Why, *, dry_run: bool) -> Decided:
    by = caller.acting(why.reason, dry_run=dry_run)
    people = decide_guard(caller.pool, find_guard(caller.pool, guard_id), state, by=by)
    typed = command("guard", verb, guard_id, tenant=caller.tenant, reason=why.reason)
    return Decided(state=state, people=people, command=typed)
