"""Trying failures again: choose, look, confirm what was seen, watch, and stop at any time."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from db.pool import Pool, transaction
from db.replay_views import ItemLine, ReplayRow, Report, replay_rows
from db.replays import Selection
from domain.replays import Mode
from ops import replay_acts, replays
from ops.api.declaring import Done, DryRun, Id, Number, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, reach, slice_of
from ops.commands import command
from ops.operators import Operator

READ = "replays:replay:read"

routes = router("replays")


class Choice(BaseModel):
    """Failures that match all that is given, and how they are to be tried again."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Number] | None = Field(None, max_length=100_000)
    groups: list[Number] | None = Field(None, max_length=1000)
    integration: str | None = Field(None, max_length=255)
    code: str | None = Field(None, max_length=255)
    employee_key: str | None = Field(None, max_length=255)
    payroll: str | None = Field(None, max_length=255)
    course: str | None = Field(None, max_length=255)
    type: str | None = Field(None, max_length=255)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    mode: Mode = "resume"
    share: float | None = Field(None, ge=0.01, le=1, description="Of what the LMS takes; its own choice without it.")

    def selection(self) -> Selection:
        return Selection(
            tuple(self.ids) if self.ids is not None else None,
            tuple(self.groups) if self.groups is not None else None,
            self.integration,
            self.code,
            self.employee_key,
            self.payroll,
            self.course,
            self.type,
            self.since,
            self.until,
        )


class Confirmation(Choice, Why):
    digest: str | None = Field(None, max_length=255, description="Of the preview that is confirmed; one needs none.")


class Previewed(Done):
    preview: replays.Preview


class Created(Done):
    """`existed` when the same confirmation had made it a moment before."""

    existed: bool
    replay: ReplayRow


class Changed(Done):
    replay: ReplayRow


@act(routes, "/replays/preview", replays.CREATE)
def replay_preview(caller: By, chosen: Choice) -> Previewed:
    """What trying failures again would come to, with each field before and after. Writes nothing."""
    seen = replays.preview(
        caller.pool,
        caller.site.settings,
        caller.tenant,
        chosen.selection(),
        mode=chosen.mode,
        share=chosen.share,
    )
    return Previewed(preview=seen, command=_typed(caller, chosen, seen.digest, "…"))


@act(routes, "/replays", replays.CREATE, status_code=201)
def replay_create(caller: By, confirmed: Confirmation, dry_run: DryRun = False) -> Created:
    """Try exactly those again that the preview showed; 409 when something has changed since."""
    made = replays.create(
        caller.pool,
        caller.site.settings,
        caller.tenant,
        confirmed.selection(),
        caller.acting(confirmed.reason, dry_run=dry_run),
        mode=confirmed.mode,
        share=confirmed.share,
        confirmed=confirmed.digest,
    )
    typed = _typed(caller, confirmed, confirmed.digest, confirmed.reason)
    return Created(existed=made.existed, replay=made.replay, command=typed)


@view(routes, "/replays", READ)
def replay_list(
    caller: By,
    active: Annotated[bool, Query(description="Only those that have not ended.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReplayRow]:
    """Replays, the newest first."""
    with transaction(caller.pool) as db:
        found = replay_rows(db, caller.tenant, active=active, most=reach(limit, cursor))
    return slice_of(found, limit, cursor)


@view(routes, "/replays/{replay_id}", READ)
def replay_report(caller: By, replay_id: Id) -> Report:
    """What came of it so far: done, skipped, failed again, otherwise than foreseen, and what is new since."""
    return replay_acts.report(caller.pool, caller.tenant, replay_id)


@view(routes, "/replays/{replay_id}/items", READ)
def replay_items(caller: By, replay_id: Id, limit: Limit = 50, cursor: Cursor = None) -> Page[ItemLine]:
    """Every member, those that ended last first."""
    row = replay_acts.report(caller.pool, caller.tenant, replay_id).replay
    return slice_of(replay_acts.items(caller.pool, row), limit, cursor)


@act(routes, "/replays/{replay_id}/approve", "replays:replay:approve")
def replay_approve(caller: By, replay_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Agree to a replay that somebody else made."""
    return _changed(caller, replay_id, replay_acts.approve, "approve", why, dry_run=dry_run)


@act(routes, "/replays/{replay_id}/pause", "replays:replay:pause")
def replay_pause(caller: By, replay_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Begin nothing further until it is resumed; what is under way comes to its end."""
    return _changed(caller, replay_id, replay_acts.pause, "pause", why, dry_run=dry_run)


@act(routes, "/replays/{replay_id}/resume", "replays:replay:resume")
def replay_resume(caller: By, replay_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Go on with what is left, one at first."""
    return _changed(caller, replay_id, replay_acts.resume, "resume", why, dry_run=dry_run)


@act(routes, "/replays/{replay_id}/cancel", "replays:replay:cancel")
def replay_cancel(caller: By, replay_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Begin nothing further; what is under way comes to its end."""
    return _changed(caller, replay_id, replay_acts.cancel, "cancel", why, dry_run=dry_run)


def _changed(
    caller: By,
    replay_id: int,
    act_on: Callable[[Pool, str | None, int, Operator], ReplayRow],
    verb: str,
    why: Why,
    *,
    dry_run: bool,
) -> Changed:
    row = act_on(caller.pool, caller.tenant, replay_id, caller.acting(why.reason, dry_run=dry_run))
    return Changed(replay=row, command=command("replay", verb, replay_id, tenant=caller.tenant, reason=why.reason))


def _typed(caller: By, chosen: Choice, digest: str | None, reason: str) -> str:
    many = {"--item": chosen.ids, "--group": chosen.groups}
    words = [str(word) for option, ids in many.items() for one in ids or () for word in (option, one)]
    since, until = (at and f"{at:%Y-%m-%dT%H:%M:%S}" for at in (chosen.since, chosen.until))
    options = {
        "integration": chosen.integration,
        "code": chosen.code,
        "person": chosen.employee_key,
        "payroll": chosen.payroll,
        "course": chosen.course,
        "type": chosen.type,
        "since": since,
        "until": until,
        "mode": chosen.mode,
        "share": chosen.share,
        "digest": digest,
        "yes": digest is not None,
        "tenant": caller.tenant,
        "reason": reason,
    }
    return command("replay", "create", *words, **options)
