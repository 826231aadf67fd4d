"""Who is which user of an LMS, and saying so by hand."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from db.links import LinkRow, links
from db.pool import transaction
from ops.api.declaring import Done, DryRun, Number, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, page, read
from ops.commands import command
from ops.links import SET, UNSET, set_link, unset_link

routes = router("links")


class Unset(Why):
    integration_id: Number
    employee_key: str = Field(min_length=1, max_length=255)


class Set(Unset):
    lms_user_id: str = Field(min_length=1, max_length=255)


class Linked(Done):
    employee_key: str
    lms_user_id: str | None


@view(routes, "/links", "people:person:read")
def link_list(
    caller: By,
    state: Annotated[Literal["linked", "unclear"], Query()] = "unclear",
    integration: Annotated[str | None, Query(max_length=255)] = None,
    employee_key: Annotated[str | None, Query(max_length=255)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LinkRow]:
    """People whose account in the LMS is unclear, with the candidates; or the links that are there."""
    after = read(cursor, str, str)
    with transaction(caller.pool) as db:
        found = links(
            db,
            tenant=None,
            integration=integration,
            employee_key=employee_key,
            linked=state == "linked",
            after=after,
            most=limit + 1,
        )
    return page(found, limit, lambda row: [row.integration, row.employee_key])


@act(routes, "/links/set", SET)
def link_set(caller: By, wanted: Set, dry_run: DryRun = False) -> Linked:
    """Say that a person is this LMS user; it must exist, be nobody else's, and not be protected."""
    row = caller.integration(wanted.integration_id)
    by = caller.acting(wanted.reason, dry_run=dry_run)
    set_link(caller.pool, caller.site.settings, row, wanted.employee_key, wanted.lms_user_id, by=by)
    options = {"integration": row.name, "tenant": caller.tenant, "reason": wanted.reason}
    typed = command("link", "set", wanted.employee_key, wanted.lms_user_id, **options)
    return Linked(employee_key=wanted.employee_key, lms_user_id=wanted.lms_user_id, command=typed)


@act(routes, "/links/unset", UNSET)
def link_unset(caller: By, wanted: Unset, dry_run: DryRun = False) -> Linked:
    """Say that a person is not the LMS user linked now; the user itself is left alone."""
    row = caller.integration(wanted.integration_id)
    unset_link(caller.pool, row, wanted.employee_key, by=caller.acting(wanted.reason, dry_run=dry_run))
    options = {"integration": row.name, "tenant": caller.tenant, "reason": wanted.reason}
    typed = command("link", "unset", wanted.employee_key, **options)
    return Linked(employee_key=wanted.employee_key, lms_user_id=None, command=typed)
