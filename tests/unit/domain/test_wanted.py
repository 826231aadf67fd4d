"""From HR's word to wanted state: who belongs to an integration, and what it should hold for them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import suspended_if_linked
from domain.events import CourseEnrolment, Employee
from domain.scope import out_of_scope
from domain.wanted import AccountState, PersonFacts, account_state, placement_states
from tests.unit.domain.values import NOON, employee, integration

SELECTED = integration(payrolls="selected")
NOBODY: dict[tuple[str, str], bool] = {}


def facts(person: Employee | None = None, *enrolments: CourseEnrolment, erased: bool = False) -> PersonFacts:
    return PersonFacts("E-1002", person, erased, enrolments)


def enrolment(key: str = "EN-1", **said: Any) -> CourseEnrolment:
    return CourseEnrolment.model_validate(
        {"enrolment_key": key, "employee_key": "E-1002", "course_code": "ICT30120-A"} | said
    )


# Scope


@given(payroll=st.none() | st.text(max_size=5), said=st.booleans())
def test_with_all_payrolls_everybody_is_in_scope(payroll: str | None, said: bool) -> None:
    """R17: those of payrolls that nobody has heard of yet included."""
    enabled = {(payroll or "", ""): said, (payroll or "", "Acme Moodle"): said}

    assert out_of_scope(payroll, enabled_payrolls=enabled, settings=integration(payrolls="all")) is None


@pytest.mark.parametrize(
    ("payroll", "enabled", "reason"),
    [
        (None, {}, "no_payroll"),
        ("NL-02", {}, "payroll_not_selected"),
        ("NL-02", {("NL-02", "Acme Moodle"): True}, None),
        ("NL-02", {("NL-02", ""): True}, None),
        ("NL-02", {("NL-02", ""): False}, "payroll_not_selected"),
        ("NL-02", {("NL-02", ""): True, ("NL-02", "Acme Moodle"): False}, "payroll_not_selected"),
        ("NL-02", {("NL-02", ""): False, ("NL-02", "Acme Moodle"): True}, None),
        ("NL-02", {("NL-02", "Other Moodle"): True}, "payroll_not_selected"),
        ("NL-02", {("NL-01", "Acme Moodle"): True}, "payroll_not_selected"),
        ("nl-02", {("NL-02", "Acme Moodle"): True}, "payroll_not_selected"),
    ],
)
def test_with_selected_payrolls_only_the_ticked_ones_are_in_scope(
    payroll: str | None, enabled: dict[tuple[str, str], bool], reason: str | None
) -> None:
    """R16, R18: the word for this very integration, told apart by its name, counts more than the general one."""
    assert out_of_scope(payroll, enabled_payrolls=enabled, settings=SELECTED) == reason


# Accounts


def test_somebody_out_of_scope_is_a_reason_and_not_a_failure() -> None:
    """R20: also when the data would be a failure."""
    fine = account_state(facts(employee()), SELECTED, NOBODY)
    faulty = account_state(facts(employee(emails=[])), SELECTED, NOBODY)

    assert fine == faulty == AccountState("out_of_scope", code="payroll_not_selected")


def test_out_of_scope_may_mean_suspended() -> None:
    """R18: by setting; and nobody is made just to be suspended."""
    settings = integration(payrolls="selected", when_out_of_scope="suspend")

    state = account_state(facts(employee()), settings, NOBODY)

    assert state.state == "due"
    assert state.wanted is not None
    assert (state.wanted.suspended, state.wanted.wanted_if_absent) == (True, False)
    assert state.wanted.out_of_scope == "payroll_not_selected"


def test_with_faulty_data_out_of_scope_stays_the_reason() -> None:
    """R20: scope, not error."""
    settings = integration(payrolls="selected", when_out_of_scope="suspend")

    state = account_state(facts(employee(emails=[])), settings, NOBODY)

    assert state.wanted == suspended_if_linked("E-1002", "payroll_not_selected")


def test_somebody_who_was_never_ours_is_not_touched_for_being_out_of_scope() -> None:
    """R20, S15: only an account that is linked already is suspended."""
    settings = integration(payrolls="selected", when_out_of_scope="suspend")

    state = account_state(facts(employee()), settings, NOBODY)

    assert state.wanted is not None
    assert state.wanted.linked_only
    assert state.wanted.fields() == {"suspended": True}


def test_a_leaver_with_faulty_facts_is_suspended_all_the_same() -> None:
    """R55: whoever leaves must lose access, even when HR has emptied the record."""
    state = account_state(facts(employee(status="terminated", emails=[])), integration(), NOBODY)

    assert (state.state, state.wanted) == ("due", suspended_if_linked("E-1002"))


def test_tentative_bookings_give_nobody_an_account() -> None:
    settings = integration(people={"accounts_for": "enrolled"})

    tentative = account_state(facts(employee(), enrolment(booking_status="tentative")), settings, NOBODY)
    confirmed = account_state(facts(employee(), enrolment()), settings, NOBODY)

    assert (tentative.state, tentative.code, confirmed.state) == ("waiting", "not_enrolled", "due")


def test_ticking_the_payroll_brings_the_person_in() -> None:
    """R18: the very same facts, so a sweep is enough."""
    settings = integration(payrolls="selected", when_out_of_scope="suspend")

    state = account_state(facts(employee()), settings, {("NL-02", "Acme Moodle"): True})

    assert state == account_state(facts(employee()), integration(), NOBODY)
    assert state.state == "due"


def test_an_enrolment_before_its_employee_waits() -> None:
    """F1: update before create; it is nobody's fault yet."""
    state = account_state(facts(None, enrolment()), integration(), NOBODY)

    assert (state.state, state.code, state.wanted) == ("waiting", "employee_unknown", None)


@pytest.mark.parametrize("person", [None, employee()])
def test_whoever_is_erased_stays_away(person: Employee | None) -> None:
    """J9: whatever else arrived; an account that is there is suspended."""
    state = account_state(facts(person, enrolment(), erased=True), integration(), NOBODY)

    assert state.wanted == suspended_if_linked("E-1002", "person_erased")


def test_where_accounts_are_for_the_enrolled_the_others_wait() -> None:
    settings = integration(people={"accounts_for": "enrolled"})

    assert account_state(facts(employee()), settings, NOBODY).code == "not_enrolled"
    assert account_state(facts(employee(), enrolment()), settings, NOBODY).state == "due"


def test_a_faulty_field_parks_the_person_and_names_it() -> None:
    """R53, R64, R73: named person by person, without the value."""
    state = account_state(facts(employee(first_name=" ")), integration(), NOBODY)

    assert (state.state, state.code) == ("parked", "first_name_missing")
    assert "first_name" in state.detail


def test_the_key_of_the_address_goes_with_the_account() -> None:
    """R66: so that collisions are found."""
    state = account_state(facts(employee(emails=["NOOR@Example.org"])), integration(), NOBODY)

    assert state.email_key == "noor@example.org"
    assert AccountState("waiting").email_key is None


PEOPLE = st.none() | st.builds(
    employee,
    status=st.sampled_from(["active", "on_leave", "suspended", "terminated"]),
    payroll=st.sampled_from([None, "NL-01", "NL-02"]),
    emails=st.sampled_from([[], ["noor@example.org"], ["noor"]]),
    first_name=st.sampled_from(["Noor", "", None]),
)
INTEGRATIONS = st.builds(
    integration,
    payrolls=st.sampled_from(["all", "selected"]),
    when_out_of_scope=st.sampled_from(["suspend", "leave"]),
    people=st.sampled_from([{}, {"accounts_for": "enrolled"}]),
)
ENABLED = st.dictionaries(
    st.tuples(st.sampled_from(["NL-01", "NL-02"]), st.sampled_from(["", "Acme Moodle"])), st.booleans()
)


@given(person=PEOPLE, erased=st.booleans(), enrolled=st.booleans(), settings=INTEGRATIONS, enabled=ENABLED)
def test_every_combination_has_one_state_with_either_a_wish_or_a_reason(
    person: Employee | None, erased: bool, enrolled: bool, settings: Any, enabled: dict[tuple[str, str], bool]
) -> None:
    """R20, I2: nothing in limbo, and the same answer every time."""
    known = facts(person, *([enrolment()] if enrolled else []), erased=erased)

    state = account_state(known, settings, enabled)

    assert (state.wanted is None) == (state.state != "due") == (state.code is not None)
    assert state == account_state(known, settings, enabled)
    if state.wanted and state.wanted.out_of_scope:
        assert state.wanted.suspended


# Placements


def test_every_enrolment_has_its_own_placement() -> None:
    """R1 asks for independence: one refused enrolment says nothing about the others."""
    states = placement_states(
        facts(
            employee(),
            enrolment("EN-1"),
            enrolment("EN-2", status="withdrawn"),
            enrolment("EN-3", export_on="2026-06-02"),
        ),
        integration(timezone="Europe/Amsterdam"),
        {},
        NOON,
    )

    assert [(s.enrolment_key, s.refusal, s.wanted.suspended) for s in states] == [
        ("EN-1", None, False),
        ("EN-2", "withdrawn", True),
        ("EN-3", None, False),
    ]
    assert [s.not_before and s.not_before.isoformat() for s in states] == [None, None, "2026-06-01T22:00:00+00:00"]
    assert {s.course_code for s in states} == {"ICT30120-A"}
