"""
What Matricula adds to the LMS's own time when people are hired one at a time.

150 people, each with one enrolment, arrive at random moments, five events a second. For each: from the publish to the
answer of the call that enrolled the person, less the durations of the five calls this person needs one after the other
(look up by key, address and user name, create, enrol), as the simulator's call log has them.
"""

import random
from collections.abc import Callable
from typing import Any

from benchmarks.figures import Figure, alone, percentile
from benchmarks.lab import INSTALLATION, Simulator, lab
from benchmarks.people import hires

ROUNDS = 1
PEOPLE, WARM_UP = 150, 10
EVENTS_PER_SECOND = 5.0
LOOK_UP, CREATE, ENROL = "core_user_get_users_by_field", "core_user_create_users", "enrol_manual_enrol_users"
LOOK_UPS = 3

Call = dict[str, Any]


def measure(say: Callable[[str], None]) -> list[Figure]:
    p50s, p95s, totals = [], [], []
    for number in range(ROUNDS):
        overheads, whole = _round(random.Random(number))
        p50s.append(percentile(overheads, 0.5))
        p95s.append(percentile(overheads, 0.95))
        totals.append(percentile(whole, 0.95))
        say(f"overhead p50 {p50s[-1]:.0f} ms, p95 {p95s[-1]:.0f} ms; publish to enrolled p95 {totals[-1]:.0f} ms")
    return [
        alone("overhead_p95_ms", p95s, "ms", "<= 60"),
        alone("overhead_p50_ms", p50s, "ms"),
        alone("publish_to_enrolled_p95_ms", totals, "ms"),
    ]


def _round(dice: random.Random) -> tuple[list[float], list[float]]:
    """Milliseconds per person: the overhead, and all."""
    with lab() as place, place.simulator("small") as site:
        place.want_results()
        place.add_integration(site.url)
        with place.running(*INSTALLATION):
            place.arrive(hires(WARM_UP, crowd="W"), EVENTS_PER_SECOND / 2, dice)
            place.settle(site, WARM_UP)
            people = hires(PEOPLE)
            published = place.arrive(people, EVENTS_PER_SECOND / 2, dice)
            place.settle(site, WARM_UP + PEOPLE)
            log = _Log(site)
        ends = {hire.key: log.journey(hire.key) for hire in people}
    whole = [ended - published[key] for key, (ended, _) in ends.items()]
    overheads = [ended - published[key] - lms for key, (ended, lms) in ends.items()]
    return [1000 * seconds for seconds in overheads], [1000 * seconds for seconds in whole]


class _Log:
    """The simulator's log of calls and effects, which names no person in a call: effects tell whose a call was."""

    def __init__(self, site: Simulator) -> None:
        calls = site.calls()
        self._look_ups = [call for call in calls if call["function"] == LOOK_UP]
        self._creates = [call for call in calls if call["function"] == CREATE]
        self._enrols = [call for call in calls if call["function"] == ENROL]
        self._created = {effect["idnumber"]: effect["at"] for effect in site.effects("user created")}
        self._enrolled = {effect["idnumber"]: effect["at"] for effect in site.effects("enrolled")}

    def journey(self, key: str) -> tuple[float, float]:
        """When the person's enrolment was answered, and how long this person's calls took together."""
        enrol = _during(self._enrols, self._enrolled[key])
        create = _during(self._creates, self._created[key])
        chain = [enrol, create]
        for _ in range(LOOK_UPS):
            chain.append(_before(self._look_ups, chain[-1]["at"]))
        return _end(enrol), sum(call["duration"] for call in chain)


def _during(calls: list[Call], moment: float) -> Call:
    """The call that was under way, the latest to begin of several: an effect comes at the beginning of its call."""
    return max((call for call in calls if call["at"] <= moment <= _end(call)), key=lambda call: float(call["at"]))


def _before(calls: list[Call], moment: float) -> Call:
    """The last call that had ended by then."""
    return max((call for call in calls if _end(call) <= moment + 0.001), key=_end)


def _end(call: Call) -> float:
    return float(call["at"] + call["duration"])
