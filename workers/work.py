"""What has become of a claimed batch so far, and how its pieces end. One worker thread has it, under a lease."""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from db.accounts import AccountEnd, ClaimedAccount, ClaimedPlacement, PlacementEnd, Problem, Saved, WorkStore
from db.pool import Db, Pool, transaction
from domain.accounts import WantedAccount
from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable, ProvisioningError
from domain.lms import Completion, UserFields
from domain.recovery import Decision, Give, Retry, after_stop, decide
from workers.links import record_links
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
        self.completions: dict[int, Completion] = {}
        self.problems: list[Problem] = []
        self.stop: ProvisioningError | None = None
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
        reason = wanted_of(account).out_of_scope
        self.ends[account.account_id] = AccountEnd(account, "out_of_scope" if reason else "settled", reason)

    def park(self, account: ClaimedAccount, code: str, detail: str) -> None:
        self.ends[account.account_id] = AccountEnd(account, "parked", code)
        self.problems.append(Problem("account", str(account.account_id), code, detail))

    def fail(self, account: ClaimedAccount, failure: ProvisioningError) -> None:
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
