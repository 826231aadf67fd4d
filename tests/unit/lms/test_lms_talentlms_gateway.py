"""What the portal's gateway asks, in which order and how often, and what it makes of answers no simulator gives."""

import threading
from collections import Counter
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from domain.errors import HoldIntegration, LmsUnavailable, NeedsAttention, ProvisioningError, UnknownOutcome
from domain.lms import Allowance, Done, Failed, LmsEnrolment, Membership, NewUser, Outcome, Pair, UserChange, UserFields
from lms.talentlms import AT_ONCE, PAGE_SIZE
from lms.talentlms_fields import Days
from lms.talentlms_records import is_strong, random_password
from tests.contract.talent_replay import Portal, refused

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANN = NewUser("ann.lee", "Ann.Lee@example.org", "Ann", "Lee", "E-1", password="Invented1")
NO_USER = refused("The requested user does not exist", 404)
REMOVED = refused("The requested user is no longer available", 404)


def user(user_id: str = "7", **fields: Any) -> dict[str, Any]:
    known = {"id": user_id, "login": "ann.lee", "email": "Ann.Lee@example.org", "status": "active", "courses": []}
    return {**known, "user_type": "Learner-Type", "first_name": "Ann", "last_name": "Lee", **fields}


def field(key: str, kind: str = "text", **facts: Any) -> dict[str, Any]:
    return {"key": key, "type": kind, "name": key.title(), "mandatory": "no", **facts}


def failed(outcome: Outcome[Any]) -> tuple[type[ProvisioningError], str]:
    assert isinstance(outcome, Failed)
    return type(outcome.failure), outcome.failure.code


def change(portal: Portal, **fields: Any) -> Outcome[None]:
    given: UserFields = {name.replace("__", "."): value for name, value in fields.items()}
    [outcome] = portal.gateway.update_users([UserChange("7", given)])
    return outcome


def enrolment(**chosen: Any) -> LmsEnrolment:
    known = {"user_id": "7", "course_id": "37", "role": "learner", "suspended": False}
    return LmsEnrolment(**{**known, "starts_at": None, "ends_at": None, **chosen})


def by_path_only(target: str, _form: dict[str, str]) -> Any:
    return NO_USER if "?" not in target else user()


def test_what_is_left_comes_with_the_time_at_the_portal() -> None:
    """8.22, T2: its clock may be wrong, and then only the distance counts."""
    told = {"limit": "2000", "remaining": 1900, "reset": "1772456400", "formatted_reset": ""}
    portal = Portal(ratelimit=httpx.Response(200, json=told, headers={"Date": "Mon, 02 Mar 2026 12:00:00 GMT"}))

    allowance = portal.gateway.allowance()

    assert allowance == Allowance(2000, 1900, NOON + timedelta(hours=1))
    assert allowance.told_at == NOON


def test_a_portal_may_keep_the_time_to_itself() -> None:
    portal = Portal(ratelimit={"limit": "2000", "remaining": 1900, "reset": "1772456400", "formatted_reset": ""})
    assert portal.gateway.allowance().told_at is None


def test_calls_that_are_under_way_together_are_made_for_what_their_caller_makes_them_for() -> None:
    """D27: the budget is asked in the pool's threads, and still knows whether it is a leaver or a sweep."""
    purpose: ContextVar[str] = ContextVar("purpose", default="nothing")
    heard: list[str] = []
    portal = Portal(users=NO_USER, at_once=4, budget=lambda: heard.append(purpose.get()))

    purpose.set("a leaver")
    portal.gateway.find_users("username", [f"user{n}" for n in range(8)])

    assert heard == ["a leaver"] * 8


# Looking people up


def test_an_address_that_a_path_does_not_find_is_asked_for_again() -> None:
    """8.4: before anybody is made for it."""
    portal = Portal(users=by_path_only)
    assert [found.user_id for found in portal.gateway.find_users("email", ["Ann.Lee@example.org"])] == ["7"]
    assert portal.actions() == ["users", "users"]


def test_other_look_ups_cost_one_call_per_value() -> None:
    portal = Portal(users=NO_USER, getusersbycustomfield=[], key_field="custom_field_1")
    portal.gateway.find_users("username", ["ann", "bob", "ann"])
    portal.gateway.find_users("user_id", ["7", "8"])
    portal.gateway.find_users("external_key", ["E-1", "E-2"])
    assert Counter(portal.actions()) == {"users": 4, "getusersbycustomfield": 2}


@pytest.mark.parametrize(("by", "value"), [("user_id", "BC-77"), ("user_id", ""), ("email", " "), ("username", "a\0b")])
def test_what_nobody_can_have_costs_no_call(by: Any, value: str) -> None:
    """R140."""
    portal = Portal()
    assert portal.gateway.find_users(by, [value]) == []
    assert portal.asked == []


@pytest.mark.parametrize(
    ("by", "value", "told"),
    [("user_id", "7", ("7", "", "")), ("email", "a@x.org", ("", "", "a@x.org")), ("username", "bob", ("", "bob", ""))],
)
def test_somebody_deleted_is_found_as_that_and_hides_nobody_else(by: Any, value: str, told: tuple[str, ...]) -> None:
    """8.14, R141: neither a miss nor a failure of the whole look-up."""
    other = {"user_id": "8", "email": "Ann.Lee@example.org", "username": "ann.lee"}[by]
    portal = Portal(users=lambda target, _form: REMOVED if value in target else user("8"))
    removed, found = portal.gateway.find_users(by, [value, other])
    assert (removed.user_id, removed.username, removed.email) == told
    assert (removed.removed, removed.protected, found.user_id) == (True, True, "8")


@pytest.mark.parametrize(("by", "value"), [("user_id", "8"), ("email", "bob@example.org"), ("username", "bob")])
def test_an_answer_about_somebody_else_holds_everything(by: Any, value: str) -> None:
    """8.8, D17."""
    with pytest.raises(HoldIntegration, match="wrong_answers"):
        Portal(users=user()).gateway.find_users(by, [value])


def test_another_spelling_is_a_find_only_where_any_is_wanted() -> None:
    portal = Portal(users=user())
    assert portal.gateway.find_users("email", ["ann.lee@example.org"]) == []
    assert len(portal.gateway.find_by_email_any_case("ANN.LEE@example.org")) == 1
    assert len(portal.gateway.find_users("email", ["ann.lee@example.org", "Ann.Lee@example.org"])) == 1


def test_a_portal_that_minds_case_is_asked_in_lower_case_too() -> None:
    portal = Portal(users=lambda target, _form: user(email="bob@example.org") if "bob" in target else NO_USER)
    assert len(portal.gateway.find_by_email_any_case("Bob@example.org")) == 1


def test_one_trouble_fails_the_look_up_as_a_whole() -> None:
    portal = Portal(users=lambda target, _form: httpx.Response(502) if "bob" in target else NO_USER)
    with pytest.raises(LmsUnavailable, match="lms_server_error"):
        portal.gateway.find_users("username", ["ann", "bob"])


@pytest.mark.parametrize("user_type", ["SuperAdmin", "Admin-Type", "Site administrators"])
def test_whoever_is_called_an_administrator_is_protected(user_type: str) -> None:
    """S15."""
    [found] = Portal(users=user(user_type=user_type)).gateway.find_users("user_id", ["7"])
    assert found.protected


# Making people


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"username": " "}, "username_invalid"),
        ({"username": "a" * 192}, "username_invalid"),
        ({"email": "no address"}, "email_invalid"),
        ({"first_name": ""}, "text_invalid"),
        ({"last_name": "L" * 51}, "value_too_long"),
        ({"password": "Short1"}, "password_weak"),
        ({"password": "Long1" * 7}, "password_weak"),
        ({"password": "nocapital1"}, "password_weak"),
        ({"password": "NOSMALL1"}, "password_weak"),
        ({"password": "NoDigits"}, "password_weak"),
        ({"custom": {"job_title": "x"}}, "text_invalid"),
        ({"custom": {"custom_field_1": "\ud800"}}, "text_invalid"),
    ],
)
def test_what_the_portal_would_refuse_is_not_sent(wrong: dict[str, Any], code: str) -> None:
    """8.20."""
    portal = Portal()
    new = NewUser(**{**{name: getattr(ANN, name) for name in NewUser.__slots__}, **wrong})
    assert failed(portal.gateway.create_users([new])[0]) == (NeedsAttention, code)
    assert portal.asked == []


def test_somebody_without_a_password_gets_one_that_nobody_knows() -> None:
    """R67: the portal mails none; the person asks for one at the login."""
    portal = Portal(usersignup=user())
    new = NewUser("ann.lee", "ann.lee@example.org", "Ann", "Lee", "E-1")
    assert portal.gateway.create_users([new]) == [Done("7")]
    [form] = portal.forms("usersignup")
    assert is_strong(form["password"])
    assert len({random_password() for _ in range(100)}) == 100
    assert all(map(is_strong, (random_password() for _ in range(1000))))


def test_the_key_and_custom_fields_go_with_the_signup_as_the_portal_writes_them() -> None:
    """R33, R34: a checkbox is on or off, a date a day of the portal's own format."""
    fields = [field("custom_field_1"), field("custom_field_2", "checkbox"), field("custom_field_3", "date")]
    site = {"total_users": "1", "total_courses": "1", "date_format": "MMDDYYYY"}
    portal = Portal(usersignup=user(), getcustomregistrationfields=fields, siteinfo=site, key_field="custom_field_1")
    seconds = str(int(datetime(2026, 12, 31, tzinfo=UTC).timestamp()))
    new = NewUser(
        "a", "ann.lee@example.org", "Ann", "Lee", "E-1", custom={"custom_field_2": "0", "custom_field_3": seconds}
    )
    portal.gateway.create_users([new])
    [form] = portal.forms("usersignup")
    assert {name: form[name] for name in form if name.startswith("custom")} == {
        "custom_field_1": "E-1",
        "custom_field_2": "off",
        "custom_field_3": "12/31/2026",
    }


def test_no_mail_goes_out_to_an_address_that_nobody_reads() -> None:
    """R63."""
    portal = Portal(usersignup=lambda _target, form: user(email=form["email"]))
    for address in ("8001.7@undeliverable.hr.example.org", "ann@example.org"):
        portal.gateway.create_users([NewUser("ann", address, "Ann", "Lee", "E-1", password="Invented1")])
    assert [form.get("restrict_email") for form in portal.forms("usersignup")] == ["on", None]


@pytest.mark.parametrize("supplied", [{"custom_field_1": "x"}, {}])
def test_a_mandatory_field_of_the_main_domain_must_be_supplied(supplied: dict[str, str]) -> None:
    """8.20: one of a branch only is asked of nobody here."""
    branch = {"mandatory": "yes", "selective_availability": "yes", "main_domain_availability": "no"}
    fields = [field("custom_field_1", mandatory="yes"), field("custom_field_2", **branch)]
    portal = Portal(usersignup=user(), getcustomregistrationfields=fields)
    new = NewUser("a", "ann.lee@example.org", "Ann", "Lee", "E-1", custom=supplied)
    [outcome] = portal.gateway.create_users([new])
    assert isinstance(outcome, Done) is bool(supplied)


def test_a_refused_signup_looks_at_the_fields_anew() -> None:
    portal = Portal(usersignup=refused("Something else is wanted"))
    for _ in range(2):
        portal.gateway.create_users([ANN])
    assert portal.actions() == ["getcustomregistrationfields", "usersignup"] * 2


@pytest.mark.parametrize(
    "answer", [refused("The user limit was reached"), httpx.Response(500), refused("Invalid API Key provided", 401)]
)
def test_somebody_made_who_cannot_be_activated_is_to_be_looked_up(answer: httpx.Response) -> None:
    """8.19: the account exists, so nothing else would be true."""
    portal = Portal(usersignup=user(status="inactive"), usersetstatus=answer)
    assert failed(portal.gateway.create_users([ANN])[0])[0] is UnknownOutcome


def test_a_signup_answered_about_somebody_else_is_in_doubt() -> None:
    portal = Portal(usersignup=user(email="bob@example.org"))
    assert failed(portal.gateway.create_users([ANN])[0]) == (UnknownOutcome, "lms_unexpected_answer")


# Changing people


def touched(portal: Portal) -> list[str]:
    return [action for action in portal.actions() if action in ("edituser", "usersetstatus")]


def portal_of(told: Any = None, **answers: Any) -> Portal:
    def status(target: str, _form: dict[str, str]) -> dict[str, str]:
        return {"user_id": "7", "status": target.rpartition(":")[2]}

    return Portal(**{"users": told or user(), "edituser": user(), "usersetstatus": status, **answers})


def test_a_leaver_is_shut_out_before_anything_else_and_a_returner_let_in_last() -> None:
    """R55: whatever becomes of the rest."""
    leaving, coming = portal_of(), portal_of()
    assert change(leaving, suspended=True, last_name="Berg") == Done(None)
    assert change(coming, suspended=False, last_name="Berg") == Done(None)
    assert touched(leaving) == ["usersetstatus", "edituser"]
    assert touched(coming) == ["edituser", "usersetstatus"]
    assert leaving.targets("usersetstatus") == ["usersetstatus/user_id:7,status:inactive"]


def test_a_leaver_whose_address_is_taken_is_shut_out_all_the_same() -> None:
    portal = portal_of(edituser=refused("A user with the same email address already exists"))
    assert failed(change(portal, suspended=True, email="bob@example.org")) == (NeedsAttention, "email_taken")
    assert touched(portal) == ["usersetstatus", "edituser"]


@pytest.mark.parametrize(
    ("told", "code"),
    [(user(user_type="SuperAdmin"), "user_protected"), (REMOVED, "user_soft_deleted"), (NO_USER, "user_gone")],
)
def test_whoever_must_not_be_touched_is_not(told: Any, code: str) -> None:
    """S15: also when a linked learner has become an administrator since."""
    portal = portal_of(told)
    assert failed(change(portal, suspended=True)) == (NeedsAttention, code)
    assert touched(portal) == []


def test_a_key_that_the_portal_has_no_place_for_costs_no_call() -> None:
    portal = portal_of()
    assert change(portal, external_key="E-9") == Done(None)
    assert portal.asked == []


def test_a_key_goes_into_its_field() -> None:
    portal = portal_of(key_field="custom_field_1")
    assert change(portal, external_key="E-9") == Done(None)
    assert portal.forms("edituser") == [{"user_id": "7", "custom_field_1": "E-9"}]


def test_custom_fields_are_written_as_the_portal_has_them_and_may_be_cleared() -> None:
    fields = [field("custom_field_2", "checkbox"), field("custom_field_3", "date"), field("custom_field_4")]
    portal = portal_of(getcustomregistrationfields=fields)
    change(portal, custom__custom_field_2="1", custom__custom_field_3="", custom__custom_field_4="Depot 7")
    [form] = portal.forms("edituser")
    assert form == {"user_id": "7", "custom_field_2": "on", "custom_field_3": "", "custom_field_4": "Depot 7"}


@pytest.mark.parametrize("answers", [{"edituser": user("8")}, {"usersetstatus": {"user_id": "7", "status": "active"}}])
def test_a_change_answered_otherwise_is_in_doubt(answers: dict[str, Any]) -> None:
    outcome = change(portal_of(**answers), suspended=True, last_name="Berg")
    assert failed(outcome) == (UnknownOutcome, "lms_unexpected_answer")


# Enrolling and joining


@pytest.mark.parametrize("role", ["5", "tutor", ""])
def test_a_role_that_the_portal_does_not_have_is_not_sent(role: str) -> None:
    portal = Portal()
    assert failed(portal.gateway.enrol([enrolment(role=role)])[0]) == (NeedsAttention, "role_not_assignable")
    assert portal.asked == []


def test_tutors_are_instructors() -> None:
    portal = Portal(addusertocourse=[{"user_id": "7", "course_id": "37", "role": "instructor"}])
    assert portal.gateway.enrol([enrolment(role="instructor")]) == [Done(None)]


@pytest.mark.parametrize("answer", [[], [{"user_id": "8"}], [{"user_id": "7"}] * 2, {"message": "done"}])
def test_an_enrolment_answered_otherwise_is_in_doubt(answer: Any) -> None:
    portal = Portal(addusertocourse=answer)
    assert failed(portal.gateway.enrol([enrolment()])[0]) == (UnknownOutcome, "lms_unexpected_answer")


@pytest.mark.parametrize("chosen", [{"user_id": "x"}, {"course_id": "126a"}, {"course_id": ""}])
def test_what_is_no_id_is_not_sent(chosen: dict[str, str]) -> None:
    """R120."""
    portal = Portal()
    assert failed(portal.gateway.enrol([enrolment(**chosen)])[0]) == (NeedsAttention, "lms_id_invalid")
    pair = Pair(chosen.get("user_id", "7"), chosen.get("course_id", "37"))
    assert failed(portal.gateway.standings([pair])[0]) == (NeedsAttention, "lms_id_invalid")
    assert portal.asked == []


@pytest.mark.parametrize("key", ["", " "])
def test_an_empty_key_is_no_groups(key: str) -> None:
    portal = Portal()
    assert failed(portal.gateway.join([Membership("7", "37", key)])[0]) == (NeedsAttention, "group_unknown")
    assert portal.asked == []


# Several at once


def test_a_few_calls_are_under_way_at_a_time_and_never_more() -> None:
    """Section 6: one portal, one limit; several batches share it."""
    under_way, most, lock, gate = 0, 0, threading.Lock(), threading.Barrier(AT_ONCE, timeout=10)

    def answer(_target: str, _form: dict[str, str]) -> Any:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        gate.wait()
        with lock:
            under_way -= 1
        return refused("The requested user is not enrolled in this course")

    portal = Portal(getuserstatusincourse=answer, at_once=AT_ONCE)
    pairs = [Pair(str(number), "2") for number in range(8)]
    batches = [threading.Thread(target=portal.gateway.standings, args=(pairs,)) for _ in range(2)]
    for batch in batches:
        batch.start()
    for batch in batches:
        batch.join()
    assert most == AT_ONCE


def test_what_concerns_one_person_keeps_its_order() -> None:
    """However many calls are under way."""
    portal = portal_of(at_once=AT_ONCE, addusertocourse=[{"user_id": "7"}], addusertogroup={"user_id": "7"})
    names = [f"Lee {number}" for number in range(40)]
    portal.gateway.update_users([UserChange("7", {"last_name": name}) for name in names])
    portal.gateway.enrol([enrolment(course_id=str(number)) for number in range(40)])
    portal.gateway.join([Membership("7", "37", f"G{number}") for number in range(40)])
    assert [form["last_name"] for form in portal.forms("edituser")] == names
    assert [form["course_id"] for form in portal.forms("addusertocourse")] == [str(number) for number in range(40)]
    assert portal.targets("addusertogroup") == [f"addusertogroup/user_id:7,group_key:G{number}" for number in range(40)]


def test_after_a_refused_key_nothing_more_is_sent() -> None:
    """E1."""
    portal = Portal(addusertocourse=refused("Invalid API Key provided", 401))
    outcomes = portal.gateway.enrol([enrolment(user_id=str(number)) for number in range(50)])
    assert {failed(outcome) for outcome in outcomes} == {(HoldIntegration, "token_refused")}
    assert len(portal.asked) == 1


def test_after_a_lost_answer_the_others_are_not_in_doubt() -> None:
    """D5."""

    def lost(_target: str, _form: dict[str, str]) -> Any:
        raise httpx.ReadTimeout("lost")

    portal = Portal(addusertocourse=lost)
    outcomes = portal.gateway.enrol([enrolment(user_id=str(number)) for number in range(3)])
    assert [failed(outcome)[0] for outcome in outcomes] == [UnknownOutcome, LmsUnavailable, LmsUnavailable]
    assert len(portal.asked) == 1


# Lists, fields and results


@pytest.mark.parametrize("ignored", [False, True])
def test_lists_are_read_page_by_page_also_where_pages_are_ignored(ignored: bool) -> None:
    """8.24."""
    rows = [{"id": str(number), "name": f"Course {number}"} for number in range(PAGE_SIZE + 3)]

    def page(target: str, _form: dict[str, str]) -> Any:
        number = int(target.rpartition(":")[2])
        return rows if ignored else rows[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]

    portal = Portal(courses=page)
    assert len(portal.gateway.courses()) == PAGE_SIZE + 3
    assert portal.targets("courses") == [f"courses/page_size:1000,page_number:{number}" for number in (1, 2)]


def test_a_courses_fields_come_by_their_kind() -> None:
    """R38."""
    course = {
        "id": "2",
        "name": "A",
        "custom_field_1": "on",
        "custom_field_2": "02/03/2026",
        "custom_field_3": "x &amp; y",
    }
    kinds = [field("custom_field_1", "checkbox"), field("custom_field_2", "date"), field("custom_field_3")]
    site = {"total_users": "1", "total_courses": "1", "date_format": "DDMMYYYY"}
    portal = Portal(courses=[{**course, "custom_field_4": None}], getcustomcoursefields=kinds, siteinfo=site)
    [found] = portal.gateway.courses()
    assert found.custom == {
        "custom_field_1": True,
        "custom_field_2": datetime(2026, 3, 2, tzinfo=UTC),
        "custom_field_3": "x & y",
    }


def test_definitions_are_asked_for_once_and_anew_at_a_discovery() -> None:
    told = user(custom_field_1="x")
    portal = Portal(users=told, getcustomcoursefields=[])
    for _ in range(3):
        portal.gateway.find_users("user_id", ["7"])
    portal.gateway.fields([])
    assert Counter(portal.actions())["getcustomregistrationfields"] == 2


def news(user_id: str, minutes: int) -> dict[str, str]:
    at = int((NOON + timedelta(minutes=minutes)).timestamp())
    return {"user_id": user_id, "unix_timestamp": str(at), "object_id": "-"}


def test_four_kinds_of_news_are_read_and_old_ones_left_out() -> None:
    """9.5: people are named for certain; the course is not."""
    kinds = iter([[news("7", 2), news("8", 0)], [news("9", 1)], [], [{**news("-", 3)}]])
    portal = Portal(gettimeline=lambda _target, _form: next(kinds))
    told = portal.gateway.regraded(NOON)
    assert (told.user_ids, told.newest) == (frozenset({"7", "9"}), NOON + timedelta(minutes=3))
    assert told.complete
    assert len(portal.targets("gettimeline/event_type:unitprogress_")) == 4


@pytest.mark.parametrize(("since", "complete"), [(None, False), (-1, False), (0, True), (5, True)])
def test_news_beyond_the_latest_two_hundred_are_missed_and_that_is_said(since: int | None, complete: bool) -> None:
    """9.5."""
    portal = Portal(gettimeline=[news("7", number) for number in reversed(range(200))])
    told = portal.gateway.regraded(None if since is None else NOON + timedelta(minutes=since))
    assert told.complete is complete


def test_what_is_known_never_goes_back_in_time() -> None:
    portal = Portal(gettimeline=[news("7", -60)])
    assert portal.gateway.regraded(NOON).newest == NOON


def test_a_report_is_unknown_without_a_call() -> None:
    portal = Portal()
    with pytest.raises(NeedsAttention, match="report_unknown"):
        portal.gateway.report_page("1", 0)
    assert portal.asked == []


def test_a_roster_of_another_course_holds_everything() -> None:
    """D17."""
    with pytest.raises(HoldIntegration, match="wrong_answers"):
        Portal(courses={"id": "38", "users": [], "units": []}).gateway.roster("37")


@pytest.mark.parametrize("answer", [{"id": "37", "units": []}, {"id": "37", "users": None, "units": []}])
def test_a_roster_without_its_people_is_not_read_as_empty(answer: dict[str, Any]) -> None:
    """Everybody would look unenrolled."""
    with pytest.raises(LmsUnavailable, match="lms_unexpected_answer"):
        Portal(courses=answer).gateway.roster("37")


@pytest.mark.parametrize("word", ["Completed", "completed", "PASSED", " passed "])
@pytest.mark.parametrize("other", ["Failed", "Incomplete", "Not completed", ""])
def test_states_are_compared_without_regard_to_case_over_two_words(word: str, other: str) -> None:
    """8.12."""
    units = [{"id": "1", "completion_status": word}, {"id": "2", "completion_status": other}]
    portal = Portal(getuserstatusincourse={"completion_status": other, "units": units})
    [outcome] = portal.gateway.standings([Pair("7", "37")])
    assert isinstance(outcome, Done)
    assert outcome.value is not None
    assert [unit.completed for unit in outcome.value.units] == [True, False]
    assert [unit.status for unit in outcome.value.units] == [word, other]
    assert not outcome.value.completed


def test_days_begin_in_the_portals_zone() -> None:
    """R34, 8.11."""
    days = Days("YYYYMMDD", ZoneInfo("Australia/Sydney"))
    begun = days.read("2026/03/02")
    assert begun == datetime(2026, 3, 1, 13, tzinfo=UTC)
    assert days.written(str(int(begun.timestamp()))) == "2026/03/02"
