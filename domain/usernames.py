"""User names: five strategies, letters every LMS accepts, and a stable answer when two people meet (R166-R170)."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator

from anyascii import anyascii

from domain.errors import NeedsAttention
from domain.events import Employee
from domain.integration import People

MAX_LENGTH = 100
MAX_SUFFIX = 40
_ILLEGAL = re.compile(r"[^a-z0-9.@_-]+")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9-]+")


def fold(text: str) -> str:
    """
    `text` in the letters that user names may have: lower case, no diacritics, no spaces.

    Scripts that would vanish are transliterated, so that nobody ends up without a name (R168).
    """
    return anyascii(unicodedata.normalize("NFC", text)).lower()


def base_username(person: Employee, email: str, settings: People) -> str:
    """
    The user name a person gets when nobody else has it.

    Raises:
        NeedsAttention: username_source_missing; the detail names the empty field (R167).
    """
    match settings.username:
        case "email":
            return _legal(_required(email, "emails"))
        case "external_id":
            return _legal(_required(person.external_id, "external_id"))
        case "first_infix_last":
            parts = [_required(person.first_name, "first_name"), person.infix]
        case "initials_infix_last":
            parts = [_required(person.initials, "initials").replace(".", ""), person.infix]
        case "initial_infix_last":
            parts = [_required(person.first_name, "first_name").strip()[0], person.infix]
    parts.append(_required(person.last_name, "last_name"))
    folded = [_NOT_IN_A_NAME.sub("", fold(part or "")) for part in parts]
    return _legal(".".join(part for part in folded if part))


def candidates(base: str, employee_key: str) -> Iterator[str]:
    """
    User names in the order in which they are to be tried: the plain one, then ones only this person can get.

    A function of its arguments alone, so a replay tries the same names.
    """
    yield base
    own = _NOT_IN_A_NAME.sub("", fold(employee_key))
    local, at, domain = base.partition("@")
    for suffix in (own, hashlib.sha256(employee_key.encode()).hexdigest()[:12]):
        if suffix and len(suffix) <= MAX_SUFFIX:
            # The suffix is what tells people apart, so it is never cut; a long mail domain is.
            ending = f"-{suffix}{at}{domain}"[: MAX_LENGTH - 1]
            yield f"{local[: MAX_LENGTH - len(ending)]}{ending}"


def _required(text: str | None, field: str) -> str:
    if not (text or "").strip():
        raise NeedsAttention("username_source_missing", f"{field} is empty, and the user name is made from it")
    return str(text)


def _legal(name: str) -> str:
    legal = _ILLEGAL.sub("", fold(name))[:MAX_LENGTH]
    if not legal.strip(".-_@"):
        raise NeedsAttention("username_source_missing", "nothing is left of the name that a user name may hold")
    return legal
