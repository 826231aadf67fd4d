"""Which e-mail address a person has in the LMS (R62-R66, R173)."""

import re
import unicodedata

from domain.errors import NeedsAttention
from domain.events import Employee
from domain.integration import People

_ADDRESS = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\.]+(\.[^\s@<>,;:\"()\[\]\\.]+)+")
_NOT_IN_LOCAL_PART = re.compile(r"[^a-z0-9.-]+")
_DOTS = re.compile(r"\.{2,}")


def email_key(address: str) -> str:
    """The form under which two addresses are the same: composed, without outer spaces, without regard to case."""
    return unicodedata.normalize("NFC", address).strip().casefold()


def choose_email(person: Employee, settings: People) -> str:
    """
    The address to use: the chosen one of HR's three, another if that may be, or a made-up one if that may be.

    Raises:
        NeedsAttention: email_missing, email_malformed or identity_missing (owner HR).
    """
    place = _chosen(person, settings)
    if place is not None:
        chosen = (person.emails[place] or "").strip()
        if not _ADDRESS.fullmatch(chosen):
            raise NeedsAttention("email_malformed", f"emails[{place}] is not an address")
        return chosen
    if settings.no_email == "refuse":
        raise NeedsAttention("email_missing", "no usable e-mail address")
    return pseudo_address(person, settings.pseudo_domain)


def has_address(person: Employee, settings: People) -> bool:
    """Whether HR knows an address that may be used; a made-up one is none (R126)."""
    return _chosen(person, settings) is not None


def _chosen(person: Employee, settings: People) -> int | None:
    """The place of the address to use among HR's."""
    given = [place for place, address in enumerate(person.emails) if (address or "").strip()]
    if settings.email_choice - 1 in given:
        return settings.email_choice - 1
    return given[0] if given and settings.email_fallback else None


def pseudo_address(person: Employee, domain: str) -> str:
    """
    A deterministic address nobody reads: id or passport number and employee number at HR's own domain (R63).

    It sits below `undeliverable.` so that it shows, and so that a mail server can refuse it. Lower case; characters
    outside letters, digits, dot and hyphen are removed.

    Raises:
        NeedsAttention: identity_missing, when the person has no id number (R64).
    """
    id_number = _local_part(person.id_number)
    number = _local_part(person.employee_number)
    if not id_number or not number:
        missing = "id_number" if not id_number else "employee_number"
        raise NeedsAttention("identity_missing", f"neither an e-mail address nor {missing}")
    return f"{id_number}.{number}@undeliverable.{domain.lower()}"


def _local_part(text: str | None) -> str:
    return _DOTS.sub(".", _NOT_IN_LOCAL_PART.sub("", (text or "").lower())).strip(".-")


def is_pseudo(address: str) -> bool:
    """Whether the address was made up by `pseudo_address`: nobody reads it."""
    return address.partition("@")[2].startswith("undeliverable.")
