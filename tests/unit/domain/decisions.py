"""Completions, what HR has of them, and the decision about them, in short."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from domain.integration import Results
from domain.lms import Completion
from domain.results import Current, Found, HeldBack, Result, Rules, Terms, decide_result
from tests.unit.domain.values import NOON, integration, results

TODAY = date(2026, 6, 3)


def completion(at: datetime | None = NOON, grade: str | None = None) -> Completion:
    return Completion(at, None if grade is None else Decimal(grade), {"source": "report"})


def current(
    outcome: str = "C",
    completed_at: datetime | None = NOON,
    grade: str | None = None,
    passed: bool | None = None,
    overwrote: str | None = None,
) -> Current:
    """What HR has from us."""
    given_ = None if grade is None else Decimal(grade)
    return Current(
        outcome, outcome == "C" if passed is None else passed, given_, completed_at, "event-0", overwrote=overwrote
    )


def as_current(result: Result) -> Current:
    return Current(
        result.outcome,
        result.passed,
        result.grade,
        result.completed_at,
        result.event_id,
        overwrote=result.evidence.get("overwrote"),
    )


def decided(
    found: Completion | Found,
    settings: Results | None = None,
    held: Current | None = None,
    *,
    today: date = TODAY,
    integration_id: int = 1,
    zone: str = "UTC",
    **terms: Any,
) -> Result | HeldBack | None:
    found = found if isinstance(found, Found) else Found(found)
    said = {"enrolment_key": "EN-1", "current": {found.key: held} if held else {}} | terms
    now = datetime.combine(today, NOON.time(), UTC)
    chosen = integration(results=settings or results(), timezone=zone)
    return decide_result(found, Terms(**said), Rules(integration_id, chosen, 7, now))


def recorded(found: Completion | Found, *arguments: Any, **named: Any) -> Result:
    result = decided(found, *arguments, **named)
    assert isinstance(result, Result)
    return result
