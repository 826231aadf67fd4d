import os
import subprocess
import sys
from pathlib import Path

from runtime.liveness import LATE, beating, beats, late

ROOT = Path(__file__).parents[3]
NOW = 1_000_000.0


def test_a_loop_that_beat_lately_is_not_late(tmp_path: Path) -> None:
    beating(str(tmp_path))("clock")
    os.utime(tmp_path / "clock", (NOW, NOW))

    assert late(tmp_path, ["clock"], NOW + LATE.total_seconds()) == {}
    assert late(tmp_path, ["clock"], NOW + LATE.total_seconds() + 1) == {"clock": "last beat 61 s ago"}


def test_a_loop_that_never_beat_is_late(tmp_path: Path) -> None:
    beating(str(tmp_path))("clock")

    assert late(tmp_path, ["clock", "relay"], NOW) == {"relay": "no beat yet"}


def test_each_beat_renews_the_sign(tmp_path: Path) -> None:
    beat = beating(str(tmp_path))
    beat("clock")
    os.utime(tmp_path / "clock", (NOW, NOW))

    beat("clock")

    assert (tmp_path / "clock").stat().st_mtime > NOW


def test_no_sign_is_written_where_none_is_wanted(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)

    beating(None)("clock")
    beating("")("clock")

    assert list(tmp_path.iterdir()) == []


def test_work_goes_on_when_the_sign_cannot_be_written(tmp_path: Path) -> None:
    beating(str(tmp_path / "missing"))("clock")

    assert late(tmp_path / "missing", ["clock"], NOW) == {"clock": "no beat yet"}


def check(folder: Path | str, *loops: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "runtime.liveness", *loops],
        cwd=ROOT,
        env={**os.environ, "MATRICULA_BEATS": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_check_fails_for_one_late_loop_among_several_and_names_it(tmp_path: Path) -> None:
    beat = beating(str(tmp_path))
    beat("apply")
    assert check(tmp_path, "apply") == (0, "")

    assert check(tmp_path, "apply", "provision") == (1, "provision: no beat yet\n")


def test_a_check_of_nothing_is_no_success(tmp_path: Path) -> None:
    assert check(tmp_path) == (2, "")
    assert check("", "apply") == (2, "")


def test_a_beat_is_remembered_with_or_without_a_folder(tmp_path: Path) -> None:
    beating(None)("one of two")
    beating(str(tmp_path))("the other")

    assert all(0 <= beats()[loop] < LATE.total_seconds() for loop in ("one of two", "the other"))
