"""What the gateway asks, how often, and what it makes of answers no simulated site gives."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from domain.errors import HoldIntegration, LmsUnavailable, NeedsAttention, TransientFailure, UnknownOutcome
from domain.lms import Done, Failed, LmsEnrolment, NewUser, Outcome, Pair, UserChange
from lms.moodle import MANY_OF_A_COURSE, NEEDED_FUNCTIONS, MoodleGateway
from runtime.secrets import Secret

Form = dict[str, str]
STATUS, GRADES = "core_completion_get_course_completion_status", "gradereport_user_get_grade_items"
USERS_COURSES, GET_USERS, LOOK_UP = (
    "core_enrol_get_users_courses",
    "core_user_get_users",
    "core_user_get_users_by_field",
)
SITE_INFO, COURSES, CREATE = "core_webservice_get_site_info", "core_course_get_courses", "core_user_create_users"
UPDATE, ENROL, REPORT = "core_user_update_users", "enrol_manual_enrol_users", "core_reportbuilder_retrieve_report"
COMPLETE = {"completionstatus": {"completed": True, "completions": []}}
INFO = {"siteurl": "https://academy.example", "sitename": "Academy", "userid": 3, "functions": []}


class Answers:
    """A site that answers by rule and remembers what it was asked."""

    def __init__(self, **rules: Callable[[Form], Any] | Any) -> None:
        self.asked: list[tuple[str, Form]] = []
        self._rules = {SITE_INFO: INFO, **rules}
        client = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.gateway = MoodleGateway(client, "https://academy.example/", Secret("t"))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        form = dict(httpx.QueryParams(request.content.decode()))
        function = form["wsfunction"]
        self.asked.append((function, form))
        rule = self._rules[function]
        answer = rule(form) if callable(rule) else rule
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, content=json.dumps(answer))

    def calls(self) -> Counter[str]:
        return Counter(function for function, _ in self.asked)


def refused(errorcode: str) -> dict[str, str]:
    return {"exception": "moodle_exception", "errorcode": errorcode}


def graded(form: Form) -> Any:
    users = range(1, 60) if form["userid"] == "0" else [int(form["userid"])]
    return {"usergrades": [{"courseid": 2, "userid": user, "gradeitems": total(user)} for user in users]}


def total(grade: float) -> list[dict[str, Any]]:
    return [{"itemtype": "mod", "graderaw": 1}, {"itemtype": "course", "graderaw": grade}]


def pairs(count: int) -> list[Pair]:
    return [Pair(str(number), "2") for number in range(1, count + 1)]


def grades_of(outcomes: Any) -> list[Decimal | None]:
    return [outcome.value.grade for outcome in outcomes]


def failed(outcome: Outcome[Any]) -> tuple[type[Exception], str]:
    assert isinstance(outcome, Failed)
    return type(outcome.failure), outcome.failure.code


def test_a_few_grades_of_a_course_are_asked_one_by_one() -> None:
    """Contract, section 11: a whole course costs what a ninth of its learners cost singly."""
    site = Answers(**{STATUS: COMPLETE, GRADES: graded})
    assert grades_of(site.gateway.completions(pairs(MANY_OF_A_COURSE))) == list(range(1, MANY_OF_A_COURSE + 1))
    assert site.calls() == {STATUS: MANY_OF_A_COURSE, GRADES: MANY_OF_A_COURSE}


def test_many_grades_of_a_course_are_asked_at_once() -> None:
    site = Answers(**{STATUS: COMPLETE, GRADES: graded})
    assert grades_of(site.gateway.completions(pairs(40))) == list(range(1, 41))
    assert site.calls() == {STATUS: 40, GRADES: 1}


def test_learners_missing_in_the_whole_course_are_asked_singly() -> None:
    """Contract, section 8.4: enrolments outside the graded roles are missing there."""
    site = Answers(**{STATUS: COMPLETE, GRADES: graded})
    assert grades_of(site.gateway.completions(pairs(61))) == list(range(1, 62))
    assert site.calls()[GRADES] == 1 + 2


@pytest.mark.parametrize("answer", ["[" * 9, httpx.Response(504), refused("errorcoursecontextnotvalid")])
def test_a_course_too_large_for_one_answer_is_asked_singly(answer: Any) -> None:
    site = Answers(**{STATUS: COMPLETE, GRADES: lambda form: answer if form["userid"] == "0" else graded(form)})
    assert grades_of(site.gateway.completions(pairs(25))) == list(range(1, 26))
    assert site.calls()[GRADES] == 26


def test_grades_are_exact_and_may_be_missing() -> None:
    items = {"1": total(66.66667), "2": [], "3": [{"itemtype": "course", "graderaw": None}]}
    site = Answers(
        **{
            STATUS: COMPLETE,
            GRADES: lambda form: {
                "usergrades": [{"courseid": 2, "userid": int(form["userid"]), "gradeitems": items[form["userid"]]}]
            },
        }
    )
    assert grades_of(site.gateway.completions(pairs(3))) == [Decimal("66.66667"), None, None]


def test_only_fulfilled_criteria_date_a_completion() -> None:
    """Contract, section 8.1: with "any of", others may be open, or undone again."""
    criteria = [(True, 1000), (True, 2000), (False, 3000), (True, None), (False, None)]
    told = [{"type": 4, "complete": complete, "timecompleted": at} for complete, at in criteria]
    site = Answers(**{STATUS: {"completionstatus": {"completed": True, "completions": told}}, GRADES: graded})
    [outcome] = site.gateway.completions(pairs(1))
    assert isinstance(outcome, Done)
    assert outcome.value is not None
    assert outcome.value.completed_at == datetime.fromtimestamp(2000, UTC)
    assert outcome.value.evidence == {"source": "completion_status", "criteria": told}


def test_a_lasting_conflict_of_an_enrolment_did_nothing() -> None:
    """Contract, sections 4.1 and 9: one transaction, and an upsert that may simply be sent again."""
    site = Answers(**{ENROL: refused("dmlwriteexception")})
    outcomes = site.gateway.enrol([LmsEnrolment(user, "2", "5", None, None, suspended=False) for user in ("7", "8")])
    assert {failed(outcome) for outcome in outcomes} == {(TransientFailure, "lms_conflict")}
    assert site.calls() == {ENROL: 3}


def test_open_pairs_cost_no_grade() -> None:
    site = Answers(**{STATUS: {"completionstatus": {"completed": False, "completions": []}}})
    assert site.gateway.completions(pairs(2)) == [Done(None), Done(None)]
    assert site.calls() == {STATUS: 2}


def test_a_completed_pair_without_its_grade_is_not_told_as_graded_nothing() -> None:
    site = Answers(**{STATUS: COMPLETE, GRADES: refused("nopermissions")})
    assert failed(site.gateway.completions(pairs(1))[0]) == (HoldIntegration, "right_missing")


def test_a_refusal_ends_asking_pair_by_pair() -> None:
    """E1."""
    site = Answers(**{STATUS: refused("invalidtoken")})
    outcomes = site.gateway.completions(pairs(50))
    assert {failed(outcome) for outcome in outcomes} == {(HoldIntegration, "token_refused")}
    assert site.calls() == {STATUS: 1}


def test_facts_about_pairs_are_told_pair_by_pair() -> None:
    """Contract, section 8.1: lasting facts, and no failure to retry."""
    facts = {
        "1": "nocriteriaset",
        "2": "cannotviewreport",
        "3": "usernotenroled",
        "4": "invalidrecord",
        "5": "invaliduser",
    }
    site = Answers(**{STATUS: lambda form: refused(facts[form["userid"]])})
    outcomes = [*site.gateway.completions(pairs(5)), *site.gateway.completions([Pair("x", "2")])]
    told = [failed(outcome) for outcome in outcomes]
    assert told == [
        (NeedsAttention, "no_completion_criteria"),
        (NeedsAttention, "completion_off"),
        (NeedsAttention, "not_actively_enrolled"),
        (NeedsAttention, "course_unknown"),
        (NeedsAttention, "user_gone"),
        (NeedsAttention, "lms_id_invalid"),
    ]


def test_one_broken_page_does_not_hide_other_users() -> None:
    """G13."""
    site = Answers(**{USERS_COURSES: lambda form: httpx.Response(500) if form["userid"] == "2" else []})
    outcomes = site.gateway.course_progress(["1", "2", "3"])
    assert [type(outcome) for outcome in outcomes] == [Done, Failed, Done]
    assert all(form["returnusercount"] == "0" for _, form in site.asked)


def test_a_search_that_became_wider_is_not_believed() -> None:
    """Contract, section 3.4: a dropped criterion finds anybody."""
    site = Answers(**{GET_USERS: {"users": [], "warnings": [{"warningcode": "invalidfieldparameter"}]}})
    with pytest.raises(LmsUnavailable, match="lms_unexpected_answer"):
        site.gateway.find_by_email_any_case("ann@example.org")


def record(user_id: int, **fields: Any) -> dict[str, Any]:
    names = {"username": f"u{user_id}", "firstname": "A", "lastname": "B", "email": f"u{user_id}@example.org"}
    return {"id": user_id, **names, **fields}


def test_a_search_by_address_that_brings_somebody_else_stops_the_integration() -> None:
    """D17."""
    site = Answers(**{GET_USERS: {"users": [record(8)], "warnings": []}})
    with pytest.raises(HoldIntegration, match="wrong_answers"):
        site.gateway.find_by_email_any_case("ann@example.org")


def test_other_spellings_that_a_lax_database_finds_are_left_out() -> None:
    """D17: MySQL compares without case and accents; that is no mix-up, and no match either."""
    found = [
        record(8, idnumber="e-1"),
        record(9, idnumber="É-1"),
        record(10, idnumber="E-1 "),
        record(11, idnumber="E-1"),
    ]
    site = Answers(**{LOOK_UP: found})
    assert [user.user_id for user in site.gateway.find_users("external_key", ["E-1"])] == ["11"]


def test_the_token_asks_who_it_is_once() -> None:
    site = Answers(**{LOOK_UP: [record(3), record(8)]})
    for _ in range(3):
        users = site.gateway.find_users("user_id", ["3", "8"])
    assert [user.protected for user in users] == [True, False]
    assert site.calls() == {LOOK_UP: 3, SITE_INFO: 1}


def test_a_warning_is_matched_to_the_user_it_names() -> None:
    site = Answers(**{UPDATE: {"warnings": [{"itemid": 8, "warningcode": "dmlwriteexception"}]}})
    outcomes = site.gateway.update_users([UserChange("7", {"last_name": "x"}), UserChange("8", {"last_name": "y"})])
    assert outcomes[0] == Done(None)
    assert isinstance(outcomes[1], Failed)
    assert outcomes[1].failure.code == "lms_conflict"


@pytest.mark.parametrize("errorcode", ["dmlwriteexception", "dmlreadexception", "codingerror", ""])
def test_an_exception_of_an_update_does_not_prove_that_nothing_was_applied(errorcode: str) -> None:
    """Contract, section 3.2."""
    site = Answers(**{UPDATE: refused(errorcode)})
    assert failed(site.gateway.update_users([UserChange("7", {"last_name": "x"})])[0])[0] is UnknownOutcome


def test_a_value_that_update_refuses_as_a_whole_was_not_applied() -> None:
    """Contract, section 3.2: parameters are checked before anything is done."""
    site = Answers(**{UPDATE: refused("invalidparameter")})
    assert failed(site.gateway.update_users([UserChange("7", {})])[0]) == (NeedsAttention, "lms_rejected")


def test_enrolments_of_one_pair_never_share_a_call() -> None:
    site = Answers(**{ENROL: None})
    first = LmsEnrolment("7", "2", "5", None, None, suspended=False)
    second = LmsEnrolment("7", "2", "4", None, None, suspended=True)
    assert site.gateway.enrol([first, second]) == [Done(None), Done(None)]
    assert [form["enrolments[0][roleid]"] for _, form in site.asked] == ["5", "4"]


def test_the_report_fixes_language_and_time_zone() -> None:
    headers = ["ID number", "Course ID number", "Completed", "Time completed"]
    site = Answers(**{REPORT: {"data": {"headers": headers, "rows": [], "totalrowcount": 0}}})
    assert site.gateway.report_page("3", 2).last
    [(_, form)] = site.asked
    assert (form["page"], form["perpage"], form["reportid"]) == ("2", "1000", "3")
    assert (form["moodlewssettingtimezone"], form["moodlewssettinglang"]) == ("UTC", "en")


def test_courses_are_asked_for_raw() -> None:
    """Contract, section 1: texts come escaped otherwise."""
    site = Answers(**{COURSES: []})
    assert site.gateway.courses() == []
    assert site.asked[0][1]["moodlewssettingraw"] == "1"


def test_no_function_makes_or_deletes_what_is_not_ours() -> None:
    """R3: no course is ever made; nothing is deleted or unenrolled."""
    words = ("create_courses", "delete", "unenrol", "update_courses")
    assert not [name for name in NEEDED_FUNCTIONS if any(word in name for word in words)]


def test_no_password_is_shown_and_none_is_sent_unless_given() -> None:
    """S5."""
    site = Answers(**{CREATE: [{"id": 9, "username": "ann"}]})
    given = NewUser("ann", "ann@example.org", "Ann", "Lee", "E-1", password="Invented-1!")
    assert site.gateway.create_users([given]) == [Done("9")]
    assert "Invented-1!" not in repr(given)
    assert site.asked[0][1]["users[0][password]"] == "Invented-1!"
