"""
A client that was written for real portals, by nobody here, gets along with the simulated one.

The package `talentlms` on PyPI. It takes the host and whether to use TLS as arguments, so it is pointed at the loopback
address by its own documented means. Two actions it does not wrap are called through its own `get`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import talentlms

from simulators.clock import MovableClock
from simulators.faults import Fault
from simulators.server import serve
from simulators.talentlms import API_KEY, CustomField, TalentLearners, TalentSite, add_branch, talent_site

CAMPUS = CustomField("custom_field_2", "Campus", "dropdown", options=("North", "South"))
NUMBER = CustomField("custom_field_1", "Employee number")
NOOR = {
    "first_name": "Noor",
    "last_name": "d'Arc & Sons",
    "email": "noor.arc@example.org",
    "login": "noor.arc",
    "password": "Passw0rd1",
    "custom_field_1": "E 17",
}


@pytest.fixture
def site() -> TalentSite:
    return talent_site(courses=2, groups=1, users=30, fields=[NUMBER, CAMPUS], clock=MovableClock())


@pytest.fixture
def client(site: TalentSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve(site) as url:
        yield talentlms.api(url.removeprefix("http://"), API_KEY, ssl=False)


def course_id(client: Any, code: str = "C001") -> str:
    return next(course["id"] for course in client.courses() if course["code"] == code)


def test_a_new_person_is_signed_up_and_found_by_every_mark(client: Any, site: TalentSite) -> None:
    number = client.user_signup(dict(NOOR))["id"]

    for mark in (number, "noor.arc@example.org", "noor.arc"):
        assert client.users(mark)["id"] == str(number)
    assert list(client.get_users_by_custom_field("E 17")) == [str(number)]
    assert client.users(number)["last_name"] == "d&#039;Arc &amp; Sons"
    assert len(client.users()) == 32
    assert len(site.ledger.effects("user created")) == 1


def test_an_address_with_a_plus_sign_is_found(client: Any) -> None:
    number = client.user_signup({**NOOR, "email": "noor+lms@example.org"})["id"]
    assert client.users("noor+lms@example.org")["id"] == str(number)


def test_somebody_unknown_is_an_error_of_its_own(client: Any) -> None:
    for mark in (99999, "nobody@example.org", "nobody"):
        with pytest.raises(talentlms.UserDoesNotExistError):
            client.users(mark)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, talentlms.UserAlreadyExistsError),
        ({"email": "other@example.org"}, talentlms.UserAlreadyExistsError),
        ({"email": "other@example.org", "login": "other", "password": "weak"}, talentlms.WeakPasswordError),
        ({"login": ""}, talentlms.InvalidArgumentsError),
    ],
)
def test_refused_signups_are_told_apart(client: Any, changes: dict[str, str], error: type[Exception]) -> None:
    client.user_signup(dict(NOOR))
    with pytest.raises(error):
        client.user_signup({**NOOR, **changes})


def test_a_person_is_changed_deactivated_and_deleted(client: Any) -> None:
    number = client.user_signup(dict(NOOR))["id"]

    assert client.edit_user(number, {"last_name": "Berg"})["last_name"] == "Berg"
    assert client.user_set_status(number, "inactive") == {"user_id": str(number), "status": "inactive"}
    assert client.users(number)["status"] == "inactive"
    assert client.delete_user(number, permanent=True)["message"] == "Operation completed successfully"
    with pytest.raises(talentlms.UserDoesNotExistError):
        client.users(number)


def test_a_person_is_enrolled_learns_and_starts_again(client: Any, site: TalentSite) -> None:
    number, course = client.user_signup(dict(NOOR))["id"], course_id(client)

    assert client.add_user_to_course(number, course) == [
        {"user_id": str(number), "course_id": course, "role": "learner"}
    ]
    with pytest.raises(talentlms.UserAlreadyEnrolledError):
        client.add_user_to_course(number, course)
    assert client.get_user_status_in_course(number, course)["completion_percentage"] == "0"
    TalentLearners(site).finish("noor.arc", "C001", score=90)
    status = client.get_user_status_in_course(number, course)
    assert (status["completion_status"], status["completion_percentage"]) == ("Completed", "100")
    assert [unit["completion_status"] for unit in status["units"]] == ["Completed"] * 4
    assert [entry["object_id"] for entry in client.get_timeline("course_completion")] == [course]
    client.reset_user_progress(number, course)
    assert client.get_user_status_in_course(number, course)["completion_percentage"] == "0"
    assert client.remove_user_from_course(number, course)["course_name"] == "Course 1"
    with pytest.raises(talentlms.UserNotEnrolledError):
        client.get_user_status_in_course(number, course)


def test_a_group_key_enrols_in_the_courses_of_the_group(client: Any) -> None:
    number, course = client.user_signup(dict(NOOR))["id"], course_id(client)
    [group] = client.groups()

    client.get("addusertogroup", {"user_id": number, "group_key": group["key"]})

    assert client.groups(group["id"])["users"] == [{"id": str(number), "name": "N. d&#039;Arc &amp; Sons"}]
    assert [row["id"] for row in client.users(number)["courses"]] == [course]
    client.get("removeuserfromgroup", {"user_id": number, "group_id": group["id"]})
    assert client.users(number)["groups"] == []


def test_a_course_is_read_with_its_units(client: Any) -> None:
    units = client.courses(course_id(client))["units"]
    assert [unit["name"].split()[0] for unit in units] == ["Part", "C001U1", "C001U2", "C001U3", "C001U4"]
    assert [unit["type"] for unit in units][:2] == ["Section", "Content"]


def test_the_rest_of_the_portal_is_read(client: Any, site: TalentSite) -> None:
    branch = add_branch(site, "north")

    assert list(client.get_user_custom_registration_fields()) == ["Employee number", "Campus"]
    assert client.get_custom_course_fields() == []
    assert client.get_courses_by_custom_field("nothing") == []
    assert [category["name"] for category in client.categories()] == ["Training"]
    assert len(client.categories(1)["courses"]) == 2
    assert client.add_course_to_branch(course_id(client), branch.id)["branch_name"] == "north"
    with pytest.raises(talentlms.CourseExistsError):
        client.add_course_to_branch(course_id(client), branch.id)
    assert client.branches(branch.id)["courses"] == [{"id": course_id(client), "name": "Course 1"}]
    assert client.siteinfo()["total_users"] == "31"


def test_the_hourly_allowance_is_told_and_asking_is_free(client: Any) -> None:
    client.courses()
    assert [client.ratelimit()["remaining"] for _ in range(3)] == [1999] * 3


def test_a_wrong_key_and_an_unknown_action_are_errors(client: Any) -> None:
    with pytest.raises(talentlms.InvalidRequestError):
        client.get("nosuchaction")
    wrong = talentlms.api(client.domain, "wrong", ssl=False)
    with pytest.raises(talentlms.TalentLMSError, match="Invalid API Key"):
        wrong.siteinfo()


def test_a_signup_whose_answer_is_lost_has_happened(client: Any, site: TalentSite) -> None:
    """D5: what the client then finds is the account that the lost answer was about."""
    site.faults.add(Fault("usersignup", nth=1, commit="before", close="reset"))
    with pytest.raises(OSError):  # noqa: PT011 - of the requests library, which has no part in this
        client.user_signup(dict(NOOR))
    with pytest.raises(talentlms.UserAlreadyExistsError):
        client.user_signup(dict(NOOR))
    assert client.users("noor.arc")["email"] == NOOR["email"]
    assert len(site.ledger.effects("user created")) == 1
