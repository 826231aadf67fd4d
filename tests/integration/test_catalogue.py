"""Courses flow from the LMS to HR: whole, once, and never the other way."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from db.catalogue import CatalogueStore, CourseLine
from db.pool import Pool, transaction
from domain.errors import LmsUnavailable, NeedsAttention
from simulators.moodle import MoodleSite
from simulators.moodle.build import add_category, add_course, change_course
from tests.support.builders import COURSES, enrolled, hired, lms_courses, results
from tests.support.fake_lms import FakeLms
from tests.support.workbench import Workbench, academy

OBSERVED = "lms.course.observed.v1"
FIRE = 2
MIDNIGHT = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())


def school(**seed: Any) -> MoodleSite:
    """One course in the first category, as it is chosen."""
    return academy(courses=[{**COURSES[0], "category": 1, "startdate": MIDNIGHT - 1800, **seed}])


def again(bench: Workbench) -> list[dict[str, Any]]:
    """What is told at the next reading."""
    before = len(bench.announced(OBSERVED))
    bench.pass_time(days=2)
    bench.read_catalogue()
    return bench.announced(OBSERVED)[before:]


def lines(bench: Workbench) -> dict[str, CourseLine]:
    with transaction(bench.pool) as db:
        return {line.lms_course_id: line for line in CatalogueStore(db, bench.integration_id).lines()}


def test_courses_are_told_once_with_all_that_hr_needs(pool: Pool) -> None:
    """R38, R41, R56, R57, R59; a second reading of the same is silent."""
    site = school(custom=["SAQA 117", 1, MIDNIGHT - 1800, 2])
    site.state.course_fields = (
        ("SAQA id", "saqa", "text", ()),
        ("Registered", "registered", "checkbox", ()),
        ("Until", "until", "date", ()),
        ("Level", "level", "select", ("NQF 4", "NQF 5")),
    )
    fields = {
        "saqa": {"to": "qualification_id"},
        "registered": {"to": "registered", "kind": "yes_no"},
        "until": {"to": "until", "kind": "date"},
        "level": {"to": "level"},
    }
    bench = Workbench(
        pool, site, timezone="Africa/Johannesburg", catalogue={"categories": {"training": "T1"}, "fields": fields}
    )
    bench.read_catalogue()
    assert bench.announced(OBSERVED) == [
        {
            "integration": "Acme Moodle",
            "lms_course_id": "2",
            "code": "C-FIRE",
            "title": "Fire safety",
            "category": "T1",
            "visible": True,
            "starts_at": "2026-01-04T23:30:00+00:00",
            "starts_on": "2026-01-05",
            "attributes": {"qualification_id": "SAQA 117", "registered": True, "until": "2026-01-05", "level": "NQF 5"},
        }
    ]
    assert again(bench) == []
    assert len(site.ledger.calls("core_course_get_courses")) == 2


@pytest.mark.parametrize(("zone", "day"), [("America/New_York", "2026-01-04"), ("Pacific/Auckland", "2026-01-05")])
def test_near_midnight_the_zone_decides_the_day(pool: Pool, zone: str, day: str) -> None:
    """R59."""
    bench = Workbench(pool, school(), timezone=zone)
    bench.read_catalogue()
    assert bench.announced(OBSERVED)[0]["starts_on"] == day


def test_a_start_of_zero_is_the_day_of_the_first_reading_for_good(pool: Pool) -> None:
    """R59: HR's date is mandatory, and must not wander."""
    bench = Workbench(pool, school(startdate=0))
    bench.read_catalogue()
    first = bench.announced(OBSERVED)[0]
    assert (first["starts_at"], first["starts_on"]) == (None, datetime.now(UTC).date().isoformat())
    bench.run("update lms_course set first_seen_at = first_seen_at - interval '3 days'")
    assert [news["starts_on"] != first["starts_on"] for news in again(bench)] == [True]
    assert again(bench) == []


def test_a_rename_keeps_the_code_and_enrolments_find_the_course_under_it(pool: Pool) -> None:
    """R58: told under its short name once, HR goes on using that."""
    site = school(idnumber="")
    bench = Workbench(pool, site)
    bench.read_catalogue()
    change_course(site, FIRE, idnumber="C-NEW", shortname="BLAZE", fullname="Blazes")
    [news] = again(bench)
    assert (news["code"], news["title"]) == ("FIRE", "Blazes")
    bench.done(hired(), enrolled(course="FIRE"), enrolled("EN-2", course="C-NEW"))
    assert [bench.placement(key)["state"] for key in ("EN-1", "EN-2")] == ["settled", "settled"]


def test_a_course_hidden_by_hand_or_by_its_category_is_inactive_and_comes_back(pool: Pool) -> None:
    """R57."""
    site = school()
    below = add_category(site, "Below", parent=1)
    change_course(site, FIRE, category=below.id)
    bench = Workbench(pool, site)
    bench.read_catalogue()
    change_course(site, FIRE, visible=False)
    assert [news["visible"] for news in again(bench)] == [False]
    change_course(site, FIRE, visible=True)
    assert [news["visible"] for news in again(bench)] == [True]
    site.state.categories[1] = replace(site.state.categories[1], visible=False)
    assert [news["visible"] for news in again(bench)] == [False]


def test_a_course_that_vanishes_is_inactive_and_kept(pool: Pool) -> None:
    """R57: told once; an enrolment for it is told that there is none."""
    site = academy()
    bench = Workbench(pool, site)
    bench.read_catalogue()
    change_course(site, FIRE, deleted=True)
    assert [(news["code"], news["visible"]) for news in again(bench)] == [("C-FIRE", False)]
    assert again(bench) == []
    assert (lines(bench)["2"].gone, lines(bench)["2"].active) == (True, False)
    bench.done(hired(), enrolled())
    assert bench.placement()["code"] == "course_not_found"


def test_an_empty_list_inactivates_nothing_and_is_named(pool: Pool) -> None:
    """R71: whoever sees no course at all has not been told that they are gone."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.read_catalogue()
    lms.all_courses = []
    assert again(bench) == []
    assert bench.failures() == [("integration", "no_courses")]
    assert all(line.active for line in lines(bench).values())
    lms.all_courses = lms_courses()
    assert again(bench) == []
    assert bench.failures() == []


def test_an_unknown_category_parks_the_course_and_a_changed_setting_heals_it(pool: Pool) -> None:
    """R56: once per course; other courses go on."""
    site = academy(courses=[{**COURSES[0], "category": 1}, {**COURSES[1], "category": 2}])
    add_category(site, "Leisure")
    rule: dict[str, Any] = {"unknown_category": "park", "categories": {"Training": "T1"}}
    bench = Workbench(pool, site, catalogue=rule)
    bench.read_catalogue()
    again(bench)
    assert [news["code"] for news in bench.announced(OBSERVED)] == ["C-FIRE"]
    assert bench.failures() == [("course", "course_category_unknown")]
    assert lines(bench)["3"].problem == "course_category_unknown"
    bench.choose(catalogue={**rule, "categories": {"Training": "T1", "Leisure": "T2"}})
    bench.read_catalogue()
    assert [(news["code"], news["category"]) for news in bench.announced(OBSERVED)][1:] == [("C-LAW", "T2")]
    assert bench.failures() == []


def test_a_field_mapped_wrongly_is_named_once_and_healed(pool: Pool) -> None:
    """R39, R41: courses reach HR without it."""
    bench = Workbench(pool, school(), catalogue={"fields": {"level": {"to": "level"}}})
    bench.read_catalogue()
    again(bench)
    assert bench.failures() == [("integration", "course_field_unusable")]
    bench.choose(catalogue={})
    bench.read_catalogue()
    assert bench.failures() == []


def test_a_course_without_completion_tracking_is_named_once_while_somebody_is_enrolled(pool: Pool) -> None:
    """R75, R76: with a report, only the catalogue tells; it clears itself when tracking is on."""
    site = academy(courses=[{**COURSES[0], "completion": "off"}, {**COURSES[1], "completion": "off"}])
    bench = Workbench(pool, site, results=results(report="1"))
    bench.done(hired(), enrolled())
    again(bench)
    again(bench)
    assert bench.failures() == [("course", "completion_off")]
    change_course(site, FIRE, completion=True)
    again(bench)
    assert bench.failures() == []


def test_trouble_with_the_courses_alone_keeps_no_other_flow_waiting(pool: Pool) -> None:
    """R1: people and results go on; the courses are tried again later."""
    lms = FakeLms(courses=lms_courses())
    lms.fail("courses", NeedsAttention("course_not_accessible", "one course"))
    bench = Workbench(pool, lms)
    bench.read_catalogue()
    assert bench.failures() == [("integration", "course_not_accessible")]
    assert bench.column("select resume_at from integration") == [None]
    bench.done(hired())
    assert bench.account()["state"] == "settled"
    bench.poll()
    states = {row["flow"]: row for row in bench.rows("select * from flow_state")}
    assert {flow: row["succeeded_at"] is not None for flow, row in states.items()} == {
        "people": True,
        "courses": False,
        "results": True,
    }
    assert states["courses"]["code"] == "course_not_accessible"
    bench.read_catalogue()
    assert [name for name, _ in lms.calls].count("courses") == 1
    bench.pass_time(minutes=16)
    bench.read_catalogue()
    assert bench.failures() == []


def test_a_site_that_is_away_rests_for_all_flows(pool: Pool) -> None:
    lms = FakeLms(courses=lms_courses())
    lms.fail("courses", LmsUnavailable("lms_unreachable"))
    bench = Workbench(pool, lms)
    bench.read_catalogue()
    assert bench.failures() == [("integration", "lms_unreachable")]
    assert bench.column("select resume_at > now() from integration") == [True]


def test_thousands_of_courses_are_told_and_then_compared(pool: Pool) -> None:
    """R82: no limit; two calls a reading, and only what changed is told."""
    site = academy(courses=[])
    for number in range(4000):
        add_course(
            site, {"id": number + 2, "shortname": f"S{number}", "fullname": f"N {number}", "idnumber": f"K{number}"}
        )
    bench = Workbench(pool, site)
    bench.read_catalogue()
    assert len(bench.announced(OBSERVED)) == 4000
    change_course(site, 1000, fullname="Another name")
    assert [news["title"] for news in again(bench)] == ["Another name"]
    assert len(site.ledger.calls()) == 4
