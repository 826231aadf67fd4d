"""
Events become facts and facts become wanted state: in any order, one by one or together, and each bad one by itself.
"""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from db import configuration
from db.facts import FactStore
from db.pool import Pool, transaction
from runtime.secrets import Secret
from tests.support.builders import (
    MOODLE,
    TENANT,
    Event,
    as_bytes,
    changed,
    course,
    enrolled,
    erased,
    event,
    hired,
    hires,
    lms_courses,
    payroll,
    settings,
    sync_requested,
    terminated,
    updated,
    withdrawn,
)
from tests.support.fake_lms import FakeLms
from tests.support.workbench import KEYS, Workbench
from workers.apply import apply_events

LATER = {"tenant": "later"}
BOOM = """
    create function boom() returns trigger language plpgsql as
    $$ begin raise exception 'broken' using errcode = tg_argv[0]; end $$;
    create trigger boom before insert on person for each row when (new.employee_key = 'E-3') execute function boom({})
"""


def bench(pool: Pool, **chosen: Any) -> Workbench:
    return Workbench(pool, FakeLms(courses=lms_courses()), **chosen)


def break_person_3(at_work: Workbench, sqlstate: str) -> None:
    with at_work.pool.connection() as connection:
        connection.execute(BOOM.format(f"'{sqlstate}'").encode())


# Bad events


def test_a_bad_event_costs_only_itself(pool: Pool) -> None:
    """A poisoned event in a batch is failed with its field; every other event of the batch is applied."""
    at_work = bench(pool)
    bad = hired("E-3")
    bad["data"]["first_name"] = 5
    at_work.tell(hired("E-1"), hired("E-2"), bad, hired("E-4"))
    assert at_work.inbox() == [("applied", None), ("applied", None), ("failed", "bad_field"), ("applied", None)]
    assert at_work.failures() == [("inbox", "bad_field")]
    assert at_work.column("select detail from failure") == ["data.first_name: Input should be a valid string"]


def test_an_event_that_meets_a_bug_costs_only_itself(pool: Pool) -> None:
    """What nobody foresaw is halved down to the one event, which is parked as a bug and not tried again."""
    at_work = bench(pool)
    break_person_3(at_work, "P0001")
    at_work.tell(*(hired(f"E-{n}") for n in range(1, 8)))
    assert [state for state, _ in at_work.inbox()] == ["applied"] * 2 + ["failed"] + ["applied"] * 4
    assert at_work.failures() == [("inbox", "bug")]
    assert at_work.apply() == 0


def test_a_store_in_trouble_is_no_fault_of_the_event(pool: Pool) -> None:
    """C2, C7: a conflict inside a batch puts the batch off; no event is blamed, and all are applied afterwards."""
    at_work = bench(pool)
    break_person_3(at_work, "40001")
    at_work.tell(hired("E-2"), hired("E-3"))
    assert at_work.inbox() == [("received", None)] * 2
    at_work.run("drop trigger boom on person")
    at_work.apply()
    assert at_work.inbox() == [("applied", None)] * 2


def test_an_older_fact_is_superseded(pool: Pool) -> None:
    """F2, I6: an old event replayed after a newer success changes nothing."""
    at_work = bench(pool)
    at_work.tell(updated(at=5, last_name="New"))
    at_work.tell(updated(at=4, last_name="Old"))
    assert at_work.inbox() == [("applied", None), ("superseded", None)]
    assert at_work.account()["wanted"]["last_name"] == "New"


ONE_PERSON = {"employee_number": "1", "id_number": "1", "emails": ["same@example.org"]}


def hire_to_rehire(key: str) -> list[Event]:
    """Five facts about one of many people who differ in their keys only."""
    return [
        hired(key, at=0, **ONE_PERSON, last_name="First"),
        updated(key, at=1, **ONE_PERSON, last_name="Married"),
        terminated(key, at=2, **ONE_PERSON, last_name="Married"),
        enrolled(f"N-{key}", key, at=3),
        updated(key, at=4, **ONE_PERSON, last_name="Returned"),
    ]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
def test_every_order_of_five_facts_ends_in_the_same_wanted_state(pool: Pool, together: bool) -> None:
    """F1, I6: hire, change, leave, enrol, rehire in all 120 orders, one person each, and everything once more."""
    at_work = bench(pool)
    people = [f"E-{n:03}" for n in range(120)]
    orders = [
        [facts[place] for place in order]
        for facts, order in zip(map(hire_to_rehire, people), permutations(range(5)), strict=True)
    ]
    rounds = [*zip(*orders, strict=True)]
    if together:
        at_work.receive(*(said for every in rounds for said in every))
    for every in rounds:
        at_work.tell(*every)
    at_work.run("update inbox set state = 'received'")
    at_work.apply()
    accounts = at_work.rows(
        "select distinct state, code, wanted - 'external_key' as wanted, count(*) over () from account"
    )
    placements = at_work.rows("select distinct course_code, state, code, wanted, due_at is null from placement")
    facts = at_work.rows("select distinct data - 'employee_key', payroll, erased, occurred_at from person")
    assert (len(accounts), len(placements), len(facts)) == (1, 1, 1)
    assert accounts[0]["wanted"]["last_name"] == "Returned"
    assert accounts[0]["wanted"]["suspended"] is False
    assert (accounts[0]["state"], placements[0]["state"]) == ("due", "due")


# Who waits for whom


def test_events_of_an_unknown_tenant_wait_until_it_is_there(pool: Pool) -> None:
    """They are set aside visibly, and applied in their order once somebody sets the tenant up."""
    at_work = bench(pool)
    at_work.receive(hired("E-9") | LATER, updated("E-9", last_name="New") | LATER)
    assert apply_events(pool, "later", at_work.woken.append) == 2
    assert at_work.inbox() == [("set_aside", "unknown_tenant")] * 2
    assert at_work.failures() == [("inbox", "unknown_tenant")] * 2
    add_tenant(at_work, "later")
    apply_events(pool, "later", at_work.woken.append)
    assert at_work.inbox() == [("applied", None)] * 2
    assert at_work.failures() == []
    assert at_work.account("E-9")["wanted"]["last_name"] == "New"


def test_two_versions_of_one_event_do_not_keep_a_tenant_from_being_added(pool: Pool) -> None:
    """A11: the same id with other bytes waited too; the first is the event, the other stays aside."""
    at_work = bench(pool)
    for name in ("First", "Second"):
        at_work.receive(hired("E-9", last_name=name) | LATER)
        apply_events(pool, "later", at_work.woken.append)
    add_tenant(at_work, "later")
    apply_events(pool, "later", at_work.woken.append)
    assert at_work.inbox() == [("applied", None), ("set_aside", "unknown_tenant")]
    assert at_work.account("E-9")["wanted"]["last_name"] == "First"


def add_tenant(at_work: Workbench, tenant: str) -> None:
    with transaction(at_work.pool) as db:
        wanted = settings(url="https://later.example.org")
        at_work.integration_id = configuration.add_integration(db, tenant, wanted, Secret("t"), None, keys=KEYS)


def test_what_this_release_does_not_know_is_kept_for_a_later_one(pool: Pool) -> None:
    """Unknown types and session orders are set aside with a reason, never failed and never dropped."""
    at_work = bench(pool)
    order = {"order_key": "BC-1", "course_short_name": "FIRE", "seats": 1}
    at_work.tell(
        event("hr.employee.promoted.v1", "E-1", {"employee_key": "E-1"}),
        event("hr.course_session.ordered.v1", "BC-1", order),
        hired(),
    )
    assert at_work.inbox() == [("set_aside", "unknown_type"), ("set_aside", "needs_upgrade"), ("applied", None)]


def test_an_enrolment_may_come_before_its_person(pool: Pool) -> None:
    """F1: the account waits for the person, and is due the moment the person is known."""
    at_work = bench(pool)
    at_work.tell(enrolled())
    assert (at_work.account()["state"], at_work.account()["code"]) == ("waiting", "employee_unknown")
    assert at_work.woken == []
    at_work.tell(hired())
    assert at_work.account()["state"] == "due"
    assert at_work.woken == [at_work.integration_id]


# Scope


def test_a_person_outside_the_selected_payrolls_is_out_of_scope_and_no_failure(pool: Pool) -> None:
    """R16, R18, R20: the reason is recorded as scope; nothing is due and nobody is alarmed."""
    at_work = bench(pool, payrolls="selected")
    at_work.tell(hired())
    assert (at_work.account()["state"], at_work.account()["code"]) == ("out_of_scope", "payroll_not_selected")
    assert at_work.account()["due_at"] is None
    assert at_work.failures() == []


def test_ticking_a_payroll_takes_in_the_people_who_are_in_it_already(pool: Pool) -> None:
    """R18: enabling sweeps existing employees, not only future changes; disabling does so too."""
    at_work = bench(pool, payrolls="selected")
    at_work.tell(hired("E-1"), hired("E-2"), hired("E-3", payroll="NL-03"))
    at_work.tell(payroll("NL-02", at=1))
    states = "select state from account order by employee_key"
    assert at_work.column(states) == ["due", "due", "out_of_scope"]
    at_work.tell(payroll("NL-02", at=2, enabled=False))
    assert at_work.column(states) == ["out_of_scope"] * 3
    assert at_work.column("select count(*) from sweep where done_at is null") == [0]


def test_all_payrolls_take_in_those_made_later(pool: Pool) -> None:
    """R17: nobody names a payroll, and a payroll that did not exist when the integration was made is in scope."""
    at_work = bench(pool, payrolls="all")
    at_work.tell(hired("E-1"), hired("E-2", payroll="made-later"), hired("E-3", payroll=None))
    assert at_work.column("select state from account") == ["due"] * 3


def test_an_integration_named_by_a_payroll_counts_more_than_all_of_them(pool: Pool) -> None:
    """R16, R18: two integrations of one company, told apart by name, take different payrolls."""
    at_work = bench(pool, payrolls="selected")
    other = settings(name="Other", url="https://other.example.org", payrolls="selected")
    other_id = at_work.add(FakeLms(), other)
    at_work.tell(hired(), payroll(integration=None, at=1), payroll(integration=MOODLE, enabled=False, at=2))
    states = at_work.rows("select integration_id, state from account order by integration_id")
    assert [(row["integration_id"], row["state"]) for row in states] == [
        (at_work.integration_id, "out_of_scope"),
        (other_id, "due"),
    ]


@pytest.mark.parametrize(("choice", "state"), [("leave", "out_of_scope"), ("suspend", "due")])
def test_a_person_who_moves_to_an_unselected_payroll_is_left_or_suspended_by_choice(
    pool: Pool, choice: str, state: str
) -> None:
    """R18: never silently both."""
    at_work = bench(pool, payrolls="selected", when_out_of_scope=choice)
    at_work.tell(payroll(), hired())
    at_work.tell(updated(payroll="NL-03"))
    assert at_work.account()["state"] == state
    wanted = at_work.account()["wanted"]
    assert (wanted and wanted["suspended"]) == (True if choice == "suspend" else None)


def test_a_changed_choice_of_payrolls_concerns_everybody_at_once(pool: Pool) -> None:
    """R17, R18: switching to all payrolls takes in who was outside."""
    at_work = bench(pool, payrolls="selected")
    at_work.tell(hired())
    at_work.choose(payrolls="all")
    assert at_work.account()["state"] == "due"
    assert at_work.account()["settings_version"] == 2


# Times


def test_an_enrolment_waits_for_its_provision_date(pool: Pool) -> None:
    """R132, F9: due at midnight of the integration's zone; another date moves it, also to now."""
    at_work = bench(pool, timezone="Europe/Amsterdam")
    at_work.tell(hired(), enrolled(export_on="2140-07-01"))
    assert at_work.placement()["due_at"] == datetime(2140, 6, 30, 22, tzinfo=UTC)
    at_work.provision()
    assert at_work.account()["due_at"] == datetime(2140, 6, 30, 22, tzinfo=UTC)
    at_work.tell(changed(at=1, export_on="2139-01-01"))
    assert at_work.placement()["due_at"] == datetime(2138, 12, 31, 23, tzinfo=UTC)
    at_work.tell(changed(at=2, export_on="2021-01-01"))
    assert at_work.placement()["due_at"] < datetime.now(UTC) + timedelta(minutes=1)
    at_work.provision()
    assert at_work.placement()["state"] == "settled"


def test_a_provision_date_changes_nothing_after_provisioning(pool: Pool) -> None:
    """R132: the enrolment is there; a later date neither delays nor repeats it."""
    at_work = bench(pool)
    at_work.done(hired(), enrolled(export_on="2021-01-01"))
    before = at_work.placement()
    at_work.tell(changed(at=1, export_on="2140-07-01"))
    assert at_work.placement() == before


# People leave, people ask


def test_an_erased_person_is_suspended_and_does_not_come_back(pool: Pool) -> None:
    """S17: no personal data stay in the facts; the account is suspended once; an older event changes nothing."""
    lms = FakeLms(courses=lms_courses())
    at_work = Workbench(pool, lms)
    at_work.done(hired(last_name="Secretname"), enrolled())
    at_work.done(erased(at=3))
    at_work.done(updated(at=2, last_name="Secretname"))
    assert [user.suspended for user in lms.users.values()] == [True]
    assert (at_work.account()["state"], at_work.account()["code"]) == ("out_of_scope", "person_erased")
    assert at_work.failures() == []
    assert "Secretname" not in str(at_work.rows("select data from person")) + str(at_work.account()["wanted"])


def test_a_person_erased_before_being_provisioned_is_never_made(pool: Pool) -> None:
    """F1, S17: erased before hired, in this order of arrival."""
    lms = FakeLms(courses=lms_courses())
    at_work = Workbench(pool, lms)
    at_work.done(erased(at=3), hired(at=0), enrolled())
    assert lms.effects == []
    assert at_work.failures() == []


def test_a_sync_request_has_everything_looked_at_again(pool: Pool) -> None:
    """R81: people, courses and results of the one integration are read; an unknown name is a failure."""
    at_work = bench(pool)
    at_work.done(hired(), enrolled())
    at_work.poll()
    at_work.tell(sync_requested(at=5), sync_requested("Nowhere", at=5))
    assert at_work.column("select flow from sync_run where done_at is null order by flow") == [
        "courses",
        "people",
        "results",
    ]
    assert at_work.placement()["state"] == "settled"
    assert at_work.column("select full_at from poll_cursor") == [None]
    assert at_work.inbox()[-1] == ("failed", "unknown_integration")


def test_a_course_that_hr_links_heals_the_enrolments_that_waited_for_it(pool: Pool) -> None:
    """R103: an enrolment on an unlinked course parks with a reason and goes through once linked."""
    at_work = bench(pool)
    at_work.done(hired(), enrolled(course="HR-ONLY"))
    assert (at_work.placement()["state"], at_work.placement()["code"]) == ("parked", "course_not_found")
    at_work.done(course("HR-ONLY", lms_course_id="2", at=1))
    assert at_work.placement()["state"] == "settled"
    assert at_work.placement()["lms_course_id"] == "2"
    assert at_work.failures() == []


# Together


def test_two_appliers_of_one_tenant_do_not_work_at_once(pool: Pool) -> None:
    """The second finds the tenant taken and leaves; what it was woken for is done by the first or the next."""
    at_work = bench(pool)
    at_work.receive(*hires(3))
    with transaction(pool) as db:
        FactStore(db, TENANT).lock()
        assert at_work.apply() == 0
    assert at_work.apply() == 6
    assert at_work.apply() == 0


def test_events_are_applied_in_their_order_across_batches(pool: Pool) -> None:
    """More than one transaction's worth; the last word stands although its time is the same."""
    at_work = bench(pool)
    bodies = [as_bytes(updated("E-1", at=n, last_name=f"Name{n}")) for n in range(520)]
    at_work.tell(*bodies)
    assert at_work.account()["wanted"]["last_name"] == "Name519"
    assert at_work.inbox() == [("applied", None)] * 520


def test_a_withdrawn_enrolment_that_was_never_made_is_not_wanted(pool: Pool) -> None:
    """Nothing is due for it, and confirming it anew makes it due."""
    at_work = bench(pool)
    at_work.tell(hired(), withdrawn(at=1))
    assert (at_work.placement()["state"], at_work.placement()["code"]) == ("not_wanted", "withdrawn")
    at_work.tell(changed(at=2))
    assert at_work.placement()["state"] == "due"
