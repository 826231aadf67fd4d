"""How events become facts, without a database: what is newest, and what an event's type adds to its data."""

import json
from collections.abc import Iterable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db import convergence
from db.facts import InboxRow
from domain.events import (
    FACT_TYPES,
    BadEvent,
    Course,
    CourseEnrolment,
    Employee,
    Event,
    Freshness,
    Payroll,
    UnknownType,
    parse,
)
from domain.wanted import PersonFacts, account_state, placement_states
from tests.unit.domain.values import NOON, event, integration

NOOR = {"first_name": "Noor", "last_name": "Meer", "emails": ["noor@example.org"]}


class Facts:
    """What the fact store remembers, in memory: only what finding the newest needs."""

    def __init__(self) -> None:
        self.people: dict[str, Event] = {}
        self.enrolments: dict[str, tuple[Event, CourseEnrolment]] = {}
        self.payrolls: dict[tuple[str, str, str], tuple[Event, bool]] = {}
        self.courses: dict[tuple[str, str], Event] = {}
        self.syncs: list[tuple[str, tuple[str, ...]]] = []
        self.sweeps: list[dict[str, str]] = []

    def person_freshness(self, keys: Iterable[str]) -> dict[str, Freshness]:
        return {key: self.people[key].freshness for key in keys if key in self.people}

    def enrolment_freshness(self, keys: Iterable[str]) -> dict[str, tuple[Freshness, str]]:
        known = {key: self.enrolments[key] for key in keys if key in self.enrolments}
        return {key: (event.freshness, fact.employee_key) for key, (event, fact) in known.items()}

    def payroll_freshness(self) -> dict[tuple[str, str, str], Freshness]:
        return {key: event.freshness for key, (event, _) in self.payrolls.items()}

    def course_freshness(self, codes: Iterable[str]) -> dict[tuple[str, str], Freshness]:
        return {key: event.freshness for key, event in self.courses.items() if key[0] in codes}

    def save_people(self, events: Iterable[Event]) -> None:
        self.people |= {event.fact.key(): event for event in events}

    def save_enrolments(self, events: Iterable[tuple[Event, CourseEnrolment]]) -> None:
        self.enrolments |= {fact.enrolment_key: (event, fact) for event, fact in events}

    def save_payroll(self, event: Event, fact: Payroll, *, aspect: str, enabled: bool) -> None:
        self.payrolls[fact.payroll, fact.integration or "", aspect] = (event, enabled)

    def save_course(self, event: Event, fact: Course) -> None:
        self.courses[fact.course_code, fact.integration or ""] = event

    def ask_sweep(self, **scope: str) -> None:
        self.sweeps.append(scope)

    def request_sync(self, name: str, flows: Iterable[str], *, enrolments: bool = False) -> bool:
        self.syncs.append((name, tuple(flows)))
        return name == "Acme Moodle"

    def remembered(self) -> dict[str, Any]:
        """Everything that was kept, without the order in which it came."""
        return {
            "people": {key: (event.envelope.id, event.fact) for key, event in self.people.items()},
            "enrolments": {key: (event.envelope.id, fact) for key, (event, fact) in self.enrolments.items()},
            "payrolls": {key: (event.envelope.id, on) for key, (event, on) in self.payrolls.items()},
            "courses": {key: event.envelope.id for key, event in self.courses.items()},
        }


def take(store: Facts, *events: Event) -> tuple[list[str], list[str]]:
    """How each event of one batch ended, and whom the batch concerned."""
    newest = convergence.Newest(store, events)  # type: ignore[arg-type]
    states = [newest.take(number, event).state for number, event in enumerate(events)]
    return states, newest.save()


def person(hour: int, type_: str = "hr.employee.updated.v1", id_: str = "", **said: Any) -> Event:
    data = {"employee_key": "E-1", **said}
    return parse(event(type_, data, subject="E-1", time=f"2026-06-01T{hour:02}:00:00Z", id=id_ or str(hour)))


def enrolment(hour: int, type_: str = "hr.course_enrolment.changed.v1", **said: Any) -> Event:
    data = {"enrolment_key": "EN-1", "employee_key": "E-1", "course_code": "ICT", **said}
    return parse(event(type_, data, subject="EN-1", time=f"2026-06-01T{hour:02}:00:00Z", id=f"n{hour}"))


def payroll(hour: int, word: str, integration: str | None = None) -> Event:
    data = {"payroll": "NL-02", "integration": integration}
    time = f"2026-06-01T{hour:02}:00:00Z"
    return parse(event(f"hr.payroll.{word}.v1", data, subject="NL-02", time=time, id=f"p{hour}"))


def smallest(type_: str) -> Event:
    """The smallest valid event of this type."""
    required = {name: "K" for name, field in FACT_TYPES[type_].model_fields.items() if field.is_required()}
    return parse(event(type_, required, subject="K"))


# Every type is taken

WAITS_FOR_A_RELEASE = {"hr.course_session.ordered.v1", "hr.course_session.cancelled.v1"}


@pytest.mark.parametrize("type_", sorted(FACT_TYPES.keys() - WAITS_FOR_A_RELEASE - {"hr.sync.requested.v1"}))
def test_every_type_of_fact_is_kept_when_it_is_called_applied(type_: str) -> None:
    """I13: no type falls through; "applied" is only said of what was remembered."""
    store = Facts()

    states, _ = take(store, smallest(type_))

    assert states == ["applied"]
    assert any(store.remembered().values())


@pytest.mark.parametrize("type_", sorted(WAITS_FOR_A_RELEASE))
def test_a_session_order_waits_for_the_release_that_carries_it_out(type_: str) -> None:
    """I1, I13: kept and visible, never called applied."""
    settled = convergence.Newest(Facts(), []).take(1, smallest(type_))  # type: ignore[arg-type]

    assert (settled.state, settled.code) == ("set_aside", "needs_upgrade")


@pytest.mark.parametrize(("name", "state"), [("Acme Moodle", "applied"), ("Acme Mood", "failed")])
def test_a_synchronisation_is_asked_for_by_name(name: str, state: str) -> None:
    """R81: a name that nobody has is a failure, not a silence."""
    store = Facts()
    wish = parse(event("hr.sync.requested.v1", {"integration": name, "flows": ["people"]}, subject=name))

    states, touched = take(store, wish)

    assert (states, touched) == ([state], [])
    assert store.syncs == [(name, ("people",))]


# The newest wins

LIFE = [
    person(1, "hr.employee.created.v1", first_name="Noor"),
    person(2, first_name="Noor", payroll="NL-02"),
    person(3, "hr.employee.terminated.v1", first_name="Noor"),
    person(4, "hr.employee.created.v1", first_name="Noor", last_name="Meer"),
    person(5, first_name="Noor", last_name="Berg"),
]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_hire_change_leave_rehire_end_alike_in_every_order(size: int) -> None:
    """F1, I6: all orders of five events, in batches of several sizes, each event twice."""
    ends = []
    for order in permutations(LIFE):
        store = Facts()
        arrived = [*order, *order]
        for start in range(0, len(arrived), size):
            take(store, *arrived[start : start + size])
        ends.append(store.remembered())

    assert all(end == ends[0] for end in ends)
    assert ends[0]["people"] == {"E-1": ("5", LIFE[4].fact)}


# Few hours and ids, so that facts of one moment come up often; the id decides between them.
HOURS, IDS = st.integers(1, 4), st.sampled_from("ab")
PERSON = st.builds(
    lambda hour, id_, **said: person(hour, id_=f"{hour}{id_}", **NOOR, **said),
    HOURS,
    IDS,
    status=st.sampled_from(["active", "on_leave", "terminated"]),
    payroll=st.sampled_from([None, "NL-02", "NL-03"]),
)
ERASURE = st.builds(lambda hour, id_: person(hour, "hr.employee.erased.v1", id_=f"{hour}{id_}"), HOURS, IDS)
ENROLMENT = st.builds(enrolment, HOURS, status=st.sampled_from(["active", "withdrawn"]))
WORDS = st.sampled_from(["enabled", "disabled", "updated"])
PAYROLL = st.builds(payroll, HOURS, WORDS, st.sampled_from([None, "Acme Moodle"]))
HISTORIES = st.lists(
    PERSON | ERASURE | ENROLMENT | PAYROLL, min_size=1, max_size=8, unique_by=lambda event: event.envelope.id
)


def wanted_after(events: Iterable[Event], sizes: Iterable[int]) -> tuple[Any, Any]:
    """Account and placements as they are to be once the events came in batches of these sizes."""
    store, waiting = Facts(), list(events)
    for size in sizes:
        take(store, *waiting[:size])
        waiting = waiting[size:]
    take(store, *waiting)
    said = store.people.get("E-1")
    fact = said.fact if said else None
    employee = fact if isinstance(fact, Employee) else None
    enrolments = tuple(held for _, held in store.enrolments.values())
    facts = PersonFacts("E-1", employee, said is not None and employee is None, enrolments)
    chosen = integration(payrolls="selected", when_out_of_scope="suspend")
    words = {(code, name): on for (code, name, aspect), (_, on) in store.payrolls.items() if aspect == "scope"}
    return account_state(facts, chosen, words), placement_states(facts, chosen, {}, NOON)


@settings(deadline=None)
@given(events=HISTORIES, data=st.data())
def test_any_history_ends_in_one_wanted_state_in_any_order_and_however_often_it_is_told(
    events: list[Event], data: st.DataObject
) -> None:
    """F1, I6: people, payrolls and enrolments, in batches as they happen to come."""
    repeated = events + data.draw(st.lists(st.sampled_from(events), max_size=6))
    arrived = data.draw(st.permutations(repeated))
    sizes = data.draw(st.lists(st.integers(1, 4), max_size=6))

    assert wanted_after(arrived, sizes) == wanted_after(events, [])


def test_an_old_event_after_a_newer_one_is_superseded() -> None:
    """F2."""
    store = Facts()
    take(store, LIFE[3])

    states, touched = take(store, LIFE[2], LIFE[4], LIFE[3])

    assert states == ["superseded", "applied", "superseded"]
    assert touched == ["E-1"]


def test_within_a_batch_only_the_newest_is_kept() -> None:
    """I6: the one before it was news when it was read, and is called applied all the same."""
    store = Facts()

    states, _ = take(store, LIFE[0], LIFE[4], LIFE[1])

    assert states == ["applied", "applied", "superseded"]
    assert store.people["E-1"].envelope.id == "5"


def test_different_subjects_do_not_supersede_each_other() -> None:
    """One person, one enrolment, one payroll and one course may all be called the same."""
    store = Facts()
    types = [
        "hr.employee.updated.v1",
        "hr.payroll.enabled.v1",
        "hr.course.changed.v1",
        "hr.course_enrolment.changed.v1",
    ]

    states, _ = take(store, *(smallest(type_) for type_ in types))

    assert states == ["applied"] * 4
    assert all(store.remembered().values())


def test_an_erasure_and_an_update_are_about_the_same_person() -> None:
    """J9: the newer of the two stands."""
    store = Facts()
    erased = person(3, "hr.employee.erased.v1")

    states, _ = take(store, erased, person(2))

    assert states == ["applied", "superseded"]
    assert store.people["E-1"].type == "hr.employee.erased.v1"


def test_a_payrolls_details_say_nothing_about_its_scope() -> None:
    """R18: an update of the name must not hide the word on enabling that came before it."""
    store = Facts()

    states, _ = take(store, payroll(1, "enabled"), payroll(2, "updated"), payroll(3, "disabled"), payroll(4, "updated"))

    assert states == ["applied"] * 4
    assert {key[-1]: on for key, (_, on) in store.payrolls.items()} == {"scope": False, "details": False}


def test_enabling_for_one_integration_and_for_all_are_two_words() -> None:
    """R18."""
    store = Facts()

    states, _ = take(store, payroll(2, "enabled", "Acme Moodle"), payroll(1, "disabled"))

    assert states == ["applied", "applied"]
    assert {key[1]: on for key, (_, on) in store.payrolls.items()} == {"Acme Moodle": True, "": False}


def test_a_payrolls_word_sweeps_its_people_and_a_courses_word_the_enrolled() -> None:
    """R18, R40: those who are there already, not only those who come."""
    store = Facts()

    _, touched = take(store, payroll(1, "enabled"), smallest("hr.course.changed.v1"))

    assert touched == []
    assert store.sweeps == [{"payroll": "NL-02"}, {"course_code": "K"}]


# What the type adds


@pytest.mark.parametrize("status", ["active", "on_leave", "terminated"])
def test_a_termination_terminates_whatever_its_data_still_say(status: str) -> None:
    """R55."""
    store = Facts()

    take(store, person(1, "hr.employee.terminated.v1", status=status))

    fact = store.people["E-1"].fact
    assert isinstance(fact, Employee)
    assert fact.status == "terminated"


@pytest.mark.parametrize(
    ("word", "status"),
    [("withdrawn", "withdrawn"), ("completed", "completed"), ("changed", "active"), ("confirmed", "active")],
)
def test_a_withdrawal_withdraws_whatever_its_data_still_say(word: str, status: str) -> None:
    """R133."""
    store = Facts()

    take(store, enrolment(1, f"hr.course_enrolment.{word}.v1"))

    assert store.enrolments["EN-1"][1].status == status


def test_what_an_upstream_added_is_kept_when_the_type_adds_something() -> None:
    store = Facts()

    take(store, person(1, "hr.employee.terminated.v1", shoe_size=39))

    assert store.people["E-1"].fact.model_extra == {"shoe_size": 39}


def test_an_enrolment_that_moves_concerns_both_people() -> None:
    """I13: the one who had it must lose it."""
    store = Facts()
    take(store, enrolment(1))

    _, touched = take(store, enrolment(2, employee_key="E-2"))

    assert sorted(touched) == ["E-1", "E-2"]


# From stored bytes


def row(body: bytes, attributes: dict[str, Any] | None = None) -> InboxRow:
    return InboxRow(inbox_id=1, event_id="given", body=body, attributes=attributes)


def test_both_ways_of_sending_an_event_are_the_same_event() -> None:
    """Structured: everything in the body. Binary: the attributes as headers."""
    whole = event(data={"employee_key": "E-1"}, subject="E-1")
    attributes = {name: value for name, value in whole.items() if name != "data"}

    structured = convergence.event_of(row(json.dumps(whole).encode()))
    binary = convergence.event_of(row(json.dumps(whole["data"]).encode(), attributes))

    assert structured == binary
    assert structured.envelope.id == whole["id"]


def test_an_event_without_an_id_has_the_one_it_was_given() -> None:
    """A12."""
    nameless = {name: value for name, value in event().items() if name != "id"}

    assert convergence.event_of(row(json.dumps(nameless).encode())).envelope.id == "given"


@pytest.mark.parametrize(
    ("body", "family"),
    [
        (b"{", BadEvent),
        (json.dumps(event(subject="E-9")).encode(), BadEvent),
        (json.dumps(event("hr.employee.updated.v9")).encode(), UnknownType),
    ],
)
def test_a_stored_event_may_still_be_refused(body: bytes, family: type[BadEvent]) -> None:
    with pytest.raises(family):
        convergence.event_of(row(body))
