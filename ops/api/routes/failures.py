"""What needs a person, by cause; what people say of it; and what they were told."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, Field

from db.failure_views import CountLine, FailureLine, Filter, GroupLine, GroupState, Pivot
from db.notices import NoticeLine, notices
from db.pool import transaction
from ops import failures
from ops.api.declaring import Done, DryRun, Id, Number, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, reach, slice_of
from ops.commands import command

READ = "failures:group:read"

routes = router("failures")

Text = Annotated[str | None, Query(max_length=255)]


class Snoozing(Why):
    until: AwareDatetime


class Assigning(Why):
    to: str = Field(max_length=100, description="Whose it is; empty for nobody's.")


class Noting(Why):
    text: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")


class Choosing(Why):
    """Single failures, or all of a group."""

    ids: list[Number] = Field([], max_length=10_000)
    group: Number | None = None


class Changed(Done):
    group: GroupLine


class Touched(Done):
    """Which failures it was done to; `left` says why others were left as they are."""

    failures: list[int]
    left: dict[int, str]


@view(routes, "/failures/groups", READ)
def group_list(
    caller: By,
    integration: Text = None,
    code: Text = None,
    state: GroupState | None = None,
    everything: Annotated[bool, Query(description="Also groups with nothing open in them.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[GroupLine]:
    """Failures by cause, the largest group first. What is tried again by itself is not among them."""
    chosen, most = Filter(integration, code, state), reach(limit, cursor)
    found = failures.groups(caller.pool, caller.tenant, chosen, everything=everything, most=most)
    return slice_of(found, limit, cursor)


@view(routes, "/failures/groups/{group_id}", READ)
def group_show(caller: By, group_id: Id) -> failures.Shown:
    """One group: what happened, what to do, why these are together, and what was done so far."""
    return failures.show(caller.pool, caller.tenant, group_id)


@view(routes, "/failures/counts", READ)
def failure_counts(caller: By, by: Pivot, limit: Limit = 50, cursor: Cursor = None) -> Page[CountLine]:
    """Open failures counted another way than by cause."""
    found = failures.counts(caller.pool, caller.tenant, by, reach(limit, cursor))
    return slice_of(found, limit, cursor)


@view(routes, "/failures", READ)
def failure_list(
    caller: By,
    group: Annotated[int | None, Query(ge=1, lt=2**62)] = None,
    integration: Text = None,
    code: Text = None,
    employee_key: Text = None,
    dismissed: Annotated[bool, Query(description="Those that were dismissed instead.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[FailureLine]:
    """Single failures, the last first."""
    chosen, most = Filter(integration, code, None, employee_key), reach(limit, cursor)
    found = failures.lines(caller.pool, caller.tenant, chosen, group_id=group, dismissed=dismissed, most=most)
    return slice_of(found, limit, cursor)


@act(routes, "/failures/groups/{group_id}/acknowledge", "failures:group:acknowledge")
def group_acknowledge(caller: By, group_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Say that somebody has seen it."""
    by = caller.acting(why.reason, dry_run=dry_run)
    group = failures.acknowledge(caller.pool, caller.tenant, group_id, by)
    return Changed(group=group, command=_typed(caller, "ack", group_id, reason=why.reason))


@act(routes, "/failures/groups/{group_id}/snooze", "failures:group:snooze")
def group_snooze(caller: By, group_id: Id, wanted: Snoozing, dry_run: DryRun = False) -> Changed:
    """Put it off until a time."""
    by = caller.acting(wanted.reason, dry_run=dry_run)
    group = failures.snooze(caller.pool, caller.tenant, group_id, _to_the_minute(wanted.until), by)
    options = {"until": f"{_to_the_minute(wanted.until):%Y-%m-%dT%H:%M}", "reason": wanted.reason}
    return Changed(group=group, command=_typed(caller, "snooze", group_id, **options))


@act(routes, "/failures/groups/{group_id}/assign", "failures:group:assign")
def group_assign(caller: By, group_id: Id, wanted: Assigning, dry_run: DryRun = False) -> Changed:
    """Say whose it is."""
    by = caller.acting(wanted.reason, dry_run=dry_run)
    group = failures.assign(caller.pool, caller.tenant, group_id, wanted.to or None, by)
    to = () if wanted.to else ("--to", "")
    options = {"to": wanted.to, "tenant": caller.tenant, "reason": wanted.reason}
    return Changed(group=group, command=command("failures", "assign", group_id, *to, **options))


@act(routes, "/failures/groups/{group_id}/note", "failures:group:note")
def group_note(caller: By, group_id: Id, wanted: Noting, dry_run: DryRun = False) -> Changed:
    """Write down what is known about it; no names of people."""
    by = caller.acting(wanted.reason, dry_run=dry_run)
    group = failures.note(caller.pool, caller.tenant, group_id, wanted.text, by)
    typed = command("failures", "note", group_id, wanted.text, tenant=caller.tenant, reason=wanted.reason)
    return Changed(group=group, command=typed)


@act(routes, "/failures/dismiss", "failures:group:dismiss")
def failure_dismiss(caller: By, wanted: Choosing, dry_run: DryRun = False) -> Touched:
    """Say that nothing needs to be done about failures; they are never tried again with their group."""
    done = failures.dismiss(caller.pool, caller.tenant, _chosen(wanted), caller.acting(wanted.reason, dry_run=dry_run))
    return _touched(caller, "dismiss", wanted, done)


@act(routes, "/failures/restore", "failures:group:restore")
def failure_restore(caller: By, wanted: Choosing, dry_run: DryRun = False) -> Touched:
    """Take a dismissal back, as long as that can be done."""
    done = failures.restore(caller.pool, caller.tenant, _chosen(wanted), caller.acting(wanted.reason, dry_run=dry_run))
    return _touched(caller, "restore", wanted, done)


@view(routes, "/notices", READ)
def notice_list(caller: By, limit: Limit = 50, cursor: Cursor = None) -> Page[NoticeLine]:
    """What people were told by mail and webhook, the newest first, and why some of it was not sent."""
    with transaction(caller.pool) as db:
        return slice_of(notices(db, caller.tenant, reach(limit, cursor)), limit, cursor)


def _chosen(wanted: Choosing) -> failures.Chosen:
    return failures.Chosen(wanted.ids, () if wanted.group is None else (wanted.group,))


def _touched(caller: By, verb: str, wanted: Choosing, done: failures.Done) -> Touched:
    options = {"group": wanted.group, "tenant": caller.tenant, "reason": wanted.reason}
    typed = command("failures", verb, *wanted.ids, **options)
    return Touched(failures=list(done.failures), left=dict(done.left), command=typed)


def _typed(caller: By, verb: str, group_id: int, **options: str) -> str:
    return command("failures", verb, group_id, tenant=caller.tenant, **options)


def _to_the_minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
