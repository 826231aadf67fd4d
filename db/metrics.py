"""What is measured, as lines of labels and a value; whose, the connection says."""

from typing import Any, Literal, TypeAlias

from db.pool import Db
from db.statements import statements
from db.store import Store

Figure: TypeAlias = Literal[
    "oldest_due",
    "heartbeats",
    "integrations",
    "events",
    "duplicates",
    "accounts",
    "enrolments",
    "enrolments_reached",
    "announcements",
    "failure_groups",
    "failures",
    "replay_items",
    "lms_calls",
    "lms_call_items",
    "lms_calls_left",
    "lms_calls_allowed",
]


class Measured(Store):
    """The lines of each figure; all are cheap, because what grows is counted as it is written."""

    sql = statements("metrics")

    def __init__(self, db: Db) -> None:
        super().__init__(db)

    def lines(self, figure: Figure) -> list[tuple[Any, ...]]:
        """Values of the labels, in their order, and the value behind them."""
        return self._rows(figure)
