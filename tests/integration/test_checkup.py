"""The daily self-check: what turned red is told once, and holds the work that needs it and no other."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from db.checks import CheckStore
from db.pool import Pool, transaction
from db.schedule import due_scopes
from domain.checks import Identity
from lms.opening import Gateways
from simulators.moodle import MoodleSite
from simulators.moodle.build import change_token
from simulators.server import serve
from tests.support.builders import COURSES, enrolled, hired, results
from tests.support.workbench import KEYS, TOKEN, Workbench, academy
from workers.boot import Sites
from workers.checkup import check_up

COMPLETION = "core_completion_get_course_completion_status"


class Checked(Workbench):
    """A workbench whose integration is looked at over a real connection."""

    gateways: Gateways

    def check(self) -> None:
        sites = Sites(self.gateways, KEYS, self.pool)
        check_up(pool=self.pool, subject=sites.subject, rules=self.rules, allow_private=True)

    def a_day_later(self) -> None:
        self.run("update integration set checked_at = now() - interval '25 hours'")

    def daily(self) -> None:
        self.a_day_later()
        self.check()

    def state(self) -> tuple[str, str | None]:
        row = self.integration()
        return row.state, row.hold_code

    def polls_due(self) -> list[int]:
        self.run("update poll_cursor set due_at = now()")
        with transaction(self.pool) as db:
            return due_scopes(db).poll


@pytest.fixture
def site() -> MoodleSite:
    return academy(courses=COURSES)


@pytest.fixture
def bench(pool: Pool, site: MoodleSite) -> Iterator[Checked]:
    with serve(site) as url, Gateways(allow_private=True, deadline=timedelta(seconds=5)) as gateways:
        made = Checked(pool, site, url=url, results=results(report="1"))
        made.gateways = gateways
        with transaction(pool) as db:
            CheckStore(db, made.integration_id).pin(Identity(url, site.settings.sitename))
        yield made


def functions(site: MoodleSite, *, without: str = "") -> None:
    every = site.state.tokens["every"].functions if "every" in site.state.tokens else site.state.tokens[TOKEN].functions
    site.state.tokens.setdefault("every", site.state.tokens[TOKEN])
    change_token(site, TOKEN, functions=every - {without})


def test_an_integration_is_looked_at_once_a_day(bench: Checked, site: MoodleSite) -> None:
    """The scheduler's maintenance asks; the second wake-up of a day costs a query."""
    bench.daily()
    calls = len(site.ledger.calls())
    bench.check()

    assert calls > 5
    assert len(site.ledger.calls()) == calls
    assert bench.column("select count(*) from integration_check where state = 'ok'")[0] > 20
    assert bench.failures() == []
    assert site.ledger.effects() == []


def test_it_is_the_schedulers_business_when_it_is_due(bench: Checked, pool: Pool) -> None:
    bench.a_day_later()
    with transaction(pool) as db:
        due = due_scopes(db).checks
    bench.check()
    with transaction(pool) as db:
        after = due_scopes(db).checks

    assert (due, after) == ([bench.integration_id], [])


def test_a_missing_result_function_holds_results_only_and_is_told_once(bench: Checked, site: MoodleSite) -> None:
    """R43: people and enrolments go on; results are read again as soon as it is there."""
    functions(site, without=COMPLETION)
    bench.daily()
    bench.daily()
    held = bench.polls_due()
    bench.done(hired(), enrolled())
    provisioned = bench.placement()["state"]
    functions(site)
    bench.daily()

    assert held == []
    assert bench.state() == ("active", None)
    assert provisioned == "settled"
    assert bench.polls_due() == [bench.integration_id]
    assert bench.column("select times from failure where code = 'function_missing'") == [2]
    assert bench.failures() == []


def test_a_missing_right_holds_its_operation_only(bench: Checked, site: MoodleSite) -> None:
    """E3: seen by the daily check before any work meets it, and ended by it."""
    functions(site, without="core_user_create_users")
    bench.daily()
    held = bench.column("select operation from operation_hold")
    functions(site)
    bench.daily()

    assert held == ["create_users"]
    assert bench.state() == ("active", None)
    assert bench.column("select operation from operation_hold") == []
    assert bench.failures() == []


def test_another_site_at_the_address_holds_everything_until_it_is_the_right_one(
    bench: Checked, site: MoodleSite
) -> None:
    """R69: ids of users and courses mean somebody else there."""
    right = site.settings.url
    site.settings.url = "https://other.example"
    bench.daily()
    held = bench.state()
    bench.pass_time(hours=1)
    bench.done(hired())
    created = [effect for effect in site.ledger.effects() if effect["kind"] == "user created"]
    site.settings.url = right
    bench.daily()

    assert held == ("quarantined", "other_site")
    assert created == []
    assert bench.state() == ("active", None)
    assert bench.failures() == []


def test_a_site_that_is_away_keeps_what_was_known_of_it(bench: Checked, site: MoodleSite) -> None:
    """What was not looked at stays as it was: a hold does not end because nobody answered."""
    functions(site, without=COMPLETION)
    bench.daily()
    site.settings.webservices = False
    bench.daily()

    assert bench.polls_due() == []


def test_a_paused_integration_is_left_alone(bench: Checked, site: MoodleSite) -> None:
    """R161: no contact at all, not even this."""
    bench.set_state("paused")
    bench.daily()

    assert site.ledger.calls() == []


def test_its_calls_are_counted_as_all_others_are(bench: Checked, site: MoodleSite) -> None:
    bench.daily()

    assert bench.column("select sum(calls)::int from lms_calls") == [len(site.ledger.calls())]


def test_fields_are_looked_for_again_once_a_day(bench: Checked, site: MoodleSite) -> None:
    """R28, R39: a field that an administrator added is known the next day, and one that is gone is flagged."""
    site.state.course_fields = (("Level", "level", "text", ()),)
    bench.daily()
    first = bench.column("select shortname from lms_field where area = 'course' and not gone")
    site.state.course_fields = (("Body", "body", "text", ()),)
    bench.daily()

    assert first == ["level"]
    assert bench.rows("select shortname, gone from lms_field where area = 'course' order by shortname") == [
        {"shortname": "body", "gone": False},
        {"shortname": "level", "gone": True},
    ]
