"""Profile fields of an LMS: what there is, and what goes into them."""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field

from ops import fields
from ops.api.declaring import Done, DryRun, Id, Key, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, slice_of
from ops.commands import command

routes = router("fields")


class Choice(Why):
    """Where a field gets its value from; what is left open is taken from what was discovered."""

    source: str = Field(min_length=1, max_length=255)
    kind: str | None = Field(None, max_length=50)
    options: list[str] = Field([], max_length=1000)
    value_map: dict[str, str] = Field({}, description="Texts of the LMS by values of HR.")
    when_empty: Literal["leave", "clear"] = "leave"
    payrolls: list[str] = Field([], max_length=1000)


class Discovered(Done):
    fields: list[dict[str, Any]]
    partial: list[str]


class Mapped(Done):
    lms_field: str
    source: str | None


@view(routes, "/integrations/{integration_id}/fields", "integrations:integration:read")
def field_list(caller: By, integration_id: Id, limit: Limit = 50, cursor: Cursor = None) -> Page[fields.FieldLine]:
    """Every known field, where its value comes from, and which options its menu lacks."""
    return slice_of(fields.table(caller.pool, caller.integration(integration_id)), limit, cursor)


@act(routes, "/integrations/{integration_id}/fields/discover", fields.DISCOVER)
def field_discover(caller: By, integration_id: Id) -> Discovered:
    """Look which fields users and courses of the LMS have; maps are kept."""
    row = caller.integration(integration_id)
    found = fields.discover(caller.pool, caller.site.settings, row, by=caller.by)
    news = [asdict(one.field) | {"news": one.news} for one in found.news]
    typed = command("integration", "fields", "discover", row.name, tenant=caller.tenant)
    return Discovered(fields=news, partial=list(found.partial), command=typed)


@act(routes, "/integrations/{integration_id}/fields/{lms_field}", fields.MAP, method="PUT")
def field_map(caller: By, integration_id: Id, lms_field: Key, chosen: Choice, dry_run: DryRun = False) -> Mapped:
    """Choose where a profile field gets its value from; saved as a new version of the settings."""
    row = caller.integration(integration_id)
    choice = fields.Choice(
        lms_field,
        chosen.source,
        chosen.kind,
        tuple(chosen.options),
        chosen.value_map,
        chosen.when_empty,
        tuple(chosen.payrolls),
    )
    fields.map_field(caller.pool, row, choice, by=caller.acting(chosen.reason, dry_run=dry_run))
    many = [("--option", option) for option in chosen.options]
    many += [("--value", f"{name}={text}") for name, text in chosen.value_map.items()]
    many += [("--payroll", payroll) for payroll in chosen.payrolls]
    clear = None if chosen.when_empty == "leave" else chosen.when_empty
    options = {"kind": chosen.kind, "when_empty": clear, "tenant": caller.tenant, "reason": chosen.reason}
    words = [word for pair in many for word in pair]
    typed = command("integration", "fields", "map", row.name, lms_field, chosen.source, *words, **options)
    return Mapped(lms_field=lms_field, source=chosen.source, command=typed)


@act(routes, "/integrations/{integration_id}/fields/{lms_field}/unmap", fields.MAP)
def field_unmap(caller: By, integration_id: Id, lms_field: Key, why: Why, dry_run: DryRun = False) -> Mapped:
    """Never write the field again; it keeps what it holds."""
    row = caller.integration(integration_id)
    fields.unmap_field(caller.pool, row, lms_field, by=caller.acting(why.reason, dry_run=dry_run))
    options = {"no_choice": True, "tenant": caller.tenant, "reason": why.reason}
    typed = command("integration", "fields", "map", row.name, lms_field, **options)
    return Mapped(lms_field=lms_field, source=None, command=typed)
