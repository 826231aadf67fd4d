"""Whether the id numbers that an LMS holds are those that HR's people should have there (R165)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from domain.addresses import email_key
from domain.lms import LmsUser

Kind = Literal["missing", "different", "duplicate", "two users"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One person: the id number and the address that they should have in the LMS, and their link if there is one."""

    employee_key: str
    external_key: str
    email: str
    lms_user_id: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """
    An id number that is not as it should be.

    Attributes:
        kind: `missing`: the user with this person's address has none. `different`: they have another one.
            `duplicate`: several users have it. `two users`: one has the number and another one the address.
        lms_user_ids: The users concerned.
    """

    employee_key: str
    kind: Kind
    lms_user_ids: tuple[str, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of a number of people. `absent` are not in the LMS and will be made."""

    right: int
    absent: int
    findings: list[Finding]


def compare(people: Sequence[Wanted], users: Iterable[LmsUser]) -> Compared:
    """
    Each person against the users that hold their number or their address.

    Args:
        users: All users of the LMS with one of the numbers or addresses; the same one may come twice.
    """
    by_key: dict[str, set[str]] = {}
    by_email: dict[str, set[str]] = {}
    keys: dict[str, str] = {}
    for user in users:
        keys[user.user_id] = user.external_key
        by_key.setdefault(user.external_key, set()).add(user.user_id)
        by_email.setdefault(email_key(user.email), set()).add(user.user_id)
    right, absent, findings = 0, 0, []
    for person in people:
        holders = by_key.get(person.external_key, set())
        addressed = by_email.get(email_key(person.email), set()) if person.email else set()
        finding = _finding(person, holders, addressed, keys)
        if finding:
            findings.append(finding)
        elif holders:
            right += 1
        else:
            absent += 1
    return Compared(right, absent, findings)


def _finding(person: Wanted, holders: set[str], addressed: set[str], keys: dict[str, str]) -> Finding | None:
    if len(holders) > 1:
        return Finding(person.employee_key, "duplicate", _sorted(holders))
    others = addressed - holders
    if holders and others:
        return Finding(person.employee_key, "two users", _sorted(holders | others), "the address is another user's")
    if not others:
        return None
    kind: Kind = "different" if any(keys[user_id] for user_id in others) else "missing"
    held = ", ".join(sorted(filter(None, (keys[user_id] for user_id in others))))
    return Finding(person.employee_key, kind, _sorted(others), f"the LMS holds {held}" if held else "")


def _sorted(user_ids: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(user_ids, key=lambda user_id: (len(user_id), user_id)))
