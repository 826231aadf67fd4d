"""The LMS comes to hold what is wanted: claim, bring a batch as far as it goes, record, until nothing is due."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from db.accounts import (
    ClaimedAccount,
    ClaimedPlacement,
    Contact,
    Entry,
    Integration,
    MembershipEnd,
    PlacementEnd,
    Problem,
    WorkStore,
)
from db.pool import Db, Pool, transaction
from domain.announcements import Announcement, contact_text, enrolment_provisioned
from domain.budget import PURPOSES
from domain.errors import BudgetSpent, ProvisioningError, StoreUnavailable
from domain.fields import STANDING_CODES
from domain.recovery import Operation
from domain.traces import named
from runtime.crashpoints import crashpoint
from workers.batch import Batch
from workers.catalogue import COURSES_FRESH, observe_courses
from workers.completions import record_completions
from workers.purse import Tab, spending_on
from workers.site import OpenSite, Site, WorkRules
from workers.standing import note_site, ready_site
from workers.syncing import count_people, note_flow
from workers.work import LeaseLost

log = structlog.get_logger()


def provision(integration_id: int, *, pool: Pool, open_site: OpenSite, rules: WorkRules) -> None:
    """
    Everything due in one integration is done, put off with a time, or parked with a reason; of sweeps and readings of
    everything, which nobody waits for, only where the rules take those too.

    Safe to run at the same time elsewhere, and again after any crash.
    """
    try:
        site = ready_site(integration_id, pool, open_site, rules)
        while site and not rules.stopping() and _provision_batch(site, pool, rules):
            pass
    except StoreUnavailable as error:
        # Claimed work comes back when its lease ends; nothing about the work itself has failed (C2).
        log.warning("provisioning put off", integration_id=integration_id, code=error.code)


def _provision_batch(site: Site, pool: Pool, rules: WorkRules) -> bool:
    """False when nothing was due, or could be paid for, or the site stopped us."""
    accounts, placements, held = _claim(site, pool, rules)
    if not accounts:
        return False
    crashpoint("claim.attempt_committed")
    # The lease's token is the batch's id: every line of it, its calls to the LMS included, says so.
    traced = structlog.contextvars.bound_contextvars(batch=accounts[0].lease_token)
    with traced, spending_on(PURPOSES[accounts[0].urgency]) as tab:
        placements, trouble = _with_courses(site, pool, accounts, placements)
        batch = Batch(site, pool, rules, accounts, placements, held)
        if trouble and not batch.refusals.add("enrol", trouble):
            batch.stop = trouble
        tab.before = batch.renew  # one call each for many people may outlast a lease
        goes_on = _bring(batch, tab)
    crashpoint("user.before_hint")
    return goes_on


def _claim(
    site: Site, pool: Pool, rules: WorkRules
) -> tuple[list[ClaimedAccount], list[ClaimedPlacement], dict[Operation, bool]]:
    with transaction(pool) as db:
        store = WorkStore(db, site.integration.integration_id)
        admitted = site.purse.admitted(db) if site.purse else None
        most = rules.batch if admitted is None else min(rules.batch, max(admitted))
        accounts = store.claim(most=most, lease=rules.lease, urgent_only=rules.urgent_only, admitted=admitted)
        if not accounts:
            return [], [], {}
        return accounts, store.placements_of(accounts), store.operation_holds()


def _bring(batch: Batch, tab: Tab) -> bool:
    """The batch is in the LMS as far as it goes, and recorded. False when the site stopped us."""
    site, integration_id, accounts = batch.site, batch.site.integration.integration_id, len(batch.accounts)
    try:
        batch.run()
        if batch.stop:
            batch.stop = site.understood(batch.stop, tab.purpose)
        _record(batch, tab)
    except LeaseLost:
        log.warning("lease lost", integration_id=integration_id, accounts=accounts)
        return True
    except StoreUnavailable:
        raise
    except Exception as error:
        # A bug. Its batch comes back in smaller ones until the account that meets it is parked alone; that one waits
        # for the next wake-up, lest a record that cannot be written is tried in a tight loop.
        log.exception("batch broken", integration_id=integration_id, accounts=accounts, error=type(error).__name__)
        with transaction(batch.pool) as db:
            batch.store(db).let_go(batch.token)
        return accounts > 1
    # Who cannot pay any more is put off, and others may be able to.
    return batch.stop is None or isinstance(batch.stop, BudgetSpent)


def _with_courses(
    site: Site, pool: Pool, accounts: Sequence[ClaimedAccount], placements: list[ClaimedPlacement]
) -> tuple[list[ClaimedPlacement], ProvisioningError | None]:
    """The placements with the courses they lead to, and what kept us from looking for those that we do not know."""
    if all(placement.lms_course_id or not placement.due for placement in placements):
        return placements, None
    try:
        observe_courses(site, pool, older_than=COURSES_FRESH)
    except StoreUnavailable:
        raise
    except ProvisioningError as error:
        # A site in trouble is not asked on, and without its catalogue nobody can say that it lacks a course.
        log.warning("courses not read", integration_id=site.integration.integration_id, code=error.code)
        return placements, error
    # Read again in any case: somebody else may have read the catalogue after these placements were claimed.
    with transaction(pool) as db:
        return WorkStore(db, site.integration.integration_id).placements_of(accounts), None


def _record(batch: Batch, tab: Tab) -> None:
    site, ends = batch.site, batch.finish()
    with transaction(batch.pool) as db:
        store = batch.store(db)
        now = store.now()
        kept = store.record(
            batch.token, ends, list(batch.placement_ends.values()), list(batch.membership_ends.values())
        )
        if len(kept) < len(ends):
            log.warning("late outcome refused", accounts=len(ends) - len(kept))
        problems = [p for p in batch.problems if _is_kept(p, batch, kept)]
        store.open_failures(site.integration.tenant, problems)
        # A profile field that was left out stays visible until HR or its map changes.
        done = [e.account.account_id for e in ends if e.state != "parked"]
        store.resolve_failures("account", done, keep=STANDING_CODES)
        settled = [e for e in batch.placement_ends.values() if e.state == "settled" and e.placement.account_id in kept]
        store.resolve_failures("placement", [e.placement.placement_id for e in settled])
        joined = [e for e in batch.membership_ends.values() if e.grouped and e.placement.account_id in kept]
        store.resolve_failures("membership", [e.placement.placement_id for e in joined])
        store.write_timeline(site.integration.tenant, [*batch.entries, *_entries(batch, settled, joined)])
        store.announce(_logged(store, site.integration, batch, settled, now))
        _record_last_looks(db, site.integration, batch, kept)
        calls = site.meter.drain()
        store.count_calls(calls)
        count_people(db, site.integration, batch, kept, sum(made for made, _ in calls.values()))
        note_flow(db, site.integration.integration_id, "people", batch.stop)
        batch.refusals.record(store, site.integration)
        note_site(store, site.integration, batch.stop, batch.rules)
        if site.purse and batch.stop is None:
            site.purse.learn(db, tab, len(kept))
    crashpoint("enrol.outcome_committed")
    log.info(
        "batch recorded",
        integration_id=site.integration.integration_id,
        accounts=len(ends),
        linked=len(batch.links),
        enrolled=len(settled),
        parked=len(problems),
        stopped_by=batch.stop.code if batch.stop else None,
        traces=_traces(batch),
    )


def _traces(batch: Batch) -> list[str]:
    """What HR said that led to this work: of people, and of their enrolments that are due."""
    enrolments = [p.trace_id for account_id in batch.accounts for p in batch.placements[account_id] if p.due]
    return named([*(account.trace_id for account in batch.accounts.values()), *enrolments])


def _record_last_looks(db: Db, integration: Integration, batch: Batch, kept: set[int]) -> None:
    ours = {p.placement_id for account_id in kept for p in batch.placements[account_id]}
    record_completions(db, integration, {key: shown for key, shown in batch.completions.items() if key in ours})


def _is_kept(problem: Problem, batch: Batch, kept: set[int]) -> bool:
    if problem.kind == "account":
        return int(problem.subject_id) in kept
    ends = batch.membership_ends if problem.kind == "membership" else batch.placement_ends
    return ends[int(problem.subject_id)].placement.account_id in kept


def _entries(batch: Batch, settled: Sequence[PlacementEnd], joined: Sequence[MembershipEnd]) -> list[Entry]:
    return [
        Entry(
            batch.accounts[end.placement.account_id].employee_key,
            "enrolment suspended" if end.placement.wanted.suspended else "enrolled",
            end.placement.enrolment_key,
            {"course": end.placement.lms_course_id},
        )
        for end in settled
    ] + [
        Entry(
            batch.accounts[end.placement.account_id].employee_key,
            "joined group",
            end.placement.enrolment_key,
            {"course": end.placement.lms_course_id, "group": end.grouped},
        )
        for end in joined
    ]


def _logged(
    store: WorkStore, integration: Integration, batch: Batch, settled: Sequence[PlacementEnd], now: datetime
) -> list[Announcement]:
    """Each first provision is in the contact log, once, and what is told of it upstream (R125, R135)."""
    first = {end.placement.enrolment_key: end.placement for end in settled if not end.placement.provisioned}
    contacts = [
        Contact(
            batch.accounts[placement.account_id].employee_key,
            key,
            placement.course_code,
            contact_text(integration.name, placement.lms_course_id or "", placement.wanted.group_key),
        )
        for key, placement in first.items()
    ]
    return [
        enrolment_provisioned(
            contact_id,
            tenant=integration.tenant,
            integration=integration.name,
            employee_key=batch.accounts[first[key].account_id].employee_key,
            enrolment_key=key,
            lms_course_id=first[key].lms_course_id or "",
            group_key=first[key].wanted.group_key,
            at=now,
            trace_id=first[key].trace_id,
        )
        for key, contact_id in store.log_contacts(integration.tenant, contacts).items()
    ]
