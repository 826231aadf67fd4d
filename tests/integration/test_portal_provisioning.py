"""People of HR become users of a portal as they become users of a Moodle, though every item is a call of its own."""

from typing import Any

import pytest

from db.pool import Pool
from simulators.faults import Fault
from simulators.talentlms import TalentLearners, TalentSite, add_user, talent_site
from tests.support.builders import BY_CODE, enrolled, hired, hires, terminated, updated, withdrawn
from tests.support.workbench import Workbench

COURSES = [{"id": 2, "name": "Fire safety", "code": "C-FIRE"}, {"id": 3, "name": "Labour law", "code": "C-LAW"}]
KEY = {"key_field": "custom_field_1"}


@pytest.fixture
def site() -> TalentSite:
    return talent_site(courses=COURSES)


def effects(site: TalentSite, kind: str) -> int:
    return len(site.ledger.effects(kind))


def settled(bench: Workbench) -> None:
    assert bench.column("select distinct state from account") == ["settled"]
    assert bench.column("select distinct state from placement") == ["settled"]
    assert bench.failures() == []


@pytest.mark.parametrize("people", [KEY, {}], ids=["with a place for the key", "without"])
def test_hires_are_made_and_enrolled_once_and_leavers_shut_out(pool: Pool, site: TalentSite, people: Any) -> None:
    """R55, I3, I4: with a place for our key or without."""
    bench = Workbench(pool, site, lms="talentlms", enrolments=BY_CODE | {"when_ended": "remove"}, people=people)
    bench.done(*hires(5))
    settled(bench)
    assert (effects(site, "user created"), effects(site, "enrolled")) == (5, 5)

    bench.done(updated("E-1", last_name="Berg"), terminated("E-2"), withdrawn("EN-3", "E-3"))
    settled(bench)
    states = {user.login: (user.last_name, user.status == "active") for user in site.state.users.values()}
    assert states["noor1@example.org"] == ("Berg", True)
    assert states["noor2@example.org"] == ("Meer2", False)
    assert (effects(site, "user created"), effects(site, "enrolled"), effects(site, "unenrolled")) == (5, 5, 1)


@pytest.mark.parametrize("people", [KEY, {}], ids=["with a place for the key", "without"])
@pytest.mark.parametrize("fault", [{"close": "reset"}, {"status": 500}, {"truncate": 10}], ids=str)
def test_a_portal_holds_each_person_once_whatever_was_heard_of_the_signup(
    pool: Pool, site: TalentSite, people: Any, fault: Any
) -> None:
    """8.15, D5, D8, D14, I3: looked up before anything is sent again."""
    site.faults.add(Fault("usersignup", nth=1, commit="before", **fault))
    bench = Workbench(pool, site, lms="talentlms", enrolments=BY_CODE | {"when_ended": "remove"}, people=people)
    bench.tell(*hires(3))
    for _ in range(8):
        bench.provision()
        bench.pass_time(minutes=2)
    settled(bench)
    assert effects(site, "user created") == 3


def test_whoever_is_there_is_linked_and_an_administrator_never(pool: Pool, site: TalentSite) -> None:
    """S15, R141."""
    add_user(site, login="old", email="noor1@example.org")
    add_user(site, login="boss", email="noor2@example.org", user_type="SuperAdmin")
    bench = Workbench(pool, site, lms="talentlms", enrolments=BY_CODE | {"when_ended": "remove"}, people=KEY)
    bench.done(hired("E-1"), hired("E-2"), hired("E-3"))
    assert bench.failures() == [("account", "protected_account")]
    assert effects(site, "user created") == 1


def test_a_person_deleted_in_the_portal_is_parked_and_nobody_else(pool: Pool, site: TalentSite) -> None:
    """R141, 8.14: restored, the person goes on."""
    add_user(site, login="old", email="noor1@example.org")
    TalentLearners(site).delete("old")
    bench = Workbench(pool, site, lms="talentlms", enrolments=BY_CODE | {"when_ended": "remove"}, people=KEY)
    bench.done(*hires(2))
    assert bench.failures() == [("account", "user_soft_deleted")]
    assert effects(site, "user created") == 1


def test_newcomers_of_a_portal_that_confirms_addresses_can_sign_in_at_once(pool: Pool) -> None:
    """8.19."""
    site = talent_site(courses=COURSES)
    site.settings = type(site.settings)(verification=True)
    bench = Workbench(pool, site, lms="talentlms", enrolments=BY_CODE | {"when_ended": "remove"}, people=KEY)
    bench.done(hired(), enrolled())
    settled(bench)
    assert [user.status == "active" for user in site.state.users.values()] == [True, True]
