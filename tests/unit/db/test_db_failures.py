from unittest.mock import Mock

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from db.failures import TAKEN, Taken, translated
from domain.errors import NeedsAttention, StoreUnavailable


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        errors.ConnectionFailure("gone"),
        errors.AdminShutdown("terminating connection due to administrator command"),
        errors.CannotConnectNow("the database system is starting up"),
        errors.TooManyConnections("sorry, too many clients already"),
        errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
        errors.DiskFull("could not extend file"),
        errors.QueryCanceled("canceling statement due to statement timeout"),
        errors.LockNotAvailable("canceling statement due to lock timeout"),
        errors.IdleInTransactionSessionTimeout("terminating connection"),
        PoolTimeout("couldn't get a connection after 5.00 sec"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_store_that_is_away_heals_by_itself(error: Exception) -> None:
    """C2, C5, C6, C9"""
    with pytest.raises(StoreUnavailable) as caught, translated():
        raise error

    assert caught.value.code == "store_unavailable"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [errors.SerializationFailure("again"), errors.DeadlockDetected("deadlock detected")])
def test_two_transactions_in_conflict_may_be_tried_again(error: Exception) -> None:
    """C7"""
    with pytest.raises(StoreUnavailable) as caught, translated():
        raise error

    assert caught.value.code == "conflict"


class Violation(errors.UniqueViolation):
    """A violation of the constraint with this name, as the server would report it."""

    def __init__(self, constraint: str) -> None:
        super().__init__("duplicate key value\nDETAIL: Key (username)=(noor) already exists.")
        self._constraint = constraint

    @property
    def diag(self) -> Mock:
        return Mock(constraint_name=self._constraint)


@pytest.mark.parametrize(("constraint", "known"), TAKEN.items())
def test_a_value_that_is_taken_has_a_name_and_keeps_the_value_to_itself(constraint: str, known: type[Taken]) -> None:
    with pytest.raises(known) as caught, translated():
        raise Violation(constraint)

    assert isinstance(caught.value, NeedsAttention)
    assert "noor" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "error",
    [Violation("inbox_once"), errors.UndefinedColumn("no such column"), errors.CheckViolation("no"), KeyError("x")],
)
def test_everything_else_stays_a_bug(error: Exception) -> None:
    with pytest.raises(type(error)), translated():
        raise error
