"""
Who acts in tests.
"""

from domain.permissions import Role, permissions_of
from ops.operators import Operator

BY = Operator("op", "cli", permissions_of("admin"), "admin", reason="looked into it")
"""May do everything everywhere, and says why."""


def operator(role: Role, tenant: str | None = None) -> Operator:
    """Somebody with this role and a reason for everything."""
    return Operator(role, "api", permissions_of(role), role, tenant, "req-1", "asked to")
