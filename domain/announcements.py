"""What we tell upstream: outbound events with ids that follow from their content, so that a second one is the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.results import Result, stable_id


@dataclass(frozen=True, slots=True)
class Announcement:
    """One outbound CloudEvent. `body` is its exact bytes."""

    event_id: str
    type: str
    body: bytes


def _announcement(
    event_id: str, event_type: str, tenant: str, subject: str, at: datetime, data: dict[str, Any]
) -> Announcement:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/matricula/{tenant}",
        "type": event_type,
        "subject": subject,
        "time": at.isoformat(),
        "tenant": tenant,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Announcement(event_id, event_type, json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())


def account_linked(
    *, tenant: str, integration: str, employee_key: str, lms_user_id: str, how: str, at: datetime
) -> Announcement:
    """An LMS user was made or found for a person."""
    data = {"employee_key": employee_key, "integration": integration, "lms_user_id": lms_user_id, "how": how}
    event_id = stable_id("linked", tenant, integration, employee_key, lms_user_id)
    return _announcement(event_id, "lms.account.linked.v1", tenant, employee_key, at, data | {"previous_id": None})


def enrolment_provisioned(
    *, tenant: str, integration: str, employee_key: str, enrolment_key: str, lms_course_id: str, at: datetime
) -> Announcement:
    """The LMS holds the enrolment for the first time."""
    data = {
        "enrolment_key": enrolment_key,
        "employee_key": employee_key,
        "integration": integration,
        "lms_course_id": lms_course_id,
        "group_key": None,
        "provisioned_at": at.isoformat(),
        "text": f"Enrolled in course {lms_course_id} of {integration}",
    }
    event_id = stable_id("provisioned", tenant, integration, enrolment_key, lms_course_id)
    return _announcement(event_id, "lms.enrolment.provisioned.v1", tenant, enrolment_key, at, data)


def course_observed(
    event_id: str, told: Mapping[str, Any], *, tenant: str, integration: str, at: datetime
) -> Announcement:
    """A course appeared in the LMS, or something that HR sees of it changed."""
    data = {"integration": integration, **told}
    return _announcement(event_id, "lms.course.observed.v1", tenant, str(told["lms_course_id"]), at, data)


def sync_finished(run_id: int, *, tenant: str, integration: str, at: datetime, **said: Any) -> Announcement:
    """A run over everything of one flow came to its end; `said` are flow, counts, calls and so on."""
    event_id = stable_id("sync", tenant, integration, str(run_id))
    data = {"integration": integration, "run_id": run_id, **said}
    return _announcement(event_id, "lms.sync.finished.v1", tenant, integration, at, data)


def result_recorded(
    result: Result,
    *,
    tenant: str,
    integration: str,
    employee_key: str,
    enrolment_key: str,
    course_code: str,
    at: datetime,
) -> Announcement:
    """A completion, of a course or of one unit, became a result, or corrected one."""
    data = {
        "result_id": result.result_id,
        "integration": integration,
        "enrolment_key": enrolment_key,
        "employee_key": employee_key,
        "course_code": course_code,
        "unit_code": result.unit_code or None,
        "outcome": result.outcome,
        "outcome_label": result.label,
        "passed": result.passed,
        "grade": None if result.grade is None else str(result.grade),
        "completed_at": result.completed_at and result.completed_at.isoformat(),
        "attempted_on": result.attempted_on.isoformat(),
        "synced_at": at.isoformat(),
        "origin": "lms",
        "stamp": result.stamp,
        "corrects": result.corrects,
        "evidence": result.evidence,
    }
    return _announcement(result.event_id, f"lms.result.{result.kind}.v1", tenant, enrolment_key, at, data)
