"""
One claimed batch on its way into the LMS: find, create, update, enrol.

Each step leaves behind what is known; whatever happens, `workers.provision` records it. Between a call and its record
lies doubt: a user name is reserved before it is sent, a link is saved as soon as it is known, and a create whose
outcome is unknown is looked up, never sent again at once.
"""

import secrets
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from db.accounts import AccountEnd, ClaimedAccount, ClaimedPlacement, PlacementEnd, Problem, Saved, WorkStore
from db.failures import UsernameTaken
from db.guards import GuardStore
from db.pool import Db, Pool, transaction
from domain.accounts import (
    MAX_STARTS,
    Create,
    Leave,
    Link,
    Park,
    WantedAccount,
    observed,
    plan_linked,
    plan_newcomer,
)
from domain.addresses import is_pseudo
from domain.enrolments import hindrance, merged
from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    UnknownOutcome,
)
from domain.lms import Completion, Done, Failed, LmsEnrolment, LmsUser, NewUser, Pair, UserChange, UserFields
from domain.recovery import Give, Retry, decide
from domain.usernames import candidates
from lms.look_ups import candidates_of, free_usernames, protected_ids
from runtime.crashpoints import crashpoint
from workers.guarding import stage_excess
from workers.links import record_links
from workers.site import Site, WorkRules

log = structlog.get_logger()

PUT_OFF = timedelta(minutes=5)
EXPLAINED_AT_MOST = 10
"""Refused creates per batch that are looked into with a call of their own."""


class LeaseLost(Exception):
    """The lease ended under us: somebody else may be at work, so nothing more is sent or recorded."""


class Batch:
    """The claimed accounts of one integration with their placements, and what has become of them so far."""

    def __init__(
        self,
        site: Site,
        pool: Pool,
        rules: WorkRules,
        accounts: Sequence[ClaimedAccount],
        placements: Iterable[ClaimedPlacement],
    ) -> None:
        self._site = site
        self._pool = pool
        self._rules = rules
        self._maps = site.integration.settings.people.fields
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
        self._protected: frozenset[str] = frozenset()
        self._to_create: list[ClaimedAccount] = []
        self._chosen: dict[int, str] = {}
        self._renewed_at = time.monotonic()

    def run(self) -> None:
        """
        Every account is brought as far as the LMS lets it come.

        Raises:
            LeaseLost: It took too long; nothing may be recorded.
        """
        self._park_killers()
        decide = (self._heed, self._find, self._guard, self._reserve)
        for step in (*decide, self._create, self._update, self._last_look, self._enrol):
            if self.stop is None:
                step()

    # Steps

    def _park_killers(self) -> None:
        for account in self.accounts.values():
            if account.starts > MAX_STARTS:
                self._park(account, "starts_without_end", f"{account.starts - 1} starts had no end")

    def _heed(self) -> None:
        """Whom a person decided to keep active stays active until HR says something new."""
        leaving = [account.account_id for account in self._open() if _wanted(account).suspended]
        if not leaving:
            return
        with transaction(self._pool) as db:
            kept = GuardStore(db, self._site.integration.integration_id).overruled(leaving)
        for account_id in kept:
            account = self.accounts[account_id]
            wanted = _wanted(account).model_copy(update={"suspended": False})
            self.accounts[account_id] = replace(account, wanted=wanted)

    def _find(self) -> None:
        """Everybody has a plan: link, create, update, leave or park."""
        unlinked = [a for a in self._open() if a.account_id not in self.users and not _wanted(a).linked_only]
        unread = [a for a in self._open() if a.account_id in self.users and not a.applied]
        try:
            self._protected = protected_ids(self._site.gateway, self._site.integration.settings.people.protected)
            found = self._candidates(unlinked)
            read = {user.user_id: user for user in self._by_id(unread)}
        except ProvisioningError as error:
            self.stop = error
            return
        owners, refused = self._known({user.user_id for users in found.values() for user in users}, unlinked)
        for account in self._open():
            if account.account_id in self.users:
                self._plan_linked(account, read.get(self.users[account.account_id]))
            elif account.account_id in found:
                self._plan_unlinked(account, found[account.account_id], owners, refused.get(account.account_id, ()))

    def _known(
        self, user_ids: Set[str], accounts: Sequence[ClaimedAccount]
    ) -> tuple[dict[str, int], dict[int, list[str]]]:
        """Whose the LMS users are already, by account id, and which of them a person said are somebody else."""
        if not user_ids:
            return {}, {}
        with transaction(self._pool) as db:
            store = self._store(db)
            return store.linked_elsewhere(user_ids), store.refused([account.account_id for account in accounts])

    def _candidates(self, accounts: Sequence[ClaimedAccount]) -> dict[int, list[LmsUser]]:
        people = {account.account_id: _wanted(account) for account in accounts}
        match_by = self._site.integration.settings.people.match_by
        return candidates_of(self._site.gateway, people, match_by=match_by, protected=self._protected)

    def _by_id(self, accounts: Sequence[ClaimedAccount]) -> Sequence[LmsUser]:
        if not accounts:
            return ()
        return self._site.gateway.find_users("user_id", [self.users[a.account_id] for a in accounts])

    def _plan_linked(self, account: ClaimedAccount, read: LmsUser | None) -> None:
        if self.users[account.account_id] in self._protected:
            self._park(account, "protected_account", f"LMS user {self.users[account.account_id]} may not be touched")
            return
        held = account.applied or (observed(read, self._maps) if read else None)
        if held is None:
            self._park(account, "account_gone", f"LMS user {self.users[account.account_id]} is not there any more")
            return
        self.applied[account.account_id] = held
        self.changes[account.account_id] = plan_linked(_wanted(account), self.users[account.account_id], held).changes

    def _plan_unlinked(
        self, account: ClaimedAccount, found: Sequence[LmsUser], owners: dict[str, int], refused: Collection[str]
    ) -> None:
        owned = {user_id for user_id, owner in owners.items() if owner != account.account_id}
        match_by = self._site.integration.settings.people.match_by
        # A reserved user name means that a create of ours may have been sent before.
        plan = plan_newcomer(
            _wanted(account),
            found,
            match_by=match_by,
            ours=account.username is not None,
            owned=owned,
            refused=refused,
            maps=self._maps,
        )
        match plan:
            case Park(code, detail):
                self._park(account, code, detail)
            case Leave():
                pass
            case Link(user_id, how, changes):
                made_by_us = account.username is not None and any(u.username == account.username for u in found)
                held = next(observed(user, self._maps) for user in found if user.user_id == user_id)
                self.links.append(Saved(account.account_id, user_id, "created" if made_by_us else how, held))
                self.changes[account.account_id] = changes
            case Create():
                self._to_create.append(account)

    def _guard(self) -> None:
        """Suspensions past the limit wait for a person; nothing of them is written."""
        suspending = [account_id for account_id, fields in self.changes.items() if fields.get("suspended") is True]
        suspending = [account_id for account_id in suspending if account_id not in self.ends]
        if not suspending:
            return
        with transaction(self._pool) as db:
            staged = stage_excess(db, self._site.integration, self.accounts, suspending)
        for account_id in staged:
            self.ends[account_id] = AccountEnd(self.accounts[account_id], "staged", "mass_suspension")

    def _reserve(self) -> None:
        """Links are saved, and every newcomer has a user name that nobody else has, here or in the LMS."""
        try:
            chosen = self._choose_usernames()
        except ProvisioningError as error:
            self.stop = error
            chosen = {}
        if not self.links and not chosen:
            return
        try:
            self._commit_intent(chosen)
        except UsernameTaken:
            # Another batch was faster; its reservation shows by now.
            self._reserve()
            return
        self._chosen = chosen
        crashpoint("user.intent_committed")

    def _commit_intent(self, chosen: dict[int, str]) -> None:
        with transaction(self._pool) as db:
            store = self._store(db)
            self._keep_lease(store)
            self._save_links(store, self.links)
            if chosen:
                store.reserve_usernames(self.token, chosen)

    def _choose_usernames(self) -> dict[int, str]:
        """The first candidate of each newcomer that is free; whoever has none is parked."""
        names = {a.account_id: list(_usernames(a)) for a in self._to_create}
        if not names:
            return {}
        with transaction(self._pool) as db:
            reserved = self._store(db).usernames_reserved({name for options in names.values() for name in options})
        chosen, without = free_usernames(self._site.gateway, names, reserved)
        for account_id in without:
            self._park(self.accounts[account_id], "username_taken", "every possible user name is taken")
        return chosen

    def _create(self) -> None:
        accounts = [a for a in self._to_create if a.account_id not in self.ends]
        if not accounts:
            return
        new = [self._new_user(account) for account in accounts]
        crashpoint("user.before_http")
        outcomes = self._site.gateway.create_users(new)
        crashpoint("user.response_read")
        links: list[Saved] = []
        doubtful: list[ClaimedAccount] = []
        refused: list[tuple[ClaimedAccount, NeedsAttention]] = []
        for account, outcome in zip(accounts, outcomes, strict=True):
            match outcome:
                case Done(user_id):
                    links.append(Saved(account.account_id, user_id, "created", _as_created(_wanted(account))))
                case Failed(UnknownOutcome()):
                    doubtful.append(account)
                case Failed(NeedsAttention() as failure):
                    refused.append((account, failure))
                case Failed(failure):
                    self._fail(account, failure)
        links += self._read_back(doubtful)
        if links:
            with transaction(self._pool) as db:
                self._save_links(self._store(db), links)
        crashpoint("user.outcome_committed")
        self.links += links
        for link in links:
            self.changes[link.account_id] = (
                {"suspended": True} if _wanted(self.accounts[link.account_id]).suspended else {}
            )
        self._explain(refused)

    def _new_user(self, account: ClaimedAccount) -> NewUser:
        wanted = _wanted(account)
        password = self._site.preset_password.reveal() if self._site.preset_password else None
        if password is None and is_pseudo(wanted.email):
            # The LMS would mail a password to an address that nobody reads (R63).
            password = f"{secrets.token_urlsafe(24)}aA1-"
        return NewUser(
            username=self._chosen[account.account_id],
            email=wanted.email,
            first_name=wanted.first_name,
            last_name=wanted.last_name,
            external_key=wanted.external_key,
            password=password,
            custom=wanted.custom,
        )

    def _read_back(self, doubtful: Sequence[ClaimedAccount]) -> list[Saved]:
        """
        Who of those in doubt is in the LMS after all. The others are looked for once more before anything is sent
        again, because an effect may show late (D7).
        """
        if not doubtful:
            return []
        try:
            found = self._site.gateway.find_users("username", [self._chosen[a.account_id] for a in doubtful])
        except ProvisioningError as error:
            self.stop = error
            found = ()
        made = {user.username: user for user in found}
        links: list[Saved] = []
        for account in doubtful:
            user = made.get(self._chosen[account.account_id])
            if user and user.external_key == _wanted(account).external_key:
                links.append(Saved(account.account_id, user.user_id, "created", observed(user, self._maps)))
            else:
                self._fail(account, UnknownOutcome("outcome_unknown"))
                self.ends[account.account_id].doubt = 1
        return links

    def _explain(self, refused: Sequence[tuple[ClaimedAccount, NeedsAttention]]) -> None:
        """An LMS does not say what it dislikes; an address that differs in case only is the likeliest (section 3.3)."""
        for index, (account, failure) in enumerate(refused):
            problem = failure
            if index < EXPLAINED_AT_MOST:
                try:
                    same = self._site.gateway.find_by_email_any_case(_wanted(account).email)
                except ProvisioningError as error:
                    self.stop = error
                    return
                if same:
                    problem = NeedsAttention("email_taken", f"LMS user {same[0].user_id} has this e-mail address")
            self._park(account, problem.code, problem.detail)

    def _update(self) -> None:
        changes = [
            UserChange(self.users[account_id], fields)
            for account_id, fields in sorted(self.changes.items())
            if fields and account_id not in self.ends
        ]
        if changes:
            self._renew()
            owners = {self.users[account_id]: account_id for account_id in self.changes}
            for change, outcome in zip(changes, self._site.gateway.update_users(changes), strict=True):
                account = self.accounts[owners[change.user_id]]
                if isinstance(outcome, Failed):
                    self._fail(account, outcome.failure)
                else:
                    self.applied[account.account_id] = self.applied[account.account_id] | change.fields

    # Enrolments

    def _last_look(self) -> None:
        """
        Before an enrolment is suspended its completion is read, because afterwards the LMS shows none (section 12).

        Where results are blocked for want of an outcome the suspension waits, so that none is lost (R27).
        """
        closing = [
            placement
            for account in self._open()
            for placement in self.placements[account.account_id]
            if placement.due
            and placement.wanted.suspended
            and placement.provisioned
            and not placement.completed
            and placement.lms_course_id is not None
            and account.account_id in self.users
        ]
        if not closing:
            return
        if self._site.integration.settings.results.unmapped():
            for placement in closing:
                self.placement_ends[placement.placement_id] = PlacementEnd(placement, "due", wait=PUT_OFF, burnt=False)
            return
        pairs = [Pair(self.users[p.account_id], p.lms_course_id or "") for p in closing]
        for placement, outcome in zip(closing, self._site.gateway.completions(pairs), strict=True):
            if isinstance(outcome, Done):
                if outcome.value is not None:
                    self.completions[placement.placement_id] = outcome.value
            elif not isinstance(outcome.failure, NeedsAttention):
                self._fail_placement(placement, outcome.failure)

    def _enrol(self) -> None:
        elements: list[LmsEnrolment] = []
        members: list[list[ClaimedPlacement]] = []
        for account in self._open():
            user_id = self.users.get(account.account_id)
            for course_id, placements in self._courses_due(account).items():
                if user_id is None or course_id is None:
                    continue
                parts = merged(user_id, course_id, [p.wanted for p in placements])
                elements += parts
                members += [placements] * len(parts)
        if not elements:
            return
        self._renew()
        crashpoint("enrol.intent_committed")
        crashpoint("enrol.before_http")
        outcomes = self._site.gateway.enrol(elements)
        crashpoint("enrol.response_read")
        for placements, outcome in zip(members, outcomes, strict=True):
            for placement in placements:
                if isinstance(outcome, Failed):
                    self._fail_placement(placement, outcome.failure)
                elif placement.placement_id not in self.placement_ends:
                    self._hold_placement(placement)

    def _courses_due(self, account: ClaimedAccount) -> dict[str | None, list[ClaimedPlacement]]:
        """Per course with something due, every placement that shapes this person's enrolment there."""
        courses: dict[str | None, list[ClaimedPlacement]] = defaultdict(list)
        for placement in self.placements[account.account_id]:
            if placement.placement_id in self.placement_ends:
                continue
            code = hindrance(
                due=placement.due,
                provisioned=placement.provisioned,
                course_id=placement.lms_course_id,
                wanted_if_absent=_wanted(account).wanted_if_absent,
            )
            if code == "person_left":
                self.placement_ends[placement.placement_id] = PlacementEnd(placement, "not_wanted", code)
            elif code:
                self._park_placement(placement, code, f"no course has the code {placement.course_code}")
            elif placement.due or placement.provisioned:
                courses[placement.lms_course_id].append(placement)
        return {course_id: every for course_id, every in courses.items() if any(p.due for p in every)}

    def _hold_placement(self, placement: ClaimedPlacement) -> None:
        self.placement_ends[placement.placement_id] = PlacementEnd(placement, "settled", applied=placement.wanted)

    def _fail_placement(self, placement: ClaimedPlacement, failure: ProvisioningError) -> None:
        if _concerns_site(failure):
            self.stop = self.stop or failure
            self.placement_ends[placement.placement_id] = PlacementEnd(placement, "due", wait=timedelta(0), burnt=False)
            return
        match self._decide(failure, placement.attempts + 1, placement.running_for or timedelta(0)):
            case Retry(wait):
                self.placement_ends[placement.placement_id] = PlacementEnd(placement, "due", wait=wait)
            case Give(code, detail):
                self._park_placement(placement, code, detail)

    def _park_placement(self, placement: ClaimedPlacement, code: str, detail: str) -> None:
        self.placement_ends[placement.placement_id] = PlacementEnd(placement, "parked", code)
        self.problems.append(Problem("placement", str(placement.placement_id), code, detail))

    # Ends

    def finish(self) -> list[AccountEnd]:
        """An end for every account: done, or released for later when the site stopped us."""
        for account in self._open():
            if self.stop is None:
                self._settle(account)
            else:
                self.ends[account.account_id] = AccountEnd(
                    account, "due", wait=timedelta(0), burnt=False, doubt=account.doubt
                )
        for account_id, end in self.ends.items():
            end.applied = self.applied.get(account_id)
        return list(self.ends.values())

    def _settle(self, account: ClaimedAccount) -> None:
        reason = _wanted(account).out_of_scope
        self.ends[account.account_id] = AccountEnd(account, "out_of_scope" if reason else "settled", reason)

    def _park(self, account: ClaimedAccount, code: str, detail: str) -> None:
        self.ends[account.account_id] = AccountEnd(account, "parked", code)
        self.problems.append(Problem("account", str(account.account_id), code, detail))

    def _fail(self, account: ClaimedAccount, failure: ProvisioningError) -> None:
        if _concerns_site(failure):
            self.stop = self.stop or failure
            return
        match self._decide(failure, account.attempts, account.running_for):
            case Retry(wait):
                self.ends[account.account_id] = AccountEnd(account, "due", wait=wait)
            case Give(code, detail):
                self._park(account, code, detail)

    def _decide(self, failure: ProvisioningError, attempt: int, running_for: timedelta) -> Any:
        return decide(
            failure, attempt=attempt, running_for=running_for, dice=self._rules.dice(), policy=self._rules.policy
        )

    # Leases

    def _store(self, db: Db) -> WorkStore:
        return WorkStore(db, self._site.integration.integration_id)

    def _open(self) -> list[ClaimedAccount]:
        return [account for account_id, account in self.accounts.items() if account_id not in self.ends]

    def _renew(self) -> None:
        """Most batches are done long before their lease needs renewing; while it is young nobody else can have it."""
        if time.monotonic() - self._renewed_at < self._rules.lease.total_seconds() / 4:
            return
        with transaction(self._pool) as db:
            self._keep_lease(self._store(db))

    def _keep_lease(self, store: WorkStore) -> None:
        if len(store.renew_lease(list(self.accounts.values()), self._rules.lease)) < len(self.accounts):
            raise LeaseLost
        self._renewed_at = time.monotonic()

    def _save_links(self, store: WorkStore, links: Sequence[Saved]) -> None:
        if not record_links(store, self._site.integration, self.accounts, links):
            raise LeaseLost
        for link in links:
            self.users[link.account_id] = link.user_id
            self.applied[link.account_id] = link.applied


def _wanted(account: ClaimedAccount) -> WantedAccount:
    assert account.wanted is not None  # noqa: S101 - only accounts with a wanted state are ever due
    return account.wanted


def _usernames(account: ClaimedAccount) -> Iterator[str]:
    """
    The user names to try. One that may have been sent comes first: only the user name keeps an LMS from making the
    same person twice.
    """
    if account.username is not None and (account.doubt or account.starts > 1):
        yield account.username
    yield from candidates(_wanted(account).username, account.employee_key)


def _as_created(wanted: WantedAccount) -> UserFields:
    return wanted.fields() | {"suspended": False}


def _concerns_site(failure: ProvisioningError) -> bool:
    return isinstance(failure, HoldIntegration | LmsUnavailable | LmsThrottled)
