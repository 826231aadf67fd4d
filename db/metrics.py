"""What is measured, as lines of labels and a value; whose, the connection says."""

from typing import Any

from db.pool import Db
from db.statements import statements
from db.store import Store


class Measured(Store):
    """The lines of one name; each is cheap, because what grows is counted as it is written."""

    sql = statements("metrics")

    def __init__(self, db: Db) -> None:
        super().__init__(db)

    def lines(self, name: str) -> list[tuple[Any, ...]]:
        """Values of the labels, in their order, and the value behind them."""
        return self._rows(name)
