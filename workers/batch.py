"""
One claimed batch on its way into the LMS: find, create, update, enrol.

Each step leaves behind what is known; whatever happens, `workers.provision` records it. Between a call and its record
lies doubt: a user name is reserved before it is sent, a link is saved as soon as it is known, and a create whose
outcome is unknown is looked up, never sent again at once.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from db.accounts import AccountEnd, ClaimedAccount, ClaimedPlacement, Entry, Problem, Saved
from db.failures import UsernameTaken
from db.guards import GuardStore
from db.pool import Pool, transaction
from domain.accounts import (
    MAX_STARTS,
    REMOVED,
    Create,
    Leave,
    Link,
    Park,
    WantedAccount,
    is_looked_for,
    observed,
    plan_linked,
    plan_newcomer,
)
from domain.addresses import is_pseudo
from domain.conditions import is_lms_id
from domain.errors import NeedsAttention, ProvisioningError, UnknownOutcome
from domain.lms import Done, Failed, LmsUser, NewUser, UserChange, UserFields
from domain.recovery import Operation
from domain.usernames import candidates
from lms.look_ups import NOBODY, candidates_of, free_usernames, protected_ids
from runtime.crashpoints import crashpoint
from workers.enrolling import Enrolments
from workers.grouping import Groups
from workers.guarding import stage_excess
from workers.site import Site, WorkRules
from workers.work import Work, wanted_of

EXPLAINED_AT_MOST = 10
"""Refused creates per batch that are looked into with a call of their own."""


class Batch(Work):
    """A claimed batch and the steps that bring its people into the LMS; `Enrolments` does the rest."""

    def __init__(
        self,
        site: Site,
        pool: Pool,
        rules: WorkRules,
        accounts: Sequence[ClaimedAccount],
        placements: Iterable[ClaimedPlacement],
        held: Mapping[Operation, bool] | None = None,
    ) -> None:
        super().__init__(site, pool, rules, accounts, placements, held)
        self._maps = site.integration.settings.people.fields
        self._protected: frozenset[str] = frozenset()
        self._to_create: list[ClaimedAccount] = []
        self._chosen: dict[int, str] = {}
        self._ask_for_names = site.integration.settings.lms == "moodle"

    def run(self) -> None:
        """
        Every account is brought as far as the LMS lets it come.

        Raises:
            LeaseLost: It took too long; nothing may be recorded.
        """
        enrolments = Enrolments(self)
        self._park_killers()
        decide = (self._heed, self._find, self._guard, self._hold_back, self._reserve)
        enrol = (enrolments.hold_back, enrolments.last_look, enrolments.enrol, Groups(self).join)
        for step in (*decide, self._create, self._update, *enrol):
            if self.stop is None:
                step()

    # Steps

    def _park_killers(self) -> None:
        for account in self.accounts.values():
            if account.starts > MAX_STARTS:
                self.park(account, "starts_without_end", f"{account.starts - 1} starts had no end")

    def _heed(self) -> None:
        """Whom a person decided to keep active stays active until HR says something new."""
        leaving = [account.account_id for account in self.open() if wanted_of(account).suspended]
        if not leaving:
            return
        with transaction(self.pool) as db:
            kept = GuardStore(db, self.site.integration.integration_id).overruled(leaving)
        for account_id in kept:
            account = self.accounts[account_id]
            wanted = wanted_of(account).model_copy(update={"suspended": False})
            self.accounts[account_id] = replace(account, wanted=wanted)

    def _find(self) -> None:
        """Everybody has a plan: link, create, update, leave or park."""
        unlinked = [a for a in self.open() if a.account_id not in self.users and self._is_wanted_now(a)]
        self._note_odd_ids(unlinked)
        unread = [a for a in self.open() if a.account_id in self.users and not a.applied]
        try:
            self._protected = protected_ids(self.site.gateway, self.site.integration.settings.people.protected)
            found = self._candidates(unlinked)
            read = {user.user_id: user for user in self._by_id(unread)}
        except ProvisioningError as error:
            self.stop = error
            return
        owners, refused = self._known({user.user_id for users in found.values() for user in users}, unlinked)
        for account in self.open():
            if account.account_id in self.users:
                self._plan_linked(account, read.get(self.users[account.account_id]))
            elif account.account_id in found:
                self._plan_unlinked(account, found[account.account_id], owners, refused.get(account.account_id, ()))

    def _is_wanted_now(self, account: ClaimedAccount) -> bool:
        """Where only the enrolled get accounts, nobody does before their first enrolment is due."""
        due = any(placement.due for placement in self.placements[account.account_id])
        return is_looked_for(wanted_of(account), self.site.integration.settings.people, enrolment_due=due)

    def _note_odd_ids(self, accounts: Sequence[ClaimedAccount]) -> None:
        """What HR has in place of an LMS user id and is none is kept in the person's history, not asked for (R140)."""
        for account in accounts:
            known_id = wanted_of(account).known_id
            if known_id and not is_lms_id(known_id):
                self.entries.append(Entry(account.employee_key, "no LMS user id", data={"given": known_id}))

    def _known(
        self, user_ids: Set[str], accounts: Sequence[ClaimedAccount]
    ) -> tuple[dict[str, int], dict[int, list[str]]]:
        """Whose the LMS users are already, by account id, and which of them a person said are somebody else."""
        if not user_ids:
            return {}, {}
        with transaction(self.pool) as db:
            store = self.store(db)
            return store.linked_elsewhere(user_ids), store.refused([account.account_id for account in accounts])

    def _candidates(self, accounts: Sequence[ClaimedAccount]) -> dict[int, list[LmsUser]]:
        people = {account.account_id: wanted_of(account) for account in accounts}
        match_by = self.site.integration.settings.people.match_by
        return candidates_of(self.site.gateway, people, match_by=match_by, protected=self._protected)

    def _by_id(self, accounts: Sequence[ClaimedAccount]) -> Sequence[LmsUser]:
        if not accounts:
            return ()
        return self.site.gateway.find_users("user_id", [self.users[a.account_id] for a in accounts])

    def _plan_linked(self, account: ClaimedAccount, read: LmsUser | None) -> None:
        if self.users[account.account_id] in self._protected:
            self.park(account, "protected_account", f"LMS user {self.users[account.account_id]} may not be touched")
            return
        if read is not None and read.removed:
            self.park(account, REMOVED.code, REMOVED.detail)
            return
        held = account.applied or (observed(read, self._maps) if read else None)
        if held is None:
            self.park(account, "account_gone", f"LMS user {self.users[account.account_id]} is not there any more")
            return
        self.applied[account.account_id] = held
        self.changes[account.account_id] = self._changes(account, self.users[account.account_id], held)

    def _changes(self, account: ClaimedAccount, user_id: str, held: UserFields) -> UserFields:
        return plan_linked(wanted_of(account), user_id, held, created=account.link == "created").changes

    def _plan_unlinked(
        self, account: ClaimedAccount, found: Sequence[LmsUser], owners: dict[str, int], refused: Collection[str]
    ) -> None:
        owned = {user_id for user_id, owner in owners.items() if owner != account.account_id}
        match_by = self.site.integration.settings.people.match_by
        # A reserved user name means that a create of ours may have been sent before.
        plan = plan_newcomer(
            wanted_of(account),
            found,
            match_by=match_by,
            ours=account.username is not None,
            owned=owned,
            refused=refused,
            maps=self._maps,
        )
        match plan:
            case Park(code, detail):
                self.park(account, code, detail)
            case Leave():
                pass
            case Link(user_id, how, changes, notice):
                if notice:
                    self.problems.append(Problem("account", str(account.account_id), notice.code, notice.detail))
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
        with transaction(self.pool) as db:
            staged = stage_excess(db, self.site.integration, self.accounts, suspending)
        for account_id in staged:
            self.ends[account_id] = AccountEnd(self.accounts[account_id], "staged", "mass_suspension")

    def _hold_back(self) -> None:
        """What the site refuses is not asked for; enrolments of people who are there go on."""
        if "create_users" in self.refusals:
            for account in self._to_create:
                self.put_off(account, "create_users")
            self._to_create = []
        if "update_users" in self.refusals:
            for account_id in [account_id for account_id, fields in self.changes.items() if fields]:
                self.put_off(self.accounts[account_id], "update_users")
                self.changes[account_id] = {}

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
        with transaction(self.pool) as db:
            store = self.store(db)
            self.keep_lease(store)
            self.save_links(store, self.links)
            if chosen:
                store.reserve_usernames(self.token, chosen)

    def _choose_usernames(self) -> dict[int, str]:
        """
        The first candidate of each newcomer that is free; whoever has none is parked.

        TalentLMS says when a login is taken, so there the LMS is asked only then: a call is dear.
        """
        names = {a.account_id: list(_usernames(a)) for a in self._to_create}
        if not names:
            return {}
        with transaction(self.pool) as db:
            reserved = self.store(db).usernames_reserved({name for options in names.values() for name in options})
        chosen, without = free_usernames(self.site.gateway if self._ask_for_names else NOBODY, names, reserved)
        for account_id in without:
            self.park(self.accounts[account_id], "username_taken", "every possible user name is taken")
        return chosen

    def _create(self) -> None:
        accounts = [a for a in self._to_create if a.account_id not in self.ends]
        if not accounts:
            return
        new = [self._new_user(account) for account in accounts]
        crashpoint("user.before_http")
        outcomes = self.site.gateway.create_users(new)
        crashpoint("user.response_read")
        self.refusals.notice("create_users", outcomes)
        links: list[Saved] = []
        doubtful: list[ClaimedAccount] = []
        refused: list[tuple[ClaimedAccount, NeedsAttention]] = []
        namesakes: list[ClaimedAccount] = []
        for account, outcome in zip(accounts, outcomes, strict=True):
            match outcome:
                case Failed(NeedsAttention(code="username_taken")) if not self._ask_for_names:
                    namesakes.append(account)
                case Done(user_id):
                    links.append(Saved(account.account_id, user_id, "created", _as_created(wanted_of(account))))
                case Failed(UnknownOutcome()):
                    doubtful.append(account)
                case Failed(NeedsAttention() as failure):
                    refused.append((account, failure))
                case Failed(failure):
                    self.fail(account, failure, "create_users")
        links += self._read_back(doubtful)
        if links:
            with transaction(self.pool) as db:
                self.save_links(self.store(db), links)
        crashpoint("user.outcome_committed")
        self.links += links
        for link in links:
            # One that was read back may differ: made suspended, for example.
            wanted = wanted_of(self.accounts[link.account_id])
            self.changes[link.account_id] = plan_linked(wanted, link.user_id, link.applied, created=True).changes
        self._explain(refused)
        self._rename(namesakes)

    def _rename(self, namesakes: list[ClaimedAccount]) -> None:
        """Those whose user name turned out to be taken get the next one that is free."""
        if namesakes and self.stop is None:
            self._to_create, self._ask_for_names = namesakes, True
            self._reserve()
            self._create()

    def _new_user(self, account: ClaimedAccount) -> NewUser:
        wanted = wanted_of(account)
        password = self.site.preset_password.reveal() if self.site.preset_password else None
        if password is None and is_pseudo(wanted.email):
            # The LMS would mail a password to an address that nobody reads (R63). TalentLMS takes 30 letters at most.
            password = f"{secrets.token_urlsafe(18)}aA1-"
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
            found = self.site.gateway.find_users("username", [self._chosen[a.account_id] for a in doubtful])
        except ProvisioningError as error:
            self.stop = error
            found = ()
        made = {user.username: user for user in found}
        links: list[Saved] = []
        for account in doubtful:
            user = made.get(self._chosen[account.account_id])
            if user and wanted_of(account).is_made(user):
                links.append(Saved(account.account_id, user.user_id, "created", observed(user, self._maps)))
            else:
                self.fail(account, UnknownOutcome("outcome_unknown"))
                self.ends[account.account_id].doubt = 1
        return links

    def _explain(self, refused: Sequence[tuple[ClaimedAccount, NeedsAttention]]) -> None:
        """An LMS does not say what it dislikes; an address that differs in case only is the likeliest (section 3.3)."""
        for index, (account, failure) in enumerate(refused):
            problem = failure
            if index < EXPLAINED_AT_MOST:
                try:
                    same = self.site.gateway.find_by_email_any_case(wanted_of(account).email)
                except ProvisioningError as error:
                    self.stop = error
                    return
                if same and failure.code == "email_taken":
                    # Somebody made this user since we looked: the next look finds it.
                    self.fail(account, UnknownOutcome("outcome_unknown"))
                    continue
                if same:
                    problem = NeedsAttention("email_taken", f"LMS user {same[0].user_id} has this e-mail address")
            self.park(account, problem.code, problem.detail)

    def _update(self) -> None:
        changes = [
            UserChange(self.users[account_id], fields)
            for account_id, fields in sorted(self.changes.items())
            if fields and account_id not in self.ends
        ]
        if not changes:
            return
        owners = {self.users[account_id]: self.accounts[account_id] for account_id in self.changes}
        self.renew()
        outcomes = self.site.gateway.update_users(changes)
        self.refusals.notice("update_users", outcomes)
        for change, outcome in zip(changes, outcomes, strict=True):
            account = owners[change.user_id]
            if isinstance(outcome, Failed):
                self.fail(account, outcome.failure, "update_users")
            else:
                self.applied[account.account_id] = self.applied[account.account_id] | change.fields


def _usernames(account: ClaimedAccount) -> Iterator[str]:
    """
    The user names to try. One that may have been sent comes first: only the user name keeps an LMS from making the
    same person twice.
    """
    if account.username is not None and (account.doubt or account.starts > 1):
        yield account.username
    yield from candidates(wanted_of(account).username, account.employee_key)


def _as_created(wanted: WantedAccount) -> UserFields:
    return wanted.fields() | {"suspended": False}
