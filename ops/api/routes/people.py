"""People by exact marks: where each stands, why, and what happened."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from db.people import Available, PeopleViews, TimelineLine
from db.pool import transaction
from domain.why import Explanation
from ops import people, person_acts
from ops.api.declaring import Done, DryRun, Key, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, page, reach, read, slice_of
from ops.api.problems import Trouble
from ops.commands import command
from ops.overrides import OVERRIDE, override

routes = router("people")

Address = Annotated[
    str | None,
    Query(pattern="^[0-9a-f]{64}$", description="SHA-256, in hex, of the address in lower case without outer spaces."),
]
Name = Annotated[str | None, Query(max_length=255, description="Only in this integration.")]


class Found(BaseModel):
    """One person that matches."""

    employee_key: str


class Syncing(Why):
    integration: str | None = Field(None, max_length=255, description="Only there.")


class Synced(Done):
    """Where the person is looked at now; `left` says why elsewhere not."""

    integrations: list[str]
    left: dict[str, str]


class Overriding(Why):
    fields: dict[str, str] = Field(min_length=1, max_length=100, description="Text by field; empty for nothing.")


class Overridden(Done):
    fields: list[str]
    event_id: str | None


@view(routes, "/people", people.READ)
def people_list(
    caller: By,
    key: Annotated[str | None, Query(max_length=255, description="HR's key of the person.")] = None,
    email_sha256: Address = None,
    lms_user_id: Annotated[str | None, Query(max_length=255)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Found]:
    """People by one exact mark: key, hash of an address, or LMS user; everybody without any. Never by name."""
    if sum(mark is not None for mark in (key, email_sha256, lms_user_id)) > 1:
        problem = ("query", "give one of key, email_sha256 and lms_user_id")
        raise Trouble(422, "invalid", "Something sent cannot be so", errors=[problem])
    (after,) = read(cursor, str) or ("",)
    mark = people.Mark(key, email_sha256, lms_user_id)
    most = limit + (mark == people.Mark())  # a mark is somebody's, or few people's: there is no second page
    found = people.search(caller.pool, caller.tenant, mark, after=after, most=most)
    return page([Found(employee_key=one.employee_key) for one in found], limit, lambda one: [one.employee_key])


@view(routes, "/people/{key}", people.READ)
def people_show(
    caller: By,
    key: Key,
    unmask: Annotated[bool, Query(description="Show name and addresses, and be on record for it.")] = False,
) -> people.PersonPage:
    """One person, masked unless asked otherwise, and who they are in each LMS."""
    return people.person_page(caller.pool, caller.tenant, key, unmasked=unmask, by=caller.by)


@view(routes, "/people/{key}/why", people.READ)
def people_why(
    caller: By, key: Key, integration: Name = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Explanation]:
    """Why a person or enrolment is as it is, in each integration: what to fix first, then every condition."""
    with transaction(caller.pool) as db:
        views = PeopleViews(db)
        found = views.explain(people.subject_of(views, key, caller.tenant), integration)
    return slice_of(found, limit, cursor)


@view(routes, "/people/{key}/timeline", people.READ)
def people_timeline(caller: By, key: Key, limit: Limit = 50, cursor: Cursor = None) -> Page[TimelineLine]:
    """What HR told about a person and what was done for them, the newest first."""
    with transaction(caller.pool) as db:
        views = PeopleViews(db)
        lines = views.timeline(people.subject_of(views, key, caller.tenant), reach(limit, cursor))
    return slice_of(lines[::-1], limit, cursor)


@view(routes, "/people/{key}/available", people.READ)
def people_available(
    caller: By, key: Key, integration: Name = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[Available]:
    """The courses that are open to an employee."""
    with transaction(caller.pool) as db:
        views = PeopleViews(db)
        found = views.available(people.subject_of(views, key, caller.tenant), integration)
    return slice_of(found, limit, cursor)


@act(routes, "/people/{key}/override", OVERRIDE)
def people_override(caller: By, key: Key, wanted: Overriding, dry_run: DryRun = False) -> Overridden:
    """Set a person's fields by hand until HR says something newer. Answers which, never what was in them."""
    with transaction(caller.pool) as db:
        subject = people.subject_of(PeopleViews(db), key, caller.tenant)
    by = caller.acting(wanted.reason, dry_run=dry_run)
    done = override(caller.pool, caller.site.settings, subject, wanted.fields, by)
    words = [word for name, text in wanted.fields.items() for word in ("--set", f"{name}={text}")]
    typed = command("override", key, *words, tenant=caller.tenant, reason=wanted.reason)
    return Overridden(fields=sorted(done.fields), event_id=done.event_id, command=typed)


@act(routes, "/people/{key}/sync", person_acts.SYNC)
def people_sync(caller: By, key: Key, wanted: Syncing, dry_run: DryRun = False) -> Synced:
    """Look at a person anew now: what the LMS holds is read, and written where HR says otherwise."""
    by = caller.acting(wanted.reason, dry_run=dry_run)
    done = person_acts.sync(caller.pool, caller.tenant, key, by=by, integration=wanted.integration)
    options = {"integration": wanted.integration, "tenant": caller.tenant, "reason": wanted.reason}
    typed = command("person", "sync", key, **options)
    return Synced(integrations=list(done.integrations), left=dict(done.left), command=typed)


@act(routes, "/people/{key}/export", person_acts.EXPORT, kept=False)
def people_export(caller: By, key: Key, why: Why) -> person_acts.Export:
    """Everything that is held of a person, for the person; that it was taken out is on record."""
    return person_acts.export(caller.pool, caller.tenant, key, by=caller.acting(why.reason))
