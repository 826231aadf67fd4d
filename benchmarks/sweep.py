"""
A payroll of 5,000 people is enabled: how fast all of them are in the LMS, and how long single hires wait meanwhile.

The people are in HR's facts already, one course each, and out of scope until then. The rate counts from the publish of
the payroll's event to the answer of the last call that enrols one of them, against the ideal client. Hires arrive one
by one at random moments, first with nothing else to do, then during another such sweep: from the publish until their
account is linked.
"""

import random
import time
from collections.abc import Callable, Sequence

from benchmarks.figures import Figure, against, percentile
from benchmarks.ideal import WARM_UP, ideal_rate, last_enrolment
from benchmarks.lab import INSTALLATION, Lab, Simulator, lab
from benchmarks.people import Hire, all_events, hires, payroll_enabled

ROUNDS = 2
SWEPT, SINGLE = 5_000, 60
HIRES_PER_SECOND = 2.5
OPEN, FIRST, SECOND = "NL-01", "NL-02", "NL-03"
LATENCY = "measured"

LINKED = "select employee_key, extract(epoch from linked_at)::float8 from account where employee_key = any(%(keys)s)"


def measure(say: Callable[[str], None]) -> list[Figure]:
    rates, p95s = [], []
    for number in range(ROUNDS):
        best = ideal_rate(SWEPT, LATENCY)
        rate, busy, quiet = _round(random.Random(number))
        rates.append((rate, best))
        p95s.append((percentile(busy, 0.95), percentile(quiet, 0.95)))
        say(
            f"{rate:.0f} people/s, perfect batches {best:.0f}/s; hires during a sweep p50 {percentile(busy, 0.5):.0f} "
            f"ms, p95 {p95s[-1][0]:.0f} ms; before it {percentile(quiet, 0.5):.0f} and {p95s[-1][1]:.0f} ms"
        )
    return [
        against("sweep_ideal_ratio", rates, "people/s", ">= 0.8"),
        against("hire_during_sweep_p95_ratio", p95s, "ms", "<= 2"),
    ]


def _round(dice: random.Random) -> tuple[float, list[float], list[float]]:
    """People per second of a sweep, and the milliseconds of each single hire during another one and before it."""
    with lab() as place, place.simulator(LATENCY) as site:
        place.want_results()
        place.add_integration(site.url, payrolls="selected")
        with place.running(*INSTALLATION):
            _prepare(place, site)
            seconds, _ = _sweep(place, site, FIRST, [], dice)
            quiet = place.arrive(hires(SINGLE, crowd="Q", payroll=OPEN), HIRES_PER_SECOND, dice)
            place.settle(site, WARM_UP + SWEPT + SINGLE)
            _, busy = _sweep(place, site, SECOND, hires(SINGLE, crowd="B", payroll=OPEN), dice)
        return SWEPT / seconds, _waits(place, busy), _waits(place, quiet)


def _prepare(place: Lab, site: Simulator) -> None:
    """A few people are hired, and those to be swept are known."""
    place.publish([payroll_enabled(OPEN), *all_events(hires(WARM_UP, crowd="W", payroll=OPEN))])
    for payroll in (FIRST, SECOND):
        place.publish(all_events(hires(SWEPT, crowd=payroll, payroll=payroll)))
    place.settle(site, WARM_UP)


def _sweep(
    place: Lab, site: Simulator, payroll: str, single: Sequence[Hire], dice: random.Random
) -> tuple[float, dict[str, float]]:
    """The seconds until all are enrolled, and when the single hires were published that came before the end."""
    there, before = site.enrolled(), len(site.calls())
    began = time.time()
    place.publish([payroll_enabled(payroll)])
    published = place.arrive(single, HIRES_PER_SECOND, dice)
    place.settle(site, there + SWEPT + len(single))
    ended = last_enrolment(site.calls()[before:])
    return ended - began, {key: at for key, at in published.items() if at < ended}


def _waits(place: Lab, published: dict[str, float]) -> list[float]:
    """Milliseconds until each was linked."""
    linked = dict(place.rows(LINKED, keys=list(published)))
    return [1000 * (linked[key] - at) for key, at in published.items()]
