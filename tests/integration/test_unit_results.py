"""
What becomes of completed units: a result once, a correction, or a completion held back; nothing is ever undone.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from db.pool import Pool
from domain.errors import LmsUnavailable
from domain.lms import Pair
from tests.support.builders import BY_CODE, Event, changed, enrolled, hired, hires, results, terminated, withdrawn
from tests.support.fake_portal import ENROLLED
from tests.support.units import (
    CORRECTED,
    FIRE,
    HR_COURSES,
    NOON,
    RECORDED,
    asked,
    company,
    held,
    outcomes,
    portal,
    read_all_again,
    told,
    units,
)
from tests.support.workbench import Workbench

# What is a result


def test_each_completed_unit_becomes_a_result_and_an_event_once(pool: Pool) -> None:
    """R147-R150, R152-R154, I5: under HR's code, with the LMS's date and HR's own item; a second poll brings none."""
    lms = portal()
    bench = company(pool, lms, 2)
    lms.complete_unit("101", "2", "21", NOON)
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]
    [result] = bench.rows("select * from result")
    assert (result["completed_at"], result["passed"], result["origin"]) == (NOON, True, "lms")
    assert result["synced_at"] > NOON
    [said] = bench.announced(RECORDED)
    assert (said["unit_code"], said["result_id"], said["outcome"]) == ("FIRE01", result["result_id"], "C")
    assert said["stamp"].startswith("fetched by Matricula from Acme Moodle on 20")
    assert said["evidence"]["units"][0]["name"] == "FIRE01 Read & sign"
    assert said["evidence"]["enrolled_at"] == ENROLLED.isoformat()
    before = bench.rows("select * from result"), bench.rows("select * from outbox")
    bench.pass_time(days=2)
    bench.poll()
    assert (bench.rows("select * from result"), bench.rows("select * from outbox")) == before


def test_the_last_unit_completes_the_enrolment_and_no_result_stands_for_the_course(pool: Pool) -> None:
    """R149, R154: units and modules of HR's course; what the LMS calls complete is never worked out here."""
    lms = portal()
    bench = company(pool, lms)
    for unit in FIRE:
        lms.complete_unit("101", "2", unit.unit_id, NOON)
    bench.poll()
    assert [unit for _, unit, _ in outcomes(bench)] == ["FIRE01", "FIRE02"]
    assert bench.placement()["completed"]
    kinds = bench.column("select kind from timeline where kind ~ 'result|completion' order by 1")
    assert kinds == ["completion held", "result recorded", "result recorded"]


def test_what_is_not_completed_never_comes_back(pool: Pool) -> None:
    """R151, R61: time was spent and a test was failed, and HR hears nothing."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "22", NOON, Decimal(20))
    states = lms.states[Pair("101", "2")]
    states["22"] = replace(states["22"], status="Failed", completed=False, completed_at=None)
    bench.poll()
    assert outcomes(bench) == []
    assert held(bench) == []


@pytest.mark.parametrize(("pass_grade", "outcome"), [(None, "C"), (20, "C"), (21, "NYC")])
def test_a_fail_needs_a_grade_and_a_pass_grade(pool: Pool, pass_grade: int | None, outcome: str) -> None:
    """R24, R25, R61, R85: the integration's own items, and a fail from a stated basis only."""
    lms = portal()
    bench = company(pool, lms, pass_grade=pass_grade)
    lms.complete_unit("101", "2", "22", NOON, Decimal(20))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE02", outcome)]
    assert bench.rows("select grade from result") == [{"grade": Decimal(20)}]


def test_a_reopened_unit_undoes_nothing_and_its_second_completion_corrects(pool: Pool) -> None:
    """R151, G5: revoked, nothing happens; earned again, a correction that names the first."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "21", NOON)
    bench.poll()
    del lms.states[Pair("101", "2")]["21"]
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]
    assert told(bench) == 1
    lms.complete_unit("101", "2", "21", NOON + timedelta(days=3))
    bench.poll()
    bench.poll()
    first, second = bench.announced(RECORDED)[0], bench.announced(CORRECTED)[0]
    assert (first["result_id"], second["completed_at"]) == (second["result_id"], "2026-03-05T12:00:00+00:00")
    assert bench.column("select event_id from result_event where kind = 'recorded'") == [second["corrects"]]
    assert told(bench) == 2


@pytest.mark.parametrize(("attempts", "grades"), [("first", [70]), ("latest", [70, 20, 90]), ("best", [70, 90])])
def test_which_attempt_counts_is_chosen(pool: Pool, attempts: str, grades: list[int]) -> None:
    """G5, G6: units done again, worse and better."""
    lms = portal()
    bench = company(pool, lms, attempts=attempts)
    for day, grade in enumerate((70, 20, 90)):
        lms.complete_unit("101", "2", "22", NOON + timedelta(days=day), Decimal(grade))
        read_all_again(bench)
        bench.poll()
    said = bench.announced(RECORDED) + bench.announced(CORRECTED)
    assert [int(one["grade"]) for one in said] == grades


def test_the_date_of_the_completion_and_that_of_the_sync_are_both_kept(pool: Pool) -> None:
    """R60: one of them, chosen, is the date of attempt, in the integration's time zone."""
    lms = portal()
    bench = Workbench(
        pool,
        lms,
        lms="talentlms",
        enrolments=BY_CODE,
        timezone="Pacific/Auckland",
        results=results(attempted_on="completion"),
    )
    bench.done(*HR_COURSES, *hires(1))
    lms.complete_unit("101", "2", "21", NOON)
    bench.poll()
    [result] = bench.rows("select * from result")
    assert result["attempted_on"] == datetime(2026, 3, 3, tzinfo=UTC).date()
    assert (result["completed_at"], result["synced_at"] > NOON) == (NOON, True)


# Units of HR


def test_what_hr_has_no_unit_for_is_kept_and_matched_once_hr_names_it(pool: Pool) -> None:
    """R149, G12: on the timeline once, no failure; the LMS is asked again when HR's course names the unit."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "23", NOON)
    for _ in range(3):
        bench.poll()
        read_all_again(bench)
    bench.poll()
    assert held(bench) == [("EN-1", "Essay", "unmatched")]
    assert bench.failures() == []
    assert bench.column("select data from timeline where kind = 'completion held'") == [
        {"unit": "Essay", "reason": "unmatched"}
    ]
    assert "standings" not in asked(lms, bench.poll)
    bench.tell(units("FIRE01", "FIRE02", "ESSAY", at=9))
    assert asked(lms, bench.poll)["standings"] == 1
    assert outcomes(bench) == [("EN-1", "ESSAY", "C")]
    assert held(bench) == []
    assert "standings" not in asked(lms, bench.poll)


def test_a_revoked_completion_is_held_no_more(pool: Pool) -> None:
    """R151: what was never a result does not become one after it was taken back."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "23", NOON)
    bench.poll()
    del lms.states[Pair("101", "2")]["23"]
    bench.poll()
    assert held(bench) == []
    bench.tell(units("ESSAY", at=9))
    bench.poll()
    assert outcomes(bench) == []


def test_hr_correcting_the_spelling_of_a_code_makes_no_second_result(pool: Pool) -> None:
    """R148, I5."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "21", NOON)
    bench.poll()
    bench.tell(units("fire01", at=9))
    lms.complete_unit("101", "2", "21", NOON + timedelta(days=1))
    read_all_again(bench)
    bench.poll()
    assert outcomes(bench) == [("EN-1", "fire01", "C")]
    assert told(bench) == 2


def test_hrs_word_on_the_course_of_this_integration_counts_more(pool: Pool) -> None:
    """R149: where HR lists units for one LMS."""
    lms = portal()
    bench = company(pool, lms)
    bench.tell(units("ESSAY", at=5, integration="Acme Moodle"))
    for unit in FIRE:
        lms.complete_unit("101", "2", unit.unit_id, NOON)
    bench.poll()
    assert outcomes(bench) == [("EN-1", "ESSAY", "C")]


def test_an_enrolment_that_hr_moves_to_another_course_is_read_there(pool: Pool) -> None:
    """G12: what was completed in the first course stays; nothing of its marks counts in the second."""
    lms = portal()
    bench = company(pool, lms)
    for unit in FIRE:
        lms.complete_unit("101", "2", unit.unit_id, NOON)
    bench.poll()
    bench.done(changed(at=5, course="C-LAW"))
    lms.complete_unit("101", "3", "31", NOON)
    bench.poll()
    assert [unit for _, unit, _ in outcomes(bench)] == ["FIRE01", "FIRE02", "LAW01"]


# Held back


def test_a_completion_from_before_the_enrolment_waits_until_hr_or_the_settings_change(pool: Pool) -> None:
    """G12: held once, decided anew when HR moves the first day, or when earlier attempts are accepted."""
    lms = portal()
    bench = company(pool, lms, 2)
    bench.tell(*(changed(f"EN-{n}", f"E-{n}", at=3, starts_on="2026-03-03") for n in (1, 2)))
    for user_id in ("101", "102"):
        lms.complete_unit(user_id, "2", "21", NOON)
    for _ in range(2):
        bench.poll()
    assert held(bench) == [("EN-1", "FIRE01", "earlier_attempt"), ("EN-2", "FIRE01", "earlier_attempt")]
    assert outcomes(bench) == []
    bench.tell(changed("EN-2", "E-2", at=4, starts_on="2026-03-02"))
    bench.poll()
    assert outcomes(bench) == [("EN-2", "FIRE01", "C")]
    bench.choose(results=results(earlier_attempt="accept"))
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C"), ("EN-2", "FIRE01", "C")]
    assert held(bench) == []


def by_hand(outcome: str, at: int, **said: Any) -> Event:
    return changed(at=at, outcomes=[{"unit_code": "fire01", "outcome": outcome, "origin": "hand", **said}])


@pytest.mark.parametrize("hand_set", ["protect", "overwrite"])
def test_an_outcome_that_hr_set_by_hand_is_protected_or_written_over_once(pool: Pool, hand_set: str) -> None:
    """R4, R150, I5: set before the first poll; a second poll brings nothing either way."""
    lms = portal()
    bench = company(pool, lms, hand_set=hand_set)
    bench.tell(by_hand("W", 3))
    lms.complete_unit("101", "2", "21", NOON)
    for _ in range(2):
        bench.poll()
        read_all_again(bench)
    if hand_set == "protect":
        assert held(bench) == [("EN-1", "FIRE01", "hand_set")]
        assert outcomes(bench) == []
        bench.tell(changed(at=4))
        bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]
    assert told(bench) == 1
    assert held(bench) == []


def test_an_outcome_changed_by_hand_afterwards_is_written_over_each_time_it_is_set(pool: Pool) -> None:
    """R150, I5: HR may repeat itself; setting it again is another matter."""
    lms = portal()
    bench = company(pool, lms, hand_set="overwrite")
    lms.complete_unit("101", "2", "21", NOON)
    bench.poll()
    for at, set_at in ((3, "2026-03-03T09:00:00+00:00"), (4, "2026-03-03T09:00:00+00:00"), (5, "2026-03-04T09:00:00Z")):
        bench.tell(by_hand("W", at, set_at=set_at))
        read_all_again(bench)
        for _ in range(2):
            bench.poll()
    assert [one["evidence"].get("overwrote", "")[:12] for one in bench.announced(CORRECTED)] == [
        "W 2026-03-03",
        "W 2026-03-04",
    ]
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]


# Whose results count

OUT_OF_SCOPE: dict[str, tuple[Event, ...]] = {
    "left": (terminated(at=5),),
    "suspended": (hired(at=5, status="suspended"),),
    "archived": (units("FIRE01", at=5, archived=True),),
    "archived here": (units("FIRE01", at=5, archived=True, integration="Acme Moodle"),),
    "tentative": (changed(at=5, booking_status="tentative"),),
    "cancelled": (changed(at=5, booking_status="cancelled"),),
    "completed in HR": (changed(at=5, status="completed"),),
}
IN_SCOPE: dict[str, tuple[Event, ...]] = {
    "as it was": (),
    "on leave": (hired(at=5, status="on_leave"),),
    "without export": (changed(at=5, export=False),),
    "another day": (changed(at=5, export_on="2150-01-01"),),
    "without an address": (hired(at=5, emails=[]),),
    "not archived here": (
        units("FIRE01", at=4, archived=True),
        units("FIRE01", at=5, integration="Acme Moodle"),
    ),
}


@pytest.mark.parametrize("case", OUT_OF_SCOPE)
def test_results_are_fetched_while_person_course_booking_and_enrolment_allow(pool: Pool, case: str) -> None:
    """R147: one condition short of the scope, and the LMS is not even asked."""
    lms = portal()
    bench = company(pool, lms)
    bench.tell(*OUT_OF_SCOPE[case])
    lms.complete_unit("101", "2", "21", NOON)
    calls = asked(lms, bench.poll)
    assert (outcomes(bench), calls.get("roster"), calls.get("standings")) == ([], None, None)


@pytest.mark.parametrize("case", IN_SCOPE)
def test_export_box_date_and_address_do_not_matter_for_results(pool: Pool, case: str) -> None:
    """R147: not needed."""
    lms = portal()
    bench = company(pool, lms)
    bench.tell(*IN_SCOPE[case])
    lms.complete_unit("101", "2", "21", NOON)
    bench.poll()
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]


def test_without_a_contact_log_there_are_no_results(pool: Pool) -> None:
    """R137, R147: whom the LMS has in the course without our doing is none of ours."""
    lms = portal()
    bench = Workbench(pool, lms, lms="talentlms", enrolments=BY_CODE)
    bench.tell(*HR_COURSES, *hires(1), enrolled("EN-2", course="C-LAW", export_on="2150-01-01"))
    bench.provision()
    lms.complete_unit("101", "3", "31", NOON)
    bench.poll()
    assert outcomes(bench) == []


# Last looks


def test_before_an_enrolment_ends_its_units_are_read(pool: Pool) -> None:
    """R4, F4: afterwards the portal shows nothing of it any more."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "21", NOON)
    bench.done(withdrawn())
    assert lms.enrolments == {}
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]
    assert told(bench) == 1
    bench.poll()
    assert told(bench) == 1


def test_an_outage_at_the_last_look_keeps_the_enrolment_open(pool: Pool) -> None:
    """R27, D1: nothing is ended that was not read."""
    lms = portal()
    bench = company(pool, lms)
    lms.complete_unit("101", "2", "21", NOON)
    lms.fail("standings", LmsUnavailable("lms_unreachable"))
    bench.done(withdrawn())
    assert list(lms.enrolments) == [Pair("101", "2")]
    bench.pass_time(minutes=31)
    bench.provision()
    assert lms.enrolments == {}
    assert outcomes(bench) == [("EN-1", "FIRE01", "C")]
