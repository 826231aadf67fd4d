"""One person as people look at them: what HR told, where everything stands, and what happened."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from db.configuration import payroll_words
from db.facts import FactStore
from db.statements import statements
from db.store import Store
from domain.conditions import Finding
from domain.integration import IntegrationSettings
from domain.self_service import no_courses_because
from domain.wanted import placement_states
from domain.why import (
    AccountFacts,
    Explanation,
    IntegrationFacts,
    PersonFactsSeen,
    PlacementFacts,
    Trouble,
    explain_account,
    explain_placement,
)

SQL = statements("people")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a key stands for: a person, or one enrolment of a person."""

    tenant: str
    employee_key: str
    enrolment_key: str | None


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One thing that happened; `kind` is the type of an event, or what was done."""

    at: datetime
    kind: str
    integration: str | None
    enrolment_key: str | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AvailableCourse:
    """One course that an employee may take; `enrolled` when they are in it already."""

    lms_course_id: str
    code: str
    title: str
    category: str | None
    starts_on: str | None
    enrolled: bool


@dataclass(frozen=True, slots=True)
class Available:
    """What one integration offers an employee; `because` says why nothing."""

    integration: str
    because: str | None
    courses: list[AvailableCourse]


@dataclass(frozen=True, slots=True)
class PersonSnapshot:
    """HR's last word on a person, and when it was said."""

    data: dict[str, Any]
    sequence: str | None
    occurred_at: datetime
    erased: bool


MASK = "•••"


@dataclass(frozen=True, slots=True)
class PersonLine:
    """What HR says of one person, as far as operators need it."""

    employee_key: str
    payroll: str | None
    status: str | None
    erased: bool
    name: str
    emails: list[str]
    occurred_at: datetime

    def masked(self) -> "PersonLine":
        """For eyes that have no business with names and addresses."""
        return replace(self, name=MASK if self.name else "", emails=[MASK for _ in self.emails])


class PeopleViews(Store):
    """Read-only, in one transaction."""

    sql = SQL

    def person_line(self, tenant: str, employee_key: str) -> PersonLine | None:
        values = {"tenant": tenant, "employee_key": employee_key}
        with self._db.cursor(row_factory=class_row(PersonLine)) as cursor:
            return cursor.execute(SQL["person_line"], values).fetchone()

    def after(self, tenant: str, employee_key: str, most: int) -> list[str]:
        """So many people by employee key, those that come after this one."""
        return self._keys("people_after", tenant=tenant, after=employee_key, most=most)

    def by_key(self, tenant: str, key: str) -> list[str]:
        return self._keys("people_by_key", tenant=tenant, key=key)

    def by_address(self, tenant: str, email_sha256: bytes, most: int) -> list[str]:
        """Whose account has the address with this SHA-256, taken of its `domain.addresses.email_key`."""
        return self._keys("people_by_address", tenant=tenant, email_sha256=email_sha256, most=most)

    def by_lms_user(self, tenant: str, lms_user_id: str, most: int) -> list[str]:
        return self._keys("people_by_lms_user", tenant=tenant, lms_user_id=lms_user_id, most=most)

    def _keys(self, statement: str, **values: Any) -> list[str]:
        return [str(row[0]) for row in self._rows(statement, **values)]

    def whose(self, key: str, tenant: str | None) -> list[Subject]:
        """Everybody and every enrolment that this key may stand for."""
        return sorted(
            (Subject(*row) for row in self._rows("whose", key=key, tenant=tenant)),
            key=lambda subject: (subject.tenant, subject.enrolment_key or ""),
        )

    def snapshot(self, subject: Subject) -> PersonSnapshot | None:
        rows = self._rows("snapshot", tenant=subject.tenant, employee_key=subject.employee_key)
        return PersonSnapshot(*rows[0]) if rows else None

    def explain(self, subject: Subject, integration: str | None) -> list[Explanation]:
        """Why it is so, in every integration of the tenant or in one."""
        now = self._rows("now")[0][0]
        person = self._person(subject)
        found = self._rows("integrations_seen", tenant=subject.tenant, integration=integration)
        return [self._explained(subject, person, row[0], IntegrationFacts(*row[1:]), now) for row in found]

    def timeline(self, subject: Subject, most: int) -> list[TimelineLine]:
        """The newest so many lines, the newest last; all of a person's, or those of one enrolment."""
        values = {
            "tenant": subject.tenant,
            "employee_key": subject.employee_key,
            "subjects": self._subjects(subject),
            "most": most,
        }
        with self._db.cursor(row_factory=class_row(TimelineLine)) as cursor:
            lines = cursor.execute(SQL["timeline"], values).fetchall()
        if subject.enrolment_key is None:
            return lines
        return [line for line in lines if line.enrolment_key in (None, subject.enrolment_key)]

    def available(self, subject: Subject, integration: str | None) -> list[Available]:
        """The courses that a person may take, in every integration that works for their company or in one (R6)."""
        person = self._person(subject)
        words = payroll_words(self._db, subject.tenant)
        offering = self._rows("offering", tenant=subject.tenant, integration=integration)
        found = []
        for integration_id, name, settings in offering:
            because = no_courses_because(
                status=None if person.erased else person.status,
                payroll=person.payroll,
                settings=IntegrationSettings.model_validate(settings),
                enabled_payrolls=words,
            )
            found.append(Available(name, because, [] if because else self._courses(subject, integration_id, name)))
        return found

    def _courses(self, subject: Subject, integration_id: int, name: str) -> list[AvailableCourse]:
        rows = self._rows(
            "available_courses",
            integration_id=integration_id,
            integration=name,
            tenant=subject.tenant,
            employee_key=subject.employee_key,
        )
        return [AvailableCourse(*row) for row in rows]

    def _subjects(self, subject: Subject) -> list[str]:
        rows = self._rows("enrolments_of_person", tenant=subject.tenant, employee_key=subject.employee_key)
        return [subject.employee_key, *(key for (key,) in rows)]

    def _person(self, subject: Subject) -> PersonFactsSeen:
        subjects = [key for key in (subject.employee_key, subject.enrolment_key) if key]
        bad = tuple(Trouble(*row) for row in self._rows("bad_events", tenant=subject.tenant, subjects=subjects))
        rows = self._rows("person", tenant=subject.tenant, employee_key=subject.employee_key)
        status, erased, payroll = rows[0] if rows else (None, False, None)
        return PersonFactsSeen(status, erased, payroll, bad)

    def _explained(
        self,
        subject: Subject,
        person: PersonFactsSeen,
        integration_id: int,
        integration: IntegrationFacts,
        now: datetime,
    ) -> Explanation:
        rows = self._rows("account_seen", integration_id=integration_id, employee_key=subject.employee_key)
        account = AccountFacts(*_with_trouble(rows[0])) if rows else None
        if subject.enrolment_key is None:
            return explain_account(person, integration, account, now)
        rows = self._rows("placement_seen", integration_id=integration_id, enrolment_key=subject.enrolment_key)
        placement = PlacementFacts(*_with_trouble(rows[0])) if rows else None
        if placement is not None:
            findings = self._findings(subject, integration_id, placement.provisioned_at is not None, now)
            placement = replace(placement, findings=findings)
        return explain_placement(person, integration, account, placement, now)

    def _findings(self, subject: Subject, integration_id: int, provisioned: bool, now: datetime) -> Sequence[Finding]:
        """Every condition of the enrolment as it is now."""
        facts = FactStore(self._db, subject.tenant)
        found = [one.settings for one in facts.integrations() if one.integration_id == integration_id]
        if not found:  # it was removed
            return ()
        [person] = facts.people([subject.employee_key])
        states = placement_states(
            person, found[0], facts.courses([person]), now, [subject.enrolment_key or ""] if provisioned else ()
        )
        return next((s.conditions for s in states if s.enrolment_key == subject.enrolment_key), ())


def _with_trouble(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The row with its last four columns, an open failure or nothing, as one value."""
    failure = row[-4:]
    return (*row[:-4], None if failure[0] is None else Trouble(*failure))
