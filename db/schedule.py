"""What is due, as far as the scheduler needs to know it: scopes, never people."""

from dataclasses import dataclass, field
from typing import Any

from psycopg.rows import scalar_row

from db.pool import Db
from db.statements import statements

SQL = statements("schedule")


@dataclass(frozen=True, slots=True)
class DueScopes:
    """
    Tenants to apply for; integrations to provision, to poll, to read the catalogue of, to begin or end runs of, to
    check, and to scan; and whether there is upkeep to be done for all of them.
    """

    apply: list[str]
    provision: list[int]
    poll: list[int]
    catalogue: list[int]
    sync: list[int] = field(default_factory=list)
    checks: list[int] = field(default_factory=list)
    scan: list[int] = field(default_factory=list)
    upkeep: bool = False

    @property
    def maintenance(self) -> bool:
        """Whether there is housekeeping to do."""
        return bool(self.catalogue or self.sync or self.checks or self.scan or self.upkeep)


def due_scopes(db: Db) -> DueScopes:
    """Everything that wants a worker now."""
    return DueScopes(
        apply=_scopes(db, "tenants_due"),
        provision=_scopes(db, "provisions_due"),
        poll=_scopes(db, "polls_due"),
        catalogue=catalogues_due(db),
        sync=syncs_due(db),
        checks=checks_due(db),
        scan=scans_due(db),
        upkeep=_upkeep_due(db),
    )


def catalogues_due(db: Db) -> list[int]:
    """Integrations whose courses were not read lately."""
    return _scopes(db, "catalogues_due")


def checks_due(db: Db) -> list[int]:
    """Integrations that want to be looked at as a whole."""
    return _scopes(db, "checks_due")


def syncs_due(db: Db) -> list[int]:
    """Integrations with a rolling scan to begin anew, or a run to end."""
    return _scopes(db, "syncs_due")


def scans_due(db: Db) -> list[int]:
    """Integrations with a run to read on for."""
    return _scopes(db, "scans_due")


def _upkeep_due(db: Db) -> bool:
    """Whether replays may go on, failures want to be counted, or notices are to be sent."""
    return bool(_scopes(db, "upkeep_due")[0])


def _scopes(db: Db, statement: str) -> list[Any]:
    with db.cursor(row_factory=scalar_row) as cursor:
        return cursor.execute(SQL[statement]).fetchall()
