"""What the self-check knows beforehand, and what is kept of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from db.lms_fields import FieldStore
from db.results import ResultStore
from db.statements import statements
from db.store import IntegrationStore
from domain.checks import Check, Identity, Known, State, holds
from domain.identities import Wanted
from domain.integration import IntegrationSettings
from domain.polling import COMPLETION_TASK_LATE

SQL = statements("checks")


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line of the last check. It has been as it is since `since`."""

    name: str
    state: State
    detail: str
    code: str
    since: datetime
    checked_at: datetime


class CheckStore(IntegrationStore):
    """One integration's self-check in one transaction."""

    sql = SQL

    def known(self, settings: IntegrationSettings) -> Known:
        """What our own records say about the site's health."""
        fields = [known for known in FieldStore(self._db, self._integration_id).known() if known.field.area == "user"]
        enrolled, completed, quiet = self._rows("enrolment_counts")[0]
        return Known(
            linked=dict(self._rows("linked_sample")),
            courses=[row[0] for row in self._rows("linked_courses")],
            learners=[row[0] for row in self._rows("learners")],
            late=ResultStore(self._db, self._integration_id).late_completions(COMPLETION_TASK_LATE),
            enrolled=enrolled,
            completed=completed,
            quiet=quiet,
            shared_addresses=self._rows("shared_addresses")[0][0],
            unmapped=settings.results.unmapped(),
            maps=settings.people.fields,
            fields={known.field.shortname: known.field for known in fields},
            gone={known.field.shortname for known in fields if known.gone},
            group_keys={row[0] for row in self._rows("group_keys")},
        )

    def pinned(self) -> Identity | None:
        rows = self._rows("pinned")
        return Identity(*rows[0]) if rows and rows[0][0] is not None else None

    def password_sealed(self) -> bytes | None:
        value: bytes | None = self._rows("password_sealed")[0][0]
        return value

    def pin(self, identity: Identity) -> None:
        self._rows("pin", url=identity.url, name=identity.name)

    def lines(self) -> list[KeptLine]:
        with self._db.cursor(row_factory=class_row(KeptLine)) as cursor:
            return cursor.execute(SQL["lines"], {"integration_id": self._integration_id}).fetchall()

    def save(self, checks: Sequence[Check], *, reached: bool) -> None:
        """
        The last check is this one; results that a line held, and holds no more, are read at once.

        Args:
            reached: False when the site did not answer: what was not looked at stays as it was.
        """
        held = self._results_held()
        names = [check.name for check in checks]
        self._rows(
            "save_lines",
            names=names,
            positions=list(range(len(checks))),
            states=[check.state for check in checks],
            details=[check.detail for check in checks],
            codes=[check.code for check in checks],
            holds=[holds(check) for check in checks],
            reached=reached,
        )
        self._rows("forget_lines", names=names)
        self._rows("checked")
        if held and not self._results_held():
            self._rows("wake_poll")

    def _results_held(self) -> bool:
        return bool(self._rows("results_held")[0][0])

    def stay_held(self) -> None:
        """Only the next check, or a person, ends the hold."""
        self._rows("stay_held")

    def ask_again(self) -> None:
        """A quarantine is probed at once."""
        self._rows("ask_again")

    def wanted_identities(self, *, after: str, most: int) -> list[Wanted]:
        """The next people after this employee key."""
        return [Wanted(*row) for row in self._rows("wanted_identities", after=after, most=most)]
