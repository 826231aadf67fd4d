"""
What failed is due again: workers commit it, a preview looks at what would come of it and rolls it back.

Nothing here is sent anywhere. People and enrolments become due behind everything that somebody waits for, and messages
wait to be applied by the ordinary way, so that nothing is ever done over something newer.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from db.convergence import Applied, Newest, converge, event_of
from db.facts import FactStore, InboxRow
from db.pool import Db
from db.statements import statements
from db.store import Store
from domain.events import BadEvent, Event
from domain.fingerprints import FailureKind
from domain.replays import Mode

ABLE = ("due", "settled", "out_of_scope")
"""States of an account whose enrolments are worked on."""
CONFLICT_CODE = "same_id_other_bytes"


@dataclass(frozen=True, slots=True)
class Member:
    """One failure that is tried again. `employee_key` is whom it concerns, or the subject of a message."""

    failure_id: int
    tenant: str | None
    integration_id: int | None
    group_id: int
    kind: FailureKind
    subject_id: str
    employee_key: str | None
    code: str
    times: int

    @property
    def number(self) -> int:
        return int(self.subject_id)


@dataclass(slots=True)
class Released:
    """
    What became of members.

    Attributes:
        begun: They are due, or wait to be applied.
        blocked: They would fail as before, by code; nothing was done.
        busy: A worker is at work on them just now; nothing was done.
    """

    begun: list[Member] = field(default_factory=list)
    blocked: list[tuple[Member, str]] = field(default_factory=list)
    busy: list[Member] = field(default_factory=list)

    def block(self, member: Member, code: str) -> None:
        self.blocked.append((member, code))


class ReleaseStore(Store):
    """Failures of one integration, or messages of one tenant, in one transaction."""

    sql = statements("releases")

    def __init__(self, db: Db, tenant: str | None) -> None:
        super().__init__(db)
        self._tenant = tenant

    def release_work(self, members: Sequence[Member], mode: Mode) -> Released:
        """
        People, enrolments and groups are due again.

        Raises:
            StoreUnavailable: Events of the tenant are being applied just now; try again.
        """
        whose = self._accounts_of(members)
        self._evaluate(members, whose, mode)
        free = {row[0] for row in self._rows("lock_accounts", accounts=sorted(set(whose.values())))}
        there = [member for member in members if member.failure_id in whose]
        done = Released(busy=[member for member in there if whose[member.failure_id] not in free])
        done.blocked = [(member, member.code) for member in members if member.failure_id not in whose]
        tried = [member for member in there if whose[member.failure_id] in free]
        self._rows("release_accounts", accounts=[m.number for m in tried if m.kind == "account"])
        states = self._states(free)
        for member in tried:
            state, code = states[whose[member.failure_id]]
            stuck = state not in ABLE if member.kind != "account" else state in ("parked", "staged", "settled")
            if stuck:
                done.block(member, code or member.code)
            else:
                done.begun.append(member)
        self._rows("release_placements", placements=_numbers(done.begun, "placement"))
        self._rows("release_memberships", placements=_numbers(done.begun, "membership"))
        self._rows("wake_patiently", accounts=sorted({whose[member.failure_id] for member in done.begun}))
        return done

    def _accounts_of(self, members: Sequence[Member]) -> dict[int, int]:
        """Account id by number of the failure; what is not there any more is left out."""
        placements = [m.number for m in members if m.kind != "account"]
        found: dict[int, int] = dict(self._rows("accounts_of", placements=placements))
        pairs = ((m.failure_id, m.number if m.kind == "account" else found.get(m.number)) for m in members)
        return {failure_id: account_id for failure_id, account_id in pairs if account_id is not None}

    def _evaluate(self, members: Sequence[Member], whose: dict[int, int], mode: Mode) -> None:
        """HR's word on people is looked at anew: on all of them, or only where there is no step to resume."""
        own = {m.number for m in members if m.kind == "account"}
        rows = self._rows("look_accounts", accounts=sorted(set(whose.values())))
        stepless = {
            account_id: key
            for account_id, key, state, _, is_wanted in rows
            if state != "due"
            and (mode == "re-evaluate" or (account_id in own and not (state == "parked" and is_wanted)))
        }
        if stepless and self._tenant is not None:
            facts = FactStore(self._db, self._tenant)
            facts.lock()
            converge(facts, stepless.values(), Applied(), swept=True)

    def _states(self, account_ids: Collection[int]) -> dict[int, tuple[str, str | None]]:
        rows = self._rows("look_accounts", accounts=sorted(account_ids))
        return {account_id: (state, code) for account_id, _, state, code, _ in rows}

    def release_messages(self, members: Sequence[Member]) -> tuple[Released, list[tuple[Member, Event]]]:
        """
        Messages wait to be applied, if they can be read by now.

        Returns:
            What became of them, and the events among them in their order.
        """
        done, events = Released(), []
        by_number = {member.number: member for member in members}
        taken: set[bytes] = set()
        for inbox_id, event_key, event_id, body, attributes, is_first in self._rows(
            "lock_messages", messages=list(by_number)
        ):
            member = by_number.pop(inbox_id)
            if not is_first or event_key in taken:
                done.block(member, CONFLICT_CODE)
                continue
            try:
                event = event_of(InboxRow(inbox_id, event_id, bytes(body), attributes))
            except BadEvent as problem:
                done.block(member, problem.code)
                continue
            taken.add(event_key)
            events.append((member, event))
        # What is none of these any more was seen to by somebody else meanwhile.
        done.begun = [member for member, _ in events] + list(by_number.values())
        self._receive_again(events)
        return done, events

    def _receive_again(self, events: Sequence[tuple[Member, Event]]) -> None:
        envelopes = [event.envelope for _, event in events]
        self._rows(
            "receive_again",
            messages=[member.number for member, _ in events],
            sources=[envelope.source[:255] for envelope in envelopes],
            event_ids=[envelope.id[:255] for envelope in envelopes],
            types=[envelope.type for envelope in envelopes],
            subjects=[envelope.subject for envelope in envelopes],
            tenants=[envelope.tenant for envelope in envelopes],
        )


def foretell(db: Db, events: Iterable[tuple[Member, Event]]) -> dict[int, str]:
    """How applying each of these would end, by number of the failure; their facts are not saved."""
    by_tenant: dict[str, list[tuple[Member, Event]]] = {}
    for member, event in events:
        by_tenant.setdefault(event.envelope.tenant, []).append((member, event))
    endings: dict[int, str] = {}
    for tenant, told in by_tenant.items():
        newest = Newest(FactStore(db, tenant), [event for _, event in told])
        endings |= {member.failure_id: newest.take(member.number, event).state for member, event in told}
    return endings


def _numbers(members: Iterable[Member], kind: FailureKind) -> list[int]:
    return [member.number for member in members if member.kind == kind]
