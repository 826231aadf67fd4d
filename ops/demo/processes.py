"""The demo's processes: the very ones of a real installation, and the simulated LMSs."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ops.demo.places import Place

REAL = {
    "ingest": ["-m", "workers.boot", "ingest"],
    "worker": ["-m", "workers.boot", "worker", "apply", "provision"],
    "poller": ["-m", "workers.boot", "worker", "poll", "maintenance"],
    "scheduler": ["-m", "producers.boot"],
}
TIME_TO_STOP_S = 15


@contextmanager
def running(
    name: str, arguments: list[str], environment: Mapping[str, str], logs: Path, *, speaks: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that ends with the block at the latest; what it writes is in `logs`, unless it speaks to us."""
    with (logs / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=dict(environment),
            stdout=subprocess.PIPE if speaks else log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(TIME_TO_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Simulator:
    """A simulated LMS, as its control sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def read(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/control/{what}", timeout=30) as answer:  # noqa: S310 - our own loopback
            return json.load(answer)

    def tell(self, what: str, **body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own loopback
            f"{self.url}/control/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)["result"]


@contextmanager
def simulator(place: Place, logs: Path) -> Iterator[Simulator]:
    """A simulated LMS that takes its time as `place.latency` says: a small Moodle, or a portal far away."""
    seeds = {"courses": place.courses(), "users": place.by_hand, "groups": place.groups()}
    files = {name: logs / f"{place.name}.{name}.json" for name in seeds}
    for name, file in files.items():
        file.write_text(json.dumps(seeds[name]), encoding="utf-8")
    seeded = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    named = ["--lms", place.lms, "--token", place.token, "--latency", place.latency]
    arguments = ["-m", "simulators.server", "--port", "0", *seeded, *named]
    with running(place.name, arguments, os.environ, logs, speaks=True) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the simulator did not start; see {logs / f'{place.name}.log'}")
        yield Simulator(json.loads(line)["url"])


@contextmanager
def installation(environment: Mapping[str, str], logs: Path) -> Iterator[None]:
    """Ingest, workers and scheduler."""
    with ExitStack() as stack:
        for name, arguments in REAL.items():
            stack.enter_context(running(name, arguments, environment, logs))
        yield


def log_folder() -> Path:
    """A new folder for what the processes write."""
    return Path(tempfile.mkdtemp(prefix="matricula-demo-"))
