"""The enrolments of a claimed batch on their way into the LMS: one element per person, course and role."""

from collections import defaultdict
from datetime import timedelta

from db.accounts import ClaimedAccount, ClaimedPlacement, PlacementEnd, Problem
from domain.enrolments import hindrance, merged
from domain.errors import HoldIntegration, NeedsAttention, ProvisioningError, UnknownOutcome
from domain.lms import Done, Failed, LmsEnrolment, Pair
from domain.recovery import Give, Retry
from lms.look_ups import completed_of
from runtime.crashpoints import crashpoint
from workers.refusals import REFUSED_WAIT, concerns_this_call
from workers.work import Work, concerns_site, wanted_of

PUT_OFF = timedelta(minutes=5)


class Enrolments:
    """What is due of the enrolments of people who are in the LMS by now."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def hold_back(self) -> None:
        """Where the site refuses enrolments none is asked for."""
        if "enrol" not in self._work.refusals:
            return
        for account in self._work.open():
            for placement in self._work.placements[account.account_id]:
                if placement.due:
                    self._hold_back(placement)

    def last_look(self) -> None:
        """
        Before an enrolment ends its completion is read, because afterwards the LMS shows none (section 12), and because
        nobody asks for it any more.

        Where results are blocked for want of an outcome the end waits, so that none is lost (R27).
        """
        closing = [
            placement
            for account in self._work.open()
            for placement in self._work.placements[account.account_id]
            if placement.due
            and placement.wanted.ended
            and placement.provisioned
            and not placement.completed
            and placement.lms_course_id is not None
            and account.account_id in self._work.users
        ]
        if not closing:
            return
        if self._work.site.integration.settings.results.unmapped():
            for placement in closing:
                self._put_off(placement)
            return
        pairs = [Pair(self._work.users[p.account_id], p.lms_course_id or "") for p in closing]
        by_unit = self._work.site.integration.settings.by_unit()
        for placement, outcome in zip(
            closing, completed_of(self._work.site.gateway, pairs, by_unit=by_unit), strict=True
        ):
            if isinstance(outcome, Done):
                if outcome.value is not None:
                    self._work.completions[placement.placement_id] = outcome.value
            elif concerns_this_call(outcome.failure, self._work.site.gateway):
                self._put_off(placement)
            elif not isinstance(outcome.failure, NeedsAttention):
                self._fail_placement(placement, outcome.failure)

    def enrol(self) -> None:
        elements: list[LmsEnrolment] = []
        members: list[list[ClaimedPlacement]] = []
        for account in self._work.open():
            user_id = self._work.users.get(account.account_id)
            for course_id, placements in self._courses_due(account).items():
                if user_id is None or course_id is None:
                    continue
                parts = merged(user_id, course_id, [p.wanted for p in placements])
                elements += parts
                members += [placements] * len(parts)
        if not elements:
            return
        self._work.renew()
        crashpoint("enrol.intent_committed")
        crashpoint("enrol.before_http")
        outcomes = self._work.site.gateway.enrol(elements)
        crashpoint("enrol.response_read")
        self._work.refusals.notice("enrol", outcomes)
        for placements, outcome in zip(members, outcomes, strict=True):
            for placement in placements:
                if isinstance(outcome, Failed):
                    self._fail_placement(placement, outcome.failure)
                elif placement.placement_id not in self._work.placement_ends:
                    self._hold_placement(placement)

    def _courses_due(self, account: ClaimedAccount) -> dict[str | None, list[ClaimedPlacement]]:
        """Per course with something due, every placement that shapes this person's enrolment there."""
        courses: dict[str | None, list[ClaimedPlacement]] = defaultdict(list)
        for placement in self._work.placements[account.account_id]:
            if placement.placement_id in self._work.placement_ends:
                continue
            code = hindrance(
                due=placement.due,
                provisioned=placement.provisioned,
                course_id=placement.lms_course_id,
                wanted_if_absent=wanted_of(account).wanted_if_absent,
                too_late=placement.too_late,
            )
            if code in ("person_left", "export_day_missed"):
                self._work.placement_ends[placement.placement_id] = PlacementEnd(placement, "not_wanted", code)
            elif code:
                self._park_placement(placement, code, f"no course has the code {placement.course_code}")
            elif placement.due and placement.wanted.ended and not placement.wanted.suspended:
                self._hold_placement(placement)  # it is left as it is
            elif placement.due or placement.provisioned:
                courses[placement.lms_course_id].append(placement)
        return {course_id: every for course_id, every in courses.items() if any(p.due for p in every)}

    def _hold_placement(self, placement: ClaimedPlacement) -> None:
        self._work.placement_ends[placement.placement_id] = PlacementEnd(placement, "settled", applied=placement.wanted)

    def _put_off(self, placement: ClaimedPlacement) -> None:
        self._work.placement_ends[placement.placement_id] = PlacementEnd(placement, "due", wait=PUT_OFF, burnt=False)

    def _hold_back(self, placement: ClaimedPlacement) -> None:
        self._work.placement_ends[placement.placement_id] = PlacementEnd(
            placement, "due", wait=REFUSED_WAIT, burnt=False, held_for="enrol"
        )

    def _fail_placement(self, placement: ClaimedPlacement, failure: ProvisioningError) -> None:
        if isinstance(failure, HoldIntegration) and "enrol" in self._work.refusals:
            self._hold_back(placement)
            return
        if concerns_site(failure):
            self._work.stop = self._work.stop or failure
            self._work.placement_ends[placement.placement_id] = PlacementEnd(
                placement, "due", wait=timedelta(0), burnt=False
            )
            return
        match self._work.decide(failure, placement.attempts + 1, placement.running_for or timedelta(0)):
            case Retry(wait):
                in_doubt = isinstance(failure, UnknownOutcome)
                self._work.placement_ends[placement.placement_id] = PlacementEnd(
                    placement, "due", wait=wait, in_doubt=in_doubt
                )
            case Give(code, detail):
                self._park_placement(placement, code, detail)

    def _park_placement(self, placement: ClaimedPlacement, code: str, detail: str) -> None:
        self._work.placement_ends[placement.placement_id] = PlacementEnd(placement, "parked", code)
        self._work.problems.append(Problem("placement", str(placement.placement_id), code, detail))
