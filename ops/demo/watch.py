"""Following the demonstration's work with bars until it is done."""

import time
from collections.abc import Callable
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from db.console_views import Overview, Views
from db.pool import Pool, transaction
from ops.cli.output import err

PATIENCE = timedelta(minutes=3)

Measure = Callable[[Overview], int]


class Watch:
    """One bar for each kind of thing, all integrations together."""

    def __init__(self, pool: Pool, bars: Progress) -> None:
        self._pool = pool
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._measures: dict[str, Measure] = {}

    def until(self, name: str, total: int, measure: Measure) -> None:
        """Wait until the measure has come to its total."""
        self._measures[name] = measure
        self._tasks[name] = self._bars.add_task(name, total=total)
        until = time.monotonic() + PATIENCE.total_seconds()
        while (done := measure(self._looked())) < total and time.monotonic() < until:
            time.sleep(0.1)
        if not self._bars.console.is_terminal:
            err.print(f"  {name:<12}{done} of {total}")

    def until_quiet(self) -> None:
        """Wait until nothing is due and nothing is to be published."""
        until = time.monotonic() + PATIENCE.total_seconds()
        while time.monotonic() < until:
            overview = self._looked()
            due = sum(counts.accounts.get("due", 0) for counts in overview.integrations.values())
            if not (due or overview.sweeps_open or overview.outbox_waiting or overview.oldest_account_s):
                return
            time.sleep(0.1)

    def _looked(self) -> Overview:
        overview = look(self._pool)
        for name, measure in self._measures.items():
            self._bars.update(self._tasks[name], completed=measure(overview))
        return overview


def look(pool: Pool) -> Overview:
    """The state of the whole installation."""
    with transaction(pool) as db:
        return Views(db, None).overview()


def bars() -> Progress:
    """Bars for a terminal; elsewhere `Watch` prints a line for each."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)
