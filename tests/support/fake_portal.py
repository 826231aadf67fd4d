"""
The second LMS in memory: a portal whose results are read unit by unit, and which counts calls.

As the first fake, with what a portal does otherwise; the conformance suites hold it to that.

    lms = FakePortal(courses=lms_courses(), units={"2": (CourseUnit("21", "U1 Read"), CourseUnit("22", "U2 Test"))})
    lms.complete_unit("101", "2", "21", at=NOON, score=Decimal(80))
    lms.grade("101", "2", "21", Decimal(90), at=NOON)       # no mark moves
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.errors import NeedsAttention
from domain.lms import (
    Allowance,
    Completion,
    CourseUnit,
    LmsCourse,
    LmsEnrolment,
    LmsField,
    LmsUser,
    Mark,
    Membership,
    Outcome,
    Pair,
    ParticipantPage,
    Regraded,
    ReportPage,
    Roster,
    SeenFields,
    Site,
    SpanPage,
    Standing,
    UnitState,
)
from tests.support.fake_lms import FakeLms

ENROLLED = datetime(2026, 3, 1, tzinfo=UTC)
ONE_UNIT = (CourseUnit("1", "U1 Everything"),)


class FakePortal(FakeLms):
    """
    Implements `domain.lms.UnitGateway`.

    `units` are those of a course, by its id; a course without has one. Groups are the portal's, whatever the course.
    `limit` calls are allowed; counting them stops nobody.
    """

    taken = ("username_taken", "email_taken")
    shows_checkboxes = False
    limit = 2000

    def __init__(
        self,
        users: Iterable[LmsUser] = (),
        courses: Iterable[LmsCourse] = (),
        profile: Iterable[LmsField] = (),
        units: Mapping[str, Sequence[CourseUnit]] | None = None,
    ) -> None:
        super().__init__(users, courses, profile)
        self.units = dict(units or {})
        self.states: dict[Pair, dict[str, UnitState]] = {}
        self.news: list[tuple[datetime, str]] = []

    # What happens there

    def complete(self, user_id: str, course_id: str, completion: Completion) -> None:
        super().complete(user_id, course_id, replace(completion, grade=None))
        for unit in self._units(course_id):
            self.complete_unit(user_id, course_id, unit.unit_id, completion.completed_at or ENROLLED)

    def complete_unit(
        self, user_id: str, course_id: str, unit_id: str, at: datetime, score: Decimal | None = None
    ) -> None:
        """The unit is done; the last one completes the course."""
        pair, name = Pair(user_id, course_id), self._unit(course_id, unit_id).name
        self.states.setdefault(pair, {})[unit_id] = UnitState(unit_id, name, "Completed", True, at, score)
        if len(self.states[pair]) == len(self._units(course_id)):
            self.completed.setdefault(pair, Completion(at, None, {}))

    def grade(self, user_id: str, course_id: str, unit_id: str, score: Decimal, at: datetime) -> None:
        """A unit that is done gets another score; only the news tell."""
        states = self.states[Pair(user_id, course_id)]
        states[unit_id] = replace(states[unit_id], score=score)
        self.news.append((at, user_id))

    # The port

    def site(self) -> Site:
        return replace(super().site(), user_id="")

    def roster(self, course_id: str) -> Roster:
        self._read("roster", [course_id])
        if course_id not in {course.course_id for course in self.all_courses}:
            raise NeedsAttention("course_unknown")
        members = {pair.user_id: self._mark(pair) for pair in self.enrolments if pair.course_id == course_id}
        return Roster(course_id, self._units(course_id), members)

    def marks(self, user_id: str) -> dict[str, Mark]:
        self._read("marks", [user_id])
        self._user(user_id)
        return {pair.course_id: self._mark(pair) for pair in self.enrolments if pair.user_id == user_id}

    def standings(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Standing | None]]:
        return self._write("standings", pairs, self._standing)

    def regraded(self, since: datetime | None) -> Regraded:
        self._read("regraded", [since])
        fresh = {user_id for at, user_id in self.news if since is None or at > since}
        newest = max([*([since] if since else []), *(at for at, _ in self.news)], default=None)
        return Regraded(frozenset(fresh), newest, complete=True)

    def allowance(self) -> Allowance:
        spent = sum(items for method, items in self.calls)
        return Allowance(self.limit, self.limit - spent, ENROLLED + timedelta(hours=1))

    def fields(self, user_ids: Sequence[str]) -> SeenFields:
        self._read("fields", user_ids)
        return SeenFields(list(self.profile.values()), [])

    def report_page(self, report_id: str, page: int) -> ReportPage:
        self._read("report_page", [report_id, page])
        raise NeedsAttention("report_unknown")

    def report_spans(self, report_id: str, page: int) -> SpanPage | None:
        self._read("report_spans", [report_id, page])
        raise NeedsAttention("report_unknown")

    def participants(self, course_id: str, page: int, *, active: bool) -> ParticipantPage:
        found = super().participants(course_id, page, active=active)
        return replace(found, participants=[replace(one, external_key="") for one in found.participants])

    # What the first fake does otherwise

    def _enrol(self, enrolment: LmsEnrolment) -> None:
        super()._enrol(enrolment)
        if enrolment.suspended:
            del self.enrolments[Pair(enrolment.user_id, enrolment.course_id)]

    def _join(self, membership: Membership) -> None:
        course_id = next((course for course, key in self.groups if key == membership.group_key), "")
        self._enter(replace(membership, course_id=course_id))

    def _standing(self, pair: Pair) -> Standing | None:
        self._user(pair.user_id)
        if pair not in self.enrolments:
            return None
        units = [self._state(pair, unit) for unit in self._units(pair.course_id)]
        return Standing(self._mark(pair), pair in self.completed, units)

    def _state(self, pair: Pair, unit: CourseUnit) -> UnitState:
        fresh = UnitState(unit.unit_id, unit.name, "Not attempted", False, None, None)
        return self.states.get(pair, {}).get(unit.unit_id, fresh)

    def _mark(self, pair: Pair) -> Mark:
        done = self.states.get(pair, {})
        completed = self.completed.get(pair)
        share = 100 * len(done) // len(self._units(pair.course_id))
        return Mark(share, ENROLLED, completed.completed_at if completed else None, None, 60 * len(done))

    def _units(self, course_id: str) -> Sequence[CourseUnit]:
        return self.units.get(course_id, ONE_UNIT)

    def _unit(self, course_id: str, unit_id: str) -> CourseUnit:
        return next(unit for unit in self._units(course_id) if unit.unit_id == unit_id)
