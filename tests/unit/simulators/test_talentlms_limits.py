"""
How often a simulated portal lets itself be called. Time is the injected clock's: no test waits.
"""

from __future__ import annotations

import json

import pytest

from simulators.talentlms import Settings, TalentSite, talent_site
from tests.unit.simulators.talent_calling import get, send


class StoppedClock:
    """A time that only tests move."""

    def __init__(self) -> None:
        self.now = 1772404203.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def site(clock: StoppedClock) -> TalentSite:
    return talent_site(courses=1, clock=clock, settings=Settings(calls_per_hour=5))


def statuses(site: TalentSite, count: int) -> list[int]:
    return [send(site, "courses").status for _ in range(count)]


def test_an_hour_lets_so_many_calls_through_and_asking_what_is_left_is_free(
    site: TalentSite, clock: StoppedClock
) -> None:
    """D27"""
    assert statuses(site, 3) == [200] * 3
    told = {"limit": "5", "remaining": 2, "reset": "1772407803", "formatted_reset": "02/03/2026, 10:30"}
    assert [get(site, "ratelimit") for _ in range(9)] == [told] * 9
    assert statuses(site, 4) == [200, 200, 429, 429]
    assert get(site, "ratelimit")["remaining"] == 0
    clock.now = 1772407802
    assert statuses(site, 1) == [429]
    clock.now = 1772407803
    assert statuses(site, 1) == [200]
    assert get(site, "ratelimit")["remaining"] == 4


def test_unknown_actions_count_and_a_wrong_key_does_not(site: TalentSite) -> None:
    send(site, "nothing")
    send(site, "courses", key="wrong")
    assert get(site, "ratelimit")["remaining"] == 4


def test_a_burst_is_cut_off_and_a_steady_stream_is_not(clock: StoppedClock) -> None:
    site = talent_site(courses=1, clock=clock)
    assert statuses(site, 201) == [200] * 200 + [429]
    clock.now += 4
    assert statuses(site, 1) == [429]
    clock.now += 1
    assert statuses(site, 1) == [200]


@pytest.mark.parametrize(("html", "kind"), [(False, "application/json"), (True, "text/html; charset=utf-8")])
def test_over_the_limit_there_is_json_or_a_page_and_no_word_of_when_to_come_back(
    site: TalentSite, html: bool, kind: str
) -> None:
    """D18"""
    site.settings = Settings(calls_per_hour=0, limited_html=html)
    response = send(site, "courses")
    assert (response.status, response.headers) == (429, {"Content-Type": kind})
    assert html or json.loads(response.body)["error"]["type"] == "invalid_request_error"
    assert site.ledger.calls("courses")[0]["status"] == 429


def test_a_refused_signup_makes_nobody(site: TalentSite) -> None:
    site.settings = Settings(calls_per_hour=0)
    send(site, "usersignup", "login=ann")
    assert site.ledger.effects() == []
