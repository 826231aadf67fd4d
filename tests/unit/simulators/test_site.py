"""
What a simulated site does to its state, and what it writes down.
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simulators.clock import MovableClock
from simulators.latency import Latency, small_site
from simulators.learners import Learners
from simulators.moodle import MoodleSite, Settings, change_token, moodle_site
from tests.unit.simulators.calling import TOKEN, call, found, person, send

CREATE = "core_user_create_users"
ENROL = "enrol_manual_enrol_users"
STATUS = "core_completion_get_course_completion_status"


@pytest.fixture
def site() -> MoodleSite:
    return moodle_site(courses=3, users=[{"username": "ann", "idnumber": "E-1", "email": "ann@example.org"}])


def test_a_failing_batch_leaves_nothing_but_a_gap_in_the_ids(site: MoodleSite) -> None:
    answer = call(site, CREATE, users=[person("bea"), person("cyd"), person("ann")])
    assert answer["errorcode"] == "invalidparameter"
    assert found(site, "username", "bea", "cyd") == []
    assert site.ledger.effects() == []
    assert call(site, CREATE, users=[person("bea")])[0]["id"] == 7


def test_an_update_skips_only_the_elements_that_fail(site: MoodleSite) -> None:
    changes = [{"id": 4, "city": "Oslo", "suspended": 1}, {"id": 999, "city": "Oslo"}]
    answer = call(site, "core_user_update_users", users=changes)
    assert [warning["warningcode"] for warning in answer["warnings"]] == ["invaliduserid"]
    assert site.ledger.effects("user updated")[0]["fields"] == {"city": "Oslo", "suspended": True}
    assert site.ledger.effects("user suspended", user=4)


def test_a_repeated_enrolment_overwrites_and_the_ledger_tells_whether_it_changed_anything(site: MoodleSite) -> None:
    place = {"roleid": 5, "userid": 4, "courseid": 2}
    for more in ({"timeend": 2000000000}, {"timeend": 2000000000}, {}, {"suspend": 1}):
        assert call(site, ENROL, enrolments=[place | more]) is None
    told = site.ledger.effects("enrolled")
    assert [(entry["changed"], entry["created"]) for entry in told] == [
        (True, True),
        (False, False),
        (True, False),
        (True, False),
    ]
    assert [entry["end"] for entry in told] == [2000000000, 2000000000, 0, 0]
    assert told[-1]["suspended"] is True


def test_fields_beyond_the_limit_are_dropped_without_a_sign() -> None:
    """The small site keeps PHP's own limit of 1000 form fields."""
    site = moodle_site(courses=1, settings=Settings(max_input_vars=1000))
    answer = call(site, "core_user_get_users_by_field", field="id", values=["1"] * 996 + ["2", "3"])
    assert [user["id"] for user in answer] == [1, 2]


def test_two_callers_creating_the_same_username_get_one_account(site: MoodleSite) -> None:
    """I3"""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: call(site, CREATE, users=[person("bea")]), range(8)))
    assert sum(isinstance(answer, list) for answer in answers) == 1
    assert len(site.ledger.effects("user created")) == 1


def test_an_expired_token_is_forgotten_on_its_first_use() -> None:
    clock = MovableClock()
    site = moodle_site(courses=1, clock=clock)
    change_token(site, TOKEN, expires=clock() + 10)
    clock.advance(11)
    codes = [call(site, "core_webservice_get_site_info")["errorcode"] for _ in range(2)]
    assert codes == ["accessexception", "invalidtoken"]


def test_an_account_without_rights_sees_nobody_but_itself() -> None:
    site = moodle_site(courses=1, rights="limited")
    assert found(site, "username", "admin", "ws_matricula") == [3]
    assert call(site, CREATE, users=[person("bea")])["errorcode"] == "nopermissions"


@pytest.mark.parametrize(
    ("release", "name"),
    [("4.4", "invalid_parameter_exception"), ("4.5", "core\\exception\\invalid_parameter_exception")],
)
def test_the_release_decides_the_class_names(release: str, name: str) -> None:
    site = moodle_site(courses=1, release=release)
    assert call(site, CREATE, users=[person("Ann")])["exception"] == name


def test_progress_may_exceed_a_hundred_in_4_5_only(site: MoodleSite) -> None:
    """A stored completion of an activity that is no longer tracked counts there."""
    call(site, ENROL, enrolments=[{"roleid": 5, "userid": 4, "courseid": 2}])
    course = site.state.courses[2]
    site.state.progress.clear()
    learner = {activity.cmid: (1, 1) for activity in course.activities}
    Learners(site).complete("E-1", "C001")
    site.state.progress[(4, 2)].activities = learner
    object.__setattr__(course.activities[3], "tracked", False)
    shown = []
    for site.release in ("4.4", "4.5"):
        shown.append(call(site, "core_enrol_get_users_courses", userid=4)[0]["progress"])
    assert shown == [100, pytest.approx(133.33, abs=0.01)]


def test_self_completion_counts_only_after_the_scheduled_task(site: MoodleSite) -> None:
    call(site, ENROL, enrolments=[{"roleid": 5, "userid": 4, "courseid": 2}])
    Learners(site).complete("E-1", "C001", at=1_700_000_000)
    before = call(site, STATUS, courseid=2, userid=4)["completionstatus"]
    assert (before["completed"], before["completions"][0]["complete"]) == (False, True)
    assert site.run_cron() == 1
    assert call(site, STATUS, courseid=2, userid=4)["completionstatus"]["completed"] is True
    assert site.ledger.effects("course completed")[0]["time"] == 1_700_000_000


def test_a_share_of_the_learners_finishes_the_same_for_the_same_seed() -> None:
    def finished(seed: int) -> list[tuple[str, str]]:
        people = [{"username": f"p{n}", "idnumber": f"E-{n}", "email": f"p{n}@example.org"} for n in range(40)]
        site = moodle_site(courses=3, users=people)
        call(site, ENROL, enrolments=[{"roleid": 5, "userid": 4 + n, "courseid": 2 + n % 3} for n in range(40)])
        return Learners(site).finish_all(0.5, seed=seed)

    assert finished(1) == finished(1)
    assert finished(1) != finished(2)
    assert 5 < len(finished(1)) < 35


def test_look_ups_cost_by_the_record_found_and_writes_by_the_element_sent() -> None:
    slept: list[float] = []
    latency = Latency(
        enabled=True, costs={CREATE: (10, 5), "core_user_get_users_by_field": (10, 1)}, sleep=slept.append
    )
    site = moodle_site(courses=1, latency=latency)
    call(site, CREATE, users=[person("bea"), person("cyd")])
    found(site, "username", "nobody", "noone")
    found(site, "username", "bea", "cyd", "nobody")
    assert slept == pytest.approx([0.020, 0.010, 0.012])


def test_no_more_calls_run_at_once_than_there_are_workers() -> None:
    running, most, gate = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def sleep(_: float) -> None:
        nonlocal running, most
        with gate:
            running += 1
            most = max(most, running)
        both.wait(5)  # two must be inside together, so the state's lock is not held here
        with gate:
            running -= 1

    latency = small_site()
    latency.sleep = sleep
    site = moodle_site(courses=1, latency=latency)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: call(site, "core_webservice_get_site_info"), range(6)))
    assert most == 2


def test_the_ledger_is_appended_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    site = moodle_site(courses=1, ledger_path=path)
    send(site, CREATE, users=[person("bea")])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["log"], line["n"]) for line in lines] == [("effect", 1), ("call", 1)]
