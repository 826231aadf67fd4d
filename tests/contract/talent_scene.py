"""
The portal of the documented TalentLMS exchanges, and what single exchanges need besides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulators.talentlms import (
    CustomField,
    Settings,
    TalentLearners,
    TalentSite,
    add_branch,
    add_category,
    add_course,
    add_group,
    add_user,
    enrol,
    join,
    talent_site,
)
from simulators.talentlms.membership import join_branch, unenrol

Stage = Callable[[TalentSite], object]

NOW = 1772403300  # 02/03/2026, 09:15:00
KEY = "K" * 30
MIRA, TOMAS, ADMIN, JUN = 412, 413, 1, 431
EMPLOYEE = CustomField("custom_field_1", "Employee number", on_reports=True)
CAMPUS = CustomField("custom_field_2", "Campus", "dropdown", options=("North", "South"), selective=True)
COURSE = {"description": "Nationally recognised training & assessment.", "created": 1730669400, "updated": 1768183200}
UNITS = [
    {"id": 2200, "name": "Cluster 1 - Web", "type": "Section"},
    {"id": 2201, "name": "ICTWEB304 Build simple web pages", "type": "SCORM | xAPI | cmi5"},
    {"id": 2202, "name": "ICTWEB304 Knowledge test", "type": "Test"},
    {"id": 2203, "name": "ICTICT313 Identify IP, ethics & privacy policies", "type": "Assignment"},
    {"id": 2204, "name": "BSBXCS303 Securely manage personal data"},
]
INDUCTION = [{"id": 2310, "name": "Introduction"}, {"id": 2311, "name": "Sign-off survey", "type": "Survey"}]
CERTIFICATE = {
    "course_id": "21",
    "course_name": "Manual Handling",
    "unique_id": "00ab-11cd-22ef-3344",
    "issued_date": "06/08/2025",
    "issued_date_timestamp": 1754438400,
    "expiration_date": "Never",
    "expiration_date_timestamp": 0,
    "download_url": "https://example.talentlms.com/certificate/download/id:0",
    "public_url": "https://example.talentlms.com/user/certification/sig:example",
}
BADGE = {
    "name": "Activity Newbie",
    "type": "activity",
    "image_url": "https://example-cdn.test/badges/1.png",
    "criteria": "4 logins",
    "issued_on": "14/07/2025, 13:08:44",
    "issued_on_timestamp": 1752462524,
    "badge_set_id": "1",
}
TEST_ANSWERS = [
    {
        "id": "910",
        "text": "Which element holds the page title?",
        "type": "Multiple choice",
        "weight": "1",
        "correct": "1",
        "answers": {"1": "title", "2": "head"},
        "correct_answers": {"1": "title"},
        "user_answers": {"1": "title"},
    },
    {
        "id": "911",
        "text": "Describe semantic markup.",
        "type": "Free text",
        "weight": "1",
        "correct": "1",
        "answers": [],
        "correct_answers": [],
        "user_answers": ["Markup that says what content means."],
    },
]
SURVEY_ANSWERS = [
    {
        "id": "1201",
        "text": "Was the induction clear?",
        "type": "Multiple choice",
        "answers": {"1": "yes", "2": "no"},
        "user_answers": {"1": "yes"},
    }
]


def documented_portal() -> TalentSite:
    """The portal with everything on it that does not contradict itself."""
    site = talent_site(courses=0, key=KEY, fields=[EMPLOYEE], clock=lambda: NOW)
    site.state.categories.clear()
    site.state.drop_user(site.state.users[ADMIN])
    _people(site)
    add_category(site, "Qualifications", id=5)
    add_course(site, _course(37, "Certificate III in Information Technology", "ICT30120", UNITS))
    add_course(site, _course(38, "Workplace Induction", "IND01", INDUCTION))
    site.state.ids.set("course", 51)
    enrol(site, ADMIN, 37, "instructor", at=1730669400)
    enrol(site, MIRA, 37, at=1753052412)
    enrol(site, MIRA, 38, at=1769473800)
    enrol(site, JUN, 37, at=NOW)
    join(site, MIRA, add_group(site, "2026 Intake A", [37], id=9, key="aB3dE5fG7"))
    join_branch(site.state, site.state.users[MIRA], add_branch(site, "north", id=3), NOW)
    _learning(site)
    site.journal.settle()
    return site


def _people(site: TalentSite) -> None:
    mira = {"login": "mira.olsen", "first_name": "Mira", "last_name": "Olsen", "custom_field_1": "E-20417"}
    add_user(site, **mira, id=MIRA, password="...", created=1752452525, updated=1770093611)
    tomas = {"login": "tomas.reyes", "first_name": "Tomas", "last_name": "Reyes", "status": "inactive"}
    address = {"email": "tomas.reyes+lms@example.org", "deactivation": 1767185999}
    add_user(site, **tomas, **address, id=TOMAS, password="...", created=1752534344, updated=1768856462)
    add_user(site, login="admin", id=ADMIN, first_name="Ann", last_name="Admin", user_type="SuperAdmin")
    add_user(site, login="jun.park", id=JUN, first_name="Jun", last_name="Park")
    site.state.users[MIRA].certifications, site.state.users[MIRA].badges = (CERTIFICATE,), (BADGE,)


def _course(number: int, name: str, code: str, units: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": number, "name": name, "code": code, "category": 5, "units": units, **COURSE}


def _learning(site: TalentSite) -> None:
    learners = TalentLearners(site)
    learners.complete_unit(MIRA, 37, 2201, at=1756793091, seconds=7380)
    learners.complete_unit(MIRA, 37, 2202, 86.67, at=1756796691, seconds=1509, questions=TEST_ANSWERS)
    learners.visit(MIRA, 37, 2203, seconds=6240)


def _induction_done(site: TalentSite) -> None:
    learners = TalentLearners(site)
    learners.complete_unit(MIRA, 38, 2310, 100, at=1769559800, seconds=71)
    learners.complete_unit(MIRA, 38, 2311, at=1769560200, seconds=142, questions=SURVEY_ANSWERS)


def _without_jun(site: TalentSite) -> None:
    TalentLearners(site).delete(JUN, permanent=True)
    site.state.ids.set("user", JUN - 1)


def _not_enrolled(site: TalentSite) -> None:
    unenrol(site.state, site.state.users[JUN], site.state.courses[37], NOW)


def _setting(**changes: Any) -> Stage:
    def stage(site: TalentSite) -> None:
        site.settings = replace(site.settings, **changes)

    return stage


def _fields(site: TalentSite) -> None:
    site.state.user_fields = {EMPLOYEE.key: replace(EMPLOYEE, mandatory=True), CAMPUS.key: CAMPUS}


def _fourteen_calls(site: TalentSite) -> None:
    site.clock = lambda: 1772404203
    for _ in range(14):
        site.meter.admits(site.clock(), site.settings)


def _gone(site: TalentSite) -> None:
    add_user(site, login="gone.person")
    TalentLearners(site).delete("gone.person")


STAGES: dict[str, tuple[Stage, ...]] = {
    "addusertocourse": (_not_enrolled,),
    "addusertocourse_by_email": (_not_enrolled,),
    "categories_by_id": (lambda site: site.state.change_course(site.state.courses[38], category=None),),
    "error_api_disabled": (_setting(api=False),),
    "error_rate_limited": (_setting(calls_per_hour=0),),
    "getcustomregistrationfields": (_fields,),
    "getsurveyanswers": (_induction_done,),
    "gettimeline_course_completion": (_induction_done,),
    "getusersbycustomfield": (lambda site: site.state.change_user(site.state.users[MIRA], certifications=()),),
    "getuserstatusincourse_completed": (_induction_done,),
    "ratelimit": (_fourteen_calls,),
    "removeuserfromgroup": (lambda site: join(site, JUN, site.state.groups[9]),),
    "siteinfo": (_setting(verification=True),),
    "users_soft_deleted": (_gone,),
    "usersignup_created": (_without_jun,),
    "usersignup_created_inactive": (_without_jun, _setting(verification=True)),
    "usersignup_duplicate_login": (lambda site: TalentLearners(site).change(JUN, email="other@example.org"),),
    "usersignup_user_limit_reached": (_without_jun, _setting(user_limit=2)),
}

NOT_REPLAYED = {
    "error_internal": "any call; a fault with status 500 plays it",
    "v2_error": "version 2 of the API is not simulated",
    "v2_users_list": "version 2 of the API is not simulated",
}


def prepare(site: TalentSite, name: str) -> None:
    """Bring the portal to the moment of an exchange."""
    for stage in STAGES.get(name, ()):
        stage(site)
    site.journal.settle()


__all__ = ["KEY", "NOT_REPLAYED", "Settings", "documented_portal", "prepare"]
