"""
What each recorded exchange needs besides the site as it was in the end, and which exchanges are not replayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulators.moodle import FULL_RIGHTS, MoodleSite, add_course, enrol, grant
from simulators.moodle.enrolments import remove_enrolment
from simulators.moodle.progress import do_self, run_tasks
from simulators.moodle.state import Group
from tests.contract.simulator_scene import (
    INTEGRATION,
    LATER,
    LIMITED,
    NOT_GRANTED,
    NOW,
    SUSPENDED,
    volunteers,
    without,
)

Stage = Callable[[MoodleSite], object]

CALLED_BY_THE_PRODUCT = frozenset(
    {
        "core_webservice_get_site_info",
        "core_user_create_users",
        "core_user_update_users",
        "core_user_get_users_by_field",
        "core_user_get_users",
        "core_user_get_user_preferences",
        "enrol_manual_enrol_users",
        "enrol_manual_unenrol_users",
        "core_enrol_get_enrolled_users",
        "core_enrol_get_users_courses",
        "core_course_get_courses",
        "core_course_get_courses_by_field",
        "core_course_get_categories",
        "core_completion_get_course_completion_status",
        "core_completion_get_activities_completion_status",
        "gradereport_user_get_grade_items",
        "gradereport_overview_get_course_grades",
        "core_reportbuilder_retrieve_report",
        "core_group_create_groups",
        "core_group_add_group_members",
        "core_group_get_course_groups",
        "core_group_get_group_members",
        "core_group_delete_group_members",
        "core_role_assign_roles",
        "core_role_unassign_roles",
        "auth_email_get_signup_settings",
    }
)
NEVER_CALLED = {
    "core_cohort_": "cohorts are never called",
    "core_get_user_dates": "dates are computed here, never asked for",
    "core_course_get_enrolled_courses_by_timeline_classification": "lists the token owner's courses only; never called",
    "core_grades_get_gradeitems": "superseded by the user report; never called",
}
NOT_REPLAYED = {
    "concurrency_races": "a summary of rounds, not one request",
    "create_users_client_timeout": "no answer was recorded; a unit test of the server shows the work goes on",
    "err_get_uri_too_long": "the web server's own limit; reproduced by a fault with status 414",
    "err_php_down": "the web server's own page; reproduced by a fault with status 502",
}
OLD_RELEASE = "4.2 is not simulated: its answers differ from 4.4 in absent keys only; kept for the client's tests"


def reason_not_replayed(release: str, name: str, function: str) -> str | None:
    """Why a recording is not replayed to the simulator; None when it is."""
    if release == "4.2":
        return OLD_RELEASE
    never = next((reason for prefix, reason in NEVER_CALLED.items() if function.startswith(prefix)), None)
    return NOT_REPLAYED.get(name) or never


def user(number: int, **facts: Any) -> Stage:
    """An account as it was at another time."""
    return lambda site: site.state.change_user(site.state.users[number], **facts)


def setting(**facts: Any) -> Stage:
    """A switch of the site."""

    def change(site: MoodleSite) -> None:
        for name, value in facts.items():
            setattr(site.settings, name, value)

    return change


def token(**facts: Any) -> Stage:
    """The token as it was."""

    def change(site: MoodleSite) -> None:
        for name, value in facts.items():
            setattr(site.state.tokens["TOKEN"], name, value)

    return change


def caller(number: int) -> Stage:
    """The account behind the token."""
    return token(user=number)


def gone(*usernames: str) -> Stage:
    """Accounts not yet made."""

    def change(site: MoodleSite) -> None:
        for username in usernames:
            without(site, username)

    return change


def _task_not_run(*courses: int) -> Stage:
    """Self-completion was marked, the task had not yet made the courses complete."""

    def change(site: MoodleSite) -> None:
        for course in courses:
            site.state.progress[(45, course)].completed = None

    return change


def _spring(site: MoodleSite) -> None:
    _group(site, 10, 2, "Cohort Spring", "SPR-1")


def _summer(site: MoodleSite) -> None:
    _spring(site)
    site.state.groups[10].members = {7: None}
    _group(site, 11, 2, "Cohort Summer").description = "<p>x</p>"
    _group(site, 12, 3, "Cohort Summer")


def _group(site: MoodleSite, number: int, course: int, name: str, idnumber: str = "") -> Group:
    group = site.state.groups[number] = Group(number, course, name, idnumber=idnumber)
    site.state.ids.reach("group", number)
    return group


def _unenrolled(site: MoodleSite) -> None:
    remove_enrolment(site.state, 45, site.state.courses[4])


def _second_course_of_47(site: MoodleSite) -> None:
    do_self(site.state, 47, site.state.courses[12], LATER)
    run_tasks(site.state)


def _unset_fields(site: MoodleSite) -> None:
    seed = {"shortname": "TRN-UNSET", "fullname": "Unset fields", "category": 3, "completion": "off"}
    course = add_course(site, seed)
    course.summary_format, course.newsitems, course.numsections, course.show_conditions = 0, 1, 0, True


def _signup_fields(site: MoodleSite) -> None:
    fields = site.state.profile_fields
    for shortname in ("employment_status", "hire_date"):
        fields[shortname] = replace(fields[shortname], signup=True)


def _in_4_5(site: MoodleSite) -> None:
    """The report was recorded on 4.5 with other times and with the task having looked at everybody."""
    site.state.last_tasks = NOW - 60
    evening = 1795296660
    window = {"start": 1792704660, "end": 1797888660}
    enrol(site, 8, 2, start=evening)
    enrol(site, 7, 2, start=1767225600, end=1784505600)
    for number in (45, 46, 47):
        enrol(site, number, 2, **window)
    for course, at in ((2, evening), (3, evening), (12, evening + 60)):
        site.state.progress[(45, course)].completed = at
    site.clock = lambda: evening + 600
    site.state.last_tasks = evening + 600
    for enrolment in site.state.participants[2].values():
        enrolment.created = evening


RIGHTS = FULL_RIGHTS - NOT_GRANTED
ADA_BEFORE = {"lastname": "Lund", "department": "Finance", "city": "Oslo"}
ADA_BEFORE |= {"custom": {"employment_status": "Active", "employee_number": "1001", "hire_date": "1767225600"}}
ADA_BEFORE["custom"]["payroll_enabled"] = "1"  # type: ignore[index]
AT_MIDDAY = (user(7, city="Aa"), user(9, city="Cc"))

STAGES: dict[str, tuple[Stage, ...]] = {
    "completion_after_unenrol": (_unenrolled,),
    "completion_after_unsuspend": (lambda site: enrol(site, 49, 2),),
    "completion_before_cron_self": (_task_not_run(3),),
    "courses_by_field_integration_with_update": (lambda s: grant(s, INTEGRATION, RIGHTS | {"moodle/course:update"}),),
    "courses_custom_fields_unset": (_unset_fields,),
    "courses_integration_with_update": (lambda s: grant(s, INTEGRATION, RIGHTS | {"moodle/course:update"}),),
    "create_users_dup_email_allowed": (setting(allow_same_email=True),),
    "create_users_ok_many": (gone("bo.ek", "cy.fox", "di.gil"),),
    "create_users_ok_one": (gone("ada.lund", "gus.jay2"),),
    "create_users_at_username": (gone("kim.nye@example.com"),),
    "enrol_integration_user_editingteacher": (caller(INTEGRATION),),
    "err_database_down": (setting(database=False),),
    "err_debuginfo_dup_username": (setting(debug=True),),
    "err_debuginfo_invalidparam": (setting(debug=True),),
    "err_debuginfo_unknown_param": (setting(debug=True),),
    "err_expired_token": (token(expires=NOW - 1),),
    "err_expired_token_again": (lambda site: site.state.tokens.clear(),),
    "err_invalid_token": (lambda site: site.state.tokens.clear(),),
    "err_invalid_token_xml": (lambda site: site.state.tokens.clear(),),
    "err_ip_restricted": (token(addresses=("192.0.2.7",)),),
    "err_missing_capability_create_users": (caller(LIMITED),),
    "err_missing_capability_update_users": (caller(LIMITED),),
    "err_missing_token": (lambda site: site.state.tokens.clear(),),
    "err_no_rest_capability": (caller(5),),
    "err_rest_protocol_disabled": (setting(rest=False),),
    "err_service_disabled": (token(service_enabled=False),),
    "err_suspended_ws_user": (caller(SUSPENDED),),
    "err_user_not_authorised_for_service": (token(authorised=False),),
    "err_webservices_disabled": (setting(webservices=False),),
    "get_users_by_field_after_menu_wrong": (
        user(
            7,
            city="Aa",
            custom={
                "employee_number": "1001",
                "job_title": "Analyst",
                "hire_date": "1767225600",
                "payroll_enabled": "1",
            },
        ),
    ),
    "get_users_by_field_created": (user(7, **ADA_BEFORE),),
    "get_users_by_field_dup_idnumber": (user(7, **ADA_BEFORE),),
    "get_users_by_field_email_invalid": AT_MIDDAY,
    "get_users_by_field_integration_viewfullnames": (
        lambda s: grant(s, INTEGRATION, RIGHTS | {"moodle/site:viewfullnames"}),
    ),
    "get_users_by_field_deleted_idnumber": (gone("del.ete"),),
    "get_users_by_field_deleted_username": (gone("del.ete"),),
    "get_users_by_field_many": AT_MIDDAY,
    "get_users_by_field_same_email": AT_MIDDAY,
    "get_users_by_field_suspended": (user(8, email="bo.ek@example.com", suspended=True),),
    "get_users_email_like": AT_MIDDAY,
    "get_users_idnumber": AT_MIDDAY,
    "get_users_unknown_key": AT_MIDDAY,
    "grade_items_after_unenrol": (_unenrolled,),
    "groups_create_ok": (),
    "groups_get_course_groups": (_summer,),
    "maintenance_cli": (setting(maintenance="cli"),),
    "maintenance_web_admin_token": (setting(maintenance="web"),),
    "maintenance_web_normal_token": (setting(maintenance="web"), caller(INTEGRATION)),
    "overview_grades_after_unenrol": (_unenrolled,),
    "report_list": (lambda site: [site.state.reports.pop(number) for number in (2, 3)],),
    "report_retrieve_integration_user": (caller(INTEGRATION),),
    "signup_settings_disabled": (setting(registration=False),),
    "signup_settings_enabled": (setting(registration=True),),
    "signup_settings_fields": (setting(registration=True), _signup_fields),
    "signup_settings_no_token": (lambda site: site.state.tokens.clear(),),
    "unenrol_unconfirmed_user": (lambda site: enrol(site, 4422, 3),),
    "unenrol_ok": (lambda site: enrol(site, 10, 3),),
    "update_users_admin_by_nonadmin": (caller(INTEGRATION),),
    "users_courses_before_cron_done": (_task_not_run(12),),
    "users_courses_hidden_category_check": (_second_course_of_47,),
}


def prepare(site: MoodleSite, release: str, name: str, function: str) -> None:
    """Bring the site to the moment of a recording."""
    if "integration" in name:
        caller(INTEGRATION)(site)
    if "limited" in name:
        caller(LIMITED)(site)
    if name.startswith("groups_") and name not in STAGES:
        (_spring if name == "groups_create_many" else _summer)(site)
    if name.startswith("report_") and "integration" not in name:
        _reports(site, release)
    for stage in STAGES.get(name, ()):
        stage(site)
    if function == "core_user_delete_users" and "not_in_service" not in name:
        _deleting(site, name)
    site.commit()


def _reports(site: MoodleSite, release: str) -> None:
    granted = site.state.tokens["TOKEN"]
    granted.functions |= {"core_reportbuilder_retrieve_report", "core_reportbuilder_list_reports"}
    volunteers(site)
    if release == "4.5":
        _in_4_5(site)


def _deleting(site: MoodleSite, name: str) -> None:
    site.state.tokens["TOKEN"].functions |= {"core_user_delete_users"}
    if name == "delete_users_ok":
        site.state.change_user(site.state.users[43], deleted=False)


__all__ = ["CALLED_BY_THE_PRODUCT", "prepare", "reason_not_replayed"]
