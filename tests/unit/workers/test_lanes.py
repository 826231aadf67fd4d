"""How many threads of a process work for one scope, and on what."""

import threading

import pytest

from workers.actors import Lanes


def lanes(*, threads: int = 9) -> Lanes:
    return Lanes(patient=2, urgent=1, patience=threading.BoundedSemaphore(threads))


def entered(lanes: Lanes, *scopes: str) -> list[bool | None]:
    """What each wake-up is told while those before it are still at work; None for one that found no lane."""
    told: list[bool | None] = []

    def enter(waiting: tuple[str, ...]) -> None:
        if not waiting:
            return
        before = len(told)
        lanes.run(waiting[0], lambda urgent_only: (told.append(urgent_only), enter(waiting[1:]))[0])
        if len(told) == before:
            told.append(None)
            enter(waiting[1:])

    enter(scopes)
    return told


def test_the_last_lane_of_a_scope_is_for_what_somebody_waits_for() -> None:
    """R18, B12: a sweep never has them all, and a wake-up too many ends at once."""
    assert entered(lanes(), "a", "a", "a", "a") == [False, False, True, None]


def test_every_scope_has_lanes_of_its_own() -> None:
    """B12, B13: one slow site leaves the others theirs."""
    assert entered(lanes(), "a", "a", "b", "b", "b") == [False, False, False, False, True]


def test_sweeps_of_all_scopes_together_leave_a_thread_free() -> None:
    """R18: two integrations that take in the same payroll at once are no exception."""
    assert entered(lanes(threads=3), "a", "a", "b", "b", "b") == [False, False, False, True, None]


def test_a_lane_is_free_again_however_its_work_ended() -> None:
    narrow = Lanes(patient=1, urgent=0, patience=threading.BoundedSemaphore(1))

    def fail(_: bool) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        narrow.run("a", fail)

    assert entered(narrow, "a") == [False]
    assert entered(narrow, "b", "b") == [False, None]
