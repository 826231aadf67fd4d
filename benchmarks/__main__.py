"""
`python -m benchmarks [NAME …]`: measure, show a table, and write results.json.
"""

import importlib
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, save
from runtime.logs import configure_logs

BENCHMARKS = (
    *("publish", "ingest", "overhead", "burst", "sweep", "poll", "drift"),
    *("talent_calls", "talent_poll", "portal", "memory"),
    *("seeded", "replay"),
)

console = Console(highlight=False)


def main(names: list[str]) -> int:
    """Exit status 0 when every goal is met."""
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        console.print(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
        return 2
    configure_logs("bench", level="ERROR")
    figures: list[Figure] = []
    for name in names or BENCHMARKS:
        started = time.monotonic()
        console.print(f"[bold]{name}[/]")
        measure: Callable[[Callable[[str], None]], list[Figure]] = importlib.import_module(f"benchmarks.{name}").measure
        figures += measure(lambda line: console.print(f"  {line}"))
        save(figures, keep_others=bool(names))
        console.print(f"  took {time.monotonic() - started:.0f} s")
    console.print(_table(figures))
    return 0 if all(figure.met is not False for figure in figures) else 1


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "value", "unit", "baseline", "ratio", "goal", "")
    for figure in figures:
        numbers = ["" if number is None else f"{number:g}" for number in (figure.value, figure.baseline, figure.ratio)]
        verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
        table.add_row(figure.name, numbers[0], figure.unit, numbers[1], numbers[2], figure.goal or "", verdict)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
