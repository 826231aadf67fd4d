"""What would be due if these facts were applied: worked out on the record, in a transaction that is rolled back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from db.accounts import ClaimedAccount, ClaimedPlacement, Integration, WorkStore
from db.convergence import Applied, Newest, converge
from db.facts import FactStore, Sweep
from db.guards import GuardStore, Suspension
from db.pool import Db
from db.releases import Member, Released, ReleaseStore
from domain.events import Course, Event, Payroll
from domain.guard import Window
from domain.replays import Mode

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One account as a worker would find it: state and code, its placements, and what a person decided about it."""

    account: ClaimedAccount
    state: str
    code: str | None
    placements: Sequence[ClaimedPlacement]
    refused: Sequence[str]
    kept_active: bool


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """
    One integration's work, with what its planning needs to know of the record.

    Attributes:
        owners: Whose each linked LMS user is; reserved: whose each user name is.
    """

    integration: Integration
    accounts: Sequence[Rehearsed]
    suspensions: Mapping[str, Sequence[Suspension]]
    windows: Mapping[str, Window]
    owners: Mapping[str, int]
    reserved: Mapping[str, int]


@dataclass(slots=True)
class Told:
    """What became of the events given: how many of each ending, and whom they concern."""

    endings: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    people: list[str] = field(default_factory=list)


def tell(db: Db, tenant: str, events: Sequence[Event]) -> Told:
    """The events are facts now, for the rest of this transaction."""
    store = FactStore(db, tenant)
    store.lock()
    told = Told()
    newest = Newest(store, events)
    for place, event in enumerate(events):
        told.endings[newest.take(place, event).state] += 1
    people = set(newest.save())
    for event in events:
        people |= set(_swept(store, event))
    told.people = sorted(people)
    return told


def people_of_payroll(db: Db, tenant: str, payroll: str) -> list[str]:
    return _all_of(FactStore(db, tenant), Sweep(0, payroll, None, ""))


def rehearse(db: Db, tenant: str, keys: Sequence[str], integration_ids: Sequence[int]) -> list[Rehearsal]:
    """What these integrations would be asked to do for these people, as of now."""
    store = FactStore(db, tenant)
    store.lock()
    for start in range(0, len(keys), CHUNK):
        converge(store, keys[start : start + CHUNK], Applied())
    found = [_rehearsed(db, integration_id, keys) for integration_id in integration_ids]
    return [one for one in found if one is not None]


def rehearse_release(
    db: Db, tenant: str | None, integration_id: int, members: Sequence[Member], mode: Mode
) -> tuple[Rehearsal | None, Released]:
    """What the integration would be asked to do if these were tried again; of other people nothing is read."""
    released = ReleaseStore(db, tenant).release_work(members, mode)
    keys = sorted({member.employee_key or "" for member in released.begun})
    return _rehearsed(db, integration_id, keys, alone=True), released


def others(db: Db, integration_id: int) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Whose each linked LMS user is, and whose each user name is, of everybody in the integration."""
    work = WorkStore(db, integration_id)
    return work.all_links(), work.all_usernames()


def _swept(store: FactStore, event: Event) -> list[str]:
    match event.fact:
        case Payroll() as fact:
            return _all_of(store, Sweep(0, fact.payroll, None, ""))
        case Course() as fact:
            return _all_of(store, Sweep(0, None, fact.course_code, ""))
        case _:
            return []


def _all_of(store: FactStore, sweep: Sweep) -> list[str]:
    keys: list[str] = []
    while chunk := store.sweep_people(sweep, CHUNK):
        keys += chunk
        sweep = Sweep(sweep.sweep_id, sweep.payroll, sweep.course_code, chunk[-1])
    return keys


def _rehearsed(db: Db, integration_id: int, keys: Sequence[str], *, alone: bool = False) -> Rehearsal | None:
    work, guard = WorkStore(db, integration_id), GuardStore(db, integration_id)
    integration = work.integration()
    if integration is None:
        return None
    looked = work.look(keys)
    ids = [account.account_id for account, _, _ in looked]
    placements: dict[int, list[ClaimedPlacement]] = defaultdict(list)
    for placement in work.placements_of([account for account, _, _ in looked]):
        placements[placement.account_id].append(placement)
    refused, kept = work.refused(ids), guard.overruled(ids)
    window = timedelta(hours=integration.settings.guard.window_hours)
    leaving = [account.account_id for account, _, _ in looked if account.wanted and account.wanted.suspended]
    suspensions = guard.suspensions(leaving, window)
    owners, reserved = ({}, {}) if alone else others(db, integration_id)
    return Rehearsal(
        integration=integration,
        accounts=[
            Rehearsed(
                account,
                state,
                code,
                placements[account.account_id],
                refused.get(account.account_id, ()),
                account.account_id in kept,
            )
            for account, state, code in looked
        ],
        suspensions=suspensions,
        windows={payroll: guard.window(payroll, window) for payroll in suspensions},
        owners=owners,
        reserved=reserved,
    )
