"""
The calls of an LMS that counts them, as a worker spends them: each is paid for before it is made, and who cannot pay is
told until when to wait. Nobody waits here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock

import structlog

from db.budget import BudgetStore
from db.pool import Db, Pool, transaction
from domain.budget import INTERVAL, Purpose, Standing, admitted
from domain.errors import BudgetSpent, LmsThrottled, ProvisioningError, StoreUnavailable
from domain.integration import Calls
from domain.lms import Allowance

log = structlog.get_logger()


@dataclass(slots=True)
class Tab:
    """
    What calls are being made for, and how many were paid.

    Attributes:
        before: What has to be so before each call; raises when it is not.
    """

    purpose: Purpose
    calls: int = 0
    before: Callable[[], None] = lambda: None


_TAB: ContextVar[Tab | None] = ContextVar("tab", default=None)


@contextmanager
def spending_on(purpose: Purpose) -> Iterator[Tab]:
    """The calls made in this block are made for this purpose; those of an LMS that counts none cost nothing."""
    tab = Tab(purpose)
    token = _TAB.set(tab)
    try:
        yield tab
    finally:
        _TAB.reset(token)


class Purse:
    """
    One integration's calls. Threads share it, and other processes share what it spends from.

    Args:
        ask: What the LMS says is left; free of charge.
    """

    def __init__(self, pool: Pool, integration_id: int, calls: Calls, ask: Callable[[], Allowance]) -> None:
        self._pool = pool
        self._integration_id = integration_id
        self._calls = calls
        self._ask = ask
        self._lock = Lock()

    def pay(self) -> None:
        """
        The next call is paid for.

        Raises:
            BudgetSpent: There is none left for what it is to be made for; says until when.
            ProvisioningError: The hour is over, and the LMS does not say what the next one brings.
        """
        tab = _TAB.get() or Tab("provisioning")
        try:
            tab.before()
            if self._paid(tab):
                return
            self.known()
            if self._paid(tab):
                return
            # Read again: somebody else may have taken the last call since.
            wait = self.known().wait(tab.purpose)
        except StoreUnavailable as error:
            # What cannot be paid for is not made, and that is nobody's fault (C2).
            raise BudgetSpent(error.code, error.detail, INTERVAL) from None
        raise BudgetSpent("calls_spent", tab.purpose, wait)

    def known(self) -> Standing:
        """
        What is left, asked of the LMS where we do not know or did not ask for long.

        Raises:
            ProvisioningError: It does not say.
        """
        with transaction(self._pool) as db:
            standing = self._store(db).standing(self._calls)
        if standing is None or standing.stale:
            standing = self._correct(self._ask(), recover=True)
        return standing

    def fits(self, purpose: Purpose, *, each: int, most: int) -> int:
        """
        How many items of so many calls each there is room for now; one at least, whose call says until when to wait.

        What is read in one go and kept as a whole must not be more, or it is never kept.
        """
        return max(1, min(most, self.known().room(purpose) // each))

    def admitted(self, db: Db) -> tuple[int, ...]:
        """How many accounts of each urgency may be begun; nobody else begins any until the transaction ends."""
        store = self._store(db)
        standing = store.lock_standing(self._calls)
        return admitted(standing, store.under_way()) if standing else (0, 0, 0)

    def understood(self, stop: ProvisioningError, purpose: Purpose) -> ProvisioningError:
        """
        What stopped us, seen in the light of what is left.

        An LMS that turns us away is left in peace by everybody at once. Unless it says for how long, it is asked what
        is left. Where that is nothing, the hour was spent by us or by others, and nothing is wrong; otherwise we called
        too fast.
        """
        if not isinstance(stop, LmsThrottled) or isinstance(stop, BudgetSpent):
            return stop
        with transaction(self._pool) as db:
            self._store(db).slow_down()
        log.warning("calls turned away", integration_id=self._integration_id)
        if stop.retry_after is not None:
            return stop
        try:
            told = self._ask()
        except ProvisioningError:
            return stop
        standing = self._correct(told, recover=told.remaining <= 0)
        return BudgetSpent("calls_spent", purpose, standing.wait(purpose)) if standing.spent(purpose) else stop

    def learn(self, db: Db, tab: Tab, accounts: int) -> None:
        """So many accounts were done with the calls on the tab."""
        if accounts:
            self._store(db).learn(tab.purpose, calls=tab.calls, accounts=accounts)

    def _store(self, db: Db) -> BudgetStore:
        return BudgetStore(db, self._integration_id)

    def _paid(self, tab: Tab) -> bool:
        with transaction(self._pool) as db:
            paid = self._store(db).pay(tab.purpose, self._calls)
        if paid:
            with self._lock:
                tab.calls += 1
        return paid

    def _correct(self, told: Allowance, *, recover: bool) -> Standing:
        with transaction(self._pool) as db:
            store = self._store(db)
            store.correct(told, self._calls, recover=recover)
            standing = store.standing(self._calls)
        assert standing is not None  # noqa: S101 - it was written just now
        log.info("calls counted", integration_id=self._integration_id, limit=standing.limit, left=standing.left)
        return standing
