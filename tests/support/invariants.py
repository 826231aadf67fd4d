"""
What must hold after any trouble, and what came of a run, as a value that can be compared with another run's.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.installation import Installation


@dataclass(frozen=True)
class Outcome:
    """
    What a run left behind, by business keys: no ids of the LMS, which depend on who came first.

    Attributes:
        accounts: Employee keys of the users that were made.
        enrolments: Employee key, course, role, start, end and whether suspended, as the LMS holds it in the end.
        results: Result id, enrolment, outcome, passed, grade, instant of completion, day of attempt.
        result_events: Ids of the result events.
        announced: Type and subject of everything that upstream heard; for results the id too.
        failures: Code and kind of what is visible and open.
    """

    accounts: frozenset[str]
    enrolments: frozenset[tuple[Any, ...]]
    results: frozenset[tuple[Any, ...]]
    result_events: frozenset[str]
    announced: frozenset[tuple[str, ...]]
    failures: frozenset[tuple[str, str]]


def checked_outcome(made: Installation, confirmed: Mapping[str, bytes]) -> Outcome:
    """
    Raises:
        AssertionError: An invariant does not hold; the message names it.
    """
    ledger = made.site.read("ledger")
    _no_confirmed_event_is_lost(made, confirmed)
    _nothing_is_in_limbo(made)
    _at_most_one_user_each(ledger)
    _at_most_one_enrolment_each(ledger)
    announced = _each_announcement_is_one(made)
    _each_result_is_announced_once(made, announced)
    return _outcome(made, ledger, announced)


def _no_confirmed_event_is_lost(made: Installation, confirmed: Mapping[str, bytes]) -> None:
    rows = made.rows("select event_id, body_sha256 from inbox")
    stored = {row["event_id"]: bytes(row["body_sha256"]) for row in rows}
    sent = {event_id: hashlib.sha256(body).digest() for event_id, body in confirmed.items()}
    assert sent.items() <= stored.items(), f"I1: {sorted(sent.keys() - stored.keys())} lost, or other bytes"


def _nothing_is_in_limbo(made: Installation) -> None:
    limbo = made.rows(
        """
        select employee_key, state from account
        where lease_until is not null or (state = 'due' and due_at is null)
           or (state = 'parked' and not exists (select from failure where subject_kind = 'account'
                                                and subject_id = account_id::text and resolved_at is null))
        """
    )
    assert limbo == [], "I2"


def _at_most_one_user_each(ledger: list[dict[str, Any]]) -> None:
    made = Counter(effect["idnumber"] for effect in ledger if effect["kind"] == "user created")
    assert [key for key, count in made.items() if count > 1] == [], "I3"


def _at_most_one_enrolment_each(ledger: list[dict[str, Any]]) -> None:
    made = Counter((e["idnumber"], e["course"]) for e in ledger if e["kind"] == "enrolled" and e["created"])
    assert [pair for pair, count in made.items() if count > 1] == [], "I4"


def _each_announcement_is_one(made: Installation) -> dict[str, dict[str, Any]]:
    heard = made.heard()
    bodies = dict(heard)
    assert all(bodies[event_id] == body for event_id, body in heard), "I5: one id, other bytes"
    written = {row["event_id"]: bytes(row["body"]) for row in made.rows("select event_id, body from outbox")}
    assert bodies == written, "I5: what was heard is not what was written"
    return {event_id: json.loads(body) for event_id, body in bodies.items()}


def _each_result_is_announced_once(made: Installation, announced: Mapping[str, Mapping[str, Any]]) -> None:
    about = Counter(event["subject"] for event in announced.values() if event["type"].startswith("lms.result."))
    held = Counter(row["enrolment_key"] for row in made.rows("select enrolment_key from result"))
    assert about == held, "I5"
    assert set(held.values()) <= {1}, "I5"


def _outcome(made: Installation, ledger: list[dict[str, Any]], announced: Mapping[str, Mapping[str, Any]]) -> Outcome:
    enrolled = {(e["idnumber"], e["course"]): e for e in ledger if e["kind"] == "enrolled"}
    results = made.rows(
        "select result_id, enrolment_key, outcome, passed, grade, completed_at, attempted_on from result"
    )
    return Outcome(
        accounts=frozenset(e["idnumber"] for e in ledger if e["kind"] == "user created"),
        enrolments=frozenset(
            (*pair, e["role"], e["start"], e["end"], bool(e["suspended"])) for pair, e in enrolled.items()
        ),
        results=frozenset(tuple(row.values()) for row in results),
        result_events=frozenset(row["event_id"] for row in made.rows("select event_id from result_event")),
        announced=frozenset(
            (e["type"], e["subject"], event_id if e["type"].startswith("lms.result.") else "")
            for event_id, e in announced.items()
        ),
        failures=frozenset(
            (row["subject_kind"], row["code"])
            for row in made.rows("select subject_kind, code from failure where resolved_at is null")
        ),
    )
