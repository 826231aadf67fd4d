"""Whether a simulated LMS did exactly what the feed asks of it: its ledger of effects against `expected`."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.demo.expected import Account, Expected, Placement, State

ROLES = {"learner": 5, "tutor": 4}
WORDS: dict[int | str, str] = {5: "learner", 4: "tutor", "learner": "learner", "instructor": "tutor"}
"""What HR calls the roles of the LMSs."""
KEY_FIELD = "custom_field_1"
"""Where the portal keeps HR's key; the settings say so, too."""

Ledger = list[dict[str, Any]]


@dataclass(slots=True)
class Held:
    """
    What the ledger adds up to. Users by id number, enrolments by id number and course code.

    Attributes:
        keys: The id number of each user name, where the ledger tells user names.
    """

    created: Counter[str] = field(default_factory=Counter)
    touched: set[str] = field(default_factory=set)
    suspended: dict[str, bool] = field(default_factory=dict)
    enrolled: Counter[tuple[str, str]] = field(default_factory=Counter)
    enrolments: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    grouped: Counter[str] = field(default_factory=Counter)
    keys: dict[str, str] = field(default_factory=dict)


def add_up(ledger: Ledger, courses: Mapping[int, str]) -> Held:
    """The state that a Moodle's ledger leaves behind; `courses` gives the code of each course id."""
    held = Held()
    for effect in ledger:
        key, kind = effect.get("idnumber", ""), effect["kind"]
        held.touched |= {key} if kind.startswith("user ") else set()
        match kind:
            case "user created":
                held.created[key] += 1
                held.suspended[key] = False
            case "user suspended" | "user unsuspended":
                held.suspended[key] = kind == "user suspended"
            case "enrolled":
                pair = key, courses[effect["course"]]
                held.enrolled[pair] += effect["created"]
                roles = held.enrolments.get(pair, {}).get("roles", set()) | {_word(effect)}
                held.enrolments[pair] = {**effect, "roles": roles}
    return held


def add_up_portal(ledger: Ledger, courses: Mapping[int, str]) -> Held:
    """The same for a TalentLMS portal, whose ledger knows people by number and enrolments without dates."""
    held = Held()
    keys: dict[int, str] = {}
    for effect in ledger:
        if effect["kind"] == "user created":
            keys[effect["user"]] = key = effect["custom"].get(KEY_FIELD, "")
            held.keys[effect["login"]] = key
            held.created[key] += 1
        key = keys.get(effect.get("user", 0), "")
        pair = key, courses.get(effect.get("course", 0), "")
        match effect["kind"]:
            case "user created" | "user status set":
                held.touched.add(key)
                held.suspended[key] = effect["status"] != "active"
            case "enrolled":
                held.enrolled[pair] += 1
                held.enrolments[pair] = {"roles": {_word(effect)}, "suspended": False}
            case "unenrolled":
                del held.enrolled[pair], held.enrolments[pair]
            case "group joined":
                held.grouped[key] += 1
    return held


def _word(effect: Mapping[str, Any]) -> str:
    return WORDS.get(effect["role"], str(effect["role"]))


READERS: Mapping[str, Callable[[Ledger, Mapping[int, str]], Held]] = {"moodle": add_up, "talentlms": add_up_portal}


def differences(expected: Expected, held: Held) -> list[str]:
    """Every way in which the LMS is not what was asked for; empty when all is well. Keys only, never names."""
    return [*_accounts(expected, held), *_enrolments(expected, held)]


def _accounts(expected: Expected, held: Held) -> list[str]:
    asked = {account.id_number: account for account in expected.accounts.values()}
    wrong = [f"{key}: {count} accounts were made" for key, count in held.created.items() if count > 1]
    wrong += [f"{key}: an account that nobody asked for" for key in held.touched - asked.keys()]
    for key, account in asked.items():
        wrong += [f"{key}: {problem}" for problem in _account(account, held)]
    return wrong


def _account(account: Account, held: Held) -> list[str]:
    key = account.id_number
    there, suspended = key in held.touched, held.suspended.get(key, False)
    if account.found and held.created[key]:
        return ["the account that was there was not found"]
    if account.state is State.ACTIVE and (not there or suspended):
        return [f"the account is {'suspended' if there else 'missing'}"]
    if account.state is State.GONE and there and not suspended:
        return ["the account is still active"]
    return ["an account out of scope"] if account.state is State.ABSENT and there else []


def _enrolments(expected: Expected, held: Held) -> list[str]:
    asked = {(place.id_number, place.course_code): place for place in expected.placements.values()}
    wrong = [f"{pair}: enrolled {count} times" for pair, count in held.enrolled.items() if count > 1]
    wrong += [f"{pair}: an enrolment that nobody asked for" for pair in held.enrolments.keys() - asked.keys()]
    for pair, place in asked.items():
        wrong += [f"{pair}: {problem}" for problem in _placement(place, held.enrolments.get(pair))]
    return wrong


def _placement(place: Placement, found: dict[str, Any] | None) -> list[str]:
    if place.state is State.OPEN:
        return []
    if place.state is State.ABSENT:
        return ["enrolled out of scope"] if found else []
    suspended = found is None or bool(found["suspended"])
    if place.state is State.GONE:
        return [] if suspended else ["still enrolled"]
    if found is None or suspended:
        return ["not enrolled" if found is None else "suspended"]
    wanted = {"start": place.start, "end": place.end}
    wrong = [
        f"{name} is {found[name]} and should be {value}"
        for name, value in wanted.items()
        if name in found and found[name] != value
    ]
    if found["roles"] != {place.role}:
        wrong.append(f"has roles {sorted(found['roles'])}")
    return wrong
