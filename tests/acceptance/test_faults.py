"""
The LMS, the token, the workers, the broker or the database fail under a whole installation, which ends where it should.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import amqp
import pytest

from producers.wakeups import WakeUps, wakeup_broker
from runtime.topology import APPLY, POLL, PROVISION
from tests.support import company, queues
from tests.support.installation import ROLES, TENANT, TOKEN, Installation, installation
from tests.support.invariants import Outcome, checked_outcome

CREATE, ENROL, LOOK_UP = "core_user_create_users", "enrol_manual_enrol_users", "core_user_get_users_by_field"
SITE_INFO = "core_webservice_get_site_info"

Make = Callable[..., Installation]


@pytest.fixture
def make(database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Make]:
    """Makes an installation with an active integration; the environment may be changed."""
    with ExitStack() as stack:

        def made(**environment: str) -> Installation:
            found = stack.enter_context(installation(database_url, amqp_url, tmp_path, **environment))
            company.set_the_clock(found)
            found.set_up()
            return found

        yield made


def ends_well(made: Installation, confirmed: dict[str, bytes]) -> Outcome:
    """I1 to I5 and I11: everybody is in the LMS once, enrolled as HR said, and nothing is left to see to."""
    made.until(lambda: company.all_provisioned(made), "all provisioned")
    made.until(lambda: company.all_announced(made), "all announced")
    outcome = checked_outcome(made, confirmed)
    assert outcome.accounts == set(company.PEOPLE)
    assert len(outcome.enrolments) == len(company.PEOPLE) * len(company.COURSES)
    assert outcome.failures == frozenset()
    return outcome


def calls(made: Installation, function: str = "") -> list[dict[str, Any]]:
    """What the LMS was asked since the integration was enabled; the check that enabling makes is not counted."""
    asked = made.site.read("calls")[made.asked_before :]
    return [call for call in asked if function in ("", call["function"])]


def stored(made: Installation) -> dict[str, bytes]:
    """Everything HR says is in the inbox, and nobody has worked on it; what was confirmed."""
    made.start("ingest")
    confirmed = made.publish(company.events())
    made.until(lambda: company.all_stored(made, len(confirmed)), "all stored")
    return confirmed


def planned(made: Installation) -> dict[str, bytes]:
    """Everybody has an account to come, and nobody has called the LMS for it; what was confirmed."""
    confirmed = stored(made)
    planner = made.add("planner", ["-m", "workers.boot", "worker", "apply"]).start()
    made.until(lambda: company.all_planned(made), "all planned")
    planner.stop()
    return confirmed


def state_of(made: Installation) -> str:
    return str(made.one("select state from integration"))


# The LMS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param({"commit": "before", "close": "reset"}, id="D5 done and the answer lost"),
        pytest.param({"commit": "never", "close": "reset"}, id="D6 not done and the answer lost"),
        pytest.param({"commit": "before", "close": "reset", "visible_after": 0.8}, id="D7 done and seen late"),
        pytest.param({"commit": "before", "status": 500}, id="D8 done and 500"),
        pytest.param({"commit": "never", "status": 500}, id="D8 not done and 500"),
    ],
)
def test_a_write_of_unknown_outcome_is_looked_up_and_never_doubled(make: Make, trouble: dict[str, Any]) -> None:
    """D5 to D8, I3, I4"""
    made = make(MATRICULA_SETTLE_DOUBT_S="1.2")
    made.site.tell("faults", function=CREATE, nth=1, **trouble)
    made.site.tell("faults", function=ENROL, nth=1, **trouble)

    # All at once: whoever arrives later would have a call of their own.
    confirmed = planned(made)
    made.start("worker", "scheduler")
    ends_well(made, confirmed)

    assert [rule["fired"] for rule in made.site.read("faults")] == [1, 1]
    done = trouble["commit"] == "before"
    assert len(calls(made, CREATE)) == (1 if done else 2)


def test_while_the_lms_is_down_work_waits_and_nobody_is_to_blame(make: Make) -> None:
    """D1: connections are refused; the integration is not quarantined and no person's work fails."""
    made = make()
    made["simulator"].kill()

    made.start("ingest", "worker", "scheduler")
    confirmed = made.publish(company.events())
    made.until(lambda: made.one("select outages from integration") >= 2, "two tries in vain")
    assert state_of(made) == "active"
    assert made.rows("select distinct subject_kind, code from failure where resolved_at is null") == [
        {"subject_kind": "integration", "code": "lms_unreachable"}
    ]

    made.restart_site_at_same_place()
    company.set_the_clock(made)
    ends_well(made, confirmed)


def test_a_site_under_maintenance_is_not_called_before_it_asked_to_be(make: Make) -> None:
    """D9, D18, I7"""
    made = make()
    confirmed = stored(made)
    made.site.tell("faults", function="*", times=1, status=503, page="maintenance", retry_after="2")

    # One caller: what another one has sent already cannot be called back.
    made.add("lone worker", ["-m", "workers.boot", "worker", "apply", "provision"]).start()
    made.start("scheduler")
    ends_well(made, confirmed)

    arrivals = [(call["at"], call["status"]) for call in calls(made)]
    refused = next(number for number, (_, status) in enumerate(arrivals) if status == 503)
    assert arrivals[refused + 1][0] - arrivals[refused][0] >= 2
    assert len(calls(made, CREATE)) == 1


# The token -------------------------------------------------------------------------------------------------------


def test_a_revoked_token_holds_the_work_and_a_restored_one_drains_it(make: Make) -> None:
    """E1, E2, I9, I11"""
    made = make()
    made.site.tell("token/revoke", token=TOKEN)
    before = len(calls(made))
    made.start("ingest", "worker", "scheduler")
    confirmed = made.publish(company.events())
    made.until(lambda: company.all_planned(made), "all planned")
    made.until(lambda: state_of(made) == "quarantined", "quarantined")
    made.until(lambda: sum(call["function"] == SITE_INFO for call in calls(made)[before:]) >= 3, "three probes in vain")

    # Each of the worker's six threads may have been on its way before the first answer was known.
    assert sum(call["function"] != SITE_INFO for call in calls(made)[before:]) <= 6
    assert made.rows("select subject_kind, code, times from failure where resolved_at is null") == [
        {"subject_kind": "integration", "code": "token_refused", "times": 1}
    ]
    assert made.rows("select distinct state, code, attempts from account") == [
        {"state": "due", "code": None, "attempts": 0}
    ]

    made.site.tell("token/restore", token=TOKEN)
    ends_well(made, confirmed)
    assert state_of(made) == "active"


# The workers -----------------------------------------------------------------------------------------------------


def test_a_worker_frozen_past_its_lease_makes_no_second_user_and_is_not_believed(make: Make) -> None:
    """B5: its call is sent when another worker has long done the work."""
    made = make()
    confirmed = planned(made)
    # It has no other work: a thread that is stopped in a transaction would make others wait for it.
    lone = made.add("frozen worker", ["-m", "workers.boot", "worker", "provision"])
    frozen = lone.start(freeze_at="user.before_http")
    made.start("scheduler")
    made.until(lambda: frozen.frozen, "frozen")

    made.start("worker")
    ends_well(made, confirmed)
    kept = made.rows("select * from account order by account_id")
    sent = len(calls(made, CREATE))

    frozen.thaw()
    made.until(lambda: len(calls(made, CREATE)) > sent, "its call sent after all")
    made.until(lambda: "late outcome refused" in frozen.log or "lease lost" in frozen.log, "refused")
    assert made.rows("select * from account order by account_id") == kept
    assert Counter(e["kind"] for e in made.site.read("ledger"))["user created"] == len(company.PEOPLE)
    assert made.one("select count(*) from failure") == 0


def test_told_to_stop_with_work_in_flight_all_processes_end_well_and_the_rest_is_done_by_the_next(make: Make) -> None:
    """B8"""
    made = make()
    made.site.tell("faults", function=CREATE, nth=1, delay=1.0)
    made.start("poller", "scheduler")
    confirmed = planned(made)
    made.start("worker")
    made.until(lambda: made.site.read("ledger?kind=user+created"), "a create in flight")

    for name in ROLES:
        made[name].tell_to_stop()
    assert {name: made[name].ended() for name in ROLES} == dict.fromkeys(ROLES, 0)
    # What was in flight was brought to its end and recorded.
    assert made.one("select count(*) from account where lms_user_id is not null") == len(company.PEOPLE)
    assert made.one("select count(*) from account where lease_until is not null") == 0

    made.start()
    ends_well(made, confirmed)
    assert len(calls(made, CREATE)) == 1


def test_wake_ups_a_hundred_times_over_have_the_effect_of_one(make: Make) -> None:
    """B10"""
    made = make()
    confirmed = stored(made)
    broker = wakeup_broker(made.settings.amqp_url)
    wakeups = WakeUps(broker)
    for _ in range(100):
        wakeups.apply(TENANT)
        wakeups.provision(made.integration_id)
    broker.close()

    made.start("worker", "scheduler")
    ends_well(made, confirmed)
    made.until(lambda: queues.depth(made.settings.amqp_url, PROVISION) == 0, "no wake-up left")

    sent = Counter(call["function"] for call in calls(made))
    assert (sent[CREATE], sent[ENROL]) == (1, 1)


def forged(queue: str, **changes: Any) -> bytes:
    wake_up = {
        "queue_name": queue,
        "actor_name": queue,
        "args": [],
        "kwargs": {},
        "options": {},
        "message_id": "forged",
        "message_timestamp": 0,
    }
    return json.dumps(wake_up | changes).encode()


FORGERIES = [
    (PROVISION, forged(PROVISION, args=[999_999])),
    (PROVISION, forged(PROVISION, args=["1 or 1=1"])),
    (PROVISION, forged(PROVISION, args=[[1], {"a": 2}])),
    (PROVISION, forged(PROVISION, args=[1], kwargs={"surprise": True})),
    (PROVISION, forged(PROVISION, args=[1], options={"eta": 9_999_999_999_999, "max_retries": 99})),
    (PROVISION, forged(PROVISION, actor_name="os.system", args=["true"])),
    (PROVISION, forged("elsewhere", actor_name=PROVISION, args=[1])),
    (PROVISION, b"not an envelope"),
    (PROVISION, b"[]"),
    (PROVISION, b"{}"),
    (PROVISION, b"\x80\x05cos\nsystem\n."),
    (APPLY, forged(APPLY, args=["nobody"])),
    (APPLY, forged(APPLY, args=["'; drop table inbox; --"])),
    (POLL, forged(POLL, args=[-1])),
]


def test_forged_wake_ups_do_nothing_and_cost_no_worker(make: Make) -> None:
    """B4, B11, S14: whatever is in the queue, the next honest wake-up is worked on."""
    made = make()
    broker = wakeup_broker(made.settings.amqp_url)
    for name in (APPLY, PROVISION, POLL):
        broker.declare_queue(name, ensure=True)
    broker.close()
    with queues.channel(made.settings.amqp_url) as opened:
        for queue, body in FORGERIES * 3:
            opened.basic_publish(amqp.Message(body), "", queue)

    made.start("ingest", "worker", "poller", "scheduler")
    made.until(lambda: all(queues.depth(made.settings.amqp_url, q) == 0 for q in (APPLY, PROVISION, POLL)), "taken")
    ends_well(made, made.publish(company.events()))

    assert all(made[name].alive for name in ("worker", "poller"))
    assert sum(call["items"] for call in calls(made, CREATE)) == len(company.PEOPLE)


def test_a_poller_frozen_past_its_lease_is_not_believed_and_no_result_comes_twice(make: Make) -> None:
    """G2, I5"""
    made = make()
    made.start("ingest", "worker", "scheduler")
    confirmed = made.publish(company.events())
    made.until(lambda: company.all_provisioned(made), "all provisioned")
    company.finish(made)
    frozen, other = made["poller"].start(freeze_at="poller.page_read"), made.another("poller")
    made.until(lambda: frozen.frozen, "frozen with a page in its hands")

    other.start()
    made.until(lambda: company.all_reported(made), "all reported")
    frozen.thaw()
    made.until(lambda: "poll lost its lease" in frozen.log, "refused")

    ends_well(made, confirmed)
    assert made.one("select count(*) from result_event") == len(company.FINISHERS)
    assert frozen.stop() == 0
