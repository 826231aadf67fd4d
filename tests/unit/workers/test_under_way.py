import threading

import pytest
from dramatiq import Message
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker

from workers.middleware import UnderWay

BROKER = StubBroker(middleware=[])
MESSAGE: MessageProxy = MessageProxy(Message("apply", "apply", (), {}, {}))
TOO_LONG = UnderWay.LONGEST.total_seconds() + 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def under_way(clock: Clock) -> UnderWay:
    return UnderWay(clock)


def test_a_wake_up_that_never_ends_is_stuck(under_way: UnderWay, clock: Clock) -> None:
    under_way.before_process_message(BROKER, MESSAGE)
    clock.now = UnderWay.LONGEST.total_seconds()
    assert not under_way.stuck()

    clock.now = TOO_LONG
    assert under_way.stuck()


@pytest.mark.parametrize("problem", [None, RuntimeError("a bug")])
def test_a_wake_up_that_ended_is_not_stuck(under_way: UnderWay, clock: Clock, problem: Exception | None) -> None:
    under_way.before_process_message(BROKER, MESSAGE)
    under_way.after_process_message(BROKER, MESSAGE, exception=problem)

    clock.now = TOO_LONG
    assert not under_way.stuck()


def test_a_wake_up_that_was_skipped_is_not_stuck(under_way: UnderWay, clock: Clock) -> None:
    under_way.before_process_message(BROKER, MESSAGE)
    under_way.after_skip_message(BROKER, MESSAGE)

    clock.now = TOO_LONG
    assert not under_way.stuck()


def test_one_stuck_thread_is_seen_beside_those_that_work(under_way: UnderWay, clock: Clock) -> None:
    stuck = threading.Thread(target=under_way.before_process_message, args=(BROKER, MESSAGE))
    stuck.start()
    stuck.join()
    clock.now = TOO_LONG

    under_way.before_process_message(BROKER, MESSAGE)
    under_way.after_process_message(BROKER, MESSAGE)

    assert under_way.stuck()
