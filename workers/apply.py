"""Stored events become facts, and facts become wanted state: in inbox order per tenant, a batch at a time."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from db.convergence import Applied, Newest, converge, event_of, note_empty_payroll
from db.facts import FactStore, InboxRow, Settled
from db.pool import Pool, transaction
from domain.errors import StoreUnavailable
from domain.events import BadEvent, Event, UnknownType
from domain.fingerprints import whereabouts
from domain.traces import named
from runtime.crashpoints import crashpoint

log = structlog.get_logger()

BATCH = 500
# What HR says during a sweep waits for one chunk at most. The pace is more than an LMS takes, and a fraction of what a
# worker could do, which has single people to see to meanwhile.
CHUNK, PACE = 100, timedelta(seconds=0.2)


def apply_events(
    pool: Pool,
    tenant: str,
    wake: Callable[[int], None],
    *,
    urgent_only: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> int:
    """
    Every stored event of the tenant is applied, superseded, failed or set aside, and what is due of sweeps is done.

    Events that come during a sweep are applied before its next chunk. Integrations are woken after each commit.

    Args:
        urgent_only: Leave sweeps to others.
        stopping: Ends it between two commits; the scheduler has it go on.

    Returns:
        Events settled.
    """
    settled = 0
    while not stopping():
        try:
            with transaction(pool) as db:
                store = FactStore(db, tenant)
                store.lock()
                done = _apply_batch(store) or (None if urgent_only else _sweep_chunk(store))
        except StoreUnavailable as error:
            # Somebody else applies this tenant's events, or Postgres is away: the scheduler sends another wake-up.
            log.info("apply put off", tenant=tenant, code=error.code)
            return settled
        if done is None:
            return settled
        crashpoint("plan.committed")
        settled += done.events
        if done.events:
            log.info("events applied", tenant=tenant, events=done.events, traces=done.traces)
        for integration_id in done.integrations:
            wake(integration_id)
    return settled


def _apply_batch(store: FactStore) -> Applied | None:
    rows = store.due_events(BATCH)
    if not rows:
        return None
    traces = named(row.trace_id for row in rows)
    if not store.known_tenant():
        store.set_aside_all()
        return Applied(events=len(rows), traces=traces)
    done = Applied(events=len(rows), traces=traces)
    store.settle(_apply_rows(store, rows, done))
    return done


def _apply_rows(store: FactStore, rows: Sequence[InboxRow], done: Applied) -> list[Settled]:
    """
    How each event ended. A bad one costs only itself: what fails as a whole is halved until it stands alone.
    """
    attempt = Applied()
    try:
        with store.savepoint():
            settled = _apply_together(store, rows, attempt)
    except StoreUnavailable:
        raise
    except Exception as error:
        if len(rows) == 1:
            log.exception("event parked as a bug", inbox_id=rows[0].inbox_id, error=type(error).__name__)
            return [Settled(rows[0].inbox_id, "failed", "bug", whereabouts(error))]
        middle = len(rows) // 2
        return [*_apply_rows(store, rows[:middle], done), *_apply_rows(store, rows[middle:], done)]
    done.people += attempt.people
    done.integrations |= attempt.integrations
    return settled


def _apply_together(store: FactStore, rows: Sequence[InboxRow], done: Applied) -> list[Settled]:
    settled: list[Settled] = []
    events: list[tuple[InboxRow, Event]] = []
    for row in rows:
        try:
            events.append((row, event_of(row)))
        except UnknownType as problem:
            settled.append(Settled(row.inbox_id, "set_aside", problem.code, problem.problem))
        except BadEvent as problem:
            settled.append(Settled(row.inbox_id, "failed", problem.code, str(problem)))
    crashpoint("parse.done")
    newest = Newest(store, [event for _, event in events])
    settled += [newest.take(row.inbox_id, event) for row, event in events]
    touched = newest.save()
    converge(store, touched, done)
    return settled


def _sweep_chunk(store: FactStore) -> Applied | None:
    sweep = store.due_sweep()
    if sweep is None:
        return None
    done = Applied()
    keys = store.sweep_people(sweep, CHUNK)
    converge(store, keys, done, swept=True)
    if sweep.payroll and not keys and not sweep.position:
        note_empty_payroll(store, sweep.payroll)
    store.advance_sweep(sweep, keys, pace=PACE, done=len(keys) < CHUNK)
    crashpoint("sweep.advanced")
    return done
