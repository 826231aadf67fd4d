"""What somebody changes in a course by hand: enrolments removed, suspended, dated anew, given, or made for others."""

from typing import Any

import pytest

from db.pool import Pool
from domain.errors import LmsUnavailable, NeedsAttention
from simulators.moodle import MoodleSite, add_user, change_course, change_token, change_user, enrol, unenrol
from simulators.moodle.calls import FUNCTIONS
from simulators.moodle.state import Enrolment
from tests.support.builders import changed, enrolled, hired, hires, lms_courses, results, withdrawn
from tests.support.drifting import (
    LOOK_UP,
    PARTICIPANTS,
    REPORT,
    change_enrolment,
    counts,
    found,
    look,
    roll,
    run,
    user_id,
    writes,
)
from tests.support.fake_lms import FakeLms
from tests.support.workbench import TOKEN, Workbench, academy

FIRE, LAW = 2, 3
DATED = {"results": results(report="1")}
"""A report that tells dates is named, as it is for results."""


def held(bench: Workbench, site: MoodleSite, key: str = "E-1", course: int = FIRE) -> Enrolment:
    enrolment = site.state.enrolment(user_id(bench, key), course)
    assert enrolment is not None
    return enrolment


def ready(pool: Pool, people: int = 2, **chosen: Any) -> tuple[Workbench, MoodleSite]:
    """So many people in Fire safety, and Moodle holds what HR asked for."""
    site = academy()
    bench = Workbench(pool, site, **chosen)
    bench.done(*hires(people))
    return bench, site


def test_an_unchanged_course_costs_two_calls_and_writes_nothing(pool: Pool) -> None:
    """R87: active ones and others, however many; with a report one call more for every thousand enrolments."""
    bench, site = ready(pool, 3)
    bench.done(enrolled("EN-9", "E-1", "C-LAW"), withdrawn("EN-2", "E-2", at=5))
    before = writes(site)
    look(bench)
    assert (len(site.ledger.calls(PARTICIPANTS)), len(site.ledger.calls(REPORT))) == (4, 0)
    assert (run(bench, "enrolments")["expected"], counts(bench, "enrolments")) == (4, (0, 0, 4, 0))
    assert run(bench, "enrolments")["reasons"] == {"unchanged": 4}
    bench.choose(**DATED)
    look(bench)
    assert (len(site.ledger.calls(PARTICIPANTS)), len(site.ledger.calls(REPORT))) == (8, 1)
    assert (found(bench), writes(site)) == ([], before)


# Changed by hand


def test_an_enrolment_suspended_by_hand_is_made_active_again(pool: Pool) -> None:
    bench, site = ready(pool)
    change_enrolment(site, user_id(bench), suspended=True)
    look(bench)
    assert held(bench, site).suspended is False
    assert found(bench) == [("changed_by_hand", "enrolment.suspended", "put_back")]
    assert counts(bench, "enrolments") == (0, 1, 1, 0)
    look(bench)
    assert found(bench) == []


def test_a_withdrawn_enrolment_made_active_by_hand_is_suspended_again(pool: Pool) -> None:
    bench, site = ready(pool)
    bench.done(withdrawn(at=5))
    change_enrolment(site, user_id(bench), suspended=False)
    look(bench)
    assert held(bench, site).suspended is True
    assert bench.column("select ours from finding") == ["not active"]


@pytest.mark.parametrize(("policy", "state"), [("tell", "open"), ("accept", "accepted")])
def test_a_suspension_that_is_told_or_accepted_stays_until_hr_says_something(
    pool: Pool, policy: str, state: str
) -> None:
    bench, site = ready(pool, drift={"fields": {"enrolment.suspended": policy}})
    change_enrolment(site, user_id(bench), suspended=True)
    look(bench)
    look(bench)
    assert held(bench, site).suspended is True
    assert found(bench) == [("changed_by_hand", "enrolment.suspended", state)]
    bench.done(changed(at=5, ends_on="2151-12-31"))
    assert held(bench, site).suspended is False
    look(bench)
    assert found(bench) == []


def test_a_role_that_was_taken_away_is_given_again_and_one_given_besides_is_left(pool: Pool) -> None:
    """Roles are only ever added (contract, section 4.1)."""
    bench, site = ready(pool)
    change_enrolment(site, user_id(bench, "E-1"), role=4)
    site.state.roles[user_id(bench, "E-2"), FIRE] = (5, 3)
    look(bench)
    rows = bench.rows("select field, ours, held from finding")
    assert [tuple(row.values()) for row in rows] == [("enrolment.role", ["5"], ["4"])]
    assert site.state.roles[user_id(bench, "E-1"), FIRE] == (4, 5)
    look(bench)
    assert found(bench) == []


def test_dates_changed_by_hand_are_seen_in_the_report_and_put_back(pool: Pool) -> None:
    bench, site = ready(pool, **DATED)
    before = held(bench, site)
    change_enrolment(site, user_id(bench), end=before.end - 86_400)
    look(bench)
    assert found(bench) == [("changed_by_hand", "enrolment.dates", "put_back")]
    assert held(bench, site).end == before.end
    assert run(bench, "enrolments")["reasons"] == {"unchanged": 2, "dates_changed": 1}
    look(bench)
    assert found(bench) == []


def test_without_a_report_dates_are_seen_only_where_they_make_a_difference(pool: Pool) -> None:
    """No other function tells them (contract, section 4.1)."""
    bench, site = ready(pool)
    change_enrolment(site, user_id(bench, "E-1"), end=held(bench, site).end - 86_400)
    change_enrolment(site, user_id(bench, "E-2"), end=86_400)
    look(bench)
    assert bench.column("select employee_key from finding") == ["E-2"]
    assert held(bench, site, "E-2").end > 86_400


def test_accepted_dates_are_not_overwritten_because_something_else_was_changed(pool: Pool) -> None:
    """Moodle takes an enrolment as a whole, so the role is only told."""
    bench, site = ready(pool, **DATED, drift={"fields": {"enrolment.dates": "accept"}})
    end = held(bench, site).end - 86_400
    change_enrolment(site, user_id(bench), end=end)
    look(bench)
    change_enrolment(site, user_id(bench), role=4)
    look(bench)
    assert found(bench) == [
        ("changed_by_hand", "enrolment.dates", "accepted"),
        ("changed_by_hand", "enrolment.role", "open"),
    ]
    assert held(bench, site).end == end


# Removed by hand


def test_an_enrolment_removed_by_hand_is_listed_and_not_made_again(pool: Pool) -> None:
    """Its grades went with it, so somebody meant it."""
    bench, site = ready(pool)
    unenrol(site, user_id(bench), FIRE)
    before = writes(site)
    look(bench)
    look(bench)
    assert found(bench) == [("missing", "", "open")]
    assert counts(bench, "enrolments") == (0, 0, 1, 1)
    assert run(bench, "enrolments")["reasons"] == {"unchanged": 1, "enrolment_gone": 1}
    assert writes(site) == before


def test_an_enrolment_removed_by_hand_is_made_again_where_that_is_chosen(pool: Pool) -> None:
    bench, site = ready(pool, drift={"missing_enrolment": "put_back"})
    unenrol(site, user_id(bench), FIRE)
    look(bench)
    assert site.state.roles[user_id(bench), FIRE] == (5,)
    assert found(bench) == [("missing", "", "put_back")]
    look(bench)
    assert found(bench) == []


def test_whose_user_is_gone_is_not_missed_in_every_course_as_well(pool: Pool) -> None:
    bench, site = ready(pool)
    bench.done(enrolled("EN-9", "E-1", "C-LAW"))
    change_user(site, user_id(bench), deleted=True)
    look(bench)
    assert found(bench) == [("missing", "", "open")]
    assert bench.column("select subject_kind from finding") == ["account"]


# Ghosts


def test_whoever_hr_did_not_enrol_is_listed_and_never_touched(pool: Pool) -> None:
    """S15: a stranger with a key, one of ours in another course, and no course's maker."""
    bench, site = ready(pool)
    bench.done(enrolled("EN-9", "E-2", "C-LAW"))
    stranger = add_user(site, username="ghost", email="ghost@example.org", idnumber="X-9")
    maker = add_user(site, username="maker", email="maker@example.org")
    enrol(site, stranger.id, FIRE)
    enrol(site, maker.id, FIRE, role=3)
    enrol(site, user_id(bench, "E-1"), LAW)
    before = writes(site), dict(site.state.users), dict(site.state.enrolled_in)
    look(bench)
    rows = bench.rows("select kind, employee_key, lms_user_id, lms_course_id, held, state from finding order by 2")
    assert [tuple(row.values()) for row in rows] == [
        ("unknown", "E-1", str(user_id(bench)), str(LAW), {"external_key": "E-1", "roles": ["5"]}, "open"),
        ("unknown", None, str(stranger.id), str(FIRE), {"external_key": "X-9", "roles": ["5"]}, "open"),
    ]
    assert run(bench, "enrolments")["reasons"] == {"unchanged": 3, "unknown": 2}
    assert counts(bench, "enrolments") == (0, 0, 3, 0)
    assert (writes(site), site.state.users, site.state.enrolled_in) == before


def test_a_ghost_is_over_when_it_leaves_or_hr_asks_for_it(pool: Pool) -> None:
    bench, site = ready(pool)
    bench.done(enrolled("EN-9", "E-2", "C-LAW"))
    stranger = add_user(site, username="ghost", email="ghost@example.org")
    enrol(site, stranger.id, FIRE)
    enrol(site, user_id(bench, "E-1"), LAW)
    look(bench)
    unenrol(site, stranger.id, FIRE)
    bench.done(enrolled("EN-8", "E-1", "C-LAW"))
    look(bench)
    assert found(bench) == []


@pytest.mark.parametrize(
    "state",
    [
        "update placement set provisioned_at = null where enrolment_key = 'EN-3'",
        """
        update placement set provisioned_at = null, lms_course_id = null, state = 'due', due_at = now()
        where enrolment_key = 'EN-3';
        update account set lease_token = 77, lease_until = now() + interval '2 minutes' where employee_key = 'E-3'
        """,
    ],
    ids=["not recorded yet", "in somebody's hands"],
)
def test_people_who_are_just_being_enrolled_are_no_ghosts(pool: Pool, state: str) -> None:
    """A batch may stand between a call and its record while a course is read."""
    bench, _ = ready(pool)
    bench.done(hired("E-3"), enrolled("EN-3", "E-3"))
    bench.run(state)
    look(bench)
    assert found(bench) == []


# Trouble


def test_a_course_that_cannot_be_read_costs_only_itself(pool: Pool) -> None:
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(2), enrolled("EN-9", "E-1", "C-LAW"))
    lms.fail("participants", NeedsAttention("course_not_accessible"), only=lambda course: course == str(FIRE))
    look(bench)
    assert (run(bench, "enrolments")["state"], counts(bench, "enrolments")) == ("done", (0, 0, 1, 2))
    assert run(bench, "enrolments")["reasons"] == {"unchanged": 1, "course_not_accessible": 2}


def test_a_service_without_the_function_fails_this_run_and_holds_nothing(pool: Pool) -> None:
    """E3, R1: only drift of enrolments needs it."""
    bench, site = ready(pool)
    change_token(site, TOKEN, functions=frozenset(FUNCTIONS) - {PARTICIPANTS})
    look(bench)
    assert (run(bench, "enrolments")["state"], run(bench, "enrolments")["code"]) == (
        "failed",
        "participants_unreadable",
    )
    assert (run(bench)["state"], bench.integration().state, bench.failures()) == ("done", "active", [])


def test_a_site_that_goes_away_is_read_on_where_it_was(pool: Pool) -> None:
    """What was read before is on record, and is not read again."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(2), enrolled("EN-9", "E-1", "C-LAW"))
    lms.fail("participants", LmsUnavailable("lms_unreachable"), only=lambda course: course == str(LAW))
    look(bench)
    assert (run(bench, "enrolments")["state"], run(bench, "enrolments")["code"]) == ("running", "lms_unreachable")
    assert counts(bench, "enrolments") == (0, 0, 2, 0)
    bench.pass_time(hours=1)
    bench.look_again()
    assert (run(bench, "enrolments")["state"], counts(bench, "enrolments")) == ("done", (0, 0, 3, 0))
    assert [name for name, _ in lms.calls].count("participants") == 5


def test_a_course_that_shows_nobody_is_not_believed(pool: Pool) -> None:
    bench, site = ready(pool, 12)
    for number in range(1, 13):
        unenrol(site, user_id(bench, f"E-{number}"), FIRE)
    look(bench)
    assert (found(bench), run(bench, "enrolments")["reasons"]) == ([], {"nobody_found": 12})


def test_a_course_that_is_gone_takes_its_findings_along(pool: Pool) -> None:
    bench, site = ready(pool)
    unenrol(site, user_id(bench), FIRE)
    look(bench)
    change_course(site, FIRE, deleted=True)
    bench.pass_time(days=1)
    bench.read_catalogue()
    look(bench)
    assert found(bench) == []


def test_the_rolling_scan_counts_courses_into_its_hour(pool: Pool) -> None:
    """Two calls a course: three courses and two people do not fit into four calls."""
    bench, site = ready(pool, drift={"calls_per_hour": 4})
    bench.done(enrolled("EN-8", "E-1", "C-LAW"), enrolled("EN-9", "E-1", "C-TALK"))
    before = len(site.ledger.calls(LOOK_UP))

    def spent() -> tuple[int, int]:
        return len(site.ledger.calls(LOOK_UP)) - before, len(site.ledger.calls(PARTICIPANTS))

    roll(bench)
    assert spent() == (1, 2)
    bench.pass_time(hours=1)
    bench.maintain()
    assert spent() == (1, 6)
    assert run(bench, "enrolments")["state"] == "running"
    bench.pass_time(hours=1)
    bench.maintain()
    assert (run(bench, "enrolments")["state"], spent()) == ("done", (1, 6))
