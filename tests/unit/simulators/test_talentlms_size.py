"""
A call on a simulated portal costs the same however many people are there: nothing is looked for by going through all.
"""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from simulators.talentlms import TalentLearners, TalentSite, talent_site
from tests.unit.simulators.talent_calling import get, post, sign_up


class Unwalkable(dict[int, Any]):
    """A mapping that is only ever asked for one thing at a time."""

    def _refuse(self, *_: object) -> NoReturn:
        raise AssertionError("somebody went through all of it")

    __iter__ = keys = values = items = _refuse


@pytest.fixture(scope="module")
def large() -> TalentSite:
    """Ten thousand people, two hundred courses."""
    site = talent_site(courses=200, groups=200, users=10_000)
    for name in ("users", "courses", "groups", "members", "enrolled_in"):
        setattr(site.state, name, Unwalkable(getattr(site.state, name)))
    return site


def test_no_call_about_one_person_goes_through_everybody(large: TalentSite) -> None:
    made = str(sign_up(large, custom_field_1="E-1")["id"])
    for mark in (f"id:{made}", "email:ann@example.org", "username:ann"):
        assert get(large, f"users/{mark}")["id"] == made
    assert list(get(large, "getusersbycustomfield/custom_field_value:E-1")) == [made]
    post(large, "addusertocourse", user_id=made, course_id=77)
    post(large, "addusertocourse", user_email="ann@example.org", course_name="Course 78")
    get(large, f"addusertogroup/user_id:{made},group_key:GROUP079")
    TalentLearners(large).finish("ann", "C077")
    assert get(large, f"getuserstatusincourse/user_id:{made},course_id:77")["completion_percentage"] == "100"
    assert [row["name"] for row in get(large, f"users/id:{made}")["courses"]] == [
        "Course 77 (C077)",
        "Course 78 (C078)",
        "Course 79 (C079)",
    ]
    post(large, "edituser", user_id=made, last_name="Dahl")
    get(large, f"usersetstatus/user_id:{made},status:inactive")
    get(large, f"resetuserprogress/user_id:{made},course_id:77")
    get(large, f"removeuserfromcourse/user_id:{made},course_id:77")
    get(large, f"removeuserfromgroup/user_id:{made},group_id:79")
    post(large, "deleteuser", user_id=made)


def test_no_call_about_one_course_or_the_portal_goes_through_everybody(large: TalentSite) -> None:
    assert len(get(large, "courses/id:5")["units"]) == 5
    assert len(get(large, "users/page_size:100,page_number:100")) == 100
    assert get(large, "siteinfo")["total_courses"] == "200"
    assert get(large, "gettimeline/event_type:course_completion,course_id:5") == []
