"""
Where psycopg's errors become ours.

A store that is away, read-only, full or short of connections heals by itself, and so does a conflict between two
transactions. A unique value that is taken already needs a person. Everything else stays what it is: a bug.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
from psycopg import errors

from domain.errors import NeedsAttention, StoreUnavailable


class Taken(NeedsAttention):
    """Somebody else holds a value that only one may have. The value is not named: it may be personal."""

    taken_code = "taken"

    def __init__(self) -> None:
        super().__init__(self.taken_code)


class TenantTaken(Taken):
    """There is a tenant of this name already."""

    taken_code = "tenant_taken"


class IntegrationNameTaken(Taken):
    """The tenant has an integration of this name already."""

    taken_code = "integration_name_taken"


class LmsTaken(Taken):
    """Another integration serves this LMS already (R13)."""

    taken_code = "lms_taken"


class UsernameTaken(Taken):
    """Another account of the integration has reserved this user name."""

    taken_code = "username_taken"


class LmsUserTaken(Taken):
    """Another account of the integration is linked to this LMS user."""

    taken_code = "lms_user_taken"


TAKEN: Mapping[str, type[Taken]] = {
    "tenant_pkey": TenantTaken,
    "integration_tenant_name_key": IntegrationNameTaken,
    "integration_url_key": LmsTaken,
    "account_username": UsernameTaken,
    "account_lms_user": LmsUserTaken,
}

CONFLICTS = (errors.SerializationFailure, errors.DeadlockDetected)

# A replica answers InternalError to a write, and so does a session that was idle in its transaction for too long.
# All else that heals is an OperationalError: connection lost or refused, shutdown, no connections left, disk full,
# lock or statement timeout, and the pool's own time-outs.
UNAVAILABLE = (psycopg.OperationalError, errors.ReadOnlySqlTransaction, errors.IdleInTransactionSessionTimeout)


@contextmanager
def translated() -> Iterator[None]:
    """
    Let psycopg's errors leave as ours.

    Raises:
        StoreUnavailable: Postgres is away or refuses for now (code `store_unavailable`), has no table of ours
            (`schema_missing`), or two transactions got in each other's way (`conflict`). `detail` is the SQLSTATE.
        Taken: A unique value belongs to somebody else.
    """
    try:
        yield
    except CONFLICTS as error:
        raise StoreUnavailable("conflict", error.sqlstate or "") from error
    except UNAVAILABLE as error:
        raise StoreUnavailable("store_unavailable", error.sqlstate or type(error).__name__) from error
    except errors.UndefinedTable as error:
        raise StoreUnavailable("schema_missing", "") from error
    except errors.UniqueViolation as error:
        known = TAKEN.get(error.diag.constraint_name or "")
        if known is None:
            raise
        # Without its cause: Postgres quotes the value, and it may be personal.
        raise known from None
