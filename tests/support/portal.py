"""A workbench on a simulated TalentLMS portal, which counts our calls; time passes for both alike."""

from collections import Counter
from datetime import timedelta
from typing import Any

from db.pool import Pool, transaction
from db.schedule import due_scopes
from simulators.clock import MovableClock
from simulators.talentlms import Settings, TalentSite, talent_site
from tests.support.builders import BY_CODE
from tests.support.workbench import Workbench


class PortalBench(Workbench):
    """
    Args:
        an_hour: Calls that the portal allows.
        wrong_by: Seconds by which the portal's clock is fast.
    """

    def __init__(self, pool: Pool, *, an_hour: int = 100, wrong_by: float = 0, **chosen: Any) -> None:
        self.clock = MovableClock(wrong_by)
        self.site: TalentSite = talent_site(clock=self.clock, courses=3, settings=Settings(calls_per_hour=an_hour))
        super().__init__(pool, self.site, lms="talentlms", enrolments=BY_CODE, **chosen)

    def pass_time(self, **span: float) -> None:
        super().pass_time(**span)
        self.clock.advance(timedelta(**span).total_seconds())

    def work(self, *, seconds: int = 5, rounds: int = 20) -> None:
        """
        What is due is provisioned, and again every few seconds.
        """
        for _ in range(rounds):
            self.provision()
            self.pass_time(seconds=seconds)

    def wake(self) -> timedelta:
        """
        Time passes as far as the scheduler would let it, and what is due then is provisioned; how much time.
        """
        wait = timedelta(seconds=1) if self.is_due() else self.until_due()
        self.pass_time(seconds=wait.total_seconds())
        self.provision()
        return wait

    def drain(self, *, rounds: int = 1000) -> timedelta:
        """
        Everything is done; how long it took.
        """
        took = timedelta(0)
        for _ in range(rounds):
            if not self.column("select exists (select from account where due_at < now() + interval '2 hours')")[0]:
                return took
            took += self.wake()
        raise AssertionError(f"not done after {took}")

    def is_due(self) -> bool:
        """
        Whether the scheduler would wake somebody to provision.
        """
        with transaction(self.pool) as db:
            return bool(due_scopes(db).provision)

    def until_due(self) -> timedelta:
        """
        Until an account is due or the hour is over.
        """
        moments = "select due_at from account where due_at > now() union all select resets_at from call_budget"
        [left] = self.column(f"select min(due_at) - now() from ({moments}) moments where due_at > now()")  # noqa: S608
        return max(timedelta(seconds=1), left or timedelta(0))

    def waiting(self) -> int:
        """
        How many accounts are due.
        """
        return int(self.column("select count(*) from account where due_at <= now()")[0])

    def budget(self) -> dict[str, Any]:
        return self.rows("select * from call_budget")[0]

    def answers(self) -> Counter[int]:
        """
        How many of our calls were answered with each status; asking what is left is none.
        """
        return Counter(call["status"] for call in self.site.ledger.calls() if call["function"] != "ratelimit")

    def asked(self) -> int:
        """
        How often the portal was asked what is left.
        """
        return len(self.site.ledger.calls("ratelimit"))

    def leavers(self) -> list[str]:
        """
        Who was shut out, in order.
        """
        rows = self.rows("select lms_user_id, employee_key from account where lms_user_id is not null")
        keys = {row["lms_user_id"]: row["employee_key"] for row in rows}
        return [keys[str(e["user"])] for e in self.site.ledger.effects("user status set", status="inactive")]
