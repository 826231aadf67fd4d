"""
A clean place to measure in: a database and a virtual host of its own, an installation's processes, a simulated Moodle.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import httpx
import psycopg
from psycopg import sql

from benchmarks.people import COURSES, TENANT, Hire
from db.pool import Pool, open_pool, transaction
from domain.integration import IntegrationSettings, OutcomeItem, Results
from ops import actions
from ops.operators import Operator
from producers.listener import Listener
from producers.publisher import OutgoingEvent, Publisher
from runtime.secrets import Secret, new_key
from runtime.settings import Settings, read_settings

TOKEN = "bench-token-of-nobody"
PROCESSES = {
    "ingest": ["-m", "workers.boot", "ingest"],
    "worker": ["-m", "workers.boot", "worker", "apply", "provision"],
    "apply": ["-m", "workers.boot", "worker", "apply"],
    "poller": ["-m", "workers.boot", "worker", "poll", "maintenance"],
    "scheduler": ["-m", "producers.boot"],
}
INSTALLATION = ("ingest", "worker", "poller", "scheduler")
PATIENCE_S = 240.0
TIME_TO_STOP_S = 20

_numbers = count(1)


@dataclass(slots=True)
class Lab:
    """
    One clean place. `environment` is what its processes get; `logs` is where they write.
    """

    environment: dict[str, str]
    settings: Settings
    pool: Pool
    logs: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def one(self, query: str, **values: Any) -> Any:
        """The first column of the only row."""
        with transaction(self.pool) as db:
            row = db.execute(sql.SQL(query), values).fetchone()
        return row[0] if row else None

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        with transaction(self.pool) as db:
            return [tuple(row) for row in db.execute(sql.SQL(query), values).fetchall()]

    def wait(self, what: str, done: Callable[[], bool], *, every: float = 0.1, within: float = PATIENCE_S) -> None:
        """
        Return when it is done.

        Raises:
            TimeoutError: It took too long, or a process ended.
        """
        until = time.monotonic() + within
        while not done():
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > until:
                raise TimeoutError(f"{what}: {'ended: ' + ', '.join(ended) if ended else 'too late'}; see {self.logs}")
            time.sleep(every)

    def add_integration(self, url: str, *, payrolls: Literal["all", "selected"] = "all", **results: Any) -> int:
        """The simulated Moodle at `url` is an active integration of the tenant."""
        chosen = Results(
            pass_outcome="C", fail_outcome="N", outcomes=(OutcomeItem(code="C"), OutcomeItem(code="N")), **results
        )
        wanted = IntegrationSettings(
            name="Harbour Moodle", url=url, payrolls=payrolls, timezone="Europe/Amsterdam", results=chosen
        )
        by = Operator.at_the_machine()
        added = actions.add_integration(self.pool, self.settings, TENANT, wanted, Secret(TOKEN), None, by=by)
        actions.enable(self.pool, self.settings, actions.find_integration(self.pool, wanted.name, TENANT), by=by)
        return added

    def publish(self, events: Iterable[OutgoingEvent]) -> None:
        """All events are confirmed."""
        with Publisher(self.settings.amqp_url) as publisher:
            list(publisher.publish_all(events))

    def arrive(self, people: Iterable[Hire], per_second: float, dice: random.Random) -> dict[str, float]:
        """Publish each person's two events together, at a moment of their own; when it was, by person."""
        published = {}
        due = time.time()
        with Publisher(self.settings.amqp_url) as publisher:
            for hire in people:
                due += dice.expovariate(per_second)
                time.sleep(max(0.0, due - time.time()))
                published[hire.key] = time.time()
                publisher.publish(hire.events())
        return published

    def settle(self, site: "Simulator", enrolled: int) -> None:
        """So many people are enrolled, and nothing is left to do."""
        self.wait("enrolments", lambda: site.enrolled() >= enrolled, every=0.5)
        self.wait("events", lambda: not self.one("select count(*) from inbox where state = 'received'"))
        self.wait("records", lambda: not self.one("select count(*) from account where due_at is not null"))

    @contextmanager
    def running(self, *names: str) -> Iterator[None]:
        """These processes of an installation run while the block does, and have connected."""
        with ExitStack() as stack:
            for name in names:
                self.processes[name] = stack.enter_context(
                    process(PROCESSES[name], self.environment, self.logs / f"{name}.log")
                )
            try:
                if "ingest" in names:
                    self.wait("ingest", lambda: b"ingest connected" in (self.logs / "ingest.log").read_bytes())
                yield
            finally:
                self.processes.clear()

    @contextmanager
    def simulator(self, latency: str, *, courses: int = COURSES) -> Iterator["Simulator"]:
        """A simulated Moodle in a process of its own; `latency` is off, small or measured."""
        arguments = ["-m", "simulators.server", "--port", "0", "--demo-courses", str(courses), "--token", TOKEN]
        arguments += ["--latency", latency]
        with process(arguments, os.environ, self.logs / "simulator.log", speaks=True) as server:
            assert server.stdout is not None  # noqa: S101 - asked for
            with Simulator(json.loads(server.stdout.readline())["url"]) as site:
                yield site

    def want_results(self) -> None:
        """Somebody has bound a queue for what is announced, so that the relay has its usual work."""
        Listener(self.settings.amqp_url, "bench.results")


class Simulator:
    """The simulated Moodle as its control sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=f"{url}/control/", timeout=60)

    def __enter__(self) -> "Simulator":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far: function, items, at (Unix seconds of its arrival), duration."""
        return list(self._client.get("calls").json())

    def effects(self, kind: str) -> list[dict[str, Any]]:
        return list(self._client.get("ledger", params={"kind": kind}).json())

    def enrolled(self) -> int:
        return int(self._client.get("state").json()["enrolments"])

    def tell(self, what: str, body: Any) -> Any:
        answer = self._client.post(what, json=body)
        answer.raise_for_status()
        return answer.json()["result"]


@contextmanager
def lab() -> Iterator[Lab]:
    """
    A clean place on the services of DATABASE_URL, AMQP_URL and MATRICULA_BROKER_MANAGEMENT_URL, gone afterwards.
    """
    name = f"bench_{os.getpid()}_{next(_numbers)}"
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matricula-bench-")))
        places = {
            "DATABASE_URL": stack.enter_context(_database(os.environ["DATABASE_URL"], name)),
            "AMQP_URL": stack.enter_context(
                _virtual_host(os.environ["AMQP_URL"], os.environ["MATRICULA_BROKER_MANAGEMENT_URL"], name)
            ),
        }
        environment = {**os.environ, **places, "MATRICULA_KEY": new_key(), "MATRICULA_ALLOW_PRIVATE_LMS": "1"}
        settings = read_settings(environment)
        pool = stack.enter_context(open_pool(settings.database_url, name="bench", max_size=3))
        actions.initialise(settings, pool, by=Operator.at_the_machine())
        with transaction(pool) as db:
            db.execute("insert into tenant (tenant) values (%s)", [TENANT])
        yield Lab(environment, settings, pool, logs)


@contextmanager
def process(
    arguments: list[str], environment: Mapping[str, str], log: Path, *, speaks: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """
    A Python process that ends with the block; what it says is in `log`, or in its pipe when it `speaks`.
    """
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, *arguments],
            env=dict(environment),
            stdout=subprocess.PIPE if speaks else output,
            stderr=output,
        )
        try:
            yield started
        finally:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(TIME_TO_STOP_S)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


@contextmanager
def _database(url: str, name: str) -> Iterator[str]:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        # So that no round pays for the rows of the one before.
        server.execute("checkpoint")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@contextmanager
def _virtual_host(amqp_url: str, management_url: str, name: str) -> Iterator[str]:
    user = urlsplit(amqp_url).username or "guest"
    with httpx.Client(base_url=f"{management_url.rstrip('/')}/api/", timeout=30) as broker:
        broker.put(f"vhosts/{name}").raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        broker.put(f"permissions/{name}/{quote(user)}", json=everything).raise_for_status()
        try:
            yield urlunsplit(urlsplit(amqp_url)._replace(path=f"/{name}"))
        finally:
            broker.delete(f"vhosts/{name}")
