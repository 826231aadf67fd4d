"""
A simulated Moodle for trying docker-compose.yml on, with the courses of the demo's feed.

    python -m deploy.trial serve          what the service `simulator` runs
    python -m deploy.trial settings       settings of an integration with it, for `matricula integration add`
    python -m deploy.trial finish [0.6]   let this share of the open enrolments be finished
    python -m deploy.trial state          what the simulated Moodle holds

All but the first are for inside its container: the simulator lets itself be controlled from its own machine only.
"""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DEMO = Path(__file__).parents[1] / "ops" / "demo"
SEEDS = Path("/tmp/courses.json")  # noqa: S108 - a container's own
PORT = 8080
TOKEN = "demo-token-of-nobody"  # noqa: S105 - known to the simulator only
WAYS = ("activities", "self", "grade")
TODAY = datetime(2026, 7, 1, 9, tzinfo=UTC)  # the feed is of 2026, and nobody finishes a course that is over


def serve() -> int:
    """
    Run the simulator until told to stop.
    """
    SEEDS.write_text(json.dumps(seeds()), encoding="utf-8")
    where = ["--host", "0.0.0.0", "--port", str(PORT)]  # noqa: S104 - a container is reached from others
    what = ["--courses", str(SEEDS), "--token", TOKEN, "--latency", "small"]
    simulator = subprocess.Popen([sys.executable, "-m", "simulators.server", *where, *what], stdout=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: simulator.terminate())
    assert simulator.stdout is not None  # noqa: S101 - asked for above
    if simulator.stdout.readline():
        _tell("settings", url=settings()["url"])
        _tell("clock", advance=TODAY.timestamp() - time.time())
    return simulator.wait()


def seeds() -> list[dict[str, Any]]:
    """
    The demo's courses as the simulator wants them, each completed in one of three ways.
    """
    return [
        {**seed, "id": number, "category": 1, "completion": WAYS[number % 3] if seed["completion"] else "none"}
        for number, seed in enumerate(json.loads((DEMO / "courses.json").read_bytes()), start=101)
    ]


def settings() -> dict[str, Any]:
    """
    The demo's settings, with the address that the other containers know.
    """
    wanted: dict[str, Any] = json.loads((DEMO / "dockside.json").read_bytes())
    return wanted | {"url": f"http://simulator:{PORT}"}


def finish(fraction: float) -> int:
    """
    How many enrolments were finished now; the site's scheduled task has run, so that it knows itself.
    """
    finished = _tell("finish", fraction=fraction, seed=7)
    for _ in range(2):
        _tell("cron")
    return len(finished)


def _tell(what: str, **body: Any) -> Any:
    return _control(what, json.dumps(body).encode())["result"]


def _control(what: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/control/{what}", body, timeout=30) as answer:
        return json.load(answer)


def main(arguments: list[str]) -> int:
    """
    The command line.
    """
    match arguments:
        case ["serve"]:
            return serve()
        case ["settings"]:
            said = json.dumps(settings())
        case ["finish", *share]:
            said = f"{finish(float(share[0]) if share else 0.6)} enrolments finished"
        case ["state"]:
            said = json.dumps(_control("state"))
        case _:
            sys.stderr.write("usage: python -m deploy.trial serve | settings | finish [FRACTION] | state\n")
            return 2
    sys.stdout.write(said + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
