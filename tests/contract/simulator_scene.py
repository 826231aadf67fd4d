"""
The site on which the exchanges were recorded, rebuilt: its accounts, courses, people and what they had done.

The exchanges were recorded one after another, so a few need the site as it was earlier or later; `SCENES` in
`simulator_stages.py` names these. Everything here is invented.
"""

from __future__ import annotations

from typing import Any

from simulators.moodle import (
    FULL_RIGHTS,
    LIMITED_RIGHTS,
    MoodleSite,
    ProfileField,
    Settings,
    add_category,
    add_course,
    add_report,
    add_token,
    add_user,
    enrol,
    grant,
)
from simulators.moodle.build import HR_FIELDS
from simulators.moodle.progress import do_activity, do_grade, do_self, open_progress, run_tasks
from simulators.moodle.state import Course, Group, Progress, User

NOW = 1795291000
FIRST, LATER = 1795289897, 1795289957
COURSE_START, COURSE_END = 1767571200, 1793491200
ACCREDITED = 1799107200
ADMIN, LIMITED, INTEGRATION, SUSPENDED = 2, 3, 4, 6
DELETED, UNCONFIRMED = 43, (4421, 4422)

SERVICE = (
    "core_cohort_add_cohort_members",
    "core_cohort_create_cohorts",
    "core_cohort_delete_cohort_members",
    "core_cohort_delete_cohorts",
    "core_cohort_get_cohort_members",
    "core_cohort_search_cohorts",
    "core_cohort_get_cohorts",
    "core_cohort_update_cohorts",
    "core_completion_get_activities_completion_status",
    "core_completion_get_course_completion_status",
    "core_course_get_categories",
    "core_course_get_contents",
    "core_course_get_courses",
    "core_course_get_courses_by_field",
    "core_course_get_enrolled_courses_by_timeline_classification",
    "core_enrol_get_course_enrolment_methods",
    "core_enrol_get_enrolled_users",
    "core_enrol_get_users_courses",
    "core_get_user_dates",
    "core_grades_get_gradeitems",
    "core_group_add_group_members",
    "core_group_create_groups",
    "core_group_delete_group_members",
    "core_group_delete_groups",
    "core_group_get_course_groups",
    "core_group_get_course_user_groups",
    "core_group_get_group_members",
    "core_group_get_groups",
    "core_role_assign_roles",
    "core_role_unassign_roles",
    "core_user_create_users",
    "core_user_get_course_user_profiles",
    "core_user_get_users",
    "core_user_get_users_by_field",
    "core_user_update_users",
    "core_user_get_user_preferences",
    "core_webservice_get_site_info",
    "auth_email_get_signup_settings",
    "enrol_manual_enrol_users",
    "enrol_manual_unenrol_users",
    "gradereport_overview_get_course_grades",
    "gradereport_user_get_grade_items",
)
NOT_GRANTED = {"moodle/site:viewfullnames", "moodle/course:update", "mod/assign:view", "moodle/reportbuilder:view"}
COURSE_FIELDS = (
    ("Training Code", "training_code", "text", ()),
    ("Accredited Until", "accredited_until", "date", ()),
    ("Mandatory", "mandatory", "checkbox", ()),
    ("Delivery", "delivery", "select", ("Online", "Classroom", "Blended")),
    ("Audience", "audience", "textarea", ()),
)
SPECIAL_NAMES = {
    1: "Fire & Safety – Übung <b>basics</b>",
    4: "No completion criteria",
    5: "Completion disabled",
    6: "Hidden course",
    13: "Course in hidden category",
    14: "No idnumber, no end",
}
COMPLETION: dict[int, Any] = {2: "self", 3: "grade", 4: "none", 5: "off"}
COMPLETION[11] = {"criteria": [["activity", 0], ["activity", 2], ["self"]], "any": True}
LEARNERS = {
    45: ("done", "Comp0", "Done-O'Neil & Sønn"),
    46: ("half", "Comp1", "Half"),
    47: ("none", "Comp2", "None"),
    48: ("late", "Comp3", "Late"),
    49: ("susp", "Comp4", "Susp"),
    50: ("exp", "Comp5", "Exp"),
    51: ("suser", "Comp6", "Suser"),
    52: ("nogrp", "Comp7", "Nogrp"),
}
LUNDS: dict[int, dict[str, Any]] = {
    8: {"username": "bo.ek", "idnumber": "E-1002", "email": "BO.EK@example.com"},
    9: {"username": "cy.fox", "idnumber": "E-1003", "city": "P3"},
    10: {"username": "di.gil", "idnumber": "E-1004"},
    11: {"username": "ed.hay", "idnumber": "E-1005"},
    12: {"username": "fay.ives", "email": "Fay.IVES@Example.COM"},
    13: {"username": "gus.jay2", "email": "ada.lund@example.com"},
    14: {"username": "hal.kay", "idnumber": "E-1001"},
    15: {"username": "kim.nye@example.com", "email": "kim.nye@example.com"},
    17: {"username": "u" * 100, "email": "l100@example.com"},
    18: {"username": "long.id255", "idnumber": "i" * 255},
    20: {"username": "long.f100", "firstname": "F" * 100},
    21: {"username": "bad.ctry"},
    22: {"username": "bad.ctry2"},
    23: {"username": "bad.tz", "timezone": "Mars/Base"},
    24: {"username": "auth.oa", "auth": "oauth2"},
    27: {"username": "cf.unk"},
    28: {"username": "cf.uniq", "custom": {"employee_number": "1001"}},
    29: {"username": "cf.long", "custom": {"employee_number": "9" * 20}},
    30: {"username": "cf.date", "custom": {"hire_date": "1769817600"}},
    31: {"username": "cf.chk", "custom": {"payroll_enabled": "yes"}},
    32: {"username": "cf.ta", "custom": {"hr_notes": "line"}},
    38: {"username": "sparse.one"},
    39: {"username": "sparse.two"},
    40: {"username": "menu.x"},
    41: {"username": "menu.i"},
    42: {"username": "menu.c"},
    44: {"username": "del.ete", "idnumber": "E-1999"},
}


def recorded_site(release: str) -> MoodleSite:
    """The site with everything on it, as it was towards the end."""
    settings = Settings(timezone="Europe/London", max_input_vars=5000)
    site = MoodleSite(release, clock=lambda: NOW, settings=settings)
    _accounts(site)
    _courses(site)
    _people(site)
    _enrolments(site)
    _learning(site)
    _groups(site)
    _reports(site)
    site.commit()
    return site


def _accounts(site: MoodleSite) -> None:
    synced = {"last_time_enrolments_synced": "1795289624"}
    guest = "This user is a special user that allows read-only access to some courses."
    add_user(site, username="guest", firstname="Guest user", lastname=" ", email="root@localhost", description=guest)
    for name, first, last in (
        ("admin", "Admin", "User"),
        ("ws_limited", "Lim", "Ited"),
        ("ws_integration", "Integra", "Tion"),
    ):
        add_user(
            site,
            username=name,
            firstname=first,
            lastname=last,
            email=f"{name}@academy.example",
            preferences=dict(synced),
        )
    add_user(site, username="ws_norest", firstname="No", lastname="Rest", email="ws_norest@academy.example")
    suspended = {"username": "ws_suspended", "firstname": "拓海", "lastname": "鈴木", "suspended": True}
    add_user(site, **suspended, email="ws_suspended@academy.example")
    if site.release == "4.4":
        site.state.users[LIMITED].custom["employment_status"] = "No"
    site.state.admins.add(ADMIN)
    grant(site, LIMITED, LIMITED_RIGHTS)
    grant(site, INTEGRATION, FULL_RIGHTS - NOT_GRANTED)
    grant(site, SUSPENDED, LIMITED_RIGHTS)
    add_token(site, "TOKEN", ADMIN, SERVICE)


def _courses(site: MoodleSite) -> None:
    add_category(site, "Category 1", description_format=1)
    for name, code in (("Compliance", "COMP"), ("Onboarding", "ONB"), ("Safety", "SAFE")):
        add_category(site, name, idnumber=f"CAT-{code}")
    add_category(site, "Fire Safety", idnumber="CAT-SAFE-FIRE", parent=4)
    add_category(site, "Archive", idnumber="CAT-ARCH", visible=False)
    front = Course(1, "acme", "Acme Academy", category=0, manual="none", completion=False, context=2, newsitems=3)
    front.summary_format, front.numsections, front.show_conditions = 0, 1, None
    site.state.courses[1] = front
    site.state.ids.reach("course", 1)
    site.state.course_fields = COURSE_FIELDS
    for number in range(1, 51):
        add_course(site, _seed(number))


def _seed(number: int) -> dict[str, Any]:
    custom = (f"TC{number}", ACCREDITED, number % 2, number % 3 + 1, f"<p>Audience {number}</p>")
    return {
        "shortname": f"TRN-{number:03d}",
        "fullname": SPECIAL_NAMES.get(number, f"Training course {number}"),
        "idnumber": "" if number == 14 else f"HRC-1{number:03d}",
        "category": 6 if number == 13 else 2 + number % 4,
        "visible": number != 6,
        "manual_enrolment": {7: "none", 15: False}.get(number, True),
        "completion": COMPLETION.get(number, "activities"),
        "startdate": 1800473562 if number == 10 else COURSE_START,
        "enddate": {10: 1803065562, 14: 0}.get(number, COURSE_END),
        "summary": f"<p>Course {number} summary</p>",
        "custom": custom,
    }


def _people(site: MoodleSite) -> None:
    site.state.profile_fields = {
        field.shortname: field for field in (*HR_FIELDS, ProfileField("hr_notes", "HR Notes", "textarea"))
    }
    number = ProfileField("employee_number", "Employee Number", maxlength=20)
    site.state.profile_fields["employee_number"] = number
    ada = {"username": "ada.lund", "firstname": "Ada", "lastname": "Lund-Berg", "email": "ada.lund@example.com"}
    work = {"idnumber": "E-1001", "department": "Treasury", "city": "P1", "country": "NO", "phone1": "+47 22 00 00 00"}
    custom = {"employee_number": "1001", "hire_date": "1767225600", "payroll_enabled": "1"}
    preferences = {"auth_forcepasswordchange": "1", "auth_manual_passwordupdatetime": "1795289674"}
    add_user(site, id=7, **ada, **work, custom=custom, preferences=preferences)
    for user_id, facts in LUNDS.items():
        defaults = {"firstname": "Ada", "lastname": "Lund", "email": f"{facts['username']}@example.com"}
        add_user(site, id=user_id, **{**defaults, **facts})
    site.state.users[9].preferences["auth_forcepasswordchange"] = "1"
    site.state.users[11].preferences["auth_forcepasswordchange"] = "1"
    add_user(site, id=DELETED, username="was.there", firstname="Ada", lastname="Lund", email="was.there@example.com")
    site.state.change_user(site.state.users[DELETED], deleted=True)
    for user_id, (name, first, last) in LEARNERS.items():
        facts = {"username": f"comp.{name}", "email": f"comp.{name}@example.com", "idnumber": f"E-{2955 + user_id}"}
        add_user(site, id=user_id, firstname=first, lastname=last, suspended=user_id == 51, **facts)
    for user_id in UNCONFIRMED:
        add_user(site, id=user_id, username=f"new.{user_id}", email=f"new.{user_id}@example.com", confirmed=False)


def _enrolments(site: MoodleSite) -> None:
    for course in (9, 5, 6, 3, 4):
        for user in range(45, 52):
            enrol(site, user, course)
    special = {48: {"start": NOW + 86400 * 30}, 49: {"suspended": True}, 50: {"end": NOW - 86400}}
    enrol(site, 7, 2, start=1767225600, end=1784505600)
    enrol(site, 8, 2)
    for user in range(45, 52):
        enrol(site, user, 2, **special.get(user, {}))
    enrol(site, 52, 2, role=4)
    for user, course in ((6, 3), (9, 3), (10, 3), (45, 12), (46, 12), (47, 12), (46, 7), (47, 14)):
        enrol(site, user, course)


def _learning(site: MoodleSite) -> None:
    state = site.state
    courses = state.courses
    do_activity(state, 45, courses[2], 2, FIRST)
    for user, grade in ((45, 81), (49, 71), (50, 61), (51, 91)):
        do_activity(state, user, courses[2], 1, FIRST)
        do_grade(state, user, courses[2], 2, grade, LATER)
        do_activity(state, user, courses[2], 3, LATER)
        open_progress(state, user, 2).feedback[2] = "Well done"
    do_activity(state, 46, courses[2], 1, FIRST)
    do_self(state, 45, courses[3], FIRST + 1)
    do_grade(state, 45, courses[4], 8, 81, LATER)
    do_grade(state, 46, courses[4], 8, 30, FIRST)
    open_progress(state, 45, 4).grade_met = FIRST
    for user in (45, 46):
        open_progress(state, user, 4).feedback[8] = "Well done"
    for cmid in (9, 11):
        do_activity(state, 46, courses[4], cmid, FIRST)
    for cmid, at in ((13, FIRST + 1), (14, FIRST + 1), (15, LATER)):
        do_activity(state, 45, courses[5], cmid, at)
    do_grade(state, 45, courses[5], 11, 80, LATER)
    do_grade(state, 45, courses[6], 14, 66, LATER)
    do_activity(state, 45, courses[9], 29, FIRST)
    do_self(state, 45, courses[12], LATER)
    run_tasks(state)


def _groups(site: MoodleSite) -> None:
    for number in range(1, 10):
        course, place = 2 + (number - 1) // 3, (number - 1) % 3 + 1
        name, code = f"Group {place}", f"TRN-{course - 1:03d}-G{place}"
        site.state.groups[number] = Group(number, course, name, description_format=0, idnumber=code)
    site.state.groups[1].members = {45: None, 46: None}
    site.state.ids.reach("group", 9)


def _reports(site: MoodleSite) -> None:
    columns = "ID number|Username|Suspended|Course ID number|Course short name|Status|Time started|Time ended|Completed"
    everything = (*columns.split("|"), "Time completed", "Student progress", "Grade")
    add_report(site, "HR completions", everything)
    add_report(site, "Not used", everything)
    recent = ("ID number", "Course ID number", "Status", "Completed", "Time completed", "Grade")
    add_report(site, "HR completions recent", recent, recent_days=1)


def volunteers(site: MoodleSite) -> None:
    """Five of the several thousand people enrolled in a course of the hidden category."""
    times = {2023: 0, 1805: 0, 2484: 1794601740, 1822: 1794272820, 2279: 1794672060}
    for number, completed in times.items():
        facts: dict[str, Any] = {"username": f"vol{number}", "idnumber": f"V-{number:06d}"}
        user = add_user(site, firstname="Vol", lastname="Unteer", email=f"vol{number}@example.com", **facts)
        enrol(site, user.id, 14, start=1793562120, end=1824666120)
        if completed:
            item = site.state.courses[14].activities[2].grade_item
            done = Progress(grades={item: (77.0, completed)}, completed=completed)
            site.state.progress[(user.id, 14)] = done


def without(site: MoodleSite, username: str) -> None:
    """The site before an account was made."""
    user_id = site.state.by_username.get(username)
    if user_id is not None:
        user: User = site.state.users[user_id]
        site.state.change_user(user, deleted=True)
        del site.state.users[user_id]
        site.state.journal.settle()
