"""`matricula failures`: what needs a person, by cause; say what is known of it, dismiss and restore."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from db.failure_views import CountLine, Filter, GroupLine, GroupState, Pivot
from domain.failure_catalogue import describe
from ops import failures
from ops.cli.output import Exit, fail, out, printable, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.failures import Chosen, Done, Shown

app = typer.Typer(no_args_is_help=True, help=__doc__)

READ = "failures:group:read"

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Integration = Annotated[str | None, typer.Option(help="Only in this integration.")]
Code = Annotated[str | None, typer.Option(help="Only failures of this code.")]
Number = Annotated[int, typer.Argument(help="The group's number, as `failures groups` shows it.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of failures, as `failures list` shows them.")]
Group = Annotated[int | None, typer.Option(help="All of this group.")]
Most = Annotated[int, typer.Option(min=1, max=10_000, help="Show at most so many.")]


@app.command()
def groups(
    integration: Integration = None,
    code: Code = None,
    state: Annotated[GroupState | None, typer.Option(help="Only groups in this state.")] = None,
    by: Annotated[Pivot | None, typer.Option(help="Count by this instead of by cause.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also groups with nothing open in them.")] = False,
    most: Most = 50,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List failures by cause, the largest group first. What is tried again by itself is not among them."""
    with told(), opened(READ) as (_, pool):
        if by is not None:
            _show_counts(failures.counts(pool, tenant, by, most), as_json=as_json)
            return
        found = failures.groups(pool, tenant, Filter(integration, code, state), everything=everything, most=most)
    if as_json:
        show_json([_public(group) for group in found])
    else:
        show_groups(found)
    if not found:
        raise typer.Exit(Exit.NOTHING)


def show_groups(found: list[GroupLine]) -> None:
    """One line a cause."""
    show_table(
        ("group", "state", "failures", "people", "cause", "owner", "integration", "last", "trend", "assigned", "code"),
        [
            (
                g.group_id,
                _state(g),
                g.failures,
                g.people or "",
                describe(g.code).title,
                describe(g.code).owner,
                g.integration or "messages",
                f"{g.last_at:%F %H:%M}",
                _trend(g),
                g.assigned_to,
                g.code,
            )
            for g in found
        ],
    )


def _state(group: GroupLine) -> str:
    return f"snoozed until {group.snoozed_until:%F %H:%M}" if group.snoozed_until else group.state


def _trend(group: GroupLine) -> str:
    """How many came lately, beside how many came before."""
    return f"+{group.last_hour} this hour, +{group.last_day} in a day, +{group.day_before} the day before"


def _public(group: GroupLine) -> dict[str, object]:
    entry = describe(group.code)
    told = {name: getattr(group, name) for name in GroupLine.__dataclass_fields__}
    return told | {"title": entry.title, "owner": entry.owner, "fix": entry.fix}


def _show_counts(lines: list[CountLine], *, as_json: bool) -> None:
    if as_json:
        show_json(lines)
    else:
        rows = [(c.value, c.failures, c.people, f"{c.first_at:%F %H:%M}", f"{c.last_at:%F %H:%M}") for c in lines]
        show_table(("", "failures", "people", "first", "last"), rows)
    if not lines:
        raise typer.Exit(Exit.NOTHING)


@app.command("list")
def list_(
    group: Group = None,
    integration: Integration = None,
    code: Code = None,
    person: Annotated[str | None, typer.Option(help="Only this employee key.")] = None,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Those that were dismissed instead.")] = False,
    most: Most = 100,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List single failures, the last first."""
    with told(), opened(READ) as (_, pool):
        chosen = Filter(integration, code, None, person)
        found = failures.lines(pool, tenant, chosen, group_id=group, dismissed=dismissed, most=most)
    if as_json:
        show_json(found)
    else:
        show_table(
            ("failure", "group", "kind", "employee", "enrolment", "code", "times", "last", "detail", "integration"),
            [
                (
                    f.failure_id,
                    f.group_id,
                    f.kind,
                    f.employee_key,
                    f.enrolment_key,
                    f.code,
                    f.times,
                    f"{f.last_at:%F %H:%M}",
                    f.detail,
                    f.integration or "messages",
                )
                for f in found
            ],
        )
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def show(number: Number, tenant: Tenant = None, as_json: Json = False) -> None:
    """Show one group: what happened, what to do, why these are together, and what was done so far."""
    with told(), opened(READ) as (_, pool):
        shown = failures.show(pool, tenant, number)
    if as_json:
        show_json(shown)
    else:
        _show(shown)


def _show(shown: Shown) -> None:
    group, entry = shown.group, shown.entry
    where = f"[{group.code}] in {group.integration or 'messages'}"
    out.print(f"[bold]{printable(entry.title)}[/] {printable(where)}")
    facts = [
        ("state", _state(group)),
        ("failures, people", f"{group.failures}, {group.people}"),
        ("first, last", f"{group.first_at:%F %H:%M}, {group.last_at:%F %H:%M}"),
        ("trend", _trend(group)),
        ("symptom", entry.symptom),
        ("cause", entry.cause),
        ("owner", entry.owner),
        ("fix", entry.fix),
        ("assigned to", group.assigned_to or "nobody"),
        ("note", group.note),
        ("for example", group.detail),
        ("why together", ", ".join(f"{name} {value}" for name, value in group.parts.items() if value)),
        ("fingerprint", group.fingerprint),
        ("last replay", group.last_replay or "none"),
    ]
    if group.regrouped_into:
        facts.append(("regrouped into", ", ".join(map(str, group.regrouped_into))))
    show_table(("", ""), facts)
    if shown.samples:
        out.print()
        show_table(
            ("failure", "employee", "enrolment", "times", "last", "detail"),
            [
                (f.failure_id, f.employee_key, f.enrolment_key, f.times, f"{f.last_at:%F %H:%M}", f.detail)
                for f in shown.samples
            ],
        )
    if shown.history:
        out.print()
        rows = [(f"{line.at:%F %H:%M}", line.who, line.what, line.reason) for line in shown.history]
        show_table(("at", "who", "what", "why"), rows)
    for command in shown.commands:
        out.print(printable(command))


@app.command()
def dismiss(
    ids: Ids = None,
    group: Group = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say that nothing needs to be done about failures; they are never tried again with their group."""
    chosen = _chosen(ids, group)
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        done = failures.dismiss(pool, by.tenant or tenant, chosen, by)
    _tell("would be dismissed" if dry_run else "dismissed", done, as_json=as_json)


@app.command()
def restore(
    ids: Ids = None,
    group: Group = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Take a dismissal back, as long as that can be done."""
    chosen = _chosen(ids, group)
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        done = failures.restore(pool, by.tenant or tenant, chosen, by)
    _tell("would be restored" if dry_run else "restored", done, as_json=as_json)


def _chosen(ids: list[int] | None, group: int | None) -> Chosen:
    if bool(ids) == (group is not None):
        raise fail("give numbers of failures, or --group", Exit.USAGE)
    return Chosen(ids or (), () if group is None else (group,))


def _tell(what: str, done: Done, *, as_json: bool) -> None:
    if as_json:
        show_json(done)
    else:
        for failure_id, why in done.left.items():
            out.print(printable(f"{failure_id}: {why}"))
        out.print(f"{len(done.failures)} {what}")
    if done.left:
        raise typer.Exit(Exit.PARTLY)


@app.command()
def ack(
    number: Number, reason: Reason = "", dry_run: DryRun = False, tenant: Tenant = None, as_json: Json = False
) -> None:
    """Say that somebody has seen a group."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        _said(failures.acknowledge(pool, by.tenant or tenant, number, by), as_json=as_json)


@app.command()
def snooze(
    number: Number,
    until: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="Until then, in UTC, nobody needs to look.")
    ],
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Put a group off until a time."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        found = failures.snooze(pool, by.tenant or tenant, number, until.replace(tzinfo=UTC), by)
        _said(found, as_json=as_json)


@app.command()
def assign(
    number: Number,
    to: Annotated[str, typer.Option(help="Whose it is; empty for nobody's.")],
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Say whose a group is."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        _said(failures.assign(pool, by.tenant or tenant, number, to or None, by), as_json=as_json)


@app.command()
def note(
    number: Number,
    text: Annotated[str, typer.Argument(help="What is known by now; no names of people.")],
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Write down what is known about a group."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        _said(failures.note(pool, by.tenant or tenant, number, text, by), as_json=as_json)


def _said(group: GroupLine, *, as_json: bool) -> None:
    if as_json:
        show_json(_public(group))
    else:
        out.print(printable(f"group {group.group_id} is {_state(group)}, {group.assigned_to or 'nobody'}'s"))
