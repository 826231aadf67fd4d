"""Whether a simulated Moodle did exactly what the feed asks of it: its ledger of effects against `expected`."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ops.demo.expected import Account, Expected, Placement, State

ROLES = {"learner": 5, "tutor": 4}


@dataclass(slots=True)
class Held:
    """What the ledger adds up to. Users by id number, enrolments by id number and course code."""

    created: Counter[str] = field(default_factory=Counter)
    touched: set[str] = field(default_factory=set)
    suspended: dict[str, bool] = field(default_factory=dict)
    enrolled: Counter[tuple[str, str]] = field(default_factory=Counter)
    enrolments: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


def add_up(ledger: list[dict[str, Any]], courses: dict[int, str]) -> Held:
    """The state that a ledger leaves behind; `courses` gives the code of each course id."""
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
                roles = held.enrolments.get(pair, {}).get("roles", set()) | {effect["role"]}
                held.enrolments[pair] = {**effect, "roles": roles}
    return held


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
    wrong = [f"{name} is {found[name]} and should be {value}" for name, value in wanted.items() if found[name] != value]
    if found["roles"] != {ROLES[place.role]}:
        wrong.append(f"has roles {sorted(found['roles'])}")
    return wrong
