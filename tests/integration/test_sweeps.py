"""
A payroll, a course or a setting changes: everybody concerned is looked at again, chunk by chunk, behind those whom HR
speaks of one by one.
"""

from datetime import timedelta
from typing import Any

import pytest

from db.accounts import WorkStore
from db.pool import Pool, transaction
from tests.support.builders import (
    TENANT,
    course,
    enrolled,
    hired,
    lms_courses,
    payroll,
    settings,
    terminated,
    updated,
)
from tests.support.fake_lms import FakeLms
from tests.support.workbench import Workbench
from workers.apply import CHUNK, PACE, apply_events


def bench(pool: Pool, lms: FakeLms | None = None, **chosen: Any) -> Workbench:
    return Workbench(pool, lms or FakeLms(courses=lms_courses()), **({"payrolls": "selected"} | chosen))


SWEPT = "select people, done_at is not null as done from sweep where payroll is not null"


def known(pool: Pool, people: int) -> Workbench:
    """A bench with so many people outside of its selected payrolls, and nothing left to do."""
    at_work = bench(pool)
    at_work.tell(*(hired(f"E-{n}") for n in range(1, people + 1)))
    at_work.pass_time(hours=1)
    at_work.apply()
    at_work.woken.clear()
    return at_work


def test_a_sweep_goes_on_chunk_by_chunk(pool: Pool) -> None:
    """R18, R82: more people than one transaction takes, each looked at once."""
    at_work = known(pool, 2 * CHUNK + 2)
    at_work.tell(payroll(at=1))
    assert at_work.rows(SWEPT) == [{"people": 2 * CHUNK + 2, "done": True}]
    assert at_work.column("select distinct state from account") == ["due"]
    assert at_work.column("select distinct revision from account") == [2]


def test_a_sweep_keeps_its_pace(pool: Pool) -> None:
    """R18: its chunks have a time, so that it leaves the worker to others; those that are late are made up for."""
    at_work = known(pool, 2 * CHUNK)
    at_work.run("alter table sweep alter column due_at set default now() + interval '1 hour'")
    at_work.tell(payroll(at=1))
    assert at_work.rows(SWEPT) == [{"people": 0, "done": False}]
    before = at_work.column("select due_at from sweep where done_at is null")[0]
    at_work.pass_time(hours=2)
    at_work.apply()
    assert at_work.rows(SWEPT) == [{"people": 2 * CHUNK, "done": True}]
    after = at_work.column("select max(due_at) from sweep")[0]
    assert after == before - timedelta(hours=2) + 3 * PACE


def test_what_hr_says_during_a_sweep_is_applied_before_the_next_chunk(pool: Pool) -> None:
    """R18: a single hire waits for one chunk at most."""
    at_work = known(pool, 2 * CHUNK)
    at_work.receive(payroll(at=1))
    seen = []

    def woken(_: int) -> None:
        if not seen:
            at_work.receive(hired("E-999", at=2))
        seen.append((at_work.rows(SWEPT)[0]["people"], at_work.column("select count(*) from account")[0]))

    apply_events(pool, TENANT, woken)
    assert seen == [(CHUNK, 2 * CHUNK), (CHUNK, 2 * CHUNK + 1), (2 * CHUNK, 2 * CHUNK + 1)]


def test_who_takes_only_what_somebody_waits_for_leaves_sweeps_alone(pool: Pool) -> None:
    """R18: another thread has them, or the scheduler's next wake-up."""
    at_work = known(pool, 1)
    at_work.receive(payroll(at=1), hired("E-2"))
    assert apply_events(pool, TENANT, at_work.woken.append, urgent_only=True) == 2
    assert at_work.rows(SWEPT) == [{"people": 0, "done": False}]
    at_work.apply()
    assert at_work.rows(SWEPT) == [{"people": 2, "done": True}]


def test_an_applier_that_is_to_stop_ends_between_two_commits(pool: Pool) -> None:
    """R18: a sweep goes on where it was, whoever goes on with it."""
    at_work = known(pool, 2 * CHUNK)
    at_work.receive(payroll(at=1))
    stops = iter((False, False, True))
    apply_events(pool, TENANT, at_work.woken.append, stopping=lambda: next(stops))
    assert at_work.rows(SWEPT) == [{"people": CHUNK, "done": False}]
    at_work.apply()
    assert at_work.rows(SWEPT) == [{"people": 2 * CHUNK, "done": True}]


def test_whom_a_sweep_comes_by_is_less_urgent_than_whom_hr_speaks_of(pool: Pool) -> None:
    """R18: leavers of a payroll that was switched off are no exception; HR's own word on a person makes it urgent."""
    at_work = bench(pool, when_out_of_scope="suspend")
    at_work.tell(hired("E-1"), hired("E-2"), hired("E-3"), hired("E-4", payroll="NL-01"))
    at_work.tell(payroll("NL-01", at=1), payroll("NL-02", at=1))
    urgency = "select urgency from account order by employee_key"
    assert at_work.column(urgency) == [2, 2, 2, 2]
    at_work.tell(enrolled("EN-1", "E-1"), updated("E-2", at=2, last_name="New"), terminated("E-3", at=2))
    assert at_work.column(urgency) == [1, 1, 0, 2]
    at_work.provision()
    assert at_work.column(urgency) == [1, 1, 0, 1]
    at_work.tell(payroll("NL-02", at=3, enabled=False))
    assert at_work.column("select distinct state from account where employee_key in ('E-1', 'E-2')") == ["due"]
    assert at_work.column(urgency)[:2] == [2, 2]


def test_enrolments_that_a_sweep_comes_by_wait_too(pool: Pool) -> None:
    """R18, R103: a course is linked, and single hires go before the many who are enrolled in it."""
    at_work = bench(pool, payrolls="all")
    at_work.done(hired("E-1"), enrolled("EN-1", "E-1"))
    at_work.run("update placement set course_code = 'C-OTHER'")
    at_work.tell(course("C-FIRE", at=1))
    assert at_work.account()["due_at"] is not None
    assert at_work.account()["urgency"] == 2


def test_an_empty_payroll_is_a_warning_until_somebody_comes(pool: Pool) -> None:
    """R72: the sweep is done and nothing came of it, which is HR's to look at; others who take everybody are fine."""
    at_work = bench(pool)
    at_work.add(FakeLms(), settings(name="Other", url="https://other.example.org", payrolls="all"))
    at_work.tell(payroll("BE-01", integration=None), payroll("BE-02"), hired("E-1"))
    failed = "select integration_id, detail from failure where code = 'payroll_empty' and resolved_at is null"
    assert at_work.rows(failed) == [
        {"integration_id": at_work.integration_id, "detail": f"payroll {name}"} for name in ("BE-01", "BE-02")
    ]
    at_work.tell(hired("E-2", payroll="BE-01"))
    assert [row["detail"] for row in at_work.rows(failed)] == ["payroll BE-02"]
    assert at_work.column("select times from failure where detail = 'payroll BE-02'") == [1]
    at_work.tell(payroll("BE-02", at=1, enabled=False))
    assert at_work.rows(failed) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_only_an_empty_payroll_that_is_to_come_in_is_a_warning(pool: Pool, enabled: bool) -> None:
    """R72, R20: one that is switched off may be empty, and one with people who are all taken in is none."""
    at_work = bench(pool)
    at_work.tell(hired("E-1", payroll="BE-01"))
    at_work.tell(payroll("BE-01", at=1, enabled=enabled), payroll("BE-02", at=1, enabled=False))
    assert at_work.failures() == []


# Who is taken first


def created(lms: FakeLms) -> list[str]:
    return [effect[1] for effect in lms.effects if effect[0] == "create"]


def test_a_single_hire_goes_before_a_sweep_and_in_a_batch_of_its_own(pool: Pool) -> None:
    """R18: it neither waits for those before it nor shares the time that their calls take."""
    lms = FakeLms(courses=lms_courses())
    at_work = bench(pool, lms)
    at_work.tell(*(hired(f"E-{n}") for n in range(1, 4)), hired("E-9", payroll="NL-01"))
    at_work.tell(payroll("NL-02", at=1))
    at_work.tell(payroll("NL-01", at=1), updated("E-9", payroll="NL-01", at=1))
    at_work.provision()
    assert created(lms)[0] == "noor9@example.org"
    assert [count for method, count in lms.calls if method == "create_users"] == [1, 3]


def test_a_lane_for_urgent_work_takes_nothing_of_a_sweep(pool: Pool) -> None:
    """R18: so it is free when a single hire comes."""
    at_work = known(pool, 1)
    at_work.tell(payroll("NL-02", at=1))
    at_work.tell(hired("E-2"))
    with transaction(pool) as db:
        store = WorkStore(db, at_work.integration_id)
        taken = [store.claim(most=10, lease=at_work.rules.lease, urgent_only=urgent) for urgent in (True, True, False)]
    assert [[account.employee_key for account in accounts] for accounts in taken] == [["E-2"], [], ["E-1"]]


def test_what_was_begun_without_an_end_does_not_keep_a_sweep_from_going_on(pool: Pool) -> None:
    """R18, B7: urgent as it is, it comes behind what was never begun, and is taken by its own lane."""
    at_work = known(pool, 1)
    at_work.tell(payroll("NL-02", at=1))
    at_work.tell(hired("E-2"))
    at_work.run("update account set starts = 1 where employee_key = 'E-2'")
    with transaction(pool) as db:
        store = WorkStore(db, at_work.integration_id)
        taken = [store.claim(most=10, lease=at_work.rules.lease) for _ in range(2)]
    assert [[account.employee_key for account in accounts] for accounts in taken] == [["E-1"], ["E-2"]]
