"""Integrations from draft to removal, and what there is to look at."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field, SecretStr

from db.catalogue import CourseLine
from db.checks import CheckStore
from db.configuration import integrations
from db.pool import transaction
from domain import features
from domain.identities import Compared
from domain.integration import IntegrationSettings
from domain.syncing import Flow
from ops import actions, life, selfcheck, syncing
from ops.api.declaring import Done, DryRun, Id, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, page, read, slice_of
from ops.commands import command
from ops.outcomes import choose_outcomes
from ops.payrolls import tick
from runtime.secrets import Secret

READ = "integrations:integration:read"

routes = router("integrations")


VERBS = {
    selfcheck.TEST: "test",
    actions.ENABLE: "enable",
    life.EDIT: "edit",
    actions.SET_TOKEN: "set-token",
    life.PAUSE: "pause",
    life.RESUME: "resume",
    syncing.SYNC: "sync",
    life.REMOVE: "remove",
}
"""What can be done with an integration, as the command line calls it."""


class Integration(BaseModel):
    """An integration as it stands; its secrets are no part of it."""

    integration_id: int
    name: str
    url: str
    state: str
    hold_code: str | None
    hold_detail: str | None
    held_since: datetime | None
    settings_version: int
    settings: dict[str, Any]


class Act(BaseModel):
    """Something that can be done with it: whether this operator may, and how one would type it."""

    permission: str
    allowed: bool
    command: str


class IntegrationPage(Integration):
    acts: list[Act]


class NewIntegration(Why):
    settings: dict[str, Any] = Field(description="See docs/settings.md.")
    token: SecretStr = Field(min_length=1, max_length=4000)
    password: SecretStr | None = Field(None, description="What newcomers get, where people.password is preset.")


class Added(Done):
    integration_id: int
    state: str


class NewSettings(Why):
    settings: dict[str, Any] = Field(description="All of them; only advanced ones may be left out.")
    password: SecretStr | None = None
    rekey: bool = Field(False, description="Linked people may get another id number.")


class Edited(Done):
    version: int
    changes: list[dict[str, Any]]
    rekeyed: int


class Enabling(Why):
    confirm_cost: bool = Field(False, description="I know what it costs a month.")


class Enabled(Done):
    state: str
    was: str | None
    mail: str
    checks: list[dict[str, Any]]


class Changed(Done):
    state: str
    changed: bool


class Token(Why):
    token: SecretStr = Field(min_length=1, max_length=4000)


class WebhookSecret(Why):
    secret: SecretStr = Field(min_length=1, max_length=4000)


class Checked(Done):
    checks: list[dict[str, Any]]


class Syncing(Why):
    flows: list[Flow] = Field([], max_length=3, description="All of them without any.")
    enrolments: bool = Field(False, description="Write every enrolment again, too.")


class Begun(Done):
    runs: list[dict[str, Any]]


class Selecting(Why):
    payrolls: list[str] = Field(max_length=10_000)
    select: bool


class Selected(Done):
    payrolls: list[str]
    unconfirmed: list[str]
    problem: str


class Outcomes(Why):
    """What changes; the rest of the pick-list stays as it is."""

    added: dict[str, str] = Field({}, description="Labels by code.")
    passed: str | None = Field(None, max_length=255)
    failed: str | None = Field(None, max_length=255)


@view(routes, "/integrations", READ)
def integration_list(
    caller: By,
    removed: Annotated[bool, Query(description="Those that were removed too.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Integration]:
    """Integrations and how they stand."""
    with transaction(caller.pool) as db:
        found = [Integration.model_validate(actions.public(row)) for row in integrations(db, removed=removed)]
    return slice_of(found, limit, cursor)


@view(routes, "/integrations/{integration_id}", READ)
def integration_show(caller: By, integration_id: Id) -> IntegrationPage:
    """One integration, and what can be done with it."""
    row = caller.integration(integration_id)
    acts = [
        Act(
            permission=permission,
            allowed=permission in caller.by.permissions,
            command=command("integration", verb, row.name, tenant=caller.tenant),
        )
        for permission, verb in VERBS.items()
    ]
    return IntegrationPage.model_validate(actions.public(row) | {"acts": acts})


@act(routes, "/integrations", actions.ADD, status_code=201)
def integration_add(caller: By, new: NewIntegration, dry_run: DryRun = False) -> Added:
    """Save an integration as a draft; nothing is called before it is enabled."""
    wanted = IntegrationSettings.model_validate(new.settings)
    integration_id = actions.add_integration(
        caller.pool,
        caller.site.settings,
        caller.tenant,
        wanted,
        Secret(new.token.get_secret_value().strip()),
        _secret(new.password),
        by=caller.acting(new.reason, dry_run=dry_run),
    )
    typed = command("integration", "add", "SETTINGS.json", tenant=caller.tenant, reason=new.reason)
    return Added(integration_id=integration_id, state="draft", command=typed)


@act(routes, "/integrations/{integration_id}/settings", life.EDIT, method="PUT")
def integration_edit(caller: By, integration_id: Id, new: NewSettings, dry_run: DryRun = False) -> Edited:
    """Replace the settings as a new version."""
    row = caller.integration(integration_id)
    done = life.edit(
        caller.pool,
        caller.site.settings,
        row,
        life.edited(row, new.settings),
        by=caller.acting(new.reason, dry_run=dry_run),
        password=_secret(new.password),
        rekey=new.rekey,
    )
    options = {"tenant": caller.tenant, "rekey": new.rekey, "reason": new.reason}
    return Edited(
        version=done.version,
        changes=[{"setting": c.setting, "before": c.before, "after": c.after} for c in done.changes],
        rekeyed=done.rekeyed,
        command=command("integration", "edit", row.name, "SETTINGS.json", **options),
    )


@act(routes, "/integrations/{integration_id}/test", selfcheck.TEST)
def integration_test(caller: By, integration_id: Id) -> Checked:
    """Check that the LMS is there and lets us work; only harmless calls are made."""
    row = caller.integration(integration_id)
    found = selfcheck.check(caller.pool, caller.site.settings, row, by=caller.by)
    typed = command("integration", "test", row.name, tenant=caller.tenant)
    return Checked(checks=[asdict(check) for check in found.checks], command=typed)


@view(routes, "/integrations/{integration_id}/checks", READ)
def integration_checks(
    caller: By, integration_id: Id, limit: Limit = 50, cursor: Cursor = None
) -> Page[dict[str, Any]]:
    """The last self-check, line by line."""
    caller.integration(integration_id)
    with transaction(caller.pool) as db:
        lines = CheckStore(db, integration_id).lines()
    return slice_of([asdict(line) for line in lines], limit, cursor)


@act(routes, "/integrations/{integration_id}/enable", actions.ENABLE)
def integration_enable(caller: By, integration_id: Id, why: Enabling, dry_run: DryRun = False) -> Enabled:
    """Test it and, if all is well, let it work."""
    row = caller.integration(integration_id)
    by = caller.acting(why.reason, dry_run=dry_run)
    done, mail = life.begin(caller.pool, caller.site.settings, row, by=by, cost_confirmed=why.confirm_cost)
    options = {"tenant": caller.tenant, "yes": why.confirm_cost, "reason": why.reason}
    return Enabled(
        state="active",
        was=done.was,
        mail=mail,
        checks=[asdict(check) for check in done.checks],
        command=command("integration", "enable", row.name, **options),
    )


@act(routes, "/integrations/{integration_id}/pause", life.PAUSE)
def integration_pause(caller: By, integration_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Stop calling the LMS; what arrives meanwhile waits, and nothing is lost."""
    row = caller.integration(integration_id)
    changed = life.pause(caller.pool, row, by=caller.acting(why.reason, dry_run=dry_run))
    return Changed(state="paused", changed=changed, command=_typed(caller, "pause", row.name, why))


@act(routes, "/integrations/{integration_id}/resume", life.RESUME)
def integration_resume(caller: By, integration_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Go on after a pause; what waited is done in order."""
    row = caller.integration(integration_id)
    changed = life.resume(caller.pool, row, by=caller.acting(why.reason, dry_run=dry_run))
    return Changed(state="active", changed=changed, command=_typed(caller, "resume", row.name, why))


@act(routes, "/integrations/{integration_id}/remove", life.REMOVE)
def integration_remove(caller: By, integration_id: Id, why: Why, dry_run: DryRun = False) -> Changed:
    """Give up the link with the LMS. History, links and results stay, and so do the accounts in the LMS."""
    row = caller.integration(integration_id)
    life.remove(caller.pool, row, by=caller.acting(why.reason, dry_run=dry_run))
    options = {"tenant": caller.tenant, "yes": True, "reason": why.reason}
    return Changed(state="removed", changed=True, command=command("integration", "remove", row.name, **options))


@act(routes, "/integrations/{integration_id}/token", actions.SET_TOKEN, method="PUT")
def integration_token(caller: By, integration_id: Id, new: Token, dry_run: DryRun = False) -> Done:
    """Replace the LMS token; it cannot be read back."""
    row = caller.integration(integration_id)
    token = Secret(new.token.get_secret_value().strip())
    by = caller.acting(new.reason, dry_run=dry_run)
    actions.replace_token(caller.pool, caller.site.settings, row, token, by=by)
    return Done(command=_typed(caller, "set-token", row.name, new))


@act(routes, "/integrations/{integration_id}/webhook-secret", actions.SET_TOKEN, method="PUT")
def integration_webhook_secret(caller: By, integration_id: Id, new: WebhookSecret, dry_run: DryRun = False) -> Done:
    """Replace the secret that signs notices; it cannot be read back."""
    row = caller.integration(integration_id)
    secret = Secret(new.secret.get_secret_value().strip())
    by = caller.acting(new.reason, dry_run=dry_run)
    actions.replace_webhook_secret(caller.pool, caller.site.settings, row, secret, by=by)
    return Done(command=_typed(caller, "set-webhook-secret", row.name, new))


@act(routes, "/integrations/{integration_id}/sync", syncing.SYNC, status_code=202)
def integration_sync(caller: By, integration_id: Id, wanted: Syncing, dry_run: DryRun = False) -> Begun:
    """Compare everything with the LMS now; joins a run that is under way (R81)."""
    row = caller.integration(integration_id)
    by = caller.acting(wanted.reason, dry_run=dry_run)
    asked = syncing.sync_now(caller.pool, row, wanted.flows, by=by, enrolments=wanted.enrolments)
    flows = [word for flow in wanted.flows for word in ("--flow", flow)]
    options = {"enrolments": wanted.enrolments, "tenant": caller.tenant, "reason": wanted.reason}
    return Begun(
        runs=[{"run_id": one.run_id, "flow": one.flow, "joined": one.joined} for one in asked],
        command=command("integration", "sync", row.name, *flows, **options),
    )


@view(routes, "/integrations/{integration_id}/syncs", READ)
def integration_syncs(caller: By, integration_id: Id, limit: Limit = 50, cursor: Cursor = None) -> Page[dict[str, Any]]:
    """Runs over everything, the newest first, with what came of them."""
    row = caller.integration(integration_id)
    (before,) = read(cursor, int) or (None,)
    found = syncing.runs_of(caller.pool, row, before=before, most=limit + 1)
    return page([syncing.public_run(run) for run in found], limit, lambda run: [run["run_id"]])


@view(routes, "/integrations/{integration_id}/payrolls", READ)
def integration_payrolls(
    caller: By, integration_id: Id, limit: Limit = 50, cursor: Cursor = None
) -> Page[life.Payroll]:
    """Payrolls that HR has named, whether they are in scope, and how many people they have."""
    return slice_of(life.payrolls(caller.pool, caller.integration(integration_id)), limit, cursor)


@act(routes, "/integrations/{integration_id}/payrolls", "integrations:payroll:select")
def integration_select(caller: By, integration_id: Id, chosen: Selecting, dry_run: DryRun = False) -> Selected:
    """Say that these payrolls belong to the integration, or do not."""
    row = caller.integration(integration_id)
    known = [one for one in life.payrolls(caller.pool, row) if one.payroll in chosen.payrolls]
    by = caller.acting(chosen.reason, dry_run=dry_run)
    done = tick(caller.pool, caller.site.settings, row, known, select=chosen.select, by=by)
    words = [word for payroll in chosen.payrolls for word in ("--only", payroll)]
    words.append("--tick-all" if chosen.select else "--untick-all")
    typed = command("integration", "payrolls", row.name, *words, tenant=caller.tenant, reason=chosen.reason)
    return Selected(payrolls=done.payrolls, unconfirmed=done.unconfirmed, problem=done.problem, command=typed)


@act(routes, "/integrations/{integration_id}/outcomes", life.EDIT)
def integration_outcomes(caller: By, integration_id: Id, chosen: Outcomes, dry_run: DryRun = False) -> Done:
    """Add items to HR's result pick-list, and say which of them stand for pass and fail (R26)."""
    row = caller.integration(integration_id)
    choose_outcomes(
        caller.pool,
        caller.site.settings,
        row,
        by=caller.acting(chosen.reason, dry_run=dry_run),
        added=chosen.added,
        passed=chosen.passed,
        failed=chosen.failed,
    )
    words = [word for code, label in chosen.added.items() for word in ("--add", f"{code}={label}")]
    options = {"pass": chosen.passed, "fail": chosen.failed, "tenant": caller.tenant, "reason": chosen.reason}
    return Done(command=command("integration", "outcomes", row.name, *words, **options))


@view(routes, "/integrations/{integration_id}/features", READ)
def integration_features(
    caller: By, integration_id: Id, limit: Limit = 50, cursor: Cursor = None
) -> Page[features.FeatureLine]:
    """What there is to have, by phase, what of it is billed, and what is switched on."""
    row = caller.integration(integration_id)
    return slice_of(features.lines(IntegrationSettings.model_validate(row.settings).features), limit, cursor)


@act(routes, "/integrations/{integration_id}/idnumbers", selfcheck.TEST)
def integration_idnumbers(caller: By, integration_id: Id) -> Compared:
    """Compare the LMS's id numbers with those that people should have; nothing is written."""
    return selfcheck.compare_id_numbers(caller.pool, caller.site.settings, caller.integration(integration_id))


@view(routes, "/integrations/{integration_id}/courses", READ)
def integration_courses(caller: By, integration_id: Id, limit: Limit = 50, cursor: Cursor = None) -> Page[CourseLine]:
    """The catalogue as it was last read."""
    return slice_of(syncing.courses_of(caller.pool, caller.integration(integration_id)), limit, cursor)


def _typed(caller: By, verb: str, name: str, why: Why) -> str:
    return command("integration", verb, name, tenant=caller.tenant, reason=why.reason)


def _secret(given: SecretStr | None) -> Secret | None:
    return Secret(given.get_secret_value()) if given is not None else None
