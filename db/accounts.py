"""Claimed work: accounts under a lease, their placements, and how they ended."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Literal

from db.failure_groups import FailureStore
from db.failure_groups import Problem as Problem
from db.notices import Notice, NoticeKind, write_notice
from db.statements import statements
from db.store import IntegrationStore
from domain.accounts import WantedAccount
from domain.announcements import Announcement
from domain.enrolments import WantedPlacement
from domain.integration import IntegrationSettings
from domain.lms import UserFields
from domain.recovery import Operation

SQL = statements("accounts")


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration as a worker sees it. `resting` while the site asked for peace."""

    integration_id: int
    tenant: str
    name: str
    url: str
    settings: IntegrationSettings
    settings_version: int
    token_sealed: bytes = field(repr=False)
    password_sealed: bytes | None = field(repr=False)
    master_key: str
    data_key: bytes = field(repr=False)
    state: str
    resting: bool
    courses_seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClaimedAccount:
    """One person's account while it is ours. `wanted` is None when only its placements are due."""

    account_id: int
    employee_key: str
    wanted: WantedAccount | None
    applied: UserFields
    username: str | None
    revision: int
    lms_user_id: str | None
    link: str | None
    attempts: int
    starts: int
    doubt: int
    lease_token: int
    running_for: timedelta
    sync_run: int | None = None
    urgency: int = 1
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimedPlacement:
    """One enrolment of a claimed account. `lms_course_id` is None while no course of this code is known."""

    placement_id: int
    account_id: int
    enrolment_key: str
    course_code: str
    state: str
    wanted: WantedPlacement
    applied: WantedPlacement | None
    revision: int
    provisioned: bool
    completed: bool
    attempts: int
    running_for: timedelta | None
    due: bool
    too_late: bool
    grouped: str | None
    group_due: bool
    group_attempts: int
    group_running_for: timedelta | None
    lms_course_id: str | None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A link that has just become known."""

    account_id: int
    user_id: str
    how: str
    applied: UserFields


@dataclass(slots=True)
class AccountEnd:
    """How one account ended. `burnt` counts the attempt; an outage of the site does not."""

    account: ClaimedAccount
    state: Literal["due", "settled", "parked", "out_of_scope", "staged"]
    code: str | None = None
    wait: timedelta | None = None
    burnt: bool = True
    doubt: int = 0
    applied: UserFields | None = None
    held_for: Operation | None = None


@dataclass(slots=True)
class PlacementEnd:
    """How one placement ended. `applied` is set when the LMS holds it; `in_doubt` says that it may."""

    placement: ClaimedPlacement
    state: Literal["due", "settled", "parked", "not_wanted"]
    code: str | None = None
    wait: timedelta | None = None
    burnt: bool = True
    applied: WantedPlacement | None = None
    held_for: Operation | None = None
    in_doubt: bool = False


@dataclass(slots=True)
class MembershipEnd:
    """How putting a person into a group ended: they are in it, it is due again, or it is parked."""

    placement: ClaimedPlacement
    grouped: str | None = None
    code: str | None = None
    wait: timedelta | None = None
    burnt: bool = True
    held_for: Operation | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """That somebody was enrolled: closed, without follow-up, made by us (R136)."""

    employee_key: str
    enrolment_key: str
    course_code: str
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a person's timeline; `data` holds no personal data."""

    employee_key: str
    kind: str
    enrolment_key: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


class WorkStore(IntegrationStore):
    """One integration's work in one transaction."""

    sql = SQL

    def integration(self) -> Integration | None:
        rows = self._rows("integration")
        if not rows:
            return None
        integration_id, tenant, name, url, settings, *rest = rows[0]
        return Integration(integration_id, tenant, name, url, IntegrationSettings.model_validate(settings), *rest)

    def claim(
        self, *, most: int, lease: timedelta, urgent_only: bool = False, admitted: Sequence[int] | None = None
    ) -> list[ClaimedAccount]:
        """
        What is due, for us alone until the lease ends, in the order in which it waited; the attempt is counted.

        Args:
            admitted: How many accounts of each urgency may be begun; then all that are claimed are of one urgency.
        """
        self._rows("search_in_order")
        shares = None if admitted is None else list(admitted)
        least = 1 if urgent_only else 2
        rows = self._rows("claim_accounts", most=most, lease=lease, least_urgent=least, admitted=shares)
        return [_claimed(row[:-1]) for row in sorted(rows, key=itemgetter(-1))]

    def look(self, keys: Sequence[str]) -> list[tuple[ClaimedAccount, str, str | None]]:
        """These people's accounts with state and code, as they are; nothing is claimed."""
        return [(_claimed(row[:-2]), row[-2], row[-1]) for row in self._rows("look_accounts", keys=list(keys))]

    def placements_of(self, accounts: Iterable[ClaimedAccount]) -> list[ClaimedPlacement]:
        rows = self._rows("placements_of", ids=[account.account_id for account in accounts])
        return [_placement(row) for row in rows]

    def renew_lease(self, accounts: Sequence[ClaimedAccount], lease: timedelta) -> set[int]:
        """The ids of those accounts that are still ours, for another lease."""
        ids = [account.account_id for account in accounts]
        token = accounts[0].lease_token
        self._rows("lock_accounts", ids=ids)
        return {row[0] for row in self._rows("renew_lease", ids=ids, token=token, lease=lease)}

    def let_go(self, token: int) -> None:
        """The lease is over without an end having been recorded."""
        self._rows("let_go", token=token)

    def linked_elsewhere(self, user_ids: Iterable[str]) -> dict[str, int]:
        """Account id per LMS user id that is linked already."""
        return dict(self._rows("linked_elsewhere", user_ids=list(user_ids)))

    def all_links(self) -> dict[str, int]:
        """Account id per LMS user id."""
        return dict(self._rows("all_links"))

    def all_usernames(self) -> dict[str, int]:
        """Account id per user name."""
        return dict(self._rows("all_usernames"))

    def refused(self, account_ids: Iterable[int]) -> dict[int, list[str]]:
        """LMS users that a person said are somebody else, by account id."""
        return dict(self._rows("refused", ids=list(account_ids)))

    def usernames_reserved(self, usernames: Iterable[str]) -> dict[str, int]:
        """Account id per user name that is reserved already."""
        return dict(self._rows("usernames_reserved", usernames=list(usernames)))

    def reserve_usernames(self, token: int, chosen: Mapping[int, str]) -> None:
        """
        Each account has this user name.

        Raises:
            UsernameTaken: Somebody else reserved one of them since we looked.
        """
        self._rows("reserve_usernames", token=token, ids=list(chosen), usernames=list(chosen.values()))

    def save_links(self, token: int, links: Sequence[Saved]) -> set[int]:
        """The ids of the accounts whose link was saved: those that are still ours."""
        self._rows("lock_accounts", ids=[link.account_id for link in links])
        rows = self._rows(
            "save_links",
            token=token,
            ids=[link.account_id for link in links],
            user_ids=[link.user_id for link in links],
            hows=[link.how for link in links],
            applied=[json.dumps(link.applied) for link in links],
        )
        return {row[0] for row in rows}

    def record(
        self,
        token: int,
        accounts: Sequence[AccountEnd],
        placements: Sequence[PlacementEnd],
        memberships: Sequence[MembershipEnd] = (),
    ) -> set[int]:
        """
        How everything ended; the lease is over.

        Returns:
            The ids of the accounts that were still ours. Of the others nothing was recorded (B5).
        """
        self._rows("lock_accounts", ids=[end.account.account_id for end in accounts])
        if placements:
            self._record_placements(token, placements)
        if memberships:
            self._record_memberships(token, memberships)
        rows = self._rows(
            "record_accounts",
            token=token,
            ids=[end.account.account_id for end in accounts],
            revisions=[end.account.revision for end in accounts],
            states=[end.state for end in accounts],
            codes=[end.code for end in accounts],
            waits=[end.wait for end in accounts],
            burnt=[end.burnt for end in accounts],
            doubts=[end.doubt for end in accounts],
            applied=[None if end.applied is None else json.dumps(end.applied) for end in accounts],
            held_for=[end.held_for for end in accounts],
        )
        return {row[0] for row in rows}

    def _record_placements(self, token: int, ends: Sequence[PlacementEnd]) -> None:
        self._rows(
            "record_placements",
            token=token,
            ids=[end.placement.placement_id for end in ends],
            revisions=[end.placement.revision for end in ends],
            states=[end.state for end in ends],
            codes=[end.code for end in ends],
            waits=[end.wait for end in ends],
            attempts=[int(end.burnt) for end in ends],
            applied=[end.applied.model_dump_json() if end.applied else None for end in ends],
            courses=[end.placement.lms_course_id for end in ends],
            provisioned=[end.applied is not None for end in ends],
            held_for=[end.held_for for end in ends],
            in_doubt=[end.in_doubt for end in ends],
        )

    def _record_memberships(self, token: int, ends: Sequence[MembershipEnd]) -> None:
        self._rows(
            "record_memberships",
            token=token,
            ids=[end.placement.placement_id for end in ends],
            grouped=[end.grouped for end in ends],
            codes=[end.code for end in ends],
            waits=[end.wait for end in ends],
            attempts=[int(end.burnt) for end in ends],
            held_for=[end.held_for for end in ends],
        )

    def log_contacts(self, tenant: str, contacts: Sequence[Contact]) -> dict[str, int]:
        """
        That these enrolments were provisioned (R135, R136).

        Returns:
            The contact log's number by enrolment key; those that had one already are left out.
        """
        if not contacts:
            return {}
        rows = self._rows(
            "log_contacts",
            tenant=tenant,
            employees=[contact.employee_key for contact in contacts],
            enrolments=[contact.enrolment_key for contact in contacts],
            courses=[contact.course_code for contact in contacts],
            texts=[contact.text for contact in contacts],
        )
        return dict(rows)

    def open_failures(self, tenant: str, problems: Sequence[Problem]) -> None:
        FailureStore(self._db, tenant, self._integration_id).open(problems)

    def resolve_failures(self, kind: str, ids: Iterable[int | str], *, keep: Sequence[str] = ()) -> None:
        """What was wrong with these is over, except under the codes to `keep`."""
        self._rows("resolve_failures", kind=kind, ids=[str(subject_id) for subject_id in ids], keep=list(keep))

    def write_timeline(self, tenant: str, entries: Sequence[Entry]) -> None:
        if entries:
            self._rows(
                "write_timeline",
                tenant=tenant,
                employees=[entry.employee_key for entry in entries],
                enrolments=[entry.enrolment_key for entry in entries],
                kinds=[entry.kind for entry in entries],
                data=[json.dumps(entry.data) for entry in entries],
            )

    def announce(self, announcements: Sequence[Announcement]) -> None:
        if announcements:
            self._rows(
                "announce",
                event_ids=[item.event_id for item in announcements],
                types=[item.type for item in announcements],
                bodies=[item.body for item in announcements],
            )

    def count_calls(self, counts: dict[tuple[str, str], tuple[int, int]]) -> None:
        """Add to the count of LMS calls: (function, outcome) to calls and items."""
        if counts:
            ordered = sorted(counts.items())
            self._rows(
                "count_calls",
                functions=[function for (function, _), _ in ordered],
                outcomes=[outcome for (_, outcome), _ in ordered],
                calls=[calls for _, (calls, _) in ordered],
                items=[items for _, (_, items) in ordered],
            )

    # The site as a whole

    def quarantine(self, code: str, detail: str, wait: timedelta) -> bool:
        """True when this call is what quarantined it; then people are told, once."""
        return self._tell("quarantine", self._rows("quarantine", code=code, detail=detail, wait=wait), code, detail)

    def change_hold(self, code: str, detail: str) -> bool:
        """True when it was held for another reason before; then people are told of this one, once."""
        return self._tell("quarantine changed", self._rows("change_hold", code=code, detail=detail), code, detail)

    def _tell(self, kind: NoticeKind, held_since: list[tuple[Any, ...]], code: str, detail: str) -> bool:
        for (since,) in held_since:
            key = f"hold {self._integration_id} {since.isoformat()} {code}"
            write_notice(self._db, Notice(key, kind, self._integration_id, code, detail))
        return bool(held_since)

    def outages(self) -> int:
        return int(self._rows("outages")[0][0])

    def note_outage(self, wait: timedelta) -> None:
        self._rows("note_outage", wait=wait)

    def note_answer(self) -> None:
        self._rows("note_answer")

    def operation_holds(self) -> dict[Operation, bool]:
        """The operations that the site refuses; True while they are left alone, False when they may be tried again."""
        return dict(self._rows("operation_holds"))

    def hold_operation(self, operation: Operation, code: str, wait: timedelta) -> None:
        self._rows("hold_operation", operation=operation, code=code, wait=wait)

    def end_operation_holds(self, operations: Sequence[Operation]) -> None:
        """What was put off because of these is due now."""
        if operations:
            self._rows("end_operation_holds", operations=list(operations))

    def put_off_probe(self, wait: timedelta) -> str | None:
        """The code of the hold when the probe is ours to make; None when it is not due or there is no hold."""
        rows = self._rows("put_off_probe", wait=wait)
        return str(rows[0][0]) if rows else None

    def release(self) -> bool:
        return bool(self._rows("release"))


def _claimed(row: tuple[Any, ...]) -> ClaimedAccount:
    account_id, employee_key, wanted, applied, *rest = row
    return ClaimedAccount(
        account_id, employee_key, wanted and WantedAccount.model_validate(wanted), applied or {}, *rest
    )


def _placement(row: tuple[Any, ...]) -> ClaimedPlacement:
    placement_id, account_id, enrolment_key, course_code, state, wanted, applied, *rest = row
    held = applied and WantedPlacement.model_validate(applied)
    wanted = WantedPlacement.model_validate(wanted)
    return ClaimedPlacement(placement_id, account_id, enrolment_key, course_code, state, wanted, held, *rest)
