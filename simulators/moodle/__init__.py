"""
A simulated Moodle, versions 4.4 and 4.5, answering as the measured contract says.

    site = moodle_site(courses=10, token="t", users=[{"username": "ann", "idnumber": "E-1", "email": "a@example.org"}])
    response = site(Request("POST", ENDPOINT, headers=..., body=...))

May import the rest of `simulators` and the standard library.
"""

from simulators.moodle.build import (
    FULL_RIGHTS,
    LIMITED_RIGHTS,
    add_category,
    add_course,
    add_report,
    add_token,
    add_user,
    change_course,
    change_token,
    change_user,
    demo_courses,
    enrol,
    grant,
    moodle_site,
    unenrol,
)
from simulators.moodle.site import ENDPOINT, MoodleSite
from simulators.moodle.state import ProfileField, Settings

__all__ = [
    "ENDPOINT",
    "FULL_RIGHTS",
    "LIMITED_RIGHTS",
    "MoodleSite",
    "ProfileField",
    "Settings",
    "add_category",
    "add_course",
    "add_report",
    "add_token",
    "add_user",
    "change_course",
    "change_token",
    "change_user",
    "demo_courses",
    "enrol",
    "grant",
    "moodle_site",
    "unenrol",
]
