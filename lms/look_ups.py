"""Who is in the LMS already, and what they have completed: the look-ups that come before a decision. They only read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, Protocol, cast

from domain.accounts import WantedAccount
from domain.addresses import email_key
from domain.conditions import is_lms_id
from domain.lms import Completion, LmsUser, Outcome, Pair, Standing, UnitGateway

By = Literal["user_id", "external_key", "email", "username"]


class Users(Protocol):
    """The one thing that looking people up needs of an LMS; see `domain.lms.LmsGateway`."""

    def find_users(self, by: By, values: Sequence[str]) -> Sequence[LmsUser]:
        """All users that hold one of the values."""


class _Nobody:
    def find_users(self, by: By, values: Sequence[str]) -> Sequence[LmsUser]:
        del by, values
        return ()


NOBODY: Users = _Nobody()
"""An LMS in which nobody is."""


class Courses(Protocol):
    """What reading results needs of an LMS, besides what a `domain.lms.UnitGateway` has where they are read by unit."""

    def completions(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Completion | None]]:
        """Date and grade of each pair; None when it is not complete."""


def completed_of(
    gateway: Courses, pairs: Sequence[Pair], *, by_unit: bool
) -> Sequence[Outcome[Completion | None]] | Sequence[Outcome[Standing | None]]:
    """What each pair has completed: the course, or its units; None when there is nothing to see."""
    return cast("UnitGateway", gateway).standings(pairs) if by_unit else gateway.completions(pairs)


def protected_ids(gateway: Users, protected: Sequence[str]) -> frozenset[str]:
    """The LMS users that a list of ids and user names speaks of, as ids; one call, and none for an empty list."""
    named = gateway.find_users("username", list(protected)) if protected else ()
    return frozenset(protected) | {user.user_id for user in named}


def candidates_of(
    gateway: Users, people: Mapping[int, WantedAccount], *, match_by: Sequence[str], protected: Iterable[str]
) -> dict[int, list[LmsUser]]:
    """
    Per person every LMS user that HR names, that shares the external key or the address, or the user name where that
    may link. What HR has in place of an LMS user id and is none is not asked for (R140).
    """
    if not people:
        return {}
    by_key = _grouped(
        (user.external_key, user)
        for user in gateway.find_users("external_key", [wanted.external_key for wanted in people.values()])
    )
    known = {wanted.known_id for wanted in people.values() if "lms_id" in match_by and is_lms_id(wanted.known_id)}
    by_id = _grouped((user.user_id, user) for user in (gateway.find_users("user_id", sorted(known)) if known else ()))
    emails = {spelling for wanted in people.values() for spelling in (wanted.email, wanted.email.lower())}
    by_email = _grouped((email_key(user.email), user) for user in gateway.find_users("email", sorted(emails)))
    by_name: dict[str, list[LmsUser]] = {}
    if "username" in match_by:
        names = sorted({wanted.username for wanted in people.values()})
        by_name = _grouped((user.username, user) for user in gateway.find_users("username", names))
    untouchable = frozenset(protected)
    found = {}
    for key, wanted in people.items():
        users = [
            *by_id[wanted.known_id],
            *by_key[wanted.external_key],
            *by_email[email_key(wanted.email)],
            *by_name.get(wanted.username, ()),
        ]
        found[key] = [
            replace(user, protected=user.protected or user.user_id in untouchable)
            for user in {user.user_id: user for user in users}.values()
        ]
    return found


def free_usernames(
    gateway: Users, names: Mapping[int, Sequence[str]], reserved: Mapping[str, int]
) -> tuple[dict[int, str], list[int]]:
    """
    The first name of each newcomer that nobody has.

    Args:
        names: The names each newcomer may have, in the order in which they are tried.
        reserved: Who has reserved which name so far.

    Returns:
        The names chosen, and the newcomers for whom none is free.
    """
    options = dict(names)
    taken_by = dict(reserved)
    chosen: dict[int, str] = {}
    without: list[int] = []
    in_lms: set[str] = set()
    asked: set[str] = set()
    while waiting := options.keys() - chosen.keys():
        for key in sorted(waiting):
            free = [n for n in options[key] if n not in in_lms and taken_by.get(n, key) == key]
            if not free:
                without.append(key)
                del options[key]
            elif free[0] in asked:
                chosen[key] = free[0]
            else:
                taken_by[free[0]] = key
        ask = {n for n, owner in taken_by.items() if owner in options and owner not in chosen} - asked
        in_lms |= {user.username for user in gateway.find_users("username", sorted(ask))} if ask else set()
        asked |= ask
    return chosen, without


def _grouped(pairs: Iterable[tuple[str, LmsUser]]) -> dict[str, list[LmsUser]]:
    groups: dict[str, list[LmsUser]] = defaultdict(list)
    for key, user in pairs:
        groups[key].append(user)
    return groups
