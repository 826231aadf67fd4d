"""One line at the end of a run: how many recordings the simulator reproduces. A hook of tests/conftest.py, because
parallel runs collect in their workers and sum up in the controller."""

from __future__ import annotations

from typing import Any

REPLAY = "test_the_simulator_gives_the_recorded_answer["


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the count when the replay ran."""
    outcomes = {name: terminalreporter.stats.get(name, []) for name in ("passed", "failed")}
    passed, failed = (sum(REPLAY in report.nodeid for report in outcomes[name]) for name in ("passed", "failed"))
    if passed or failed:
        from tests.contract.test_simulator_recordings import NOT_APPLICABLE

        counts = f"{passed} covered, {len(NOT_APPLICABLE)} not applicable, {failed} failing"
        terminalreporter.write_line(f"recordings: {counts}")
