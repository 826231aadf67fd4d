"""
People on a simulated portal: signing up, finding, changing, deleting.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from simulators.clock import MovableClock
from simulators.talentlms import (
    CustomField,
    Settings,
    TalentLearners,
    TalentSite,
    add_branch,
    talent_site,
)
from tests.unit.simulators.talent_calling import get, post, refusal, said, sign_up

TAKEN = "A user with the same {} already exists"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def site(clock: MovableClock) -> TalentSite:
    return talent_site(courses=2, groups=1, clock=clock)


def test_ids_are_numbers_where_they_are_made_and_texts_where_they_are_read(site: TalentSite) -> None:
    made = sign_up(site)
    assert (made["id"], type(made["last_updated_timestamp"])) == (2, int)
    assert "courses" not in made
    read = get(site, "users/id:2")
    assert (read["id"], type(read["last_updated_timestamp"])) == ("2", str)
    assert type(post(site, "edituser", user_id=2, bio="x")["last_updated_timestamp"]) is int


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"password": ""}, "Invalid arguments provided"),
        ({"first_name": "x" * 51}, "Invalid arguments provided"),
        ({"password": "Aa1" * 11}, "Invalid arguments provided"),
        ({"restrict_email": "yes"}, "Invalid arguments provided"),
        ({"email": "nowhere"}, "nowhere is not a valid email"),
        ({"email": "ANN@example.org"}, TAKEN.format("email address")),
        ({"login": "Ann"}, TAKEN.format("login")),
    ],
)
def test_a_signup_is_refused_with_its_reason_and_leaves_nothing(
    site: TalentSite, fields: dict[str, str], message: str
) -> None:
    sign_up(site, "ann")
    assert refusal(site, "usersignup", **_other(**fields)) == (400, message)
    assert len(site.ledger.effects()) == 1


def _other(**fields: Any) -> dict[str, Any]:
    person = {"first_name": "Bea", "last_name": "Berg", "email": "bea@example.org", "login": "bea"}
    return {**person, "password": "Passw0rd1", **fields}


@pytest.mark.parametrize("password", ["Sh0rt", "lowercase1", "UPPERCASE1", "NoDigitsHere"])
def test_weak_passwords_are_refused_where_the_portal_minds(site: TalentSite, password: str) -> None:
    assert said(sign_up(site, password=password)).startswith("Password is not strong enough")
    site.settings = Settings(strong_passwords=False)
    assert said(sign_up(site, password=password)) == ""


def test_a_verifying_portal_starts_people_inactive(site: TalentSite) -> None:
    site.settings = Settings(verification=True)
    assert sign_up(site)["status"] == "inactive"
    assert get(site, "usersetstatus/user_id:2,status:active") == {"user_id": "2", "status": "active"}
    assert get(site, "users/id:2")["status"] == "active"


def test_mandatory_fields_must_come_with_the_signup() -> None:
    site = talent_site(fields=[CustomField("custom_field_1", "Number", mandatory=True)])
    assert "mandatory" in said(sign_up(site))
    assert sign_up(site, custom_field_1="E-1")["custom_field_1"] == "E-1"


def test_the_plan_counts_active_people(site: TalentSite) -> None:
    site.settings = Settings(user_limit=2)
    sign_up(site, "ann")
    assert "refuses a new active user" in said(sign_up(site, "bea"))
    get(site, "usersetstatus/user_id:2,status:inactive")
    assert sign_up(site, "bea")["status"] == "active"
    assert "refuses" in said(get(site, "usersetstatus/user_id:2,status:active"))


def test_a_group_and_a_branch_may_be_joined_at_signup(site: TalentSite) -> None:
    add_branch(site, "north", users_limit=1)
    sign_up(site, "ann", group_id=1, branch_id=1)
    person = get(site, "users/id:2")
    assert [row["name"] for row in person["groups"] + person["branches"]] == ["Group 1", "north"]
    assert [row["name"] for row in person["courses"]] == ["Course 1 (C001)"]
    assert "branch" in said(sign_up(site, "bea", branch_id=1))
    assert said(get(site, "users/username:bea")) == "The requested user does not exist"


def test_two_callers_signing_up_the_same_person_make_one_account(site: TalentSite) -> None:
    """I3"""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: sign_up(site), range(8)))
    assert sum("id" in answer for answer in answers) == 1
    assert len(site.ledger.effects("user created")) == 1


def test_a_person_deleted_for_good_was_never_there_and_another_is_no_longer_available(site: TalentSite) -> None:
    sign_up(site, "ann", custom_field_1="E-1"), sign_up(site, "bea", custom_field_1="E-1")
    post(site, "deleteuser", user_id=2)
    post(site, "deleteuser", user_id=3, permanent="yes")
    for mark in ("id:2", "email:ann@example.org", "username:ann"):
        assert refusal(site, f"users/{mark}") == (404, "The requested user is no longer available")
    assert refusal(site, "users/id:3") == (404, "The requested user does not exist")
    assert [row["login"] for row in get(site, "users")] == ["admin"]
    assert get(site, "getusersbycustomfield/custom_field_value:E-1") == []
    assert said(sign_up(site, "ann")) == TAKEN.format("email address")
    assert sign_up(site, "bea")["id"] == 4
    site.settings = Settings(deleted_keep_marks=False)
    assert sign_up(site, "ann")["id"] == 5
    assert get(site, "users/username:ann")["id"] == "5"


def test_somebody_who_comes_back_is_where_they_were(site: TalentSite) -> None:
    sign_up(site, group_id=1)
    learners = TalentLearners(site)
    learners.complete_unit("ann", "C001", "C001U1")
    learners.delete("ann")
    assert get(site, "courses/id:1")["users"] == get(site, "groups/id:1")["users"] == []
    learners.undelete("ann")
    assert get(site, "courses/id:1")["users"][0]["completion_percentage"] == "25"
    assert get(site, "groups/id:1")["users"] == [{"id": "2", "name": "A. Berg"}]


def test_an_edit_changes_what_was_sent_and_the_ledger_tells_what_that_was(site: TalentSite) -> None:
    sign_up(site, custom_field_1="E-1")
    post(site, "edituser", user_id=2, last_name="O'Neil & Co", custom_field_1="E-2", password="An0therOne")
    person = get(site, "users/id:2")
    assert (person["last_name"], person["first_name"]) == ("O&#039;Neil &amp; Co", "Ann")
    post(site, "edituser", user_id=2, last_name="O'Neil & Co")
    told = site.ledger.effects("user updated")
    fields = {"last_name": "O'Neil & Co", "password": "(changed)", "custom": {"custom_field_1": "E-2"}}
    assert [(entry["changed"], entry["fields"]) for entry in told] == [(True, fields), (False, {})]


def test_an_edit_may_not_take_what_is_somebody_elses(site: TalentSite) -> None:
    sign_up(site, "ann"), sign_up(site, "bea")
    assert said(post(site, "edituser", user_id=3, email="ann@example.org")) == TAKEN.format("email address")
    assert said(post(site, "edituser", user_id=3, login="ann")) == TAKEN.format("login")
    assert said(post(site, "edituser", user_id=3, login="bea", email="bea@example.org")) == ""


def test_an_account_turns_inactive_after_its_last_day(site: TalentSite, clock: MovableClock) -> None:
    sign_up(site)
    post(site, "edituser", user_id=2, deactivation_date="31/12/2099")
    assert get(site, "users/id:2")["deactivation_date"] == "31/12/2099, 23:59:59"
    clock.advance(80 * 366 * 86400)
    assert get(site, "users/id:2")["status"] == "inactive"
    assert site.ledger.effects("user deactivated", user=2)


def test_people_are_found_by_a_custom_field_by_id_and_nobody_is_an_empty_list(site: TalentSite) -> None:
    sign_up(site, custom_field_1="E-1")
    assert list(get(site, "getusersbycustomfield/custom_field_value:E-1")) == ["2"]
    post(site, "edituser", user_id=2, custom_field_1="E-2")
    assert get(site, "getusersbycustomfield/custom_field_value:E-1") == []


def test_everybody_comes_in_pages_of_the_size_asked_for() -> None:
    site = talent_site(users=1200)
    sizes = [len(get(site, f"users/page_size:500,page_number:{number}")) for number in (1, 2, 3, 4)]
    assert sizes == [500, 500, 201, 0]
    assert len(get(site, "users/page_size:5000")) == 1000
    assert len(get(site, "users")) == 1201
    site.settings = Settings(page_size=20)
    assert len(get(site, "users")) == 20
    assert refusal(site, "users/page_size:x") == (400, "Invalid arguments provided")


def test_only_some_logins_please_a_strict_portal(site: TalentSite) -> None:
    site.settings = Settings(plain_logins=True)
    assert refusal(site, "usersignup", **_other(login="bea+1"))[0] == 400
    assert sign_up(site, login="bea@example.org")["login"] == "bea@example.org"


def test_signing_in_takes_an_active_account_and_its_password_and_the_address_works_once(site: TalentSite) -> None:
    sign_up(site)
    before = get(site, "users/id:2")["login_key"]
    answer = post(site, "userlogin", login="ann", password="Passw0rd1")
    assert answer["login_key"] != before
    assert said(post(site, "userlogin", login="ann", password="wrong")).startswith("Your login or password")
    get(site, "usersetstatus/user_id:2,status:inactive")
    assert said(post(site, "userlogin", login="ann", password="Passw0rd1")).startswith("Your account is inactive")
