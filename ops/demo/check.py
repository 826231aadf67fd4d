"""Whether the simulated Moodle did exactly what the feed asks for: its ledger of effects against `expected`."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ops.demo.expected import Expected, Placement, State

ROLES = {"learner": 5, "tutor": 4}


@dataclass(slots=True)
class Held:
    """What the ledger adds up to. Users by employee key, enrolments by employee key and course code."""

    created: Counter[str] = field(default_factory=Counter)
    suspended: dict[str, bool] = field(default_factory=dict)
    enrolled: Counter[tuple[str, str]] = field(default_factory=Counter)
    enrolments: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


def add_up(ledger: list[dict[str, Any]], courses: dict[int, str]) -> Held:
    """The state that a ledger leaves behind; `courses` gives the code of each course id."""
    held = Held()
    for effect in ledger:
        key = effect.get("idnumber", "")
        match effect["kind"]:
            case "user created":
                held.created[key] += 1
                held.suspended[key] = False
            case "user suspended" | "user unsuspended":
                held.suspended[key] = effect["kind"] == "user suspended"
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
    wrong = [f"{key}: {count} accounts were made" for key, count in held.created.items() if count > 1]
    wrong += [f"{key}: an account that nobody asked for" for key in held.created.keys() - expected.accounts.keys()]
    for key, account in expected.accounts.items():
        there, suspended = held.created[key] > 0, held.suspended.get(key, False)
        if account.state is State.ACTIVE and (not there or suspended):
            wrong.append(f"{key}: the account is {'suspended' if there else 'missing'}")
        if account.state is State.GONE and there and not suspended:
            wrong.append(f"{key}: the account is still active")
    return wrong


def _enrolments(expected: Expected, held: Held) -> list[str]:
    asked = {(place.employee_key, place.course_code): place for place in expected.placements.values()}
    wrong = [f"{pair}: enrolled {count} times" for pair, count in held.enrolled.items() if count > 1]
    wrong += [f"{pair}: an enrolment that nobody asked for" for pair in held.enrolments.keys() - asked.keys()]
    for pair, place in asked.items():
        wrong += [f"{pair}: {problem}" for problem in _placement(place, held.enrolments.get(pair))]
    return wrong


def _placement(place: Placement, found: dict[str, Any] | None) -> list[str]:
    if place.state is State.OPEN:
        return []
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
