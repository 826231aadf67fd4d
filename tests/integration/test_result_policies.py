"""
What the rules about results mean for whole courses: the same decision as by unit, whatever Moodle is asked.
"""

from datetime import timedelta
from typing import Any

import pytest

from db.pool import Pool
from domain.lms import Pair
from simulators.learners import Learners
from simulators.moodle import MoodleSite
from tests.integration.test_poll import completion
from tests.support.builders import Event, changed, hires, lms_courses, results, withdrawn
from tests.support.fake_lms import FakeLms
from tests.support.units import CORRECTED, NOON, RECORDED, held, outcomes, told
from tests.support.workbench import Workbench, academy

PLANS = pytest.mark.parametrize("plan", [{}, {"report": "1"}], ids=["people", "report"])


def completes(site: MoodleSite, key: str = "E-1", **how: Any) -> None:
    Learners(site).complete(key, "C-FIRE", **({"at": NOON.timestamp()} | how))
    site.run_cron()


@PLANS
def test_an_old_completion_of_somebody_enrolled_anew_waits(pool: Pool, plan: dict[str, Any]) -> None:
    """G12: Moodle keeps it; it is held once, and a result as soon as HR says that the enrolment began before."""
    site = academy()
    bench = Workbench(pool, site, results=results(**plan))
    bench.done(*hires(1))
    bench.done(changed(at=3, starts_on="2026-03-03"))
    completes(site)
    for _ in range(2):
        bench.poll()
    assert held(bench) == [("EN-1", "", "earlier_attempt")]
    assert bench.column("select count(*) from timeline where kind = 'completion held'") == [1]
    assert (outcomes(bench), bench.placement()["completed"], bench.failures()) == ([], False, [])
    bench.done(changed(at=4, starts_on="2026-03-02"))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "", "C")]
    assert (held(bench), bench.placement()["completed"]) == ([], True)


@PLANS
def test_earlier_attempts_may_be_accepted(pool: Pool, plan: dict[str, Any]) -> None:
    site = academy()
    bench = Workbench(pool, site, results=results(earlier_attempt="accept", **plan))
    bench.done(*hires(1))
    bench.done(changed(at=3, starts_on="2026-03-03"))
    completes(site)
    bench.poll()
    assert outcomes(bench) == [("EN-1", "", "C")]


def by_hand(at: int = 3, **said: Any) -> Event:
    return changed(at=at, outcomes=[{"outcome": "W", **said}])


@PLANS
@pytest.mark.parametrize("hand_set", ["protect", "overwrite"])
def test_an_outcome_set_by_hand_is_protected_or_written_over(pool: Pool, plan: dict[str, Any], hand_set: str) -> None:
    """R4, R150: of the whole course; a second poll brings nothing."""
    site = academy()
    bench = Workbench(pool, site, results=results(hand_set=hand_set, **plan))
    bench.done(*hires(1))
    bench.done(by_hand())
    completes(site)
    for _ in range(3):
        bench.poll()
    if hand_set == "protect":
        assert (outcomes(bench), held(bench)) == ([], [("EN-1", "", "hand_set")])
    else:
        assert (outcomes(bench), told(bench)) == ([("EN-1", "", "C")], 1)


@PLANS
def test_an_outcome_that_came_from_us_is_none_of_a_hand(pool: Pool, plan: dict[str, Any]) -> None:
    """R4: HR may tell of those, too."""
    site = academy()
    bench = Workbench(pool, site, results=results(**plan))
    bench.done(*hires(1))
    bench.done(by_hand(origin="lms"))
    completes(site)
    bench.poll()
    assert outcomes(bench) == [("EN-1", "", "C")]


@pytest.mark.parametrize(("attempts", "heard"), [("first", [70]), ("latest", [70, 20, 90]), ("best", [70, 90])])
def test_which_attempt_counts_is_chosen(pool: Pool, attempts: str, heard: list[int]) -> None:
    """G5, G6: completions read from a report, worse and better."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, results=results(report="1", attempts=attempts))
    bench.done(*hires(1))
    for day, grade in enumerate((70, 20, 90)):
        lms.complete("101", "2", completion(grade, NOON + timedelta(days=day)))
        bench.poll()
        bench.poll()
    assert [int(one["grade"]) for one in bench.announced(RECORDED) + bench.announced(CORRECTED)] == heard


def test_a_new_pass_grade_does_not_rewrite_the_past(pool: Pool) -> None:
    """G7: the report is read as a whole each time, and tells nothing new."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, results=results(report="1"))
    bench.done(*hires(2))
    lms.complete("101", "2", completion(40))
    bench.poll()
    bench.choose(results=results(report="1", pass_grade=50))
    lms.complete("102", "2", completion(40))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "", "C"), ("EN-2", "", "NYC")]
    assert told(bench) == 2


def test_a_result_says_where_it_comes_from_and_in_hrs_words(pool: Pool) -> None:
    """R152, R153."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, results=results(report="1"))
    bench.done(*hires(1))
    lms.complete("101", "2", completion(80))
    bench.poll()
    [said] = bench.announced(RECORDED)
    assert (said["outcome"], said["outcome_label"], said["unit_code"]) == ("C", "Competent", None)
    assert said["stamp"].startswith("fetched by Matricula from Acme Moodle on ")
    assert said["evidence"]["settings_version"] == 1


def test_what_the_last_look_holds_back_stays_visible(pool: Pool) -> None:
    """I9: the enrolment ends all the same, and what was seen is not forgotten."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(1))
    bench.done(changed(at=3, starts_on="2026-03-03"))
    lms.complete("101", "2", completion(80))
    bench.done(withdrawn(at=4, starts_on="2026-03-03"))
    assert lms.enrolments[Pair("101", "2")].suspended
    assert held(bench) == [("EN-1", "", "earlier_attempt")]
