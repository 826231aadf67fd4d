"""
When the site is away, refuses us, or does not say what it did: nothing is lost, nothing is done twice, one notice.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from db.accounts import WorkStore
from db.pool import Pool, transaction
from domain.accounts import MAX_STARTS
from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable, NeedsAttention, UnknownOutcome
from domain.lms import LmsUser, NewUser, Outcome
from simulators.clock import MovableClock
from simulators.faults import Fault
from simulators.moodle import MoodleSite
from simulators.moodle.build import add_token, change_token
from tests.support.builders import enrolled, hired, hires, lms_courses, updated
from tests.support.fake_lms import FakeLms
from tests.support.workbench import TOKEN, Workbench, academy
from workers.provision import provision

CREATE = "core_user_create_users"


def fake(*users: LmsUser) -> FakeLms:
    return FakeLms(users=users, courses=lms_courses())


def created(lms: FakeLms) -> int:
    return len([effect for effect in lms.effects if effect[0] == "create"])


class Meddling(FakeLms):
    """Something else happens while users are being made, or people enrolled: once, after the call took effect."""

    after_create: Callable[[], None] = staticmethod(lambda: None)
    after_enrol: Callable[[], None] = staticmethod(lambda: None)

    def create_users(self, users: Any) -> Any:
        outcomes = super().create_users(users)
        meddle, self.after_create = self.after_create, lambda: None
        meddle()
        return outcomes

    def enrol(self, enrolments: Any) -> Any:
        outcomes = super().enrol(enrolments)
        meddle, self.after_enrol = self.after_enrol, lambda: None
        meddle()
        return outcomes


class Killed(BaseException):
    """The worker is gone, and records nothing."""


def kill() -> None:
    raise Killed


# Unknown outcomes


@pytest.mark.parametrize("effect", ["now", "none"])
def test_a_create_of_unknown_outcome_is_looked_up_and_never_sent_again_at_once(pool: Pool, effect: Any) -> None:
    """D5, D6, I3: one user in the end, made before or after; not one call to create more than needed."""
    lms = fake()
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect=effect)
    bench = Workbench(pool, lms)
    bench.done(*hires(1))
    assert bench.account()["state"] == ("settled" if effect == "now" else "due")
    assert [name for name, _ in lms.calls].count("create_users") == 1
    bench.pass_time(seconds=40)
    bench.provision()
    assert created(lms) == 1
    assert bench.account()["link"] == "created"
    assert bench.placement()["state"] == "settled"
    assert bench.failures() == []


def test_a_user_that_appears_late_is_linked_and_not_made_again(pool: Pool) -> None:
    """D7: looked up twice, half a minute apart, before anything is sent again."""
    lms = fake()
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect="later")
    bench = Workbench(pool, lms)
    bench.done(*hires(1))
    bench.pass_time(seconds=20)
    bench.provision()
    assert [name for name, _ in lms.calls].count("create_users") == 1
    lms.appear()
    bench.pass_time(seconds=20)
    bench.provision()
    assert created(lms) == 1
    assert (bench.account()["state"], bench.account()["link"]) == ("settled", "created")


def test_a_change_by_hr_does_not_cut_the_wait_for_a_late_user_short(pool: Pool) -> None:
    """D7, I3: a corrected address would bring another user name, and with it a second user."""
    lms = fake()
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect="later")
    bench = Workbench(pool, lms)
    bench.done(hired())
    bench.done(updated(emails=["corrected@example.org"]))
    lms.appear()
    bench.pass_time(seconds=40)
    bench.provision()
    assert created(lms) == 1
    assert [user.email for user in lms.users.values()] == ["corrected@example.org"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(CREATE, nth=1, commit="before", close="reset"),
        Fault(CREATE, nth=1, commit="before", status=500),
        Fault(CREATE, nth=1, commit="before", page="proxy", status=502),
        Fault(CREATE, nth=1, commit="before", truncate=10),
        Fault(CREATE, nth=1, commit="never", close="reset"),
        Fault(CREATE, nth=1, commit="before", close="reset", visible_after=60),
    ],
    ids=["reset", "500", "502 page", "truncated", "no effect", "visible later"],
)
def test_moodle_holds_each_person_once_whatever_was_heard_of_the_create(pool: Pool, fault: Fault) -> None:
    """D5, D6, D7, D8, D9, D14, I3: three people in one call that goes wrong."""
    clock = MovableClock()
    site = academy(clock=clock)
    site.faults.add(fault)
    bench = Workbench(pool, site)
    bench.tell(*hires(3))
    for _ in range(8):
        bench.provision()
        bench.pass_time(minutes=2)
        clock.advance(120)
    assert sorted(effect["idnumber"] for effect in site.ledger.effects("user created")) == ["E-1", "E-2", "E-3"]
    assert bench.column("select distinct state from account") == ["settled"]
    assert bench.column("select distinct state from placement") == ["settled"]
    assert bench.failures() == []


def test_a_user_made_suspended_whose_answer_was_lost_is_activated(pool: Pool) -> None:
    """D5: some LMSs wait for a confirmed address; what is read back is brought in line like any other."""
    lms = Meddling(courses=lms_courses())
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect="now")

    def wait_for_confirmation() -> None:
        lms.users = {user_id: replace(user, suspended=True) for user_id, user in lms.users.items()}

    lms.after_create = wait_for_confirmation
    Workbench(pool, lms).done(*hires(1))
    assert [user.suspended for user in lms.users.values()] == [False]


@pytest.mark.parametrize("linked", [False, True])
def test_a_person_whose_account_can_be_restored_costs_nobody_else_anything(pool: Pool, linked: bool) -> None:
    """R141: parked for the LMS's staff, found or linked; nobody is made a second time."""
    lms = fake()
    bench = Workbench(pool, lms)
    if linked:
        bench.done(hired("E-1"))
    [old] = lms.users.values() if linked else [LmsUser("7", "noor", "noor1@example.org")]
    lms.users = {old.user_id: replace(old, removed=True, protected=True)}
    bench.done(updated("E-1", last_name="Berg"), hired("E-2"))
    assert bench.failures() == [("account", "user_soft_deleted")]
    assert [user.username for user in lms.users.values() if not user.removed]
    assert created(lms) == (2 if linked else 1)


# The site as a whole


@pytest.mark.parametrize("method", ["find_users", "create_users", "update_users", "enrol"])
@pytest.mark.parametrize(
    "failure", [LmsUnavailable("lms_maintenance"), LmsThrottled("lms_throttled"), HoldIntegration("token_refused")]
)
def test_trouble_with_the_site_in_the_middle_of_a_batch_loses_nothing(pool: Pool, method: str, failure: Any) -> None:
    """E1, I2, I11: what was done stays done, the rest is due, no attempt is burnt, and it heals by itself."""
    lms = fake(LmsUser("7", "old", "noor2@example.org"))
    lms.fail(method, failure)
    bench = Workbench(pool, lms)
    bench.done(*hires(3))
    assert set(bench.column("select state from account")) <= {"due", "settled"}
    assert bench.column("select max(attempts) + max(starts) from account") == [0]
    assert bench.column("select max(attempts) from placement") == [0]
    assert bench.failures() == [("integration", failure.code)]
    bench.pass_time(minutes=31)
    bench.provision()
    assert bench.column("select distinct state from account") == ["settled"]
    assert bench.column("select distinct state from placement") == ["settled"]
    assert bench.failures() == []
    assert created(lms) == 2


def test_nobody_calls_a_site_before_its_wait_is_over(pool: Pool) -> None:
    """D18, I7: Retry-After is obeyed by everybody; work that arrives meanwhile waits too."""
    site = academy()
    site.faults.add(Fault("*", nth=1, status=429, retry_after="120"))
    bench = Workbench(pool, site)
    bench.done(hired())
    asked = len(site.ledger.calls())
    bench.done(hired("E-2"))
    bench.pass_time(seconds=115)
    bench.provision()
    assert len(site.ledger.calls()) == asked
    bench.pass_time(seconds=10)
    bench.provision()
    assert len(site.ledger.effects("user created")) == 2


def test_a_refused_token_quarantines_once_with_one_notice(pool: Pool) -> None:
    """E1, I9: with 250 people waiting one refusal is enough; nobody is parked, and one line is logged."""
    site = academy()
    del site.state.tokens[TOKEN]
    bench = Workbench(pool, site)
    with capture_logs() as logs:
        bench.done(*hires(250))
        bench.provision()
    assert len(site.ledger.calls()) <= 5
    assert bench.integration().state == "quarantined"
    assert bench.integration().hold_code == "token_refused"
    assert bench.failures() == [("integration", "token_refused")]
    assert bench.column("select distinct state from account") == ["due"]
    assert len([line for line in logs if line["event"] == "integration quarantined"]) == 1


def test_a_probe_ends_a_quarantine_and_held_work_drains(pool: Pool) -> None:
    """E2: asked with one cheap call each time and not more often than set; events go on being applied meanwhile."""
    site = academy()
    del site.state.tokens[TOKEN]
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    asked = len(site.ledger.calls())
    bench.provision()
    bench.done(hired("E-9"))
    assert len(site.ledger.calls()) == asked
    for _ in range(2):
        bench.pass_time(seconds=31)
        bench.provision()
        bench.provision()
    assert len(site.ledger.calls()) == asked + 2
    add_token(site, TOKEN, 3)
    bench.pass_time(seconds=31)
    bench.provision()
    assert bench.integration().state == "active"
    assert len(site.ledger.effects("user created")) == 3
    assert bench.failures() == []


def test_a_token_sealed_with_another_key_holds_the_integration(pool: Pool) -> None:
    """E5: nothing is called, and nothing is written."""
    bench = Workbench(pool, fake())
    bench.tell(hired())
    provision(bench.integration_id, pool=pool, open_site=bench.sealed_with_another_key, rules=bench.rules)
    assert bench.integration().hold_code == "key_mismatch"
    assert bench.failures() == [("integration", "key_mismatch")]


def test_a_paused_integration_makes_no_call_and_catches_up_when_enabled(pool: Pool) -> None:
    """R21, R161: events are applied and wait; enabling does all that came meanwhile, in its newest form."""
    site = academy()
    bench = Workbench(pool, site)
    bench.set_state("paused")
    bench.done(hired(), enrolled(), updated(at=1, last_name="Newest"))
    bench.poll()
    bench.read_catalogue()
    assert site.ledger.calls() == []
    assert bench.account()["state"] == "due"
    bench.set_state("active")
    bench.apply()
    bench.provision()
    assert bench.account()["state"] == bench.placement()["state"] == "settled"
    assert [user.lastname for user in site.state.users.values() if user.idnumber == "E-1"] == ["Newest"]


def test_trouble_that_does_not_end_gives_up_on_the_person_and_says_so(pool: Pool) -> None:
    """I7: a bounded number of tries, and then a visible failure; neighbours are done."""
    lms = fake()
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), only=lambda new: new.external_key == "E-2", times=99)
    bench = Workbench(pool, lms)
    bench.done(hired(), hired("E-2"))
    for _ in range(15):
        bench.pass_time(minutes=31)
        bench.provision()
    assert bench.account()["state"] == "settled"
    assert (bench.account("E-2")["state"], bench.account("E-2")["code"]) == ("parked", "outcome_unknown")
    assert [name for name, _ in lms.calls].count("create_users") <= 13


# Leases


def test_a_late_outcome_is_refused_after_the_lease_is_lost(pool: Pool) -> None:
    """B5: frozen after the call was sent; somebody else takes over, and the late record changes nothing."""
    lms = Meddling(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.tell(*hires(1))

    def overtake() -> None:
        bench.pass_time(minutes=2)
        bench.provision()

    lms.after_create = overtake
    bench.provision()
    account = bench.account()
    assert (account["state"], account["lease_token"], account["starts"]) == ("settled", None, 0)
    assert created(lms) == 1
    assert bench.column("select kind from timeline order by timeline_id") == ["account linked", "enrolled"]


def test_a_late_refusal_does_not_undo_what_another_worker_has_done(pool: Pool) -> None:
    """B5: frozen in the last call, which answers with a failure after somebody else enrolled the person."""
    lms = Meddling(courses=lms_courses())
    lms.fail("enrol", NeedsAttention("course_unknown"))
    bench = Workbench(pool, lms)
    bench.tell(*hires(1))

    def overtake() -> None:
        bench.pass_time(minutes=2)
        bench.provision()

    lms.after_enrol = overtake
    bench.provision()
    assert bench.placement()["state"] == "settled"
    assert bench.failures() == []


def test_a_late_record_does_not_end_somebody_elses_lease(pool: Pool) -> None:
    """B5: the account is claimed anew and under way when the first worker comes to record."""
    lms = Meddling(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.tell(*hires(1))

    def overtake() -> None:
        bench.pass_time(minutes=2)
        with transaction(pool) as db:
            assert len(WorkStore(db, bench.integration_id).claim(most=10, lease=bench.rules.lease)) == 1

    lms.after_enrol = overtake
    bench.provision()
    assert bench.account()["lease_token"] is not None
    assert bench.account()["state"] == "due"
    bench.pass_time(minutes=2)
    bench.provision()
    assert bench.account()["state"] == bench.placement()["state"] == "settled"


def test_a_worker_killed_in_a_create_does_not_lead_to_a_second_user(pool: Pool) -> None:
    """B1, D7, I3: the effect shows only after the lease, and HR changed the address meanwhile: the user name that may
    have been sent is sent again, so that the LMS itself refuses the one that comes late."""
    lms = Meddling(courses=lms_courses())
    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect="later")
    lms.after_create = kill
    bench = Workbench(pool, lms)
    bench.tell(hired())
    with pytest.raises(Killed):
        bench.provision()
    bench.tell(updated(emails=["corrected@example.org"]))
    bench.pass_time(minutes=2)
    bench.provision()
    with pytest.raises(NeedsAttention):
        lms.appear()
    assert [user.email for user in lms.users.values()] == ["corrected@example.org"]
    assert bench.account()["state"] == "settled"


def test_a_pause_in_the_middle_ends_after_the_call_under_way(pool: Pool) -> None:
    """R161, E7: what is under way ends cleanly and is recorded; nothing more is claimed."""
    lms = Meddling(courses=lms_courses())
    bench = Workbench(pool, lms, batch=1)
    bench.tell(*hires(3))
    lms.after_create = lambda: bench.set_state("paused")
    bench.provision()
    assert bench.column("select count(*) from account where state = 'settled'") == [1]
    assert created(lms) == 1
    bench.set_state("active")
    bench.provision()
    assert created(lms) == 3


def test_what_kills_its_worker_is_parked_alone_and_its_neighbours_are_done(pool: Pool) -> None:
    """B2: starts that have no end come in ever smaller batches, until the one at fault has had its three."""
    lms = fake()
    bench = Workbench(pool, lms)
    bench.tell(*(hired(f"E-{n}") for n in range(1, 26)))

    def die(users: list[NewUser]) -> list[Outcome[str]]:
        if any(new.external_key == "E-13" for new in users):
            raise Killed
        return list(FakeLms.create_users(lms, users))

    lms.create_users = die  # type: ignore[assignment,method-assign]
    deaths = 0
    for _ in range(20):
        try:
            bench.provision()
        except Killed:
            deaths += 1
        bench.pass_time(minutes=2)
    assert deaths == MAX_STARTS
    assert (bench.account("E-13")["state"], bench.account("E-13")["code"]) == ("parked", "starts_without_end")
    assert bench.column("select count(*) from account where state = 'settled'") == [24]
    assert bench.failures() == [("account", "starts_without_end")]


def test_facts_that_change_while_the_call_is_under_way_are_done_afterwards(pool: Pool) -> None:
    """I6: the record of the old ones does not hide the new ones, neither for the person nor for an enrolment."""
    lms = Meddling(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.tell(hired())
    lms.after_create = lambda: bench.tell(updated(last_name="Changed"), enrolled())
    bench.provision()
    assert [user.last_name for user in lms.users.values()] == ["Changed"]
    assert bench.account()["state"] == bench.placement()["state"] == "settled"
    assert created(lms) == 1


def test_two_workers_share_the_work_and_do_nothing_twice(pool: Pool) -> None:
    """I3, I4: both claim, nobody claims what the other has."""
    site = academy()
    bench = Workbench(pool, site, batch=5)
    bench.tell(*hires(40))
    workers = [threading.Thread(target=bench.provision) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    bench.provision()
    keys = [effect["idnumber"] for effect in site.ledger.effects("user created")]
    assert len(keys) == len(set(keys)) == 40
    assert len(site.ledger.effects("enrolled")) == 40
    assert bench.column("select distinct state from account") == ["settled"]


def test_a_claim_is_nobody_elses_until_its_lease_ends(pool: Pool) -> None:
    """I2: and then it is due again, by the database's clock."""
    bench = Workbench(pool, fake())
    bench.tell(hired())
    with transaction(pool) as db:
        assert len(WorkStore(db, bench.integration_id).claim(most=10, lease=bench.rules.lease)) == 1
    bench.provision()
    assert bench.account()["lms_user_id"] is None
    bench.pass_time(seconds=61)
    bench.provision()
    assert bench.account()["state"] == "settled"


def test_a_person_in_trouble_does_not_hold_up_the_others(pool: Pool) -> None:
    """R158, D24: one refused, one of unknown outcome, one done."""
    lms = fake()
    lms.fail("create_users", NeedsAttention("lms_rejected"), only=lambda new: new.external_key == "E-1")
    bench = Workbench(pool, lms)
    bench.done(hired("E-1"), hired("E-2"))
    assert [bench.account(key)["state"] for key in ("E-1", "E-2")] == ["parked", "settled"]
    assert bench.failures() == [("account", "lms_rejected")]


# One operation that the site refuses


RIGHTS = {
    "create_users": "core_user_create_users",
    "update_users": "core_user_update_users",
    "enrol": "enrol_manual_enrol_users",
}


def what_happened(site: MoodleSite) -> set[str]:
    """What the site did after the first hire."""
    told = {
        "user created": "{idnumber} made",
        "user updated": "{idnumber} renamed",
        "enrolled": "{idnumber} in {course}",
    }
    names = {user.id: user.idnumber for user in site.state.users.values()}
    found = [
        told[effect["kind"]].format_map({"idnumber": names[effect["user"]], **effect})
        for effect in site.ledger.effects()
        if effect["kind"] in told
    ]
    return set(found) - {"E-1 made", "E-1 in 2"}


def forbid(site: MoodleSite, function: str) -> None:
    every = site.state.tokens[TOKEN].functions
    change_token(site, TOKEN, functions=every - {function})


def allow(site: MoodleSite, function: str) -> None:
    change_token(site, TOKEN, functions=site.state.tokens[TOKEN].functions | {function})


@pytest.mark.parametrize(
    ("operation", "done"),
    [
        ("create_users", {"E-1 renamed", "E-1 in 3"}),
        ("update_users", {"E-2 made", "E-2 in 2", "E-1 in 3"}),
        ("enrol", {"E-1 renamed", "E-2 made"}),
    ],
)
def test_what_the_site_refuses_waits_and_all_else_is_done(pool: Pool, operation: str, done: set[str]) -> None:
    """E3, I8, I11: one missing function is one notice; nobody is parked, and it drains by itself when it is back."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    forbid(site, RIGHTS[operation])
    news = (updated(first_name="Nora"), enrolled("EN-3", course="C-LAW"), hired("E-2"), enrolled("EN-2", "E-2"))

    bench.done(*news)
    happened = what_happened(site)
    refused = len(refusals(site))
    bench.provision()

    assert happened == done
    assert bench.integration().state == "active"
    assert [kind for kind, _ in bench.failures()] == ["integration"]
    assert bench.column("select operation from operation_hold") == [operation]
    assert len(refusals(site)) == refused <= 2
    assert bench.column("select max(attempts) from account") == [0]

    allow(site, RIGHTS[operation])
    bench.pass_time(minutes=16)
    bench.provision()
    bench.provision()

    assert what_happened(site) == {"E-1 renamed", "E-2 made", "E-1 in 3", "E-2 in 2"}
    assert bench.failures() == []
    assert bench.column("select operation from operation_hold") == []
    assert bench.column("select distinct state from account") == ["settled"]
    assert bench.column("select distinct state from placement") == ["settled"]


def refusals(site: MoodleSite) -> list[dict[str, Any]]:
    """Calls that were turned away; what the first hire needed was not."""
    return [call for call in site.ledger.calls() if call["function"] in RIGHTS.values() and not call["items"]]
