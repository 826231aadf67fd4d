"""
How many events per second are stored, and how many become facts, against a transaction per message in stock Dramatiq.

Everything waits in the broker before the consumers start; the clock runs from the first row to the last.
"""

import json
import subprocess
import sys
from collections.abc import Callable

from benchmarks.baselines.tables import MESSAGES
from benchmarks.figures import Figure, against
from benchmarks.lab import Lab, lab, process
from benchmarks.people import all_events, hires
from db.pool import transaction
from producers.publisher import OutgoingEvent, Publisher

ROUNDS = 3
INGEST, FACTS, THEIRS = 20_000, 10_000, 5_000
BASELINE = "benchmarks.baselines.insert_actor"

# Rows of the last transaction may have any age, so they are left out of the count as they are of the time.
RATE = """
    select count(*) filter (where received_at < last) / max(extract(epoch from last - first))::float8
    from {table}, (select min(received_at) as first, max(received_at) as last from {table}) as span
"""


def measure(say: Callable[[str], None]) -> list[Figure]:
    events = list(all_events(hires(INGEST // 2)))
    ingest, facts = [], []
    for _ in range(ROUNDS):
        theirs = _one_by_one(events[:THEIRS])
        stored, applied = _stored(events), _applied(events[:FACTS])
        ingest.append((stored, theirs))
        facts.append((applied, theirs))
        say(f"stored {stored:.0f}/s, made facts {applied:.0f}/s, Dramatiq one by one {theirs:.0f}/s")
    unit = "events/s"
    return [against("ingest_ratio", ingest, unit, ">= 3"), against("facts_ratio", facts, unit, ">= 1")]


def _stored(events: list[OutgoingEvent]) -> float:
    with lab() as place:
        _preload(place, events)
        with place.running("ingest"):
            place.wait("ingest", lambda: _count(place) == len(events))
        return float(place.one(RATE.format(table="inbox")))


def _applied(events: list[OutgoingEvent]) -> float:
    """Stored and applied at the same time by the processes of an installation, with an integration that is paused."""
    with lab() as place, place.simulator("off") as site:
        place.add_integration(site.url)
        with transaction(place.pool) as db:
            db.execute("update integration set state = 'paused'")
        _preload(place, events)
        with place.running("apply", "scheduler"):
            place.wait("apply", lambda: place.one("select bool_and(done_at is not null) from sweep"))
            with place.running("ingest"):
                place.wait("facts", lambda: _settled(place) == len(events))
        return len(events) / float(
            place.one("select extract(epoch from max(settled_at) - min(received_at))::float8 from inbox")
        )


def _one_by_one(events: list[OutgoingEvent]) -> float:
    with lab() as place:
        with transaction(place.pool) as db:
            db.execute(MESSAGES)
        messages = json.dumps([(event.message_id, event.body.decode()) for event in events])
        subprocess.run([sys.executable, "-m", BASELINE], input=messages.encode(), env=place.environment, check=True)
        command = ["-m", "dramatiq", BASELINE, "--processes", "2", "--threads", "8"]
        with process(command, place.environment, place.logs / "baseline.log"):
            place.wait("baseline", lambda: place.one("select count(*) from message") == len(events))
        return float(place.one(RATE.format(table="message")))


def _preload(place: Lab, events: list[OutgoingEvent]) -> None:
    with Publisher(place.settings.amqp_url) as publisher:
        list(publisher.publish_all(events))


def _count(place: Lab) -> int:
    return int(place.one("select count(*) from inbox"))


def _settled(place: Lab) -> int:
    return int(place.one("select count(*) from inbox where state <> 'received'"))
