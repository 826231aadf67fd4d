"""
The calls of a portal that counts them: never more than it allows, the most urgent first, and nobody sleeps on a limit.
"""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from db.accounts import WorkStore
from db.budget import BudgetStore
from db.people import PeopleViews, Subject
from db.pool import Pool, open_pool, transaction
from db.schedule import due_scopes
from db.sync_runs import SyncRuns
from domain.budget import INTERVAL, PURPOSES, keeps
from domain.errors import BudgetSpent
from domain.integration import Calls
from domain.lms import Allowance
from ops.cli.main import app
from runtime.secrets import new_key
from runtime.settings import Timing
from simulators.faults import Fault
from simulators.talentlms import talent_site
from tests.support.builders import TENANT, enrolled, hired, hires, terminated
from tests.support.portal import PortalBench
from tests.support.workbench import Workbench, academy
from workers.purse import Purse, spending_on

HOUR = timedelta(hours=1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def another_pool(database_url: str) -> Iterator[Pool]:
    """Connections of another process."""
    with open_pool(database_url, name="other", max_size=4) as opened:
        yield opened


def told(remaining: int, limit: int) -> Allowance:
    """At the beginning of an hour, by a clock of the portal's own."""
    return Allowance(limit, remaining, NOON + HOUR, told_at=NOON)


# Never more than there is


@pytest.mark.parametrize("purpose", PURPOSES)
def test_two_processes_share_an_hour_and_never_exceed_it(pool: Pool, another_pool: Pool, purpose: Any) -> None:
    """I7, D27: eight threads of two processes, all at once, to the last call and not one more."""
    bench = Workbench(pool, talent_site(courses=1), lms="talentlms")
    calls = Calls(burst=200)
    purses = [Purse(some, bench.integration_id, calls, lambda: told(90, 100)) for some in (pool, another_pool)]
    spent: list[BudgetSpent] = []

    def spend(purse: Purse) -> None:
        with spending_on(purpose) as tab:
            try:
                while True:
                    purse.pay()
            except BudgetSpent as error:
                spent.append(error)
        paid.append(tab.calls)

    paid: list[int] = []
    threads = [threading.Thread(target=spend, args=[purse]) for purse in purses * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(paid) == 90 - keeps(calls, 100)[PURPOSES.index(purpose)]
    assert len(spent) == 8
    assert all(error.retry_after and error.retry_after > HOUR - timedelta(minutes=1) for error in spent)


def test_a_burst_is_spread_over_the_seconds(pool: Pool) -> None:
    """I7, 8.22: half of what five seconds may hold at once, and the rest as they pass; told until when, not slept."""
    bench = PortalBench(pool, an_hour=1000, calls={"burst": 20})
    purse = bench.purses[bench.integration_id]

    def spend() -> None:
        while True:
            purse.pay()

    def pay() -> int:
        with spending_on("urgent") as tab, pytest.raises(BudgetSpent) as refused:
            spend()
        assert timedelta(0) < (refused.value.retry_after or HOUR) <= timedelta(seconds=1)
        return tab.calls

    assert pay() == 10
    bench.pass_time(seconds=2.5)
    assert pay() == 5
    bench.pass_time(minutes=1)
    assert pay() == 10


def test_a_portal_is_asked_before_it_is_called_and_once_an_hour_is_over(pool: Pool) -> None:
    """8.22: nothing is guessed, neither at first nor of a new hour; asking is free."""
    bench = PortalBench(pool)
    bench.done(hired())
    functions = [call["function"] for call in bench.site.ledger.calls()]
    assert functions[0] == "ratelimit"
    assert functions.count("ratelimit") == 1
    assert bench.budget()["hour_left"] == 100 - len(functions) + 1

    bench.pass_time(hours=1, seconds=1)
    bench.done(hired("E-2"))
    assert bench.asked() == 2
    assert bench.site.meter.used == 100 - bench.budget()["hour_left"]


def test_what_others_use_of_the_portal_is_noticed_within_minutes(pool: Pool) -> None:
    """8.22: the vendor's plugin or a colleague's script spends from the same hour."""
    bench = PortalBench(pool)
    bench.done(hired())
    bench.site.meter.used += 40
    bench.done(hired("E-2"))
    assert bench.budget()["hour_left"] > 50

    bench.pass_time(minutes=5)
    bench.done(hired("E-3"))
    assert bench.budget()["hour_left"] == 100 - bench.site.meter.used


@pytest.mark.parametrize("wrong_by", [-7200.0, 0.0, 7200.0])
def test_a_backlog_drains_hour_by_hour_without_a_call_too_many(pool: Pool, wrong_by: float) -> None:
    """D27, I7, T2: 80 newcomers at 100 calls an hour take four hours; no attempt burnt, no failure, no 429."""
    bench = PortalBench(pool, wrong_by=wrong_by)
    bench.tell(*hires(80, "C001"))
    bench.provision()

    took = bench.drain()

    assert bench.column("select distinct state from account") == ["settled"]
    assert bench.column("select distinct state from placement") == ["settled"]
    assert bench.answers()[429] == 0
    assert abs(took - 3 * HOUR) < timedelta(minutes=5)
    assert bench.failures() == []
    assert bench.column("select max(outages) from integration") == [0]
    assert len(bench.site.ledger.effects("user created")) == 80
    assert sum(bench.answers().values()) <= 80 * 4 * 1.1
    assert bench.asked() <= 8


def test_who_was_begun_when_the_calls_ran_out_waits_until_there_are_some(pool: Pool) -> None:
    """D27: `due_at` moves, and no attempt is burnt; what was done stays done."""
    bench = PortalBench(pool)
    bench.done(hired())
    # Thought to be cheaper than they are, newcomers are begun with fewer calls than they take.
    bench.run("update call_budget set costs = '{1,1,1}', hour_left = 5 + 2")
    bench.done(hired("E-2"), hired("E-3"))

    rows = bench.rows("select state, attempts, starts, lease_token, due_at - now() as wait from account")
    begun = [row for row in rows if row.pop("wait") and row["state"] == "due"]
    assert begun == [{"state": "due", "attempts": 0, "starts": 0, "lease_token": None}] * 2
    assert bench.column("select min(due_at) - now() > interval '59 minutes' from account where state = 'due'") == [True]
    assert not bench.is_due()
    assert bench.failures() == []
    assert bench.answers()[429] == 0
    bench.drain()
    assert bench.column("select distinct state from account") == ["settled"]


# Who goes first


def test_a_leaver_goes_ahead_when_the_hour_is_spent_for_everybody_else(pool: Pool) -> None:
    """D27: within the interval of the scheduler, from what all others leave alone."""
    bench = PortalBench(pool)
    bench.done(hired())
    bench.tell(*[hired(f"E-{n}") for n in range(2, 60)])
    bench.work()
    assert not bench.is_due()
    bench.tell(terminated())
    assert bench.is_due()
    bench.provision()
    assert bench.leavers() == ["E-1"]
    assert bench.waiting() > 10
    assert not bench.is_due()


def test_a_leaver_goes_ahead_of_a_sweep_and_newcomers_too(pool: Pool) -> None:
    """D27: in one batch of its own each, the most urgent first, and a sweep leaves a third of the hour."""
    bench = PortalBench(pool)
    bench.done(*[hired(f"E-{n}") for n in range(1, 10)])
    bench.run("update account set urgency = 2, applied = null, state = 'due', due_at = now() - interval '1 hour'")
    bench.tell(hired("E-90"), terminated("E-3"))
    bench.pass_time(minutes=1)
    before = len(bench.site.ledger.calls())

    bench.provision()

    functions = [call["function"] for call in bench.site.ledger.calls()[before:]]
    assert bench.leavers() == ["E-3"]
    assert functions.index("usersetstatus") < functions.index("usersignup")
    assert functions[functions.index("usersignup") + 1 :] == ["users"] * 8


def test_a_sweep_of_more_people_than_fit_into_a_burst_ends(pool: Pool) -> None:
    """D27: read in steps that can be paid for; a step that cannot would be read in vain for ever."""
    bench = PortalBench(pool, an_hour=2000)
    bench.tell(*[hired(f"E-{n}") for n in range(1, 61)])
    bench.work()
    with transaction(pool) as db:
        SyncRuns(db, bench.integration_id).ask("people", by="somebody")
    before = sum(bench.answers().values())
    for _ in range(20):
        bench.pass_time(seconds=5)
        bench.scan()

    assert bench.column("select state from sync_run where flow = 'people'") == ["done"]
    assert sum(bench.answers().values()) - before <= 60 * 1.1


def test_what_is_read_again_stays_last_when_it_has_to_wait(pool: Pool) -> None:
    """D27: put off, not promoted; it leaves a third of the hour to newcomers."""
    bench = PortalBench(pool)
    bench.done(*[hired(f"E-{n}") for n in range(1, 10)])
    # Somebody renamed them all at the portal, so that each takes two calls more than a reading is thought to.
    for user in bench.site.state.users.values():
        bench.site.state.change_user(user, last_name="Changed")
    bench.run("update account set urgency = 2, applied = null, state = 'due', due_at = now()")
    bench.run("update call_budget set hour_left = 35 + 3, crowded_until = now()")
    bench.provision()

    put_off = "urgency = 2 and attempts = 0 and due_at > now() + interval '59 minutes'"
    assert bench.column(f"select count(*) from account where {put_off}") == [3]  # noqa: S608 - ours
    assert bench.column("select count(*) from account where urgency = 2 and due_at is not null") == [9]
    assert bench.budget()["hour_left"] == 35
    assert not bench.is_due()
    bench.done(hired("E-90"))
    assert bench.account("E-90")["state"] == "settled"


def test_results_are_put_off_when_their_share_is_spent(pool: Pool) -> None:
    """D27, 8.23: the poll's own time moves to the next hour; it is no trouble of the site or of the flow."""
    bench = PortalBench(pool)
    bench.done(hired(), enrolled(course="C001"))
    bench.run("update call_budget set hour_left = 35")
    calls = len(bench.site.ledger.calls())

    bench.poll()

    assert len(bench.site.ledger.calls()) == calls
    assert bench.column("select due_at - now() > interval '59 minutes' from poll_cursor") == [True]
    assert bench.column("select count(*) from flow_state where flow = 'results' and failed_at is not null") == [0]
    assert bench.failures() == []
    bench.pass_time(hours=1, seconds=1)
    bench.poll()
    assert bench.column("select full_at is not null from poll_cursor") == [True]


def test_courses_are_put_off_when_their_share_is_spent(pool: Pool) -> None:
    """D27"""
    bench = PortalBench(pool)
    bench.done(hired())
    bench.run("update call_budget set hour_left = 35")
    bench.read_catalogue()
    assert bench.site.ledger.calls("courses") == []
    assert bench.column("select courses_retry_at - now() > interval '59 minutes' from integration") == [True]
    assert bench.failures() == []
    with transaction(pool) as db:
        assert due_scopes(db).catalogue == []


# The portal says no


def test_an_hour_that_others_have_spent_is_no_trouble(pool: Pool) -> None:
    """D18, D27: one wave of 429, the calls that were under way; then everything waits for the next hour."""
    bench = PortalBench(pool)
    bench.done(hired())
    bench.site.meter.used = 100
    bench.done(*[hired(f"E-{n}") for n in range(2, 30)])
    bench.work()

    wave = bench.answers()[429]
    assert 1 <= wave <= Calls().concurrent
    assert bench.budget()["hour_left"] == 0
    assert bench.budget()["slowed"] == 0
    assert bench.failures() == []
    assert bench.column("select max(attempts) + max(starts) from account") == [0]
    bench.drain()
    assert bench.answers()[429] == wave
    assert bench.column("select distinct state from account") == ["settled"]


def test_too_many_in_a_few_seconds_slow_everybody_down(pool: Pool, another_pool: Pool) -> None:
    """D18, I7: one 429 per wave, then half the pace in every process, and the old one after some quiet minutes."""
    bench = PortalBench(pool, an_hour=1000)
    bench.done(hired())
    bench.site.faults.add(Fault("users", nth=1, status=429))
    bench.tell(*[hired(f"E-{n}") for n in range(2, 20)])
    bench.provision()

    assert bench.answers()[429] == 1
    assert bench.budget()["slowed"] == 1
    assert bench.failures() == [("integration", "lms_throttled")]
    with transaction(another_pool) as db:
        store = BudgetStore(db, bench.integration_id)
        standing = store.standing(Calls())
        assert standing is not None
        assert standing.room("urgent") == 0
        assert standing.space == 2 * timedelta(seconds=0.1)
    bench.work()
    assert bench.failures() == []
    assert bench.answers()[429] == 1
    bench.pass_time(minutes=6)
    bench.done(hired("E-90"))
    assert bench.budget()["slowed"] == 0


@pytest.mark.parametrize(("retry_after", "least"), [("120", 120), ("-5", 0), ("1000000000", 3600), ("soon", 0)])
def test_a_portal_that_says_when_to_come_back_is_obeyed(pool: Pool, retry_after: str, least: int) -> None:
    """D18, I7: for an hour at most, whoever asks and whatever is due; nor is it asked what is left."""
    bench = PortalBench(pool, an_hour=1000, calls={"concurrent": 1})
    bench.done(hired())
    bench.site.faults.add(Fault("users", nth=1, status=429, retry_after=retry_after))
    bench.done(hired("E-2"))
    [place] = [n for n, call in enumerate(bench.site.ledger.calls()) if call["status"] == 429]
    bench.pass_time(seconds=max(0, least - 3))
    bench.done(hired("E-3"), terminated())
    early = [call["function"] for call in bench.site.ledger.calls()[place + 1 :]]
    assert early == ([] if least else ["ratelimit"])
    bench.pass_time(seconds=20)
    bench.work()
    assert bench.column("select distinct state from account") == ["settled"]


def test_one_person_whose_calls_are_turned_away_does_not_stop_the_others(pool: Pool) -> None:
    """D19: who was turned away goes behind those who were not tried yet."""
    bench = PortalBench(pool, an_hour=1000)
    bench.rules = replace(bench.rules, dice=random.Random(4).random)
    bench.site.faults.add(Fault("usersignup", value="noor3@example.org", status=429))
    bench.tell(*[hired(f"E-{n}") for n in range(1, 31)])
    for _ in range(60):
        bench.provision()
        bench.pass_time(minutes=5)

    states = {row["employee_key"]: row["state"] for row in bench.rows("select employee_key, state from account")}
    assert {key for key, state in states.items() if state != "settled"} == {"E-3"}


def test_writes_that_are_turned_away_leave_readings_alone(pool: Pool) -> None:
    """D19: results come in between two tries to write."""
    bench = PortalBench(pool, an_hour=1000)
    bench.done(hired(), enrolled(course="C001"))
    bench.site.faults.add(Fault("usersignup", status=429))
    bench.done(hired("E-2"))
    bench.pass_time(minutes=31)
    bench.poll()
    assert bench.column("select full_at is not null from poll_cursor") == [True]


@pytest.mark.parametrize("seed", range(2))
def test_a_portal_with_a_bad_ten_minutes_is_not_stormed(pool: Pool, seed: int) -> None:
    """D28, I7: 30 of 100 calls fail for ten minutes; calls grow by a tenth and a burst at most, nobody is parked."""
    bench = PortalBench(pool, an_hour=2000)
    bench.rules = replace(bench.rules, dice=random.Random(seed).random)
    bench.tell(*hires(100, "C001"))
    bench.site.faults.add(Fault("*", probability=0.3, seed=seed, status=500))
    for _ in range(60):
        bench.provision()
        bench.pass_time(seconds=10)
    bench.site.faults.clear()
    for _ in range(60):
        bench.provision()
        bench.pass_time(minutes=1)

    assert bench.column("select distinct state from account") == ["settled"]
    assert sum(bench.answers().values()) <= 100 * 5 * 1.1 + Calls().burst
    assert len(bench.site.ledger.effects("user created")) == 100


def test_a_portal_that_does_not_say_what_is_left_is_not_called(pool: Pool) -> None:
    """D1: like any site that is away: one failure, and it heals by itself."""
    bench = PortalBench(pool)
    bench.site.faults.add(Fault("ratelimit", times=1, status=503))
    bench.done(hired())
    assert bench.answers() == Counter()
    assert bench.failures() == [("integration", "lms_maintenance")]
    bench.work()
    assert bench.account()["state"] == "settled"
    assert bench.failures() == []


def test_while_our_own_store_is_away_nothing_is_paid_for(pool: Pool, another_pool: Pool) -> None:
    """C2: no call is made, the batch stops, and no attempt is held against anybody."""
    bench = Workbench(pool, talent_site(courses=1), lms="talentlms")
    purse = Purse(another_pool, bench.integration_id, Calls(), lambda: told(100, 100))
    another_pool.close()

    with spending_on("urgent") as tab, pytest.raises(BudgetSpent) as refused:
        purse.pay()

    assert (refused.value.code, refused.value.retry_after, tab.calls) == ("store_unavailable", INTERVAL, 0)


def test_nothing_more_is_sent_for_people_whom_somebody_else_has_by_now(pool: Pool) -> None:
    """B5: a batch of calls one by one looks before each of them whether it may still act."""
    bench = PortalBench(pool, calls={"concurrent": 1})
    bench.rules = replace(bench.rules, timing=replace(Timing(), lease=timedelta(seconds=0)))
    with transaction(pool) as db:
        integration = WorkStore(db, bench.integration_id).integration()
    assert integration is not None
    meter = bench.open_site(integration).meter
    counted = meter.count

    def overtaken(function: str, outcome: str, items: int) -> None:
        counted(function, outcome, items)
        if function == "usersignup":
            bench.run("update account set lease_token = lease_token + 1000, lease_until = now() + interval '1 minute'")

    meter.count = overtaken  # type: ignore[method-assign]
    bench.done(*[hired(f"E-{n}") for n in range(1, 6)])

    assert len(bench.site.ledger.effects("user created")) == 1


# What it costs


def test_what_an_account_takes_is_learnt(pool: Pool) -> None:
    """D27: newcomers without an enrolment take three calls, one less than thought; a leaver two."""
    bench = PortalBench(pool, an_hour=2000)
    bench.done(hired("E-0"))
    bench.tell(*[hired(f"E-{n}") for n in range(1, 60)])
    bench.work()
    bench.done(terminated("E-0"))
    leaver, newcomer, _ = bench.budget()["costs"]
    assert leaver == 2
    assert 3 <= newcomer < 3.2


def test_status_says_what_is_left_what_waits_and_until_when(pool: Pool, database_url: str) -> None:
    """D27, I9: for people and for machines; nothing of it where no calls are counted."""
    environment = {"DATABASE_URL": database_url, "AMQP_URL": "amqp://127.0.0.1:9", "MATRICULA_KEY": new_key()}

    def status(*options: str) -> str:
        return CliRunner().invoke(app, ["status", *options], env=environment).stdout

    bench = PortalBench(pool)
    assert "calls left" not in status()
    bench.tell(*[hired(f"E-{n}") for n in range(1, 75)])
    bench.work()

    left, waiting = bench.budget()["hour_left"], bench.waiting()
    shown = status()
    assert f"{left} of 100" in shown
    assert f"{waiting} people, enrolments" in shown
    [told] = json.loads(status("--json"))["integrations"]
    [queue] = told["calls"]["queues"]
    assert (told["calls"]["limit"], queue["purpose"], queue["accounts"]) == (100, "provisioning", waiting)
    said = timedelta(seconds=queue["done_in"])
    assert abs(bench.drain() - said) < said * 0.2

    assert "nothing" in status()
    bench.set_state("paused")
    assert "calls left" not in status()


def test_why_says_until_when_somebody_waits_for_calls(pool: Pool) -> None:
    """D27"""
    bench = PortalBench(pool)
    bench.tell(*[hired(f"E-{n}") for n in range(1, 62)])
    bench.work()
    who = Subject(TENANT, bench.column("select employee_key from account where state = 'due'")[0], None)

    def verdict() -> str:
        with transaction(pool) as db:
            return PeopleViews(db).explain(who, None)[0].verdict

    assert "calls of this hour are used up; its turn comes after" in verdict()
    bench.drain()
    assert verdict() == "The account is as HR wants it."


def test_a_moodle_has_no_budget(pool: Pool) -> None:
    """Nothing is counted where nothing is limited: leavers and newcomers share a batch, as ever."""
    bench = Workbench(pool, academy())
    bench.done(hired())
    bench.done(terminated(), hired("E-2"))
    assert bench.column("select count(*) from call_budget") == [0]
    assert bench.column("select distinct state from account") == ["settled"]
