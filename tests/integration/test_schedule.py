"""
What the scheduler sees as due: scopes with work and nothing else, by the database's clock.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from db.accounts import WorkStore
from db.pool import Pool, transaction
from db.schedule import DueScopes, catalogues_due, due_scopes
from domain.errors import HoldIntegration, LmsUnavailable
from tests.support.builders import TENANT, enrolled, hired, hires, lms_courses, payroll, terminated
from tests.support.fake_lms import FakeLms
from tests.support.workbench import Workbench


def due(bench: Workbench) -> DueScopes:
    with transaction(bench.pool) as db:
        return due_scopes(db)


def quiet(pool: Pool, lms: FakeLms | None = None) -> Workbench:
    """A bench with nothing left to do."""
    bench = Workbench(pool, lms or FakeLms(courses=lms_courses()))
    bench.apply()
    bench.read_catalogue()
    bench.poll()
    assert due(bench) == DueScopes([], [], [], [])
    return bench


def test_a_new_integration_wants_everything_and_then_nothing(pool: Pool) -> None:
    """R18: people to sweep, a catalogue to read, results to poll; a draft wants none of it but the sweep."""
    bench = Workbench(pool, FakeLms(), active=False)
    assert due(bench) == DueScopes([TENANT], [], [], [])
    bench.set_state("active")
    found = bench.integration_id
    assert due(bench) == DueScopes([TENANT], [], [found], [found])


def test_stored_events_and_open_sweeps_want_an_applier(pool: Pool) -> None:
    bench = quiet(pool)
    bench.receive(hired())
    assert due(bench).apply == [TENANT]
    bench.apply()
    assert due(bench).apply == []
    bench.tell(payroll())
    assert due(bench).apply == []


def test_a_sweep_wants_nobody_before_its_next_chunk_is_due(pool: Pool) -> None:
    """R18: it keeps its pace."""
    bench = quiet(pool)
    bench.run("insert into sweep (tenant, due_at) values (%(tenant)s, now() + interval '1 hour')", tenant=TENANT)
    assert due(bench).apply == []
    bench.pass_time(hours=2)
    assert due(bench).apply == [TENANT]


def test_due_work_wants_a_provisioner_unless_somebody_has_it(pool: Pool) -> None:
    """I2: claimed work is seen again when its lease ends."""
    bench = quiet(pool)
    bench.tell(hired())
    assert due(bench).provision == [bench.integration_id]
    with transaction(pool) as db:
        WorkStore(db, bench.integration_id).claim(most=10, lease=bench.rules.lease)
    assert due(bench).provision == []
    bench.pass_time(seconds=61)
    assert due(bench).provision == [bench.integration_id]


def test_work_that_waits_for_a_day_is_not_due_before(pool: Pool) -> None:
    """R124, F9: a provision date in the future is a row that waits; a missed day is made up."""
    bench = quiet(pool)
    bench.done(hired(), enrolled(export_on="2140-06-01"))
    assert due(bench).provision == []
    bench.run("update placement set due_at = now() - interval '9 days'")
    bench.run("update account set due_at = now() - interval '9 days'")
    assert due(bench).provision == [bench.integration_id]


def test_paused_and_resting_sites_want_nobody(pool: Pool) -> None:
    """R21, R161, D18: their work waits without a single wake-up."""
    bench = quiet(pool)
    bench.tell(*hires(2))
    bench.pass_time(days=2)
    for state in ("paused", "active"):
        bench.set_state(state)
        found = due(bench)
        wanted = [bench.integration_id] if state == "active" else []
        assert (found.provision, found.poll, found.catalogue) == (wanted, wanted, wanted)
    bench.run("update integration set resume_at = now() + interval '1 minute'")
    found = due(bench)
    assert (found.provision, found.poll, found.catalogue) == ([], [], [])


def test_a_quarantined_site_wants_a_probe_when_its_time_comes(pool: Pool) -> None:
    """E2: one wake-up per probe, even without any work; results and catalogue wait for the probe."""
    lms = FakeLms(courses=lms_courses())
    bench = quiet(pool, lms)
    lms.fail("find_users", HoldIntegration("token_refused"))
    bench.done(hired())
    bench.pass_time(seconds=20)
    assert due(bench).provision == []
    bench.pass_time(seconds=11)
    found = due(bench)
    assert (found.provision, found.poll, found.catalogue) == ([bench.integration_id], [], [])
    bench.provision()
    assert bench.account()["state"] == "settled"


def paused(bench: Workbench) -> None:
    bench.set_state("paused")


def quarantined(bench: Workbench) -> None:
    with transaction(bench.pool) as db:
        WorkStore(db, bench.integration_id).quarantine("token_refused", "", timedelta(minutes=1))


@pytest.mark.parametrize("hold", [paused, quarantined])
def test_what_was_held_drains_behind_whoever_is_new(pool: Pool, hold: Callable[[Workbench], None]) -> None:
    """I9: at the rate of work that nobody waits for; leavers keep their place."""
    bench = quiet(pool)
    bench.done(hired("E-1"))
    hold(bench)
    bench.tell(hired("E-2"), terminated("E-1", at=1))
    bench.set_state("active")
    bench.tell(hired("E-3"))

    urgency = {row["employee_key"]: row["urgency"] for row in bench.rows("select employee_key, urgency from account")}
    assert urgency == {"E-1": 0, "E-2": 2, "E-3": 1}


def test_results_are_read_at_the_interval_of_the_integration(pool: Pool) -> None:
    """R80: once a day by default; changing it needs no deploy."""
    bench = quiet(pool)
    bench.pass_time(hours=23)
    assert due(bench).poll == []
    bench.pass_time(hours=1)
    assert due(bench).poll == [bench.integration_id]


def test_a_catalogue_is_read_daily_and_sooner_while_an_enrolment_waits_for_a_course(pool: Pool) -> None:
    """R103: every quarter of an hour then, and after the course is found daily again."""
    lms = FakeLms(courses=lms_courses()[:1])
    bench = quiet(pool, lms)
    bench.pass_time(hours=1)
    with transaction(pool) as db:
        assert catalogues_due(db) == []
    bench.done(hired(), enrolled(course="C-LAW"))
    assert bench.placement()["code"] == "course_not_found"
    bench.pass_time(minutes=16)
    assert due(bench).catalogue == [bench.integration_id]
    lms.all_courses = lms_courses()
    bench.read_catalogue()
    bench.provision()
    assert bench.placement()["state"] == "settled"
    bench.pass_time(minutes=16)
    assert due(bench).catalogue == []


def test_a_catalogue_that_cannot_be_read_is_tried_again_and_heals(pool: Pool) -> None:
    """I9, I11: shown while the site is away, gone when it answers."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    lms.fail("courses", LmsUnavailable("lms_unreachable"))
    bench.read_catalogue()
    assert bench.failures() == [("integration", "lms_unreachable")]
    assert due(bench).catalogue == []
    bench.pass_time(minutes=1)
    bench.read_catalogue()
    assert bench.failures() == []
    assert bench.column("select count(*) from lms_course") == [3]
