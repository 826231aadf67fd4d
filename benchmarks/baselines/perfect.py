"""
The client that cannot be had: it knows that nobody is there yet, has all hires at hand, and sends full batches only.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.baselines.moodle import Moodle

CALLERS = 2
CREATES = 100
ENROLMENTS = 143  # 2,000 in an even number of calls; 150 is what PHP's limit of 1,000 fields leaves room for


def provision(moodle: Moodle, hires: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """Everybody is created, then everybody is enrolled."""
    with ThreadPoolExecutor(CALLERS) as callers:
        users = [user for user, _ in hires]
        ids = [user_id for some in callers.map(moodle.create, _cut(users, CREATES)) for user_id in some]
        enrolments = [{**enrolment, "userid": user_id} for user_id, (_, enrolment) in zip(ids, hires, strict=True)]
        list(callers.map(moodle.enrol, _cut(enrolments, ENROLMENTS)))


def _cut(items: list[dict[str, Any]], size: int) -> list[list[dict[str, Any]]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
