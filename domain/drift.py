"""
What an LMS holds beside what was last written there, and what follows from it (D22, D26, S15).

Drift is what somebody did at the LMS. News of HR's that nobody has written yet are none, so a field counts only while
what is wanted is also what was last written; whatever else differs is provisioning's business.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from domain.accounts import observed
from domain.fields import FieldMap
from domain.integration import Drift, Policy
from domain.lms import LmsEnrolment, LmsUser, UserFields

Kind = Literal["changed_by_hand", "missing", "unknown", "claimed_twice"]
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["open", "accepted", "put_back"]

WHOLE = ""
"""The field of a finding that concerns a user or an enrolment as a whole."""
EXTERNAL_KEY = "external_key"
ROLE, SUSPENDED, DATES = "enrolment.role", "enrolment.suspended", "enrolment.dates"

ACTIVE, NOT_ACTIVE = "active", "not active"
NEAR = timedelta(minutes=15)
"""So close to its beginning or end nobody can say whether an LMS with its own clock calls an enrolment active."""
DOUBTFUL = 10
"""Of so many at once not all are deleted by hand; an account that may not see them looks the same (section 1.3)."""
HOUR = timedelta(hours=1)

ADVICE: Mapping[Kind, str] = {
    "changed_by_hand": "Put it back, or accept it; HR's next word about the field counts again in any case.",
    "missing": "It is not made again by itself. Put it back to have it made, or accept that it is gone.",
    "unknown": "It is never touched. Let HR enrol the person, have it removed at the LMS, or accept it.",
    "claimed_twice": "Leave the person's key to one user at the LMS; `matricula link` says whose account is whose.",
}


@dataclass(frozen=True, slots=True)
class Found:
    """
    One thing at the LMS that is not as it was left.

    Attributes:
        field: Which field of the user or enrolment, or WHOLE.
        ours: What was last written; JSON.
        held: What the LMS holds, or who claims the person's key; JSON.
    """

    kind: Kind
    field: str = WHOLE
    ours: Any = None
    held: Any = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one field from before."""

    finding_id: int
    state: State
    ours: Any
    held: Any

    def tells(self, found: Found) -> bool:
        return (self.ours, self.held) == (found.ours, found.held)


@dataclass(frozen=True, slots=True)
class Decided:
    """A finding and what follows from it."""

    found: Found
    state: State


# People


def compare_person(
    wanted: UserFields,
    applied: UserFields,
    user: LmsUser | None,
    *,
    claimants: Sequence[str] = (),
    keys_of_others: Collection[str] = (),
    maps: Sequence[FieldMap] = (),
) -> list[Found]:
    """
    What is not as it was left about one linked person; nothing when all is the same.

    Args:
        user: The linked user; None when the LMS does not have it any more.
        claimants: Other users that carry this person's key.
        keys_of_others: Keys that belong to other people.
    """
    if user is None:
        return [Found("missing", held=list(claimants) or None)]
    held = observed(user, maps)
    found = [
        Found(_kind(name, held[name], keys_of_others), name, ours, held[name])
        for name, ours in wanted.items()
        if name in held and applied.get(name) == ours != held[name]
    ]
    return [*found, Found("claimed_twice", held=list(claimants))] if claimants else found


def _kind(name: str, held: str | bool, keys_of_others: Collection[str]) -> Kind:
    return "claimed_twice" if name == EXTERNAL_KEY and held in keys_of_others else "changed_by_hand"


def decide_person(
    found: Iterable[Found], settings: Drift, before: Mapping[str, Standing], *, untouchable: bool = False
) -> list[Decided]:
    """
    What follows for each finding about one person.

    Args:
        before: What was known, by field.
        untouchable: The user is listed as protected: whatever is found is only told.
    """
    return [
        Decided(one, _follow(one, "tell" if untouchable else settings.policy(one.field), before.get(one.field)))
        for one in found
    ]


def _follow(found: Found, policy: Policy, before: Standing | None) -> State:
    """What was accepted stays accepted until HR or the LMS says something else; whatever is no field is only told."""
    if before and before.state == "accepted" and before.tells(found):
        return "accepted"
    if found.kind != "changed_by_hand" or policy == "tell":
        return "open"
    return "put_back" if policy == "put_back" else "accepted"


# Enrolments


def compare_enrolment(
    ours: Sequence[LmsEnrolment], roles: Collection[str] | None, *, active: bool, now: datetime
) -> list[Found]:
    """
    What is not as it was left about one person's enrolment in one course, as far as a list of participants tells.

    Args:
        ours: The enrolment as it was last written, one element for each role.
        roles: Those held in the course; None when the person is not enrolled. More roles than ours are no drift,
            because we never take one away.
        active: Whether the LMS calls the enrolment active.
    """
    if roles is None:
        return [Found("missing", ours=sorted(one.role for one in ours))]
    found = []
    wanted = {one.role for one in ours}
    if not wanted <= set(roles):
        found.append(Found("changed_by_hand", ROLE, sorted(wanted), sorted(roles)))
    expected = active_at(ours[0], now)
    if expected is not None and expected != active:
        found.append(Found("changed_by_hand", SUSPENDED, _activity(expected), _activity(active)))
    return found


def active_at(enrolment: LmsEnrolment, now: datetime) -> bool | None:
    """Whether the LMS should call the enrolment active; None when that changes about now."""
    if enrolment.suspended:
        return False
    if any(edge is not None and abs(edge - now) < NEAR for edge in (enrolment.starts_at, enrolment.ends_at)):
        return None
    begun = enrolment.starts_at is None or enrolment.starts_at <= now
    return begun and (enrolment.ends_at is None or enrolment.ends_at > now)


def _activity(active: bool) -> str:
    return ACTIVE if active else NOT_ACTIVE


Span = tuple[datetime | None, datetime | None]


def compare_dates(ours: LmsEnrolment, spans: Collection[Span]) -> list[Found]:
    """
    Whether the dates of an enrolment are those last written, to the minute.

    Args:
        spans: What the LMS holds; several when the person is enrolled in several ways.
    """
    wanted = (_minute(ours.starts_at), _minute(ours.ends_at))
    if wanted in spans:
        return []
    return [Found("changed_by_hand", DATES, _shown(wanted), _shown(min(spans, key=str)))]


def _minute(instant: datetime | None) -> datetime | None:
    return instant and instant.replace(second=0, microsecond=0)


def _shown(span: Span) -> str:
    return " to ".join(f"{edge:%Y-%m-%d %H:%M}" if edge else "no limit" for edge in span)


def ghost(external_key: str, roles: Collection[str], ours: Collection[str]) -> Found | None:
    """An enrolment that nobody of ours asked for; None without a role that we give, as for the course's makers."""
    shared = sorted(set(roles) & set(ours))
    return Found("unknown", held={"external_key": external_key, "roles": shared}) if shared else None


def decide_enrolment(
    found: Sequence[Found], settings: Drift, before: Mapping[str, Standing], *, told: Collection[str]
) -> list[Decided]:
    """
    What follows for each finding about one enrolment.

    The LMS takes an enrolment as a whole, and writing one field would write those that were accepted or only told.

    Args:
        before: What was known, by field.
        told: The fields that this reading tells; what is known of others still stands.
    """
    decided = [Decided(one, _follow_enrolment(one, settings, before.get(one.field))) for one in found]
    others = [standing.state for field, standing in before.items() if field not in told]
    if {*(one.state for one in decided), *others} <= {"put_back"}:
        return decided
    return [Decided(one.found, "open") if one.state == "put_back" else one for one in decided]


def _follow_enrolment(found: Found, settings: Drift, before: Standing | None) -> State:
    state = _follow(found, settings.policy(found.field), before)
    asked = found.kind == "missing" and state == "open" and settings.missing_enrolment == "put_back"
    return "put_back" if asked else state


# How a scan goes on


def credible(asked: int, found: int) -> bool:
    """Whether an answer without anybody may be believed."""
    return found > 0 or asked < DOUBTFUL


def affordable(spent: int, cost: int, limit: int) -> bool:
    """Whether a step fits into what is left of the hour."""
    return spent + cost <= limit
