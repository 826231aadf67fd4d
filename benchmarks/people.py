"""
Invented people who are hired, one course each, as HR events.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from producers.publisher import OutgoingEvent
from runtime.topology import EVENTS

TENANT = "harbour"
SOURCE = "/hr/harbour"
COURSES = 20


@dataclass(frozen=True, slots=True)
class Hire:
    """Person and enrolment number `number`; numbers with another `crowd` are other people."""

    number: int
    crowd: str = "H"
    payroll: str = "NL-02"

    @property
    def key(self) -> str:
        return f"{self.crowd}-{self.number:06d}"

    @property
    def course(self) -> int:
        """From 0 to COURSES - 1."""
        return self.number % COURSES

    def person(self, **changed: Any) -> dict[str, Any]:
        """The data of the person's events."""
        return {
            "employee_key": self.key,
            "employee_number": str(100_000 + self.number),
            "first_name": "Noor",
            "infix": "van der",
            "last_name": f"Meer{self.number}",
            "emails": [f"noor.{self.key.lower()}@harbour.example"],
            "mobile": "+31 6 0000 0000",
            "payroll": self.payroll,
            "status": "active",
            "starts_on": "2026-03-01",
            **changed,
        }

    def enrolment(self) -> dict[str, Any]:
        """The data of the enrolment's events."""
        return {
            "enrolment_key": f"N-{self.key}",
            "employee_key": self.key,
            "course_code": course_code(self.course),
            "role": "learner",
            "starts_on": "2026-03-01",
            "ends_on": "2036-03-01",
        }

    def events(self) -> list[OutgoingEvent]:
        """The person, then the enrolment."""
        return [
            event(f"e-{self.key}", "hr.employee.created.v1", self.key, self.person()),
            event(f"n-{self.key}", "hr.course_enrolment.confirmed.v1", f"N-{self.key}", self.enrolment()),
        ]


def course_code(course: int) -> str:
    """HR's code of a course, which is the simulated Moodle's idnumber."""
    return f"C{course + 1:03d}"


def hires(count: int, *, crowd: str = "H", payroll: str = "NL-02") -> list[Hire]:
    """So many people who are all different."""
    return [Hire(number, crowd, payroll) for number in range(count)]


def payroll_enabled(payroll: str) -> OutgoingEvent:
    """HR's word that a payroll is in scope from now on."""
    return event(f"p-{payroll}", "hr.payroll.enabled.v1", payroll, {"payroll": payroll})


def all_events(people: list[Hire]) -> Iterator[OutgoingEvent]:
    """The events of everybody, person by person."""
    for hire in people:
        yield from hire.events()


def event(
    event_id: str, kind: str, subject: str, data: dict[str, Any], *, at: str = "2026-02-01T09:00:00Z"
) -> OutgoingEvent:
    """A structured CloudEvent for the exchange of events."""
    content = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        "subject": subject,
        "time": at,
        "tenant": TENANT,
        "datacontenttype": "application/json",
        "data": data,
    }
    return OutgoingEvent(EVENTS, kind, event_id, json.dumps(content).encode())
