"""What may be sent to an LMS at all, and what comes from one."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from domain.errors import HoldIntegration, NeedsAttention

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
_ID = re.compile(r"[0-9]{1,18}")
_UNSENDABLE = re.compile("[\x00\ud800-\udfff]")


def is_email(text: str) -> bool:
    """Whether every LMS would take this for an address, its length aside."""
    return _EMAIL.fullmatch(text) is not None


def is_id(text: str) -> bool:
    """Whether this can be an id that an LMS gave."""
    return _ID.fullmatch(text) is not None


def problem_of_ids(ids: Mapping[str, str]) -> NeedsAttention | None:
    """The first of the ids, by name, that can be none."""
    return next((NeedsAttention("lms_id_invalid", name) for name, value in ids.items() if not is_id(value)), None)


def is_sendable(text: str) -> bool:
    """Whether a form can carry the text."""
    return _UNSENDABLE.search(text) is None


def check_echo(answered: Iterable[str], asked: Sequence[str]) -> None:
    """Raises HoldIntegration (wrong_answers) when an answer is about something that nobody asked for (D17)."""
    alike = {_plain(value) for value in asked}
    if any(_plain(value) not in alike for value in answered):
        raise HoldIntegration("wrong_answers", "a look-up brought users that were not asked for")


def _plain(text: str) -> str:
    """The text as the laxest collation sees it: without case, accents and blanks around it."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).strip()
