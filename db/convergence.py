"""
Stored events become facts, and facts become wanted state, in the caller's transaction.

Workers commit it; a plan looks at what came of it and rolls it back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from db.facts import FactStore, InboxRow, Settled
from domain.events import (
    Course,
    CourseEnrolment,
    Employee,
    ErasedEmployee,
    Event,
    Freshness,
    Payroll,
    SessionOrder,
    SyncRequest,
    decode_json,
    parse,
)
from domain.scope import out_of_scope
from domain.wanted import account_state, placement_states


@dataclass(slots=True)
class Applied:
    """What one transaction did; `integrations` have work to do now."""

    events: int = 0
    people: int = 0
    integrations: set[int] = field(default_factory=set)
    traces: list[str] = field(default_factory=list)


def event_of(row: InboxRow) -> Event:
    content = decode_json(row.body)
    attributes = content if row.attributes is None else {**row.attributes, "data": content}
    return parse({**attributes, "id": attributes.get("id") or row.event_id})


class Newest:
    """The newest fact per subject out of a batch, compared with what is stored."""

    def __init__(self, store: FactStore, events: Sequence[Event]) -> None:
        self._store = store
        facts = [event.fact for event in events]
        self._known: dict[tuple[str, ...], Freshness] = {}
        self._winners: dict[tuple[str, ...], Event] = {}
        self._touched: dict[str, None] = {}
        self._previous_employee: dict[str, str] = {}
        people = {fact.key() for fact in facts if isinstance(fact, Employee | ErasedEmployee)}
        enrolments = {fact.key() for fact in facts if isinstance(fact, CourseEnrolment)}
        courses = {fact.key() for fact in facts if isinstance(fact, Course)}
        if people:
            self._known |= {("person", key): new for key, new in store.person_freshness(people).items()}
        for key, (fresh, employee) in store.enrolment_freshness(enrolments).items() if enrolments else ():
            self._known["enrolment", key] = fresh
            self._previous_employee[key] = employee
        if any(isinstance(fact, Payroll) for fact in facts):
            self._known |= {("payroll", *key): new for key, new in store.payroll_freshness().items()}
        if courses:
            self._known |= {("course", *key): new for key, new in store.course_freshness(courses).items()}

    def take(self, inbox_id: int, event: Event) -> Settled:
        """Keep the event if it is the newest about its subject so far."""
        if isinstance(event.fact, SyncRequest):
            return self._sync(inbox_id, event.fact)
        if isinstance(event.fact, SessionOrder):
            return Settled(
                inbox_id,
                "set_aside",
                "needs_upgrade",
                "this release keeps session orders; a later one carries them out",
            )
        subject = _subject(event)
        if not event.freshness.newer_than(self._known.get(subject)):
            return Settled(inbox_id, "superseded")
        self._known[subject] = event.freshness
        self._winners[subject] = event
        return Settled(inbox_id, "applied")

    def _sync(self, inbox_id: int, request: SyncRequest) -> Settled:
        if self._store.request_sync(request.integration, request.flows, enrolments=request.enrolments):
            return Settled(inbox_id, "applied")
        return Settled(inbox_id, "failed", "unknown_integration", "data.integration: no integration has this name")

    def save(self) -> list[str]:
        """Store the newest facts; the keys of the people they concern at once."""
        people: list[Event] = []
        enrolments: list[tuple[Event, CourseEnrolment]] = []
        for event in self._winners.values():
            match event.fact:
                case Employee() | ErasedEmployee():
                    people.append(_with_status(event))
                    self._touched[event.fact.key()] = None
                case CourseEnrolment() as fact:
                    fact = _with_ending(event, fact)
                    enrolments.append((event, fact))
                    self._touched[fact.employee_key] = None
                    self._touched |= dict.fromkeys(filter(None, [self._previous_employee.get(fact.enrolment_key)]))
                case Payroll() as fact:
                    self._save_payroll(event, fact)
                case Course() as fact:
                    self._store.save_course(event, fact)
                    self._store.ask_sweep(course_code=fact.course_code)
        if people:
            self._store.save_people(people)
        if enrolments:
            self._store.save_enrolments(enrolments)
        return list(self._touched)

    def _save_payroll(self, event: Event, fact: Payroll) -> None:
        aspect = _subject(event)[-1]
        self._store.save_payroll(event, fact, aspect=aspect, enabled=event.type == "hr.payroll.enabled.v1")
        self._store.ask_sweep(payroll=fact.payroll)


def note_empty_payroll(store: FactStore, payroll: str) -> None:
    """A payroll without people is a failure of the integrations that select it, until somebody comes (R72)."""
    enabled = store.enabled_payrolls()
    selecting = [one for one in store.integrations() if one.settings.payrolls == "selected"]
    taken_by = [
        one.integration_id
        for one in selecting
        if out_of_scope(payroll, enabled_payrolls=enabled, settings=one.settings) is None
    ]
    store.note_empty_payroll(payroll, taken_by)


def _subject(event: Event) -> tuple[str, ...]:
    match event.fact:
        case Payroll() as fact:
            aspect = "details" if event.type == "hr.payroll.updated.v1" else "scope"
            return ("payroll", fact.payroll, fact.integration or "", aspect)
        case Course() as fact:
            return ("course", fact.course_code, fact.integration or "")
        case CourseEnrolment() as fact:
            return ("enrolment", fact.enrolment_key)
        case fact:
            return ("person", fact.key())


def _with_status(event: Event) -> Event:
    """A termination says terminated, whatever its data still carries."""
    if event.type == "hr.employee.terminated.v1":
        return Event(event.envelope, event.fact.model_copy(update={"status": "terminated"}))
    return event


def _with_ending(event: Event, fact: CourseEnrolment) -> CourseEnrolment:
    ending = {"hr.course_enrolment.withdrawn.v1": "withdrawn", "hr.course_enrolment.completed.v1": "completed"}
    status = ending.get(event.type)
    return fact.model_copy(update={"status": status}) if status else fact


def converge(store: FactStore, keys: Iterable[str], done: Applied, *, swept: bool = False) -> None:
    """
    What every integration of the tenant should hold for these people is written down.

    Args:
        swept: HR said nothing about them in person, so nobody waits for it.
    """
    # Sorted, so that two transactions never lock the same rows in opposite order.
    keys = sorted(set(keys))
    people = store.people(keys)
    if not people:
        return
    enabled = store.enabled_payrolls()
    details = store.payroll_details()
    courses = store.courses(people)
    enrolled = any(facts.enrolments for facts in people)
    now = store.now()
    for integration in store.integrations():
        provisioned = store.provisioned(integration, keys) if enrolled else set()
        accounts = {
            facts.employee_key: account_state(facts, integration.settings, enabled, details, provisioned)
            for facts in people
        }
        changed = store.want_accounts(integration, accounts, swept=swept)
        ids = store.account_ids(integration, list(accounts))
        placements = [
            (ids[facts.employee_key], state)
            for facts in people
            for state in placement_states(facts, integration.settings, courses, now, provisioned)
        ]
        if placements:
            moved = store.want_placements(integration, placements)
            store.wake_accounts(moved, swept=swept)
            changed |= moved
        done.integrations |= store.due_integrations(changed)
    done.people += len(people)
