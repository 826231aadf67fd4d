"""How acts on an integration stand in the audit."""

from collections.abc import Sequence

from db.configuration import IntegrationRow
from db.pool import Db
from ops.operators import Operator, audited


def record_state(db: Db, by: Operator, action: str, integration: IntegrationRow, *, before: str, after: str) -> None:
    """It was in one state and is in another."""
    target, tenant = integration.target, integration.tenant
    audited(db, by, action, target, tenant=tenant, before={"state": before}, after={"state": after})


def record_edit(db: Db, by: Operator, action: str, integration: IntegrationRow, names: Sequence[str]) -> None:
    """
    Which settings changed, from one version to the next.

    Their values are not told: contacts are people, and the audit can never forget. Every version is kept elsewhere.
    """
    target, version = integration.target, integration.settings_version
    after = {"version": version + 1, "settings": names}
    audited(db, by, action, target, tenant=integration.tenant, before={"version": version}, after=after)
