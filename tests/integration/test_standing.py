"""
How we stand with a site: welcome, asked for peace, or refused; and nobody calls one that is not ready.
"""

from datetime import timedelta
from typing import Any

import pytest

from db.accounts import WorkStore
from db.pool import Pool, transaction
from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable, NeedsAttention, ProvisioningError
from tests.support.builders import hired, lms_courses, settings
from tests.support.fake_lms import FakeLms
from tests.support.workbench import Workbench
from workers.standing import note_site, ready_site


def bench(pool: Pool, **chosen: Any) -> Workbench:
    return Workbench(pool, FakeLms(courses=lms_courses()), **chosen)


def note(at_work: Workbench, stop: ProvisioningError | None) -> None:
    """The site behaved like this."""
    with transaction(at_work.pool) as db:
        store = WorkStore(db, at_work.integration_id)
        integration = store.integration()
        assert integration is not None
        note_site(store, integration, stop, at_work.rules)


def resting(at_work: Workbench) -> timedelta:
    """How long nobody may call."""
    return at_work.column("select coalesce(resume_at - now(), interval '0') from integration")[0]


def ready(at_work: Workbench) -> bool:
    return ready_site(at_work.integration_id, at_work.pool, at_work.open_site, at_work.rules) is not None


@pytest.mark.parametrize("state", ["draft", "paused"])
def test_a_site_that_nobody_enabled_is_not_called(pool: Pool, state: str) -> None:
    """R21, R175: saved is not enabled, and paused means no contact at all."""
    at_work = bench(pool, active=False)
    if state == "paused":
        at_work.set_state("paused")
    assert not ready(at_work)


def test_an_unknown_integration_is_not_called(pool: Pool) -> None:
    """B11: a forged wake-up causes a query and nothing else."""
    at_work = bench(pool)
    at_work.provision(4711)
    assert not ready_site(4711, pool, at_work.open_site, at_work.rules)


def test_outages_in_a_row_are_waited_for_longer_and_longer(pool: Pool) -> None:
    """I7: doubling from five seconds, spread by the dice; the first answer starts anew."""
    at_work = bench(pool, dice=1.0)
    waits = []
    for _ in range(4):
        at_work.run("update integration set resume_at = null")
        note(at_work, LmsUnavailable("lms_unreachable"))
        waits.append(round(resting(at_work).total_seconds()))
    assert waits == [5, 10, 20, 40]
    assert not ready(at_work)
    assert at_work.failures() == [("integration", "lms_unreachable")]
    at_work.pass_time(minutes=1)
    note(at_work, None)
    note(at_work, LmsUnavailable("lms_unreachable"))
    assert round(resting(at_work).total_seconds()) == 5


def test_what_the_site_asks_for_is_what_it_gets(pool: Pool) -> None:
    """D18: its own wait instead of ours, and a second worker's shorter one does not cut it short."""
    at_work = bench(pool)
    note(at_work, LmsThrottled("lms_throttled", retry_after=timedelta(minutes=7)))
    note(at_work, LmsThrottled("lms_throttled", retry_after=timedelta(seconds=2)))
    assert timedelta(minutes=6) < resting(at_work) <= timedelta(minutes=7)


def test_an_answer_ends_the_trouble(pool: Pool) -> None:
    """I11: the notice goes by itself."""
    at_work = bench(pool)
    note(at_work, LmsUnavailable("lms_unreachable"))
    note(at_work, None)
    assert ready(at_work)
    assert at_work.failures() == []


def test_several_workers_that_are_refused_make_one_notice(pool: Pool) -> None:
    """E1: quarantined once; the cause stays the first one's."""
    at_work = bench(pool)
    for code in ("token_refused", "token_refused", "access_refused"):
        note(at_work, HoldIntegration(code))
    assert at_work.integration().hold_code == "token_refused"
    assert at_work.failures() == [("integration", "token_refused")]
    assert at_work.column("select times from failure") == [1]


def test_a_read_that_is_refused_is_shown_and_not_repeated_at_once(pool: Pool) -> None:
    """I9: it concerns no single person, so the integration shows it and waits the longest wait."""
    at_work = bench(pool)
    note(at_work, NeedsAttention("lms_rejected"))
    assert at_work.failures() == [("integration", "lms_rejected")]
    assert timedelta(minutes=29) < resting(at_work) <= timedelta(minutes=30)


def test_one_site_in_trouble_does_not_hold_another(pool: Pool) -> None:
    """I8, R1: two integrations of one tenant; the people of the second are made all the same."""
    broken, fine = FakeLms(courses=lms_courses()), FakeLms(courses=lms_courses())
    at_work = Workbench(pool, broken)
    other = at_work.add(fine, settings(name="Other", url="https://other.example.org"))
    broken.fail("find_users", HoldIntegration("token_refused"), times=99)
    at_work.tell(hired())
    for integration_id in (at_work.integration_id, other):
        at_work.provision(integration_id)
    assert len(fine.users) == 1
    states = at_work.rows("select integration_id, state from integration order by integration_id")
    assert [row["state"] for row in states] == ["quarantined", "active"]


def test_enabling_anew_ends_a_quarantine(pool: Pool) -> None:
    """E2: somebody replaced the token and enables; nobody waits for the next probe."""
    at_work = bench(pool)
    note(at_work, HoldIntegration("token_refused"))
    at_work.set_state("active")
    assert ready(at_work)
    assert at_work.integration().hold_code is None


def test_a_quarantine_of_one_site_is_probed_by_one_worker_at_a_time(pool: Pool) -> None:
    """E2, I7: whoever comes second finds the probe taken."""
    lms = FakeLms(courses=lms_courses())
    at_work = Workbench(pool, lms)
    lms.fail("site", HoldIntegration("token_refused"), times=99)
    note(at_work, HoldIntegration("token_refused"))
    assert not ready(at_work)
    assert lms.calls == []
    at_work.pass_time(seconds=31)
    assert [ready(at_work), ready(at_work)] == [False, False]
    assert lms.calls == [("site", 1)]
