"""
Invented people, courses, integrations, and the events HR sends about them. All of them values; nothing is stored here.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.integration import IntegrationSettings
from domain.lms import LmsCourse

TENANT = "acme"
MOODLE = "Acme Moodle"
PICK_LIST = ({"code": "C", "label": "Competent"}, {"code": "NYC", "label": "Not yet competent"})
COURSES = (
    {"id": 2, "shortname": "FIRE", "fullname": "Fire safety", "idnumber": "C-FIRE", "completion": "activities"},
    {"id": 3, "shortname": "LAW", "fullname": "Labour law", "idnumber": "C-LAW", "completion": "activities"},
    {"id": 4, "shortname": "TALK", "fullname": "Free talk", "idnumber": "C-TALK", "completion": "none"},
)

BY_CODE = {
    "conditions": ["booking_confirmed", "enrolment_active", "enrolment_exported", "export_due", "not_provisioned"]
}
"""For a portal whose courses are found by their code, where HR says nothing of their numbers."""

Event = dict[str, Any]


def moment(at: int) -> datetime:
    """
    An instant in the order of events: so many minutes after some morning.
    """
    return datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(minutes=at)


def event(event_type: str, subject: str, data: dict[str, Any], at: int = 0, **attributes: Any) -> Event:
    """
    A CloudEvent whose id follows from what it says, so that the same event twice is the same one.
    """
    return {
        "specversion": "1.0",
        "id": f"{event_type} {subject} {at}",
        "source": "/hr/acme",
        "type": event_type,
        "subject": subject,
        "time": moment(at).isoformat(),
        "tenant": TENANT,
        "data": data,
    } | attributes


def as_bytes(said: Event) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode()


def person(key: str = "E-1", **said: Any) -> dict[str, Any]:
    """
    HR's snapshot of an invented employee; number and address follow from the key.
    """
    number = key.rpartition("-")[2]
    return {
        "employee_key": key,
        "employee_number": number,
        "id_number": f"800101{number:0>7}",
        "first_name": "Noor",
        "initials": "N.J.",
        "last_name": f"Meer{number}",
        "emails": [f"noor{number}@example.org"],
        "payroll": "NL-02",
        "status": "active",
    } | said


def hired(key: str = "E-1", at: int = 0, **said: Any) -> Event:
    return event("hr.employee.created.v1", key, person(key, **said), at)


def updated(key: str = "E-1", at: int = 1, **said: Any) -> Event:
    return event("hr.employee.updated.v1", key, person(key, **said), at)


def terminated(key: str = "E-1", at: int = 2, **said: Any) -> Event:
    return event("hr.employee.terminated.v1", key, person(key, **said), at)


def erased(key: str = "E-1", at: int = 3) -> Event:
    return event("hr.employee.erased.v1", key, {"employee_key": key}, at)


def enrolment(key: str = "EN-1", employee: str = "E-1", course: str = "C-FIRE", **said: Any) -> dict[str, Any]:
    """
    HR's snapshot of an enrolment that is open now.
    """
    return {
        "enrolment_key": key,
        "employee_key": employee,
        "course_code": course,
        "starts_on": "2020-01-01",
        "ends_on": "2150-12-31",
    } | said


def enrolled(key: str = "EN-1", employee: str = "E-1", course: str = "C-FIRE", at: int = 0, **said: Any) -> Event:
    return event("hr.course_enrolment.confirmed.v1", key, enrolment(key, employee, course, **said), at)


def changed(key: str = "EN-1", employee: str = "E-1", course: str = "C-FIRE", at: int = 1, **said: Any) -> Event:
    return event("hr.course_enrolment.changed.v1", key, enrolment(key, employee, course, **said), at)


def withdrawn(key: str = "EN-1", employee: str = "E-1", course: str = "C-FIRE", at: int = 2, **said: Any) -> Event:
    return event("hr.course_enrolment.withdrawn.v1", key, enrolment(key, employee, course, **said), at)


def payroll(payroll: str = "NL-02", *, enabled: bool = True, at: int = 0, integration: str | None = MOODLE) -> Event:
    what = "enabled" if enabled else "disabled"
    return event(f"hr.payroll.{what}.v1", payroll, {"payroll": payroll, "integration": integration}, at)


def course(code: str = "C-FIRE", at: int = 0, **said: Any) -> Event:
    return event("hr.course.changed.v1", code, {"course_code": code} | said, at)


def sync_requested(integration: str = MOODLE, at: int = 0, **said: Any) -> Event:
    return event("hr.sync.requested.v1", integration, {"integration": integration} | said, at)


def hires(count: int, course: str = "C-FIRE") -> list[Event]:
    """
    So many people, each with one enrolment.
    """
    people = [hired(f"E-{n}") for n in range(1, count + 1)]
    return people + [enrolled(f"EN-{n}", f"E-{n}", course) for n in range(1, count + 1)]


def results(**chosen: Any) -> dict[str, Any]:
    return {"outcomes": PICK_LIST, "pass_outcome": "C", "fail_outcome": "NYC"} | chosen


def settings(**chosen: Any) -> IntegrationSettings:
    """
    An integration that takes everybody, with what is chosen differently.
    """
    needed = {"name": MOODLE, "url": "https://academy.example.org", "payrolls": "all", "results": results()}
    return IntegrationSettings.model_validate(needed | chosen)


def lms_courses() -> list[LmsCourse]:
    """
    The courses above, as the port tells them.
    """
    return [
        LmsCourse(
            str(c["id"]), str(c["idnumber"]), str(c["shortname"]), str(c["fullname"]), True, c["completion"] != "none"
        )
        for c in COURSES
    ]
