"""
Who is who: the match order, accounts that are never touched, and links by hand. R65, R143, R170, R181, S15, D21.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from db.links import links
from db.pool import Pool, transaction
from lms.read_only import ReadOnly
from ops import links as by_hand
from ops.actions import NotFound, Refused
from ops.links import set_link, unset_link
from ops.operators import ReasonMissing
from runtime.settings import Settings
from simulators.moodle import MoodleSite, change_user
from tests.support.builders import enrolled, hired, updated
from tests.support.operators import BY
from tests.support.workbench import KEYS, Workbench, academy

NAMES = {"username": "first_infix_last"}
BY_NAME = {"people": NAMES | {"match_by": ["external_key", "email", "username"]}}
WHY = BY.because("asked the person")
SETTINGS = Settings("", "", KEYS)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> Any:
    """
    Lets commands reach the bench's LMS, which has no address.
    """

    def reach(bench: Workbench) -> None:
        @contextmanager
        def reading(_: Settings, row: Any) -> Iterator[ReadOnly]:
            yield ReadOnly(bench._gateways[row.integration_id])

        monkeypatch.setattr(by_hand, "reading", reading)

    return reach


def effects(site: MoodleSite) -> list[str]:
    return [effect["kind"] for effect in site.ledger.effects()]


# By user name


def test_a_user_name_links_where_that_is_chosen(pool: Pool) -> None:
    """Match order: after key and address; the address is then brought in line, the user name stays."""
    site = academy(users=[{"username": "noor.meer1", "email": "old@example.org"}])
    bench = Workbench(pool, site, **BY_NAME)
    bench.done(hired())
    assert (bench.account()["link"], effects(site)) == ("username", ["user updated"])
    assert site.state.users[site.state.by_username["noor.meer1"]].email == "noor1@example.org"


def test_without_that_choice_the_newcomer_gets_a_name_of_their_own(pool: Pool) -> None:
    site = academy(users=[{"username": "noor.meer1", "email": "old@example.org"}])
    bench = Workbench(pool, site, people=NAMES)
    bench.done(hired())
    assert (bench.account()["link"], bench.account()["username"]) == ("created", "noor.meer1-e-1")


@pytest.mark.parametrize(
    "held", [{"idnumber": "SOMEBODY"}, {"idnumber": "E-9"}], ids=["key of a stranger", "key of a colleague"]
)
def test_a_namesake_is_never_taken_for_the_person(pool: Pool, held: dict[str, str]) -> None:
    """R170: somebody else's account; the newcomer gets the suffix."""
    site = academy(users=[{"username": "noor.meer1", "email": "old@example.org", **held}])
    bench = Workbench(pool, site, **BY_NAME)
    bench.done(hired("E-9", emails=["nine@example.org"], last_name="Meer1"))
    bench.done(hired())
    assert bench.account()["link"] == "created"
    assert bench.account()["username"] == "noor.meer1-e-1"


def test_a_better_mark_goes_before_the_user_name(pool: Pool) -> None:
    """R143: the id number's user is the person, although another one has the user name."""
    site = academy(
        users=[{"username": "noor.meer1", "email": "x@example.org"}, {"username": "u2", "idnumber": "E-1", "email": ""}]
    )
    bench = Workbench(pool, site, **BY_NAME)
    bench.done(hired())
    assert bench.account()["link"] == "external_key"
    assert bench.account()["lms_user_id"] == str(site.state.by_username["u2"])


# Accounts that are never touched


@pytest.mark.parametrize("listed", ["boss", "4"], ids=["by user name", "by id"])
def test_a_listed_account_is_never_touched(pool: Pool, listed: str) -> None:
    """S15: neither linked, nor changed, nor enrolled."""
    site = academy(users=[{"username": "boss", "email": "noor1@example.org"}])
    assert site.state.by_username["boss"] == 4
    bench = Workbench(pool, site, people={"protected": [listed]})
    bench.done(hired(), enrolled())
    assert (bench.account()["state"], bench.account()["code"]) == ("parked", "protected_account")
    assert site.ledger.effects() == []


@pytest.mark.parametrize("listed", ["noor1@example.org", "4"], ids=["by user name", "by id"])
def test_an_account_that_is_listed_later_is_left_alone_from_then_on(pool: Pool, listed: str) -> None:
    """S15."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired())
    before = len(site.ledger.effects())
    bench.choose(people={"protected": [listed]})
    bench.done(updated(last_name="Other"), enrolled())
    assert bench.account()["code"] == "protected_account"
    assert len(site.ledger.effects()) == before


# By hand


def unclear(pool: Pool) -> tuple[MoodleSite, Workbench]:
    """Two users have the address of one person."""
    users = [{"username": f"u{n}", "email": "noor1@example.org"} for n in (1, 2)]
    site = academy(users=users)
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    return site, bench


def test_two_candidates_are_shown_with_both_ids(pool: Pool) -> None:
    """D21, F4: a person decides, and sees between whom."""
    unclear(pool)
    with transaction(pool) as db:
        (row,) = links(db, tenant=None, linked=False)
    assert (row.employee_key, row.code) == ("E-1", "several_candidates")
    assert "4, 5" in (row.detail or "")


def test_a_link_by_hand_settles_it(pool: Pool, reached: Any) -> None:
    """R181: linked as given, brought in line, enrolled, told upstream; reason and name are in the timeline."""
    site, bench = unclear(pool)
    reached(bench)
    set_link(pool, SETTINGS, bench.integration(), "E-1", "5", by=WHY)
    bench.provision()
    assert (bench.account()["link"], bench.account()["lms_user_id"]) == ("given", "5")
    assert site.state.users[5].idnumber == "E-1"
    assert bench.placement()["state"] == "settled"
    assert bench.failures() == []
    assert [said["how"] for said in bench.announced("lms.account.linked.v1")] == ["given"]
    assert bench.column("select data from timeline where kind = 'link set by hand'") == [
        {"user": "5", "by": "op", "reason": "asked the person"}
    ]


def test_a_broken_link_is_not_found_again(pool: Pool, reached: Any) -> None:
    """The user still has the person's id number, and is left alone; once that is cleared, a new one is made."""
    site = academy(users=[{"username": "u1", "idnumber": "E-1", "email": "old@example.org"}])
    bench = Workbench(pool, site)
    reached(bench)
    bench.done(hired(), enrolled())
    assert unset_link(pool, bench.integration(), "E-1", by=WHY) == "4"
    bench.provision()
    assert (bench.account()["state"], bench.account()["code"]) == ("parked", "link_refused")
    assert bench.account()["lms_user_id"] is None
    change_user(site, 4, idnumber="", email="other@example.org")
    bench.run("update account set state = 'due', code = null, due_at = now()")
    bench.provision()
    assert (bench.account()["link"], bench.account()["lms_user_id"]) == ("created", "5")
    assert (bench.placement()["state"], len(site.ledger.effects("enrolled"))) == ("settled", 2)


def test_a_link_that_was_broken_can_be_set_again(pool: Pool, reached: Any) -> None:
    site = academy(users=[{"username": "u1", "idnumber": "E-1", "email": "old@example.org"}])
    bench = Workbench(pool, site)
    reached(bench)
    bench.done(hired())
    unset_link(pool, bench.integration(), "E-1", by=WHY)
    set_link(pool, SETTINGS, bench.integration(), "E-1", "4", by=WHY)
    bench.provision()
    assert (bench.account()["state"], bench.account()["link"]) == ("settled", "given")


@pytest.mark.parametrize(
    ("person", "user", "error"),
    [
        ("E-1", "999", NotFound),
        ("E-404", "5", NotFound),
        ("E-1", "1", Refused),
        ("E-1", "6", Refused),
        ("E-2", "5", Refused),
        ("E-1", "7", Refused),
    ],
    ids=["no such user", "no such person", "protected", "linked to another", "has a link", "another's id number"],
)
def test_a_link_by_hand_is_checked(pool: Pool, reached: Any, person: str, user: str, error: type[Exception]) -> None:
    """S15, D21: the user must exist, be free and not protected."""
    site, bench = unclear(pool)
    reached(bench)
    bench.done(hired("E-2"), hired("E-3", emails=["shared@example.org"]))
    assert bench.account("E-2")["lms_user_id"] == "6"
    bench.run("update account set lms_user_id = null, link = null, due_at = null where employee_key = 'E-3'")
    before = len(site.ledger.effects())
    with pytest.raises(error):
        set_link(pool, SETTINGS, bench.integration(), person, user, by=WHY)
    assert len(site.ledger.effects()) == before
    assert bench.account()["lms_user_id"] is None


def test_nothing_is_linked_under_a_worker_or_without_a_reason(pool: Pool, reached: Any) -> None:
    _, bench = unclear(pool)
    reached(bench)
    with pytest.raises(ReasonMissing):
        set_link(pool, SETTINGS, bench.integration(), "E-1", "5", by=BY.because(" "))
    bench.run("update account set lease_token = 1, lease_until = now() + interval '1 minute'")
    with pytest.raises(Refused, match="busy"):
        set_link(pool, SETTINGS, bench.integration(), "E-1", "5", by=WHY)
    with pytest.raises(Refused, match="busy"):
        unset_link(pool, bench.integration(), "E-1", by=WHY)
