"""Whether and when work is tried again after a failure. Pure: the caller brings the clock and the dice."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from domain.errors import (
    BudgetSpent,
    HoldIntegration,
    NeedsAttention,
    ProvisioningError,
    TransientFailure,
    UnknownOutcome,
)
from domain.fingerprints import whereabouts

Operation = Literal["create_users", "update_users", "enrol", "join"]
"""What a site may refuse by itself, while everything else goes on (E3)."""
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

NOT_THIS_CALL = frozenset({"access_refused", "right_missing", "function_missing"})
"""
How a site refuses a call that its service lacks, or that its account may not make (contract, section 1.3). The first is
also how it refuses us as a whole; only another call tells the two apart.
"""


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """Numbers to start from: reliability over speed, and an end to everything."""

    base: timedelta = timedelta(seconds=5)
    cap: timedelta = timedelta(minutes=30)
    give_up_after: timedelta = timedelta(hours=24)
    max_attempts: int = 12
    settle_doubt: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Retry:
    """Due again after `wait`."""

    wait: timedelta
    code: str


@dataclass(frozen=True, slots=True)
class Give:
    """A person must act; the failure stays visible under `code`."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The whole integration stops until a probe succeeds."""

    code: str
    detail: str


Decision = Retry | Give | Hold


def decide(
    failure: BaseException, *, attempt: int, running_for: timedelta, dice: float, policy: RecoveryPolicy
) -> Decision:
    """
    Choose what happens to a piece of work after a failed attempt.

    Args:
        attempt: Starts so far, counting the one that failed; the first is 1.
        running_for: Time since the first of those starts.
        dice: A number from 0 to 1 that spreads the waits, so that work that failed together does not return together.
    """
    match failure:
        case HoldIntegration():
            return Hold(failure.code, failure.detail)
        case NeedsAttention():
            return Give(failure.code, failure.detail)
        case TransientFailure() if attempt >= policy.max_attempts or running_for >= policy.give_up_after:
            return Give(failure.code, f"given up after {attempt} attempts")
        case TransientFailure():
            wait = failure.retry_after or backoff(attempt, dice=dice, policy=policy)
            if isinstance(failure, UnknownOutcome):
                wait = max(wait, policy.settle_doubt)
            return Retry(wait, failure.code)
        case _:
            return Give("bug", whereabouts(failure))


def backoff(attempt: int, *, dice: float, policy: RecoveryPolicy) -> timedelta:
    """Full jitter: anywhere between nothing and the doubling bound, and never past the cap."""
    bound: timedelta = min(policy.cap, policy.base * (1 << min(attempt - 1, 30)))
    return bound * dice


def after_stop(stop: ProvisioningError) -> timedelta:
    """
    How long work waits that was begun, and not done because something stopped us as a whole: until there are calls for
    it, where those were what it lacked. Otherwise not at all, since it goes on when the site lets us.
    """
    return stop.retry_after or timedelta(0) if isinstance(stop, BudgetSpent) else timedelta(0)
