"""
Every fault of the matrix that a simulated portal can play; the mechanism itself is tested in test_faults.
"""

from __future__ import annotations

import json

import pytest

from simulators.clock import MovableClock
from simulators.faults import Fault
from simulators.talentlms import TalentSite, talent_site
from simulators.talentlms.errors import LOST, NEEDS_PASSWORD
from tests.unit.simulators.talent_calling import PERSON, get, said, send, sign_up


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def site(clock: MovableClock) -> TalentSite:
    return talent_site(courses=1, clock=clock)


def form(name: str = "ann") -> str:
    fields = {**PERSON, "login": name, "email": f"{name}@example.org"}
    return "&".join(f"{key}={value}" for key, value in fields.items())


@pytest.mark.parametrize("close", ["reset", "after_request"])
def test_a_signup_whose_answer_is_lost_leaves_the_account_behind(site: TalentSite, close: str) -> None:
    """D5"""
    site.faults.add(Fault("usersignup", nth=1, commit="before", close=close))  # type: ignore[arg-type]
    assert send(site, "usersignup", form()).lost
    assert said(sign_up(site)) == "A user with the same email address already exists"
    assert site.ledger.counts() == {"user created": 1}


def test_a_signup_lost_before_the_work_leaves_nothing_behind(site: TalentSite) -> None:
    """D6"""
    site.faults.add(Fault("usersignup", nth=1, commit="never", close="reset"))
    assert send(site, "usersignup", form()).lost
    assert site.ledger.effects() == []
    assert sign_up(site)["login"] == "ann"


def test_a_new_account_may_become_visible_later_while_its_marks_are_taken_at_once(
    site: TalentSite, clock: MovableClock
) -> None:
    """D7"""
    site.faults.add(Fault("usersignup", times=1, visible_after=30))
    sign_up(site)
    assert said(get(site, "users/email:ann@example.org")) == "The requested user does not exist"
    assert said(sign_up(site)) == "A user with the same email address already exists"
    clock.advance(31)
    assert get(site, "users/email:ann@example.org")["login"] == "ann"


@pytest.mark.parametrize(("commit", "left"), [("before", 1), ("never", 0)])
def test_an_error_of_the_server_may_come_with_or_without_the_work_done(
    site: TalentSite, commit: str, left: int
) -> None:
    """D8"""
    error = {"error": {"type": "api_error", "message": "down"}}
    site.faults.add(Fault("addusertocourse", commit=commit, status=500, json=error))  # type: ignore[arg-type]
    response = send(site, "addusertocourse", "user_id=1&course_id=1")
    assert (response.status, json.loads(response.body)) == (500, error)
    assert len(site.ledger.effects("enrolled")) == left


@pytest.mark.parametrize(("status", "page"), [(401, NEEDS_PASSWORD), (404, LOST), (502, "proxy"), (200, "maintenance")])
def test_a_page_may_come_instead_of_json(site: TalentSite, status: int, page: str) -> None:
    """D9, D10"""
    site.faults.add(Fault("users", status=status, page=page))
    response = send(site, "users/id:1")
    assert (response.status, response.body[:1]) == (status, b"<")
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("offset", range(0, 400, 20))
def test_json_may_end_anywhere(site: TalentSite, offset: int) -> None:
    """D14"""
    whole = send(site, "users/id:1").body
    site.faults.add(Fault("users", truncate=offset))
    assert send(site, "users/id:1").body == whole[:offset]


def test_a_look_up_may_answer_about_somebody_else(site: TalentSite) -> None:
    """D17"""
    sign_up(site)
    site.faults.add(Fault("users", swap=True, times=1))
    assert get(site, "users/email:ann@example.org")["email"] != "ann@example.org"
    assert get(site, "users/email:ann@example.org")["email"] == "ann@example.org"


def test_trouble_may_be_for_one_person_only(site: TalentSite) -> None:
    """D19"""
    site.faults.add(Fault("user*", value="ann@example.org", status=429))
    assert send(site, "users/email:ann@example.org").status == 429
    assert send(site, "users/email:bea@example.org").status == 404


def test_a_lie_answers_as_if_it_had_worked(site: TalentSite) -> None:
    """D26"""
    site.faults.add(Fault("*", commit="never"))
    assert sign_up(site)["login"] == "ann"
    assert json.loads(send(site, "addusertocourse", "user_id=1&course_id=1").body)[0]["role"] == "learner"
    site.faults.clear()
    assert [row["login"] for row in get(site, "users")] == ["admin"]
    assert get(site, "courses/id:1")["users"] == []
    assert site.ledger.effects() == []


def test_two_signups_in_a_race_may_both_succeed(site: TalentSite) -> None:
    """I3: what a checker must be able to see."""
    site.faults.add(Fault("usersignup", nth=2, race=True))
    assert [sign_up(site)["id"], sign_up(site)["id"]] == [2, 3]
    assert len(site.ledger.effects("user created", email="ann@example.org")) == 2
    assert get(site, "users/email:ann@example.org")["id"] == "2"
    assert "error" in sign_up(site)
