"""Integrations as people set them up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg.rows import class_row, tuple_row

from db.pool import Db
from db.statements import statements
from db.vault import Vault
from domain.integration import IntegrationSettings
from runtime.secrets import MasterKeys, Secret

SQL = statements("configuration")


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """One integration as people see it; the token only sealed."""

    integration_id: int
    tenant: str
    name: str
    url: str
    settings: dict[str, Any]
    settings_version: int
    token_sealed: bytes = field(repr=False)
    state: str
    hold_code: str | None
    hold_detail: str | None
    held_since: datetime | None
    resume_at: datetime | None
    has_password: bool
    master_key: str
    data_key: bytes = field(repr=False)

    @property
    def target(self) -> str:
        """What the audit calls it."""
        return f"integration/{self.name}"


def add_integration(
    db: Db, tenant: str, settings: IntegrationSettings, token: Secret, password: Secret | None, *, keys: MasterKeys
) -> int:
    """
    The integration exists as a draft, and what waited for its tenant is to be applied.

    Raises:
        IntegrationNameTaken, LmsTaken: There is one already.
    """

    db.execute(SQL["add_tenant"], {"tenant": tenant})
    vault = Vault(db, tenant, keys)
    values = {
        "tenant": tenant,
        "name": settings.name,
        "url": settings.url,
        "settings": settings.model_dump_json(),
        "token": vault.seal(settings.name, "token", token),
        "password": vault.seal(settings.name, "password", password) if password else None,
    }
    row = db.cursor(row_factory=tuple_row).execute(SQL["add_integration"], values).fetchone()
    assert row is not None  # noqa: S101 - an insert returns its row or raises
    integration_id = int(row[0])
    db.execute(SQL["keep_settings"], {"integration_id": integration_id})
    db.execute(SQL["add_cursor"], {"integration_id": integration_id})
    db.execute(SQL["accept_set_aside"], {"tenant": tenant, "code": "unknown_tenant"})
    db.execute(SQL["sweep_everybody"], {"tenant": tenant})
    return integration_id


def tenants(db: Db) -> list[str]:
    """Every client company."""
    return [str(name) for (name,) in db.cursor(row_factory=tuple_row).execute(SQL["tenants"]).fetchall()]


@dataclass(frozen=True, slots=True)
class KeptSettings:
    """One version of an integration's settings."""

    version: int
    settings: dict[str, Any]
    saved_at: datetime


def kept_settings(db: Db, integration: IntegrationRow, versions: Sequence[int] | None = None) -> list[KeptSettings]:
    """These versions of the settings, or all, the newest first."""
    values = {"integration_id": integration.integration_id, "versions": versions and list(versions)}
    with db.cursor(row_factory=class_row(KeptSettings)) as cursor:
        return cursor.execute(SQL["kept_settings"], values).fetchall()


def change_settings(db: Db, integration: IntegrationRow, settings: IntegrationSettings) -> bool:
    """
    The integration works by these settings from now on; everybody is looked at again.

    Returns:
        False when somebody else changed them since this row was read; then nothing is done.

    Raises:
        LmsTaken: Another integration serves the LMS at the new address.
    """
    values = {
        "integration_id": integration.integration_id,
        "settings": settings.model_dump_json(),
        "version": integration.settings_version,
    }
    if db.execute(SQL["change_settings"], values).fetchone() is None:
        return False
    db.execute(SQL["keep_settings"], {"integration_id": integration.integration_id})
    db.execute(SQL["sweep_everybody"], {"tenant": integration.tenant})
    return True


def look_at_everybody(db: Db, tenant: str) -> None:
    """All people of the tenant are looked at again, chunk by chunk."""
    db.execute(SQL["sweep_everybody"], {"tenant": tenant})


def replace_token(db: Db, integration: IntegrationRow, token: Secret, *, keys: MasterKeys) -> None:
    """The integration calls its LMS with this token from now on."""
    sealed = Vault(db, integration.tenant, keys).seal(integration.name, "token", token)
    db.execute(SQL["replace_token"], {"integration_id": integration.integration_id, "token": sealed})


def set_state(db: Db, integration: IntegrationRow, state: Literal["active", "paused"]) -> None:
    """Paused: nobody calls the LMS and all work waits. Active: what waited is done."""
    db.execute(SQL["set_state"], {"integration_id": integration.integration_id, "state": state})
    if state == "active":
        db.execute(SQL["sweep_everybody"], {"tenant": integration.tenant})


def integrations(
    db: Db,
    tenant: str | None = None,
    name: str | None = None,
    *,
    integration_id: int | None = None,
    removed: bool = False,
) -> list[IntegrationRow]:
    """The integrations that match, by tenant and name; those that were removed only when asked for."""
    values = {"tenant": tenant, "name": name, "integration_id": integration_id, "removed": removed}
    with db.cursor(row_factory=class_row(IntegrationRow)) as cursor:
        return cursor.execute(SQL["integrations"], values).fetchall()


def replace_password(db: Db, integration: IntegrationRow, password: Secret | None, *, keys: MasterKeys) -> None:
    """Newcomers get this password from now on."""
    vault = Vault(db, integration.tenant, keys)
    sealed = vault.seal(integration.name, "password", password) if password else None
    db.execute(SQL["replace_password"], {"integration_id": integration.integration_id, "password": sealed})


def replace_webhook_secret(db: Db, integration: IntegrationRow, secret: Secret, *, keys: MasterKeys) -> None:
    """Notices are signed with this from now on."""
    sealed = Vault(db, integration.tenant, keys).seal(integration.name, "webhook", secret)
    values = {"integration_id": integration.integration_id, "secret": sealed}
    db.execute(SQL["replace_webhook_secret"], values)


def enable(db: Db, integration: IntegrationRow) -> str | None:
    """
    What waited is done from now on.

    Returns:
        The state it was in; None when it was active already, or is removed.
    """
    values = {"integration_id": integration.integration_id}
    row = db.cursor(row_factory=tuple_row).execute(SQL["enable"], values).fetchone()
    if row is None:
        return None
    db.execute(SQL["sweep_everybody"], {"tenant": integration.tenant})
    return str(row[0])


def remove(db: Db, integration: IntegrationRow) -> bool:
    """Nobody calls the LMS any more; what was done there and is known here stays. False when it was so already."""
    values = {"integration_id": integration.integration_id}
    if db.execute(SQL["remove"], values).fetchone() is None:
        return False
    db.execute(SQL["forget_failures"], values)
    return True


def note(db: Db, integration: IntegrationRow, kind: str, **data: Any) -> None:
    """A person did this with the integration."""
    values = {"tenant": integration.tenant, "integration_id": integration.integration_id, "kind": kind}
    db.execute(SQL["note_integration"], values | {"data": json.dumps(data)})


def linked_people(db: Db, integration: IntegrationRow) -> int:
    """How many people have an account in the LMS."""
    values = {"integration_id": integration.integration_id}
    row = db.cursor(row_factory=tuple_row).execute(SQL["linked_people"], values).fetchone()
    assert row is not None  # noqa: S101 - a count has a row
    return int(row[0])


@dataclass(frozen=True, slots=True)
class PayrollRow:
    """
    A payroll that HR has named; None stands for people without one.

    Attributes:
        employed: Those who did not leave.
        due: Those for whom the LMS has still something to do.
        swept: How many the sweep under way, or else the last one, has looked at; None without any.
        swept_at: When that sweep was done; None while it is under way.
    """

    payroll: str | None
    name: str
    people: int
    employed: int
    linked: int
    due: int
    swept: int | None
    swept_at: datetime | None


def payrolls(db: Db, integration: IntegrationRow) -> tuple[list[PayrollRow], dict[tuple[str, str], bool]]:
    """The tenant's payrolls as this integration sees them, and HR's words on their scope."""
    values = {"integration_id": integration.integration_id, "tenant": integration.tenant}
    cursor = db.cursor(row_factory=tuple_row)
    rows = [PayrollRow(*row) for row in cursor.execute(SQL["payrolls"], values).fetchall()]
    return rows, payroll_words(db, integration.tenant)


def own_payroll_data(db: Db, integration: IntegrationRow) -> dict[str, dict[str, Any]]:
    """What the words on payrolls for this very integration said besides, by payroll."""
    values = {"tenant": integration.tenant, "integration": integration.name}
    return dict(db.cursor(row_factory=tuple_row).execute(SQL["own_payroll_data"], values).fetchall())


def payroll_words(db: Db, tenant: str) -> dict[tuple[str, str], bool]:
    """HR's words on which payrolls belong where, by payroll and integration name; empty stands for every one."""
    words = db.cursor(row_factory=tuple_row).execute(SQL["payroll_words"], {"tenant": tenant}).fetchall()
    return {(payroll, integration): enabled for payroll, integration, enabled in words}
