"""
What must come of the demonstration's feed in one LMS, read from its lines with the standard library alone.

A second, plain reading of the event catalogue and of the settings: it shares no code with the program, so that the two
can disagree.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

ATTRIBUTES = ("specversion", "id", "source", "type", "subject", "time", "tenant")
TEXTS = ("first_name", "infix", "last_name", "phone", "mobile", "status", "role")
DAYS = ("starts_on", "ends_on", "export_on", "deferred_on", "extended_to", "withdrawn_on")

Envelope = dict[str, Any]


class State(StrEnum):
    """
    What the LMS must show once everything has settled.

    Timing decides in the last two: a thing that HR takes back may have been made before, or never.
    """

    ACTIVE = "there and not suspended"
    ABSENT = "never made"
    GONE = "absent or suspended"
    OPEN = "anything, as the account is gone"


@dataclass(frozen=True)
class Rules:
    """
    What an integration's settings say, as far as the feed depends on it.

    Attributes:
        found: Addresses of accounts that are there before, in lower case, where people are found by them.
        longest_name: So many characters of a name the LMS holds.
    """

    name: str
    zone: ZoneInfo
    all_payrolls: bool
    suspends_outsiders: bool
    by_external_id: bool
    makes_addresses_up: bool
    found: frozenset[str]
    longest_name: int


def rules(settings: dict[str, Any], by_hand: Iterable[dict[str, str]] = ()) -> Rules:
    """
    Read the settings of a file, for an LMS with these accounts in it.
    """
    people = settings["people"]
    return Rules(
        name=settings["name"],
        zone=ZoneInfo(settings["timezone"]),
        all_payrolls=settings["payrolls"] == "all",
        suspends_outsiders=settings.get("when_out_of_scope") == "suspend",
        by_external_id=people["identity"] == "external_id",
        makes_addresses_up=people["no_email"] == "pseudo",
        longest_name=50 if settings.get("lms") == "talentlms" else 100,
        found=frozenset(user["email"].lower() for user in by_hand if "email" in people["match_by"]),
    )


@dataclass(frozen=True)
class Account:
    """
    One person whom HR has told of completely.

    Attributes:
        id_number: What stands for them in the LMS.
        found: Somebody had made the account by hand.
        first_name: As HR wrote it in the newest fact, not normalised.
        last_name: With the infix before it (R172).
        email: The first address given; None means that a pseudo address must stand there (R63).
    """

    employee_key: str
    id_number: str
    first_name: str
    last_name: str
    email: str | None
    found: bool
    state: State


@dataclass(frozen=True)
class Placement:
    """
    One enrolment of such a person in a course that the LMS has.

    Attributes:
        start: 00:00:00 of the first day in the integration's zone, in Unix seconds.
        end: 23:59:59 of the last day there, in Unix seconds.
    """

    enrolment_key: str
    employee_key: str
    id_number: str
    course_code: str
    role: str
    start: int
    end: int
    state: State


@dataclass(frozen=True)
class Expected:
    """
    Everything the feed asks of one LMS. Line numbers count from 1, as an editor shows them.

    Attributes:
        accounts: By employee key.
        placements: By (employee key, course code, role).
        failing_people: Employee key to the reason why no account can be made; there must be a visible failure.
        failing_enrolments: Enrolment key to the reason why nobody can be enrolled; likewise.
        broken: Line number to what is wrong with the line.
        duplicates: Lines that repeat an earlier line byte for byte.
        conflicts: Lines that bear an earlier line's id over other bytes; the earlier line counts.
        accepted: How many different events are left.
    """

    accounts: dict[str, Account]
    placements: dict[tuple[str, str, str], Placement]
    failing_people: dict[str, str]
    failing_enrolments: dict[str, str]
    broken: dict[int, str]
    duplicates: tuple[int, ...]
    conflicts: tuple[int, ...]
    accepted: int


@dataclass(frozen=True)
class Lines:
    """
    A feed's lines, sorted out; the attributes are those of Expected, with the events that are left.
    """

    events: list[Envelope]
    broken: dict[int, str]
    duplicates: tuple[int, ...]
    conflicts: tuple[int, ...]


def load(path: Path, rules: Rules, *others: Path) -> Expected:
    """
    Read a feed, others that come before or after it, and the course list ``courses.json`` beside it.
    """
    lines = read_lines(path)
    events = lines.events + [event for other in others for event in read_lines(other).events]
    people = newest(event for event in events if event["type"].startswith("hr.employee."))
    enrolments = newest(event for event in events if event["type"].startswith("hr.course_enrolment."))
    courses = {course["idnumber"] for course in json.loads(path.with_name("courses.json").read_bytes())}
    scope = Scope(events, rules)

    failing_people = {
        key: reason
        for key, person in people.items()
        if scope.wants(person) is State.ACTIVE and (reason := _why_no_account(person, rules))
    }
    accounts = {
        key: _account(person, rules, scope.wants(person))
        for key, person in people.items()
        if not _why_no_account(person, rules)
    }
    failing_enrolments = {
        key: reason
        for key, enrolment in enrolments.items()
        if (reason := _why_no_place(enrolment, people, accounts, courses))
    }
    placements = [
        _placement(enrolment, accounts[enrolment["employee_key"]], rules)
        for key, enrolment in enrolments.items()
        if key not in failing_enrolments and enrolment["employee_key"] in accounts
    ]
    return Expected(
        accounts=accounts,
        placements={(place.employee_key, place.course_code, place.role): place for place in placements},
        failing_people=failing_people,
        failing_enrolments=failing_enrolments,
        broken=lines.broken,
        duplicates=lines.duplicates,
        conflicts=lines.conflicts,
        accepted=len(lines.events),
    )


def read_lines(path: Path) -> Lines:
    """
    Tell the feed's events from the lines that add nothing.
    """
    events: list[Envelope] = []
    broken: dict[int, str] = {}
    repeats: dict[int, bool] = {}  # line number to whether the bytes are the same, too
    first: dict[tuple[str, str], bytes] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            event = read_line(line)
        except ValueError as problem:
            broken[number] = str(problem)
            continue
        key = event["source"], event["id"]
        if key in first:
            repeats[number] = first[key] == line
        else:
            first[key] = line
            events.append(event)
    duplicates = tuple(number for number, same in repeats.items() if same)
    conflicts = tuple(number for number, same in repeats.items() if not same)
    return Lines(events, broken, duplicates, conflicts)


def read_line(line: bytes) -> Envelope:
    """
    Return the event on a line.

    Raises:
        ValueError: The line is no event of the catalogue; the message says why and holds nothing of its contents.
    """
    try:
        event: Envelope = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    for name in ATTRIBUTES:
        _demand(isinstance(event.get(name), str), f"attribute {name} is missing")
    _demand(_is_moment(event["time"]), "attribute time is no date and time with an offset")
    for name in TEXTS:
        _demand(isinstance(event["data"].get(name), str | None), f"data.{name} is no text")
    for name in DAYS:
        _demand(_is_day(event["data"].get(name)), f"data.{name} is no day")
    return event


def _demand(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_day(value: object) -> bool:
    try:
        return value is None or bool(date.fromisoformat(str(value)))
    except ValueError:
        return False


def newest(events: Iterable[Envelope]) -> dict[str, Envelope]:
    """
    The data of each subject's newest fact: the latest time, and of one instant the greater event id.
    """
    return {event["subject"]: event["data"] for event in in_order(events)}


def in_order(events: Iterable[Envelope]) -> list[Envelope]:
    """
    The events as they became true.
    """
    return sorted(events, key=lambda event: (datetime.fromisoformat(event["time"]), event["id"]))


class Scope:
    """
    Which payrolls belong to an integration, by the newest word on each, and which ever did.
    """

    def __init__(self, events: Iterable[Envelope], rules: Rules) -> None:
        self._rules = rules
        words = [
            event
            for event in events
            if event["type"] in ("hr.payroll.enabled.v1", "hr.payroll.disabled.v1")
            and event["data"]["integration"] == rules.name
        ]
        self._ever = {event["subject"] for event in words if event["type"] == "hr.payroll.enabled.v1"}
        newest_word = {event["subject"]: event["type"] for event in in_order(words)}
        self._now = {payroll for payroll, word in newest_word.items() if word == "hr.payroll.enabled.v1"}

    def wants(self, person: Envelope) -> State:
        """
        What must become of the person's account.
        """
        payroll = person["payroll"]
        if self._rules.all_payrolls or payroll in self._now:
            return State.GONE if person["status"] == "terminated" else State.ACTIVE
        if payroll not in self._ever:
            return State.ABSENT
        return State.GONE if self._rules.suspends_outsiders else State.OPEN


def _why_no_account(person: Envelope, rules: Rules) -> str | None:
    if not person["first_name"].strip():
        return "no first name"
    if not any(person["emails"]) and not rules.makes_addresses_up:
        return "no e-mail"
    if not any(person["emails"]) and not person["id_number"]:
        return "neither e-mail nor id number"
    if rules.by_external_id and not person["external_id"]:
        return "no external id"
    if max(len(person["first_name"]), len(_surname(person))) > rules.longest_name:
        return "a name too long"
    return None


def _surname(person: Envelope) -> str:
    infix, last = person["infix"], person["last_name"]
    return last if not infix or last.startswith(infix + " ") else f"{infix} {last}"


def _account(person: Envelope, rules: Rules, state: State) -> Account:
    email = next(filter(None, person["emails"]), None)
    return Account(
        employee_key=person["employee_key"],
        id_number=person["external_id"] if rules.by_external_id else person["employee_key"],
        first_name=person["first_name"],
        last_name=_surname(person),
        email=email,
        found=(email or "").lower() in rules.found,
        state=state,
    )


def _why_no_place(
    enrolment: Envelope, people: dict[str, Envelope], accounts: dict[str, Account], courses: set[str]
) -> str | None:
    if enrolment["employee_key"] not in people:
        return "unknown employee"
    account = accounts.get(enrolment["employee_key"])
    if enrolment["course_code"] not in courses and account and account.state is State.ACTIVE:
        return "no such course in the LMS"
    return None


def _placement(enrolment: Envelope, account: Account, rules: Rules) -> Placement:
    state = State.GONE if enrolment["status"] == "withdrawn" else State.ACTIVE
    if account.state is not State.ACTIVE:
        state = State.ABSENT if account.state is State.ABSENT else State.OPEN
    return Placement(
        enrolment_key=enrolment["enrolment_key"],
        employee_key=enrolment["employee_key"],
        id_number=account.id_number,
        course_code=enrolment["course_code"],
        role=enrolment["role"],
        start=_epoch(enrolment["starts_on"], time(0, 0, 0), rules.zone),
        end=_epoch(enrolment["extended_to"] or enrolment["ends_on"], time(23, 59, 59), rules.zone),
        state=state,
    )


def _epoch(day: str, at: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(date.fromisoformat(day), at, tzinfo=zone).timestamp())
