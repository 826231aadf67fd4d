"""
A simulated TalentLMS portal, answering to version 1 of its API as the fact sheet says.

    site = talent_site(courses=10, groups=2, users=[{"login": "ann", "custom_field_1": "E-1"}])
    response = site(Request("GET", "/api/v1/users/email:ann@example.org", headers={"Authorization": basic(API_KEY)}))
    TalentLearners(site).finish("ann", "C001")

The ledger tells of: user created, updated, deactivated, deleted, undeleted, user status set; enrolled, unenrolled;
group joined, left; branch joined, left; unit completed, graded, reopened; course completed, failed; progress reset;
course created, deleted; group created, deleted; course added to group, to branch; mail sent.

What is a guess, and only that, is in `errors` (statuses and texts) and in `Settings` (switches). May import the rest of
`simulators` and the standard library.
"""

from simulators.talentlms.build import (
    API_KEY,
    EMPLOYEE_NUMBER,
    add_branch,
    add_category,
    add_course,
    add_group,
    add_user,
    change_course,
    demo_courses,
    demo_groups,
    demo_users,
    enrol,
    join,
    talent_site,
)
from simulators.talentlms.learners import TalentLearners
from simulators.talentlms.settings import Settings
from simulators.talentlms.site import TalentSite, basic
from simulators.talentlms.state import CustomField, Unit

__all__ = [
    "API_KEY",
    "EMPLOYEE_NUMBER",
    "CustomField",
    "Settings",
    "TalentLearners",
    "TalentSite",
    "Unit",
    "add_branch",
    "add_category",
    "add_course",
    "add_group",
    "add_user",
    "basic",
    "change_course",
    "demo_courses",
    "demo_groups",
    "demo_users",
    "enrol",
    "join",
    "talent_site",
]
