import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from runtime.crashpoints import armed

ROOT = Path(__file__).parents[3]
ON = {"MATRICULA_CRASH_TESTS": "1"}
HERE = ("ingress.", "outbox.")


class Killer:
    def __init__(self) -> None:
        self.kills = 0

    def __call__(self) -> None:
        self.kills += 1


@pytest.mark.parametrize(
    "environ",
    [{}, ON, {"CRASH_AT": "user.before_http"}, {"CRASH_AT": "user.before_http", "MATRICULA_CRASH_TESTS": "0"}],
)
def test_nothing_happens_unless_both_variables_are_set(environ: dict[str, str]) -> None:
    killer = Killer()
    crashpoint = armed(environ, killer)

    crashpoint("user.before_http")

    assert killer.kills == 0


@pytest.mark.parametrize(
    ("place", "arrivals"), [("user.before_http", 1), ("user.before_http:1", 1), ("user.before_http:7", 7)]
)
def test_the_nth_arrival_kills_and_no_other(place: str, arrivals: int) -> None:
    killer = Killer()
    crashpoint = armed({"CRASH_AT": place, **ON}, killer)

    kills = []
    for _ in range(arrivals + 2):
        crashpoint("user.response_read")
        crashpoint("user.before_http")
        kills.append(killer.kills)

    assert kills == [0] * (arrivals - 1) + [1] * 3


def test_a_number_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="often"):
        armed({"CRASH_AT": "user.before_http:often", **ON})


def test_the_process_dies_without_a_word() -> None:
    program = "from runtime.crashpoints import crashpoint\ncrashpoint('a.b')\nprint('alive')"
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "CRASH_AT": "a.b", **ON},
        capture_output=True,
        check=False,
    )

    assert process.returncode == -signal.SIGKILL
    assert process.stdout == b""


def test_each_crash_point_is_placed_once() -> None:
    sources = [path for package in ("producers", "workers", "db") for path in (ROOT / package).rglob("*.py")]
    placed = Counter(name for path in sources for name in re.findall(r'crashpoint\("([^"]+)"\)', path.read_text()))

    assert placed
    assert {name: times for name, times in placed.items() if times != 1} == {}
    assert {name for name in placed if name.startswith(HERE)} == {
        *(f"ingress.{step}" for step in ("received", "inserted", "committed", "acked")),
        *(f"outbox.{step}" for step in ("selected", "published", "confirmed", "marked")),
    }
