"""
Drift of people: what a scan reads of them, a hundred at a time, and what it puts on record.

A step of a scan only reads the LMS. What is to be put back becomes due, and the ordinary batches write it, through
every guard they have.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from db.accounts import Entry, Integration, WorkStore
from db.findings import FindingStore, Subject
from db.pool import Db, Pool, transaction
from db.scans import Linked, ScanStore, Turn
from domain.drift import EXTERNAL_KEY, Decided, Found, Standing, compare_person, credible, decide_person
from domain.errors import NeedsAttention
from domain.lms import LmsGateway, LmsUser, UserFields
from domain.syncing import Position, Tally
from workers.site import Site

PEOPLE_AT_ONCE = 100
CALLS_EACH = 3
"""Where people are read one by one: who has the key, that user, and the linked one if it lost the key."""
NOTHING: Mapping[str, Standing] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """What was read: where the scan goes on, what that cost, and how it is put on record."""

    following: Position | None
    calls: int
    record: Callable[[Db], Tally]


def no_step(following: Position | None = None) -> Step:
    """There is nothing to read here."""
    return Step(following, 0, lambda _: Tally())


@dataclass(slots=True)
class Noted:
    """Findings on their way into the record."""

    seen: list[tuple[Subject, Decided]] = field(default_factory=list)
    over: list[int] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def note(
        self, subject: Subject, decided: Iterable[Decided], before: Mapping[str, Standing], told: Collection[str] | None
    ) -> None:
        """What was found about a subject is seen; what is not found any more is over, if this reading tells it."""
        now = {one.found.field: one for one in decided}
        self.seen += [(subject, one) for one in now.values()]
        self.over += [
            known.finding_id for name, known in before.items() if name not in now and (told is None or name in told)
        ]
        for name, one in now.items():
            if subject.employee_key and (name not in before or before[name].state != one.state):
                self.entries.append(Entry(subject.employee_key, "drift found", data=_said(subject, one)))

    def keep(self, db: Db, integration: Integration) -> None:
        findings = FindingStore(db, integration.integration_id)
        findings.keep(self.seen)
        findings.resolve(self.over)
        WorkStore(db, integration.integration_id).write_timeline(integration.tenant, self.entries)


def _said(subject: Subject, decided: Decided) -> dict[str, str]:
    """Values may be personal, so that they stand in the findings alone."""
    said = {"what": decided.found.kind, "field": decided.found.field, "state": decided.state, "user": subject.user_id}
    return said | ({"course": subject.course_id} if subject.course_id else {})


def read_people(site: Site, pool: Pool, turn: Turn) -> Step:
    """
    The next people as the LMS holds them.

    Raises:
        NeedsAttention: Nobody of them is there, which is not believed of so many.
        ProvisioningError: The site does not answer.
    """
    most = site.purse.fits("sweep", each=CALLS_EACH, most=PEOPLE_AT_ONCE) if site.purse else PEOPLE_AT_ONCE
    with transaction(pool) as db:
        people = ScanStore(db, site.integration.integration_id).people(turn.run_id, turn.position.after, most)
    if not people:
        return no_step()
    users, calls = _look_up(site.gateway, people)
    found = {user.user_id: user for user in users}
    here = sum(person.user_id in found for person in people)
    if not credible(len(people), here):
        raise NeedsAttention("nobody_found", f"none of {len(people)} linked users is there")
    last = Position(part="people", after=str(people[-1].account_id))
    following = last if len(people) == most else None
    return Step(following, calls, partial(_record_people, site.integration, turn.run_id, people, found))


def _look_up(gateway: LmsGateway, people: Sequence[Linked]) -> tuple[Sequence[LmsUser], int]:
    """
    The users with one of the people's keys, and those who are linked and lost theirs.

    By key, because that brings everybody who claims to be one of these people along, for the same call.
    """
    users = list(gateway.find_users("external_key", [_key(person) for person in people]))
    there = {user.user_id for user in users}
    others = [person.user_id for person in people if person.user_id not in there]
    if others:
        users += gateway.find_users("user_id", others)
    return users, 2 if others else 1


def _key(person: Linked) -> str:
    return str(person.applied.get(EXTERNAL_KEY, ""))


def _record_people(
    integration: Integration, run_id: int, people: Sequence[Linked], users: Mapping[str, LmsUser], db: Db
) -> Tally:
    store = ScanStore(db, integration.integration_id)
    before = FindingStore(db, integration.integration_id).of("account", [str(one.account_id) for one in people])
    found = _compare_people(integration, people, users, store)
    concerned = [one for one in people if found[one.account_id] or str(one.account_id) in before]
    unchanged = store.still_at_rest(concerned)
    tally, noted = Tally(), Noted()
    put_back: dict[bool, dict[int, UserFields]] = {True: {}, False: {}}
    for person in people:
        known = before.get(str(person.account_id), NOTHING)
        if (found[person.account_id] or known) and person.account_id not in unchanged:
            if not person.told:
                tally.skip("under_way")
            continue
        decided = decide_person(
            found[person.account_id],
            integration.settings.drift,
            known,
            untouchable=_is_untouchable(integration, users.get(person.user_id)),
        )
        subject = Subject("account", str(person.account_id), person.employee_key, person.user_id)
        noted.note(subject, decided, known, told=None)
        fields = {one.found.field: one.found.held for one in decided if one.state == "put_back"}
        if fields:
            put_back[person.told][person.account_id] = fields
        elif not person.told:
            _count_person(tally, decided)
    noted.keep(db, integration)
    store.put_back_people(run_id, put_back[False])
    store.put_back_people(None, put_back[True])
    return tally


def _compare_people(
    integration: Integration, people: Sequence[Linked], users: Mapping[str, LmsUser], store: ScanStore
) -> dict[int, list[Found]]:
    """What was found about each person, by account id."""
    holders: dict[str, set[str]] = defaultdict(set)
    for user in users.values():
        holders[user.external_key].add(user.user_id)
    keys = {_key(person) for person in people}
    held = {users[person.user_id].external_key for person in people if person.user_id in users}
    taken = keys | store.keys_taken(held - keys)
    return {
        person.account_id: compare_person(
            person.wanted,
            person.applied,
            users.get(person.user_id),
            claimants=sorted(holders[_key(person)] - {person.user_id}) if _key(person) else (),
            keys_of_others=taken - {_key(person)},
            maps=integration.settings.people.fields,
        )
        for person in people
    }


def _is_untouchable(integration: Integration, user: LmsUser | None) -> bool:
    listed = integration.settings.people.protected
    return user is not None and (user.protected or user.user_id in listed or user.username in listed)


def _count_person(tally: Tally, decided: Sequence[Decided]) -> None:
    """By the worst of what was found; whoever is put back is counted when that is written."""
    kinds = {one.found.kind for one in decided if one.state == "open"}
    if "missing" in kinds:
        tally.fail("account_gone")
    elif "claimed_twice" in kinds:
        tally.fail("claimed_twice")
    elif kinds:
        tally.skip("changed_by_hand")
    else:
        tally.skip("accepted" if decided else "unchanged")
