"""What is due, as far as the scheduler needs to know it: scopes, never people."""

from dataclasses import dataclass, field

from psycopg.rows import scalar_row

from db.pool import Db
from db.statements import statements

SQL = statements("schedule")


@dataclass(frozen=True, slots=True)
class DueScopes:
    """
    Tenants to apply for; integrations to provision, to poll, to read the catalogue of, to read anew and to check; and
    whether there is upkeep to be done for all of them.
    """

    apply: list[str]
    provision: list[int]
    poll: list[int]
    catalogue: list[int]
    sync: list[int] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)
    upkeep: bool = False


def due_scopes(db: Db) -> DueScopes:
    """Everything that wants a worker now."""
    with db.cursor(row_factory=scalar_row) as cursor:
        found = {
            name: cursor.execute(SQL[name]).fetchall()
            for name in ("tenants_due", "provisions_due", "polls_due", "catalogues_due", "syncs_due", "checks_due")
        }
        upkeep = cursor.execute(SQL["upkeep_due"]).fetchone()
    return DueScopes(
        found["tenants_due"],
        found["provisions_due"],
        found["polls_due"],
        found["catalogues_due"],
        found["syncs_due"],
        found["checks_due"],
        bool(upkeep),
    )


def catalogues_due(db: Db) -> list[int]:
    """Integrations whose courses were not read lately."""
    with db.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(SQL["catalogues_due"]).fetchall()


def checks_due(db: Db) -> list[int]:
    """Integrations that want to be looked at as a whole."""
    with db.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(SQL["checks_due"]).fetchall()


def syncs_due(db: Db) -> list[int]:
    """Integrations whose people are to be read again, or whose run over them is to be ended."""
    with db.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(SQL["syncs_due"]).fetchall()
