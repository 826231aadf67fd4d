"""What HR's own portal shows employees and tells them: each part works for those who have it, and for nobody else."""

import json
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.pool import Pool
from ops.cli.main import app
from ops.cli.output import Exit
from simulators.learners import Learners
from simulators.moodle import MoodleSite
from simulators.moodle.build import add_course, change_course
from tests.support.builders import (
    changed,
    course,
    enrolled,
    erased,
    hired,
    hires,
    payroll,
    results,
    terminated,
    updated,
)
from tests.support.workbench import KEY, Workbench, academy

NOTICE, RECORDED = "lms.notice.issued.v1", "lms.result.recorded.v1"
LAW, TALK = 3, 4
OFFERING = {"features": ["available_courses"]}
NEW = {"shortname": "NEW", "fullname": "Something new", "idnumber": "C-NEW", "completion": "self"}


class Desk:
    """A workbench, and `matricula available` on its database."""

    def __init__(self, pool: Pool, database_url: str, **chosen: Any) -> None:
        self.site = academy()
        self.bench = Workbench(pool, self.site, **chosen)
        self.bench.read_catalogue()
        self._environment = {
            "DATABASE_URL": database_url,
            "AMQP_URL": "amqp://127.0.0.1:9/",
            "MATRICULA_KEY": KEY,
        }

    def available(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["available", *arguments], env=self._environment)

    def codes(self, key: str = "E-1") -> list[str]:
        (found,) = json.loads(self.available(key, "--json").stdout)
        return [one["code"] for one in found["courses"]]


def read_again(bench: Workbench) -> None:
    bench.pass_time(days=2)
    bench.read_catalogue()


# Available courses


def test_an_employee_sees_the_courses_that_are_active_in_both_systems(pool: Pool, database_url: str) -> None:
    """R6: not the hidden one of the LMS, not the one that HR has archived; and whether they are in it."""
    desk = Desk(pool, database_url, **OFFERING)
    desk.bench.done(hired(), enrolled())
    assert desk.codes() == ["C-FIRE", "C-LAW", "C-TALK"]
    change_course(desk.site, LAW, visible=False)
    read_again(desk.bench)
    desk.bench.tell(course("C-TALK", archived=True))

    ended = desk.available("E-1")

    assert desk.codes() == ["C-FIRE"]
    assert ended.exit_code == Exit.OK
    assert ended.stdout.splitlines()[1].split()[-3:] == ["yes", "Acme", "Moodle"]


def test_a_courses_word_for_one_integration_counts_more_than_the_general_one(pool: Pool, database_url: str) -> None:
    """R6: HR archives it everywhere but here."""
    desk = Desk(pool, database_url, **OFFERING)
    desk.bench.tell(hired(), course("C-LAW", archived=True), course("C-LAW", at=1, integration="Acme Moodle"))

    assert "C-LAW" in desk.codes()


@pytest.mark.parametrize(
    ("chosen", "facts", "because"),
    [
        ({}, [hired()], "available_courses is not among"),
        (OFFERING, [hired(), terminated()], "has left"),
        (OFFERING, [hired(), erased()], "HR does not tell"),
        (OFFERING | {"payrolls": "selected"}, [hired()], "payroll is not in scope"),
        (OFFERING | {"payrolls": "selected"}, [hired(payroll=None)], "has no payroll"),
    ],
    ids=["not switched on", "left", "erased", "payroll not selected", "no payroll"],
)
def test_whoever_sees_none_is_told_why(
    pool: Pool, database_url: str, chosen: dict[str, Any], facts: list[Any], because: str
) -> None:
    """R5, R6: in scope of the integration of their payroll, and where the client has it."""
    desk = Desk(pool, database_url, **chosen)
    desk.bench.tell(*facts)

    ended = desk.available("E-1")

    assert ended.exit_code == Exit.NOTHING
    assert because in ended.stderr


def test_selecting_the_payroll_opens_the_courses(pool: Pool, database_url: str) -> None:
    """R6."""
    desk = Desk(pool, database_url, **OFFERING, payrolls="selected")
    desk.bench.tell(hired(), payroll())

    assert desk.codes() == ["C-FIRE", "C-LAW", "C-TALK"]


def test_a_draft_offers_nothing(pool: Pool, database_url: str) -> None:
    """R6, R175: it has never worked."""
    desk = Desk(pool, database_url, **OFFERING, active=False)
    desk.bench.tell(hired())

    assert json.loads(desk.available("E-1", "--json").stdout) == []


# Notices of courses


def noticing(pool: Pool) -> tuple[MoodleSite, Workbench]:
    """An integration with notices, whose courses have been read once."""
    site = academy()
    bench = Workbench(pool, site, features=["course_notices"])
    bench.read_catalogue()
    return site, bench


def test_employees_hear_of_a_new_course_once(pool: Pool) -> None:
    """R7: another reading of the same, a rename, and hiding and showing it again are no news to them."""
    site, bench = noticing(pool)
    number = add_course(site, NEW).id
    read_again(bench)
    for change in ({}, {"fullname": "Renamed"}, {"visible": False}, {"visible": True}):
        change_course(site, number, **change)
        read_again(bench)

    (notice,) = bench.announced(NOTICE)
    assert (notice["about"], notice["employee_key"], notice["code"]) == ("course", None, "C-NEW")
    assert notice["title"] == "Something new"


def test_what_was_there_when_the_link_began_is_no_news(pool: Pool) -> None:
    """R7: a first reading of three hundred courses sends three hundred notices to nobody."""
    site, bench = noticing(pool)
    change_course(site, LAW, visible=False)
    read_again(bench)
    change_course(site, LAW, visible=True)
    read_again(bench)

    assert bench.announced(NOTICE) == []


def test_a_course_is_new_when_it_is_shown_for_the_first_time(pool: Pool) -> None:
    """R7: not while its makers are still at it."""
    site, bench = noticing(pool)
    number = add_course(site, {**NEW, "visible": False}).id
    read_again(bench)
    assert bench.announced(NOTICE) == []

    change_course(site, number, visible=True)
    read_again(bench)

    assert [notice["code"] for notice in bench.announced(NOTICE)] == ["C-NEW"]


def test_without_the_feature_nobody_hears_of_a_new_course(pool: Pool) -> None:
    """R5, R7: HR does, because that is the first phase; and switching it on later brings up nothing old."""
    site = academy()
    bench = Workbench(pool, site)
    bench.read_catalogue()
    add_course(site, NEW)
    read_again(bench)
    bench.choose(features=["course_notices"])
    read_again(bench)

    assert "C-NEW" in [told["code"] for told in bench.announced("lms.course.observed.v1")]
    assert bench.announced(NOTICE) == []


# Notices of assessments


@pytest.mark.parametrize("switched_on", [True, False])
def test_an_employee_hears_of_an_assessment_and_of_its_correction_once_each(pool: Pool, *, switched_on: bool) -> None:
    """R5, R8."""
    site = academy()
    features = ["assessment_notices"] if switched_on else []
    bench = Workbench(pool, site, features=features, results=results(report="1", pass_grade=60))
    bench.done(*hires(2))
    Learners(site).complete("E-1", "C-FIRE", grade=50.0)
    for _ in range(2):
        site.run_cron()
        bench.poll()
    Learners(site).complete("E-1", "C-FIRE", grade=70.0)
    for _ in range(2):
        site.run_cron()
        bench.poll()

    notices = bench.announced(NOTICE)
    assert len(bench.announced(RECORDED)) == 1
    assert [(n["about"], n["employee_key"], n["outcome"], n["passed"]) for n in notices] == (
        [("assessment", "E-1", "NYC", False), ("assessment", "E-1", "C", True)] if switched_on else []
    )


# Asking to be enrolled


def test_a_request_enrols_nobody_before_hr_has_approved_it(pool: Pool) -> None:
    """R9: a request is a tentative booking; asking twice, and approving twice, end in one enrolment."""
    site = academy()
    bench = Workbench(pool, site)
    asked = {"booking_status": "tentative"}
    bench.done(hired(), enrolled("EN-1", **asked), enrolled("EN-1", **asked), enrolled("EN-2", **asked))
    assert site.ledger.effects("enrolled") == []

    bench.done(changed("EN-1"), changed("EN-2"), changed("EN-1"))

    assert len(site.ledger.effects("enrolled")) == 1


def test_a_request_that_is_turned_down_enrols_nobody(pool: Pool) -> None:
    """R9."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled(booking_status="tentative"), changed(booking_status="cancelled"), updated(at=5))

    assert site.ledger.effects("enrolled") == []
