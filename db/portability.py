"""Everything that is held of one person, table by table, as it stands in the database (S18)."""

import json
from typing import Any

from db.people import Subject
from db.pool import Db
from db.statements import statements
from db.store import Store

TABLES = (
    "person",
    "enrolment",
    "account",
    "placement",
    "contact_log",
    "result",
    "result_event",
    "held_completion",
    "finding",
    "guard_item",
    "failure",
    "replay_item",
    "timeline",
    "audit",
)
MESSAGES = ("inbox", "outbox")

Rows = list[dict[str, Any]]


class Holdings(Store):
    """One person's rows in one transaction."""

    sql = statements("portability")

    def __init__(self, db: Db, subject: Subject) -> None:
        super().__init__(db, tenant=subject.tenant, employee_key=subject.employee_key)
        self._key = subject.employee_key

    def everything(self) -> dict[str, Rows]:
        """Rows by table; tables that hold nothing of the person are empty, not absent."""
        enrolments = [str(row["enrolment_key"]) for (row,) in self._rows("enrolment")]
        about = {"subjects": [self._key, *enrolments], "mark": json.dumps(self._key, ensure_ascii=False).encode()}
        found = {table: [row for (row,) in self._rows(table, **about)] for table in TABLES}
        for table in MESSAGES:
            found[table] = [row | {"body": _text(body)} for row, body in self._rows(table, **about)]
        found["outbox"] = [row for row in found["outbox"] if self._concerns(row["body"], enrolments)]
        return found

    def _concerns(self, body: str, enrolments: list[str]) -> bool:
        """The key stood in it somewhere; it may have been somebody else's enrolment or a word in a sentence."""
        data = json.loads(body)["data"]
        return data.get("employee_key") == self._key or data.get("enrolment_key") in enrolments


def _text(body: bytes) -> str:
    return bytes(body).decode(errors="replace")
