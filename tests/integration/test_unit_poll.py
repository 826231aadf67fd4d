"""
Reading results unit by unit: only who has moved is read, and whatever breaks off goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import workers.completions
import workers.poll
from db.pool import Pool, transaction
from db.results import ResultStore
from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable, NeedsAttention, TransientFailure
from domain.lms import Pair
from tests.support.builders import PICK_LIST, enrolled, hired, results
from tests.support.fake_portal import FakePortal
from tests.support.units import CORRECTED, FIRE, NOON, asked, company, outcomes, portal, read_all_again, told
from tests.support.workbench import Workbench

# What it costs


def test_a_pass_looks_at_each_course_once_and_reads_who_has_moved(pool: Pool) -> None:
    """Contract, section 9: everybody at first, then nobody, then those who have moved."""
    lms = portal()
    bench = company(pool, lms, 3)
    bench.done(enrolled("EN-9", "E-1", "C-LAW"))
    assert asked(lms, bench.poll) == {"regraded": 1, "roster": 2, "standings": 4}
    assert asked(lms, bench.poll) == {"roster": 2}
    lms.complete_unit("102", "2", "21", NOON)
    assert asked(lms, bench.poll) == {"roster": 2, "standings": 1}


def test_where_people_are_fewer_than_courses_they_are_asked_instead(pool: Pool) -> None:
    """Contract, section 9.4."""
    lms = portal()
    bench = company(pool, lms, 1)
    bench.done(enrolled("EN-9", "E-1", "C-LAW"))
    assert asked(lms, bench.poll) == {"regraded": 1, "marks": 1, "standings": 2}
    lms.complete_unit("101", "3", "31", NOON)
    assert asked(lms, bench.poll) == {"marks": 1, "standings": 1}
    assert outcomes(bench) == [("EN-9", "LAW01", "C")]


def test_who_vanished_from_a_course_is_not_asked_for(pool: Pool) -> None:
    """Contract, section 9.2."""
    lms = portal()
    bench = company(pool, lms, 3)
    bench.poll()
    del lms.enrolments[Pair("102", "2")]
    read_all_again(bench)
    assert asked(lms, bench.poll) == {"roster": 1, "standings": 2}


def test_a_changed_grade_is_found_although_no_mark_moved(pool: Pool) -> None:
    """G6, contract, section 9.5: asked for at an interval of its own, and only since the last time."""
    lms = portal()
    bench = company(pool, lms, 2, pass_grade=50)
    lms.complete_unit("101", "2", "22", NOON, Decimal(40))
    bench.poll()
    lms.grade("101", "2", "22", Decimal(60), NOON + timedelta(hours=1))
    assert "regraded" not in asked(lms, bench.poll)
    bench.pass_time(hours=1)
    assert asked(lms, bench.poll) == {"regraded": 1, "roster": 1, "standings": 1}
    assert outcomes(bench) == [("EN-1", "FIRE02", "C")]
    assert [one["outcome"] for one in bench.announced(CORRECTED)] == ["C"]
    bench.pass_time(hours=1)
    assert asked(lms, bench.poll) == {"regraded": 1, "roster": 1}


def test_a_new_pass_grade_does_not_rewrite_the_past(pool: Pool) -> None:
    """G7: read again and again, what was told stays; who completes later is judged by the new rule."""
    lms = portal()
    bench = company(pool, lms, 2)
    lms.complete_unit("101", "2", "22", NOON, Decimal(40))
    bench.poll()
    bench.choose(results=results(pass_grade=50))
    read_all_again(bench)
    lms.complete_unit("102", "2", "22", NOON, Decimal(40))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE02", "C"), ("EN-2", "FIRE02", "NYC")]
    assert told(bench) == 2


def test_everybody_open_is_read_again_within_a_day_a_share_per_pass(pool: Pool) -> None:
    """Contract, section 9.5: so that a grade of a kind that no news tell of is found within a day."""
    lms = portal()
    bench = company(pool, lms, 8, every_s=3600)
    bench.poll()
    shares = []
    for _ in range(24):
        bench.pass_time(hours=1)
        shares.append(asked(lms, bench.poll).get("standings", 0))
    assert shares[:3] == [0, 0, 0]
    assert max(shares) == 1
    assert sum(shares) >= 8
    assert bench.column("select count(*) from placement where read_at < now() - interval '24 hours'") == [0]


def test_courses_that_everybody_has_completed_are_looked_at_once_a_day(pool: Pool) -> None:
    """G5, contract, section 9.7: so that a reset and what is earned after it are seen."""
    lms = portal()
    bench = company(pool, lms)
    for unit in FIRE:
        lms.complete_unit("101", "2", unit.unit_id, NOON)
    bench.poll()
    assert asked(lms, bench.poll) == {}
    lms.states.clear()
    lms.completed.clear()
    lms.complete_unit("101", "2", "21", NOON + timedelta(days=1))
    bench.pass_time(hours=25)
    assert asked(lms, bench.poll) == {"regraded": 1, "roster": 1, "standings": 1}
    assert len(bench.announced(CORRECTED)) == 1
    assert not bench.placement()["completed"]


# Trouble


@pytest.mark.parametrize(
    "failure", [NeedsAttention("course_unknown"), TransientFailure("lms_error"), NeedsAttention("lms_rejected")]
)
def test_one_broken_course_does_not_hide_the_others(pool: Pool, failure: Any) -> None:
    """G13, D23: named once; the others are done, and it heals when the course can be read."""
    lms = portal()
    bench = company(pool, lms, 3)
    bench.done(enrolled("EN-9", "E-1", "C-LAW"))
    lms.complete_unit("101", "2", "21", NOON)
    lms.complete_unit("101", "3", "31", NOON)
    lms.fail("roster", failure, only=lambda course_id: course_id == "2", times=2)
    for _ in range(2):
        bench.poll()
    assert outcomes(bench) == [("EN-9", "LAW01", "C")]
    assert bench.failures() == [("course", failure.code)]
    assert bench.integration().state == "active"
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C"), ("EN-9", "LAW01", "C")]
    assert bench.failures() == []


def test_one_bad_enrolment_does_not_stop_the_loop(pool: Pool) -> None:
    """R158: a message of its own, until it can be read."""
    lms = portal()
    bench = company(pool, lms, 3)
    for user_id in ("101", "102", "103"):
        lms.complete_unit(user_id, "2", "21", NOON)
    lms.fail("standings", NeedsAttention("user_gone"), only=lambda pair: pair.user_id == "102")
    bench.poll()
    assert [key for key, _, _ in outcomes(bench)] == ["EN-1", "EN-3"]
    assert bench.failures() == [("reading", "user_gone")]
    assert asked(lms, bench.poll) == {"roster": 1, "standings": 1}
    assert [key for key, _, _ in outcomes(bench)] == ["EN-1", "EN-2", "EN-3"]
    assert bench.failures() == []


@pytest.mark.parametrize(
    "failure", [LmsUnavailable("lms_maintenance"), HoldIntegration("token_refused"), LmsThrottled("lms_throttled")]
)
@pytest.mark.parametrize("method", ["roster", "standings", "regraded"])
def test_trouble_with_the_site_keeps_what_was_read(pool: Pool, failure: Any, method: str) -> None:
    """G1, E1, E2, D18: the pass goes on where it was, and nobody is read twice."""
    lms = portal()
    bench = company(pool, lms, 3)
    bench.done(enrolled("EN-9", "E-1", "C-LAW"))
    lms.complete_unit("101", "2", "21", NOON)
    lms.complete_unit("101", "3", "31", NOON)
    lms.fail(method, failure, only=lambda item: item in (None, "3", Pair("101", "3")))
    bench.poll()
    assert outcomes(bench) == ([] if method == "regraded" else [("EN-1", "FIRE01", "C")])
    assert bench.failures() == [("integration", failure.code)]
    assert bench.column("select run is not null from poll_cursor") == [True]
    bench.pass_time(minutes=31)
    bench.provision()
    again = asked(lms, bench.poll)
    assert outcomes(bench) == [("EN-1", "FIRE01", "C"), ("EN-9", "LAW01", "C")]
    assert again["standings"] == (4 if method == "regraded" else 1)
    assert bench.column("select run from poll_cursor") == [None]
    assert bench.failures() == []


def test_an_outage_in_the_middle_of_many_keeps_those_before_it(pool: Pool) -> None:
    """D1, G1: the calls that were spent are not spent again."""
    lms = portal()
    bench = company(pool, lms, 40)
    lms.fail("standings", LmsUnavailable("lms_unreachable"), only=lambda pair: pair.user_id == "135")
    calls = asked(lms, bench.poll)
    assert calls["standings"] == 40
    assert bench.column("select count(*) from placement where mark is not null") == [34]
    bench.pass_time(minutes=31)
    assert asked(lms, bench.poll) == {"roster": 1, "standings": 6}


@pytest.mark.parametrize("where", ["poller.page_read", "poller.rows_written", "result.recorded", "poller.committed"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_anywhere_rows_events_marks_and_cursor_stand_or_fall_together(
    pool: Pool, where: str, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1, I5: whatever was committed is complete, and the next poll does the rest once."""

    class Killed(BaseException):
        pass

    hits: list[str] = []

    def kill(name: str) -> None:
        hits.append(name)
        if hits.count(where) == nth and name == where:
            raise Killed

    lms = portal()
    bench = company(pool, lms, 30)
    bench.done(enrolled("EN-99", "E-1", "C-LAW"))
    for n in range(101, 131):
        lms.complete_unit(str(n), "2", "21", NOON)
    lms.complete_unit(bench.account("E-1")["lms_user_id"], "3", "31", NOON)
    with monkeypatch.context() as patched:
        patched.setattr(workers.poll, "crashpoint", kill)
        patched.setattr(workers.completions, "crashpoint", kill)
        with pytest.raises(Killed):
            bench.poll()
    marked = bench.column("select count(*) from placement where mark is not null")[0]
    assert len(bench.results()) == told(bench) == marked == bench.column("select count(*) from result_event")[0]
    bench.pass_time(minutes=2)
    bench.poll()
    bench.poll()
    assert len(bench.results()) == told(bench) == 31


def test_a_poller_that_lost_its_lease_records_nothing(pool: Pool) -> None:
    """G2, B5: frozen with an old standing in hand while another one recorded a newer."""
    lms = portal()
    bench = company(pool, lms, pass_grade=50)
    lms.complete_unit("101", "2", "22", NOON, Decimal(80))
    plain = lms.standings

    def overtaken(pairs: Sequence[Pair]) -> Any:
        lms.standings = plain  # type: ignore[method-assign]
        stale = plain(pairs)
        lms.complete_unit("101", "2", "22", NOON + timedelta(days=1), Decimal(30))
        bench.pass_time(minutes=2)
        bench.poll()
        return stale

    lms.standings = overtaken  # type: ignore[method-assign]
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE02", "NYC")]
    assert told(bench) == 1


def test_of_two_pollers_one_polls(pool: Pool) -> None:
    """R116, G2: no two runs at once."""
    lms = portal()
    bench = company(pool, lms)
    with transaction(pool) as db:
        assert ResultStore(db, bench.integration_id).claim(bench.rules.lease) is not None
    assert asked(lms, bench.poll) == {}


def test_a_pass_that_is_stopped_goes_on_where_it_was(pool: Pool) -> None:
    """B8: a deploy in the middle; whom it had read it does not read again."""
    lms = portal()
    bench = company(pool, lms, 30)
    answers = iter([False, False, False, True])
    stopped = asked(lms, lambda: bench.poll(rules=replace(bench.rules, stopping=lambda: next(answers))))
    assert stopped == {"regraded": 1, "roster": 1, "standings": 25}
    assert asked(lms, bench.poll) == {"roster": 1, "standings": 5}


def test_people_who_move_between_two_looks_are_not_missed(pool: Pool) -> None:
    """G3: somebody learns after the roster was read and before the next; somebody joins meanwhile."""
    lms = portal()
    bench = company(pool, lms, 2)
    plain = lms.standings

    def learning(pairs: Sequence[Pair]) -> Any:
        read = plain(pairs)
        lms.complete_unit("101", "2", "21", NOON)
        return read

    lms.standings = learning  # type: ignore[method-assign]
    bench.poll()
    lms.standings = plain  # type: ignore[method-assign]
    assert outcomes(bench) == []
    bench.done(hired("E-3"), enrolled("EN-3", "E-3"))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]


def test_a_completion_dated_back_is_found(pool: Pool) -> None:
    """G4: marks are compared, not dates; the clock of the LMS does not matter."""
    lms = portal()
    bench = company(pool, lms)
    bench.poll()
    lms.complete_unit("101", "2", "21", NOON - timedelta(days=200))
    bench.poll()
    assert bench.column("select completed_at from result") == [NOON - timedelta(days=200)]


def complete_many(lms: FakePortal, bench: Workbench, count: int = 20) -> None:
    for n in range(count):
        for unit in FIRE:
            lms.complete_unit(str(101 + n), "2", unit.unit_id, NOON)
    bench.poll()


def test_a_reading_that_shows_none_complete_any_more_is_not_believed(pool: Pool) -> None:
    """G8: no mark moves, nothing is read, one failure; it heals by itself when the right is back."""
    lms = portal()
    bench = company(pool, lms, 22)
    complete_many(lms, bench)
    before = bench.rows("select placement_id, mark, completed from placement order by 1")
    kept = lms.completed, lms.states
    lms.completed, lms.states = {}, {}
    for _ in range(2):
        assert asked(lms, bench.poll) == {"roster": 1}
    assert bench.rows("select placement_id, mark, completed from placement order by 1") == before
    assert bench.failures() == [("integration", "completions_vanished")]
    assert len(bench.results()) == told(bench) == 40
    lms.completed, lms.states = kept
    lms.complete_unit("122", "2", "21", NOON)
    bench.poll()
    assert bench.failures() == []
    assert len(bench.results()) == 41


def test_a_course_that_shows_nobody_is_not_believed_either(pool: Pool) -> None:
    """G8: 20 were complete, and now it is empty."""
    lms = portal()
    bench = company(pool, lms, 21)
    complete_many(lms, bench)
    lms.enrolments.clear()
    bench.poll()
    assert bench.failures() == [("integration", "completions_vanished")]


def test_fewer_who_start_again_are_believed(pool: Pool) -> None:
    """G8: nineteen resets are nineteen resets."""
    lms = portal()
    bench = company(pool, lms, 20)
    complete_many(lms, bench, 19)
    lms.completed, lms.states = {}, {}
    assert asked(lms, bench.poll) == {"roster": 1, "standings": 19}
    assert bench.failures() == []
    assert told(bench) == 38


def test_an_item_missing_in_the_pick_list_blocks_results_and_loses_none(pool: Pool) -> None:
    """R27: a clear failure and no call; after the mapping is fixed the completion is recorded."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "21", NOON)
    bench.choose(results=results(outcomes=PICK_LIST[:1]))
    assert asked(lms, bench.poll) == {}
    assert bench.failures() == [("integration", "outcome_unmapped")]
    bench.choose(results=results())
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]
    assert bench.failures() == []


# Runs


def test_a_run_that_somebody_asked_for_counts_units(pool: Pool) -> None:
    """R11, R81."""
    lms = portal()
    bench = company(pool, lms, 3)
    lms.complete_unit("101", "2", "21", NOON)
    lms.complete_unit("101", "2", "22", NOON)
    lms.fail("standings", NeedsAttention("user_gone"), only=lambda pair: pair.user_id == "102")
    bench.run("insert into sync_run (integration_id, flow, asked_by) values (1, 'results', 'test')")
    bench.poll()
    [run] = bench.rows("select created, updated, skipped, failed, state, reasons from sync_run")
    assert (run["created"], run["updated"], run["failed"], run["state"]) == (2, 0, 1, "done")
    assert run["reasons"] == {"user_gone": 1}
