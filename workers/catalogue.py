"""The LMS's courses become known here and to HR, whole and one reading at a time (R38, R41, R56-R59)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog

from db.accounts import Integration, Problem, WorkStore
from db.catalogue import CatalogueStore
from db.pool import Db, Pool, transaction
from db.schedule import catalogues_due
from db.sync_runs import SyncRuns
from domain.announcements import Announcement, course_notice, course_observed
from domain.catalogue import PROBLEM_CODES, CourseNews, read_courses
from domain.errors import BudgetSpent, NeedsAttention, ProvisioningError, StoreUnavailable
from domain.lms import LmsCourse
from domain.recovery import NOT_THIS_CALL
from domain.syncing import Tally
from runtime.crashpoints import crashpoint
from workers.purse import spending_on
from workers.refusals import concerns_this_call
from workers.site import OpenSite, Site, WorkRules
from workers.standing import note_site, ready_site
from workers.syncing import end_run, note_flow

log = structlog.get_logger()

COURSES_FRESH = timedelta(seconds=60)
"""How long a catalogue is good enough to say that a course is not in it."""

PUT_OFF = timedelta(minutes=15)
FLOW_TROUBLES = (
    *("course_not_accessible", "lms_rejected", "no_courses", "course_field_unusable"),
    *sorted(NOT_THIS_CALL),
)
"""What may be wrong with the courses as a whole; the next good reading heals it."""


def observe_courses(site: Site, pool: Pool, *, older_than: timedelta) -> bool:
    """
    The site's catalogue is known as it is now, HR hears what changed, and enrolments that waited for a course are due.

    Returns:
        False when it had been read lately.

    Raises:
        ProvisioningError: The site did not answer.
    """
    integration_id = site.integration.integration_id
    with transaction(pool) as db:
        seen_at, began = CatalogueStore(db, integration_id).seen_at()
    if seen_at and began - seen_at < older_than:
        return False
    courses = site.gateway.courses()
    with transaction(pool) as db:
        store = CatalogueStore(db, integration_id)
        store.lock()
        seen_at, _ = store.seen_at()
        if seen_at is None or seen_at <= began:
            _record(db, site, store, courses)
        # Else somebody has recorded a reading that is newer than ours.
    crashpoint("catalogue.committed")
    return True


def _record(db: Db, site: Site, store: CatalogueStore, courses: Sequence[LmsCourse]) -> None:
    integration = site.integration
    work = WorkStore(db, integration.integration_id)
    known = store.known()
    now = work.now()
    readings = read_courses(
        courses,
        known,
        scope=str(integration.integration_id),
        settings=integration.settings.catalogue,
        zone=integration.settings.zone(),
        now=now,
    )
    news = {one.lms_course_id: one for one in readings.news}
    seen = {course.course_id for course in courses}
    store.save(courses, news)
    if courses:
        # A list that came back empty says nothing of the courses we know.
        store.lose(
            [one for one in readings.news if one.lms_course_id not in seen and not known[one.lms_course_id].gone]
        )
    store.wake_enrolments()
    told = [one for one in readings.news if one.told is not None and (courses or one.lms_course_id in seen)]
    # What was there at the very first reading is no news to employees.
    notices = bool(known) and "course_notices" in integration.settings.features
    work.announce([said for one in told for said in _announcements(one, integration, now, notices=notices)])
    _note_problems(work, store, integration, courses, readings.news)
    _note_flow_problems(work, integration, courses, readings.unusable_fields)
    calls = site.meter.drain()
    work.count_calls(calls)
    unchanged = len(courses) - sum(one.lms_course_id in seen for one in readings.news if one.told or one.problem)
    _count(db, integration, _tally(readings.news, told, unchanged, sum(made for made, _ in calls.values())))
    note_flow(db, integration.integration_id, "courses", None)
    store.note_read()
    log.info("courses read", integration_id=integration.integration_id, courses=len(courses), told=len(told))


def _announcements(one: CourseNews, integration: Integration, at: datetime, *, notices: bool) -> Iterator[Announcement]:
    """What HR hears of one course, and employees if it is new to them (R7)."""
    tenant, name, told = integration.tenant, integration.name, one.told or {}
    yield course_observed(one.event_id or "", told, tenant=tenant, integration=name, at=at)
    if notices and one.opens:
        yield course_notice(told, tenant=tenant, integration=name, at=at)


def _note_problems(
    work: WorkStore,
    store: CatalogueStore,
    integration: Integration,
    courses: Iterable[LmsCourse],
    news: Iterable[CourseNews],
) -> None:
    """What is wrong with single courses is named once per course and cause, and ends by itself (R56, R75, R76)."""
    problems = [_problem(integration, one.lms_course_id, one.problem) for one in news if one.problem]
    if integration.settings.results.report:
        # Who asks person by person hears of it from the people; a report does not tell.
        used = store.in_use()
        off = NeedsAttention("completion_off", "completion tracking is off, and somebody is enrolled")
        untracked = [c for c in courses if c.tracks_completion is False and c.course_id in used]
        problems += [_problem(integration, course.course_id, off) for course in untracked]
    work.open_failures(integration.tenant, problems)
    store.resolve_failures(PROBLEM_CODES, still_open=[problem.subject_id for problem in problems])


def _problem(integration: Integration, course_id: str, found: NeedsAttention) -> Problem:
    # Beside the courses that the poll speaks of, whose failures end when a completion can be read.
    subject = f"{integration.integration_id}/{course_id}/{found.code}"
    return Problem("course", subject, found.code, f"course {course_id}: {found.detail}")


def _note_flow_problems(
    work: WorkStore, integration: Integration, courses: Sequence[LmsCourse], unusable_fields: Sequence[str]
) -> None:
    found = []
    if not courses:
        found.append(NeedsAttention("no_courses", "the LMS shows no course at all"))
    if unusable_fields:
        found.append(NeedsAttention("course_field_unusable", "; ".join(unusable_fields)))
    work.open_failures(integration.tenant, [_flow_problem(integration, problem) for problem in found])
    healed = set(FLOW_TROUBLES) - {problem.code for problem in found}
    work.resolve_failures("integration", [_flow_key(integration, code) for code in sorted(healed)])


def _flow_problem(integration: Integration, found: ProvisioningError) -> Problem:
    return Problem("integration", _flow_key(integration, found.code), found.code, found.detail)


def _flow_key(integration: Integration, code: str) -> str:
    """Courses have troubles of their own, which an answering site does not heal."""
    return f"{integration.integration_id}/courses/{code}"


def _tally(news: Iterable[CourseNews], told: Iterable[CourseNews], unchanged: int, calls: int) -> Tally:
    """Every course once; one that cannot be filed has failed, even if HR was told that it is hidden now."""
    fine = [one for one in told if one.problem is None]
    tally = Tally(calls=calls, created=sum(one.first for one in fine), updated=sum(not one.first for one in fine))
    tally.skip("unchanged", unchanged)
    for one in news:
        if one.problem:
            tally.fail(one.problem.code)
    return tally


def _count(db: Db, integration: Integration, tally: Tally) -> None:
    runs = SyncRuns(db, integration.integration_id)
    run_id = runs.under_way("courses")
    if run_id is not None:
        runs.add(run_id, tally)
        end_run(db, integration.integration_id, run_id)


def maintain_catalogue(*, pool: Pool, open_site: OpenSite, rules: WorkRules) -> None:
    """The courses of every integration are known as they were within its interval."""
    with transaction(pool) as db:
        due = catalogues_due(db)
    for integration_id in due:
        site = ready_site(integration_id, pool, open_site, rules)
        if site is None:
            continue
        with transaction(pool) as db:
            asked = SyncRuns(db, integration_id).under_way("courses") is not None
        try:
            with spending_on("poll"):
                observe_courses(site, pool, older_than=timedelta(0) if asked else COURSES_FRESH)
        except StoreUnavailable:
            raise
        except ProvisioningError as error:
            _note_trouble(site, pool, error, rules)
        else:
            with transaction(pool) as db:
                note_site(WorkStore(db, integration_id), site.integration, None, rules)


def _note_trouble(site: Site, pool: Pool, error: ProvisioningError, rules: WorkRules) -> None:
    """A site in trouble rests as a whole; what concerns the courses alone keeps nobody else waiting (R1)."""
    integration = site.integration
    error = site.understood(error, "poll")
    courses_only = isinstance(error, NeedsAttention) or concerns_this_call(error, site.gateway)
    with transaction(pool) as db:
        work = WorkStore(db, integration.integration_id)
        work.count_calls(site.meter.drain())
        note_flow(db, integration.integration_id, "courses", error)
        if isinstance(error, BudgetSpent):
            CatalogueStore(db, integration.integration_id).put_off(error.retry_after or PUT_OFF)
            return
        if not courses_only:
            note_site(work, integration, error, rules)
            return
        work.open_failures(integration.tenant, [_flow_problem(integration, error)])
        CatalogueStore(db, integration.integration_id).put_off(PUT_OFF)
        run_id = SyncRuns(db, integration.integration_id).under_way("courses")
        if run_id is not None:
            end_run(db, integration.integration_id, run_id, error.code)
