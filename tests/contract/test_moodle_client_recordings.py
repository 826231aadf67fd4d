"""The client against every recorded answer of real sites, versions 4.2, 4.4 and 4.5."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from domain.errors import (
    HoldIntegration,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
    UnknownOutcome,
)
from domain.lms import Done, Failed, LmsEnrolment, LmsUser, NewUser, Pair, ReportedSpan, UserChange
from lms import moodle_answers as shapes
from lms.moodle_reports import report_page, report_spans
from tests.contract.client_replay import Recording, calls_answered_by, gateway_answered_by, recording, recordings

ALL = list(recordings())
SITE = recording("4.4/site_info")
CATEGORIES = recording("4.4/categories_all")

CREATE, UPDATE, ENROL = "core_user_create_users", "core_user_update_users", "enrol_manual_enrol_users"
GROUPS, JOIN = "core_group_get_course_groups", "core_group_add_group_members"
STATUS, GRADES = "core_completion_get_course_completion_status", "gradereport_user_get_grade_items"
PARTICIPANTS = "core_enrol_get_enrolled_users"
REPORT, SITE_INFO = "core_reportbuilder_retrieve_report", "core_webservice_get_site_info"

# Every errorcode that was recorded, and what it means here (D12).
MEANING: dict[str, tuple[type[ProvisioningError], str]] = {
    "accessexception": (HoldIntegration, "access_refused"),
    "cannotviewreport": (NeedsAttention, "completion_off"),
    "codingerror": (TransientFailure, "lms_error"),
    "criteriaerror": (TransientFailure, "lms_error"),
    "dbconnectionfailed": (LmsUnavailable, "lms_database_down"),
    "dmlwriteexception": (TransientFailure, "lms_conflict"),
    "errorcoursecontextnotvalid": (NeedsAttention, "course_not_accessible"),
    "idnumbertaken": (TransientFailure, "lms_error"),
    "invalidparameter": (NeedsAttention, "lms_rejected"),
    "invalidrecord": (HoldIntegration, "function_missing"),
    "invalidtoken": (HoldIntegration, "token_refused"),
    "invaliduser": (NeedsAttention, "user_gone"),
    "invaliduserfield": (TransientFailure, "lms_error"),
    "keyalreadyset": (TransientFailure, "lms_error"),
    "nocriteriaset": (NeedsAttention, "no_completion_criteria"),
    "nopermissions": (HoldIntegration, "right_missing"),
    "registrationdisabled": (NeedsAttention, "registration_off"),
    "requireloginerror": (NeedsAttention, "course_not_accessible"),
    "sitemaintenance": (LmsUnavailable, "lms_maintenance"),
    "userdeleted": (NeedsAttention, "user_gone"),
    "usernotconfirmed": (NeedsAttention, "user_not_confirmed"),
    "usernotenroled": (NeedsAttention, "not_actively_enrolled"),
    "wsaccessusersuspended": (HoldIntegration, "service_account_suspended"),
    "wsnoinstance": (NeedsAttention, "no_manual_enrolment"),
    "wsusercannotassign": (NeedsAttention, "role_not_assignable"),
}
MEANING_IN: dict[tuple[str, str], tuple[type[ProvisioningError], str]] = {
    (ENROL, "invalidparameter"): (NeedsAttention, "course_unknown"),
    (ENROL, "codingerror"): (NeedsAttention, "user_gone"),
    (JOIN, "invalidparameter"): (NeedsAttention, "not_in_course"),
    (JOIN, "invalidrecord"): (NeedsAttention, "group_unknown"),
    (STATUS, "invalidrecord"): (NeedsAttention, "course_unknown"),
    (GRADES, "invalidrecord"): (NeedsAttention, "course_unknown"),
    (PARTICIPANTS, "invalidrecord"): (NeedsAttention, "course_unknown"),
    (REPORT, "invalidrecord"): (NeedsAttention, "report_unknown"),
}
# Every recorded answer that is no JSON: by name.
NO_JSON: dict[str, tuple[type[ProvisioningError], str]] = {
    "create_users_client_timeout": (UnknownOutcome, "lms_no_answer"),
    "err_get_uri_too_long": (NeedsAttention, "lms_rejected"),
    "err_invalid_token_xml": (HoldIntegration, "wrong_url"),
    "err_json_body": (HoldIntegration, "wrong_url"),
    "err_php_down": (LmsUnavailable, "lms_server_error"),
    "err_put": (HoldIntegration, "wrong_url"),
    "err_rest_protocol_disabled": (HoldIntegration, "webservices_off"),
    "err_webservices_disabled": (HoldIntegration, "webservices_off"),
    "err_wrong_endpoint_moodle_page": (HoldIntegration, "wrong_url"),
    "err_wrong_url": (HoldIntegration, "wrong_url"),
    "maintenance_cli": (LmsUnavailable, "lms_maintenance"),
    "site_info_xml_default": (HoldIntegration, "wrong_url"),
}
SHAPES: dict[str, TypeAdapter[Any]] = {
    SITE_INFO: shapes.SITE_INFO,
    "core_user_get_users_by_field": shapes.USERS,
    "core_user_get_users": shapes.FOUND_USERS,
    CREATE: shapes.CREATED,
    UPDATE: shapes.UPDATED,
    ENROL: shapes.NOTHING,
    GROUPS: shapes.GROUPS,
    JOIN: shapes.NOTHING,
    "core_course_get_courses": shapes.COURSES,
    "core_course_get_categories": shapes.CATEGORIES,
    "core_enrol_get_users_courses": shapes.COURSES_OF_USER,
    STATUS: shapes.COMPLETION,
    GRADES: shapes.GRADES,
    PARTICIPANTS: shapes.PARTICIPANTS,
    REPORT: shapes.REPORT,
    "auth_email_get_signup_settings": shapes.SIGNUP,
}

ADAS_PROFILE = {
    "employment_status": "Active",
    "employee_number": "1001",
    "hire_date": "1767225600",
    "payroll_enabled": "1",
}
EXCEPTIONS = [found for found in ALL if found.is_exception]
NOT_JSON = [found for found in ALL if not found.is_json]
SUCCESSES = [found for found in ALL if found.is_json and not found.is_exception and found.function in SHAPES]


def name_of(found: Recording) -> str:
    return found.name


def failure_for(found: Recording, shape: TypeAdapter[Any] | None = None) -> ProvisioningError:
    with pytest.raises(ProvisioningError) as caught:
        calls_answered_by(found).ask(found.function, {}, shape or TypeAdapter(Any))
    return caught.value


def test_the_recordings_are_there() -> None:
    """Guards the parametrised tests below against an empty folder."""
    assert (len(EXCEPTIONS), len(NOT_JSON), len(SUCCESSES)) == (284, 15, 222)


@pytest.mark.parametrize("found", EXCEPTIONS, ids=name_of)
def test_every_recorded_exception_is_what_the_table_says(found: Recording) -> None:
    """D12: by errorcode, whatever namespace the class name has."""
    errorcode = found.answer["errorcode"]
    failure = failure_for(found)
    expected = MEANING_IN.get((found.function, errorcode)) or MEANING[errorcode]
    assert (type(failure), failure.code) == expected


@pytest.mark.parametrize("found", EXCEPTIONS, ids=name_of)
def test_no_recorded_message_reaches_a_failure(found: Recording) -> None:
    """S5, D12: messages follow the site's language, and may hold somebody's data."""
    failure = failure_for(found)
    assert failure.detail == f"{found.function}: {found.answer['errorcode']}"


@pytest.mark.parametrize("found", NOT_JSON, ids=name_of)
def test_every_recorded_answer_without_json_is_what_the_table_says(found: Recording) -> None:
    """D9, D10: judged by status and content."""
    failure = failure_for(found)
    assert (type(failure), failure.code) == NO_JSON[found.name.partition("/")[2]]


@pytest.mark.parametrize("found", SUCCESSES, ids=name_of)
def test_every_recorded_success_of_a_function_we_call_is_read(found: Recording) -> None:
    shape = SHAPES[found.function]
    read = calls_answered_by(found).ask(found.function, {}, shape)
    shown = shape.dump_python(read)
    assert _contained(shown, found.answer)


@pytest.mark.parametrize("found", [f for f in SUCCESSES if f.function not in (ENROL, JOIN)], ids=name_of)
def test_null_is_a_success_of_no_function_but_enrol_and_join(found: Recording) -> None:
    """D11."""
    null = Recording(found.name, found.function, {}, 200, {}, "null", None)
    failure = failure_for(null, SHAPES[found.function])
    family = UnknownOutcome if found.function in (CREATE, UPDATE) else LmsUnavailable
    assert (type(failure), failure.code) == (family, "lms_unexpected_answer")


@pytest.mark.parametrize("function", [ENROL, JOIN])
@pytest.mark.parametrize("body", ["", "[]", "{}", '""', "true"])
def test_an_enrol_or_join_call_succeeds_with_null_only(body: str, function: str) -> None:
    """D11."""
    failure = failure_for(Recording("made up", function, {}, 200, {}, body, None), shapes.NOTHING)
    assert (type(failure), failure.code) == (UnknownOutcome, "lms_unexpected_answer")


def test_maintenance_by_command_line_says_how_long_to_wait() -> None:
    """D18."""
    failure = failure_for(recording("4.4/maintenance_cli"))
    assert isinstance(failure, LmsUnavailable)
    assert failure.retry_after == timedelta(minutes=5)


def test_a_recorded_user_is_read_with_its_key() -> None:
    gateway = gateway_answered_by(
        core_user_get_users_by_field=recording("4.4/get_users_by_field_created"), core_webservice_get_site_info=SITE
    )
    assert gateway.find_users("user_id", ["7"]) == [
        LmsUser("7", "ada.lund", "ada.lund@example.com", "E-1001", "Ada", "Lund", custom=ADAS_PROFILE)
    ]


def test_several_users_of_one_idnumber_are_all_told() -> None:
    """D21: ambiguous for people, never "take the first"."""
    found = recording("4.4/get_users_by_field_dup_idnumber")
    gateway = gateway_answered_by(core_user_get_users_by_field=found, core_webservice_get_site_info=SITE)
    users = gateway.find_users("external_key", [found.request["values[0]"]])
    assert len(users) == len(found.answer) > 1


def test_users_without_names_mean_a_missing_right() -> None:
    """E3: read as empty names, they would be corrected for ever."""
    found = recording("4.4/get_users_by_field_integration")
    gateway = gateway_answered_by(core_user_get_users_by_field=found, core_webservice_get_site_info=SITE)
    with pytest.raises(HoldIntegration, match="right_missing"):
        gateway.find_users("user_id", [str(found.answer[0]["id"])])


def test_courses_without_idnumber_mean_a_missing_right() -> None:
    """E3."""
    gateway = gateway_answered_by(
        core_course_get_courses=recording("4.4/courses_integration_user"), core_course_get_categories=CATEGORIES
    )
    with pytest.raises(HoldIntegration, match="right_missing"):
        gateway.courses()


def test_all_courses_come_with_their_codes_and_without_the_front_page() -> None:
    found = recording("4.4/courses_all")
    gateway = gateway_answered_by(core_course_get_courses=found, core_course_get_categories=CATEGORIES)
    courses = gateway.courses()
    assert len(courses) == len(found.answer) - 1
    hidden = next(course for course in courses if course.code == "HRC-1013")
    assert (hidden.course_id, hidden.short_name, hidden.visible, hidden.tracks_completion) == (
        "14",
        "TRN-013",
        False,
        True,
    )


def test_a_course_comes_with_its_category_start_and_typed_fields() -> None:
    """R38, R56, R59; contract, section 7: a menu's raw value is a place in a list, and 0 is no date."""
    found = [recording("4.4/courses_all"), recording("4.4/courses_custom_fields_unset")]
    seen = [gateway_answered_by(core_course_get_courses=one, core_course_get_categories=CATEGORIES) for one in found]
    first = next(course for course in seen[0].courses() if course.course_id == "5")
    assert (first.category_id, first.category) == ("2", "Compliance")
    assert first.starts_at == datetime(2026, 1, 5, tzinfo=UTC)
    assert first.custom == {
        "training_code": "TC4",
        "accredited_until": datetime(2027, 1, 5, tzinfo=UTC),
        "mandatory": False,
        "delivery": "Classroom",
        "audience": "<p>Audience 4</p>",
    }
    [unset] = seen[1].courses()
    assert unset.starts_at is None
    assert unset.custom == dict.fromkeys(first.custom) | {"mandatory": False}


def test_without_the_right_to_read_categories_courses_still_come() -> None:
    """The category alone is not known; everything else is."""
    refused = recording("4.4/err_function_not_in_service")
    gateway = gateway_answered_by(
        core_course_get_courses=recording("4.4/courses_all"), core_course_get_categories=refused
    )
    assert {course.category for course in gateway.courses()} == {None}


def test_the_recorded_batch_of_three_gives_three_ids_in_order() -> None:
    found = recording("4.4/create_users_ok_many")
    users = [new_user(found.request[f"users[{place}][username]"]) for place in range(3)]
    outcomes = gateway_answered_by(core_user_create_users=found).create_users(users)
    assert outcomes == [Done("8"), Done("9"), Done("10")]


def test_a_recorded_partial_update_fails_only_whom_the_warnings_name() -> None:
    """D24."""
    found = recording("4.4/update_users_batch_partial")
    changes = [UserChange(user_id, {"last_name": "Berg"}) for user_id in ("7", "999998", "8", "9")]
    outcomes = gateway_answered_by(core_user_update_users=found).update_users(changes)
    assert [outcome.failure.code if isinstance(outcome, Failed) else "done" for outcome in outcomes] == [
        "done",
        "user_gone",
        "email_taken",
        "done",
    ]


def test_a_recorded_enrolment_succeeds() -> None:
    enrolment = LmsEnrolment("7", "2", "5", datetime(2026, 1, 1, tzinfo=UTC), None, suspended=False)
    assert gateway_answered_by(enrol_manual_enrol_users=recording("4.4/enrol_ok")).enrol([enrolment]) == [Done(None)]


def test_a_recorded_completion_has_the_latest_criterions_date_and_the_course_grade() -> None:
    gateway = gateway_answered_by(
        core_completion_get_course_completion_status=recording("4.4/completion_done"),
        gradereport_user_get_grade_items=recording("4.4/grade_items_one"),
    )
    [outcome] = gateway.completions([Pair("45", "2")])
    assert isinstance(outcome, Done)
    assert outcome.value is not None
    assert outcome.value.completed_at == datetime.fromtimestamp(1795289957, UTC)
    assert outcome.value.grade == Decimal(81)


def test_criteria_met_are_no_completion_before_the_site_says_so() -> None:
    gateway = gateway_answered_by(
        core_completion_get_course_completion_status=recording("4.4/completion_before_cron_self")
    )
    assert gateway.completions([Pair("45", "2")]) == [Done(None)]


def test_the_recorded_courses_of_a_user_tell_how_far_each_is() -> None:
    """R74, R75: complete, never to be complete (no criteria, completion off), and open."""
    found = recording("4.4/users_courses_done")
    [outcome] = gateway_answered_by(core_enrol_get_users_courses=found).course_progress(["45"])
    assert isinstance(outcome, Done)
    progress = outcome.value
    assert progress.shown == {str(course["id"]) for course in found.answer}
    assert progress.completed == {str(course["id"]) for course in found.answer if course["completed"] is True} > set()
    assert progress.without_criteria == {"5", "6"}
    assert progress.finished == frozenset()


@pytest.mark.parametrize("progress", [100, 133.33])
def test_all_done_before_the_scheduled_task_is_finished_and_not_complete(progress: float) -> None:
    """R74; from 4.5 on more than 100 is told too."""
    answer = recording("4.4/users_courses_done").answer
    waiting = [course | {"completed": False, "progress": progress} for course in answer if course["completed"]]
    found = Recording("made up", "core_enrol_get_users_courses", {}, 200, {}, json.dumps(waiting), waiting)
    [outcome] = gateway_answered_by(core_enrol_get_users_courses=found).course_progress(["45"])
    assert isinstance(outcome, Done)
    assert outcome.value.finished == {str(course["id"]) for course in waiting} > set()
    assert outcome.value.completed == frozenset()


@pytest.mark.parametrize("version", ["4.4", "4.5"])
def test_the_recorded_report_gives_keys_dates_and_grades(version: str) -> None:
    found = recording(f"{version}/report_retrieve_recent")
    data = calls_answered_by(found).ask(REPORT, {}, shapes.REPORT).data
    page = report_page(data, 0, len(data.rows))
    columns = [row["columns"] for row in found.answer["data"]["rows"]]
    assert [(row.external_key, row.course_code) for row in page.rows] == [(cells[0], cells[1]) for cells in columns]
    assert all(row.completion.completed_at is not None for row in page.rows)
    assert page.rows[0].completion.grade == Decimal(columns[0][5])
    assert not page.last


@pytest.mark.parametrize("version", ["4.4", "4.5"])
def test_a_recorded_report_without_the_dates_of_enrolments_tells_none(version: str) -> None:
    """Most reports were made for results; what they do not tell is not read as "without limit"."""
    found = recording(f"{version}/report_retrieve_recent")
    assert gateway_answered_by(core_reportbuilder_retrieve_report=found).report_spans("1", 0) is None


def test_a_recorded_report_with_the_dates_of_enrolments_tells_them_all() -> None:
    found = recording("4.4/report_retrieve")
    data = calls_answered_by(found).ask(REPORT, {}, shapes.REPORT).data
    page = report_spans(data, 0, len(data.rows))
    assert page is not None
    assert len(page.spans) == len(data.rows)
    assert page.spans[0] == ReportedSpan(
        "V-002023", "HRC-1013", datetime(2026, 11, 1, 19, 42, tzinfo=UTC), datetime(2027, 10, 27, 20, 42, tzinfo=UTC)
    )


def test_a_recorded_course_tells_its_participants_with_keys_and_roles() -> None:
    """R87."""
    found = recording("4.4/enrolled_users_onlysuspended")
    page = gateway_answered_by(core_enrol_get_enrolled_users=found).participants("2", 0, active=False)
    assert [(p.user_id, p.external_key, set(p.roles)) for p in page.participants] == [
        (str(one["id"]), one.get("idnumber", ""), {str(role["roleid"]) for role in one["roles"]})
        for one in found.answer
    ]


def test_a_service_without_the_function_leaves_participants_unread() -> None:
    """E3: one function that only drift needs never holds the integration."""
    refused = recording("4.4/err_function_not_in_service")
    with pytest.raises(NeedsAttention, match="participants_unreadable"):
        gateway_answered_by(core_enrol_get_enrolled_users=refused).participants("2", 0, active=True)


def new_user(username: str) -> NewUser:
    return NewUser(username, f"{username}@example.com", "Ada", "Lund", "E-1", password="Passw0rd!x")


def _contained(shown: Any, answer: Any) -> bool:
    """Whether all that was read stands in the answer; what was absent may be filled in."""
    if isinstance(shown, dict):
        return all(_contained(value, answer[key]) for key, value in shown.items() if key in answer)
    if isinstance(shown, list):
        return len(shown) == len(answer) and all(map(_contained, shown, answer))
    return bool(shown == answer or (isinstance(shown, Decimal) and float(shown) == answer))
