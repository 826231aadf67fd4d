"""
When suspensions are so many that a person decides first (F8).

An export that went wrong looks like a mass leave. Suspensions are counted per payroll of an integration over a sliding
window; what goes past the limit is staged before anything of it is written. Only positive statements of HR get as far
as this: what is merely missing from a list suspends nobody.
"""

import math
from dataclasses import dataclass
from typing import Literal

from domain.integration import Guard

GuardState = Literal["open", "approved", "rejected", "undone"]


@dataclass(frozen=True, slots=True)
class Window:
    """
    One payroll of one integration as it stands.

    Attributes:
        linked: Its people with an LMS account.
        passed: Those of them who were suspended unasked within the window.
        guarded: Whether an earlier event is still undecided.
    """

    linked: int
    passed: int
    guarded: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the suspensions go on unasked; `counted` and `limit` are what was compared."""

    passes: bool
    counted: int
    limit: int


def limit_of(linked: int, guard: Guard) -> int:
    """How many people of `linked` may be suspended unasked within the window; a started person counts whole."""
    return max(guard.at_least, math.ceil(guard.share * linked))


def judge(asked: int, window: Window, guard: Guard) -> Verdict:
    """
    Whether `asked` more suspensions pass: all of them or none, so that nothing of a mass leave is written early.

    While an event is undecided everything joins it: who can tell a leaver of today from one of the same bad export.
    """
    limit = limit_of(window.linked, guard)
    counted = window.passed + asked
    return Verdict(not window.guarded and counted <= limit, counted, limit)
