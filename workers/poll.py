"""Completions become results and result events: page by page, the rows and the cursor in one transaction."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from db.accounts import Problem, WorkStore
from db.pool import Db, Pool, transaction
from db.results import Cursor, OpenPerson, ResultStore
from db.sync_runs import SyncRuns
from domain.errors import NeedsAttention, ProvisioningError, StoreUnavailable
from domain.lms import Completion, Done, Failed, Pair, Progress, ReportPage, ReportRow
from domain.polling import COMPLETION_TASK_LATE, Run, after_run, first_step
from domain.recovery import NOT_THIS_CALL, after_stop
from domain.syncing import Tally
from runtime.crashpoints import crashpoint
from workers.completions import record_completions
from workers.purse import spending_on
from workers.refusals import concerns_this_call
from workers.site import OpenSite, Site, WorkRules
from workers.standing import note_site, ready_site
from workers.syncing import end_run, note_flow
from workers.unit_poll import UnitReading, begin_units
from workers.work import raise_for_site

log = structlog.get_logger()

T = TypeVar("T")

PEOPLE_AT_ONCE = 100
PUT_OFF = timedelta(minutes=5)
READING_TROUBLES = ("report_columns", "report_unknown", "lms_rejected", "course_not_accessible", *sorted(NOT_THIS_CALL))
"""Why results may not be readable while all else goes well; the next page that is read heals them."""


class _CursorLost(Exception):
    """Somebody else polls by now; what was read is theirs to record."""


def poll_results(integration_id: int, *, pool: Pool, open_site: OpenSite, rules: WorkRules) -> None:
    """
    Every completion that the LMS shows is a result, once, and its event is on its way.

    "Not complete" never becomes a result (R61). Interrupted anywhere, the next poll goes on from the last page.
    """
    try:
        site = ready_site(integration_id, pool, open_site, rules)
        if site is None:
            return
        with transaction(pool) as db:
            cursor = ResultStore(db, integration_id).claim(rules.lease)
        if cursor:
            with spending_on("poll"):
                _Poll(site, pool, rules, cursor).run()
    except _CursorLost:
        log.warning("poll lost its lease", integration_id=integration_id)
    except StoreUnavailable as error:
        log.warning("poll put off", integration_id=integration_id, code=error.code)


class _Poll:
    def __init__(self, site: Site, pool: Pool, rules: WorkRules, cursor: Cursor) -> None:
        self._site = site
        self._integration = site.integration
        self._settings = site.integration.settings.results
        self._pool = pool
        self._rules = rules
        self._cursor = cursor
        self._run: Run | None = None
        self._tally = Tally()
        self._units = UnitReading(site, pool, cursor, self._keep, lambda: self._tally)

    def run(self) -> None:
        """The pass under way goes on, or a new one begins, to its end or to the first trouble with the site."""
        run: Run | None = self._cursor.run or self._begin()
        if self._blocked(run):
            return
        self._healed("outcome_unmapped")
        try:
            while run and not self._rules.stopping():
                self._run = run
                run = self._read(run)
        except ProvisioningError as error:
            if isinstance(error, StoreUnavailable):
                raise
            self._put_off(error)
            return
        if run:
            self._end(run=run, wait=timedelta(0))

    def _begin(self) -> Run:
        """A new pass, for the run that somebody asked for, if one is open."""
        with transaction(self._pool) as db:
            asked = SyncRuns(db, self._integration.integration_id).under_way("results")
            if self._integration.settings.by_unit():
                step = begin_units(db, self._integration, self._cursor)
            else:
                step = first_step(self._settings, full_at=self._cursor.full_at, now=self._cursor.now)
        return step.model_copy(update={"sync_run": asked})

    def _blocked(self, run: Run | None) -> bool:
        """An outcome that HR's pick-list does not hold blocks results and loses none: nothing is read (R27)."""
        unmapped = self._settings.unmapped()
        if not unmapped:
            return False
        detail = f"results.outcomes does not hold {', '.join(unmapped)}"
        with transaction(self._pool) as db:
            self._problem(db, NeedsAttention("outcome_unmapped", detail))
            note_flow(db, self._integration.integration_id, "results", NeedsAttention("outcome_unmapped"))
            ResultStore(db, self._integration.integration_id).end(self._cursor.token, wait=PUT_OFF, run=run)
        return True

    def _read(self, run: Run) -> Run | None:
        """What is read next, recorded; None when the pass is over."""
        if self._integration.settings.by_unit():
            return self._units.read(run)
        return self._read_people(run) if run.plan == "people" else self._read_report(run)

    # Reports

    def _read_report(self, run: Run) -> Run | None:
        report = self._settings.report if run.plan == "report" else self._settings.recent_report
        if report is None:  # the settings changed under way
            self._finish(run)
            return None
        page = self._site.gateway.report_page(report, run.position)
        following = None if page.last else run.after(run.position + 1)
        unmatched, recorded = self._keep(run, following, partial(self._record_page, page))
        log.info(
            "report page read",
            integration_id=self._integration.integration_id,
            plan=run.plan,
            page=run.position,
            rows=page.size,
            completed=len(page.rows),
            unmatched=unmatched,
            recorded=recorded,
        )
        return following

    def _record_page(self, page: ReportPage, db: Db) -> tuple[int, int]:
        """Rows that speak of nobody we know, and results recorded."""
        found = ResultStore(db, self._integration.integration_id).placements_of(page.rows)
        recorded = record_completions(
            db, self._integration, {placement_id: row.completion for row, placement_id in found}
        )
        matched = len({_row_key(row) for row, _ in found})
        self._tally.skip("of_nobody_we_know", len(page.rows) - matched)
        self._tally.skip("unchanged", max(0, matched - recorded))
        return len(page.rows) - matched, recorded

    # Person by person

    def _read_people(self, run: Run) -> Run | None:
        with transaction(self._pool) as db:
            people = ResultStore(db, self._integration.integration_id).open_people(run.position, PEOPLE_AT_ONCE)
        if not people:
            self._finish(run)
            return None
        progress = self._progress(people)
        pairs = [
            Pair(person.user_id, course_id)
            for person in people
            if person.user_id in progress
            for course_id in sorted(progress[person.user_id].completed & person.courses.keys())
        ]
        completions = self._completions(pairs)
        following = run.after(people[-1].account_id)
        recorded = self._keep(run, following, lambda db: self._record_people(db, people, progress, completions))
        log.info("people asked", integration_id=self._integration.integration_id, people=len(people), recorded=recorded)
        return following

    def _progress(self, people: Sequence[OpenPerson]) -> dict[str, Progress]:
        outcomes = self._site.gateway.course_progress([person.user_id for person in people])
        progress = {}
        for person, outcome in zip(people, outcomes, strict=True):
            if isinstance(outcome, Done):
                progress[person.user_id] = outcome.value
            else:
                raise_for_site(outcome.failure)
        return progress

    def _completions(self, pairs: Sequence[Pair]) -> dict[Pair, Completion]:
        if not pairs:
            return {}
        found = {}
        for pair, outcome in zip(pairs, self._site.gateway.completions(pairs), strict=True):
            if isinstance(outcome, Failed):
                raise_for_site(outcome.failure)
                self._tally.fail(outcome.failure.code)
            elif outcome.value is not None:
                found[pair] = outcome.value
        return found

    def _record_people(
        self, db: Db, people: Sequence[OpenPerson], progress: dict[str, Progress], completions: dict[Pair, Completion]
    ) -> int:
        by_placement = {
            placement_id: completions[Pair(person.user_id, course_id)]
            for person in people
            for course_id, placement_ids in person.courses.items()
            if Pair(person.user_id, course_id) in completions
            for placement_id in placement_ids
        }
        self._note_courses(db, people, progress)
        return record_completions(db, self._integration, by_placement)

    def _note_courses(self, db: Db, people: Sequence[OpenPerson], progress: dict[str, Progress]) -> None:
        """Courses that can never complete are named, once per course, until they can (R75, R76)."""
        never: set[str] = set()
        can: set[str] = set()
        finished: list[int] = []
        for person in people:
            seen = progress.get(person.user_id)
            if seen is None:
                continue
            never |= seen.without_criteria & person.courses.keys()
            can |= (seen.shown - seen.without_criteria) & person.courses.keys()
            finished += [
                placement_id
                for course_id in seen.finished & person.courses.keys()
                for placement_id in person.courses[course_id]
            ]
        work = WorkStore(db, self._integration.integration_id)
        work.open_failures(self._integration.tenant, [self._course_problem(course_id) for course_id in sorted(never)])
        work.resolve_failures("course", [self._course_key(course_id) for course_id in sorted(can)])
        ResultStore(db, self._integration.integration_id).note_finished(finished)

    def _course_key(self, course_id: str) -> str:
        return f"{self._integration.integration_id}/{course_id}"

    def _course_problem(self, course_id: str) -> Problem:
        detail = f"course {course_id} tracks no completion, or has no completion criteria"
        return Problem("course", self._course_key(course_id), "no_completion_criteria", detail)

    # Ends

    def _keep(self, run: Run, following: Run | None, record: Callable[[Db], T]) -> T:
        """What was read is recorded, and the cursor moves with it."""
        crashpoint("poller.page_read")
        with transaction(self._pool) as db:
            recorded = record(db)
            crashpoint("poller.rows_written")
            self._advance(db, run, following)
        crashpoint("poller.committed")
        return recorded

    def _advance(self, db: Db, run: Run, following: Run | None) -> None:
        store = ResultStore(db, self._integration.integration_id)
        if following is not None:
            kept = store.advance(self._cursor.token, following, self._rules.lease)
        else:
            then = after_run(run, self._settings)
            asked = SyncRuns(db, self._integration.integration_id).under_way("results")
            if asked is not None and asked != run.sync_run:
                # Somebody asked for everything while this pass was under way: it begins anew at once.
                kept = store.end(self._cursor.token, wait=timedelta(0))
            else:
                kept = store.end(self._cursor.token, wait=then.wait, read_everything=then.read_everything)
        if not kept:
            raise _CursorLost
        work = WorkStore(db, self._integration.integration_id)
        calls = self._site.meter.drain()
        work.count_calls(calls)
        self._tally.calls += sum(made for made, _ in calls.values())
        self._count(db, run, over=following is None)
        note_flow(db, self._integration.integration_id, "results", None)
        note_site(work, self._integration, None, self._rules)
        work.resolve_failures("integration", [self._results_key(code) for code in READING_TROUBLES])

    def _count(self, db: Db, run: Run, *, over: bool) -> None:
        """What this page brought is counted in the run that somebody asked for, and with the last page it is over."""
        tally, self._tally = self._tally, Tally()
        if run.sync_run is None:
            return
        runs = SyncRuns(db, self._integration.integration_id)
        if over:
            tally.created, tally.updated = runs.results_since(run.sync_run)
        runs.add(run.sync_run, tally)
        if over:
            end_run(db, self._integration.integration_id, run.sync_run)

    def _finish(self, run: Run) -> None:
        with transaction(self._pool) as db:
            late = ResultStore(db, self._integration.integration_id).late_completions(COMPLETION_TASK_LATE)
            self._advance(db, run, None)
            if late:
                self._problem(db, NeedsAttention("completion_task_late", "courses are done but not marked complete"))
        if not late:
            self._healed("completion_task_late")

    def _healed(self, code: str) -> None:
        with transaction(self._pool) as db:
            work = WorkStore(db, self._integration.integration_id)
            work.resolve_failures("integration", [self._results_key(code)])

    def _results_key(self, code: str) -> str:
        """Results have troubles of their own, which an answering site does not heal."""
        return f"{self._integration.integration_id}/{code}"

    def _end(self, *, run: Run, wait: timedelta) -> None:
        with transaction(self._pool) as db:
            ResultStore(db, self._integration.integration_id).end(self._cursor.token, wait=wait, run=run)

    def _put_off(self, error: ProvisioningError) -> None:
        """The position is kept; a site that is away or refuses us is dealt with as provisioning does."""
        error = self._site.understood(error, "poll")
        # What only the results need is no reason to hold people and enrolments (R1, E3).
        results_only = isinstance(error, NeedsAttention) or concerns_this_call(error, self._site.gateway)
        with transaction(self._pool) as db:
            work = WorkStore(db, self._integration.integration_id)
            note_flow(db, self._integration.integration_id, "results", error)
            if results_only:
                self._problem(db, error)
                if self._run and self._run.sync_run is not None:
                    end_run(db, self._integration.integration_id, self._run.sync_run, error.code)
            else:
                note_site(work, self._integration, error, self._rules)
            work.count_calls(self._site.meter.drain())
            wait = PUT_OFF if results_only else after_stop(error)
            ResultStore(db, self._integration.integration_id).end(self._cursor.token, wait=wait, run=self._run)
        log.warning("poll put off", integration_id=self._integration.integration_id, code=error.code)

    def _problem(self, db: Db, problem: ProvisioningError) -> None:
        subject = self._results_key(problem.code)
        WorkStore(db, self._integration.integration_id).open_failures(
            self._integration.tenant, [Problem("integration", subject, problem.code, problem.detail)]
        )


def _row_key(row: ReportRow) -> tuple[str, str]:
    return row.external_key, row.course_code
