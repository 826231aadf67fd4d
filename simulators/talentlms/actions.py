"""
Importing this module registers every simulated action.
"""

from simulators.talentlms import accounts, courses, enrolments, groups, portal, timeline, users

NOT_SIMULATED = frozenset(
    {
        "branchsetstatus",
        "buycategorycourses",
        "buycourse",
        "categoryleafsandcourses",
        "createbranch",
        "deletebranch",
        "getiltsessions",
    }
)
"""Documented actions that nothing here calls: they say so, instead of pretending that the real API lacked them."""

__all__ = ["NOT_SIMULATED", "accounts", "courses", "enrolments", "groups", "portal", "timeline", "users"]
