"""
Everything that may go wrong on purpose, in three families that say what happens next.

    ProvisioningError
      TransientFailure    the service did not answer or asked to slow down: try again later
        LmsUnavailable    the site as a whole is away; nothing is known to have happened
        LmsThrottled      the site asked for fewer calls
          BudgetSpent     we ask ourselves for fewer, so that the site need not
        UnknownOutcome    the call may have taken effect: look before sending again
        StoreUnavailable  Postgres is away
      HoldIntegration     the site refuses us as a whole: quarantine, hold the work
      NeedsAttention      this person, course or setting must change

Anything else that is raised is a bug and is parked at once.
"""

from datetime import timedelta


class ProvisioningError(Exception):
    """A failure with a code from the failure catalogue. The text never holds personal data or tokens."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class TransientFailure(ProvisioningError):
    """Time may heal this. `retry_after` is what the other side asked for, if it did."""

    def __init__(self, code: str, detail: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class LmsUnavailable(TransientFailure):
    """The site did not answer, and nothing of this call can have taken effect."""


class LmsThrottled(TransientFailure):
    """The site asked for fewer calls; nothing of this call took effect."""


class BudgetSpent(LmsThrottled):
    """
    What this work may use of the calls that the site allows us is used up until `retry_after` is over.

    Nothing was sent, nothing is wrong with the site, and no attempt was made.
    """


class UnknownOutcome(TransientFailure):
    """The call was sent and its effect is not known; read back before anything is sent again."""


class StoreUnavailable(TransientFailure):
    """Postgres is away or refuses for now."""


class HoldIntegration(ProvisioningError):
    """The site refuses this integration as a whole; nothing more may be sent until a probe succeeds."""


class NeedsAttention(ProvisioningError):
    """One person, course or setting must change before this can succeed."""
