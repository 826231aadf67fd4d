"""
A whole installation as real processes: ingest, workers and scheduler beside a simulated Moodle, each to be killed,
frozen and started again.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString, Self, TypeVar

import psycopg
from psycopg.rows import dict_row

from db.pool import open_pool
from domain.integration import IntegrationSettings
from ops import actions
from ops.demo.processes import Simulator
from producers.publisher import OutgoingEvent, Publisher
from runtime.secrets import Secret, new_key
from runtime.settings import read_settings
from tests.support import queues
from tests.support.operators import BY
from tests.support.waiting import until

T = TypeVar("T")

TENANT = "acme"
TOKEN = "token-of-nobody"
LISTENER = "upstream.results"
PATIENCE = timedelta(seconds=60)
TIME_TO_STOP = timedelta(seconds=20)
LAST_LINES = 15
ROOT = Path(__file__).parents[2]

ROLES: Mapping[str, Sequence[str]] = {
    "ingest": ["-m", "workers.boot", "ingest"],
    "worker": ["-m", "workers.boot", "worker", "apply", "provision", "maintenance"],
    "poller": ["-m", "workers.boot", "worker", "poll"],
    "scheduler": ["-m", "producers.boot"],
}
# One call must end before its lease; everything else may come at once.
SHORT_TIMES = {
    "MATRICULA_LEASE_S": "2",
    "MATRICULA_LMS_DEADLINE_S": "1.5",
    "MATRICULA_TICK_S": "0.2",
    "MATRICULA_OUTAGE_BASE_S": "0.3",
    "MATRICULA_PROBE_EVERY_S": "0.5",
    "MATRICULA_SETTLE_DOUBT_S": "0.5",
}
SETTINGS: Mapping[str, Any] = {
    "name": "Academy",
    "results": {
        "outcomes": [{"code": "C"}, {"code": "NYC"}],
        "pass_outcome": "C",
        "fail_outcome": "NYC",
        "pass_grade": 60,
        "attempted_on": "completion",
        "every_s": 1,
    },
}


class RealProcess:
    """One process of ours, and what it has written so far over all its lives."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self._arguments = arguments
        self._environment = environment
        self._log = folder / f"{name}.log"
        self._log.touch()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def start(self, *, crash_at: str | None = None, freeze_at: str | None = None) -> Self:
        """Begin a life; it may be made to die by SIGKILL, or to stop as if frozen, at a named crash point."""
        point = crash_at or freeze_at
        extra = {"MATRICULA_CRASH_TESTS": "1", "CRASH_AT": point} if point else {}
        arguments = ["-m", "tests.support.freezing", *self._arguments[2:]] if freeze_at else self._arguments
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**self._environment, **extra},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self.name == "simulator" else log,
                stderr=log,
                text=True,
            )
        return self

    def first_line(self) -> str:
        assert self._running.stdout is not None
        return self._running.stdout.readline()

    def kill(self) -> None:
        self._running.kill()
        self._running.wait()

    def tell_to_stop(self) -> None:
        self._running.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """End politely; the exit status."""
        self.tell_to_stop()
        return self.ended()

    def ended(self, within: timedelta = TIME_TO_STOP) -> int:
        """The exit status, as soon as the process has ended; a signal's number is negative."""
        return self._running.wait(within.total_seconds())

    def freeze(self) -> None:
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.send_signal(signal.SIGCONT)

    @property
    def frozen(self) -> bool:
        stat = Path(f"/proc/{self._running.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    @property
    def alive(self) -> bool:
        return self._running.poll() is None

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, f"{self.name} was not started"
        return self._process


class Installation:
    """The processes by name, the site they work for, and a look into their database."""

    def __init__(self, environment: Mapping[str, str], folder: Path, stack: ExitStack) -> None:
        self._stack = stack
        self._folder = folder
        self.environment = environment
        self.settings = read_settings(environment)
        self.processes: dict[str, RealProcess] = {}
        self.integration_id = 0
        simulator = self.add("simulator", ["-m", "simulators.server", "--demo-courses", "2", "--token", TOKEN])
        self.site = _answering(simulator.start())

    def add(self, name: str, arguments: Sequence[str], **environment: str) -> RealProcess:
        """One more process, not started yet; it ends with the installation."""
        process = RealProcess(name, arguments, {**self.environment, **environment}, self._folder)
        self.processes[name] = self._stack.enter_context(process)
        return process

    def another(self, name: str) -> RealProcess:
        """A second process of the same kind."""
        return self.add(f"second {name}", ROLES[name])

    def __getitem__(self, name: str) -> RealProcess:
        return self.processes[name]

    def start(self, *names: str) -> None:
        for name in names or ROLES:
            self[name].start()

    def restart_site_at_same_place(self) -> None:
        """A site that was killed is back where it was, as empty as at first."""
        port = self.site.url.rpartition(":")[2]
        place = ["-m", "simulators.server", "--demo-courses", "2", "--token", TOKEN, "--port", port]
        self.site = _answering(self.add("simulator", place).start())

    def run(self, *arguments: str, **environment: str) -> int:
        """One command of `matricula`, to its end; its exit status."""
        name = f"matricula {' '.join(arguments)}"
        return self.add(name, ["-m", "ops.cli.main", *arguments], **environment).start().ended(PATIENCE)

    def set_up(self, **changes: Any) -> None:
        """The integration with the simulated site is active, and somebody listens to what we announce."""
        wanted = IntegrationSettings.model_validate({**SETTINGS, "url": self.site.url, **changes})
        with open_pool(self.settings.database_url, name="test", max_size=1) as pool:
            self.integration_id = actions.add_integration(
                pool, self.settings, TENANT, wanted, Secret(TOKEN), None, by=BY
            )
            actions.enable(pool, self.settings, actions.find_integration(pool, wanted.name, TENANT), by=BY)
        self.asked_before = len(self.site.read("calls"))
        queues.bind(self.settings.amqp_url, "lms.results", LISTENER)

    def publish(self, events: Sequence[OutgoingEvent]) -> dict[str, bytes]:
        """The events are sent; the ids that the broker confirmed, with their bytes."""
        bodies = {event.message_id: event.body for event in events}
        with Publisher(self.settings.amqp_url) as publisher:
            receipts = list(publisher.publish_all(events))
        return {got.message_id: bodies[got.message_id] for got in receipts if got.outcome == "confirmed"}

    def rows(self, query: LiteralString, **values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.settings.database_url, row_factory=dict_row) as connection:
            return connection.execute(query, values).fetchall()

    def one(self, query: LiteralString, **values: Any) -> Any:
        """The one value of the one row."""
        [row] = self.rows(query, **values)
        [value] = row.values()
        return value

    def heard(self) -> list[tuple[str, bytes]]:
        """Id and bytes of everything announced since the last time."""
        taken = queues.take_all(self.settings.amqp_url, LISTENER)
        return [(message.properties["message_id"], bytes(message.body)) for message in taken]

    def until(self, fact: Callable[[], T], what: str, within: timedelta = PATIENCE) -> T:
        """Wait for a fact; when it does not come, the processes' last words are told."""
        return until(fact, within, describe=lambda: f"{what}\n{self.last_words()}", every=timedelta(milliseconds=50))

    def last_words(self) -> str:
        return "\n".join(
            f"--- {name}\n" + "\n".join(process.log.splitlines()[-LAST_LINES:])
            for name, process in self.processes.items()
        )


def _answering(process: RealProcess) -> Simulator:
    line = process.first_line()
    assert line, f"the simulator did not start: {process.log}"
    return Simulator(json.loads(line)["url"])


@contextmanager
def installation(database_url: str, amqp_url: str, folder: Path, **environment: str) -> Iterator[Installation]:
    """A site that answers, and processes that can be started; all are gone afterwards."""
    full = {
        **os.environ,
        **SHORT_TIMES,
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "MATRICULA_KEY": new_key(),
        "MATRICULA_ALLOW_PRIVATE_LMS": "1",
        **environment,
    }
    with ExitStack() as stack:
        made = Installation(full, folder, stack)
        for name, arguments in ROLES.items():
            made.add(name, arguments)
        yield made
