"""Replays go on: what was begun is settled by what the workers recorded, and the next step is taken."""

from collections.abc import Sequence

import structlog

from db.pool import Db, Pool, transaction
from db.releases import ReleaseStore
from db.replays import Locked, Next, ReplayStore, at_work
from domain.errors import StoreUnavailable
from domain.fingerprints import whereabouts
from domain.replays import Go, Over, Rules, Stop, Wait, chunk_of, next_step, pause_after
from runtime.crashpoints import crashpoint

log = structlog.get_logger()


def advance_replays(pool: Pool) -> None:
    """
    Every replay has come as far as it may now.

    All of it is rows: whoever is killed in between, the next tick finds everything where it was left.
    """
    with transaction(pool) as db:
        found = at_work(db)
    for replay_id in found:
        try:
            _advance(replay_id, pool)
        except StoreUnavailable as error:
            log.info("replay put off", replay_id=replay_id, code=error.code)
        except Exception as error:
            # A bug. Tried again it would be met again, every second.
            log.exception("replay broken", replay_id=replay_id, error=type(error).__name__)
            with transaction(pool) as db:
                ReplayStore(db, replay_id).end("stopped", whereabouts(error))


def _advance(replay_id: int, pool: Pool) -> None:
    with transaction(pool) as db:
        store = ReplayStore(db, replay_id)
        settled = store.settle() if store.lock() else 0
    if settled:
        crashpoint("replay.item_done")
    with transaction(pool) as db:
        store = ReplayStore(db, replay_id)
        replay = store.lock()
        begun = _step(db, store, replay) if replay and replay.state == "running" else 0
    if begun:
        crashpoint("replay.item_claimed")
        log.info("replay went on", replay_id=replay_id, begun=begun)


def _step(db: Db, store: ReplayStore, replay: Locked) -> int:
    """How many items were begun."""
    chunk = chunk_of(replay.lms, replay.per_minute)
    store.skip_gone()
    match next_step(store.standing(replay.ladder_from), Rules(**replay.rules), chunk):
        case Over():
            store.end("done")
            log.info("replay done", replay_id=replay.replay_id)
        case Stop(why):
            store.end("stopped", why)
            log.warning("replay stopped", replay_id=replay.replay_id)
        case Go(most) if replay.may_go_on and replay.site_ready:
            return _begin(db, store, replay, store.following(most))
        case Go() | Wait():
            pass
    return 0


def _begin(db: Db, store: ReplayStore, replay: Locked, items: Sequence[Next]) -> int:
    places = {item.failure_id: item.position for item in items}
    members = [item.member(replay) for item in items]
    releases = ReleaseStore(db, replay.tenant)
    if replay.integration_id is None:
        released, _ = releases.release_messages(members)
    else:
        released = releases.release_work(members, replay.mode)
    store.begin(replay, [places[member.failure_id] for member in released.begun])
    store.fail({places[member.failure_id]: code for member, code in released.blocked})
    store.go_on_after(pause_after(len(released.begun), replay.per_minute))
    return len(released.begun)
