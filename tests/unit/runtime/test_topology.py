import json
from typing import get_args

import pytest

from runtime.topology import (
    DEAD_QUEUE,
    EVENTS,
    INBOX_QUEUE,
    RESULTS,
    TOPOLOGY,
    UNROUTED,
    UNROUTED_QUEUE,
    WAKE_UP_QUEUES,
    Exchange,
    Queue,
)

QUEUES = (*TOPOLOGY.queues, *WAKE_UP_QUEUES.values())
BY_NAME = {queue.name: queue for queue in QUEUES}


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_every_queue_says_its_type_and_a_delivery_limit_that_both_versions_understand(queue: Queue) -> None:
    assert queue.arguments["x-queue-type"] == "quorum"
    limit = queue.arguments["x-delivery-limit"]
    assert isinstance(limit, int)
    assert limit > 0


@pytest.mark.parametrize("queue", QUEUES, ids=lambda queue: queue.name)
def test_no_queue_uses_what_4_x_refuses(queue: Queue) -> None:
    assert not {"x-queue-mode", "x-max-priority", "x-queue-version", "x-expires"} & set(queue.arguments)


def test_dead_letters_of_facts_are_confirmed_and_declared_before_their_source() -> None:
    names = [queue.name for queue in TOPOLOGY.queues]
    for name in (INBOX_QUEUE, UNROUTED_QUEUE):
        arguments = BY_NAME[name].arguments
        assert arguments["x-dead-letter-routing-key"] == DEAD_QUEUE
        assert arguments["x-dead-letter-strategy"] == "at-least-once"
        assert arguments["x-overflow"] == "reject-publish"
        assert names.index(DEAD_QUEUE) < names.index(name)


def test_the_dead_queue_throws_nothing_away() -> None:
    arguments = BY_NAME[DEAD_QUEUE].arguments
    assert "x-message-ttl" not in arguments
    assert arguments["x-delivery-limit"] == 1_000_000_000


def test_an_odd_type_is_caught_by_the_alternate_exchange() -> None:
    """A15"""
    [events] = [exchange for exchange in TOPOLOGY.exchanges if exchange.name == EVENTS]
    assert events.arguments == {"alternate-exchange": UNROUTED}
    assert [binding.queue for binding in TOPOLOGY.bindings if binding.exchange == UNROUTED] == [UNROUTED_QUEUE]


def test_results_have_no_queue_of_ours() -> None:
    assert not [binding for binding in TOPOLOGY.bindings if binding.exchange == RESULTS]


def test_the_topology_is_plain_data() -> None:
    kinds = get_args(Exchange.__annotations__["kind"])
    assert all(exchange.kind in kinds for exchange in TOPOLOGY.exchanges)
    assert json.dumps([dict(queue.arguments) for queue in QUEUES])
