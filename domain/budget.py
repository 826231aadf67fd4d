"""
The calls of an LMS that counts them: who may make the next one, until when others wait, how long a backlog takes.

So many calls are ours in an hour that the LMS begins and ends, and so many in any few seconds. Four purposes share
them, and each leaves some of the hour to those before it, so that a leaver is never kept waiting by a sweep. Pure: the
caller brings the clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Literal, get_args

from domain.integration import Calls
from domain.lms import Allowance

Purpose = Literal["urgent", "provisioning", "sweep", "poll"]
"""What a call is made for, the most urgent first; an account's urgency is the place of its purpose."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)

HOUR = timedelta(hours=1)
INTERVAL = timedelta(seconds=5)
"""A portal counts the calls of any five seconds, too (contract, section 6)."""

BATCH = 25
"""Accounts that are begun at once, at most: call by call they take long, and what is urgent must not wait for them."""
CHECK_EVERY = timedelta(minutes=1)
FIRST_COSTS = (2.0, 4.0, 1.0)
"""What an account of each urgency is thought to cost until some were measured: a leaver, a newcomer, a reading."""
MEMORY = 20
"""The cost of so many accounts counts as much as all that was known before."""

_LATE = timedelta(seconds=1)  # end and clock are told in whole seconds
_SAME_HOUR = timedelta(minutes=5)
_MOST_HOURS = 24 * 366


def spacing(calls: Calls) -> timedelta:
    """
    The time between two calls in a steady stream. As many as one interval holds may come at once after a rest, so that
    the calls of any five seconds are `calls.burst` at most.
    """
    return INTERVAL * 2 / calls.burst


def keeps(calls: Calls, limit: int) -> tuple[int, ...]:
    """How many calls of an hour each purpose leaves alone, in the order of PURPOSES."""
    urgent = ceil(calls.for_urgent * limit)
    provisioning = ceil((calls.for_urgent + calls.for_provisioning) * limit)
    return (0, urgent, provisioning, provisioning)


def until_reset(told: Allowance, now: datetime) -> timedelta:
    """
    How long the hour that the LMS speaks of has still to go: by its own clock where it tells it, because that may be
    wrong, and an hour at most.
    """
    distance = told.resets_at - (told.told_at or now)
    return min(max(distance, timedelta(0)), HOUR) + _LATE


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What one LMS has left for us.

    Attributes:
        limit: Calls of a whole hour; left: of this one.
        resets_in: Until the hour is over. What the next one brings is asked for, never assumed, before it is used.
        crowd: How full the last seconds are with calls, as time: each puts `space` on top, nothing fits above INTERVAL.
        keeps: As `keeps` has them.
        costs: Calls that an account of each urgency took lately.
        for_accounts: Calls of this hour that were made for accounts.
        others: Calls of the last hour that were not: polls, and whoever else uses the same LMS.
        checked: How long ago the LMS told what is left.
        slowed: How often the pace was halved because it turned us away.
    """

    limit: int
    left: int
    resets_in: timedelta
    crowd: timedelta
    space: timedelta
    keeps: tuple[int, ...]
    costs: tuple[float, ...] = FIRST_COSTS
    for_accounts: int = 0
    others: int = 0
    checked: timedelta = timedelta(0)
    slowed: int = 0

    @property
    def stale(self) -> bool:
        """Whether the LMS is to be asked before anything is made of this."""
        return self.resets_in <= timedelta(0) or self.checked >= CHECK_EVERY

    def renewed(self) -> "Standing":
        """What is left if the LMS begins a new hour as soon as the old one is over, as it mostly will."""
        if self.resets_in > timedelta(0):
            return self
        others = max(0, self.limit - self.left - self.for_accounts)
        return replace(self, left=self.limit, resets_in=HOUR, for_accounts=0, others=others)

    def room(self, purpose: Purpose) -> int:
        """Calls that may be made for it now."""
        return max(0, min((INTERVAL - self.crowd) // self.space, self.left - self._kept(purpose)))

    def most_room(self, purpose: Purpose) -> int:
        """Calls that might be made for it at once at the beginning of an hour."""
        return max(0, min(INTERVAL // self.space, self.limit - self._kept(purpose)))

    def spent(self, purpose: Purpose) -> bool:
        """Whether nothing of the hour is left for it."""
        return self.left <= self._kept(purpose)

    def wait(self, purpose: Purpose) -> timedelta:
        """How long it is until a call may be made for it."""
        if self.spent(purpose):
            return self.resets_in
        return max(timedelta(0), self.crowd + self.space - INTERVAL)

    def _kept(self, purpose: Purpose) -> int:
        return self.keeps[PURPOSES.index(purpose)]


@dataclass(frozen=True, slots=True)
class Hour:
    """The calls of one hour, as in Standing."""

    left: int
    for_accounts: int = 0
    others: int = 0


def corrected(before: Standing | None, told: Allowance, resets_in: timedelta) -> Hour:
    """
    The hour after the LMS has told of it.

    Of the hour that we know, calls that are on their way may not be among those it counted, so that the lower figure
    is right. With a new one it is known what went to others in the last.
    """
    left = max(0, told.remaining)
    if before is None:
        return Hour(left)
    if resets_in > before.resets_in + _SAME_HOUR:
        return Hour(left, others=max(0, before.limit - before.left - before.for_accounts))
    known = min(before.left, left) if told.limit == before.limit else left
    return Hour(known, before.for_accounts, before.others)


def admitted(standing: Standing, under_way: Sequence[int]) -> tuple[int, ...]:
    """
    How many accounts of each urgency may be begun.

    A batch that is begun should not end for want of calls, because what it looked up would be lost. So there must be
    room for all its calls besides those of the accounts under way that go before it or with it. An account that takes
    more calls than there can ever be room for is begun when there is as much as there can be. While we are turned away
    they are fewer at once, so that one person whose calls alone it turns away ends up alone (D19).
    """
    found = []
    promised = 0.0
    for purpose, cost, busy in zip(PURPOSES, standing.costs, under_way, strict=False):
        promised += cost * busy
        each = max(1.0, min(cost, standing.most_room(purpose)))
        found.append(min(BATCH // 5**standing.slowed, int(max(0.0, standing.room(purpose) - promised) // each)))
    return tuple(found)


def forecast(standing: Standing, backlog: Sequence[int]) -> tuple[timedelta | None, ...]:
    """
    How long until the accounts of each urgency are done, hour by hour; None when that is never.

    In each hour the more urgent go first, each leaves what it has to leave, and polls and strangers take as much as in
    the last hour.
    """
    needs = [count * cost for count, cost in zip(backlog, standing.costs, strict=True)]
    done: list[timedelta | None] = [None] * len(needs)
    standing = standing.renewed()
    taken = standing.limit - standing.left - standing.for_accounts
    begins, ends = timedelta(0), standing.resets_in
    free = standing.left - max(0, standing.others - taken)
    for _ in range(_MOST_HOURS):
        used = 0.0
        at_most = (ends - begins) / standing.space
        for place, kept in enumerate(standing.keeps[: len(needs)]):
            share = min(needs[place], max(0.0, min(free - kept, at_most) - used))
            needs[place] -= share
            used += share
            if needs[place] <= 0 and done[place] is None:
                done[place] = begins + standing.space * used
        if None not in done or (begins and not used):
            break
        begins, ends = ends, ends + HOUR
        free = standing.limit - standing.others
    return tuple(done)
