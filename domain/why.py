"""
Why somebody is, or is not, as wanted in the LMS: each condition with its value, and the first thing to fix.

Pure: the record is read elsewhere. Every state has a sentence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.conditions import Finding
from domain.failure_catalogue import describe

Mood = Literal["ok", "waits", "stops", "info"]
"""ok: as it should be. waits: goes on by itself. stops: somebody must act. info: neither."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One line: what is asked, the value found, and what that means."""

    name: str
    value: str
    mood: Mood = "ok"


@dataclass(frozen=True, slots=True)
class Trouble:
    """An open failure."""

    code: str
    detail: str
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class IntegrationFacts:
    """
    How the integration stands.

    Attributes:
        calls_at: When there are calls again for people and enrolments, where the LMS counts them and they are used up.
    """

    name: str
    state: str
    hold_code: str | None
    resume_at: datetime | None
    calls_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PersonFactsSeen:
    """What HR has told of the person; None as status means that it has told nothing."""

    status: str | None
    erased: bool
    payroll: str | None
    bad_events: Sequence[Trouble] = ()


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """
    One person's account in one integration.

    Attributes:
        wants_suspended: None when nothing is wanted.
        held: Whether the LMS is known to hold the user suspended; None when it is not known.
        kept_active: A person decided against the suspension HR wants.
        changed: Fields that somebody changed in the LMS by hand, and nobody has decided about.
    """

    state: str
    code: str | None
    lms_user_id: str | None
    link: str | None
    linked_at: datetime | None
    due_at: datetime | None
    busy: bool
    attempts: int
    wants_suspended: bool | None
    held: bool | None
    guard_id: int | None
    kept_active: bool
    changed: Sequence[str]
    trouble: Trouble | None


@dataclass(frozen=True, slots=True)
class PlacementFacts:
    """
    One enrolment in one integration, beside what HR says of it.

    Attributes:
        changed: As of an account.
    """

    enrolment_key: str
    course_code: str
    lms_course_id: str | None
    state: str
    code: str | None
    booking: str
    status: str
    starts_on: str | None
    ends_on: str | None
    due_at: datetime | None
    provisioned_at: datetime | None
    completed: bool
    result: str | None
    changed: Sequence[str]
    trouble: Trouble | None
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict first, then what it rests on."""

    integration: str
    verdict: str
    conditions: Sequence[Condition]


HOW_LINKED = {
    "created": "made by us",
    "lms_id": "named by HR",
    "external_key": "found by id number",
    "email": "found by e-mail address",
    "username": "found by user name",
    "given": "linked by hand",
}


def explain_account(
    person: PersonFactsSeen, integration: IntegrationFacts, account: AccountFacts | None, now: datetime
) -> Explanation:
    """Why the person's account is as it is."""
    conditions = [*_of_person(person), *_of_integration(integration, now), *_of_account(account, integration, now)]
    done = "The account is as HR wants it." if account and account.lms_user_id else "Nothing is to be done."
    return Explanation(integration.name, _verdict(conditions, done), conditions)


def explain_placement(
    person: PersonFactsSeen,
    integration: IntegrationFacts,
    account: AccountFacts | None,
    placement: PlacementFacts | None,
    now: datetime,
) -> Explanation:
    """Why the enrolment is as it is: whatever keeps the account keeps the enrolment too."""
    conditions = [
        *_of_person(person),
        *_of_integration(integration, now),
        *_of_account(account, integration, now),
        *_of_placement(placement, integration, now),
    ]
    return Explanation(integration.name, _verdict(conditions, "The enrolment is as HR wants it."), conditions)


def _verdict(conditions: Iterable[Condition], done: str) -> str:
    """What stops comes before what waits; of each kind the first in the order of the way through the system."""
    every = list(conditions)
    for mood in ("stops", "waits"):
        for condition in every:
            if condition.mood == mood:
                return f"{condition.name}: {condition.value}"
    return done


def _of_person(person: PersonFactsSeen) -> list[Condition]:
    bad = [Condition("event refused", _told(trouble), "stops") for trouble in person.bad_events]
    if person.erased:
        return [*bad, Condition("known to HR", "erased; an account that is linked stays suspended", "info")]
    if person.status is None:
        return [*bad, Condition("known to HR", "no: HR has not told of this employee yet", "stops")]
    payroll = Condition("payroll", person.payroll or "none", "info")
    return [*bad, Condition("known to HR", f"yes, {person.status}"), payroll]


def _of_integration(integration: IntegrationFacts, now: datetime) -> list[Condition]:
    match integration.state:
        case "active" if integration.resume_at and integration.resume_at > now:
            return [Condition("integration", f"the LMS is left in peace until {_when(integration.resume_at)}", "waits")]
        case "active":
            return [Condition("integration", "active")]
        case "quarantined":
            return [Condition("integration", f"held. {_words(integration.hold_code or '')}", "stops")]
        case state:
            fix = f"`matricula integration enable '{integration.name}'` lets it work"
            return [Condition("integration", f"{state}: nothing is sent. {fix}", "stops")]


def _of_account(account: AccountFacts | None, integration: IntegrationFacts, now: datetime) -> list[Condition]:
    if account is None:
        return [Condition("account", "not worked out yet: no event of this person has been applied", "waits")]
    state = _state(account, integration, now)
    rest = [*_suspension(account), *_by_hand(account.changed), *_last_failure(account.trouble, account.code)]
    return [_link(account), state, *rest]


def _link(account: AccountFacts) -> Condition:
    if account.lms_user_id is None:
        return Condition("LMS user", "not linked", "info")
    how = HOW_LINKED.get(account.link or "", account.link or "")
    since = f" since {account.linked_at:%Y-%m-%d}" if account.linked_at else ""
    return Condition("LMS user", f"{account.lms_user_id}, {how}{since}")


def _state(account: AccountFacts, integration: IntegrationFacts, now: datetime) -> Condition:
    if account.busy:
        return Condition("account", "a worker is at it right now", "waits")
    match account.state:
        case "settled":
            return Condition("account", "settled")
        case "due":
            return Condition("account", _due(account.due_at, account.attempts, integration, now), "waits")
        case "staged":
            what = f"suspension staged by guard {account.guard_id}"
            return Condition("account", f"{what}; see `matricula guard show {account.guard_id}`", "stops")
        case "parked":
            return Condition("account", f"parked. {_words(account.code or '', account.trouble)}", "stops")
        case "waiting":
            return Condition("account", f"waiting. {_words(account.code or '')}", "waits")
        case "out_of_scope":
            return Condition("account", f"out of scope. {_words(account.code or '')}", "stops")
        case state:
            return Condition("account", f"in a state this release does not know: {state}", "stops")


def _suspension(account: AccountFacts) -> list[Condition]:
    if account.wants_suspended is None:
        return []
    wanted = "suspended" if account.wants_suspended else "active"
    held = {None: "not known", True: "suspended", False: "active"}[account.held]
    kept = "; kept active by a decision until HR says something new" if account.kept_active else ""
    return [Condition("suspension", f"HR wants {wanted}, the LMS holds {held}{kept}", "info")]


def _by_hand(changed: Sequence[str]) -> list[Condition]:
    if not changed:
        return []
    decide = "`matricula drift list` shows what it was, `drift accept` or `drift put-back` decides"
    return [Condition("changed in the LMS by hand", f"{', '.join(changed)}; {decide}", "stops")]


def _last_failure(trouble: Trouble | None, shown: str | None) -> list[Condition]:
    if trouble is None or trouble.code == shown:
        return []
    return [Condition("last failure", _told(trouble), "info")]


def _of_placement(placement: PlacementFacts | None, integration: IntegrationFacts, now: datetime) -> list[Condition]:
    if placement is None:
        return [Condition("enrolment", "not worked out yet: its event has not been applied", "waits")]
    found = placement.lms_course_id or ("not known yet" if placement.provisioned_at is None else "gone")
    dates = f"from {placement.starts_on or 'always'} to {placement.ends_on or 'always'}"
    conditions = [
        Condition("booking", f"{placement.booking}, {placement.status}", "info"),
        Condition("dates", dates, "info"),
        Condition("course", f"{placement.course_code}, LMS course {found}", "info"),
        *(_of_finding(finding, placement) for finding in placement.findings if finding.required),
        _placement_state(placement, integration, now),
        *_by_hand(placement.changed),
        *_last_failure(placement.trouble, placement.code),
    ]
    if placement.completed or placement.result:
        conditions.append(Condition("result", placement.result or "completed, without a result so far"))
    return conditions


def _of_finding(finding: Finding, placement: PlacementFacts) -> Condition:
    """One of the conditions of a first provision; once that has happened they stop nothing (R128, R146)."""
    name = finding.condition.replace("_", " ")
    if finding.holds or placement.provisioned_at is not None:
        return Condition(name, finding.value, "ok" if finding.holds else "info")
    if finding.code == "not_due_yet":
        return Condition(name, finding.value, "waits")
    return Condition(name, f"{finding.value}. {_words(finding.code)}", "stops")


def _placement_state(placement: PlacementFacts, integration: IntegrationFacts, now: datetime) -> Condition:
    match placement.state:
        case "settled":
            since = f" since {_when(placement.provisioned_at)}" if placement.provisioned_at else ""
            return Condition("enrolment", f"in the LMS{since}")
        case "due":
            return Condition("enrolment", _due(placement.due_at, 0, integration, now), "waits")
        case "parked":
            return Condition("enrolment", f"parked. {_words(placement.code or '', placement.trouble)}", "stops")
        case "not_wanted":
            return Condition("enrolment", f"not wanted. {_words(placement.code or '')}", "stops")
        case state:
            return Condition("enrolment", f"in a state this release does not know: {state}", "stops")


def _due(due_at: datetime | None, attempts: int, integration: IntegrationFacts, now: datetime) -> str:
    tried = f", tried {attempts} times" if attempts else ""
    if integration.calls_at and (due_at is None or due_at <= integration.calls_at):
        return (
            f"due{tried}: the LMS's calls of this hour are used up; its turn comes after {_when(integration.calls_at)}"
        )
    if due_at is None or due_at <= now:
        return f"due now{tried}: a worker takes it next"
    return f"waits until {_when(due_at)}{tried}"


def _words(code: str, trouble: Trouble | None = None) -> str:
    entry = describe(code)
    detail = f" ({trouble.detail})" if trouble and trouble.detail else ""
    return f"{entry.title}{detail}. {entry.cause} {entry.fix} [{entry.code}, {entry.owner}]"


def _told(trouble: Trouble) -> str:
    again = f", {trouble.times} times" if trouble.times > 1 else ""
    return f"{_words(trouble.code, trouble)} Last at {_when(trouble.last_at)}{again}."


def _when(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z"
