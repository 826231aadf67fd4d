"""
Results out of a simulated TalentLMS portal, through its own gateway: what the portal really answers becomes results.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from db.pool import Pool
from simulators.faults import Fault
from simulators.talentlms import API_KEY, Settings, TalentLearners, TalentSite, talent_site
from tests.contract.portal_stands import COURSES, KEY_FIELD, PATIENT
from tests.support.builders import BY_CODE, enrolled, hired, hires, results, withdrawn
from tests.support.units import NOON, held, outcomes, told, units
from tests.support.workbench import Workbench

AT = NOON.timestamp()
FIRE_UNITS = (units("FIRE01", "FIRE02", "FIRE03"), units("LAW01", code="3"))


class Campus:
    """A portal with so many people in its first course, and their learning."""

    def __init__(self, pool: Pool, people: int = 3, **chosen: Any) -> None:
        self.site: TalentSite = talent_site(courses=COURSES, settings=Settings(**PATIENT))
        self.bench = Workbench(
            pool,
            self.site,
            lms="talentlms",
            enrolments=BY_CODE | {"when_ended": "remove"},
            people={"key_field": KEY_FIELD},
            results=results(**chosen),
        )
        self.bench.done(*FIRE_UNITS, *hires(people))
        self.learners = TalentLearners(self.site)

    def user(self, key: str = "E-1") -> int:
        return int(self.bench.account(key)["lms_user_id"])

    def asked(self, run: Callable[[], None]) -> dict[str, int]:
        before = len(self.site.ledger.calls())
        run()
        return dict(Counter(call["function"] for call in self.site.ledger.calls()[before:]))


@pytest.fixture
def campus(pool: Pool) -> Campus:
    return Campus(pool)


def test_units_of_every_kind_become_results(campus: Campus) -> None:
    """R148-R150, R153: content, test and assignment; headings are no units, and entities in names are read."""
    for unit, score in ((21, None), (22, 87), (23, 55)):
        campus.learners.complete_unit(campus.user(), 2, unit, score=score, at=AT)
    campus.bench.poll()
    assert outcomes(campus.bench) == [("EN-1", "FIRE01", "C"), ("EN-1", "FIRE02", "C"), ("EN-1", "FIRE03", "C")]
    assert [row["completed_at"] for row in campus.bench.rows("select completed_at from result")] == [NOON] * 3
    [evidence] = campus.bench.column("select evidence from result where unit_code = 'FIRE01'")
    assert evidence["units"] == [
        {
            "id": "21",
            "name": "FIRE01 Read & sign",
            "status": "Completed",
            "completed_at": NOON.isoformat(),
            "score": None,
        }
    ]
    assert campus.bench.placement()["completed"]


def test_a_pass_costs_a_call_per_course_and_one_for_each_who_has_moved(campus: Campus) -> None:
    """Contract, section 9."""
    first = {"courses": 1, "getuserstatusincourse": 3, "gettimeline": 4}
    assert campus.asked(campus.bench.poll) == first
    assert campus.asked(campus.bench.poll) == {"courses": 1}
    campus.learners.visit(campus.user("E-2"), 2, 21)
    assert campus.asked(campus.bench.poll) == {"courses": 1, "getuserstatusincourse": 1}
    assert outcomes(campus.bench) == []


def test_a_new_grade_shows_in_the_news_only(pool: Pool) -> None:
    """G6: an assignment graded anew leaves every figure of the course as it was."""
    campus = Campus(pool, pass_grade=50)
    campus.learners.complete_unit(campus.user(), 2, 23, score=40, at=AT)
    campus.bench.poll()
    campus.learners.grade(campus.user(), 2, 23, 75, at=AT + 60)
    assert campus.asked(campus.bench.poll) == {"courses": 1}
    campus.bench.pass_time(hours=1)
    campus.bench.poll()
    assert outcomes(campus.bench) == [("EN-1", "FIRE03", "C")]
    assert told(campus.bench) == 2


def test_reset_and_earned_again_is_a_correction(campus: Campus) -> None:
    """G5, R151."""
    campus.learners.complete_unit(campus.user(), 2, 21, at=AT)
    campus.bench.poll()
    campus.learners.reset(campus.user(), 2, at=AT + 60)
    campus.bench.poll()
    assert told(campus.bench) == 1
    campus.learners.complete_unit(campus.user(), 2, 21, at=AT + 86_400)
    campus.bench.poll()
    assert campus.bench.column("select kind from result_event order by recorded_at") == ["recorded", "corrected"]
    assert campus.bench.column("select completed_at from result") == [NOON + timedelta(days=1)]


def test_people_with_more_courses_than_there_are_people_are_asked_themselves(pool: Pool) -> None:
    """Contract, section 9.4; their courses name themselves by id."""
    campus = Campus(pool, people=1)
    campus.bench.done(enrolled("EN-9", "E-1", "3"))
    campus.learners.finish(campus.user(), 3, at=AT)
    calls = campus.asked(campus.bench.poll)
    assert calls == {"users": 1, "getuserstatusincourse": 2, "gettimeline": 4}
    assert outcomes(campus.bench) == [("EN-9", "LAW01", "C")]


def test_the_last_look_comes_before_the_end(campus: Campus) -> None:
    """F4: removing from the course loses what was done there."""
    campus.learners.complete_unit(campus.user(), 2, 21, at=AT)
    campus.bench.done(withdrawn())
    assert outcomes(campus.bench) == [("EN-1", "FIRE01", "C")]
    assert [e["user"] for e in campus.site.ledger.effects("unenrolled")] == [campus.user()]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"close": "reset"},
        {"status": 429},
        {"truncate": 40},
        {"status": 404},
    ],
    ids=["500", "reset", "429", "cut", "404"],
)
@pytest.mark.parametrize("function", ["courses", "getuserstatusincourse", "gettimeline"])
def test_whatever_goes_wrong_once_ends_as_if_nothing_had(pool: Pool, fault: dict[str, Any], function: str) -> None:
    """D3-D18, I5, I11: each result once, and no failure left."""
    campus = Campus(pool)
    for key in ("E-1", "E-2", "E-3"):
        campus.learners.complete_unit(campus.user(key), 2, 21, at=AT)
    campus.site.faults.add(Fault(function, nth=1, **fault))
    for _ in range(3):
        campus.bench.poll()
        campus.bench.pass_time(minutes=31)
        campus.bench.provision()
    assert outcomes(campus.bench) == [(f"EN-{n}", "FIRE01", "C") for n in (1, 2, 3)]
    assert told(campus.bench) == 3
    assert campus.bench.failures() == []


def test_somebody_deleted_by_hand_costs_nobody_else_anything(campus: Campus) -> None:
    """R158, D22."""
    campus.bench.poll()
    campus.learners.complete_unit(campus.user("E-2"), 2, 21, at=AT)
    campus.learners.delete(campus.user("E-1"), permanent=True)
    campus.bench.poll()
    assert outcomes(campus.bench) == [("EN-2", "FIRE01", "C")]


def test_the_log_tells_each_step_and_no_secret(pool: Pool) -> None:
    """R157: beginning and end, how much there is to do, each course, what was read and what came of it."""
    campus = Campus(pool, people=2)
    campus.bench.done(hired("E-9", first_name="Canary"), enrolled("EN-9", "E-9"))
    campus.learners.complete_unit(campus.user("E-9"), 2, 21, at=AT)
    with capture_logs() as lines:
        campus.bench.poll()
    steps = [line for line in lines if line["event"] != "LMS called"]
    assert [line["event"] for line in steps] == [
        "pass begun",
        "changed grades asked for",
        "units read",
        "pass over",
    ]
    begun, _, read, _ = steps
    assert (begun["plan"], begun["courses"], begun["people"]) == ("rosters", 1, 3)
    assert (read["course"], read["pairs"], read["recorded"]) == ("2", 3, 1)
    assert "Canary" not in str(lines)
    assert API_KEY not in str(lines)


def test_no_match_is_no_error(campus: Campus) -> None:
    """R149."""
    campus.bench.tell(units("OTHER", at=9))
    campus.learners.complete_unit(campus.user(), 2, 21, at=AT)
    campus.bench.poll()
    assert held(campus.bench) == [("EN-1", "FIRE01", "unmatched")]
    assert campus.bench.failures() == []
