"""What we tell upstream: outbound events with ids that follow from their content, so that a second one is the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.conditions import first_to_fix
from domain.results import Result, stable_id
from domain.traces import traceparent
from domain.wanted import PlacementState

NOTICE = "lms.notice.issued.v1"


@dataclass(frozen=True, slots=True)
class Announcement:
    """One outbound CloudEvent. `body` is its exact bytes."""

    event_id: str
    type: str
    body: bytes


def _announcement(
    event_id: str,
    event_type: str,
    tenant: str,
    subject: str,
    at: datetime,
    data: dict[str, Any],
    trace_id: str | None = None,
) -> Announcement:
    traced = {"traceparent": traceparent(trace_id, event_id)} if trace_id else {}
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/matricula/{tenant}",
        "type": event_type,
        "subject": subject,
        "time": at.isoformat(),
        "tenant": tenant,
        **traced,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Announcement(event_id, event_type, json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())


def account_linked(
    *,
    tenant: str,
    integration: str,
    employee_key: str,
    lms_user_id: str,
    how: str,
    previous_id: str | None,
    at: datetime,
    trace_id: str | None = None,
) -> Announcement:
    """An LMS user was made or found for a person; `previous_id` is what HR had in its place (R138, R139)."""
    data: dict[str, Any] = {
        "employee_key": employee_key,
        "integration": integration,
        "lms_user_id": lms_user_id,
        "how": how,
        "previous_id": previous_id,
    }
    event_id = stable_id("linked", tenant, integration, employee_key, lms_user_id)
    return _announcement(event_id, "lms.account.linked.v1", tenant, employee_key, at, data, trace_id)


def enrolment_provisioned(
    contact_id: int,
    *,
    tenant: str,
    integration: str,
    employee_key: str,
    enrolment_key: str,
    lms_course_id: str,
    group_key: str,
    at: datetime,
    trace_id: str | None = None,
) -> Announcement:
    """The LMS holds the enrolment for the first time, or since its contact log was deleted (R136)."""
    data = {
        "enrolment_key": enrolment_key,
        "employee_key": employee_key,
        "integration": integration,
        "lms_course_id": lms_course_id,
        "group_key": group_key or None,
        "provisioned_at": at.isoformat(),
        "text": contact_text(integration, lms_course_id, group_key),
    }
    event_id = stable_id("provisioned", tenant, integration, enrolment_key, str(contact_id))
    return _announcement(event_id, "lms.enrolment.provisioned.v1", tenant, enrolment_key, at, data, trace_id)


def contact_text(integration: str, lms_course_id: str, group_key: str) -> str:
    """What a contact log says: course and group (R136)."""
    group = f", group {group_key}" if group_key else ""
    return f"Enrolled in course {lms_course_id}{group} of {integration}"


def enrolment_refused(
    state: PlacementState, revision: int, *, tenant: str, integration: str, at: datetime
) -> Announcement:
    """An enrolment is not provisioned, with every condition that this integration asks for and its value."""
    first = first_to_fix(state.conditions)
    data = {
        "enrolment_key": state.enrolment_key,
        "integration": integration,
        "conditions": [
            {"condition": finding.condition, "holds": finding.holds, "value": finding.value}
            for finding in state.conditions
            if finding.required
        ],
        "first_to_fix": first.condition if first else None,
    }
    event_id = stable_id("refused", tenant, integration, state.enrolment_key, str(revision))
    return _announcement(event_id, "lms.enrolment.refused.v1", tenant, state.enrolment_key, at, data)


def course_observed(
    event_id: str, told: Mapping[str, Any], *, tenant: str, integration: str, at: datetime
) -> Announcement:
    """A course appeared in the LMS, or something that HR sees of it changed."""
    data = {"integration": integration, **told}
    return _announcement(event_id, "lms.course.observed.v1", tenant, str(told["lms_course_id"]), at, data)


def course_notice(told: Mapping[str, Any], *, tenant: str, integration: str, at: datetime) -> Announcement:
    """Employees in the integration's scope are to hear of a course, once whatever becomes of it (R7)."""
    event_id = stable_id("notice", "course", tenant, integration, str(told["lms_course_id"]))
    data = {"about": "course", "integration": integration, "employee_key": None}
    data |= {name: told[name] for name in ("code", "title", "category", "starts_on")}
    return _announcement(event_id, NOTICE, tenant, str(told["code"]), at, data)


def sync_finished(run_id: int, *, tenant: str, integration: str, at: datetime, **said: Any) -> Announcement:
    """A run over everything of one flow came to its end; `said` are flow, counts, calls and so on."""
    event_id = stable_id("sync", tenant, integration, str(run_id))
    data = {"integration": integration, "run_id": run_id, **said}
    return _announcement(event_id, "lms.sync.finished.v1", tenant, integration, at, data)


def assessment_notice(
    result: Result,
    *,
    tenant: str,
    integration: str,
    employee_key: str,
    enrolment_key: str,
    course_code: str,
    at: datetime,
    trace_id: str | None = None,
) -> Announcement:
    """An employee is to hear of a result or of its correction, once (R8)."""
    data = {
        "about": "assessment",
        "integration": integration,
        "employee_key": employee_key,
        "enrolment_key": enrolment_key,
        "code": course_code,
        "outcome": result.outcome,
        "passed": result.passed,
        "attempted_on": result.attempted_on.isoformat(),
    }
    event_id = stable_id("notice", "assessment", result.event_id)
    return _announcement(event_id, NOTICE, tenant, enrolment_key, at, data, trace_id)


def result_recorded(
    result: Result,
    *,
    tenant: str,
    integration: str,
    employee_key: str,
    enrolment_key: str,
    course_code: str,
    at: datetime,
    trace_id: str | None = None,
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
    return _announcement(result.event_id, f"lms.result.{result.kind}.v1", tenant, enrolment_key, at, data, trace_id)
