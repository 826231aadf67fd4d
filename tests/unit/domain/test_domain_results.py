"""How a completion becomes a result, once, and how it is announced."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.announcements import account_linked, enrolment_provisioned, result_recorded
from domain.integration import Results
from domain.lms import Completion
from domain.results import Current, Found, stable_id
from tests.unit.domain.decisions import TODAY, as_current, completion, current, decided, recorded
from tests.unit.domain.values import NOON, results

COMPLETIONS = st.builds(
    completion,
    st.none() | st.integers(0, 10**6).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    st.none() | st.integers(0, 100).map(str),
)
SETTINGS = st.builds(
    results, pass_grade=st.none() | st.integers(0, 100), attempted_on=st.sampled_from(["sync", "completion"])
)


@given(found=COMPLETIONS)
def test_without_a_stated_basis_no_completion_is_a_fail(found: Completion) -> None:
    """R61: only what is complete comes here, and nothing but a grade below the pass grade says fail."""
    result = recorded(found)

    assert (result.outcome, result.passed) == ("C", True)
    assert result.evidence["rule"] == "completion"


def test_a_completion_without_a_grade_is_never_a_fail() -> None:
    """R61: an absent grade is no grade of nought."""
    assert recorded(completion(grade=None), results(pass_grade=50)).passed


@pytest.mark.parametrize(
    ("grade", "outcome"), [("49.99", "NYC"), ("50", "C"), ("50.00", "C"), ("100", "C"), ("0", "NYC")]
)
def test_with_a_pass_grade_the_grade_decides(grade: str, outcome: str) -> None:
    """R24, R25, R61, R85: the integration's own items of HR's pick-list."""
    result = recorded(completion(grade=grade), results(pass_grade=50))

    assert (result.outcome, result.passed) == (outcome, outcome == "C")
    assert (result.evidence["source"], result.evidence["rule"]) == ("report", "completion and grade")


def test_two_integrations_may_use_different_items() -> None:
    """R24, R25."""
    other = results(outcomes=[{"code": "G"}, {"code": "NG"}], pass_outcome="G", fail_outcome="NG")

    assert (recorded(completion()).outcome, recorded(completion(), other).outcome) == ("C", "G")


@given(found=COMPLETIONS, settings=SETTINGS)
def test_the_same_completion_twice_is_one_result(found: Completion, settings: Results) -> None:
    """I5, R150: the second poll finds nothing new."""
    first = recorded(found, settings)

    assert decided(found, settings, as_current(first)) is None


def test_the_same_completion_read_in_minutes_and_in_seconds_is_one_result() -> None:
    """I5: a report shows minutes, the question about one person seconds."""
    exact = completion(NOON + timedelta(seconds=37))
    first = recorded(exact)

    assert decided(completion(NOON), held=as_current(first)) is None
    assert recorded(completion(NOON)).event_id == first.event_id


@pytest.mark.parametrize(
    ("held", "kind"),
    [
        (None, "recorded"),
        (current(completed_at=NOON - timedelta(days=1)), "corrected"),
        (current(completed_at=None), "corrected"),
        (current("NYC", grade="40"), "corrected"),
    ],
)
def test_another_date_or_outcome_corrects_the_result(held: Current | None, kind: str) -> None:
    """R150, G5: and a correction names the event that it corrects."""
    result = recorded(completion(), held=held)

    assert (result.kind, result.corrects) == (kind, held and "event-0")


def test_a_grade_that_changes_no_outcome_corrects_nothing() -> None:
    """G6."""
    settings = results(pass_grade=50)

    assert decided(completion(grade="80"), settings, current(grade="60")) is None
    assert recorded(completion(grade="40"), settings, current(grade="60")).outcome == "NYC"


@pytest.mark.parametrize("attempts", ["first", "latest", "best"])
@pytest.mark.parametrize(("before", "after"), [("NYC", 30), ("C", 50)])
def test_a_new_rule_does_not_rewrite_the_past(attempts: str, before: str, after: int) -> None:
    """G7: the same completion with the same grade stays what it was, whether it would pass now or fail."""
    chosen = results(pass_grade=after, attempts=attempts)

    assert decided(completion(grade="40"), chosen, current(before, grade="40")) is None
    assert decided(completion(grade="40"), chosen) is not None


@given(found=COMPLETIONS, settings=SETTINGS)
def test_ids_follow_from_the_content(found: Completion, settings: Results) -> None:
    """I5: a second write, wherever it comes from, is the same one."""
    one, again = recorded(found, settings), recorded(found, settings, today=TODAY + timedelta(days=9))

    assert (one.result_id, one.event_id, one.completion_key) == (again.result_id, again.event_id, again.completion_key)


def test_ids_tell_integrations_enrolments_dates_and_outcomes_apart() -> None:
    """I5."""
    different = [
        recorded(completion()),
        recorded(completion(), integration_id=2),
        recorded(completion(), enrolment_key="EN-2"),
        recorded(completion(NOON + timedelta(minutes=1))),
        recorded(completion(None)),
        recorded(completion(grade="1"), results(pass_grade=2)),
        recorded(Found(completion(), "U1")),
        recorded(Found(completion(), "U2")),
    ]

    assert len({result.event_id for result in different}) == 8
    assert len({result.result_id for result in different}) == 5


def test_a_code_written_otherwise_is_the_same_unit() -> None:
    """R148, I5: HR correcting its spelling makes no second result."""
    assert recorded(Found(completion(), "icta1")).result_id == recorded(Found(completion(), "ICTA1")).result_id


def test_parts_of_an_id_cannot_run_into_each_other() -> None:
    assert stable_id("ab", "c") != stable_id("a", "bc")


def test_the_date_of_attempt_is_the_day_of_the_sync_unless_chosen_otherwise() -> None:
    """R60: both are kept, one is mapped."""
    assert recorded(completion()).attempted_on == TODAY
    assert recorded(completion(), results(attempted_on="completion")).attempted_on == NOON.date()
    assert recorded(completion(), results(attempted_on="completion")).completed_at == NOON


def test_an_undated_completion_was_attempted_on_the_day_of_the_sync() -> None:
    """R59, R60: HR demands a day."""
    result = recorded(completion(None), results(attempted_on="completion"))

    assert (result.attempted_on, result.completed_at) == (TODAY, None)


def test_the_integrations_time_zone_decides_the_day_of_attempt() -> None:
    """R59, R60: late in the evening is tomorrow further east."""
    late = completion(datetime(2026, 6, 1, 22, 30, tzinfo=UTC))

    result = recorded(late, results(attempted_on="completion"), zone="Europe/Amsterdam")

    assert result.attempted_on == date(2026, 6, 2)


@pytest.mark.parametrize(
    ("pick_list", "missing"),
    [
        ([{"code": "C"}, {"code": "NYC"}], ()),
        ([{"code": "C"}], ("NYC",)),
        ([{"code": "c"}, {"code": "NYC"}], ("C",)),
        ([], ("C", "NYC")),
    ],
)
def test_outcomes_that_the_pick_list_lost_are_named(pick_list: list[dict[str, str]], missing: tuple[str, ...]) -> None:
    """R27: so that results wait instead of being written wrong."""
    assert results(outcomes=pick_list).unmapped() == missing


# Announcements


def test_a_result_is_announced_with_all_that_hr_needs() -> None:
    """I5, R60: an envelope of our own, with the result's own id."""
    result = recorded(completion(grade="88.50"))

    told = result_recorded(
        result,
        tenant="acme",
        integration="Acme Moodle",
        employee_key="E-1002",
        enrolment_key="EN-1",
        course_code="ICT30120-A",
        at=NOON,
    )

    event = json.loads(told.body)
    assert (told.event_id, event["id"]) == (result.event_id, result.event_id)
    assert (event["type"], event["subject"], event["source"]) == ("lms.result.recorded.v1", "EN-1", "/matricula/acme")
    assert event["data"]["grade"] == "88.50"
    assert event["data"]["completed_at"] == "2026-06-01T12:00:00+00:00"
    assert (event["data"]["attempted_on"], event["data"]["synced_at"]) == ("2026-06-03", "2026-06-01T12:00:00+00:00")
    assert (event["data"]["unit_code"], event["data"]["corrects"]) == (None, None)


def test_what_is_told_again_has_the_same_id_and_another_thing_has_another() -> None:
    """I5: the outbox keeps the first, whenever the second is written."""
    link: Any = {
        "tenant": "acme",
        "integration": "Acme Moodle",
        "employee_key": "E-1002",
        "how": "created",
        "previous_id": "ZX81",
    }
    place: Any = {
        "tenant": "acme",
        "integration": "Acme Moodle",
        "employee_key": "E-1002",
        "enrolment_key": "EN-1",
        "lms_course_id": "3",
        "group_key": "77eD",
    }
    first = account_linked(**link, lms_user_id="7", at=NOON)
    again = account_linked(**link, lms_user_id="7", at=NOON + timedelta(hours=1))
    other = account_linked(**link, lms_user_id="8", at=NOON)
    provisioned = enrolment_provisioned(1, **place, at=NOON)
    provisioned_again = enrolment_provisioned(2, **place, at=NOON)

    assert first.event_id == again.event_id
    assert len({first.event_id, other.event_id, provisioned.event_id, provisioned_again.event_id}) == 4
    assert json.loads(first.body)["data"]["previous_id"] == "ZX81"
    assert json.loads(provisioned.body)["data"]["text"] == "Enrolled in course 3, group 77eD of Acme Moodle"
    assert json.loads(provisioned.body)["data"]["provisioned_at"] == "2026-06-01T12:00:00+00:00"


def test_a_correction_back_to_the_first_outcome_is_told_too() -> None:
    """G6, I5: competent, not yet, competent again on the same day are three announcements."""
    settings = results(pass_grade="50")
    first = recorded(completion(grade="80"), settings)
    second = recorded(completion(grade="40"), settings, as_current(first))
    third = recorded(completion(grade="80"), settings, as_current(second))

    assert [first.outcome, second.outcome, third.outcome] == ["C", "NYC", "C"]
    assert len({first.event_id, second.event_id, third.event_id}) == 3
