"""
Waiting for facts, so that no test sleeps and hopes.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")


class NotInTime(AssertionError):
    """
    A fact did not come true in the time it was given.
    """


def until(
    fact: Callable[[], T],
    timeout: timedelta = timedelta(seconds=30),
    describe: str | Callable[[], str] = "",
    every: timedelta = timedelta(milliseconds=20),
) -> T:
    """
    Return the first truthy value of `fact`, asking again and again.

    It is asked once more at the very end, so a fact is not missed because the machine was busy. What it raises is not
    caught.

    Args:
        describe: What is waited for; a callable is called when it did not come, and may look into the state.

    Raises:
        NotInTime: With the description and the last value.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    while True:
        last_try = time.monotonic() >= deadline
        value = fact()
        if value:
            return value
        if last_try:
            what = describe() if callable(describe) else describe or getattr(fact, "__qualname__", repr(fact))
            raise NotInTime(f"Not within {timeout.total_seconds():g} s: {what}. Last value: {value!r}")
        time.sleep(every.total_seconds())
