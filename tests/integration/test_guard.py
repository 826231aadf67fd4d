"""
Suspensions past the limit wait for a person; single leavers do not. F8, S24, R55.
"""

from collections.abc import Callable
from threading import Thread

import pytest

from db.guards import guards
from db.pool import Pool, transaction
from domain.guard import GuardState
from domain.integration import Guard
from ops.actions import Refused
from ops.guards import decide_guard, find_guard
from ops.operators import ReasonMissing
from simulators.moodle import MoodleSite
from tests.support.builders import Event, erased, hired, payroll, sync_requested, terminated, updated
from tests.support.operators import BY
from tests.support.waiting import until
from tests.support.workbench import Workbench, academy

WAITING = """
    select count(*) from pg_locks join pg_database on oid = database
    where datname = current_database() and locktype = 'advisory' and not granted
"""
SMALL = {"guard": {"share": "0.02", "at_least": 3}}


def keys(count: int, start: int = 1) -> list[str]:
    return [f"E-{n}" for n in range(start, start + count)]


def hires(count: int, **said: str) -> list[Event]:
    return [hired(key, **said) for key in keys(count)]


def leave(some: list[str], at: int = 5) -> list[Event]:
    return [terminated(key, at=at) for key in some]


def suspended(site: MoodleSite) -> set[str]:
    return {user.idnumber for user in site.state.users.values() if user.suspended}


def staged(bench: Workbench) -> list[str]:
    return bench.column("select employee_key from account where state = 'staged' order by account_id")


def decided(bench: Workbench, state: GuardState, guard_id: int | None = None) -> int:
    with transaction(bench.pool) as db:
        row = guards(db, guard_id=guard_id)[0]
    concerned = decide_guard(bench.pool, row, state, by=BY)
    bench.provision()
    return concerned


def test_a_mass_leave_is_staged_before_the_first_write(pool: Pool) -> None:
    """F8, S24: nothing is written, one notice stands, and other work goes on."""
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(12))
    bench.done(*leave(keys(8)), updated("E-12", last_name="New"))
    assert suspended(site) == set()
    assert staged(bench) == keys(8)
    assert bench.failures() == [("guard", "mass_suspension")]
    assert {u.lastname for u in site.state.users.values() if u.idnumber == "E-12"} == {"New"}
    with transaction(pool) as db:
        (guard,) = guards(db, open_only=True)
    assert (guard.payroll, guard.people, guard.counted, guard.limit) == ("NL-02", 8, 8, 3)


def test_single_leavers_pass_at_once_until_the_window_is_full(pool: Pool) -> None:
    """F8: three one by one, the fourth waits; when the window has moved on, a leaver passes again."""
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(12))
    for key in keys(3):
        bench.done(*leave([key]))
    assert suspended(site) == set(keys(3))
    bench.done(*leave(["E-4"]))
    assert (staged(bench), suspended(site)) == (["E-4"], set(keys(3)))
    assert decided(bench, "approved") == 1
    bench.run("update account set suspended_at = suspended_at - interval '25 hours'")
    bench.done(*leave(["E-5"]))
    assert suspended(site) == set(keys(5))


def test_small_batches_do_not_slip_below_the_limit(pool: Pool) -> None:
    """F8: counted over the window, not over the batch."""
    site = academy()
    bench = Workbench(pool, site, batch=2, **SMALL)
    bench.done(*hires(12))
    bench.done(*leave(keys(8)))
    assert len(suspended(site)) == 2
    assert len(staged(bench)) == 6
    assert bench.failures() == [("guard", "mass_suspension")]


def test_payrolls_are_counted_apart(pool: Pool) -> None:
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(4), *(hired(key, payroll="ZA-07") for key in keys(4, 5)))
    gone = [terminated(key, payroll="ZA-07") for key in keys(4, 5)]
    bench.done(*leave(keys(2)), *gone)
    assert suspended(site) == set(keys(2))
    assert staged(bench) == keys(4, 5)


def test_approving_lets_exactly_those_go_on(pool: Pool) -> None:
    """F8: they are suspended, do not fill the window, and whoever comes later is judged anew."""
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(12))
    bench.done(*leave(keys(8)))
    assert decided(bench, "approved") == 8
    assert suspended(site) == set(keys(8))
    assert bench.failures() == []
    bench.done(*leave(keys(2, 9)))
    assert suspended(site) == set(keys(10))
    assert bench.column("select count(*) from timeline where kind = 'suspension approved'") == [8]


def test_rejecting_keeps_people_active_until_hr_says_something_new(pool: Pool) -> None:
    """F8: neither a repeat of the same statement nor a full synchronisation suspends them; a new one is judged anew."""
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(12))
    bench.done(*leave(keys(8)))
    assert decided(bench, "rejected") == 8
    bench.done(*leave(keys(8), at=6))
    bench.run("update account set due_at = now(), applied = null, revision = revision + 1")
    bench.provision()
    assert (suspended(site), staged(bench)) == (set(), [])
    assert bench.column("select distinct state from account") == ["settled"]
    bench.done(terminated("E-1", at=7, last_name="Changed"))
    assert suspended(site) == {"E-1"}


def test_whom_hr_takes_back_is_in_no_guard_any_more(pool: Pool) -> None:
    """F8: the corrected export needs no decision, and approving afterwards suspends nobody who came back."""
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(12))
    bench.done(*leave(keys(8)))
    bench.done(*(updated(key, at=6) for key in keys(7)))
    assert staged(bench) == ["E-8"]
    assert decided(bench, "approved") == 1
    assert suspended(site) == {"E-8"}


def test_undoing_makes_active_again_whom_an_approval_suspended(pool: Pool) -> None:
    """S24: undo where possible; and only those."""
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(12))
    bench.done(*leave(["E-12"]))
    bench.done(*leave(keys(8)))
    decided(bench, "approved")
    assert decided(bench, "undone") == 8
    assert suspended(site) == {"E-12"}


@pytest.mark.parametrize(("before", "wanted"), [(None, "undone"), ("approved", "approved"), ("rejected", "undone")])
def test_a_decision_out_of_turn_is_refused(pool: Pool, before: GuardState | None, wanted: GuardState) -> None:
    bench = Workbench(pool, academy(), **SMALL)
    bench.done(*hires(8))
    bench.done(*leave(keys(8)))
    if before:
        decided(bench, before)
    with transaction(pool) as db:
        (guard,) = guards(db)
    with pytest.raises(Refused):
        decide_guard(pool, guard, wanted, by=BY.because("because"))


def test_a_decision_needs_a_reason(pool: Pool) -> None:
    bench = Workbench(pool, academy(), **SMALL)
    bench.done(*hires(8))
    bench.done(*leave(keys(8)))
    guard = find_guard(pool, bench.column("select guard_id from guard")[0])
    with pytest.raises(ReasonMissing):
        decide_guard(pool, guard, "approved", by=BY.because(" "))


@pytest.mark.parametrize(
    ("settings", "events"),
    [
        ({"payrolls": "selected", "when_out_of_scope": "suspend"}, lambda: [payroll(enabled=False, at=4)]),
        ({}, lambda: [erased(key, at=4) for key in keys(8)]),
        ({}, lambda: [updated(key, at=4, status="suspended") for key in keys(8)]),
    ],
    ids=["payroll disabled", "erased", "suspended"],
)
def test_every_way_to_be_suspended_is_guarded(
    pool: Pool, settings: dict[str, str], events: Callable[[], list[Event]]
) -> None:
    """F8: one place that all suspensions go through."""
    site = academy()
    bench = Workbench(pool, site, **SMALL, **settings)
    bench.done(payroll(), *hires(8))
    bench.done(*events())
    assert suspended(site) == set()
    assert len(staged(bench)) == 8


def test_two_workers_do_not_both_pass_below_the_limit(pool: Pool) -> None:
    """F8: counting and letting through is one step under a lock; a second worker waits, and then counts the first."""
    site = academy()
    bench = Workbench(pool, site, **SMALL)
    bench.done(*hires(12))
    bench.done(*leave(keys(2)))
    bench.run("update account set suspended_at = null")
    with transaction(pool) as db:
        bench.tell(*leave(["E-3", "E-4"]))
        db.execute("select pg_advisory_xact_lock(hashtextextended('guard ' || %s, 0))", [bench.integration_id])
        other = Thread(target=bench.provision)
        other.start()
        until(lambda: bench.column(WAITING) == [1], describe="the worker to wait for the lock")
        db.execute("update account set suspended_at = now() where employee_key in ('E-1', 'E-2')")
    other.join(timeout=30)
    assert suspended(site) == {"E-1", "E-2"}
    assert staged(bench) == ["E-3", "E-4"]


def test_the_defaults_are_two_percent_and_ten_in_a_day() -> None:
    assert Guard().model_dump(mode="json") == {"share": "0.02", "at_least": 10, "window_hours": 24}


def test_nobody_is_suspended_for_want_of_a_statement(pool: Pool) -> None:
    """F8: a feed that stops, a sync over people HR no longer mentions, fewer users in the LMS: nobody is touched."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(3))
    bench.done(sync_requested(at=9))
    bench.done(updated("E-1", at=10))
    site.state.users[user_id(site, "E-2")].deleted = True
    bench.done(sync_requested(at=11))
    assert suspended(site) == set()
    assert site.ledger.effects("user suspended") == []


def user_id(site: MoodleSite, key: str) -> int:
    (found,) = [one.id for one in site.state.users.values() if one.idnumber == key]
    return found
