"""What has become of a claimed batch so far, and how its pieces end. One worker thread has it, under a lease."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from db.accounts import (
    AccountEnd,
    ClaimedAccount,
    ClaimedPlacement,
    Entry,
    MembershipEnd,
    PlacementEnd,
    Problem,
    Saved,
    WorkStore,
)
from db.pool import Db, Pool, transaction
from domain.accounts import WantedAccount
from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable, ProvisioningError, StoreUnavailable
from domain.lms import Failed, Outcome, UserFields
from domain.recovery import Decision, Give, Operation, Retry, after_stop, decide
from domain.unit_results import Shown
from workers.links import record_links
from workers.refusals import REFUSED_WAIT, Refusals
from workers.site import Site, WorkRules


class LeaseLost(Exception):
    """The lease ended under us: somebody else may be at work, so nothing more is sent or recorded."""


class Work:
    """The claimed accounts of one integration with their placements, and what has become of them so far."""

    def __init__(
        self,
        site: Site,
        pool: Pool,
        rules: WorkRules,
        accounts: Sequence[ClaimedAccount],
        placements: Iterable[ClaimedPlacement],
        held: Mapping[Operation, bool] | None = None,
    ) -> None:
        self.site = site
        self.pool = pool
        self.rules = rules
        self.accounts = {account.account_id: account for account in accounts}
        self.placements: dict[int, list[ClaimedPlacement]] = defaultdict(list)
        for placement in placements:
            self.placements[placement.account_id].append(placement)
        self.token = accounts[0].lease_token
        self.users = {a.account_id: a.lms_user_id for a in accounts if a.lms_user_id is not None}
        self.changes: dict[int, UserFields] = {}
        self.applied: dict[int, UserFields] = {}
        self.links: list[Saved] = []
        self.ends: dict[int, AccountEnd] = {}
        self.placement_ends: dict[int, PlacementEnd] = {}
        self.membership_ends: dict[int, MembershipEnd] = {}
        self.completions: dict[int, Shown] = {}
        self.problems: list[Problem] = []
        self.entries: list[Entry] = []
        self.stop: ProvisioningError | None = None
        self.refusals = Refusals(site.gateway, held or {})
        self._put_off: dict[int, Operation] = {}
        self._renewed_at = time.monotonic()

    # Ends

    def finish(self) -> list[AccountEnd]:
        """An end for every account: done, or released for later when the site stopped us."""
        for account in self.open():
            if self.stop is None:
                self.settle(account)
            else:
                self.ends[account.account_id] = AccountEnd(
                    account, "due", wait=after_stop(self.stop), burnt=False, doubt=account.doubt
                )
        for account_id, end in self.ends.items():
            end.applied = self.applied.get(account_id)
        return list(self.ends.values())

    def settle(self, account: ClaimedAccount) -> None:
        operation = self._put_off.get(account.account_id)
        if operation is not None:
            end = AccountEnd(account, "due", wait=REFUSED_WAIT, burnt=False, held_for=operation)
        else:
            reason = wanted_of(account).out_of_scope
            end = AccountEnd(account, "out_of_scope" if reason else "settled", reason)
        self.ends[account.account_id] = end

    def put_off(self, account: ClaimedAccount, operation: Operation) -> None:
        """The site refuses this operation; what else is due for the account is done all the same."""
        self._put_off[account.account_id] = operation

    def park(self, account: ClaimedAccount, code: str, detail: str) -> None:
        self.ends[account.account_id] = AccountEnd(account, "parked", code)
        self.problems.append(Problem("account", str(account.account_id), code, detail))

    def fail(self, account: ClaimedAccount, failure: ProvisioningError, operation: Operation | None = None) -> None:
        if operation and operation in self.refusals and isinstance(failure, HoldIntegration):
            self.put_off(account, operation)
            return
        if concerns_site(failure):
            self.stop = self.stop or failure
            return
        match self.decide(failure, account.attempts, account.running_for):
            case Retry(wait):
                self.ends[account.account_id] = AccountEnd(account, "due", wait=wait)
            case Give(code, detail):
                self.park(account, code, detail)

    def decide(self, failure: ProvisioningError, attempt: int, running_for: timedelta) -> Decision:
        return decide(
            failure, attempt=attempt, running_for=running_for, dice=self.rules.dice(), policy=self.rules.policy
        )

    # Leases

    def store(self, db: Db) -> WorkStore:
        return WorkStore(db, self.site.integration.integration_id)

    def open(self) -> list[ClaimedAccount]:
        return [account for account_id, account in self.accounts.items() if account_id not in self.ends]

    def renew(self) -> None:
        """Most batches are done long before their lease needs renewing; while it is young nobody else can have it."""
        if time.monotonic() - self._renewed_at < self.rules.lease.total_seconds() / 4:
            return
        with transaction(self.pool) as db:
            self.keep_lease(self.store(db))

    def keep_lease(self, store: WorkStore) -> None:
        if len(store.renew_lease(list(self.accounts.values()), self.rules.lease)) < len(self.accounts):
            raise LeaseLost
        self._renewed_at = time.monotonic()

    def save_links(self, store: WorkStore, links: Sequence[Saved]) -> None:
        if not record_links(store, self.site.integration, self.accounts, links):
            raise LeaseLost
        for link in links:
            self.users[link.account_id] = link.user_id
            self.applied[link.account_id] = link.applied


def wanted_of(account: ClaimedAccount) -> WantedAccount:
    assert account.wanted is not None  # noqa: S101 - only accounts with a wanted state are ever due
    return account.wanted


def concerns_site(failure: ProvisioningError) -> bool:
    return isinstance(failure, HoldIntegration | LmsUnavailable | LmsThrottled)


def raise_for_site(failure: ProvisioningError) -> None:
    """Trouble with one person, pair or course waits for the next time; trouble with the site or with ours ends this."""
    if concerns_site(failure) or isinstance(failure, StoreUnavailable):
        raise failure


def site_trouble(outcomes: Iterable[Outcome[Any]]) -> ProvisioningError | None:
    """What keeps us from asking this site any further, if anything does."""
    failures = (outcome.failure for outcome in outcomes if isinstance(outcome, Failed))
    return next((failure for failure in failures if concerns_site(failure)), None)
