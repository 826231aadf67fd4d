"""`matricula plan`: the calls that the workers would make, shown and not made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from db.configuration import integrations
from db.pool import Pool, transaction
from domain.events import Event, parse_bytes
from domain.failure_catalogue import describe
from domain.planning import FieldChange, PersonPlan, PlannedCall, counted
from ops.actions import NotFound
from ops.cli.output import Exit, err, fail, out, printable, show_json, told
from ops.cli.session import acting
from ops.planning import PREVIEW, Plan, Selection, previewed
from producers.feeds import BadLine, read_feed

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]


def plan(
    file: Annotated[str | None, typer.Argument(help="JSON Lines, one CloudEvent each; - is standard input.")] = None,
    payroll: Annotated[str | None, typer.Option(help="Everybody of this payroll, as HR has told so far.")] = None,
    person: Annotated[str | None, typer.Option(help="This employee key.")] = None,
    integration: Annotated[str | None, typer.Option(help="Only this integration.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this client company.")] = None,
    as_json: Json = False,
) -> None:
    """Show the exact LMS calls for events, a payroll or a person, with each field before and after. Writes nothing."""
    if sum(given is not None for given in (file, payroll, person)) != 1:
        raise fail("give one of FILE, --payroll or --person", Exit.USAGE)
    with told(), acting() as (settings, pool, by):
        by.check(PREVIEW, by.tenant)
        events = _events(file) if file is not None else []
        chosen = Selection(events, payroll, person)
        tenant = tenant or _tenant(events, pool)
        with transaction(pool) as db:
            rows = integrations(db, tenant, integration)
        if not rows:
            raise NotFound("no integration matches; see `matricula integration list`")
        done = previewed(pool, settings, tenant, rows, chosen, by=by)
    if as_json:
        show_json({"events": done.endings, "people": done.people, "counts": counted(done.people)})
    else:
        _show(done)
    if not any(one.calls for one in done.people):
        raise typer.Exit(Exit.NOTHING)


def _events(file: str) -> list[Event]:
    events: list[Event] = []
    for line in read_feed(file):
        if isinstance(line, BadLine):
            where = f"{line.field}: " if line.field else ""
            err.print(f"[red]line {line.number}:[/] {printable(where + line.problem)}")
        else:
            events.append(parse_bytes(line.event.body))
    if not events:
        raise NotFound("no line of the file is an event")
    return events


def _tenant(events: list[Event], pool: Pool) -> str:
    """The one client company it can be about."""
    told_of = {event.envelope.tenant for event in events}
    if not told_of:
        with transaction(pool) as db:
            told_of = {row.tenant for row in integrations(db)}
    if len(told_of) != 1:
        raise NotFound("more than one client company comes into question, or none; add --tenant")
    return told_of.pop()


def _show(done: Plan) -> None:
    for one in done.people:
        if one.calls or one.outcome != "nothing" or one.detail:
            _show_person(one)
    endings = "".join(f", {count} events {ending}" for ending, count in sorted(done.endings.items()))
    people = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counted(done.people).items()))
    calls = sum(len(one.calls) for one in done.people)
    out.print(printable(f"{people}{endings}; {calls} writes planned, none made"))


def _show_person(one: PersonPlan) -> None:
    why = describe(one.code).title if one.code else ""
    reason = ": ".join(filter(None, [why, one.detail]))
    out.print(printable(f"{one.employee_key} in {one.integration}: {one.outcome}{f' ({reason})' if reason else ''}"))
    show_calls(one.calls)


def show_calls(calls: Sequence[PlannedCall]) -> None:
    """Each call with the fields that it sets, before and after."""
    for call in calls:
        out.print(printable(f"  {call.function} {call.subject}"))
        for change in _worth_showing(call):
            out.print(printable(f"    {change.field}: {_shown(change.before)} -> {_shown(change.after)}"))


def _worth_showing(call: PlannedCall) -> list[FieldChange]:
    return [change for change in call.changes if change.before is not None or change.after is not None]


def _shown(value: Any) -> str:
    if value is None:
        return "(nothing)"
    if isinstance(value, datetime):
        return f"{value:%F %H:%M}Z"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value)) or "(empty)"
