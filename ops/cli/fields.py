"""`matricula integration fields`: which profile fields the LMS has, and what goes into them."""

from typing import Annotated, Literal

import typer

from domain.fields import FieldNews
from ops import actions
from ops import fields as acts
from ops.actions import Refused
from ops.cli.output import PAGE, Exit, err, out, paged, pairs, printable, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened

app = typer.Typer(no_args_is_help=True, help=__doc__)

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]
Tenant = Annotated[str | None, typer.Option(help="Only this client company.")]
Name = Annotated[str, typer.Argument(help="The integration's name.")]
LmsField = Annotated[str, typer.Argument(help="The field's short name in the LMS.")]


@app.command()
def discover(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """Look which fields users and courses of the LMS have; maps are kept."""
    with told(), acting() as (settings, pool, by):
        found = acts.discover(pool, settings, actions.find_integration(pool, name, tenant), by=by)
    if as_json:
        show_json({"fields": [_news(item) for item in found.news], "partial": list(found.partial)})
    else:
        rows = [(f.field.area, f.field.shortname, f.field.kind, f.field.name, f.news) for f in found.news]
        show_table(("of", "field", "type", "label", "news"), rows)
        for gap in found.partial:
            err.print(f"[yellow]partial:[/] {printable(gap)}")
    if not found.news:
        raise typer.Exit(Exit.NOTHING)


@app.command()
def show(
    name: Name,
    page: Annotated[int | None, typer.Option(min=1, help=f"Only this page, of {PAGE} fields.")] = None,
    tenant: Tenant = None,
    as_json: Json = False,
) -> None:
    """Show every known field, where its value comes from, and which options its menu lacks."""
    with told(), opened("integrations:integration:read") as (_, pool):
        everything = acts.table(pool, actions.find_integration(pool, name, tenant))
    lines = paged(everything, page)
    if as_json:
        show_json(lines)
    else:
        show_table(
            ("of", "field", "type", "label", "value from", "missing options", "note"),
            [(line.area, line.lms_field, line.kind, line.name, *_chosen(line), line.note) for line in lines],
        )
    if not everything:
        err.print("no fields are known yet: matricula integration fields discover")
    if not lines:
        raise typer.Exit(Exit.NOTHING)


@app.command("map")
def map_(
    name: Name,
    lms_field: LmsField,
    source: Annotated[
        str | None,
        typer.Argument(help="employee_number, status, starts_on, attributes.NAME, payroll.NAME and so on."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="The field's type, when it was not discovered.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="An option of the menu, in its exact words.")] = None,
    value: Annotated[list[str] | None, typer.Option(help="HR's value = the LMS's text, such as on_leave=Away.")] = None,
    when_empty: Annotated[Literal["leave", "clear"], typer.Option(help="What an empty value does.")] = "leave",
    payroll: Annotated[list[str] | None, typer.Option(help="Only for people of this payroll.")] = None,
    no_choice: Annotated[bool, typer.Option("--no-choice", help="Never write the field again.")] = False,
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Choose where a profile field gets its value from; saved as a new version of the settings."""
    with told(), acting(reason, dry_run=dry_run) as (_, pool, by):
        if no_choice == (source is not None):
            raise Refused("name a source for the field, or --no-choice")
        integration = actions.find_integration(pool, name, tenant)
        if source is None:
            acts.unmap_field(pool, integration, lms_field, by=by)
            said: object = {"lms_field": lms_field, "source": None}
        else:
            choice = acts.Choice(
                lms_field,
                source,
                kind,
                tuple(option or ()),
                pairs("--value", value or []),
                when_empty,
                tuple(payroll or ()),
            )
            said = acts.map_field(pool, integration, choice, by=by).model_dump(mode="json")
    if as_json:
        show_json(said)
    else:
        out.print(printable(f"{lms_field} is {f'taken from {source}' if source else 'not written any more'}"))


def _chosen(line: acts.FieldLine) -> tuple[str, str]:
    return line.source or ("" if line.area == "course" else "no choice"), ", ".join(line.missing)


def _news(item: FieldNews) -> dict[str, object]:
    field = item.field
    return {
        "area": field.area,
        "lms_field": field.shortname,
        "kind": field.kind,
        "name": field.name,
        "options": field.options,
        "news": item.news,
    }
