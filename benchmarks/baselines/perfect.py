"""
The client that cannot be had: it knows that nobody is there yet, has all hires at hand, and sends full batches only.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any

from benchmarks.baselines.moodle import Moodle

CALLERS = 2
CREATES = 100
ENROLMENTS = 150  # what PHP's limit of 1,000 fields leaves room for


def provision(moodle: Moodle, hires: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Everybody is created, then everybody is enrolled."""
    with ThreadPoolExecutor(CALLERS) as callers:
        users = [user for user, _ in hires]
        ids = [user_id for some in callers.map(moodle.create, _cut(users, CREATES)) for user_id in some]
        enrolments = [{**enrolment, "userid": user_id} for user_id, (_, enrolment) in zip(ids, hires, strict=True)]
        list(callers.map(moodle.enrol, _cut(enrolments, _shared(len(enrolments), ENROLMENTS))))


def _shared(items: int, most: int) -> int:
    """The size of calls that gives every caller equally many."""
    return ceil(items / (CALLERS * ceil(items / (CALLERS * most))))


def _cut(items: list[dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
