"""What the LMS should hold for a person, and what to do about an account given what the LMS holds."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.addresses import choose_email, email_key
from domain.errors import NeedsAttention
from domain.events import Employee
from domain.fields import EMPTY, FieldMap, FieldProblem
from domain.integration import People
from domain.lms import CUSTOM, LmsUser, UserFields
from domain.usernames import base_username

MAX_STARTS = 3
"""Starts without an end before an account is held to kill its worker."""

SUSPENDED_BY_STATUS: Mapping[str, bool] = {
    "active": False,
    "on_leave": False,  # away from work, not from learning
    "suspended": True,
    "terminated": True,
}
"""HR's statuses, and whether the LMS user is suspended (R55)."""

Mark = Literal["lms_id", "external_key", "email", "username"]
"""What an LMS user may be known by."""


class WantedAccount(BaseModel):
    """
    The user that the LMS should hold for one person.

    Attributes:
        wanted_if_absent: False for somebody who left: suspended if there, but never made.
        linked_only: Only an account that is linked already is suspended, and nothing else of it changes: for people
            who no longer belong here, were erased, or left with facts too poor to find them by.
        out_of_scope: Why the person does not belong to the integration any more.
        known_id: The LMS user that HR itself holds this person to be; anything may stand there (R138, R140).
        keyless: The LMS has no place for the external key.
        leave_found: An account that was there before us is left as it was found, but for its suspension.
        custom: What the mapped profile fields should hold; all others are never written (R30, R42).
        skipped: Mapped fields that hold what cannot be sent.
    """

    model_config = ConfigDict(frozen=True)

    external_key: str
    email: str
    first_name: str
    last_name: str
    username: str
    suspended: bool = False
    wanted_if_absent: bool = True
    linked_only: bool = False
    out_of_scope: str | None = None
    known_id: str = ""
    keyless: bool = False
    leave_found: bool = False
    custom: dict[str, str] = {}
    skipped: tuple[FieldProblem, ...] = ()

    def fields(self, *, created: bool = True) -> UserFields:
        """
        What is kept up to date; the user name is not, because people know theirs by heart.

        Args:
            created: Whether we made the account, or found it.
        """
        if self.linked_only or (self.leave_found and not created):
            return {"suspended": self.suspended}
        standard: UserFields = {
            "external_key": self.external_key,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "suspended": self.suspended,
        }
        if self.keyless:
            del standard["external_key"]
        return standard | {CUSTOM + name: value for name, value in self.custom.items()}

    def is_made(self, user: LmsUser) -> bool:
        """Whether a user with the name we chose is the one we made: by the key or, without one, by the address."""
        if self.keyless:
            return email_key(user.email) == email_key(self.email)
        return user.external_key == self.external_key


def suspended_if_linked(employee_key: str, out_of_scope: str | None = None) -> WantedAccount:
    """An account that may go on existing, suspended, and is never looked for or made."""
    return WantedAccount(
        external_key=employee_key,
        email="",
        first_name="",
        last_name="",
        username="",
        suspended=True,
        wanted_if_absent=False,
        linked_only=True,
        out_of_scope=out_of_scope,
    )


def wanted_account(person: Employee, settings: People) -> WantedAccount:
    """
    The account HR's last word asks for.

    Raises:
        NeedsAttention: A field that the LMS or the settings need is empty or unusable; the detail names it.
    """
    email = choose_email(person, settings)
    return WantedAccount(
        external_key=_external_key(person, settings),
        email=email,
        first_name=_name(person.first_name, "first_name"),
        last_name=surname(person),
        username=base_username(person, email, settings),
        suspended=SUSPENDED_BY_STATUS[person.status],
        wanted_if_absent=person.status != "terminated",
    )


def surname(person: Employee) -> str:
    """Infix and last name with one space; once only when the last name already begins with the infix (R172)."""
    last = _name(person.last_name, "last_name")
    infix = _tidy(person.infix or "")
    beginning = infix.lower() if infix.endswith(("'", "’")) else f"{infix.lower()} "
    if not infix or f"{last.lower()} ".startswith(beginning):
        return last
    return f"{infix} {last}"


def _external_key(person: Employee, settings: People) -> str:
    if settings.identity == "person_id":
        return person.employee_key
    external = (person.external_id or "").strip()
    if not external:
        raise NeedsAttention("external_id_missing", "external_id is empty, and it is this integration's identity")
    return external


def _name(text: str | None, field: str) -> str:
    """Moodle takes an empty first name and fails at the learner's login, so we look before calling (R53, R54, R171)."""
    tidy = _tidy(text or "")
    if not tidy:
        raise NeedsAttention(f"{field}_missing", f"{field} is empty")
    return tidy


def _tidy(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True, slots=True)
class Create:
    """Nobody in the LMS is this person: make the user."""


@dataclass(frozen=True, slots=True)
class Link:
    """
    This LMS user is the person; bring `changes` in line.

    `notice` says what is odd about it without being in the way (R143).
    """

    user_id: str
    how: Mark
    changes: UserFields
    notice: "Park | None" = None


@dataclass(frozen=True, slots=True)
class Update:
    """Already linked; bring `changes` in line, which may be nothing."""

    user_id: str
    changes: UserFields


@dataclass(frozen=True, slots=True)
class Leave:
    """There is nothing to hold: not in the LMS, and not wanted there."""


@dataclass(frozen=True, slots=True)
class Park:
    """A person must decide or correct something first."""

    code: str
    detail: str


Plan = Create | Link | Update | Leave | Park

REMOVED = Park("user_soft_deleted", "the account was deleted in the LMS, which still has it and takes no second one")


def is_looked_for(wanted: WantedAccount, settings: People, *, enrolment_due: bool) -> bool:
    """Whether somebody without a link is looked for, and made if absent, now."""
    return not wanted.linked_only and (settings.accounts_for == "everyone" or enrolment_due)


def plan_linked(wanted: WantedAccount, user_id: str, applied: UserFields, *, created: bool = True) -> Update:
    """What is left to write for an account that is linked, given the fields the LMS is known to hold."""
    return Update(user_id, _changes(wanted, applied, created=created))


def plan_newcomer(
    wanted: WantedAccount,
    found: Sequence[LmsUser],
    *,
    match_by: Sequence[str],
    ours: bool,
    owned: Collection[str] = (),
    refused: Collection[str] = (),
    maps: Sequence[FieldMap] = (),
) -> Plan:
    """
    As `plan_unlinked`, and never an account that is somebody else's here, or that a person said is not this one.

    Args:
        owned: LMS users that are linked to other people.
        refused: LMS users whose link to this person was broken by hand.
        maps: The profile fields that are mapped.
    """
    known = _known(wanted, found, match_by)
    for user in [known] if known else [user for user in found if _has_mark(user, wanted)]:
        if user.user_id in owned:
            return Park("account_of_another", f"LMS user {user.user_id} is linked to another person")
        if user.user_id in refused:
            return Park("link_refused", f"LMS user {user.user_id} was unlinked from this person by hand")
    free = [user for user in found if user.user_id not in owned and user.user_id not in refused]
    return plan_unlinked(wanted, free, match_by=match_by, ours=ours, maps=maps)


def _has_mark(user: LmsUser, wanted: WantedAccount) -> bool:
    return user.external_key == wanted.external_key or email_key(user.email) == email_key(wanted.email)


def plan_unlinked(
    wanted: WantedAccount,
    found: Sequence[LmsUser],
    *,
    match_by: Sequence[str],
    ours: bool,
    maps: Sequence[FieldMap] = (),
) -> Plan:
    """
    Link, create, leave or park somebody who has no link yet.

    Args:
        found: Every LMS user that shares the external key or the address, or the user name where that may link.
        ours: A create of ours may have made this user without our hearing of it.
        maps: The profile fields that are mapped.
    """
    plan = _planned(wanted, found, match_by, ours=ours)
    if isinstance(plan, Link):
        user = next(user for user in found if user.user_id == plan.user_id)
        changes = _changes(wanted, observed(user, maps), created=ours)
        if plan.notice:
            changes.pop("email", None)
        return Link(plan.user_id, plan.how, changes, plan.notice)
    return plan


def _known(wanted: WantedAccount, found: Sequence[LmsUser], match_by: Sequence[str]) -> LmsUser | None:
    """The LMS user that HR holds the person to be."""
    if "lms_id" not in match_by or not wanted.known_id:
        return None
    return next((user for user in found if user.user_id == wanted.known_id), None)


def _planned(wanted: WantedAccount, found: Sequence[LmsUser], match_by: Sequence[str], *, ours: bool) -> Plan:
    by_key = [user for user in found if user.external_key == wanted.external_key]
    by_email = [user for user in found if email_key(user.email) == email_key(wanted.email)]
    known = _known(wanted, found, match_by)
    if known and not known.removed:
        return _link_known(wanted, known, by_email)
    if any(user.removed for user in (*by_key, *by_email)):
        return REMOVED if wanted.wanted_if_absent else Leave()
    if "external_key" in match_by and by_key:
        return _link(wanted, by_key, "external_key", others=by_email)
    if ours and by_key:
        return _link(wanted, by_key, "external_key", others=by_email)
    if by_email:
        plan = (
            _link(wanted, by_email, "email", others=by_key)
            if "email" in match_by or (ours and wanted.keyless)
            else Park("email_taken", "the e-mail address belongs to another account of the LMS")
        )
        # Somebody who left and never was there needs nothing; whose address it is now is nobody's trouble.
        gone = isinstance(plan, Park) and not by_key and not wanted.wanted_if_absent
        return Leave() if gone else plan
    if by_key:
        return Park("external_key_taken", f"LMS user {by_key[0].user_id} has this external key already")
    # A namesake's account is no obstacle: the newcomer gets a user name of their own (R170).
    by_name = [user for user in found if user.username == wanted.username and _is_free(user, wanted)]
    if "username" in match_by and by_name:
        return _link(wanted, by_name, "username", others=())
    return Create() if wanted.wanted_if_absent else Leave()


def _is_free(user: LmsUser, wanted: WantedAccount) -> bool:
    return not user.protected and user.external_key in ("", wanted.external_key)


def _link_known(wanted: WantedAccount, user: LmsUser, by_email: Sequence[LmsUser]) -> Link | Park:
    """HR's own word on who is who wins; that the address leads elsewhere is reported, and never merged (R143)."""
    plan = _link(wanted, [user], "lms_id", others=())
    elsewhere = [other.user_id for other in by_email if other.user_id != user.user_id]
    if isinstance(plan, Park) or not elsewhere:
        return plan
    notice = Park("email_of_another", f"HR says LMS user {user.user_id}, LMS user {elsewhere[0]} has the address")
    return Link(plan.user_id, plan.how, plan.changes, notice)


def _link(wanted: WantedAccount, matches: Sequence[LmsUser], how: Mark, others: Sequence[LmsUser]) -> Link | Park:
    if len(matches) > 1:
        ids = ", ".join(sorted(user.user_id for user in matches))
        return Park("several_candidates", f"LMS users {ids} all match by {how}")
    user = matches[0]
    if user.protected:
        return Park("protected_account", f"LMS user {user.user_id} may not be touched")
    if user.external_key not in ("", wanted.external_key):
        return Park("account_of_another", f"LMS user {user.user_id} has this e-mail address and another external key")
    another = next((other.user_id for other in others if other.user_id != user.user_id), None)
    if another is not None:
        code, what = ("email_taken", "address") if how == "external_key" else ("external_key_taken", "external key")
        return Park(code, f"LMS user {user.user_id} matches by {how}, LMS user {another} has the {what}")
    return Link(user.user_id, how, {})


def observed(user: LmsUser, maps: Sequence[FieldMap] = ()) -> UserFields:
    """The fields we keep up to date, as the LMS holds them; of the profile fields the mapped ones, unset as empty."""
    standard: UserFields = {
        "external_key": user.external_key,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "suspended": user.suspended,
    }
    return standard | {
        CUSTOM + chosen.lms_field: user.custom.get(chosen.lms_field, EMPTY.get(chosen.kind, "")) for chosen in maps
    }


def _changes(wanted: WantedAccount, held: UserFields, *, created: bool) -> UserFields:
    return {name: value for name, value in wanted.fields(created=created).items() if held.get(name) != value}
