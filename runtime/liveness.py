"""
Signs of life: a loop that got through a turn says so in a file, and a health check asks how long ago that was. The
same turns reach the database as heartbeats (db/heartbeats.py), where `matricula doctor` sees those of all machines.

    python -m runtime.liveness ingest

The loops and what their beat proves: docs/deploy.md. No files unless MATRICULA_BEATS names a folder at the start.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

INGEST, CLOCK, RELAY, THREADS = "ingest", "clock", "relay", "threads"  # a wake-up queue's loop is named as its queue

LATE = timedelta(seconds=60)

_turned: dict[str, float] = {}  # when each loop of this process last did, by the clock that never jumps


def beats() -> dict[str, float]:
    """How many seconds ago each loop of this process last got through a turn."""
    now = time.monotonic()
    return {loop: now - then for loop, then in list(_turned.items())}


def _note(loop: str) -> None:
    _turned[loop] = time.monotonic()


def beating(folder: str | None) -> Callable[[str], None]:
    """
    What `beat` does when MATRICULA_BEATS has this value: remember the turn, and touch the loop's file if it has one.
    """
    if not folder:
        return _note

    def touch(loop: str) -> None:
        _note(loop)
        # Work goes on when its sign cannot be written; the health check tells.
        with suppress(OSError):
            Path(folder, loop).touch()

    return touch


def late(folder: Path, loops: Sequence[str], now: float) -> dict[str, str]:
    """
    The loops without a beat in the last minute, and since when.

    Args:
        now: Unix seconds.
    """
    ages = {loop: _age(folder / loop, now) for loop in loops}
    return {loop: said for loop, (age, said) in ages.items() if age > LATE.total_seconds()}


def _age(file: Path, now: float) -> tuple[float, str]:
    try:
        age = now - file.stat().st_mtime
    except FileNotFoundError:
        return float("inf"), "no beat yet"
    return age, f"last beat {age:.0f} s ago"


def main(loops: list[str]) -> int:
    """
    Exit status 0 when every loop named has a beat of the last minute.
    """
    folder = os.environ.get("MATRICULA_BEATS")
    if not (folder and loops):
        sys.stderr.write("usage: MATRICULA_BEATS=folder python -m runtime.liveness LOOP...\n")
        return 2
    silent = late(Path(folder), loops, time.time())
    for loop, said in silent.items():
        sys.stdout.write(f"{loop}: {said}\n")
    return 1 if silent else 0


# Decided once, as for crash points.
beat = beating(os.environ.get("MATRICULA_BEATS"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
