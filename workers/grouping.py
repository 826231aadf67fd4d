"""People into groups, once their enrolment stands: a step of its own, which fails alone (R130, R131, R145)."""

from collections.abc import Iterator
from datetime import timedelta

from db.accounts import ClaimedPlacement, MembershipEnd, Problem
from domain.errors import HoldIntegration, ProvisioningError
from domain.lms import Done, Membership
from domain.recovery import Give, Retry
from workers.refusals import REFUSED_WAIT
from workers.work import Work, concerns_site


class Groups:
    """What is due of the groups of people who are enrolled by now."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def join(self) -> None:
        due = list(self._due())
        if "join" in self._work.refusals:
            for placement, _ in due:
                self._hold_back(placement)
            return
        if not due:
            return
        self._work.renew()
        outcomes = self._work.site.gateway.join([membership for _, membership in due])
        self._work.refusals.notice("join", outcomes)
        for (placement, membership), outcome in zip(due, outcomes, strict=True):
            if isinstance(outcome, Done):
                self._end(MembershipEnd(placement, grouped=membership.group_key))
            else:
                self._fail(placement, outcome.failure)

    def _due(self) -> Iterator[tuple[ClaimedPlacement, Membership]]:
        for account in self._work.open():
            user_id = self._work.users.get(account.account_id)
            for placement in self._work.placements[account.account_id]:
                key = placement.wanted.group_key
                if user_id and placement.lms_course_id and key != (placement.grouped or "") and self._stands(placement):
                    yield placement, Membership(user_id, placement.lms_course_id, key)

    def _stands(self, placement: ClaimedPlacement) -> bool:
        if not placement.wanted.group_key:
            return False
        end = self._work.placement_ends.get(placement.placement_id)
        enrolled_now = end is not None and end.state == "settled"
        return (enrolled_now or placement.group_due) and not placement.wanted.suspended

    def _fail(self, placement: ClaimedPlacement, failure: ProvisioningError) -> None:
        if isinstance(failure, HoldIntegration) and "join" in self._work.refusals:
            self._hold_back(placement)
            return
        if concerns_site(failure):
            self._work.stop = self._work.stop or failure
            self._end(MembershipEnd(placement, wait=timedelta(0), burnt=False))
            return
        match self._work.decide(failure, placement.group_attempts + 1, placement.group_running_for or timedelta(0)):
            case Retry(wait):
                self._end(MembershipEnd(placement, wait=wait))
            case Give(code, detail):
                self._end(MembershipEnd(placement, code=code))
                self._work.problems.append(Problem("membership", str(placement.placement_id), code, detail))

    def _hold_back(self, placement: ClaimedPlacement) -> None:
        self._end(MembershipEnd(placement, wait=REFUSED_WAIT, burnt=False, held_for="join"))

    def _end(self, end: MembershipEnd) -> None:
        self._work.membership_ends[end.placement.placement_id] = end
