"""
How much memory each process holds after 50,000 and after 100,000 events.

Ten rounds of 10,000 events: 500 new people with an enrolment each, and 9,000 updates of people known by then, of which
every tenth changes a name that the LMS has too. The simulated Moodle takes no time, so that the worker is busy.
"""

from collections.abc import Callable
from itertools import chain
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.lab import INSTALLATION, Lab, lab
from benchmarks.people import Hire, all_events, event
from producers.publisher import OutgoingEvent, Publisher

ROUNDS, NEW, UPDATES = 10, 500, 9_000
NAME_CHANGES = 10
HALF = ROUNDS // 2
LIMIT_MB = 150


def measure(say: Callable[[str], None]) -> list[Figure]:
    with lab() as place, place.simulator("off") as site:
        place.want_results()
        place.add_integration(site.url)
        with place.running(*INSTALLATION):
            held = {}
            for number in range(ROUNDS):
                _work(place, number)
                held[number + 1] = _resident(place)
                told = ", ".join(f"{name} {size:.0f}" for name, size in held[number + 1].items())
                say(f"after {(number + 1) * (2 * NEW + UPDATES)} events, MB: {told}")
    figures = [_figure(f"rss_{name}_mb", held[HALF][name], held[ROUNDS][name]) for name in INSTALLATION]
    return [_figure("rss_mb", max(held[HALF].values()), max(held[ROUNDS].values())), *figures]


def _figure(name: str, half: float, full: float) -> Figure:
    """The baseline is the same process at half of the events; the ratio has no goal of its own."""
    return Figure(name, round(full, 1), "MB", baseline=round(half, 1), goal=f"<= {LIMIT_MB}")


def _work(place: Lab, number: int) -> None:
    """Publish one round and wait until everything is applied and provisioned."""
    known = (number + 1) * NEW
    people = [Hire(n) for n in range(number * NEW, known)]
    updates = (_update(number, n, Hire(n % known)) for n in range(UPDATES))
    with Publisher(place.settings.amqp_url) as publisher:
        for _ in publisher.publish_all(chain(all_events(people), updates)):
            pass
    stored = (number + 1) * (2 * NEW + UPDATES)
    place.wait("inbox", lambda: place.one("select count(*) from inbox where state <> 'received'") == stored, every=0.5)
    place.wait("work", lambda: not place.one("select count(*) from account where due_at is not null"), every=0.5)
    place.wait("outbox", lambda: not place.one("select count(*) from outbox where published_at is null"), every=0.5)


def _update(number: int, n: int, hire: Hire) -> OutgoingEvent:
    changed = {"mobile": f"+31 6 {number:04d} {n:04d}"}
    if n % NAME_CHANGES == 0:
        changed["last_name"] = f"Meer{hire.number}-{'abcdefghij'[number]}"
    at = f"2026-03-01T{9 + number:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z"
    return event(f"u-{number}-{n}", "hr.employee.updated.v1", hire.key, hire.person(**changed), at=at)


def _resident(place: Lab) -> dict[str, float]:
    """Resident megabytes (10^6 bytes) by process, from Linux's /proc."""
    return {name: _vm_rss(process.pid) for name, process in place.processes.items()}


def _vm_rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(f"process {pid} has no VmRSS")
