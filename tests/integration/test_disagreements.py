"""
Where the five systems disagree: one switch each. Row by row of that table, each side on a Moodle.

A side is named after the systems that have it that way.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from db.pool import Pool
from simulators.learners import Learners
from simulators.moodle import MoodleSite, change_user
from simulators.moodle.state import Enrolment, User
from tests.support.builders import (
    changed,
    enrolled,
    hired,
    payroll,
    results,
    terminated,
    updated,
    withdrawn,
)
from tests.support.workbench import Workbench, academy

FIRE = 2
PRESET = "Preset-canary-1"


def by_hand(name: str, **held: Any) -> dict[str, Any]:
    """Somebody whom an administrator made."""
    return {"username": name, "firstname": "N", "lastname": "M", "email": f"{name}@example.org"} | held


def user(site: MoodleSite, username: str) -> User:
    return site.state.users[site.state.by_username[username]]


def made(site: MoodleSite) -> list[str]:
    return [effect["idnumber"] for effect in site.ledger.effects("user created")]


def held(site: MoodleSite, key: str = "E-1") -> Enrolment | None:
    [number] = site.state.by_idnumber[key]
    return site.state.enrolment(number, FIRE)


# Key to find a person: stored link, id number, e-mail; parked when two disagree


@pytest.mark.parametrize(
    ("match_by", "found"),
    [(["email"], "same.address"), (["external_key"], "same.number"), (["external_key", "email"], "same.number")],
    ids=["PSiber and ActiveProLearn: e-mail", "Coachview: id number", "both"],
)
def test_a_person_is_found_by_the_marks_that_are_chosen(pool: Pool, match_by: list[str], found: str) -> None:
    """R62, R164, R191: each finds its own; where the mark is the one chosen, nobody is made."""
    mark = {"same.address": {"email": "noor1@example.org"}, "same.number": {"idnumber": "E-1"}}[found]
    site = academy(users=[by_hand(found, **mark)])
    bench = Workbench(pool, site, people={"match_by": match_by})

    bench.done(hired(), enrolled())

    assert bench.account()["lms_user_id"] == str(user(site, found).id)
    assert bench.placement()["state"] == "settled"
    assert made(site) == []


@pytest.mark.parametrize(
    ("match_by", "mark", "code"),
    [
        (["external_key"], {"email": "noor1@example.org"}, "email_taken"),
        (["email"], {"idnumber": "E-1"}, "external_key_taken"),
    ],
    ids=["an address where numbers are matched", "a number where addresses are matched"],
)
def test_a_mark_that_was_not_chosen_links_nobody_and_doubles_nobody(
    pool: Pool, match_by: list[str], mark: dict[str, str], code: str
) -> None:
    """I3: Moodle would take a second one, so a person decides."""
    site = academy(users=[by_hand("somebody", **mark)])
    bench = Workbench(pool, site, people={"match_by": match_by})

    bench.done(hired(), enrolled())

    assert (bench.account()["state"], bench.account()["code"]) == ("parked", code)
    assert site.ledger.effects() == []


def test_the_stored_link_goes_before_every_mark(pool: Pool) -> None:
    """R140: as in PowerPro and CourseSales, whose key is the LMS's own; whatever somebody has done to the marks."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired())
    number = int(bench.account()["lms_user_id"])
    change_user(site, number, idnumber="", email="elsewhere@example.org")

    bench.done(updated(at=1, last_name="Berg"))

    assert site.state.users[number].lastname == "Berg"
    assert made(site) == ["E-1"]


def test_where_number_and_address_lead_to_two_people_a_person_decides(pool: Pool) -> None:
    """R143: never merged, whatever may be matched by."""
    site = academy(users=[by_hand("one", idnumber="E-1"), by_hand("other", email="noor1@example.org")])
    bench = Workbench(pool, site, people={"match_by": ["external_key", "email"]})

    bench.done(hired(), enrolled())

    assert bench.account()["state"] == "parked"
    assert len(bench.failures()) == 1
    assert site.ledger.effects() == []


# No e-mail


def test_without_an_address_one_is_made_up_where_that_is_chosen(pool: Pool) -> None:
    """R63: PSiber. At HR's domain, and marked so that nobody mails it."""
    site = academy()
    bench = Workbench(pool, site, people={"no_email": "pseudo", "pseudo_domain": "hr.example.org"})

    bench.done(hired(emails=[], id_number="900"), enrolled())

    assert [site.state.users[number].email for number in site.state.by_idnumber["E-1"]] == [
        "900.1@undeliverable.hr.example.org"
    ]
    assert bench.placement()["state"] == "settled"


def test_without_an_address_nobody_is_made_where_that_is_chosen(pool: Pool) -> None:
    """R73, R126: PowerPro. Named person by person, and done as soon as there is an address."""
    site = academy()
    bench = Workbench(pool, site, people={"no_email": "refuse"})
    bench.done(hired(emails=[], id_number="900"), enrolled())
    assert bench.failures() == [("account", "email_missing")]
    assert site.ledger.effects() == []

    bench.done(updated())

    assert made(site) == ["E-1"]
    assert bench.failures() == []


@pytest.mark.parametrize("choice", [1, 2, 3])
def test_one_of_three_addresses_is_used(pool: Pool, choice: int) -> None:
    """R173: Coachview."""
    site = academy()
    bench = Workbench(pool, site, people={"email_choice": choice})

    bench.done(hired(emails=["one@example.org", "two@example.org", "three@example.org"]))

    assert user(site, site.ledger.effects("user created")[0]["username"]).email.startswith(
        ("one", "two", "three")[choice - 1]
    )


@pytest.mark.parametrize(("fallback", "email"), [(True, "one@example.org"), (False, None)])
def test_an_empty_choice_falls_back_or_not(pool: Pool, *, fallback: bool, email: str | None) -> None:
    """R173: by setting."""
    site = academy()
    bench = Workbench(pool, site, people={"email_choice": 2, "email_fallback": fallback})

    bench.done(hired(emails=["one@example.org", None, None]))

    assert [effect["email"] for effect in site.ledger.effects("user created")] == ([email] if email else [])
    assert bench.failures() == ([] if email else [("account", "email_missing")])


# Date of result


@pytest.mark.parametrize("choice", ["sync", "completion"], ids=["PSiber: day of the sync", "PowerPro: completion"])
def test_the_date_of_a_result_is_the_one_chosen_and_both_are_stored(pool: Pool, choice: str) -> None:
    """R60, R150."""
    done_at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    site = academy()
    bench = Workbench(pool, site, results=results(report="1", attempted_on=choice))
    bench.done(hired(), enrolled())
    Learners(site).complete("E-1", "C-FIRE", at=done_at.timestamp())
    site.run_cron()

    bench.poll()

    [told] = bench.announced("lms.result.recorded.v1")
    today = bench.column("select synced_at::date from result")[0]
    assert date.fromisoformat(told["attempted_on"]) == (today if choice == "sync" else done_at.date())
    assert told["completed_at"] == done_at.isoformat()
    assert datetime.fromisoformat(told["synced_at"]) > done_at


# Due date missed


def test_a_provision_date_that_was_missed_is_made_up(pool: Pool) -> None:
    """R124: due on or before today, so an outage or a pause on the very day loses nobody."""
    site = academy()
    bench = Workbench(pool, site)
    bench.set_state("paused")
    bench.tell(hired(), enrolled(export_on="2021-01-01"))
    bench.provision()
    assert site.ledger.calls() == []

    bench.set_state("active")
    bench.provision()

    assert held(site) is not None


def test_nobody_is_enrolled_before_the_provision_date(pool: Pool) -> None:
    """R124, R132: and a date that is moved to the past before it came is due at once."""
    site = academy()
    bench = Workbench(pool, site)
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    bench.done(hired(), enrolled(export_on=tomorrow))
    assert held(site) is None

    bench.done(changed(export_on="2021-01-01"))

    assert held(site) is not None


# Passwords


@pytest.mark.parametrize(
    ("choice", "sent"),
    [("lms", {"createpassword": "1"}), ("preset", {"password": PRESET})],
    ids=["Moodle makes and mails one", "PSiber and PowerPro: one preset"],
)
def test_new_people_get_the_password_that_is_chosen_and_must_change_it(
    pool: Pool, choice: str, sent: dict[str, str]
) -> None:
    """R67, R142: and whoever is there keeps theirs."""
    site = academy(users=[by_hand("there", email="noor2@example.org")])
    forms: list[dict[str, str]] = []
    plain = site.read
    site.read = lambda request: (forms.append(dict(parse_qsl(request.body.decode()))), plain(request))[1]  # type: ignore[method-assign]
    bench = Workbench(pool, site, password=PRESET if choice == "preset" else None, people={"password": choice})

    bench.done(hired("E-1"), hired("E-2"))

    passwords = [
        {name.split("[")[-1].rstrip("]"): value for name, value in form.items() if "password]" in name}
        for form in forms
        if any("password]" in name for name in form)
    ]
    assert passwords == [sent]
    [newcomer] = [site.state.users[number] for number in site.state.by_idnumber["E-1"]]
    assert newcomer.preferences == {"auth_forcepasswordchange": "1"}
    assert user(site, "there").preferences == {}


# Leaving


def test_whoever_leaves_is_suspended_and_not_deleted(pool: Pool) -> None:
    """R55: PSiber; the enrolment is not written again, and the same account is there for a return."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    [number] = site.state.by_idnumber["E-1"]

    bench.done(terminated())

    assert (site.state.users[number].suspended, site.state.users[number].deleted) == (True, False)
    assert len(site.ledger.effects("enrolled")) == 1
    bench.done(updated(at=5))
    assert not site.state.users[number].suspended
    assert made(site) == ["E-1"]


def test_whoever_withdraws_from_a_course_keeps_the_account_and_a_suspended_enrolment(pool: Pool) -> None:
    """R133: PowerPro leaves it; removing it would lose what was reached, so it is suspended."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())

    bench.done(withdrawn())

    [number] = site.state.by_idnumber["E-1"]
    place = held(site)
    assert place is not None
    assert place.suspended
    assert not site.state.users[number].suspended


@pytest.mark.parametrize(
    ("choice", "suspended"), [("suspend", True), ("leave", False)], ids=["suspend", "Coachview: the account stays"]
)
def test_whoever_leaves_the_scope_is_suspended_or_left_alone(pool: Pool, choice: str, *, suspended: bool) -> None:
    """R18, R20: out of scope either way, and no failure."""
    site = academy()
    bench = Workbench(pool, site, payrolls="selected", when_out_of_scope=choice)
    bench.done(payroll(), hired(), enrolled())

    bench.done(payroll(enabled=False, at=1))

    [number] = site.state.by_idnumber["E-1"]
    assert site.state.users[number].suspended is suspended
    assert (bench.account()["state"], bench.account()["code"]) == ("out_of_scope", "payroll_not_selected")
    assert bench.failures() == []
