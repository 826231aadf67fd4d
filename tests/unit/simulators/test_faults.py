"""
Every fault of the matrix that a simulated site can play.
"""

from __future__ import annotations

import gzip
import json

import pytest

from simulators.clock import MovableClock
from simulators.faults import Fault, fault_from
from simulators.moodle import MoodleSite, moodle_site
from tests.unit.simulators.calling import call, found, person, send

CREATE = "core_user_create_users"
INFO = "core_webservice_get_site_info"


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def site(clock: MovableClock) -> MoodleSite:
    return moodle_site(courses=2, clock=clock)


def test_an_answer_lost_after_the_work_leaves_the_account_behind(site: MoodleSite) -> None:
    """D5"""
    site.faults.add(Fault(CREATE, commit="before", close="reset"))
    assert send(site, CREATE, users=[person("ann")]).lost
    assert len(found(site, "username", "ann")) == 1
    assert site.ledger.counts() == {"user created": 1}


def test_an_answer_lost_before_the_work_leaves_nothing_behind(site: MoodleSite) -> None:
    """D6"""
    site.faults.add(Fault(CREATE, commit="never", close="after_request"))
    assert send(site, CREATE, users=[person("ann")]).lost
    assert found(site, "username", "ann") == []
    assert site.ledger.effects() == []


def test_a_new_account_may_become_visible_later_while_its_name_is_taken_at_once(
    site: MoodleSite, clock: MovableClock
) -> None:
    """D7"""
    site.faults.add(Fault(CREATE, times=1, visible_after=30))
    call(site, CREATE, users=[person("ann", idnumber="E-1")])
    assert found(site, "idnumber", "E-1") == []
    assert call(site, CREATE, users=[person("ann")])["errorcode"] == "invalidparameter"
    clock.advance(31)
    assert len(found(site, "idnumber", "E-1")) == 1


@pytest.mark.parametrize(("commit", "left"), [("before", 1), ("never", 0)])
def test_an_error_of_the_server_may_come_with_or_without_the_work_done(
    site: MoodleSite, commit: str, left: int
) -> None:
    """D8"""
    site.faults.add(fault_from({"function": CREATE, "commit": commit, "status": 500}))
    assert send(site, CREATE, users=[person("ann")]).status == 500
    assert len(found(site, "username", "ann")) == left


def test_a_lie_answers_as_if_it_had_worked(site: MoodleSite) -> None:
    """D26"""
    site.faults.add(Fault(CREATE, commit="never"))
    assert call(site, CREATE, users=[person("ann")]) == [{"id": 4, "username": "ann"}]
    assert found(site, "username", "ann") == []
    assert site.ledger.effects() == []


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault(status=502, page="proxy"), 502, b"<html>"),  # D9
        (Fault(page="login"), 200, b"<!DOCTYPE html>"),  # D10
        (Fault(page="maintenance"), 200, b"<!DOCTYPE html>"),  # D10
        (Fault(body=""), 200, b""),  # D11
        (Fault(json=None), 200, b"null"),  # D11
        (Fault(errorcode="dbconnectionfailed"), 200, b'{"exception"'),  # D12
        (Fault(prefix="<br><b>Warning</b>"), 200, b"<br><b>Warning</b>{"),  # D13
        (Fault(prefix="\ufeff"), 200, b"\xef\xbb\xbf{"),  # D15
        (Fault(json=[{"id": "12", "username": None}]), 200, b'[{"id": "12"'),  # D16
    ],
)
def test_an_answer_may_be_replaced_or_spoilt(site: MoodleSite, fault: Fault, status: int, body: bytes) -> None:
    site.faults.add(fault)
    response = send(site, INFO)
    assert response.status == status
    assert response.body.startswith(body)
    assert bool(response.body) == bool(body)


@pytest.mark.parametrize("offset", range(0, 400, 20))
def test_json_may_end_anywhere(site: MoodleSite, offset: int) -> None:
    """D14"""
    whole = send(site, INFO).body
    site.faults.add(Fault(truncate=offset))
    assert send(site, INFO).body == whole[:offset]


def test_a_body_may_be_huge_packed_or_wrongly_labelled(site: MoodleSite) -> None:
    """D15"""
    site.faults.add(
        Fault(nth=1, oversize=9_000_000), Fault(nth=1, gzip_bomb=9_000_000), Fault(content_type="text/plain")
    )
    assert len(send(site, INFO).body) == 9_000_000
    packed = send(site, INFO)
    assert len(packed.body) < 100_000
    assert len(gzip.decompress(packed.body)) == 9_000_002
    assert send(site, INFO).headers["Content-Type"] == "text/plain"


def test_a_look_up_may_answer_about_somebody_else(site: MoodleSite) -> None:
    """D17"""
    ann, bea = (entry["id"] for entry in call(site, CREATE, users=[person("ann"), person("bea")]))
    site.faults.add(Fault("core_user_get_users_by_field", swap=True, times=1))
    assert ann not in found(site, "username", "ann")
    assert found(site, "username", "bea") == [bea]


@pytest.mark.parametrize("wait", ["7", "Fri, 31 Dec 2027 23:59:59 GMT", "-5", "1000000000", "soon", None])
def test_too_many_requests_may_ask_for_any_wait(site: MoodleSite, wait: str | None) -> None:
    """D18"""
    site.faults.add(Fault(status=429, retry_after=wait))
    response = send(site, INFO)
    assert (response.status, response.headers.get("Retry-After")) == (429, wait)


def test_trouble_may_be_for_one_person_only(site: MoodleSite) -> None:
    """D19"""
    site.faults.add(Fault("core_user_*", value="E-1", status=429))
    lookup = "core_user_get_users_by_field"
    assert send(site, lookup, field="idnumber", values=["E-1"]).status == 429
    assert send(site, lookup, field="idnumber", values=["E-2"]).status == 200
    assert send(site, INFO).status == 200


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_site_may_send_callers_elsewhere(site: MoodleSite, status: int) -> None:
    """D20"""
    site.faults.add(Fault(status=status, redirect="http://elsewhere.example/"))
    response = send(site, INFO)
    assert (response.status, response.headers["Location"]) == (status, "http://elsewhere.example/")


def _statuses(site: MoodleSite, count: int) -> list[int]:
    return [send(site, INFO).status for _ in range(count)]


@pytest.mark.parametrize(
    ("rule", "statuses"),
    [
        ({"nth": 2}, [200, 500, 200, 200]),
        ({"every": 2}, [200, 500, 200, 500]),
        ({"times": 3}, [500, 500, 500, 200]),
        ({"probability": 0.5, "seed": 3}, [500, 200, 500, 200]),
    ],
)
def test_a_rule_chooses_its_calls(site: MoodleSite, rule: dict[str, float], statuses: list[int]) -> None:
    site.faults.add(fault_from({"function": "core_webservice_*", "status": 500, **rule}))
    found(site, "id", "1")  # another function, which the rule must not count
    assert _statuses(site, 4) == statuses


def test_a_quota_lets_so_many_calls_through_per_span(site: MoodleSite, clock: MovableClock) -> None:
    """D27"""
    site.faults.add(Fault(quota=(2, 60), status=429))
    assert _statuses(site, 3) == [200, 200, 429]
    clock.advance(61)
    assert _statuses(site, 3) == [200, 200, 429]


def test_the_first_rule_that_fires_decides_and_cleared_rules_do_nothing(site: MoodleSite) -> None:
    site.faults.add(Fault(nth=1, status=503), Fault(status=500))
    assert _statuses(site, 2) == [503, 500]
    assert [rule["fired"] for rule in site.faults.report()] == [1, 1]
    site.faults.clear()
    assert _statuses(site, 1) == [200]


def test_a_rule_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="sttaus"):
        fault_from({"sttaus": 500})


def test_calls_are_logged_without_values_and_the_token(site: MoodleSite) -> None:
    """I10"""
    call(site, CREATE, users=[person("canary-person")])
    send(site, "canary_function")
    logged = json.dumps(site.ledger.calls())
    assert [entry["function"] for entry in site.ledger.calls()] == [CREATE, "unknown"]
    assert "canary" not in logged
    assert "simulated-token" not in logged
