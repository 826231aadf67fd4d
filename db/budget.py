"""The calls that an LMS which counts them has left for one integration; integrations of other LMSs have none."""

from datetime import datetime
from typing import Any

from db.statements import statements
from db.store import IntegrationStore
from domain.budget import (
    FIRST_COSTS,
    INTERVAL,
    MEMORY,
    PURPOSES,
    Purpose,
    Standing,
    corrected,
    keeps,
    spacing,
    until_reset,
)
from domain.integration import Calls
from domain.lms import Allowance


class BudgetStore(IntegrationStore):
    """One integration's calls in one transaction; the clock is the database's."""

    sql = statements("budget")

    def standing(self, calls: Calls) -> Standing | None:
        """What is left; None before the LMS has ever told."""
        return _standing(self._rows("standing"), calls)

    def lock_standing(self, calls: Calls) -> Standing | None:
        """The same; nobody else begins accounts until the transaction ends."""
        return _standing(self._rows("lock_standing"), calls)

    def under_way(self) -> list[int]:
        """How many accounts of each urgency somebody is at."""
        return _by_urgency(self._rows("under_way"))

    def backlog(self) -> list[int]:
        """How many accounts of each urgency wait for their turn."""
        return _by_urgency(self._rows("backlog"))

    def now(self) -> datetime:
        now: datetime = self._rows("now")[0][0]
        return now

    def pay(self, purpose: Purpose, calls: Calls) -> bool:
        """Whether one more call may be made for this purpose; then it counts as made."""
        values = {"place": PURPOSES.index(purpose) + 1, "for_accounts": int(purpose != "poll")}
        return bool(self._rows("pay", space=spacing(calls), interval=INTERVAL, **values))

    def correct(self, told: Allowance, calls: Calls, *, recover: bool) -> None:
        """
        What the LMS says is what is left.

        Args:
            recover: Nothing was turned away since the last time, so that the pace may double again.
        """
        before = self.lock_standing(calls)
        resets_in = until_reset(told, self.now())
        hour = corrected(before, told, resets_in)
        kept = list(keeps(calls, told.limit))
        values = {"limit": told.limit, "left": hour.left, "resets_in": resets_in, "keeps": kept}
        if before is None:
            self._rows("begin", costs=list(FIRST_COSTS), **values)
        else:
            self._rows("correct", for_accounts=hour.for_accounts, others=hour.others, recover=int(recover), **values)

    def slow_down(self) -> None:
        self._rows("slow_down", interval=INTERVAL)

    def learn(self, purpose: Purpose, *, calls: int, accounts: int) -> None:
        """Accounts of this purpose took so many calls."""
        place = PURPOSES.index(purpose) + 1
        self._rows("learn", place=place, calls=calls, accounts=accounts, memory=MEMORY)


def _by_urgency(rows: list[tuple[Any, ...]]) -> list[int]:
    found = dict(rows)
    return [found.get(urgency, 0) for urgency in range(len(FIRST_COSTS))]


def _standing(rows: list[tuple[Any, ...]], calls: Calls) -> Standing | None:
    if not rows:
        return None
    limit, left, resets_in, crowd, kept, costs, *rest = rows[0]
    space = spacing(calls) * 2 ** rest[-1]
    return Standing(limit, left, resets_in, crowd, space, tuple(kept), tuple(costs), *rest)
