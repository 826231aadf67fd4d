"""Whether and when work is tried again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    BudgetSpent,
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    StoreUnavailable,
    TransientFailure,
    UnknownOutcome,
)
from domain.recovery import Decision, Give, Hold, RecoveryPolicy, Retry, after_stop, backoff, decide

POLICY = RecoveryPolicy()
DICE = st.floats(0, 1)
TRANSIENT = [TransientFailure, LmsUnavailable, LmsThrottled, UnknownOutcome, StoreUnavailable]


def decision(failure: BaseException, attempt: int = 1, hours: float = 0, dice: float = 0.5) -> Decision:
    return decide(failure, attempt=attempt, running_for=timedelta(hours=hours), dice=dice, policy=POLICY)


@given(attempt=st.integers(1, 10_000), dice=DICE)
def test_every_wait_lies_between_nothing_and_the_cap(attempt: int, dice: float) -> None:
    """I7: full jitter, also after very many attempts."""
    wait = backoff(attempt, dice=dice, policy=POLICY)

    assert timedelta(0) <= wait <= POLICY.cap


def test_the_bound_doubles_until_the_cap() -> None:
    """I7."""
    bounds = [backoff(attempt, dice=1, policy=POLICY).total_seconds() for attempt in range(1, 12)]

    assert bounds == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]


def test_the_dice_reach_the_whole_range() -> None:
    """D28: what failed together does not return together."""
    assert [backoff(4, dice=dice, policy=POLICY).total_seconds() for dice in (0, 0.25, 1)] == [0, 10, 40]


@pytest.mark.parametrize("family", TRANSIENT)
def test_time_may_heal_a_transient_failure(family: type[TransientFailure]) -> None:
    assert isinstance(decision(family("away")), Retry)


@given(asked=st.integers(1, 3600), dice=DICE)
def test_no_call_before_the_moment_the_other_side_asked_for(asked: int, dice: float) -> None:
    """I7, D18."""
    wait = timedelta(seconds=asked)

    assert decision(LmsThrottled("lms_throttled", retry_after=wait), dice=dice) == Retry(wait, "lms_throttled")


@given(attempt=st.integers(1, 11), dice=DICE)
def test_an_unknown_outcome_is_given_time_to_show(attempt: int, dice: float) -> None:
    """D7."""
    decided = decision(UnknownOutcome("lms_no_answer"), attempt, dice=dice)

    assert isinstance(decided, Retry)
    assert decided.wait >= POLICY.settle_doubt


def test_an_unknown_outcome_waits_as_long_as_asked_when_that_is_longer() -> None:
    """D7, D18."""
    hour = timedelta(hours=1)

    assert decision(UnknownOutcome("lms_server_error", retry_after=hour)) == Retry(hour, "lms_server_error")


@pytest.mark.parametrize(
    ("attempt", "hours", "gives_up"),
    [(11, 0, False), (12, 0, True), (13, 0, True), (1, 23.9, False), (1, 24, True), (12, 24, True)],
)
@pytest.mark.parametrize("family", TRANSIENT)
def test_an_end_to_everything_after_twelve_attempts_or_a_day(
    family: type[TransientFailure], attempt: int, hours: float, gives_up: bool
) -> None:
    """I7, I2: the failure keeps its code and becomes visible."""
    decided = decision(family("away", retry_after=timedelta(seconds=9)), attempt, hours)

    assert isinstance(decided, Give) == gives_up
    assert decided.code == "away"


@given(attempt=st.integers(1, 100), hours=st.floats(0, 100), dice=DICE)
def test_what_time_cannot_heal_is_not_retried(attempt: int, hours: float, dice: float) -> None:
    """R49: the site's refusal holds the integration, a person's fault parks the person, at once and always."""
    hold = decision(HoldIntegration("token_refused", "why"), attempt, hours, dice)
    give = decision(NeedsAttention("email_taken", "who"), attempt, hours, dice)

    assert hold == Hold("token_refused", "why")
    assert give == Give("email_taken", "who")


@pytest.mark.parametrize(
    "bug", [ValueError("noor@example.org"), KeyError("x"), ProvisioningError("x"), KeyboardInterrupt()]
)
def test_everything_else_is_a_bug_and_is_parked_without_its_text(bug: BaseException) -> None:
    """I10: the text of a bug may hold anything."""
    assert decision(bug) == Give("bug", type(bug).__name__)


def test_work_without_calls_to_pay_with_waits_until_there_are_some() -> None:
    """D27."""
    spent = BudgetSpent("calls_spent", "sweep", timedelta(minutes=40))

    assert after_stop(spent) == timedelta(minutes=40)


@pytest.mark.parametrize("family", [LmsThrottled, LmsUnavailable])
def test_other_stops_leave_the_work_due(family: type[TransientFailure]) -> None:
    """I2: the site as a whole rests, and says until when."""
    assert after_stop(family("away", retry_after=timedelta(minutes=40))) == timedelta(0)


@pytest.mark.parametrize("family", [*TRANSIENT, HoldIntegration, NeedsAttention])
def test_a_failure_says_its_code_and_its_detail(family: type[ProvisioningError]) -> None:
    assert str(family("code")) == "code"
    assert str(family("code", "detail")) == "code: detail"
