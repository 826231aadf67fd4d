"""
Ten thousand people failed of one cause that is gone: how long a preview takes, what a replay costs, whom it holds up.

They are in HR's facts and were never in the LMS; that they failed is written by the benchmark. They are tried again at
the full rate and cost so many LMS calls; as many others are hired for comparison. Some more, who failed of another
cause, are tried again at the usual rate while single people are hired at random moments, who are compared with those
hired before it.
"""

import random
import time
from collections.abc import Callable

from benchmarks.figures import Figure, against, alone, percentile
from benchmarks.lab import INSTALLATION, Lab, Simulator, lab
from benchmarks.people import TENANT, all_events, hires
from db.failure_groups import FailureStore, Problem
from db.pool import transaction
from db.replays import Selection
from domain.permissions import EVERYTHING
from domain.replays import LADDER
from ops import actions, life, replay_acts, replays
from ops.operators import Operator
from ops.replays import Preview

FAILED, MORE, SINGLE = 10_000, 3_000, 60
HIRES_PER_SECOND = 2.5
CODE, ANOTHER = "lms_rejected", "email_taken"
LATENCY = "small"
AT_FULL_RATE_S = 600.0  # 10,000 at 2,400 a minute, and some
ONE, OTHER = (Operator(name, "cli", EVERYTHING, "bench", reason="measured") for name in ("one", "other"))

PARK = """
update account set state = 'parked', code = %(code)s, due_at = null
where integration_id = %(integration_id)s and employee_key like %(crowd)s returning account_id::text
"""
LINKED = "select employee_key, extract(epoch from linked_at)::float8 from account where employee_key = any(%(keys)s)"


def measure(say: Callable[[str], None]) -> list[Figure]:
    with lab() as place, place.simulator(LATENCY) as site:
        place.want_results()
        integration_id = place.add_integration(site.url)
        with place.running(*INSTALLATION):
            _prepare(place, integration_id)
            began = time.monotonic()
            seen = _preview(place, Selection(code=CODE))
            took = time.monotonic() - began
            say(f"preview of {seen.members} in {took:.1f} s, {seen.sampled} people looked up")
            usual = _calls(place, site, lambda: place.publish(all_events(hires(FAILED, crowd="U"))))
            again = _calls(place, site, lambda: _replay(place, Selection(code=CODE), share=1.0))
            say(f"{again} LMS calls to try {FAILED} again, {usual} to hire as many")
            dice = random.Random(0)
            quiet = place.arrive(hires(SINGLE, crowd="Q"), HIRES_PER_SECOND, dice)
            place.settle(site, 2 * FAILED + SINGLE)
            _replay(place, Selection(code=ANOTHER))
            busy = place.arrive(hires(SINGLE, crowd="B"), HIRES_PER_SECOND, dice)
            place.wait("hires", lambda: len(_linked(place, busy)) == SINGLE)
        waits = [[1000 * (_linked(place, told)[key] - at) for key, at in told.items()] for told in (busy, quiet)]
        p95 = [percentile(times, 0.95) for times in waits]
        say(f"hires during a replay p95 {p95[0]:.0f} ms, before it {p95[1]:.0f} ms")
    return [
        alone("preview_10k_s", [took], "s", "<= 10"),
        against("replay_call_ratio", [(again, usual)], "calls", "<= 1.05"),
        against("traffic_during_replay_p95_ratio", [(p95[0], p95[1])], "ms", "<= 2"),
    ]


def _prepare(place: Lab, integration_id: int) -> None:
    """So many people have failed, and the cause is gone."""
    row = actions.find_integration(place.pool, "Harbour Moodle", TENANT)
    life.pause(place.pool, row, by=ONE)
    place.publish([*all_events(hires(FAILED, crowd="F")), *all_events(hires(MORE, crowd="M"))])
    place.wait("accounts", lambda: place.one("select count(*) from placement") == FAILED + MORE, every=0.5)
    _fail(place, integration_id, "F-%", CODE)
    _fail(place, integration_id, "M-%", ANOTHER)
    life.resume(place.pool, actions.find_integration(place.pool, row.name, TENANT), by=ONE)
    place.wait("sweep", lambda: not place.one("select count(*) from sweep where done_at is null"), every=0.5)


def _fail(place: Lab, integration_id: int, crowd: str, code: str) -> None:
    failed = place.rows(PARK, integration_id=integration_id, crowd=crowd, code=code)
    with transaction(place.pool) as db:
        problems = [Problem("account", account_id, code, "core_user_create_users: error") for (account_id,) in failed]
        FailureStore(db, TENANT, integration_id).open(problems)


def _preview(place: Lab, chosen: Selection, share: float | None = None) -> Preview:
    return replays.preview(place.pool, place.settings, TENANT, chosen, share=share)


def _replay(place: Lab, chosen: Selection, share: float | None = None) -> None:
    """It has begun, with a second person's agreement; it is under way when the first step is over."""
    seen = _preview(place, chosen, share)
    made = replays.create(place.pool, place.settings, TENANT, chosen, ONE, share=share, confirmed=seen.digest)
    replay_id = made.replay.replay_id
    replay_acts.approve(place.pool, TENANT, replay_id, OTHER)
    tried = "select count(*) from replay_item where replay_id = %(id)s and state <> 'waiting'"
    place.wait("first steps", lambda: place.one(tried, id=replay_id) > sum(LADDER))


def _calls(place: Lab, site: Simulator, begin: Callable[[], None]) -> int:
    """LMS calls until so many more people are enrolled, and nothing is left to do of it."""
    wanted, before = site.enrolled() + FAILED, len(site.calls())
    begin()
    place.wait("enrolments", lambda: site.enrolled() >= wanted, every=0.5, within=AT_FULL_RATE_S)
    place.wait("records", lambda: not place.one("select count(*) from account where due_at is not null"))
    return len(site.calls()) - before


def _linked(place: Lab, published: dict[str, float]) -> dict[str, float]:
    return {key: at for key, at in place.rows(LINKED, keys=list(published)) if at}
