"""
How a completion becomes a result and an event, once (R24, R25, R27, R60, R61, R150, R151).

One decision serves every LMS: what it calls completed, what HR says of the enrolment and the client's rules go in; a
result to record or to correct, a reason to hold it back, or nothing comes out.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Literal

from domain.integration import AttemptPolicy, IntegrationSettings, Results
from domain.lms import Completion

_NAMES = uuid.UUID("6f0d3c0e-9f0a-5a52-8f6e-2b3f8f5a7c11")

Reason = Literal["unmatched", "earlier_attempt", "hand_set"]
"""Why a completion is no result (yet): HR's course has no such unit, it is older than the enrolment, or HR set another
outcome by hand."""


@dataclass(frozen=True, slots=True)
class Found:
    """
    Something that the LMS calls completed.

    Attributes:
        unit: The unit's code, in HR's spelling where HR's course has such a unit; empty for a whole course.
        known: Whether HR's course has such a unit.
        enrolled_at: When the enrolment began in the LMS, where it tells.
    """

    completion: Completion
    unit: str = ""
    known: bool = True
    enrolled_at: datetime | None = None

    @property
    def key(self) -> str:
        """Codes are the same without regard to case (R148)."""
        return self.unit.casefold()


@dataclass(frozen=True, slots=True)
class Current:
    """
    The result that HR has from us already.

    `overwrote` is HR's own statement that it was written over, so that one statement is answered once.
    """

    outcome: str
    passed: bool
    grade: Decimal | None
    completed_at: datetime | None
    event_id: str
    unit: str = ""
    overwrote: str | None = None


@dataclass(frozen=True, slots=True)
class HandSet:
    """An outcome that HR says was set by hand."""

    outcome: str
    set_at: datetime | None = None

    @property
    def statement(self) -> str:
        return f"{self.outcome} {self.set_at.astimezone(UTC).isoformat()}" if self.set_at else self.outcome


@dataclass(frozen=True, slots=True)
class Terms:
    """
    One enrolment as HR sees it. Mappings are by unit code, case folded, the empty one for the whole course.

    `codes` are those of the course's units and modules (R149).
    """

    enrolment_key: str
    starts_on: date | None = None
    codes: tuple[str, ...] = ()
    hand_set: Mapping[str, HandSet] = field(default_factory=dict)
    current: Mapping[str, Current] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """One integration's rules at one moment; each decision keeps the version it was made by."""

    integration_id: int
    settings: IntegrationSettings
    settings_version: int
    now: datetime

    @property
    def results(self) -> Results:
        return self.settings.results

    @property
    def today(self) -> date:
        """The day of the sync in the integration's time zone."""
        return self.now.astimezone(self.settings.zone()).date()


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Not a result for now; it is kept with this reason and decided anew when what stands against it changes."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Result:
    """
    The result of one enrolment or one unit of it, as HR receives it. The ids follow from the content, so a second write
    is impossible.

    Attributes:
        label: The outcome in words (R152).
        corrects: The event that told the result as it was before.
        stamp: Says in words where it comes from (R153).
    """

    result_id: str
    event_id: str
    completion_key: str
    kind: Literal["recorded", "corrected"]
    unit_code: str
    outcome: str
    label: str
    passed: bool
    grade: Decimal | None
    completed_at: datetime | None
    attempted_on: date
    corrects: str | None
    stamp: str
    evidence: dict[str, Any]


def decide_result(found: Found, terms: Terms, rules: Rules) -> Result | HeldBack | None:
    """
    The result to record or to correct, why it is held back, or None when HR holds it already.

    A completion is a pass unless a stated basis, the grade, says fail; what is not complete never comes here (R61,
    R151).
    """
    if not found.known:
        return HeldBack("unmatched")
    chosen = rules.results
    current, by_hand = terms.current.get(found.key), terms.hand_set.get(found.key)
    passed, outcome = judged(found.completion, chosen)
    overwrites = by_hand is not None and _overwrites(by_hand, outcome, current, chosen)
    if current and not overwrites and not _replaces(found.completion, passed, outcome, current, chosen.attempts):
        return None
    if chosen.earlier_attempt == "hold" and _is_earlier(found, terms, rules):
        return HeldBack("earlier_attempt")
    if by_hand and chosen.hand_set == "protect":
        return HeldBack("hand_set")
    return _result(found, terms, rules, passed=passed, outcome=outcome)


def judged(completion: Completion, chosen: Results) -> tuple[bool, str]:
    """Whether a completion is a pass, and HR's item for it."""
    passed = chosen.pass_grade is None or completion.grade is None or completion.grade >= chosen.pass_grade
    return passed, chosen.pass_outcome if passed else chosen.fail_outcome


def is_same(completion: Completion, current: Current) -> bool:
    """Whether this is the completion that HR has; if its outcome is another one, then only by another rule (G7)."""
    return _same_date(completion, current) and completion.grade == current.grade


def _same_date(completion: Completion, current: Current) -> bool:
    return _minute(completion.completed_at) == _minute(current.completed_at)


def _overwrites(by_hand: HandSet, outcome: str, current: Current | None, chosen: Results) -> bool:
    """Another outcome in HR is written over where the client wants it, once for each time HR says so (R150)."""
    answered = current is not None and current.overwrote == by_hand.statement
    return chosen.hand_set == "overwrite" and by_hand.outcome != outcome and not answered


def _replaces(completion: Completion, passed: bool, outcome: str, current: Current, attempts: AttemptPolicy) -> bool:
    """Whether this completion takes the place of the one that HR has. A new rule does not rewrite the past (G7)."""
    if is_same(completion, current):
        return False
    match attempts:
        case "first":
            return False
        case "best":
            return _rank(passed, completion.grade) > _rank(current.passed, current.grade)
        case "latest":
            return not _same_date(completion, current) or outcome != current.outcome


def _rank(passed: bool, grade: Decimal | None) -> tuple[bool, Decimal]:
    return passed, Decimal("-Infinity") if grade is None else grade


def _is_earlier(found: Found, terms: Terms, rules: Rules) -> bool:
    """Completed before HR's first day of the enrolment, or else before it began in the LMS; the unknown never is."""
    began = found.enrolled_at
    if terms.starts_on is not None:
        began = datetime.combine(terms.starts_on, time(), rules.settings.zone())
    completed = found.completion.completed_at
    return began is not None and completed is not None and completed < began


def _result(found: Found, terms: Terms, rules: Rules, *, passed: bool, outcome: str) -> Result:
    chosen, completion, current = rules.results, found.completion, terms.current.get(found.key)
    result_id = result_id_of(rules.integration_id, terms.enrolment_key, found.key)
    completion_key = _completion_key(completion, outcome, current.event_id if current else "")
    on_completion = completion.completed_at if chosen.attempted_on == "completion" else None
    stamp = f"fetched by Matricula from {rules.settings.name} on {rules.today.isoformat()}"
    return Result(
        result_id=result_id,
        event_id=stable_id("result-event", result_id, completion_key),
        completion_key=completion_key,
        kind="corrected" if current else "recorded",
        unit_code=found.unit,
        outcome=outcome,
        label=chosen.label_of(outcome),
        passed=passed,
        grade=completion.grade,
        completed_at=completion.completed_at,
        attempted_on=on_completion.astimezone(rules.settings.zone()).date() if on_completion else rules.today,
        corrects=current.event_id if current else None,
        stamp=stamp,
        evidence=evidence_of(found, rules) | _overwritten(terms.hand_set.get(found.key)) | {"stamp": stamp},
    )


def evidence_of(found: Found, rules: Rules) -> dict[str, Any]:
    """What was read and by which rules it is judged; no personal data."""
    chosen, completion = rules.results, found.completion
    return completion.evidence | {
        "unit": found.unit or None,
        "grade": None if completion.grade is None else str(completion.grade),
        "completed_at": _written(completion.completed_at),
        "enrolled_at": _written(found.enrolled_at),
        "read_at": _written(rules.now),
        "rule": "completion" if chosen.pass_grade is None else "completion and grade",
        "policy": {
            "attempts": chosen.attempts,
            "hand_set": chosen.hand_set,
            "earlier_attempt": chosen.earlier_attempt,
            "pass_grade": None if chosen.pass_grade is None else str(chosen.pass_grade),
        },
        "settings_version": rules.settings_version,
    }


def _overwritten(by_hand: HandSet | None) -> dict[str, Any]:
    return {"overwrote": by_hand.statement} if by_hand else {}


def _written(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat()


def _minute(instant: datetime | None) -> datetime | None:
    """A report shows minutes, a question about one person seconds; both speak of the same completion."""
    return instant and instant.astimezone(UTC).replace(second=0, microsecond=0)


def _completion_key(completion: Completion, outcome: str, previous_event: str) -> str:
    """Names what came before, so that a correction back to an earlier outcome is told too."""
    minute = _minute(completion.completed_at)
    when = minute.isoformat() if minute else "undated"
    return hashlib.sha256(f"{when}\0{outcome}\0{previous_event}".encode()).hexdigest()[:32]


def result_id_of(integration_id: int, enrolment_key: str, unit_key: str) -> str:
    """One id for one enrolment and one unit of it, however the code is written."""
    return stable_id("result", str(integration_id), enrolment_key, *([unit_key] if unit_key else []))


def stable_id(*parts: str) -> str:
    """The same id for the same parts, always."""
    return str(uuid.uuid5(_NAMES, "\0".join(parts)))
