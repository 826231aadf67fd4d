"""
Wake-ups on a real broker, heard by a real Dramatiq worker.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import amqp
import dramatiq
import pytest
from dramatiq.broker import Broker

from producers.wakeups import WakeUpBroker, WakeUps, wakeup_broker
from runtime.topology import APPLY, MAINTENANCE, POLL, PROVISION, WAKE_UP_QUEUES
from tests.support.link import linked
from tests.support.queues import channel, depth
from tests.support.waiting import until

LONG = timedelta(seconds=30)


@pytest.fixture
def broker(amqp_url: str) -> Iterator[WakeUpBroker]:
    opened = wakeup_broker(amqp_url)
    yield opened
    opened.close()


@contextmanager
def working(broker: Broker, act: Callable[..., None], *names: str) -> Iterator[dramatiq.Worker]:
    """A worker on which every actor of these names does the same."""
    for name in names:
        dramatiq.actor(broker=broker, actor_name=name, queue_name=name)(act)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def exists(amqp_url: str, queue: str) -> bool:
    with channel(amqp_url) as opened:
        try:
            opened.queue_declare(queue, passive=True)
        except amqp.NotFound:
            return False
        return True


def test_each_wake_up_reaches_the_actor_of_its_name_with_its_scope(broker: WakeUpBroker) -> None:
    heard: list[tuple[Any, ...]] = []
    wakeups = WakeUps(broker)

    def all_heard() -> bool:
        """A queue that was made a moment ago may refuse one; the next tick sends it again, as here."""
        wakeups.apply("Ångström & Söhne")
        wakeups.provision(7)
        wakeups.poll(8)
        wakeups.maintain()
        return len(set(heard)) == 4

    with working(broker, lambda *scope: heard.append(scope), APPLY, PROVISION, POLL, MAINTENANCE):
        until(all_heard, every=timedelta(seconds=0.5))

    assert set(heard) == {("Ångström & Söhne",), (7,), (8,), ()}


def test_only_the_queues_of_the_topology_are_made_and_consumed(amqp_url: str, broker: WakeUpBroker) -> None:
    with working(broker, print, *WAKE_UP_QUEUES) as worker:
        until(lambda: all(exists(amqp_url, name) for name in WAKE_UP_QUEUES))
        assert set(worker.consumers) == set(WAKE_UP_QUEUES)

    assert not any(exists(amqp_url, f"{name}.{suffix}") for name in WAKE_UP_QUEUES for suffix in ("DQ", "XQ"))


@pytest.mark.parametrize("name", WAKE_UP_QUEUES)
def test_kombu_and_dramatiq_declare_the_same_queue(amqp_url: str, broker: WakeUpBroker, name: str) -> None:
    broker.declare_queue(name, ensure=True)

    with channel(amqp_url) as opened:
        # The broker answers 406 when an argument differs.
        arguments = dict(WAKE_UP_QUEUES[name].arguments)
        declared = opened.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)

    assert declared.queue == name


def test_a_failing_actor_loses_its_wake_up_and_nothing_else(amqp_url: str, broker: WakeUpBroker) -> None:
    """Its work is a row, which the scheduler finds again."""
    runs: list[str] = []

    def fail(tenant: str) -> None:
        runs.append(tenant)
        raise RuntimeError("a bug")

    with working(broker, fail, APPLY):
        WakeUps(broker).apply("acme")
        until(lambda: runs == ["acme"])
        WakeUps(broker).apply("other")
        until(lambda: runs == ["acme", "other"])

    assert depth(amqp_url, APPLY) == 0


def test_an_idle_connection_that_was_cut_is_replaced(amqp_url: str) -> None:
    with linked(amqp_url) as (link, url):
        broker = wakeup_broker(url)
        wakeups = WakeUps(broker)
        wakeups.provision(1)
        link.cut()
        wakeups.provision(2)
        broker.close()

    assert depth(amqp_url, PROVISION) == 2


def test_a_deleted_queue_is_declared_again(amqp_url: str, broker: WakeUpBroker) -> None:
    """A4"""
    wakeups = WakeUps(broker)
    wakeups.poll(1)
    with channel(amqp_url) as opened:
        opened.queue_delete(POLL)

    wakeups.poll(2)

    assert depth(amqp_url, POLL) == 1


def test_a_wake_up_that_cannot_be_sent_is_forgotten_and_so_are_the_next_ones(amqp_url: str) -> None:
    """A3, B6: the scheduler repeats it."""
    with linked(amqp_url) as (link, url):
        wakeups = WakeUps(wakeup_broker(url))
        link.open = False
        wakeups.apply("acme")
        tries = link.connections
        for tenant in range(100):
            wakeups.apply(f"tenant-{tenant}")

        assert tries > 0
        assert link.connections == tries


def test_sending_resumes_when_the_broker_is_back(amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.wakeups.SILENCE", timedelta(0))
    with linked(amqp_url) as (link, url):
        broker = wakeup_broker(url)
        wakeups = WakeUps(broker)
        link.open = False
        wakeups.apply("acme")
        link.open = True

        def arrived() -> bool:
            """A queue that was made a moment ago may refuse one; the next tick sends it again, as here."""
            wakeups.apply("acme")
            return depth(amqp_url, APPLY) > 0

        assert until(arrived)
        broker.close()


def test_a_silent_broker_holds_up_a_send_within_bounds(amqp_url: str) -> None:
    """A6"""
    with linked(amqp_url) as (link, url):
        broker = wakeup_broker(url)
        link.silent = True
        sending = threading.Thread(target=WakeUps(broker).apply, args=("acme",), daemon=True)
        sending.start()
        sending.join(LONG.total_seconds())

        assert not sending.is_alive()


def test_delays_are_refused(broker: WakeUpBroker) -> None:
    message: dramatiq.Message[None] = dramatiq.Message(
        queue_name=APPLY, actor_name=APPLY, args=(), kwargs={}, options={}
    )
    with pytest.raises(ValueError, match="never delayed"):
        broker.enqueue(message, delay=1000)


def test_a_queue_that_is_not_in_the_topology_is_refused(broker: WakeUpBroker) -> None:
    with pytest.raises(KeyError):
        broker.declare_queue("payroll")


def test_a_broker_for_wake_ups_has_no_retries(broker: WakeUpBroker) -> None:
    assert [type(one).__name__ for one in broker.middleware] == []
