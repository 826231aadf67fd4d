"""`matricula integration show|outcomes|features`: what an integration was set up with, on one screen."""

import json
from typing import Annotated

import typer

from db.configuration import IntegrationRow
from domain.advanced import shown
from domain.features import lines
from domain.integration import IntegrationSettings, Results
from domain.support import Support
from ops import actions, life
from ops.cli.integration import READ, Json, Name, Tenant
from ops.cli.life import show_payrolls
from ops.cli.output import out, pairs, show_json, show_table, told
from ops.cli.session import DryRun, Reason, acting, opened
from ops.life import Payroll
from ops.outcomes import choose_outcomes

TOKEN = "stored, never shown"  # noqa: S105 - says where it is


def show(
    name: Name,
    tenant: Tenant = None,
    advanced: Annotated[bool, typer.Option("--advanced", help="The settings that few change, too.")] = False,
    as_json: Json = False,
) -> None:
    """Show how an integration is set up, with its payrolls; the token never."""
    with told(), opened(READ) as (_, pool):
        row = actions.find_integration(pool, name, tenant)
        payrolls = life.payrolls(pool, row)
    if as_json:
        show_json({**actions.public(row), "token": TOKEN, "payrolls": payrolls})
        return
    chosen = IntegrationSettings.model_validate(row.settings)
    _show_setup(row, chosen, payrolls)
    _show_support(chosen.support)
    settings = chosen.model_dump(mode="json")
    out.print_json(json.dumps(settings if advanced else shown(settings, IntegrationSettings)))


def _show_setup(row: IntegrationRow, chosen: IntegrationSettings, payrolls: list[Payroll]) -> None:
    """What PSiber has on one screen (R15), the payroll list below."""
    results = chosen.results
    lines = [
        ("tenant", row.tenant),
        ("all payrolls", "yes" if chosen.payrolls == "all" else "no, the selected ones"),
        ("enabled", f"{'yes' if row.state == 'active' else 'no'}: {row.hold_code or row.state}"),
        ("address", row.url),
        ("token", TOKEN),
        ("pass result", _item(results, results.pass_outcome)),
        ("fail result", _item(results, results.fail_outcome)),
        ("settings version", row.settings_version),
    ]
    show_table(("", row.name), lines)
    if payrolls:
        show_payrolls(payrolls)


def _item(results: Results, code: str) -> str:
    """An item of HR's pick-list with its label; one that is not there blocks results (R27)."""
    labels = {item.code: item.label for item in results.outcomes}
    return f"{code} {labels[code]}".rstrip() if code in labels else f"{code}, which is not in the pick-list"


def _show_support(support: Support) -> None:
    """Who hosts the LMS, whom to ask, and what was promised (R14, R78, R79)."""
    level = support.service_level
    rows = [("hosted by", f"{support.hosted_by}: {support.host}" if support.host else support.hosted_by)]
    rows += [
        (f"ask about HR, IT and product, {place}", str(one)) for place, one in enumerate(support.internal, start=1)
    ]
    rows += [(f"ask about the LMS, {place}", str(one)) for place, one in enumerate(support.chain("LMS"), start=1)]
    promised = [level.name, _hours("looked at", level.respond_within_h), _hours("solved", level.resolve_within_h)]
    show_table(("support", ""), [*rows, ("service level", ", ".join(filter(None, promised)) or "none")])


def _hours(what: str, hours: int | None) -> str:
    return "" if hours is None else f"{what} within {hours} h"


def outcomes(
    name: Name,
    add: Annotated[list[str] | None, typer.Option(help="A new item, as CODE=LABEL; may be given again.")] = None,
    passed: Annotated[str | None, typer.Option("--pass", help="Code of the item that stands for a pass.")] = None,
    failed: Annotated[str | None, typer.Option("--fail", help="Code of the item that stands for a fail.")] = None,
    tenant: Tenant = None,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """List HR's result pick-list, add items to it, and choose which of them stand for pass and fail."""
    with told(), acting(reason, dry_run=dry_run) as (settings, pool, by):
        if not (add or passed or failed):
            by.check(READ, by.tenant)
        row = actions.find_integration(pool, name, tenant)
        results = IntegrationSettings.model_validate(row.settings).results
        if add or passed or failed:
            added = pairs("--add", add or [])
            results = choose_outcomes(pool, settings, row, by=by, added=added, passed=passed, failed=failed)
    stands_for = {results.pass_outcome: "pass", results.fail_outcome: "fail"}
    items = [(item.code, item.label, stands_for.get(item.code, "")) for item in results.outcomes]
    if as_json:
        show_json([dict(zip(("code", "label", "stands_for"), item, strict=True)) for item in items])
    else:
        show_table(("code", "label", "stands for"), items)


def features(name: Name, tenant: Tenant = None, as_json: Json = False) -> None:
    """List what there is to have, by phase, what of it is billed, and what is switched on."""
    with told(), opened(READ) as (_, pool):
        row = actions.find_integration(pool, name, tenant)
    found = lines(IntegrationSettings.model_validate(row.settings).features)
    if as_json:
        show_json(found)
    else:
        rows = [(f.name, f.phase, _yes(f.billable), _yes(f.on), f.title) for f in found]
        show_table(("feature", "phase", "billed", "on", "what it is"), rows)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def register(app: typer.Typer) -> None:
    """These are commands of `matricula integration`."""
    for command in (show, outcomes, features):
        app.command()(command)
