"""Why it is so: every state has a sentence, and the first thing to fix comes first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.failure_catalogue import describe
from domain.why import (
    AccountFacts,
    IntegrationFacts,
    PersonFactsSeen,
    PlacementFacts,
    Trouble,
    explain_account,
    explain_placement,
)

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
NOOR = PersonFactsSeen("active", False, "NL-02")
ACME = IntegrationFacts("Acme Moodle", "active", None, None)
SETTLED = AccountFacts("settled", None, "7", "created", NOW, None, False, 0, False, False, None, False, (), None)
NEW = replace(SETTLED, state="due", lms_user_id=None, link=None, linked_at=None, due_at=NOW)
ENROLLED = PlacementFacts(
    "EN-1", "C-FIRE", "2", "settled", None, "confirmed", "active", "2026-01-01", None, None, NOW, False, None, (), None
)


def trouble(code: str, detail: str = "") -> Trouble:
    return Trouble(code, detail, 1, NOW)


@pytest.mark.parametrize("account", [NEW, replace(NEW, due_at=LATER)], ids=["due", "put off"])
def test_who_waits_for_calls_is_told_until_when(account: AccountFacts) -> None:
    """D27: and whoever is settled hears nothing of it."""
    spent = replace(ACME, calls_at=LATER)
    waiting = "calls of this hour are used up; its turn comes after 2026-06-01 14:00Z"

    assert explain_account(NOOR, spent, account, NOW).verdict.endswith(waiting)
    assert explain_account(NOOR, spent, SETTLED, NOW).verdict == "The account is as HR wants it."
    due = replace(ENROLLED, state="due", due_at=NOW)
    assert explain_placement(NOOR, spent, SETTLED, due, NOW).verdict.endswith(waiting)


@pytest.mark.parametrize(
    ("account", "verdict"),
    [
        (SETTLED, "The account is as HR wants it."),
        (replace(SETTLED, lms_user_id=None, link=None), "Nothing is to be done."),
        (None, "account: not worked out yet"),
        (NEW, "account: due now: a worker takes it next"),
        (replace(NEW, due_at=LATER, attempts=3), "account: waits until 2026-06-01 14:00Z, tried 3 times"),
        (replace(NEW, busy=True), "account: a worker is at it right now"),
        (replace(SETTLED, state="parked", code="email_taken"), f"account: parked. {describe('email_taken').title}"),
        (replace(NEW, state="waiting", code="not_enrolled"), f"account: waiting. {describe('not_enrolled').title}"),
        (
            replace(SETTLED, state="out_of_scope", code="payroll_not_selected"),
            f"account: out of scope. {describe('payroll_not_selected').title}",
        ),
        (replace(SETTLED, state="staged", code="mass_suspension", guard_id=4), "account: suspension staged by guard 4"),
        (replace(SETTLED, state="other"), "account: in a state this release does not know: other"),
    ],
    ids=lambda value: getattr(value, "state", None),
)
def test_every_state_of_an_account_has_a_sentence(account: AccountFacts | None, verdict: str) -> None:
    assert explain_account(NOOR, ACME, account, NOW).verdict.startswith(verdict)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "The enrolment is as HR wants it."),
        ({"state": "due", "due_at": NOW}, "enrolment: due now"),
        ({"state": "due", "due_at": LATER}, "enrolment: waits until 2026-06-01 14:00Z"),
        ({"state": "parked", "code": "course_not_found"}, f"enrolment: parked. {describe('course_not_found').title}"),
        ({"state": "not_wanted", "code": "withdrawn"}, f"enrolment: not wanted. {describe('withdrawn').title}"),
        ({"state": "other"}, "enrolment: in a state this release does not know: other"),
    ],
)
def test_every_state_of_an_enrolment_has_a_sentence(changes: dict[str, Any], verdict: str) -> None:
    said = explain_placement(NOOR, ACME, SETTLED, replace(ENROLLED, **changes), NOW)

    assert said.verdict.startswith(verdict)


def test_an_enrolment_whose_event_was_not_applied_has_a_sentence() -> None:
    assert explain_placement(NOOR, ACME, SETTLED, None, NOW).verdict.startswith("enrolment: not worked out yet")


@pytest.mark.parametrize(
    ("person", "integration", "verdict"),
    [
        (replace(NOOR, status=None), ACME, "known to HR: no"),
        (replace(NOOR, bad_events=(trouble("bad_field", "data.emails"),)), ACME, "event refused: "),
        (NOOR, replace(ACME, state="paused"), "integration: paused: nothing is sent"),
        (NOOR, replace(ACME, state="draft"), "integration: draft: nothing is sent"),
        (NOOR, replace(ACME, state="removed"), "integration: removed: nothing is sent"),
        (NOOR, replace(ACME, state="quarantined", hold_code="token_refused"), "integration: held. "),
        (NOOR, replace(ACME, resume_at=LATER), "integration: the LMS is left in peace until 2026-06-01 14:00Z"),
    ],
)
def test_what_comes_first_on_the_way_is_fixed_first(
    person: PersonFactsSeen, integration: IntegrationFacts, verdict: str
) -> None:
    """R77: an account that is due says little while the integration is held."""
    assert explain_account(person, integration, NEW, NOW).verdict.startswith(verdict)


def test_what_stops_goes_before_what_waits() -> None:
    """The site's peace ends by itself; the parked account does not."""
    parked = replace(SETTLED, state="parked", code="several_candidates", trouble=trouble("several_candidates", "4, 5"))

    said = explain_account(NOOR, replace(ACME, resume_at=LATER), parked, NOW)

    assert said.verdict.startswith("account: parked. ")
    assert "4, 5" in said.verdict
    assert describe("several_candidates").fix in said.verdict
    assert describe("several_candidates").owner in said.verdict


@pytest.mark.parametrize(
    ("link", "how"),
    [
        ("created", "made by us"),
        ("external_key", "found by id number"),
        ("email", "found by e-mail address"),
        ("username", "found by user name"),
        ("given", "linked by hand"),
    ],
)
def test_how_somebody_was_linked_is_said(link: str, how: str) -> None:
    (line,) = [
        c for c in explain_account(NOOR, ACME, replace(SETTLED, link=link), NOW).conditions if c.name == "LMS user"
    ]

    assert line.value == f"7, {how} since 2026-06-01"


def test_a_last_failure_that_is_being_retried_is_told_with_cause_owner_and_fix() -> None:
    waiting = replace(NEW, due_at=LATER, trouble=trouble("lms_no_answer"))

    (line,) = [c for c in explain_account(NOOR, ACME, waiting, NOW).conditions if c.name == "last failure"]

    entry = describe("lms_no_answer")
    assert all(words in line.value for words in (entry.cause, entry.owner, entry.fix, "2026-06-01 12:00Z"))


def test_a_decision_to_keep_somebody_active_is_told() -> None:
    """F8."""
    kept = replace(SETTLED, wants_suspended=True, kept_active=True)

    (line,) = [c for c in explain_account(NOOR, ACME, kept, NOW).conditions if c.name == "suspension"]

    assert (
        line.value == "HR wants suspended, the LMS holds active; kept active by a decision until HR says something new"
    )


def test_booking_dates_course_and_result_of_an_enrolment_are_told() -> None:
    done = replace(ENROLLED, completed=True, result="C")

    lines = {c.name: c.value for c in explain_placement(NOOR, ACME, SETTLED, done, NOW).conditions}

    assert lines["booking"] == "confirmed, active"
    assert lines["dates"] == "from 2026-01-01 to always"
    assert lines["course"] == "C-FIRE, LMS course 2"
    assert lines["enrolment"] == "in the LMS since 2026-06-01 12:00Z"
    assert lines["result"] == "C"


def test_what_was_changed_by_hand_is_the_first_thing_to_decide_about_when_all_else_is_well() -> None:
    changed = replace(SETTLED, changed=("email", "last_name"))
    said = explain_account(NOOR, ACME, changed, NOW)

    assert said.verdict.startswith("changed in the LMS by hand: email, last_name; `matricula drift list`")
    held = replace(ACME, state="paused")
    assert explain_account(NOOR, held, changed, NOW).verdict.startswith("integration: paused")
    dates = replace(ENROLLED, changed=("enrolment.ends_on",))
    verdict = explain_placement(NOOR, ACME, SETTLED, dates, NOW).verdict
    assert verdict.startswith("changed in the LMS by hand: enrolment.ends_on")
