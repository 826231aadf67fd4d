"""
Enrolments come to stand in a Moodle as HR wants them: complete, once per person and course, suspended and not removed.
"""

from datetime import UTC, datetime

import pytest

from db.pool import Pool
from simulators.base import Work
from simulators.faults import Fault
from simulators.moodle import MoodleSite, add_course, change_course
from simulators.moodle.state import Enrolment
from simulators.wire import Request
from tests.support.builders import (
    changed,
    enrolled,
    hired,
    hires,
    sync_requested,
    terminated,
    updated,
    withdrawn,
)
from tests.support.workbench import Workbench, academy

FIRE, LAW = 2, 3
ENROL = "enrol_manual_enrol_users"


def held(site: MoodleSite, key: str = "E-1", course_id: int = FIRE) -> Enrolment | None:
    users = [user.id for user in site.state.users.values() if user.idnumber == key]
    assert len(users) == 1
    return site.state.enrolment(users[0], course_id)


def epoch(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


def test_an_enrolment_is_made_with_all_its_dates(pool: Pool) -> None:
    """R84: by the manual method, from midnight to the last second of the last day, in the integration's zone."""
    site = academy()
    bench = Workbench(pool, site, timezone="Europe/Amsterdam")
    bench.done(hired(), enrolled(starts_on="2026-02-01", ends_on="2026-07-31"))
    found = held(site)
    assert found is not None
    assert found.start == epoch(2026, 1, 31, 23)
    assert found.end == epoch(2026, 7, 31, 21, 59, 59)
    assert not found.suspended
    assert bench.placement()["state"] == "settled"
    said = bench.announced("lms.enrolment.provisioned.v1")
    assert [(one["enrolment_key"], one["lms_course_id"]) for one in said] == [("EN-1", "2")]


def test_a_changed_enrolment_is_written_whole(pool: Pool) -> None:
    """R84: what is left out would be reset, so an extension sends the start again, the same as before (I4)."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled(starts_on="2026-02-01", ends_on="2026-07-31"))
    bench.done(changed(at=1, starts_on="2026-02-01", ends_on="2026-07-31", extended_to="2026-12-31"))
    effects = site.ledger.effects("enrolled")
    assert [effect["start"] for effect in effects] == [epoch(2026, 2, 1)] * 2
    assert [effect["end"] for effect in effects] == [epoch(2026, 7, 31, 23, 59, 59), epoch(2026, 12, 31, 23, 59, 59)]
    assert len(bench.announced("lms.enrolment.provisioned.v1")) == 1


def test_a_withdrawn_enrolment_is_suspended_and_not_removed(pool: Pool) -> None:
    """Removing would lose the grades; confirming anew opens the same one."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    bench.done(withdrawn(at=1))
    found = held(site)
    assert found is not None
    assert found.suspended
    assert site.ledger.effects("unenrolled") == []
    bench.done(changed(at=2))
    found = held(site)
    assert found is not None
    assert not found.suspended


def test_two_enrolments_in_one_course_become_one(pool: Pool) -> None:
    """I4: from the earliest start to the latest end of the open ones; it stays open while one of them is."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(
        hired(),
        enrolled("EN-1", starts_on="2026-01-01", ends_on="2026-03-31"),
        enrolled("EN-2", starts_on="2026-03-01", ends_on="2026-12-31"),
    )
    found = held(site)
    assert found is not None
    assert (found.start, found.end) == (epoch(2026, 1, 1), epoch(2026, 12, 31, 23, 59, 59))
    assert len(site.ledger.effects("enrolled")) == 1
    bench.done(withdrawn("EN-1", at=1, starts_on="2026-01-01", ends_on="2026-03-31"))
    found = held(site)
    assert found is not None
    assert (found.start, found.suspended) == (epoch(2026, 3, 1), False)
    bench.done(withdrawn("EN-2", at=2, starts_on="2026-03-01", ends_on="2026-12-31"))
    found = held(site)
    assert found is not None
    assert found.suspended


def test_a_tutor_has_the_role_of_a_tutor(pool: Pool) -> None:
    """R186: learners and tutors get different roles."""
    site = academy()
    bench = Workbench(pool, site, roles={"learner": "5", "tutor": "4"})
    bench.done(hired(), hired("E-2"), enrolled(role="tutor"), enrolled("EN-2", "E-2"))
    assert [(effect["idnumber"], effect["role"]) for effect in site.ledger.effects("enrolled")] == [
        ("E-1", 4),
        ("E-2", 5),
    ]


def test_a_link_is_kept_although_the_enrolment_fails(pool: Pool) -> None:
    """R144: saved right after the user is made; the account is settled, only the enrolment is parked."""
    site = academy()
    change_course(site, FIRE, manual="disabled")
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled(), enrolled("EN-2", course="C-LAW"))
    assert (bench.account()["state"], bench.account()["link"]) == ("settled", "created")
    assert (bench.placement()["state"], bench.placement()["code"]) == ("parked", "no_manual_enrolment")
    assert bench.placement("EN-2")["state"] == "settled"
    assert bench.failures() == [("placement", "no_manual_enrolment")]


def test_after_the_course_is_put_right_a_sync_heals_its_enrolments(pool: Pool) -> None:
    """D23, R84: the manual method was off; somebody switches it on and asks for a sync."""
    site = academy()
    change_course(site, FIRE, manual="none")
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    change_course(site, FIRE, manual="enabled")
    bench.done(sync_requested(at=5))
    assert bench.placement()["state"] == "settled"
    assert bench.failures() == []


def test_a_role_that_may_not_be_assigned_is_named(pool: Pool) -> None:
    """D23: a setting must change; the learners of the same batch are enrolled."""
    site = academy()
    bench = Workbench(pool, site, roles={"tutor": "3"})
    bench.done(hired(), hired("E-2"), enrolled(role="tutor"), enrolled("EN-2", "E-2"))
    assert bench.failures() == [("placement", "role_not_assignable")]
    assert bench.placement("EN-2")["state"] == "settled"


def test_a_course_that_is_not_there_parks_its_enrolments_until_it_is(pool: Pool) -> None:
    """R103: the catalogue is read once for all of them, and again later; the course appears, and they go through."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), hired("E-2"), enrolled(course="C-NEW"), enrolled("EN-2", "E-2", "C-NEW"))
    assert [bench.placement(key)["code"] for key in ("EN-1", "EN-2")] == ["course_not_found"] * 2
    assert len(site.ledger.calls("core_course_get_courses")) == 1
    assert [bench.account(key)["state"] for key in ("E-1", "E-2")] == ["settled"] * 2
    add_course(site, {"shortname": "NEW", "fullname": "New", "idnumber": "C-NEW"})
    bench.read_catalogue()
    bench.provision()
    assert bench.placement()["state"] == "parked"
    bench.pass_time(minutes=20)
    bench.read_catalogue()
    bench.provision()
    assert [bench.placement(key)["state"] for key in ("EN-1", "EN-2")] == ["settled"] * 2
    assert bench.failures() == []


def test_a_course_known_by_its_short_name_is_found(pool: Pool) -> None:
    """The short name counts where the course has no id number."""
    site = academy(courses=[{"shortname": "FIRE", "fullname": "Fire", "idnumber": ""}])
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled(course="FIRE"))
    assert bench.placement()["state"] == "settled"


def test_an_enrolment_made_while_another_fails_is_not_made_again(pool: Pool) -> None:
    """D24: the partial outcome of a batch is kept, and only what failed is done again."""
    site = academy()
    site.faults.add(Fault(ENROL, value=str(LAW), nth=1, errorcode="dmlwriteexception"))
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled(), enrolled("EN-2", course="C-LAW"))
    bench.pass_time(minutes=40)
    bench.provision()
    assert [bench.placement(key)["state"] for key in ("EN-1", "EN-2")] == ["settled"] * 2
    courses = [effect["course"] for effect in site.ledger.effects("enrolled")]
    assert sorted(courses) == [FIRE, LAW]


@pytest.mark.parametrize("commit", ["before", "never"])
def test_an_enrolment_of_unknown_outcome_is_sent_again_with_the_same_start(pool: Pool, commit: str) -> None:
    """D5, D6, I4: repeating the very same enrolment is harmless; it stands once, and it was created once."""
    site = academy()
    site.faults.add(Fault(ENROL, nth=1, commit=commit, close="reset"))  # type: ignore[arg-type]
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    assert bench.placement()["state"] == "due"
    bench.pass_time(minutes=40)
    bench.provision()
    assert bench.placement()["state"] == "settled"
    effects = site.ledger.effects("enrolled")
    assert sum(effect["created"] for effect in effects) == 1
    assert len({effect["start"] for effect in effects}) == 1


def test_an_enrolment_with_a_course_whose_code_changed_can_still_be_suspended(pool: Pool) -> None:
    """R58: the course is known by its id from then on."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    change_course(site, FIRE, idnumber="C-RENAMED")
    bench.pass_time(days=2)
    bench.read_catalogue()
    bench.done(withdrawn(at=1))
    found = held(site)
    assert found is not None
    assert found.suspended


def test_a_leaver_keeps_the_enrolments_and_their_grades(pool: Pool) -> None:
    """R55: only the account is suspended, so that a return finds everything as it was."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(1))
    bench.done(terminated(at=2))
    found = held(site)
    assert found is not None
    assert not found.suspended
    bench.done(updated(at=3))
    assert len(site.ledger.effects("enrolled")) == 1


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "answer lost"])
def test_a_withdrawal_that_comes_while_the_enrolment_is_being_sent_is_not_lost(pool: Pool, *, answered: bool) -> None:
    """F1, I6, D5: nothing was provisioned yet when it came, and by the time it is recorded the LMS holds it, or may."""
    site = academy()
    bench = Workbench(pool, site)
    plain, told = site.read, list[None]()

    def reading(request: Request) -> Work:
        work = plain(request)
        if work.function == ENROL and not told:
            told.append(bench.tell(withdrawn(at=2)))
        return work

    site.read = reading  # type: ignore[method-assign]
    if not answered:
        site.faults.add(Fault(ENROL, nth=1, commit="before", close="reset"))
    bench.done(hired(), enrolled())
    bench.pass_time(hours=1)
    bench.provision()

    found = held(site)
    assert found is not None
    assert found.suspended
    assert bench.placement()["state"] == "settled"
