"""
Importing this module registers every implemented function.
"""

from simulators.moodle import (
    completion,
    courses,
    enrolments,
    grades,
    groups,
    reports,
    roles,
    siteinfo,
    users,
    usersearch,
)

__all__ = [
    "completion",
    "courses",
    "enrolments",
    "grades",
    "groups",
    "reports",
    "roles",
    "siteinfo",
    "users",
    "usersearch",
]
