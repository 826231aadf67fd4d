"""
A measured figure, and how several rounds become one.
"""

import json
import operator
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")

_HOLDS: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One line of results.json.

    Attributes:
        value: Ours, in `unit`; baseline: the other's, in the same unit; ratio: ours to theirs.
        goal: "<= 5" or ">= 5", for the ratio of a figure that has a goal for it, else for the value. None: information.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    goal: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        sign, limit = self.goal.split()
        return _HOLDS[sign](self.value if self.ratio is None else self.ratio, float(limit))


def against(name: str, rounds: Sequence[tuple[float, float]], unit: str, goal: str | None = None) -> Figure:
    """
    A figure from rounds of (ours, theirs): the medians, and the median of the ratios of each round.
    """
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(mine / other for mine, other in rounds)
    return Figure(name, _short(ours), unit, _short(theirs), _short(ratio), goal)


def alone(name: str, values: Iterable[float], unit: str, goal: str | None = None) -> Figure:
    """A figure without a baseline: the median of its rounds."""
    return Figure(name, _short(statistics.median(values)), unit, goal=goal)


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, round(share * len(ordered) + 0.499999) - 1))]


def save(figures: Sequence[Figure], *, keep_others: bool, path: Path = RESULTS) -> None:
    """
    The file holds these figures, and those it had under other names if they are to be kept.
    """
    measured = {figure.name for figure in figures}
    before = json.loads(path.read_text(encoding="utf-8")) if keep_others and path.exists() else []
    entries = [entry for entry in before if entry["name"] not in measured] + [asdict(figure) for figure in figures]
    path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def _short(number: float) -> float:
    """Three significant digits are more than such measurements are good for."""
    return float(f"{number:.3g}") if abs(number) < 1000 else float(round(number))
