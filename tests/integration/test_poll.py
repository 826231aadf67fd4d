"""
Completions become results and result events, once, by whichever plan costs least, and never from what is not complete.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import workers.completions
import workers.poll
from db.pool import Pool, transaction
from db.results import ResultStore
from domain.errors import HoldIntegration, LmsUnavailable, NeedsAttention, TransientFailure
from domain.lms import Completion, LmsCourse, ReportRow
from simulators.learners import Learners
from simulators.moodle import MoodleSite, add_report, change_course, enrol
from simulators.moodle.build import change_token
from simulators.moodle.progress import do_grade
from tests.support.builders import PICK_LIST, changed, enrolled, hired, hires, lms_courses, results, withdrawn
from tests.support.fake_lms import FakeLms
from tests.support.workbench import TOKEN, Workbench, academy

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RECORDED, CORRECTED = "lms.result.recorded.v1", "lms.result.corrected.v1"
REPORT, STATUS = "core_reportbuilder_retrieve_report", "core_completion_get_course_completion_status"
OF_USER = "core_enrol_get_users_courses"


def completes(site: MoodleSite, key: str = "E-1", course: str = "C-FIRE", **how: Any) -> None:
    Learners(site).complete(key, course, **({"at": NOON.timestamp()} | how))
    site.run_cron()


def completion(grade: int | None = None, at: datetime | None = NOON) -> Completion:
    return Completion(at, None if grade is None else Decimal(grade), {"source": "report"})


def reporting(**chosen: Any) -> dict[str, Any]:
    return {"results": results(report="1", **chosen)}


def asked(site: MoodleSite, function: str, run: Callable[[], None]) -> int:
    """How many calls of a function a run makes."""
    before = len(site.ledger.calls(function))
    run()
    return len(site.ledger.calls(function)) - before


def outcomes(bench: Workbench) -> list[tuple[str, str]]:
    return [(row["enrolment_key"], row["outcome"]) for row in bench.results()]


# The plans


@pytest.mark.parametrize("chosen", [{}, reporting()], ids=["people", "report"])
def test_a_completion_becomes_a_result_and_an_event_once(pool: Pool, chosen: dict[str, Any]) -> None:
    """R4, R24, R61, I5: a second poll of the same completions writes and announces nothing."""
    site = academy()
    bench = Workbench(pool, site, **chosen)
    bench.done(*hires(3))
    completes(site, "E-2", grade=80)
    bench.poll()
    assert outcomes(bench) == [("EN-2", "C")]
    result = bench.results()[0]
    assert (result["passed"], result["completed_at"], result["employee_key"]) == (True, NOON, "E-2")
    assert result["grade"] == 80
    before = bench.rows("select * from result"), bench.rows("select * from outbox")
    bench.pass_time(days=2)
    bench.poll()
    assert (bench.rows("select * from result"), bench.rows("select * from outbox")) == before
    said = bench.announced(RECORDED)
    assert [(one["enrolment_key"], one["outcome"], one["result_id"]) for one in said] == [
        ("EN-2", "C", result["result_id"])
    ]


def test_a_report_is_read_page_by_page(pool: Pool) -> None:
    """R82: a thousand rows a call; nothing is left out between two pages."""
    site = academy()
    bench = Workbench(pool, site, **reporting())
    bench.done(*hires(3))
    for n in range(1100):
        enrol(site, 100_000 + n, 3)
        site.state.users[100_000 + n] = replace(site.state.users[1], id=100_000 + n, username=f"a{n:05}", idnumber="")
    for n in (1, 2, 3):
        completes(site, f"E-{n}")
    assert asked(site, REPORT, bench.poll) == 2
    assert len(bench.results()) == 3


def test_while_everything_was_read_lately_only_the_news_are(pool: Pool) -> None:
    """Contract, section 12: the report of recent completions in between, the whole one once a day."""
    site = academy()
    bench = Workbench(pool, site, results=results(report="1", recent_report="2", every_s=600))
    bench.done(*hires(2))
    bench.poll()
    read: list[str] = []
    plain = site.read
    site.read = lambda request: (read.append(request.body.decode()), plain(request))[1]  # type: ignore[method-assign]
    completes(site, at=site.clock())
    bench.poll()
    assert ["reportid=2" in body for body in read] == [True]
    assert outcomes(bench) == [("EN-1", "C")]
    bench.pass_time(hours=25)
    bench.poll()
    assert "reportid=1" in read[-1]


def test_person_by_person_only_those_with_something_open_are_asked(pool: Pool) -> None:
    """Section 6: one call each, one more for a newly completed pair; who has completed all is asked no more."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(3))
    completes(site, "E-2")
    assert asked(site, OF_USER, bench.poll) == 3
    assert len(site.ledger.calls(STATUS)) == 1
    assert asked(site, OF_USER, bench.poll) == 2
    assert len(site.ledger.calls(STATUS)) == 1


# What is a result


@pytest.mark.parametrize("chosen", [{}, reporting()], ids=["people", "report"])
def test_what_is_not_complete_is_never_a_result(pool: Pool, chosen: dict[str, Any]) -> None:
    """R61: nothing done, half done, and graded low without being complete."""
    site = academy()
    bench = Workbench(pool, site, **chosen)
    bench.done(*hires(2))
    bench.poll()
    course = site.state.courses[2]
    with site.lock:
        do_grade(site.state, 4, course, course.activities[2].grade_item, 10.0, int(NOON.timestamp()))
        site.commit()
    bench.poll()
    assert bench.results() == []
    assert bench.announced(RECORDED) == []


def test_pass_and_fail_are_the_items_of_each_integration_own_pick_list(pool: Pool) -> None:
    """R24, R25: two integrations of one client may map to different items."""
    lms = FakeLms(courses=lms_courses())
    own = {"outcomes": [{"code": "geslaagd"}, {"code": "gezakt"}], "pass_outcome": "geslaagd", "fail_outcome": "gezakt"}
    bench = Workbench(pool, lms, results=own | {"report": "1", "pass_grade": 50})
    bench.done(*hires(2))
    lms.complete("101", "2", completion(80))
    lms.complete("102", "2", completion(40))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "geslaagd"), ("EN-2", "gezakt")]


@pytest.mark.parametrize(
    ("pass_grade", "grade", "outcome"),
    [(None, 10, "C"), (50, 49, "NYC"), (50, 50, "C"), (50, None, "C")],
)
def test_a_fail_needs_a_stated_basis(pool: Pool, pass_grade: int | None, grade: int | None, outcome: str) -> None:
    """R61, R85: completed is a pass unless the grade that the settings name says otherwise; the rule is evidence."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, **reporting(pass_grade=pass_grade))
    bench.done(*hires(1))
    lms.complete("101", "2", completion(grade))
    bench.poll()
    assert outcomes(bench) == [("EN-1", outcome)]
    assert bench.results()[0]["evidence"]["rule"] == ("completion and grade" if pass_grade else "completion")


def test_an_item_missing_in_the_pick_list_blocks_results_and_loses_none(pool: Pool) -> None:
    """R27: a clear failure and no call; after the mapping is fixed the completion is recorded."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(1))
    completes(site)
    bench.choose(results=results(outcomes=PICK_LIST[:1]))
    assert asked(site, OF_USER, bench.poll) == 0
    assert bench.results() == []
    assert bench.failures() == [("integration", "outcome_unmapped")]
    assert bench.column("select detail from failure where resolved_at is null") == [
        "results.outcomes does not hold NYC"
    ]
    bench.choose(results=results())
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C")]
    assert bench.failures() == []


@pytest.mark.parametrize("choice", ["sync", "completion"])
def test_the_date_of_attempt_is_chosen_and_the_zone_decides_the_day(pool: Pool, choice: str) -> None:
    """R59, R60: the day of the sync, or that of the completion as it is in Auckland."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, timezone="Pacific/Auckland", **reporting(attempted_on=choice))
    bench.done(*hires(1))
    lms.complete("101", "2", completion(at=datetime(2026, 3, 2, 20, tzinfo=UTC)))
    bench.poll()
    today = bench.column("select (now() at time zone 'Pacific/Auckland')::date")[0]
    expected = today if choice == "sync" else datetime(2026, 3, 3, tzinfo=UTC).date()
    assert bench.results()[0]["attempted_on"] == expected
    assert bench.announced(RECORDED)[0]["attempted_on"] == expected.isoformat()


def test_a_changed_completion_is_a_correction_linked_to_the_first(pool: Pool) -> None:
    """G5, G6: another grade turns the outcome; the same result under its id, and the first event stays as it was."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, **reporting(pass_grade=50))
    bench.done(*hires(1))
    lms.complete("101", "2", completion(80))
    bench.poll()
    lms.complete("101", "2", completion(30))
    bench.poll()
    first, second = bench.announced(RECORDED)[0], bench.announced(CORRECTED)[0]
    assert (first["outcome"], second["outcome"]) == ("C", "NYC")
    assert first["result_id"] == second["result_id"] == bench.results()[0]["result_id"]
    assert bench.column("select kind from result_event order by recorded_at") == ["recorded", "corrected"]
    assert outcomes(bench) == [("EN-1", "NYC")]


def test_a_correction_that_is_taken_back_is_told_too(pool: Pool) -> None:
    """G6, I5: pass, fail, pass again with the very same date: upstream hears each time, under an id of its own."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, **reporting(pass_grade=50))
    bench.done(*hires(1))
    for grade in (80, 30, 80, 30):
        lms.complete("101", "2", completion(grade))
        bench.poll()
        bench.poll()
    said = bench.announced(RECORDED) + bench.announced(CORRECTED)
    assert [one["outcome"] for one in said] == ["C", "NYC", "C", "NYC"]
    assert outcomes(bench) == [("EN-1", "NYC")]


def test_rows_of_others_and_of_other_courses_are_ignored(pool: Pool) -> None:
    """R2, G12: people made by hand, enrolments made by hand, and the same person twice in one report."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, **reporting())
    bench.done(*hires(1), hired("E-2"))
    lms.reports["1"] = [
        ReportRow("SOMEBODY", "C-FIRE", completion()),
        ReportRow("E-1", "C-LAW", completion()),
        ReportRow("E-2", "C-FIRE", completion()),
        ReportRow("E-1", "C-FIRE", completion(60)),
        ReportRow("E-1", "C-FIRE", completion(60)),
    ]
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C")]
    assert bench.column("select count(*) from result_event") == [1]


def test_two_enrolments_in_one_course_each_get_their_result(pool: Pool) -> None:
    """I5: one completion answers both of HR's enrolments, each once."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled("EN-1"), enrolled("EN-2"))
    completes(site)
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C"), ("EN-2", "C")]


def test_the_result_of_a_suspended_enrolment_is_found_through_the_report(pool: Pool) -> None:
    """Moodle says nothing of a suspended enrolment to who asks for one person, but its report does."""
    site = academy()
    bench = Workbench(pool, site, **reporting())
    bench.done(*hires(1))
    completes(site)
    bench.done(withdrawn())
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C")]


# Courses and tasks that cannot complete


def test_a_course_without_criteria_is_named_once_and_heals(pool: Pool) -> None:
    """R75, R76: per course, not per learner and poll; other courses go on; it clears itself when criteria are added."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2, course="C-TALK"), enrolled("EN-9", "E-1", "C-FIRE"))
    completes(site)
    for _ in range(3):
        bench.poll()
    assert bench.failures() == [("course", "no_completion_criteria")]
    assert bench.column("select subject_id from failure") == [f"{bench.integration_id}/4"]
    assert outcomes(bench) == [("EN-9", "C")]
    change_course(site, 4, criteria=(("self",),))
    bench.poll()
    assert bench.failures() == []


def test_courses_done_but_not_called_complete_point_at_the_scheduled_task(pool: Pool) -> None:
    """R74: at first it is merely late; after ten minutes one notice; the notice goes when the task has run."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(1))
    pair = next(iter(lms.enrolments))
    lms.finished.add(pair)
    bench.poll()
    assert bench.failures() == []
    bench.pass_time(minutes=11)
    bench.poll()
    bench.poll()
    assert bench.failures() == [("integration", "completion_task_late")]
    assert bench.column("select count(*) from failure") == [1]
    lms.complete(pair.user_id, pair.course_id, completion())
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C")]
    assert bench.failures() == []


# Trouble


@pytest.mark.parametrize("failure", [LmsUnavailable("lms_maintenance"), HoldIntegration("token_refused")])
def test_trouble_with_the_site_keeps_the_position(pool: Pool, failure: Any) -> None:
    """G1, E1, E2: the pages read before stay read; the next poll goes on with the next one."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, **reporting())
    bench.done(*hires(2))
    filler = [ReportRow("NOBODY", "C-FIRE", completion())] * 999
    lms.reports["1"] = [ReportRow("E-1", "C-FIRE", completion()), *filler, ReportRow("E-2", "C-FIRE", completion())]
    plain, pages = lms.report_page, []

    def page(report_id: str, number: int) -> Any:
        pages.append(number)
        if number == 1 and pages.count(1) == 1:
            raise failure
        return plain(report_id, number)

    lms.report_page = page  # type: ignore[method-assign]
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C")]
    assert bench.failures() == [("integration", failure.code)]
    bench.pass_time(minutes=31)
    bench.provision()
    bench.poll()
    assert pages == [0, 1, 1]
    assert outcomes(bench) == [("EN-1", "C"), ("EN-2", "C")]
    assert bench.column("select run from poll_cursor") == [None]
    assert bench.failures() == []


@pytest.mark.parametrize("place", ["poller.rows_written", "result.recorded"])
def test_rows_events_announcements_and_cursor_stand_or_fall_together(
    pool: Pool, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G1, I5: killed between the rows and the cursor, nothing is there; the next poll has all of it, once."""

    class Killed(BaseException):
        pass

    def kill(name: str) -> None:
        if name == place:
            raise Killed

    site = academy()
    bench = Workbench(pool, site, **reporting())
    bench.done(*hires(2))
    completes(site)
    with monkeypatch.context() as patched:
        patched.setattr(workers.poll, "crashpoint", kill)
        patched.setattr(workers.completions, "crashpoint", kill)
        with pytest.raises(Killed):
            bench.poll()
    assert bench.results() == []
    assert bench.announced(RECORDED) == []
    assert bench.column("select count(*) from result_event") == [0]
    assert bench.column("select full_at from poll_cursor") == [None]
    bench.pass_time(minutes=2)
    bench.poll()
    assert len(bench.results()) == len(bench.announced(RECORDED)) == 1


def test_of_two_pollers_one_polls(pool: Pool) -> None:
    """G2: while one holds the cursor the other makes no call; after the lease it takes over."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(1))
    with transaction(pool) as db:
        assert ResultStore(db, bench.integration_id).claim(bench.rules.lease) is not None
    assert asked(site, OF_USER, bench.poll) == 0
    bench.pass_time(minutes=2)
    assert asked(site, OF_USER, bench.poll) == 1


def test_a_poller_that_lost_its_lease_records_nothing(pool: Pool) -> None:
    """G2, B5: frozen with a page in hand while another poller read a newer one; the old page changes nothing."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, **reporting(pass_grade=50))
    bench.done(*hires(1))
    lms.complete("101", "2", completion(80))
    plain = lms.report_page

    def overtaken(report_id: str, number: int) -> Any:
        lms.report_page = plain  # type: ignore[method-assign]
        stale = plain(report_id, number)
        lms.complete("101", "2", completion(30))
        bench.pass_time(minutes=2)
        bench.poll()
        return stale

    lms.report_page = overtaken  # type: ignore[method-assign]
    bench.poll()
    assert outcomes(bench) == [("EN-1", "NYC")]
    assert [said["outcome"] for said in bench.announced(RECORDED) + bench.announced(CORRECTED)] == ["NYC"]


def test_a_report_without_its_columns_is_a_matter_of_configuration(pool: Pool) -> None:
    """R61: nothing is guessed; provisioning goes on, and the notice goes when the report is right."""
    site = academy()
    bad = add_report(site, "Wrong", ["ID number", "Completed"])
    bench = Workbench(pool, site, results=results(report=str(bad.id)))
    bench.done(*hires(1))
    completes(site)
    bench.poll()
    assert bench.failures() == [("integration", "report_columns")]
    assert bench.integration().state == "active"
    assert bench.results() == []
    bench.choose(**reporting())
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C")]
    assert bench.failures() == []


@pytest.mark.parametrize("failure", [NeedsAttention("course_not_accessible"), TransientFailure("lms_error")])
def test_one_broken_course_does_not_hide_the_others(pool: Pool, failure: Any) -> None:
    """G13: the pair in trouble waits for the next poll."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(1), enrolled("EN-2", course="C-LAW"))
    for course_id in ("2", "3"):
        lms.complete("101", course_id, completion())
    lms.fail("completions", failure, only=lambda pair: pair.course_id == "2")
    bench.poll()
    assert outcomes(bench) == [("EN-2", "C")]
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C"), ("EN-2", "C")]


def test_a_pass_that_is_stopped_goes_on_where_it_was(pool: Pool) -> None:
    """B8: a deploy in the middle of many people; nobody is asked twice and nobody is left out."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, results=results(every_s=600))
    bench.done(*hires(150))
    answers = iter([False, True])
    bench.poll(rules=replace(bench.rules, stopping=lambda: next(answers)))
    assert [n for name, n in lms.calls if name == "course_progress"] == [100]
    assert bench.column("select due_at <= now() from poll_cursor") == [True]
    bench.poll()
    assert [n for name, n in lms.calls if name == "course_progress"] == [100, 50]
    assert bench.column("select due_at > now() + interval '9 minutes' from poll_cursor") == [True]


def test_an_extension_after_the_result_announces_nothing_new(pool: Pool) -> None:
    """I5: the enrolment is written again, the result stays the one that HR has."""
    site = academy()
    bench = Workbench(pool, site, **reporting())
    bench.done(*hires(1))
    completes(site)
    bench.poll()
    bench.done(changed(at=5, extended_to="2151-01-31"))
    bench.poll()
    assert len(bench.announced(RECORDED)) == 1
    assert bench.announced(CORRECTED) == []


def test_a_course_renamed_in_the_lms_still_gives_results(pool: Pool) -> None:
    """R58: HR's code or the new one, both lead to the enrolment through the report."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, **reporting())
    bench.done(*hires(1))
    lms.all_courses = [LmsCourse("2", "RENAMED", "FIRE", "Fire", True, True)]
    bench.pass_time(days=2)
    bench.read_catalogue()
    lms.complete("101", "2", completion(at=NOON + timedelta(days=1)))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "C")]


@pytest.mark.parametrize(("function", "chosen"), [(OF_USER, {}), (REPORT, reporting())], ids=["people", "report"])
def test_a_function_that_only_results_need_holds_results_only(
    pool: Pool, function: str, chosen: dict[str, Any]
) -> None:
    """E3, R1: no quarantine; people and enrolments go on, and the result comes once it may be read."""
    site = academy()
    bench = Workbench(pool, site, **chosen)
    bench.done(hired(), enrolled())
    completes(site)
    every = site.state.tokens[TOKEN].functions
    change_token(site, TOKEN, functions=every - {function})

    bench.poll()
    bench.done(hired("E-2"))

    assert bench.integration().state == "active"
    assert bench.account("E-2")["state"] == "settled"
    assert [kind for kind, _ in bench.failures()] == ["integration"]
    assert outcomes(bench) == []

    change_token(site, TOKEN, functions=every)
    bench.poll()

    assert outcomes(bench) == [("EN-1", "C")]
    assert bench.failures() == []
