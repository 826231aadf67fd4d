"""`matricula person`: who somebody is and where; look at them anew, and take out everything that is held of them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from db.people import PeopleViews, PersonLine
from db.pool import transaction
from ops import people, person_acts
from ops.cli.output import Exit, err, out, plain, printable, show_json, show_table, told
from ops.cli.person import show_timeline
from ops.cli.session import DryRun, Reason, acting, opened
from ops.exports import STANDARD_OUTPUT
from ops.people import PersonPage

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
Key = Annotated[str, typer.Argument(help="HR's key of the person.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Address = Annotated[str | None, typer.Option(help="SHA-256, in hex, of an address in lower case without outer spaces.")]


@app.command("list")
def list_(
    key: Annotated[str | None, typer.Option(help="HR's key of the person.")] = None,
    email_sha256: Address = None,
    lms_user: Annotated[str | None, typer.Option(help="The user's id in an LMS.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Show at most so many.")] = 100,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """List people by one exact mark, or everybody; never by name."""
    with told(), opened(people.READ) as (_, pool):
        found = people.search(pool, tenant, people.Mark(key, email_sha256, lms_user), most=most)
    if as_json:
        show_json(found)
    else:
        show_table(("employee", "tenant"), [(one.employee_key, one.tenant) for one in found])
    if not found:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def show(
    key: Key,
    timeline: Annotated[bool, typer.Option("--timeline", help="What happened, too.")] = False,
    unmask: Annotated[bool, typer.Option("--unmask", help="Name and addresses; you are on record for it.")] = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show one person, masked unless asked otherwise, and who they are in each LMS."""
    with told(), acting() as (_, pool, by):
        by.check(people.READ, by.tenant)
        page = people.person_page(pool, tenant, key, unmasked=unmask, by=by)
        with transaction(pool) as db:
            views = PeopleViews(db)
            lines = views.timeline(people.subject_of(views, key, tenant), 200) if timeline else []
    if as_json:
        show_json({"page": page, "timeline": lines} if timeline else page)
        return
    _show(page)
    if timeline:
        out.print()
        show_timeline(lines)


def _show(page: PersonPage) -> None:
    show_table(("", page.person.employee_key), _facts(page.person))
    rows = [(one.integration, one.lms_user_id, one.link, one.linked_at and f"{one.linked_at:%F}") for one in page.links]
    show_table(("integration", "LMS user", "how", "since"), rows)


def _facts(person: PersonLine) -> list[tuple[str, object]]:
    return [
        ("name", person.name),
        ("addresses", ", ".join(person.emails)),
        ("payroll", person.payroll),
        ("status", "erased" if person.erased else person.status),
        ("HR's last word", f"{person.occurred_at:%F %H:%M}"),
    ]


@app.command()
def sync(
    key: Key,
    integration: Annotated[str | None, typer.Option(help="Only in this integration.")] = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Look at a person anew now: what the LMS holds is read, and written where HR says otherwise."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        done = person_acts.sync(pool, tenant, key, by=by, integration=integration)
    if as_json:
        show_json(done)
    else:
        for name, why in done.left.items():
            err.print(printable(f"{name}: {why}"))
        out.print(printable(f"{key} {'would be' if dry_run else 'is'} looked at in {', '.join(done.integrations)}"))
    if done.left:
        raise typer.Exit(Exit.PARTLY)


@app.command()
def export(
    key: Key,
    file: Annotated[str, typer.Argument(help="The file to write; - is standard output.")] = STANDARD_OUTPUT,
    reason: Reason = "",
    tenant: Tenant = None,
) -> None:
    """Write everything that is held of a person as JSON, for the person; that it was taken out is on record."""
    with told(), acting(reason) as (_, pool, by):
        found = person_acts.export(pool, tenant, key, by=by)
        _write(file, found)
    err.print(f"{sum(len(rows) for rows in found.holdings.values())} rows written")


def _write(file: str, found: Any) -> None:
    if file == STANDARD_OUTPUT:
        show_json(found)
    else:
        Path(file).write_text(json.dumps(found, default=plain, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
