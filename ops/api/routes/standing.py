"""Who I am, and whether it works."""

from typing import Any

from pydantic import BaseModel

from db.configuration import integrations
from db.console_views import Views
from db.pool import transaction
from domain.permissions import PERMISSIONS
from ops.api.declaring import router, view
from ops.api.guard import By
from ops.standing import standing, verdict

routes = router("standing")


class Me(BaseModel):
    """Who acts with this token, and everything there is to do: whether they may."""

    name: str
    role: str
    tenant: str
    permissions: dict[str, bool]


class Status(BaseModel):
    """What comes first, in a sentence, and the figures behind it."""

    verdict: str
    standing: dict[str, Any]


@view(routes, "/me", "access:self:read")
def me(caller: By) -> Me:
    """Who am I, and what may I do?"""
    allowed = {permission: permission in caller.by.permissions for permission in PERMISSIONS}
    return Me(name=caller.by.name, role=caller.by.role, tenant=caller.tenant, permissions=allowed)


@view(routes, "/status", "ops:status:read")
def status(caller: By) -> Status:
    """Is it working, and if not, what comes first?"""
    with transaction(caller.pool) as db:
        overview, rows = Views(db, caller.tenant).overview(), integrations(db)
    return Status(verdict=verdict(overview, rows), standing=standing(caller.pool, overview, rows))
