"""A replay under way: agree, pause, go on, cancel, and see what came of it."""

from collections.abc import Callable

from db.pool import Db, Pool, transaction
from db.replay_views import ItemLine, ReplayRow, Report, replay_items, replay_report, replay_row
from db.replays import ActStore, ChoosingStore
from ops.actions import NotFound, Refused
from ops.operators import Operator, audited, deed


def find(db: Db, tenant: str | None, replay_id: int) -> ReplayRow:
    """
    Raises:
        NotFound: There is no such replay.
    """
    row = replay_row(db, tenant, replay_id)
    if row is None:
        raise NotFound(f"there is no replay {replay_id}; see `matricula replay list`")
    return row


def approve(pool: Pool, tenant: str | None, replay_id: int, by: Operator) -> ReplayRow:
    """
    A second person agrees, and it begins.

    Raises:
        NotFound: There is no such replay.
        Refused: It does not wait for approval, or whoever agrees made it.
    """

    def act(db: Db, row: ReplayRow) -> bool:
        if row.created_by == by.name:
            raise Refused(f"replay {replay_id} was made by {by.name}; somebody else has to agree")
        return ActStore(db, replay_id).approve(by.name)

    return _act(pool, tenant, replay_id, by, "approve", act, "only one that waits for approval can be approved")


def pause(pool: Pool, tenant: str | None, replay_id: int, by: Operator) -> ReplayRow:
    """
    Nothing further is begun; what is under way comes to its end.

    Raises:
        NotFound, Refused: There is no such replay, or it is not running.
    """

    def act(db: Db, _: ReplayRow) -> bool:
        return ActStore(db, replay_id).pause(_why("paused", by))

    return _act(pool, tenant, replay_id, by, "pause", act, "only a running one can be paused")


def resume(pool: Pool, tenant: str | None, replay_id: int, by: Operator) -> ReplayRow:
    """
    It goes on with what is left, one at first: after a pause, after it stopped by itself, and after it was cancelled.

    Raises:
        NotFound: There is no such replay.
        Refused: It is at work or done, or another one is at work there.
    """

    def act(db: Db, row: ReplayRow) -> bool:
        choosing = ChoosingStore(db, tenant)
        choosing.lock()
        active = choosing.active(row.tenant, row.integration_id)
        if active not in (None, replay_id):
            raise Refused(f"replay {active} is at work there; it has to end before replay {replay_id} goes on")
        return ActStore(db, replay_id).resume(_why("resumed", by))

    needed = "only one that was paused, stopped or cancelled goes on"
    return _act(pool, tenant, replay_id, by, "resume", act, needed)


def cancel(pool: Pool, tenant: str | None, replay_id: int, by: Operator) -> ReplayRow:
    """
    Nothing further is begun, and another replay may be; what is under way comes to its end.

    Raises:
        NotFound, Refused: There is no such replay, or it has ended.
    """

    def act(db: Db, _: ReplayRow) -> bool:
        return ActStore(db, replay_id).cancel(_why("cancelled", by))

    return _act(pool, tenant, replay_id, by, "cancel", act, "there is nothing to cancel")


def _act(
    pool: Pool,
    tenant: str | None,
    replay_id: int,
    by: Operator,
    action: str,
    act: Callable[[Db, ReplayRow], bool],
    needed: str,
) -> ReplayRow:
    """Do it if the replay is as it has to be, and say how it stands."""
    permission = f"replays:replay:{action}"
    by.check(permission, tenant, f"replay/{replay_id}")
    with deed(pool, by) as db:
        before = find(db, tenant, replay_id)
        if not act(db, before):
            raise Refused(f"replay {replay_id} is {before.state}; {needed}")
        after = find(db, tenant, replay_id)
        told = {"state": before.state}, {"state": after.state}
        audited(db, by, permission, f"replay/{replay_id}", tenant=before.tenant, before=told[0], after=told[1])
        return after


def report(pool: Pool, tenant: str | None, replay_id: int) -> Report:
    """
    What came of it so far, and what is otherwise than the preview said.

    Raises:
        NotFound: There is no such replay.
    """
    with transaction(pool) as db:
        return replay_report(db, find(db, tenant, replay_id))


def items(pool: Pool, row: ReplayRow) -> list[ItemLine]:
    """Every member, those that ended last first."""
    with transaction(pool) as db:
        return replay_items(db, row, most=row.members)


def _why(what: str, by: Operator) -> str:
    return f"{what} by {by.name}: {by.reason}" if by.reason else f"{what} by {by.name}"
