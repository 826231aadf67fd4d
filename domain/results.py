"""How a completion becomes a result and an event, once (R24, R25, R27, R60, R61)."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Literal

from domain.integration import Results
from domain.lms import Completion

_NAMES = uuid.UUID("6f0d3c0e-9f0a-5a52-8f6e-2b3f8f5a7c11")


@dataclass(frozen=True, slots=True)
class Result:
    """One enrolment's result, as HR receives it. The ids follow from the content, so a second write is impossible."""

    result_id: str
    event_id: str
    completion_key: str
    kind: Literal["recorded", "corrected"]
    outcome: str
    passed: bool
    grade: Decimal | None
    completed_at: datetime | None
    attempted_on: date
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """The result that HR has for this enrolment already."""

    outcome: str
    completed_at: datetime | None
    event_id: str


def decide_result(
    *,
    integration_id: int,
    enrolment_key: str,
    completion: Completion,
    settings: Results,
    today: date,
    held: Held | None,
    zone: tzinfo = UTC,
) -> Result | None:
    """
    The result to record, or None when HR holds it already.

    A completion is a pass unless a stated basis, the grade, says fail; what is not complete never comes here (R61).

    Args:
        today: The day of the sync in the integration's time zone.
        zone: The integration's time zone, which decides the day of a completion (R59).
    """
    passed = settings.pass_grade is None or completion.grade is None or completion.grade >= settings.pass_grade
    outcome = settings.pass_outcome if passed else settings.fail_outcome
    if held and (held.outcome, _minute(held.completed_at)) == (outcome, _minute(completion.completed_at)):
        return None
    result_id = stable_id("result", str(integration_id), enrolment_key)
    completion_key = _completion_key(completion, outcome, held.event_id if held else "")
    on_completion = completion.completed_at if settings.attempted_on == "completion" else None
    return Result(
        result_id=result_id,
        event_id=stable_id("result-event", result_id, completion_key),
        completion_key=completion_key,
        kind="corrected" if held else "recorded",
        outcome=outcome,
        passed=passed,
        grade=completion.grade,
        completed_at=completion.completed_at,
        attempted_on=on_completion.astimezone(zone).date() if on_completion else today,
        evidence=completion.evidence
        | {"rule": "completion" if settings.pass_grade is None else "completion and grade"},
    )


def _minute(instant: datetime | None) -> datetime | None:
    """A report shows minutes, a question about one person seconds; both speak of the same completion."""
    return instant and instant.astimezone(UTC).replace(second=0, microsecond=0)


def _completion_key(completion: Completion, outcome: str, previous_event: str) -> str:
    """Names what came before, so that a correction back to an earlier outcome is told too."""
    minute = _minute(completion.completed_at)
    when = minute.isoformat() if minute else "undated"
    return hashlib.sha256(f"{when}\0{outcome}\0{previous_event}".encode()).hexdigest()[:32]


def stable_id(*parts: str) -> str:
    """The same id for the same parts, always."""
    return str(uuid.uuid5(_NAMES, "\0".join(parts)))
