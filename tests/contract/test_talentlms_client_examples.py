"""The client against every documented answer of TalentLMS."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    UnknownOutcome,
)
from domain.lms import (
    Allowance,
    Completion,
    CourseUnit,
    Done,
    Failed,
    LmsCourse,
    LmsEnrolment,
    LmsField,
    LmsUser,
    Mark,
    Membership,
    NewUser,
    Pair,
    Progress,
    UserChange,
)
from lms import talentlms_answers as shapes
from lms.calls import shaped
from lms.talentlms_failures import Said, read_answer
from tests.contract.talent_replay import Example, Portal, example, examples, refused

ALL = examples()
ERRORS = [found for found in ALL if found.is_error]
SUCCESSES = [found for found in ALL if not found.is_error]

Meaning = tuple[type[ProvisioningError], str] | Said
# What each documented error means where it was seen.
MEANING: dict[str, Meaning] = {
    "addusertocourse_already_enrolled": Said.NOTHING,
    "addusertocourse_unknown_course": (NeedsAttention, "course_unknown"),
    "addusertocourse_unknown_user": (NeedsAttention, "user_gone"),
    "addusertogroup_already_member": Said.NOTHING,
    "addusertogroup_unknown_key": (NeedsAttention, "group_unknown"),
    "courses_by_id_not_found": (NeedsAttention, "course_unknown"),
    "deleteuser_json_body_rejected": (NeedsAttention, "lms_rejected"),
    "error_api_disabled": (HoldIntegration, "api_off"),
    "error_internal": (LmsUnavailable, "lms_server_error"),
    "error_invalid_api_key": (HoldIntegration, "token_refused"),
    "error_malformed_path_html": (HoldIntegration, "wrong_url"),
    "error_no_credentials_html": (HoldIntegration, "wrong_url"),
    "error_rate_limited": (LmsThrottled, "lms_throttled"),
    "error_unknown_action": (HoldIntegration, "function_missing"),
    "gettestanswers_no_progress": (NeedsAttention, "lms_rejected"),
    "getuserstatusincourse_not_enrolled": Said.NOTHING,
    "removeuserfromcourse_not_enrolled": Said.NOTHING,
    "removeuserfromgroup_not_member": (NeedsAttention, "lms_rejected"),
    "userlogin_bad_password": (NeedsAttention, "lms_rejected"),
    "userlogin_inactive_user": (NeedsAttention, "lms_rejected"),
    "users_by_email_not_found": Said.NOTHING,
    "users_by_id_not_found": Said.NOTHING,
    "users_soft_deleted": (NeedsAttention, "user_soft_deleted"),
    "usersignup_duplicate_email": (NeedsAttention, "email_taken"),
    "usersignup_duplicate_login": (NeedsAttention, "username_taken"),
    "usersignup_invalid_email": (NeedsAttention, "email_invalid"),
    "usersignup_missing_argument": (NeedsAttention, "lms_rejected"),
    "usersignup_user_limit_reached": (NeedsAttention, "lms_rejected"),
    "usersignup_weak_password": (NeedsAttention, "password_weak"),
}
SHAPES: dict[str, TypeAdapter[Any]] = {
    "addusertocourse": shapes.ENROLLED,
    "addusertocourse_by_email": shapes.ENROLLED,
    "addusertogroup": shapes.OF_COURSE,
    "courses_by_id": shapes.COURSE,
    "courses_list": shapes.COURSES,
    "edituser": shapes.USER,
    "getcustomregistrationfields": shapes.FIELDS,
    "gettimeline_course_completion": shapes.TIMELINE,
    "getusersbycustomfield": shapes.FOUND,
    "getuserstatusincourse_completed": shapes.STANDING,
    "getuserstatusincourse_in_progress": shapes.STANDING,
    "groups_list": shapes.GROUPS,
    "ratelimit": shapes.RATE,
    "removeuserfromcourse": shapes.OF_COURSE,
    "siteinfo": shapes.SITE,
    "users_by_email_found": shapes.USER,
    "users_by_email_post_form": shapes.USER,
    "users_by_email_query_string": shapes.USER,
    "users_by_id": shapes.USER_COURSES,
    "usersetstatus": shapes.STATUS_SET,
    "usersignup_created": shapes.USER,
    "usersignup_created_inactive": shapes.USER,
}
MIRA = LmsUser("412", "mira.olsen", "mira.olsen@example.org", "E-20417", "Mira", "Olsen")
JUN = NewUser("jun.park", "jun.park@example.org", "Jun", "Park", "E-1", password="Invented1")
FOUND = example("users_by_id")
PROGRESS, COMPLETED = example("getuserstatusincourse_in_progress"), example("getuserstatusincourse_completed")


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def name_of(found: Example) -> str:
    return found.name


def test_the_examples_are_there() -> None:
    """Guards the parametrised tests below against an empty folder."""
    assert {found.name for found in ERRORS} == MEANING.keys()
    assert SHAPES.keys() <= {found.name for found in SUCCESSES}


@pytest.mark.parametrize("found", ERRORS, ids=name_of)
def test_every_documented_error_is_what_the_table_says(found: Example) -> None:
    """R117, R141: told by the message, wherever it is one of a portal's; 8.7: a page never means "nobody"."""
    answer = read_answer(found.action, found.response(), {})
    meaning = answer if isinstance(answer, Said) else (type(answer), answer.code)
    assert meaning == MEANING[found.name]


@pytest.mark.parametrize("name", SHAPES)
def test_every_documented_answer_that_we_read_is_read(name: str) -> None:
    found = example(name)
    answer = read_answer(found.action, found.response(), {})
    assert not isinstance(answer, ProvisioningError)
    assert not isinstance(shaped(found.action, answer, SHAPES[name]), ProvisioningError)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("answer", [None, "", 7, {}, [[]], {"id": None}, [{"id": {}}]])
def test_no_other_answer_is_taken_for_one(name: str, answer: Any) -> None:
    """D11: least of all `null`, which would read as "nobody"."""
    if (name, answer) == ("getusersbycustomfield", {}):
        return
    found = shaped("usersignup", answer, SHAPES[name])
    assert isinstance(found, UnknownOutcome)


def test_a_documented_user_is_read_with_its_key() -> None:
    """8.10: custom fields that are unset, null or missing are alike, and sign-in addresses are not kept."""
    portal = Portal(users=FOUND, key_field="custom_field_1")
    [user] = portal.gateway.find_users("user_id", ["412"])
    assert user == MIRA
    assert "autologin" not in repr(user)


def test_a_portal_without_a_place_for_the_key_tells_none() -> None:
    portal = Portal(users=FOUND, getcustomregistrationfields=example("getcustomregistrationfields"))
    [user] = portal.gateway.find_users("user_id", ["412"])
    assert (user.external_key, user.custom) == ("", {"custom_field_1": "E-20417"})
    asked = len(portal.asked)
    assert portal.gateway.find_users("external_key", ["E-20417"]) == []
    assert len(portal.asked) == asked


def test_whoever_holds_the_key_is_read_as_a_whole() -> None:
    portal = Portal(users=FOUND, getusersbycustomfield=example("getusersbycustomfield"), key_field="custom_field_1")
    assert portal.gateway.find_users("external_key", ["E-20417"]) == [MIRA]


def test_a_value_of_another_field_is_no_key() -> None:
    portal = Portal(users=FOUND, getusersbycustomfield=example("getusersbycustomfield"), key_field="custom_field_2")
    assert portal.gateway.find_users("external_key", ["E-20417"]) == []


def test_a_signup_is_answered_with_the_id_and_nothing_more_is_sent() -> None:
    portal = Portal(usersignup=example("usersignup_created"))
    assert portal.gateway.create_users([JUN]) == [Done("431")]
    assert portal.actions() == ["getcustomregistrationfields", "usersignup"]


def test_somebody_who_was_made_inactive_is_activated() -> None:
    """8.19."""
    portal = Portal(usersignup=example("usersignup_created_inactive"), usersetstatus=example("usersetstatus"))
    assert portal.gateway.create_users([JUN]) == [Done("431")]
    assert portal.targets("usersetstatus") == ["usersetstatus/user_id:431,status:active"]


def test_a_mandatory_field_is_missed_before_anything_is_sent() -> None:
    """8.20: by the name that people know."""
    portal = Portal(getcustomregistrationfields=example("getcustomregistrationfields"))
    [outcome] = portal.gateway.create_users([JUN])
    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.detail) == ("mandatory_field_missing", "Employee number")
    assert portal.actions() == ["getcustomregistrationfields"]


def test_the_plans_limit_is_for_staff_to_read() -> None:
    """8.21."""
    portal = Portal(usersignup=refused("You have reached the limit of 40 users; Jun Park (jun.park@example.org) waits"))
    [outcome] = portal.gateway.create_users([JUN])
    assert isinstance(outcome, Failed)
    assert outcome.failure.code == "lms_rejected"
    assert outcome.failure.detail == (
        "usersignup: You have reached the limit of 40 users; (first_name) (last_name) ((email)) waits"
    )


def test_edits_enrolments_groups_and_ends_are_read() -> None:
    portal = Portal(
        users=lambda target, _form: {**FOUND.answer, "id": target.rpartition(":")[2]},
        edituser=example("edituser"),
        addusertocourse=example("addusertocourse"),
        removeuserfromcourse=example("removeuserfromcourse"),
        addusertogroup=example("addusertogroup"),
    )
    assert portal.gateway.update_users([UserChange("412", {"last_name": "Olsen"})]) == [Done(None)]
    for suspended in (False, True):
        enrolment = LmsEnrolment("431", "37", "learner", None, None, suspended)
        assert portal.gateway.enrol([enrolment]) == [Done(None)]
    assert portal.gateway.join([Membership("431", "37", "aB3dE5fG7")]) == [Done(None)]
    assert portal.forms("edituser") == [{"user_id": "412", "last_name": "Olsen"}]
    assert portal.forms("addusertocourse") == [{"user_id": "431", "course_id": "37", "role": "learner"}]
    assert portal.targets("removeuserfromcourse") == ["removeuserfromcourse/user_id:431,course_id:37"]
    assert portal.targets("addusertogroup") == ["addusertogroup/user_id:431,group_key:aB3dE5fG7"]


def test_what_is_so_already_is_done() -> None:
    """8.17."""
    portal = Portal(
        addusertocourse=example("addusertocourse_already_enrolled"),
        removeuserfromcourse=example("removeuserfromcourse_not_enrolled"),
        addusertogroup=example("addusertogroup_already_member"),
    )
    enrolments = [LmsEnrolment("412", "37", "learner", None, None, suspended) for suspended in (False, True)]
    assert portal.gateway.enrol(enrolments) == [Done(None), Done(None)]
    assert portal.gateway.join([Membership("412", "37", "aB3dE5fG7")]) == [Done(None)]


def test_courses_come_with_their_category_and_readable_names() -> None:
    categories = [{"id": "5", "name": "Trade &amp; Craft", "price": "&#36;0.00"}]
    portal = Portal(courses=example("courses_list"), categories=categories)
    title = "Certificate III in Information Technology"
    assert portal.gateway.courses()[0] == LmsCourse(
        "37", "ICT30120", "ICT30120", title, True, True, "5", "Trade & Craft"
    )


def test_fields_come_with_their_options() -> None:
    """R28, R32."""
    fields = example("getcustomregistrationfields")
    portal = Portal(getcustomregistrationfields=fields, getcustomcoursefields=[], key_field="custom_field_1")
    campus = LmsField("user", "custom_field_2", "menu", "Campus", ("North", "South"))
    assert portal.gateway.fields(["412"]).fields == [campus]


def test_a_roster_tells_marks_from_seconds_and_units_without_sections() -> None:
    """8.10, 8.11: not from the formatted dates, which follow the portal's clock."""
    roster = Portal(courses=example("courses_by_id")).gateway.roster("37")
    assert roster.members["412"] == Mark(50, at(1753052412), None, None, 15129)
    assert roster.members["431"] == Mark(0, at(1772403300), None, None, 0)
    assert [unit.unit_id for unit in roster.units] == ["2201", "2202", "2203", "2204"]
    assert roster.units[2] == CourseUnit("2203", "ICTICT313 Identify IP, ethics & privacy policies")


def test_a_users_own_marks_are_those_of_the_roster() -> None:
    marks = Portal(users=FOUND).gateway.marks("412")
    roster = Portal(courses=example("courses_by_id")).gateway.roster("37")
    assert marks["37"] == roster.members["412"]
    assert marks.keys() == {"37", "38"}


def test_a_standing_tells_dates_and_scores() -> None:
    [outcome] = Portal(getuserstatusincourse=PROGRESS).gateway.standings([Pair("412", "37")])
    assert isinstance(outcome, Done)
    assert outcome.value is not None
    told = [(u.unit_id, u.status, u.completed, u.completed_at, u.score) for u in outcome.value.units]
    assert told == [
        ("2201", "Completed", True, at(1756793091), None),
        ("2202", "Completed", True, at(1756796691), Decimal("86.67")),
        ("2203", "In progress", False, None, None),
        ("2204", "Not attempted", False, None, None),
    ]
    assert (outcome.value.completed, outcome.value.mark) == (False, Mark(50, at(1753052412), None, None, 15129))


def test_a_completed_course_is_a_completion_without_a_grade() -> None:
    [outcome] = Portal(getuserstatusincourse=COMPLETED).gateway.completions([Pair("412", "38")])
    evidence = {"source": "status_in_course", "percentage": 100}
    assert outcome == Done(Completion(at(1769560200), None, evidence))


def test_progress_comes_from_the_users_own_courses() -> None:
    nothing: frozenset[str] = frozenset()
    expected = Progress(frozenset({"37", "38"}), nothing, nothing, nothing)
    assert Portal(users=FOUND).gateway.course_progress(["412"]) == [Done(expected)]


def test_news_name_people() -> None:
    news = Portal(gettimeline=example("gettimeline_course_completion")).gateway.regraded(None)
    assert (news.user_ids, news.newest, news.complete) == (frozenset({"412"}), at(1769560200), True)


def test_the_allowance_is_told_whether_in_words_or_numbers() -> None:
    expected = Allowance(2000, 1986, at(1772407803))
    assert Portal(ratelimit=example("ratelimit")).gateway.allowance() == expected
    texts = {**example("ratelimit").answer, "remaining": "1986"}
    assert Portal(ratelimit=texts).gateway.allowance() == expected


def test_a_list_of_everybody_is_nobody() -> None:
    """8.8: the argument was not read; whoever is first in the list is not the one who was asked for."""
    everybody = example("users_argument_ignored_returns_list")
    portal = Portal(users=everybody)
    for by, value in (("email", "mira.olsen@example.org"), ("username", "mira.olsen"), ("user_id", "412")):
        with pytest.raises(HoldIntegration, match="wrong_answers"):
            portal.gateway.find_users(by, [value])  # type: ignore[arg-type]
    with pytest.raises(HoldIntegration, match="wrong_answers"):
        portal.gateway.marks("412")
    [outcome] = Portal(usersignup=everybody).gateway.create_users([JUN])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.failure, UnknownOutcome)
