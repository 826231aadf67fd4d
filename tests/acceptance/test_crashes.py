"""
A process is killed between any step and its record, and started again: it all ends exactly as if nothing had happened.
"""

import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services import Services
from runtime.secrets import MasterKeys, new_key
from tests.support import company
from tests.support.broker import new_vhost
from tests.support.database import new_database
from tests.support.installation import ROOT, Installation, installation
from tests.support.invariants import Outcome, checked_outcome
from workers.apply import CHUNK

PRODUCT = ("domain", "runtime", "db", "lms", "producers", "workers", "ops")

# Every crash point, and the process that comes by it; a scan is the worker's, once there is something to look at.
POINTS = {
    "ingress.received": "ingest",
    "ingress.inserted": "ingest",
    "ingress.committed": "ingest",
    "ingress.acked": "ingest",
    "parse.done": "worker",
    "plan.committed": "worker",
    "sweep.advanced": "worker",
    "claim.attempt_committed": "worker",
    "catalogue.committed": "worker",
    "user.intent_committed": "worker",
    "user.before_http": "worker",
    "user.response_read": "worker",
    "user.outcome_committed": "worker",
    "user.before_hint": "worker",
    "scan.read": "scan",
    "scan.recorded": "scan",
    "enrol.intent_committed": "worker",
    "enrol.before_http": "worker",
    "enrol.response_read": "worker",
    "enrol.outcome_committed": "worker",
    "poller.page_read": "poller",
    "result.recorded": "poller",
    "poller.rows_written": "poller",
    "poller.committed": "poller",
    "outbox.selected": "scheduler",
    "outbox.published": "scheduler",
    "outbox.confirmed": "scheduler",
    "outbox.marked": "scheduler",
    "sweeper.selected": "scheduler",
    "sweeper.sent": "scheduler",
}
IN_COMMANDS = ("keys.rewrapped_half",)
# Killed there in test_replays.py, because nothing is tried again in a run in which nothing fails.
IN_REPLAYS = ("replay.frozen", "replay.item_claimed", "replay.item_done")


def test_every_crash_point_is_in_one_place_and_known_here() -> None:
    placed = [
        name
        for package in PRODUCT
        for source in (ROOT / package).rglob("*.py")
        for name in re.findall(r'\bcrashpoint\("([^"]+)"\)', source.read_text(encoding="utf-8"))
    ]

    assert Counter(placed) == Counter([*POINTS, *IN_COMMANDS, *IN_REPLAYS])


@pytest.mark.crash
def test_keys_that_were_half_rotated_are_rotated_by_the_next_try(
    database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    """S6, E5: killed in between, nothing is locked out; without the former key, a worker says so and does not start."""
    former, newer = new_key(), new_key()
    with installation(database_url, amqp_url, tmp_path, MATRICULA_KEY=former) as made:
        assert made.run("init") == 0, made.last_words()
        made.set_up()
    both = f"{newer} {former}"
    with installation(database_url, amqp_url, tmp_path, MATRICULA_KEY=newer) as made:
        assert made["worker"].start().ended() == 2
        assert MasterKeys.read(former).names[0] in made["worker"].log
    with installation(database_url, amqp_url, tmp_path, MATRICULA_KEY=both) as made:
        rotation = made.add("rotation", ["-m", "ops.cli.main", "keys", "rotate"])
        assert rotation.start(crash_at="keys.rewrapped_half").ended() == -signal.SIGKILL
        assert rotation.start().ended() == 0, made.last_words()
    with installation(database_url, amqp_url, tmp_path, MATRICULA_KEY=newer) as made:
        assert made.run("keys", "status") == 0, made.last_words()
        assert "the newest key" in made["matricula keys status"].log


@pytest.fixture(scope="module")
def clean(services: Services, schema_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """What comes of a run in which nothing goes wrong, on an installation made by its own commands."""
    with (
        new_database(services.database_url) as database_url,
        new_vhost(services.amqp_url, services.management_url) as amqp_url,
        installation(database_url, amqp_url, tmp_path_factory.mktemp("clean")) as made,
    ):
        assert made.run("init") == 0, made.last_words()
        yield live(made)


def live(made: Installation, crash_at: str | None = None) -> Outcome:
    """From HR's first event to the last result, with one death on the way."""
    company.set_the_clock(made)
    made.set_up()
    confirmed = made.publish(company.events())
    assert len(confirmed) == len(company.events())
    begin(made, crash_at, "ingest")
    made.until(lambda: company.all_stored(made, len(confirmed)), "all stored")
    begin(made, crash_at, "worker", "scheduler")
    made.until(lambda: company.all_provisioned(made), "all provisioned")
    look_for_drift(made, crash_at if crash_at and POINTS[crash_at] == "scan" else None)
    company.finish(made)
    begin(made, crash_at, "poller")
    made.until(lambda: company.all_reported(made), "all reported")
    return checked_outcome(made, confirmed)


def begin(made: Installation, crash_at: str | None, *names: str) -> None:
    """Start these; the one that is to die does so and is started again."""
    for name in names:
        made[name].start(crash_at=crash_at if crash_at and POINTS[crash_at] == name else None)
    for name in names:
        if crash_at and POINTS[crash_at] == name:
            assert made[name].ended() == -signal.SIGKILL, made.last_words()
            made[name].start()


def look_for_drift(made: Installation, crash_at: str | None) -> None:
    """Somebody was renamed by hand; a scan finds it and has it put back, once."""
    if crash_at:
        assert made["worker"].stop() == 0
    company.rename_somebody_by_hand(made)
    if crash_at:
        made["worker"].start(crash_at=crash_at)
        assert made["worker"].ended() == -signal.SIGKILL, made.last_words()
        made["worker"].start()
    made.until(lambda: company.all_scanned(made), "all scanned")
    assert made.one("select count(*) from finding where kind = 'changed_by_hand' and state = 'put_back'") == 1
    assert len(made.site.read("ledger?kind=user+updated")) == 1


def test_a_clean_run_does_what_hr_asked_for(clean: Outcome) -> None:
    assert clean.accounts == set(company.PEOPLE)
    assert len(clean.enrolments) == len(company.PEOPLE) * len(company.COURSES)
    assert {(row[1], row[2]) for row in clean.results} == {
        (f"{person}/{course}", "C" if grade >= 60 else "NYC") for person, course, grade in company.FINISHERS
    }
    told = Counter(event_type for event_type, *_ in clean.announced)
    assert told["lms.account.linked.v1"] == len(company.PEOPLE)
    assert told["lms.enrolment.provisioned.v1"] == len(clean.enrolments)
    assert told["lms.result.recorded.v1"] == len(company.FINISHERS)
    assert clean.failures == frozenset()


@pytest.mark.crash
def test_a_sweep_killed_between_two_chunks_goes_on_where_it_was(
    database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    """R18, G1, I3: nobody is left out, looked at twice or made twice."""
    count = 2 * CHUNK + 1
    with installation(database_url, amqp_url, tmp_path) as made:
        made.set_up(payrolls="selected")
        made.start("ingest", "worker", "scheduler")
        made.publish(company.members("NL-02", count))
        made.until(lambda: made.one("select count(*) from account where state = 'out_of_scope'") == count, "all known")
        made.until(lambda: made.one("select bool_and(done_at is not null) from sweep"), "nothing to sweep")
        assert made["worker"].stop() == 0
        made.publish([company.payroll_enabled("NL-02")])
        made.until(lambda: company.all_stored(made, count + 1), "all stored")
        # What is committed is the event, then one chunk after the other.
        made["worker"].start(crash_at="plan.committed:3")
        assert made["worker"].ended() == -signal.SIGKILL, made.last_words()
        swept = "select people from sweep where payroll = 'NL-02'"
        assert made.one(swept) == 2 * CHUNK

        made["worker"].start()

        made.until(lambda: made.one("select count(*) from account where state = 'settled'") == count, "all settled")
        assert made.one(swept) == count
        users = [effect["idnumber"] for effect in made.site.read("ledger") if effect["kind"] == "user created"]
        assert (len(users), len(set(users))) == (count, count)


@pytest.mark.crash
@pytest.mark.parametrize("point", POINTS)
def test_killed_anywhere_it_ends_as_in_a_clean_run(
    point: str, clean: Outcome, database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    """A7, B1, G1, G11; I1 to I5 are checked on the way."""
    with installation(database_url, amqp_url, tmp_path) as made:
        assert live(made, crash_at=point) == clean
