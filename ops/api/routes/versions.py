"""How an integration's settings came to be as they are, and going back."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from ops import life, versions
from ops.api.declaring import Done, DryRun, Id, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, slice_of
from ops.commands import command

READ = "integrations:integration:read"

routes = router("integrations")

Number = Annotated[int, Query(ge=1, lt=2**31)]


class Setting(BaseModel):
    """One setting before and after; null where there is none."""

    setting: str
    before: Any
    after: Any


class Reverting(Why):
    version: Annotated[int, Field(ge=1, lt=2**31)]
    rekey: bool = False


class Reverted(Done):
    version: int
    changes: list[Setting]
    rekeyed: int


@view(routes, "/integrations/{integration_id}/versions", READ)
def version_list(caller: By, integration_id: Id, limit: Limit = 50, cursor: Cursor = None) -> Page[versions.Version]:
    """Every version of the settings, the newest first, and which settings it changed."""
    return slice_of(versions.versions(caller.pool, caller.integration(integration_id)), limit, cursor)


@view(routes, "/integrations/{integration_id}/diff", READ)
def version_diff(
    caller: By, integration_id: Id, old: Number, new: Number | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Setting]:
    """Each setting that differs between two versions, the second being today's without a number."""
    found = versions.diff(caller.pool, caller.integration(integration_id), old, new)
    return slice_of(_told(found), limit, cursor)


@act(routes, "/integrations/{integration_id}/revert", life.EDIT)
def version_revert(caller: By, integration_id: Id, wanted: Reverting, dry_run: DryRun = False) -> Reverted:
    """Work by the settings of an earlier version again, as a new version."""
    row = caller.integration(integration_id)
    by = caller.acting(wanted.reason, dry_run=dry_run)
    done = versions.revert(caller.pool, caller.site.settings, row, wanted.version, by=by, rekey=wanted.rekey)
    options = {"rekey": wanted.rekey, "tenant": caller.tenant, "reason": wanted.reason}
    typed = command("integration", "revert", row.name, wanted.version, **options)
    return Reverted(version=done.version, changes=_told(done.changes), rekeyed=done.rekeyed, command=typed)


def _told(changes: list[life.Change]) -> list[Setting]:
    return [Setting(setting=one.setting, before=one.before, after=one.after) for one in changes]
