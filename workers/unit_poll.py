"""
Results read unit by unit: a look at everybody's marks, and units only of those who have moved (contract, section 9).

A mark is saved with the results that were read after it, so that a pass which breaks off anywhere reads the rest.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from db.accounts import Integration, Problem, WorkStore
from db.marks import MarkStore, Member
from db.pool import Db, Pool, transaction
from db.results import Cursor
from domain.errors import ProvisioningError
from domain.lms import Done, Failed, Mark, Outcome, Pair, Standing
from domain.polling import REREAD_NOT_BEFORE, Run, first_unit_step, is_doubtful, moved, reread_share
from domain.syncing import Tally
from workers.completions import record_completions
from workers.site import Site
from workers.work import raise_for_site, site_trouble

log = structlog.get_logger()

T = TypeVar("T")
Read = Sequence[tuple[Pair, Outcome[Standing | None]]]

PAIRS_AT_ONCE = 25
PEOPLE_AT_ONCE = 25


class Keep(Protocol):
    """What was read is recorded, and the cursor moves with it, to `following` or to the end of the pass."""

    def __call__(self, run: Run, following: Run | None, record: Callable[[Db], T]) -> T: ...


def begin_units(db: Db, integration: Integration, cursor: Cursor) -> Run:
    """A new pass. What is to be read again although it may not have moved, loses its mark."""
    marks = MarkStore(db, integration.integration_id)
    scope = marks.scope()
    marks.read_held_again()
    since = None if cursor.polled_at is None else cursor.now - cursor.polled_at
    marks.read_oldest_again(reread_share(scope.pairs, since), not_before=REREAD_NOT_BEFORE)
    settings = integration.settings.results
    run = first_unit_step(settings, scope, full_at=cursor.full_at, regraded_at=cursor.regraded_at, now=cursor.now)
    log.info(
        "pass begun",
        integration_id=integration.integration_id,
        plan=run.plan,
        whole=run.whole,
        courses=scope.courses,
        people=scope.people,
        read_before=scope.pairs,
    )
    return run


@dataclass(slots=True)
class _Look:
    """One reading of marks: whose results count, what was seen of them, and who is still to be read unit by unit."""

    members: Sequence[Member]
    seen: dict[Pair, Mark]
    following: Run
    unread: list[Pair]

    def placements(self) -> dict[Pair, list[int]]:
        """HR may have enrolled a person twice in one course."""
        found: dict[Pair, list[int]] = defaultdict(list)
        for member in self.members:
            found[member.pair].append(member.placement_id)
        return found


class UnitReading:
    """One step after the other of a pass over an LMS whose results are read by unit."""

    def __init__(self, site: Site, pool: Pool, cursor: Cursor, keep: Keep, tally: Callable[[], Tally]) -> None:
        self._site = site
        self._integration = site.integration
        self._pool = pool
        self._cursor = cursor
        self._keep = keep
        self._tally = tally
        self._look: _Look | None = None

    def read(self, run: Run) -> Run | None:
        """
        The next step is read and recorded; None when the pass is over.

        Raises:
            ProvisioningError: The site is in trouble; what was read so far is kept.
        """
        if run.regrades:
            return self._ask_for_regrades(run)
        if self._look:
            return self._read_units(run, self._look)
        return self._look_at_course(run) if run.plan == "rosters" else self._look_at_people(run)

    def _ask_for_regrades(self, run: Run) -> Run:
        """Whose grades were changed is read again, because a mark may be as it was (G6)."""
        found = self._site.units.regraded(self._cursor.regraded_until)
        following = run.without_regrades()

        def record(db: Db) -> None:
            marks = self._marks(db)
            marks.read_people_again(found.user_ids)
            marks.note_regrades(found.newest)

        self._keep(run, following, record)
        self._log("changed grades asked for", people=len(found.user_ids), complete=found.complete)
        return following

    # Marks, course by course or person by person

    def _look_at_course(self, run: Run) -> Run | None:
        with transaction(self._pool) as db:
            members = self._marks(db).members_of_next_course(run.course, whole=run.whole)
        if not members:
            self._finish(run)
            return None
        course_id = members[0].pair.course_id
        following = run.after_course(course_id)
        try:
            roster = self._site.units.roster(course_id)
        except ProvisioningError as error:
            raise_for_site(error)
            return self._pass_over(run, following, course_id, error)
        seen = {Pair(user_id, course_id): mark for user_id, mark in roster.members.items()}
        return self._compare(run, following, members, seen)

    def _look_at_people(self, run: Run) -> Run | None:
        with transaction(self._pool) as db:
            members = self._marks(db).courses_of_next_people(run.position, PEOPLE_AT_ONCE, whole=run.whole)
        if not members:
            self._finish(run)
            return None
        seen: dict[Pair, Mark] = {}
        for user_id in dict.fromkeys(member.pair.user_id for member in members):
            try:
                marks = self._site.units.marks(user_id)
            except ProvisioningError as error:
                raise_for_site(error)
                self._tally().fail(error.code)
            else:
                seen |= {Pair(user_id, course_id): mark for course_id, mark in marks.items()}
        return self._compare(run, run.after(members[-1].account_id), members, seen)

    def _pass_over(self, run: Run, following: Run, course_id: str, error: ProvisioningError) -> Run:
        """One broken course keeps no other waiting (G13)."""
        self._tally().fail(error.code)
        problem = Problem("course", self._course_key(course_id), error.code, f"course {course_id}: {error.detail}")
        self._keep(run, following, lambda db: self._work(db).open_failures(self._integration.tenant, [problem]))
        self._log("course passed over", course=course_id, code=error.code)
        return following

    def _compare(self, run: Run, following: Run, members: Sequence[Member], seen: dict[Pair, Mark]) -> Run:
        if is_doubtful([member.pair for member in members if member.completed], seen):
            return self._doubt(run, following)
        unread = moved([(member.pair, member.mark) for member in members], seen)
        ours = {member.pair for member in members}
        self._tally().skip("unchanged", len(ours & seen.keys()) - len(unread))
        self._tally().skip("of_nobody_we_know", len(seen.keys() - ours))
        self._look = _Look(members, seen, following, unread)
        return run if unread else self._read_units(run, self._look)

    def _doubt(self, run: Run, following: Run) -> Run:
        """Where many were complete and none is, a right is missing: nothing is touched, and a person is told (G8)."""
        doubtful = following.with_doubt()
        where = f"course {following.course}" if following.plan == "rosters" else "a group of people"
        detail = f"{where} shows nobody complete, though many were"
        problem = Problem("integration", self._doubt_key(), "completions_vanished", detail)
        self._keep(run, doubtful, lambda db: self._work(db).open_failures(self._integration.tenant, [problem]))
        self._log("reading not believed", course=following.course)
        return doubtful

    # Units

    def _read_units(self, run: Run, look: _Look) -> Run:
        """Some of those who have moved, unit by unit; one bad enrolment costs only itself (R158)."""
        chunk, look.unread = look.unread[:PAIRS_AT_ONCE], look.unread[PAIRS_AT_ONCE:]
        read = list(zip(chunk, self._site.units.standings(chunk), strict=True)) if chunk else []
        trouble = site_trouble(outcome for _, outcome in read)
        over = not look.unread and trouble is None
        following = look.following if over else run
        if trouble is None or any(isinstance(outcome, Done) for _, outcome in read):
            recorded = self._keep(run, following, lambda db: self._record(db, look, read))
            self._log("units read", course=look.following.course, pairs=len(read), recorded=recorded)
        if trouble:
            raise trouble
        self._look = None if over else look
        return following

    def _record(self, db: Db, look: _Look, read: Read) -> int:
        placements = look.placements()
        standings = {
            placement_id: outcome.value
            for pair, outcome in read
            if isinstance(outcome, Done) and outcome.value is not None
            for placement_id in placements[pair]
        }
        pairs = {placement_id: pair for pair, ids in placements.items() for placement_id in ids}
        recorded = record_completions(db, self._integration, standings)
        # The mark that was seen before: whoever moved between the two calls is read once more.
        self._marks(db).save_marks({key: look.seen[pairs[key]] for key in standings})
        self._tally().skip("unchanged", max(0, len(standings) - recorded))
        self._note_failed(db, read, placements, standings)
        self._work(db).resolve_failures("course", [self._course_key(c) for c in {p.course_id for p in look.seen}])
        return recorded

    def _note_failed(
        self, db: Db, read: Read, placements: dict[Pair, list[int]], standings: dict[int, Standing]
    ) -> None:
        """Each enrolment that could not be read is a message of its own, until it can."""
        problems = []
        for pair, outcome in read:
            if isinstance(outcome, Failed) and site_trouble([outcome]) is None:
                self._tally().fail(outcome.failure.code)
                problems += [
                    Problem("reading", str(key), outcome.failure.code, outcome.failure.detail)
                    for key in placements[pair]
                ]
        self._work(db).open_failures(self._integration.tenant, problems)
        self._work(db).resolve_failures("reading", list(standings))

    # Ends

    def _finish(self, run: Run) -> None:
        """The pass is over; what was not believed before is healed unless it was met again."""
        healed = [] if run.doubted else [self._doubt_key()]
        self._keep(run, None, lambda db: self._work(db).resolve_failures("integration", healed))
        self._log("pass over", plan=run.plan)

    def _marks(self, db: Db) -> MarkStore:
        return MarkStore(db, self._integration.integration_id)

    def _work(self, db: Db) -> WorkStore:
        return WorkStore(db, self._integration.integration_id)

    def _course_key(self, course_id: str) -> str:
        return f"{self._integration.integration_id}/{course_id}/units"

    def _doubt_key(self) -> str:
        return f"{self._integration.integration_id}/completions_vanished"

    def _log(self, event: str, **facts: object) -> None:
        log.info(event, integration_id=self._integration.integration_id, **facts)
