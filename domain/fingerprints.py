"""
Which failures have one cause: what makes them the same, and why, in words.

A fingerprint says by its beginning which rules made it; under other rules failures are grouped anew from what was kept
of each. Three tiers, the first that applies, and the last one takes everything:

    fp1:moodle|person|conflict|email_taken||                  a code of the failure catalogue
    fp1:hr|event|bug|bug|KeyError|workers.apply:_apply_rows   a fault of ours, by where it happened
    fp1:moodle|enrolment|unnamed|made_up|3f8a…                 any other text, without what differs from case to case
"""

import hashlib
import re
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from domain.failure_catalogue import CATALOGUE, Owner, describe

FailureKind = Literal[
    "account", "placement", "membership", "reading", "inbox", "integration", "course", "guard", "payroll"
]

OURS = ("domain", "runtime", "db", "lms", "producers", "workers", "ops")


@dataclass(frozen=True, slots=True)
class Cause:
    """What is kept of a failure. `lms` is the kind of LMS, or hr for what the LMS has no part in."""

    lms: str
    kind: FailureKind
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The parts in their order, by name: they are the answer to "why are these together?"."""

    version: str
    parts: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.version}:{'|'.join(self.parts.values())}"


OPERATIONS: Mapping[FailureKind, str] = {
    "account": "person",
    "placement": "enrolment",
    "membership": "group",
    "reading": "result",
    "inbox": "event",
    "integration": "site",
    "course": "course",
    "guard": "suspension",
    "payroll": "payroll",
}

_CLASSES: Mapping[str, str] = {
    code: kind
    for kind, codes in {
        "auth": "token_refused service_account_suspended key_mismatch",
        "permission": "access_refused right_missing function_missing webservices_off api_off groups_refused"
        " role_not_assignable course_not_accessible user_protected protected_account",
        "not_found": "course_not_found course_unknown group_unknown user_gone user_soft_deleted account_gone"
        " report_unknown not_in_course not_actively_enrolled no_courses unknown_tenant unknown_integration",
        "conflict": "email_taken external_key_taken username_taken account_of_another several_candidates link_refused"
        " lms_user_taken email_of_another course_code_taken lms_conflict conflict same_id_other_bytes taken"
        " tenant_taken integration_name_taken lms_taken same_email_allowed",
        "rate_limited": "lms_throttled",
        "unavailable": "lms_unreachable tls_failed lms_maintenance lms_database_down lms_server_error store_unavailable"
        " unroutable",
        "timeout": "lms_no_answer",
        "unknown_outcome": "outcome_unknown",
        "protocol": "lms_unexpected_answer wrong_answers wrong_url url_moved other_site",
        "poison": "not_json not_utf8 not_an_object duplicate_key too_large too_deep unusable_text missing_field"
        " subject_mismatch unknown_type needs_upgrade starts_without_end",
        "bug": "bug",
    }.items()
    for code in codes.split()
}
_OTHER_CLASSES: Mapping[Owner, str] = {
    "HR data": "invalid_data",
    "HR configuration": "config",
    "LMS": "config",
    "IT": "unavailable",
    "product": "bug",
}

_UNNAMED = frozenset({"lms_error", "lms_rejected"})
"""Codes that say no more than that the LMS named an error: these are told apart by the name it gave."""
_NAMING = frozenset({"value_too_long", "text_invalid", "username_invalid", "email_invalid", "lms_id_invalid"})
"""Codes whose detail is the name of the field at fault."""
_LISTING = frozenset({"field_option_missing", "field_value_bad", "mandatory_field_missing"})
"""Codes whose detail lists fields, each first in its part."""

_PLACE = re.compile(r"([A-Za-z_]\w*) in ([a-z_]+(?:\.\w+)*:\w+)")
_SAID = re.compile(r"[\w:/]+: (.+)", re.DOTALL)
_FIELD = re.compile(r"[A-Za-z_][\w.:-]*")
_FIELD_FIRST = re.compile(r"([A-Za-z_][\w.:-]*): ")
_INDEX = re.compile(r"(?<=\.)\d+")
_PART = re.compile(r"[^\w.:#+/-]+")
MOST = 60
LONGEST_TEXT = 200

# In this order: what an earlier one replaces, a later one no longer sees. A digest may look like a number, so both are
# replaced alike.
_VARYING = tuple(
    (re.compile(pattern), mark)
    for pattern, mark in (
        (r"https?://\S+", "<url>"),
        (r"[^\s@<>\"']+@[^\s@<>\"']+", "<address>"),
        (r"\"[^\"]*\"|'[^']*'|“[^”]*”|‘[^’]*’|«[^»]*»|`[^`]*`", "<value>"),
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "#"),
        (r"\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?)?", "#"),
        (r"\b(?:0x)?(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", "#"),
        (r"\d+(?:[.,]\d+)*", "#"),
        (r"\s+", " "),
    )
)


def class_of(code: str) -> str:
    """To which of a dozen classes a code belongs."""
    return _CLASSES.get(code) or _OTHER_CLASSES[describe(code).owner]


def fingerprint(cause: Cause) -> Fingerprint:
    """The fingerprint by today's rules; there is one for every text."""
    return fp1(cause)


def fp1(cause: Cause) -> Fingerprint:
    begin = {"lms": cause.lms, "operation": OPERATIONS[cause.kind]}
    place = _PLACE.fullmatch(cause.detail)
    if cause.code == "bug" and place:
        return Fingerprint(
            "fp1", begin | {"class": "bug", "code": cause.code, "exception": place[1], "place": place[2][:LONGEST_TEXT]}
        )
    if cause.code in CATALOGUE and cause.code != "bug":
        said = _part(normalised(_said(cause))) if cause.code in _UNNAMED else ""
        known = {"class": class_of(cause.code), "code": cause.code, "said": said, "field": _part(_field(cause))}
        return Fingerprint("fp1", begin | known)
    digest = hashlib.sha256(normalised(cause.detail).encode()).hexdigest()[:16]
    return Fingerprint("fp1", begin | {"class": "unnamed", "code": _part(cause.code), "text": digest, "field": ""})


VERSIONS: Mapping[str, Callable[[Cause], Fingerprint]] = {"fp1": fp1}


def normalised(text: str) -> str:
    """The text without what differs from case to case: numbers, dates, addresses, whatever is quoted."""
    plain = unicodedata.normalize("NFC", text).lower()
    for pattern, mark in _VARYING:
        plain = pattern.sub(mark, plain)
    # A lone surrogate has no bytes, and nothing after us could store it.
    return plain.strip()[:LONGEST_TEXT].encode("utf-8", "replace").decode()


def whereabouts(error: BaseException) -> str:
    """The exception's type and the innermost place of ours that it passed; line numbers move with every release."""
    places = [place for place in _places(error) if place.partition(".")[0] in OURS]
    name = type(error).__name__
    return f"{name} in {places[-1]}" if places else name


def _places(error: BaseException) -> Iterator[str]:
    for frame, _ in traceback.walk_tb(error.__traceback__):
        yield f"{frame.f_globals.get('__name__', '')}:{frame.f_code.co_name}"


def _said(cause: Cause) -> str:
    """What the LMS said, without the name of the function that was called."""
    found = _SAID.fullmatch(cause.detail)
    return found[1] if found else cause.detail


def _field(cause: Cause) -> str:
    if cause.kind == "inbox":
        found = _FIELD_FIRST.match(cause.detail)
        return _INDEX.sub("#", found[1]) if found else ""
    if cause.code in _LISTING:
        words = {piece.partition(" ")[0] for piece in re.split("[;,] ", cause.detail)}
        return "+".join(sorted(word for word in words if _FIELD.fullmatch(word)))
    return cause.detail if cause.code in _NAMING and _FIELD.fullmatch(cause.detail) else ""


def _part(text: str) -> str:
    """Short, and without what would break a fingerprint apart; what had to be changed still tells texts apart."""
    plain = _PART.sub("-", text)
    if plain == text and len(plain) <= MOST:
        return plain
    return f"{plain[: MOST - 9]}~{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"
