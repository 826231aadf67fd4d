"""
What trying failures again would come to, shown without doing it.

Everything is worked out on the record itself, in transactions that are rolled back, by the very statements that release
the work and the rules by which workers plan it. Of many people only a sample is looked up in the LMS.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from db.accounts import ClaimedPlacement
from db.configuration import IntegrationRow
from db.guards import Suspension
from db.pool import Pool, rehearsal
from db.rehearsals import Rehearsal, Rehearsed, others, rehearse_release
from db.releases import Member, Released, ReleaseStore, foretell
from domain.accounts import SUSPENDED_BY_STATUS
from domain.events import Employee, ErasedEmployee, Event
from domain.planning import PersonPlan, PlannedCall
from domain.replays import Effect, LmsWork, Mode
from ops.lms_access import reading
from ops.planning import Planner
from runtime.settings import Settings

CHUNK = 500
"""So many are worked out in one transaction: events of the client can be applied in between."""
READ_ALL, SAMPLE = 200, 50
"""Up to so many people are all looked up in the LMS, of more a sample is."""
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One failure with what would come of it, and the calls with each field before and after."""

    failure_id: int
    kind: str
    employee_key: str | None
    code: str
    effect: Effect
    detail: str
    calls: Sequence[PlannedCall] = ()


@dataclass(slots=True)
class Foreseen:
    """
    What would come of each failure.

    Attributes:
        effects: By number of the failure; what is not among them was not looked up.
        sampled: So many people were looked up in place of all; None when all were.
        estimated: What the others would come to, if they are like the sample.
        deactivations: People and enrolments that would be suspended.
        work: What the LMS would be asked.
    """

    effects: dict[int, Effect] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    sampled: int | None = None
    estimated: Counter[str] = field(default_factory=Counter)
    deactivations: int = 0
    work: LmsWork = field(default_factory=LmsWork)

    def note(self, member: Member, effect: Effect, detail: str = "", calls: Sequence[PlannedCall] = ()) -> None:
        self.effects[member.failure_id] = effect
        if len(self.samples) < SHOWN:
            key = (member.failure_id, member.kind, member.employee_key, member.code)
            self.samples.append(Sample(*key, effect, detail, calls))

    def note_blocked(self, released: Released) -> None:
        for member, code in released.blocked:
            self.note(member, "blocked", code)


def foresee_messages(pool: Pool, tenant: str | None, members: Sequence[Member]) -> Foreseen:
    """What would come of applying these messages again."""
    found = Foreseen()
    effects: Mapping[str, Effect] = {"applied": "apply", "superseded": "superseded"}
    for start in range(0, len(members), CHUNK):
        with rehearsal(pool) as db:
            released, events = ReleaseStore(db, tenant).release_messages(members[start : start + CHUNK])
            endings = foretell(db, events)
        found.note_blocked(released)
        for member, event in events:
            effect = effects.get(endings[member.failure_id], "blocked")
            found.deactivations += effect == "apply" and _deactivates(event)
            found.note(member, effect, event.type)
    return found


def _deactivates(event: Event) -> bool:
    match event.fact:
        case ErasedEmployee():
            return True
        case Employee(status=status):
            return SUSPENDED_BY_STATUS[status] or event.type == "hr.employee.terminated.v1"
        case _:
            return False


def foresee_work(
    pool: Pool, settings: Settings, integration: IntegrationRow, members: Sequence[Member], mode: Mode
) -> Foreseen:
    """
    What would come of trying this integration's people, enrolments and groups again.

    Raises:
        StoreUnavailable: Events of the client are being applied just now.
        ProvisioningError: The LMS does not let itself be read.
    """
    found = Foreseen()
    begun: list[Member] = []
    parts: list[Rehearsal] = []
    for start in range(0, len(members), CHUNK):
        chunk = members[start : start + CHUNK]
        with rehearsal(pool) as db:
            part, released = rehearse_release(db, integration.tenant, integration.integration_id, chunk, mode)
        found.note_blocked(released)
        begun += released.begun
        parts += [part] if part else []
    if begun and parts:
        _plan(pool, settings, integration, _together(parts), begun, found)
    return found


def _together(parts: Sequence[Rehearsal]) -> Rehearsal:
    """One rehearsal of everybody, each person once."""
    people = {one.account.account_id: one for part in parts for one in part.accounts}
    suspensions: dict[str, dict[int, Suspension]] = {}
    for part in parts:
        for payroll, some in part.suspensions.items():
            suspensions.setdefault(payroll, {}).update({one.account_id: one for one in some})
    return replace(
        parts[0],
        accounts=list(people.values()),
        suspensions={payroll: list(some.values()) for payroll, some in suspensions.items()},
        windows={payroll: window for part in parts for payroll, window in part.windows.items()},
    )


def _plan(
    pool: Pool,
    settings: Settings,
    integration: IntegrationRow,
    everybody: Rehearsal,
    begun: Sequence[Member],
    found: Foreseen,
) -> None:
    unread = [one for one in everybody.accounts if _has_to_be_read(one)]
    looked_up = unread
    if len(unread) > READ_ALL:
        found.sampled = SAMPLE
        looked_up = [unread[place * len(unread) // SAMPLE] for place in range(SAMPLE)]
    left_out = {one.account.employee_key for one in unread} - {one.account.employee_key for one in looked_up}
    planned = [one for one in everybody.accounts if one.account.employee_key not in left_out]
    known = replace(everybody, accounts=planned)
    if looked_up:
        with rehearsal(pool) as db:
            owners, reserved = others(db, integration.integration_id)
        known = replace(known, owners=owners, reserved=reserved)
    with reading(settings, integration) as users:
        plans = {plan.employee_key: plan for plan in Planner(known, users).plans()}
    people = {one.account.employee_key: one for one in everybody.accounts}
    for member in begun:
        key = member.employee_key or ""
        if key in plans:
            effect = _effect(member, plans[key], people[key])
            found.note(member, effect, plans[key].code or plans[key].detail, plans[key].calls)
    found.deactivations = sum(_deactivations(one) for one in everybody.accounts)
    found.work = _work(plans.values(), len(unread), len(looked_up))
    sampled = {one.account.employee_key for one in looked_up}
    if found.sampled:
        seen = Counter(found.effects[m.failure_id] for m in begun if m.employee_key in sampled)
        scale = sum(m.employee_key in left_out for m in begun) / max(1, seen.total())
        found.estimated = Counter({effect: round(count * scale) for effect, count in seen.items()})


def _has_to_be_read(one: Rehearsed) -> bool:
    """Whether the LMS has to be asked who somebody is, or what it holds of them."""
    return one.account.lms_user_id is None or not one.account.applied


def _effect(member: Member, plan: PersonPlan, one: Rehearsed) -> Effect:
    """What the workers' record will show of this one subject, as far as it can be told."""
    if plan.outcome in ("parked", "staged", "waiting"):
        return "blocked"
    if member.kind == "membership":
        return "unknown"  # no function tells who is in a group
    if member.kind == "account":
        if plan.outcome in ("create", "link"):
            return plan.outcome
        return "update" if any(call.function == "update_users" for call in plan.calls) else "nothing"
    placement = next((p for p in one.placements if p.placement_id == member.number), None)
    if placement is None or placement.lms_course_id is None:
        return "blocked"
    return _placed(placement, plan)


def _placed(placement: ClaimedPlacement, plan: PersonPlan) -> Effect:
    course = f"course {placement.lms_course_id}"
    is_sent = any(call.function == "enrol" and call.subject == course for call in plan.calls)
    if not is_sent:
        return "blocked"
    return "nothing" if placement.applied == placement.wanted else "enrol"


def _deactivations(one: Rehearsed) -> int:
    wanted = one.account.wanted
    leaves = wanted is not None and wanted.suspended and not one.account.applied.get("suspended")
    ends = sum(p.due and p.wanted.suspended and not (p.applied and p.applied.suspended) for p in one.placements)
    return int(leaves) + ends


def _work(plans: Iterable[PersonPlan], unread: int, looked_up: int) -> LmsWork:
    """What the LMS is asked for everybody, of those not looked up as of the sample."""
    calls = Counter(call.function for plan in plans for call in plan.calls)
    scale = unread / looked_up if looked_up else 1.0
    return LmsWork(
        look_ups=unread,
        creates=round(calls["create_users"] * scale),
        updates=calls["update_users"],
        enrolments=round(calls["enrol"] * scale),
    )
