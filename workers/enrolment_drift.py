"""
Drift of enrolments: courses one by one for who is in them, then dates, page by page of a report that tells them.

No function of Moodle reads an enrolment back. A list of participants tells roles and who is active now, a report the
dates; each settles what it tells and leaves alone what the other one found.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from db.accounts import Integration
from db.findings import FindingStore, Known, Subject
from db.pool import Db, Pool, transaction
from db.scans import Enrolled, ScanStore, Turn
from domain.drift import (
    DATES,
    ROLE,
    SUSPENDED,
    WHOLE,
    Decided,
    Found,
    Span,
    compare_dates,
    compare_enrolment,
    credible,
    decide_enrolment,
    ghost,
)
from domain.errors import NeedsAttention
from domain.lms import LmsGateway, Participant, SpanPage
from domain.syncing import Position, Tally
from workers.drift import NOTHING, Noted, Step, no_step
from workers.site import Site

TOLD_BY_COURSE = (WHOLE, ROLE, SUSPENDED)


def read_course(site: Site, pool: Pool, turn: Turn) -> Step:
    """
    Who is in the next course. One that cannot be read costs only itself.

    Raises:
        NeedsAttention: The token may not ask for participants at all.
        ProvisioningError: The site does not answer.
    """
    with transaction(pool) as db:
        store = ScanStore(db, site.integration.integration_id)
        course_id = store.next_course(turn.position.after)
        ours = store.enrolments_in(course_id) if course_id else []
    if course_id is None:
        return no_step(Position(part="dates") if site.integration.settings.results.report else None)
    following = Position(part="courses", after=course_id)
    try:
        seen, calls = _participants(site.gateway, course_id)
    except NeedsAttention as failure:
        if failure.code == "participants_unreadable":
            raise
        return Step(following, 1, partial(_count_unread, len(ours), failure.code))
    return Step(following, calls, partial(_record_course, site.integration, turn, course_id, ours, seen))


def _count_unread(enrolments: int, code: str, _: Db) -> Tally:
    tally = Tally()
    tally.fail(code, enrolments)
    return tally


Seen = Mapping[str, tuple[Participant, bool]]
"""The participants of a course by user id, and whether their enrolment is active."""


def _participants(gateway: LmsGateway, course_id: str) -> tuple[Seen, int]:
    seen: dict[str, tuple[Participant, bool]] = {}
    calls = 0
    for active in (False, True):
        last = False
        page = 0
        while not last:
            answer = gateway.participants(course_id, page, active=active)
            seen |= {one.user_id: (one, active) for one in answer.participants}
            last, page, calls = answer.last, page + 1, calls + 1
    return seen, calls


def _record_course(
    integration: Integration, turn: Turn, course_id: str, ours: Sequence[Enrolled], seen: Seen, db: Db
) -> Tally:
    comparable = [one for one in ours if one.ours]
    if not credible(len(comparable), sum(one.user_id in seen for one in comparable)):
        return _count_unread(len(ours), "nobody_found", db)
    known = FindingStore(db, integration.integration_id).in_course(course_id)
    found = {one: _compare(one, seen, turn) for one in comparable}
    book = _Book(db, integration, known, TOLD_BY_COURSE)
    book.enter(found)
    book.tally.skip("under_way", len(ours) - len(comparable))
    strangers = seen.keys() - {one.user_id for one in ours}
    expected = book.enter_strangers(course_id, [seen[user_id][0] for user_id in sorted(strangers)])
    looked_at = {*(_subject_id(one.user_id, course_id) for one in ours), *expected}
    book.forget(known.keys() - looked_at)
    book.keep()
    return book.tally


def _compare(enrolled: Enrolled, seen: Seen, turn: Turn) -> list[Found]:
    participant, active = seen.get(enrolled.user_id, (None, False))
    roles = None if participant is None else participant.roles
    return compare_enrolment(enrolled.ours, roles, active=active, now=turn.now)


def _subject_id(user_id: str, course_id: str) -> str:
    return f"{user_id}/{course_id}"


class _Book:
    """What a reading makes of enrolments."""

    def __init__(self, db: Db, integration: Integration, known: Known, told: Collection[str]) -> None:
        self._db = db
        self._integration = integration
        self._settings = integration.settings.drift
        self._store = ScanStore(db, integration.integration_id)
        self._known = known
        self._told = told
        self._noted = Noted()
        self._put_back: list[tuple[int, str]] = []
        self.tally = Tally()

    def enter(self, found: Mapping[Enrolled, Sequence[Found]]) -> None:
        """Enrolments of ours, each with what was found about it."""
        before = {one: self._known.get(_subject_id(one.user_id, one.course_id), NOTHING) for one in found}
        concerned = [one for one in found if found[one] or before[one]]
        unchanged = self._store.still_at_rest(concerned)
        for one, differences in found.items():
            if (differences or before[one]) and one.account_id not in unchanged:
                self.tally.skip("under_way")
                continue
            decided = decide_enrolment(differences, self._settings, before[one], told=self._told)
            subject_id = _subject_id(one.user_id, one.course_id)
            subject = Subject("enrolment", subject_id, one.employee_key, one.user_id, one.course_id)
            self._noted.note(subject, decided, before[one], self._told)
            if any(each.state == "put_back" for each in decided):
                self._put_back.append((one.account_id, one.course_id))
            self._count(decided)

    def enter_strangers(self, course_id: str, participants: Sequence[Participant]) -> set[str]:
        """Participants that HR has not asked for; the subjects of those who are just being enrolled come back."""
        settings = self._integration.settings
        owners = self._store.owners(course_id, [one.user_id for one in participants])
        expected = set()
        for one in participants:
            subject_id, owner = _subject_id(one.user_id, course_id), owners.get(one.user_id)
            found = ghost(one.external_key, one.roles, (settings.role("learner"), settings.role("tutor")))
            if owner and owner.expected:
                expected.add(subject_id)
            elif found:
                before = self._known.get(subject_id, NOTHING)
                decided = decide_enrolment([found], self._settings, before, told=self._told)
                employee_key = owner.employee_key if owner else None
                subject = Subject("enrolment", subject_id, employee_key, one.user_id, course_id)
                self._noted.note(subject, decided, before, self._told)
                self.tally.reasons["unknown"] += 1
                expected.add(subject_id)
        return expected

    def forget(self, subject_ids: Iterable[str]) -> None:
        """What was known of these is over, as far as this reading tells."""
        self._noted.over += [
            standing.finding_id
            for subject_id in subject_ids
            for name, standing in self._known[subject_id].items()
            if name in self._told
        ]

    def keep(self) -> None:
        self._noted.keep(self._db, self._integration)
        self._store.put_back_enrolments(self._put_back)

    def _count(self, decided: Sequence[Decided]) -> None:
        states = {one.state for one in decided}
        if "put_back" in states:
            self.tally.updated += 1
        elif "open" in states:
            missing = any(one.found.kind == "missing" for one in decided)
            self.tally.fail("enrolment_gone") if missing else self.tally.skip("changed_by_hand")
        else:
            self.tally.skip("accepted" if states else "unchanged")


def read_dates(site: Site, pool: Pool, turn: Turn) -> Step:
    """
    The dates of the enrolments on the next page of the report that results are read from.

    Raises:
        ProvisioningError: The site does not answer, or not the report.
    """
    del pool
    report, number = site.integration.settings.results.report, int(turn.position.after)
    page = site.gateway.report_spans(report, number) if report else None
    if page is None:
        return Step(None, 1 if report else 0, no_step().record)
    following = None if page.last else Position(part="dates", after=str(number + 1))
    return Step(following, 1, partial(_record_dates, site.integration, page))


def _record_dates(integration: Integration, page: SpanPage, db: Db) -> Tally:
    """The enrolments themselves were counted with their courses."""
    held: dict[tuple[str, str], set[Span]] = defaultdict(set)
    for span in page.spans:
        held[span.external_key, span.course_code].add((span.starts_at, span.ends_at))
    names = list(held)
    enrolled = ScanStore(db, integration.integration_id).enrolments_named(names)
    found = {one: compare_dates(one.ours[0], held[names[place]]) for place, one in enrolled if one.ours}
    subjects = [_subject_id(one.user_id, one.course_id) for one in found]
    known = FindingStore(db, integration.integration_id).of("enrolment", subjects)
    concerned = {one: differences for one, differences in found.items() if differences or _has_dates(one, known)}
    book = _Book(db, integration, known, (DATES,))
    book.enter(concerned)
    book.keep()
    tally = Tally()
    tally.reasons["dates_changed"] = sum(map(bool, concerned.values()))
    return tally


def _has_dates(one: Enrolled, known: Known) -> bool:
    return DATES in known.get(_subject_id(one.user_id, one.course_id), NOTHING)
