"""`matricula why`, `timeline`, `available` and `person`: one person or enrolment, where it stands, what happened."""

import json
from typing import Annotated

import typer

from db.people import PeopleViews, TimelineLine
from db.pool import transaction
from ops import overrides, people
from ops.actions import NotFound
from ops.cli.output import Exit, err, out, pairs, printable, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
Key = Annotated[str, typer.Argument(help="HR's key of the person or of the enrolment.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]


def why(
    key: Key,
    integration: Annotated[str | None, typer.Option(help="Only in this integration.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say why a person or enrolment is as it is: the first thing to fix, then every condition with its value."""
    with told(), opened("people:person:read") as (_, pool), transaction(pool) as db:
        views = PeopleViews(db)
        subject = people.subject_of(views, key, tenant)
        found = views.explain(subject, integration)
    if not found:
        with told():
            raise NotFound("no integration matches; see `matricula integration list`")
    if as_json:
        show_json({"subject": subject, "explanations": found})
        return
    for one in found:
        out.print(f"[bold]{printable(one.integration)}[/]: {printable(one.verdict)}")
        show_table(("condition", "", "value"), [(c.name, c.mood, c.value) for c in one.conditions])
        out.print()


def timeline(
    key: Key,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Show the newest so many.")] = 200,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List what HR told about a person and what was done for them, the newest last."""
    with told(), opened("people:person:read") as (_, pool), transaction(pool) as db:
        views = PeopleViews(db)
        lines = views.timeline(people.subject_of(views, key, tenant), most)
    if as_json:
        show_json(lines)
    else:
        show_timeline(lines)
    if not lines:
        raise typer.Exit(Exit.NOTHING)


def show_timeline(lines: list[TimelineLine]) -> None:
    """One line for each thing that happened."""
    show_table(("at", "what", "integration", "enrolment", "more"), [_line(line) for line in lines])


def available(
    key: Key,
    integration: Annotated[str | None, typer.Option(help="Only in this integration.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List the courses that are open to an employee: active, and in scope of the employee's payroll."""
    with told(), opened("people:person:read") as (_, pool), transaction(pool) as db:
        views = PeopleViews(db)
        found = views.available(people.subject_of(views, key, tenant), integration)
    courses = [(one.integration, course) for one in found for course in one.courses]
    if as_json:
        show_json(found)
    elif courses:
        show_table(
            ("code", "title", "category", "starts", "enrolled", "integration"),
            [(c.code, c.title, c.category, c.starts_on, "yes" if c.enrolled else "no", name) for name, c in courses],
        )
    for one in found:
        if one.because and not as_json:
            err.print(f"{printable(one.integration)}: none, because {one.because}")
    if not courses:
        raise typer.Exit(Exit.NOTHING)


def _line(line: TimelineLine) -> tuple[object, ...]:
    more = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in line.data.items()
    )
    return (f"{line.at:%Y-%m-%d %H:%M:%S}", line.kind, line.integration, line.enrolment_key, more)


def override(
    key: Annotated[str, typer.Argument(help="HR's key of the person.")],
    set_: Annotated[
        list[str],
        typer.Option("--set", help="FIELD=TEXT, as first_name=Noor or attributes.desk=7; may be given again."),
    ],
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Set fields of a person until HR says something newer: a new word in their history, never an edit of HR's."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        with transaction(pool) as db:
            subject = people.subject_of(PeopleViews(db), key, tenant)
        done = overrides.override(pool, settings, subject, pairs("--set", set_), by)
    if as_json:
        show_json(done)
        return
    show_table(("field", "before", "after"), [(name, *pair) for name, pair in done.fields.items()])
    out.print(f"sent as event {done.event_id}" if done.event_id else "nothing was sent: this was a dry run")
