"""
Courses, groups and learning on a simulated portal, and what of it the figures, the timeline and the ledger show.
"""

from __future__ import annotations

from typing import Any

import pytest

from simulators.clock import MovableClock
from simulators.talentlms import (
    Settings,
    TalentLearners,
    TalentSite,
    add_group,
    change_course,
    enrol,
    join,
    talent_site,
)
from tests.unit.simulators.talent_calling import get, post, refusal, said, sign_up

PAIR = "user_id:2,course_id:1"
FIGURES = ("completion_percentage", "completed_on_timestamp", "total_time_seconds", "expired_on_timestamp")


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def site(clock: MovableClock) -> TalentSite:
    site = talent_site(courses=3, groups=2, users=2, clock=clock)
    enrol(site, 2, 1)
    return site


@pytest.fixture
def learners(site: TalentSite) -> TalentLearners:
    return TalentLearners(site)


def figures(site: TalentSite) -> list[Any]:
    """What a sweep over courses sees of the one member."""
    [member] = get(site, "courses/id:1")["users"]
    return [member[name] for name in (*FIGURES, "enrolled_on_timestamp")]


def units(site: TalentSite) -> dict[str, tuple[str, str]]:
    rows = get(site, f"getuserstatusincourse/{PAIR}")["units"]
    return {row["name"].split()[0]: (row["completion_status"], row["score"]) for row in rows}


def ended(site: TalentSite) -> list[str]:
    """When each unit was completed."""
    return [row["completed_on_timestamp"] for row in get(site, f"getuserstatusincourse/{PAIR}")["units"]]


def events(site: TalentSite, event: str) -> list[dict[str, Any]]:
    return list(get(site, f"gettimeline/event_type:{event}"))


def kinds(site: TalentSite) -> list[str]:
    return [entry["kind"] for entry in site.ledger.effects()]


def test_units_make_the_figures_of_the_course_and_the_last_one_completes_it(
    site: TalentSite, learners: TalentLearners
) -> None:
    learners.visit("user00001", "C001", "C001U1", seconds=15)
    assert units(site)["C001U1"] == ("In progress", "")
    learners.complete_unit("user00001", "C001", "C001U1", seconds=3585)
    assert figures(site)[:3] == ["25", None, 3600]
    assert get(site, f"getuserstatusincourse/{PAIR}")["completion_status"] == "In progress"
    learners.finish("user00001", "C001", score=70, at=1772403300)
    status = get(site, f"getuserstatusincourse/{PAIR}")
    assert (status["completion_status"], status["completed_on_timestamp"]) == ("Completed", "1772403300")
    assert units(site)["C001U3"] == ("Completed", "70")
    assert [row["completion_status"] for row in get(site, "users/id:2")["courses"]] == ["completed"]
    assert kinds(site) == ["unit completed"] * 4 + ["course completed"]


@pytest.mark.parametrize(
    ("unit", "event"),
    [("C001U3", "unitprogress_test_completion"), ("C001U4", "unitprogress_assignment_graded")],
)
def test_a_new_grade_is_on_the_timeline_and_in_no_figure(
    site: TalentSite, learners: TalentLearners, clock: MovableClock, unit: str, event: str
) -> None:
    learners.complete_unit("user00001", "C001", unit, score=60)
    before, dates = figures(site), ended(site)
    clock.advance(60)
    learners.grade("user00001", "C001", unit, 80)
    assert (figures(site), ended(site)) == (before, dates)
    assert units(site)[unit] == ("Completed", "80")
    assert [entry["object_name"].split()[0] for entry in events(site, event)] == [unit, unit]
    assert kinds(site) == ["unit completed", "unit graded"]


def test_a_failing_grade_opens_the_course_again(site: TalentSite, learners: TalentLearners) -> None:
    learners.finish("user00001", "C001", score=70)
    learners.grade("user00001", "C001", "C001U3", 20, passed=False)
    assert figures(site)[:2] == ["75", None]
    assert units(site)["C001U3"] == ("Failed", "20")
    assert len(events(site, "unitprogress_test_failed")) == 1


def test_an_answered_assignment_waits_for_its_grade(site: TalentSite, learners: TalentLearners) -> None:
    learners.answer("user00001", "C001", "C001U4")
    assert units(site)["C001U4"] == ("In progress", "")
    assert len(events(site, "unitprogress_assignment_answered")) == 1
    learners.grade("user00001", "C001", "C001U4", 90)
    assert units(site)["C001U4"] == ("Completed", "90")


def test_content_and_scorm_leave_nothing_on_the_timeline(site: TalentSite, learners: TalentLearners) -> None:
    learners.complete_unit("user00001", "C001", "C001U1")
    learners.complete_unit("user00001", "C001", "C001U2")
    assert {event for event, *_ in site.state.timeline} == {"course_add_user"}


def test_a_reopened_unit_takes_back_the_completion(site: TalentSite, learners: TalentLearners) -> None:
    learners.finish("user00001", "C001")
    learners.reopen("user00001", "C001", "C001U1")
    assert figures(site)[:2] == ["75", None]
    assert kinds(site)[-1] == "unit reopened"


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_reset_lets_somebody_start_again(site: TalentSite, learners: TalentLearners, by_hand: bool) -> None:
    learners.finish("user00001", "C001")
    enrolled = figures(site)[-1]
    if by_hand:
        learners.reset("user00001", "C001")
    else:
        get(site, f"resetuserprogress/{PAIR}")
    assert figures(site) == ["0", None, 0, None, enrolled]
    assert kinds(site)[-1] == "progress reset"
    assert len(events(site, "course_reset_user_progress")) == 1


def test_a_failed_course_has_its_own_words(site: TalentSite, learners: TalentLearners) -> None:
    learners.fail("user00001", "C001")
    [course] = get(site, "users/id:2")["courses"]
    assert (course["completion_status"], course["completion_status_formatted"]) == ("failed", "Failed")
    assert len(events(site, "course_failure")) == 1


def test_a_share_of_all_open_enrolments_is_finished_alike_for_a_seed() -> None:
    def finished() -> list[tuple[str, str]]:
        site = talent_site(courses=1, users=20)
        for number in range(2, 22):
            enrol(site, number, 1)
        return TalentLearners(site).finish_all(0.5, seed=3)

    assert finished() == finished()
    assert 0 < len(finished()) < 20


def test_whether_learning_moves_last_updated_is_a_setting(
    site: TalentSite, learners: TalentLearners, clock: MovableClock
) -> None:
    def updated() -> str:
        return str(get(site, "users/id:2")["last_updated_timestamp"])

    before = updated()
    clock.advance(60)
    learners.visit("user00001", "C001", "C001U1")
    assert updated() == before
    site.settings = Settings(progress_moves_last_updated=True)
    learners.visit("user00001", "C001", "C001U1")
    assert updated() != before


def test_the_timeline_has_the_latest_two_hundred_newest_first(site: TalentSite, learners: TalentLearners) -> None:
    for number in range(250):
        learners.grade("user00001", "C001", "C001U4", number)
    entries = events(site, "unitprogress_assignment_graded")
    assert len(entries) == 200
    learners.reset("user00001", "C001", at=5)
    learners.reset("user00001", "C001", at=6)
    assert [entry["unix_timestamp"] for entry in events(site, "course_reset_user_progress")] == ["6", "5"]


def test_the_timeline_is_narrowed_to_one_thing_at_a_time(site: TalentSite) -> None:
    enrol(site, 3, 1)
    enrol(site, 3, 2)
    for narrowed, found in (("", 3), (",user_id:3", 2), (",course_id:1", 2), (",unit_id:1", 0)):
        assert len(get(site, f"gettimeline/event_type:course_add_user{narrowed}")) == found
    assert refusal(site, "gettimeline/event_type:course_add_user,user_id:3,course_id:1")[0] == 400
    assert refusal(site, "gettimeline")[0] == 400


def test_a_group_key_enrols_whoever_redeems_it_but_a_new_course_enrols_nobody(site: TalentSite) -> None:
    get(site, "addusertogroup/user_id:3,group_key:GROUP001")
    get(site, "addcoursetogroup/course_id:3,group_id:1")
    assert [row["id"] for row in get(site, "users/id:3")["courses"]] == ["1"]
    assert said(get(site, "addcoursetogroup/course_id:3,group_id:1")).endswith("already a member of this group")
    get(site, "addusertogroup/user_id:2,group_key:GROUP001")
    assert [row["id"] for row in get(site, "users/id:2")["courses"]] == ["1", "3"]
    told = [(entry["user"], entry["course"], entry["by"]) for entry in site.ledger.effects("enrolled")]
    assert told == [(3, 1, "group"), (2, 3, "group")]


def test_a_key_is_redeemed_only_so_often(site: TalentSite) -> None:
    post(site, "creategroup", name="Few", key="FEW", max_redemptions=1)
    get(site, "addusertogroup/user_id:2,group_key:FEW")
    assert get(site, "groups/id:3")["redemptions_sofar"] == "1"
    assert refusal(site, "addusertogroup/user_id:3,group_key:FEW")[0] == 400
    assert refusal(site, "addusertogroup/user_id:2,group_key:FEW")[1].endswith("already a member of this group")
    assert refusal(site, "creategroup", name="Few again", key="FEW")[0] == 400


def test_who_leaves_a_group_or_whose_group_is_deleted_stays_in_its_courses(site: TalentSite) -> None:
    for number in (2, 3):
        join(site, number, site.state.groups[1])
    get(site, "removeuserfromgroup/user_id:2,group_id:1")
    assert said(get(site, "removeuserfromgroup/user_id:2,group_id:1")).endswith("not a member of this group")
    post(site, "deletegroup", group_id=1)
    assert said(get(site, "groups/id:1")) == "The requested group does not exist"
    assert [row["id"] for row in get(site, "courses/id:1")["users"]] == ["2", "3"]
    assert get(site, "users/id:3")["groups"] == []


def test_a_course_is_made_renamed_by_hand_and_deleted_with_its_enrolments(site: TalentSite) -> None:
    made = post(site, "createcourse", name="Law & Order", code="LAW")
    assert (made["id"], made["name"]) == (4, "Law &amp; Order")
    post(site, "addusertocourse", user_email="user00002@example.org", course_name="Law & Order")
    change_course(site, 4, units=["LAW1 Read", {"name": "LAW2 Test", "type": "Test"}])
    assert [row["name"] for row in get(site, "courses/id:4")["units"]] == ["LAW1 Read", "LAW2 Test"]
    post(site, "deletecourse", course_id=4)
    assert get(site, "users/id:3")["courses"] == []
    assert kinds(site) == ["course created", "enrolled", "unenrolled", "course deleted"]


def test_inactive_people_and_courses_are_enrolled_unless_the_portal_refuses(site: TalentSite) -> None:
    get(site, "usersetstatus/user_id:3,status:inactive")
    assert post(site, "addusertocourse", user_id=3, course_id=1)[0]["user_id"] == "3"
    site.settings = Settings(refuses_inactive=True)
    assert "inactive" in said(post(site, "addusertocourse", user_id=3, course_id=2))
    change_course(site, 2, status="inactive")
    assert "inactive" in said(post(site, "addusertocourse", user_id=2, course_id=2))


def test_what_documentation_and_portals_tell_differently_is_one_setting(site: TalentSite) -> None:
    one = "getusersprogressinunits/unit_id:2,user_id:2"
    assert get(site, one) == {"user_id": "2", "status": "Not attempted", "score": 0}
    assert get(site, "users/id:2")["courses"][0]["completed_on_timestamp"] is None
    site.settings = Settings(documented=True)
    assert get(site, one) == [{"user_id": "2", "status": "Not attempted", "score": 0}]
    assert get(site, "getusersprogressinunits/unit_id:2") == []
    assert get(site, "users/id:2")["courses"][0]["completed_on_timestamp"] == ""
    assert get(site, "users/id:2")["courses"][0]["completion_status_formatted"] == "Not Started"
    assert get(site, "ratelimit")["remaining"] == "1994"


def test_only_a_portal_that_pages_every_list_pages_courses(site: TalentSite) -> None:
    assert len(get(site, "courses/page_size:2")) == 3
    site.settings = Settings(pages_every_list=True, page_size=1)
    assert [row["id"] for row in get(site, "courses/page_size:2,page_number:2")] == ["3"]
    assert len(get(site, "groups")) == 1


def test_a_group_may_have_courses_by_their_codes(site: TalentSite) -> None:
    group = add_group(site, "Both", ["C001", "C002"], key="BOTH")
    sign_up(site, group_id=group.id)
    assert [row["id"] for row in get(site, "users/username:ann")["courses"]] == ["1", "2"]
