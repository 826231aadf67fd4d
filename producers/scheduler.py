"""
The clock: every second whatever is due wakes a worker, and what waits in the outbox goes out.

It only reads and repeats. Two schedulers do no harm, and a scheduler that was away costs the time it was away.
"""

import threading
from datetime import timedelta

import structlog

from db import outbox
from db.pool import Pool, transaction
from db.schedule import due_scopes
from domain.errors import StoreUnavailable
from producers.outbox_relay import relay_once
from producers.publisher import Publisher
from producers.wakeups import WakeUps
from runtime.crashpoints import crashpoint
from runtime.liveness import CLOCK, RELAY, beat

log = structlog.get_logger()

RELAY_PAUSE = timedelta(milliseconds=200)
UNROUTABLE_AGAIN = timedelta(minutes=5)


def wake_due(pool: Pool, wakeups: WakeUps) -> None:
    """Every scope with due work has a wake-up on its way."""
    with transaction(pool) as db:
        due = due_scopes(db)
    crashpoint("sweeper.selected")
    for tenant in due.apply:
        wakeups.apply(tenant)
    for integration_id in due.provision:
        wakeups.provision(integration_id)
    for integration_id in due.poll:
        wakeups.poll(integration_id)
    if due.maintenance:
        wakeups.maintain()
    if due.apply or due.provision or due.poll or due.maintenance:
        crashpoint("sweeper.sent")


def run_clock(pool: Pool, wakeups: WakeUps, stop: threading.Event, tick: timedelta) -> None:
    """Wake what is due, every tick, until stopped."""
    while not stop.is_set():
        try:
            wake_due(pool, wakeups)
            beat(CLOCK)
        except StoreUnavailable as error:
            log.warning("schedule not read", code=error.code)
        stop.wait(tick.total_seconds())


def run_relay(pool: Pool, publisher: Publisher, stop: threading.Event) -> None:
    """Publish what is in the outbox until stopped; what nobody wanted is offered again now and then."""
    offered = threading.Event()
    timer: threading.Timer | None = None
    while not stop.is_set():
        try:
            if not offered.is_set():
                _offer_again(pool)
                offered.set()
                timer = threading.Timer(UNROUTABLE_AGAIN.total_seconds(), offered.clear)
                timer.daemon = True
                timer.start()
            relayed = relay_once(pool, publisher)
            beat(RELAY)
            if relayed:
                continue
        except StoreUnavailable as error:
            log.warning("outbox not relayed", code=error.code)
        stop.wait(RELAY_PAUSE.total_seconds())
    if timer:
        timer.cancel()


def _offer_again(pool: Pool) -> None:
    with transaction(pool) as db:
        outbox.send_again(db, outbox.UNROUTABLE)
