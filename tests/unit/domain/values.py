"""Invented people, settings and events for the tests of the rules."""

from datetime import UTC, datetime
from typing import Any

from domain.accounts import WantedAccount
from domain.events import Employee
from domain.integration import IntegrationSettings, People, Results
from domain.lms import LmsUser

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def employee(**said: Any) -> Employee:
    """Noor, with what is said differently."""
    noor = {
        "employee_key": "E-1002",
        "employee_number": "1002",
        "id_number": "8001015009087",
        "first_name": "Noor",
        "initials": "N.J.",
        "infix": "van der",
        "last_name": "Meer",
        "emails": ["noor@example.org"],
        "payroll": "NL-02",
    }
    return Employee.model_validate(noor | said)


def people(**chosen: Any) -> People:
    return People.model_validate(chosen)


def results(**chosen: Any) -> Results:
    pick_list = [{"code": "C", "label": "Competent"}, {"code": "NYC", "label": "Not yet competent"}]
    return Results.model_validate({"outcomes": pick_list, "pass_outcome": "C", "fail_outcome": "NYC"} | chosen)


def integration(**chosen: Any) -> IntegrationSettings:
    needed = {"name": "Acme Moodle", "url": "https://academy.example.org", "results": results()}
    return IntegrationSettings.model_validate(needed | chosen)


def event(
    type_: str = "hr.employee.updated.v1", data: dict[str, Any] | None = None, **attributes: Any
) -> dict[str, Any]:
    """A valid CloudEvent as decoded JSON, with what is said differently."""
    data = {"employee_key": "E-1002"} if data is None else data
    envelope = {
        "specversion": "1.0",
        "id": "1",
        "source": "/hr/acme",
        "type": type_,
        "subject": "E-1002",
        "time": "2026-06-01T12:00:00+02:00",
        "tenant": "acme",
        "data": data,
    }
    return envelope | attributes


def wanted(**chosen: Any) -> WantedAccount:
    noor = {
        "external_key": "E-1002",
        "email": "noor@example.org",
        "first_name": "Noor",
        "last_name": "van der Meer",
        "username": "noor@example.org",
    }
    return WantedAccount.model_validate(noor | chosen)


def lms_user(user_id: str = "7", **held: Any) -> LmsUser:
    """A user of the LMS that nobody has linked: somebody made it by hand."""
    return LmsUser(**({"user_id": user_id, "username": f"user{user_id}", "email": "noor@example.org"} | held))
