"""Enrolments: where they stand, when they are exported, and having one provisioned anew."""

from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import Field

from db.enrolments import Chosen, EnrolmentLine, EnrolmentViews
from db.pool import transaction
from ops import enrolments
from ops.actions import Refused
from ops.api.declaring import Done, DryRun, Key, Number, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, page, read
from ops.commands import command

READ = "enrolments:enrolment:read"

routes = router("enrolments")

Text = Annotated[str | None, Query(max_length=255)]


class Exporting(Why):
    """The ticked rows, or all of a course; a part that is left out stays as it is."""

    keys: list[str] = Field([], max_length=1000)
    course: str | None = Field(None, max_length=255)
    box: bool | None = None
    day: date | None = None
    at_once: bool = False


class Exported(Done):
    changed: list[str]
    unchanged: list[str]
    unaffected: list[str]


class Anew(Why):
    integration_id: Number


class Forgotten(Done):
    employee_key: str


@view(routes, "/enrolments", READ)
def enrolment_list(
    caller: By,
    course: Text = None,
    employee_key: Text = None,
    integration: Text = None,
    state: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[EnrolmentLine]:
    """Enrolments as they stand in each integration, by course."""
    chosen = Chosen(course, employee_key, integration, state)
    with transaction(caller.pool) as db:
        found = EnrolmentViews(db, caller.tenant).lines(chosen, limit + 1, read(cursor, str, str, str))
    return page(found, limit, lambda row: [row.course_code, row.enrolment_key, row.integration or ""])


@view(routes, "/enrolments/{key}", READ)
def enrolment_show(caller: By, key: Key) -> enrolments.Shown:
    """One enrolment: export settings, every condition, each provisioning, and the results fetched."""
    return enrolments.show(caller.pool, enrolments.find_line(caller.pool, key, caller.tenant))


@act(routes, "/enrolments/export", enrolments.SET_EXPORT)
def enrolment_export(caller: By, wanted: Exporting, dry_run: DryRun = False) -> Exported:
    """Set export box and day of the ticked rows and of no others."""
    chosen = Chosen(course=wanted.course, keys=wanted.keys or None)
    if bool(wanted.keys) == bool(wanted.course):
        raise Refused("tick rows by their keys, or all of a course")
    export = enrolments.Export(wanted.box, wanted.day, wanted.at_once)
    by = caller.acting(wanted.reason, dry_run=dry_run)
    done = enrolments.set_export(caller.pool, caller.site.settings, caller.tenant, chosen, export, by=by)
    tick = [] if wanted.box is None else ["--tick" if wanted.box else "--untick"]
    options = {"course": wanted.course, "on": wanted.day and wanted.day.isoformat(), "at_once": wanted.at_once}
    options |= {"tenant": caller.tenant, "reason": wanted.reason}
    return Exported(
        changed=list(done.changed),
        unchanged=list(done.unchanged),
        unaffected=list(done.unaffected),
        command=command("enrolments", "set-export", *wanted.keys, *tick, **options),
    )


@act(routes, "/enrolments/{key}/reprovision", enrolments.REPROVISION)
def enrolment_reprovision(caller: By, key: Key, wanted: Anew, dry_run: DryRun = False) -> Forgotten:
    """Delete the contact log, so that it is provisioned anew; nothing is made or enrolled twice by it."""
    row = caller.integration(wanted.integration_id)
    by = caller.acting(wanted.reason, dry_run=dry_run)
    employee_key = enrolments.forget(caller.pool, row, key, by=by)
    options = {"integration": row.name, "tenant": caller.tenant, "reason": wanted.reason}
    return Forgotten(employee_key=employee_key, command=command("enrolments", "forget", key, **options))
