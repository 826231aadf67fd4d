"""
PostgreSQL or RabbitMQ is crashed under a whole installation at work.
"""

import threading
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

import pytest

from deploy.services import Services
from producers.publisher import Outcome, OutgoingEvent, Publisher
from tests.support import company
from tests.support.broker import new_vhost
from tests.support.database import new_database
from tests.support.events import outgoing
from tests.support.installation import Installation, installation
from tests.support.invariants import checked_outcome

PEOPLE = len(company.PEOPLE)


@pytest.fixture
def made(crashable_services: Services, tmp_path: Path) -> Iterator[Installation]:
    """An installation on services that may be crashed."""
    services = crashable_services
    with (
        new_database(services.database_url) as database_url,
        new_vhost(services.amqp_url, services.management_url) as amqp_url,
        installation(database_url, amqp_url, tmp_path) as found,
    ):
        assert found.run("init") == 0
        company.set_the_clock(found)
        found.set_up()
        yield found


@pytest.mark.crash
def test_postgres_crashed_in_the_middle_of_everything_costs_no_attempt_and_loses_nothing(
    made: Installation, crashable_services: Services
) -> None:
    """C1, C2, I1 to I5: once while users are made, once while results are read."""
    made.site.tell("faults", function="core_user_create_users", nth=1, delay=0.7)
    made.site.tell("faults", function="core_completion_*", nth=1, delay=0.7)
    made.start()
    confirmed = made.publish(company.events())
    made.until(lambda: made.site.read("ledger?kind=user+created"), "users made and not yet recorded")

    crashable_services.stop_postgres()
    made.until(lambda: "provisioning put off" in made["worker"].log, "the worker has noticed")
    crashable_services.start_postgres()
    made.until(lambda: company.all_provisioned(made), "all provisioned")

    company.finish(made)
    made.until(lambda: made.site.read("calls?function=core_completion_get_course_completion_status"), "results read")
    crashable_services.stop_postgres()
    made.until(lambda: "schedule not read" in made["scheduler"].log, "the scheduler has noticed")
    crashable_services.start_postgres()
    made.until(lambda: company.all_reported(made), "all reported")

    outcome = checked_outcome(made, confirmed)
    assert outcome.accounts == set(company.PEOPLE)
    assert len(outcome.enrolments) == PEOPLE * len(company.COURSES)
    assert len(outcome.results) == len(company.FINISHERS)
    assert made.one("select count(*) from failure") == 0
    assert all(process.alive for name, process in made.processes.items() if name in ("ingest", "worker", "scheduler"))


@pytest.mark.crash
def test_every_event_that_a_crashing_broker_confirmed_is_in_the_inbox(
    made: Installation, crashable_services: Services
) -> None:
    """A1, I1: it dies while more are on their way. The queue of wake-ups, too young to survive it, holds nobody up."""
    confirmed: dict[str, bytes] = {}
    over = threading.Event()

    def events() -> Iterator[OutgoingEvent]:
        return (outgoing(f"E-{number}") for number in takewhile(lambda _: not over.is_set(), count()))

    def publish() -> None:
        with Publisher(made.settings.amqp_url, batch=5) as publisher:
            for receipt in publisher.publish_all(events(), tries=30):
                confirmed[receipt.message_id] = outgoing(receipt.message_id).body
                assert receipt.outcome is Outcome.CONFIRMED

    made.start("ingest")
    publishing = threading.Thread(target=publish)
    publishing.start()
    made.until(lambda: made.one("select count(*) from inbox") >= 100, "some stored")

    crashable_services.kill_broker()
    before = len(confirmed)
    crashable_services.restart_broker()
    made.until(lambda: len(confirmed) > before + 100, "more confirmed")
    over.set()
    publishing.join(timeout=60)

    made.until(lambda: made.one("select count(*) from inbox") == len(confirmed), "all stored")
    stored = {row["event_id"]: bytes(row["body"]) for row in made.rows("select event_id, body from inbox")}
    assert stored == confirmed
    assert made["ingest"].stop() == 0
