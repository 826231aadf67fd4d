"""Enrolments as people look at them, and the contact log that one may delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import class_row

from db.pool import Db
from db.statements import statements
from db.store import IntegrationStore, Store

SQL = statements("enrolments")


@dataclass(frozen=True, slots=True)
class EnrolmentLine:
    """One enrolment in one integration; `state` is None where no integration has taken it up."""

    tenant: str
    enrolment_key: str
    employee_key: str
    course_code: str
    integration: str | None
    state: str | None
    code: str | None
    booking: str
    status: str
    export: bool
    export_on: date | None
    provisioned_at: datetime | None


@dataclass(frozen=True, slots=True)
class ContactLine:
    """One provisioning on record (R155); deleted ones stay to be seen."""

    contact_id: int
    integration: str
    at: datetime
    text: str
    deleted_at: datetime | None
    deleted_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One result that was fetched for the enrolment (R155)."""

    integration: str
    unit_code: str
    outcome: str
    completed_at: datetime | None
    synced_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """HR's last word on an enrolment."""

    data: Mapping[str, Any]
    sequence: str | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which enrolments; None is "whatever"."""

    course: str | None = None
    person: str | None = None
    integration: str | None = None
    state: str | None = None
    keys: Sequence[str] | None = None


class EnrolmentViews(Store):
    """Read-only, in one transaction; of one tenant, or of all."""

    sql = SQL

    def __init__(self, db: Db, tenant: str | None) -> None:
        super().__init__(db, tenant=tenant)

    def lines(self, chosen: Chosen, most: int, after: Sequence[str] | None = None) -> list[EnrolmentLine]:
        """By course; `after` is course, enrolment and integration of the last on the page before."""
        values = {
            "course": chosen.course,
            "person": chosen.person,
            "integration": chosen.integration,
            "state": chosen.state,
            "keys": None if chosen.keys is None else list(chosen.keys),
            "after": None if after is None else list(after),
            "most": most,
        }
        with self._db.cursor(row_factory=class_row(EnrolmentLine)) as cursor:
            return cursor.execute(SQL["enrolments"], self._fixed | values).fetchall()

    def snapshots(self, keys: Sequence[str]) -> dict[str, Snapshot]:
        return {row[0]: Snapshot(*row[1:]) for row in self._rows("snapshots", keys=list(keys))}

    def contacts(self, enrolment_key: str) -> list[ContactLine]:
        return [ContactLine(*row) for row in self._rows("contact_logs", enrolment_key=enrolment_key)]

    def results(self, enrolment_key: str) -> list[ResultLine]:
        return [ResultLine(*row) for row in self._rows("results_of", enrolment_key=enrolment_key)]


class ContactStore(IntegrationStore):
    """One integration's contact log in one transaction."""

    sql = SQL

    def delete(self, enrolment_key: str, *, by: str, reason: str) -> str | None:
        """Whose enrolment counts as not provisioned from now on; None when there was no contact log (R137)."""
        rows = self._rows("delete_contact", enrolment_key=enrolment_key, by=by, reason=reason)
        return str(rows[0][0]) if rows else None
