"""
2,000 people are hired at once: how many calls an enrolment costs, and how fast all are in the LMS.

The clock runs from the first publish to the answer of the last call that enrols, in the simulator's own call log, on
processes that are up and have hired a few people before.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.baselines.moodle import Moodle
from benchmarks.figures import Figure, against, alone
from benchmarks.ideal import asked, ideal_rate, last_enrolment
from benchmarks.lab import INSTALLATION, TOKEN, Lab, Simulator, lab, process
from benchmarks.people import Hire, all_events, hires
from producers.publisher import Publisher

ROUNDS = 3
BURST, PER_PERSON, WARM_UP = 2_000, 150, 6
BASELINE = "benchmarks.baselines.per_person"
THREADS = 4  # what a worker process has


def measure(say: Callable[[str], None]) -> list[Figure]:
    usual, ideal, calls, from_facts = [], [], [], []
    for _ in range(ROUNDS):
        theirs, best = _per_person(), ideal_rate(BURST, "small")
        ours = _burst()
        usual.append((ours["rate"], theirs))
        ideal.append((ours["rate"], best))
        calls.append(ours["calls"])
        from_facts.append(ours["from_facts"])
        say(
            f"{ours['rate']:.0f} enrolments/s with {ours['calls']:.4f} calls each; {ours['from_facts']:.1f} s after "
            f"the last fact; one message per person {theirs:.1f}/s, perfect batches {best:.0f}/s"
        )
    unit = "enrolments/s"
    return [
        alone("burst_calls_per_enrolment", calls, "calls", "<= 0.06"),
        against("burst_throughput_ratio", usual, unit, ">= 5"),
        against("burst_ideal_ratio", ideal, unit, ">= 0.8"),
        alone("burst_seconds_after_facts", from_facts, "s"),
    ]


def _burst() -> dict[str, float]:
    with lab() as place, place.simulator("small") as site:
        place.want_results()
        place.add_integration(site.url)
        with place.running(*INSTALLATION):
            _hire(place, site, hires(WARM_UP, crowd="W"))
            before = len(site.calls())
            began = _hire(place, site, hires(BURST))
            calls = site.calls()[before:]
        facts_at = float(place.one("select extract(epoch from max(settled_at))::float8 from inbox"))
    ended = last_enrolment(calls)
    return {
        "rate": BURST / (ended - began),
        "calls": len(calls) / BURST,
        "from_facts": ended - facts_at,
    }


def _hire(place: Lab, site: Simulator, people: Sequence[Hire]) -> float:
    """Publish their events and wait until all are enrolled; when the first was sent."""
    wanted = site.enrolled() + len(people)
    events = list(all_events(list(people)))
    with Publisher(place.settings.amqp_url) as publisher:
        began = time.time()
        list(publisher.publish_all(events))
    place.settle(site, wanted)
    return began


def _per_person() -> float:
    with lab() as place, place.simulator("small") as site:
        environment = {**place.environment, "BENCH_MOODLE": site.url, "BENCH_TOKEN": TOKEN}
        log = place.logs / "baseline.log"
        with process(["-m", "dramatiq", BASELINE, "--processes", "1", "--threads", str(THREADS)], environment, log):
            place.wait("baseline", lambda: b"ready for action" in log.read_bytes())
            wanted = asked(Moodle(site.url, TOKEN), hires(WARM_UP, crowd="W") + hires(PER_PERSON))
            _send(wanted[:WARM_UP], environment)
            place.wait("warm-up", lambda: site.enrolled() == WARM_UP)
            began = _send(wanted[WARM_UP:], environment)
            place.wait("baseline", lambda: site.enrolled() == len(wanted))
        return PER_PERSON / (last_enrolment(site.calls()) - began)


def _send(wanted: list[Any], environment: dict[str, str]) -> float:
    command = [sys.executable, "-m", BASELINE]
    sent = subprocess.run(
        command, input=json.dumps(wanted), env=environment, check=True, capture_output=True, text=True
    )
    return float(sent.stdout)
