"""
A payroll of 5,000 people is enabled: how fast all of them are in the LMS, and how long single hires wait meanwhile.

The people are in HR's facts already, one course each, and out of scope until then. The rate counts from the publish of
the payroll's event to the answer of the last call that enrols one of them, against the ideal client. Hires arrive one
by one at random moments, first with nothing else to do, then during such a sweep: from the publish until their account
is linked.
"""

import random
import time
from collections.abc import Callable, Sequence

from benchmarks.figures import Figure, against, percentile
from benchmarks.ideal import WARM_UP, ideal_rate, last_enrolment
from benchmarks.lab import INSTALLATION, Lab, Simulator, lab
from benchmarks.people import Hire, all_events, hires, payroll_enabled
from producers.publisher import OutgoingEvent, Publisher

ROUNDS = 3
SWEPT, SINGLE = 5_000, 60
HIRES_PER_SECOND = 2.5
OPEN, CLOSED = "NL-01", "NL-02"
LATENCY = "measured"

LINKED = "select employee_key, extract(epoch from linked_at)::float8 from account where employee_key like %(crowd)s"


def measure(say: Callable[[str], None]) -> list[Figure]:
    rates, waits = [], []
    for number in range(ROUNDS):
        best = ideal_rate(SWEPT, LATENCY)
        rate, busy, quiet = _round(random.Random(number))
        rates.append((rate, best))
        waits.append((1000 * percentile(busy, 0.95), 1000 * percentile(quiet, 0.95)))
        say(
            f"{rate:.0f} people/s, perfect batches {best:.0f}/s; hires in the LMS, p95: {waits[-1][0]:.0f} ms of "
            f"{len(busy)} during the sweep, {waits[-1][1]:.0f} ms of {len(quiet)} before it; p50: "
            f"{1000 * percentile(busy, 0.5):.0f} and {1000 * percentile(quiet, 0.5):.0f} ms"
        )
    return [
        against("sweep_ideal_ratio", rates, "people/s", ">= 0.8"),
        against("hire_during_sweep_p95_ratio", waits, "ms", "<= 2"),
    ]


def _round(dice: random.Random) -> tuple[float, list[float], list[float]]:
    """The sweep's rate, and the seconds until each single hire was in the LMS during the sweep and before it."""
    with lab() as place, place.simulator(LATENCY) as site, place.results_wanted():
        place.add_integration(site.url, payrolls="selected")
        with place.running(*INSTALLATION):
            _prepare(place, site)
            quiet = _arrive(place, hires(SINGLE, crowd="Q", payroll=OPEN), dice)
            _settle(place, site, WARM_UP + SINGLE)
            before = len(site.calls())
            began = time.time()
            _publish(place, [payroll_enabled(CLOSED)])
            busy = _arrive(place, hires(SINGLE, crowd="B", payroll=OPEN), dice)
            _settle(place, site, WARM_UP + 2 * SINGLE + SWEPT)
            ended = last_enrolment(site.calls()[before:])
        during = {key: at for key, at in busy.items() if at < ended}
        return SWEPT / (ended - began), _waits(place, "B", during), _waits(place, "Q", quiet)


def _prepare(place: Lab, site: Simulator) -> None:
    """A few people are hired, and those to be swept are known."""
    _publish(place, [payroll_enabled(OPEN), *all_events(hires(WARM_UP, crowd="W", payroll=OPEN))])
    _publish(place, list(all_events(hires(SWEPT, payroll=CLOSED))))
    _settle(place, site, WARM_UP)


def _publish(place: Lab, events: Sequence[OutgoingEvent]) -> None:
    with Publisher(place.settings.amqp_url) as publisher:
        list(publisher.publish_all(events))


def _arrive(place: Lab, people: Sequence[Hire], dice: random.Random) -> dict[str, float]:
    """Publish each person's two events at a moment of their own; when it was, by person."""
    published = {}
    due = time.time()
    with Publisher(place.settings.amqp_url) as publisher:
        for hire in people:
            due += dice.expovariate(HIRES_PER_SECOND)
            time.sleep(max(0.0, due - time.time()))
            published[hire.key] = time.time()
            publisher.publish(hire.events())
    return published


def _settle(place: Lab, site: Simulator, enrolled: int) -> None:
    """So many people are enrolled, and nothing is left to do."""
    place.wait("enrolments", lambda: site.enrolled() >= enrolled, every=0.5)
    place.wait("events", lambda: not place.one("select count(*) from inbox where state = 'received'"))
    place.wait("records", lambda: not place.one("select count(*) from account where due_at is not null"))


def _waits(place: Lab, crowd: str, published: dict[str, float]) -> list[float]:
    linked = dict(place.rows(LINKED, crowd=f"{crowd}-%"))
    return [linked[key] - at for key, at in published.items()]
