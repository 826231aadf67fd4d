"""
Who may do what: one table of permissions with the roles that have them. What is not in it is denied.

A permission is `area:object:action`. The same string names the act in the audit, guards the route of the API, limits a
token and hides what a role may not do on a screen, so that these cannot drift apart.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Role = Literal["viewer", "support", "operator", "integrator", "auditor", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)

_ADMIN: tuple[Role, ...] = ("admin",)
_EVERYBODY = ROLES
_NO_VIEWER: tuple[Role, ...] = ("support", "operator", "integrator", "auditor", "admin")
_AUDIT: tuple[Role, ...] = ("auditor", "admin")
_PEOPLE: tuple[Role, ...] = ("support", "operator", "admin")
_RUNNING: tuple[Role, ...] = ("operator", "admin")
_SETTINGS: tuple[Role, ...] = ("integrator", "admin")
_EITHER: tuple[Role, ...] = ("operator", "integrator", "admin")

PERMISSIONS: Mapping[str, tuple[Role, ...]] = {
    # Looking: employee keys, never names or addresses.
    "access:self:read": _EVERYBODY,
    "ops:status:read": _EVERYBODY,
    "ops:metrics:read": _EVERYBODY,
    "integrations:integration:read": _EVERYBODY,
    "results:result:read": _EVERYBODY,
    "failures:group:read": _EVERYBODY,
    "replays:replay:read": _EVERYBODY,
    "guards:guard:read": _EVERYBODY,
    "drift:finding:read": _EVERYBODY,
    "people:person:read": _EVERYBODY,
    "enrolments:enrolment:read": _EVERYBODY,
    "results:result:export": _NO_VIEWER,
    "results:result:reconcile": _NO_VIEWER,  # a call of the LMS per enrolment
    # Names, addresses and what the LMS holds of people.
    "people:pii:read": _PEOPLE,
    "people:plan:preview": _PEOPLE,
    # Work at hand.
    "people:person:sync": _PEOPLE,
    "people:person:override": _RUNNING,
    "people:link:set": _RUNNING,
    "people:link:unset": _RUNNING,
    "enrolments:export:set": _RUNNING,
    "enrolments:enrolment:reprovision": _RUNNING,
    "guards:guard:approve": _RUNNING,
    "guards:guard:reject": _RUNNING,
    "guards:guard:undo": _RUNNING,
    "drift:finding:accept": _RUNNING,
    "drift:finding:restore": _RUNNING,
    "failures:group:acknowledge": _PEOPLE,
    "failures:group:snooze": _PEOPLE,
    "failures:group:assign": _PEOPLE,
    "failures:group:note": _PEOPLE,
    "failures:group:dismiss": _RUNNING,
    "failures:group:restore": _RUNNING,
    "replays:replay:create": _PEOPLE,  # up to 100 at once
    "replays:large:create": _RUNNING,  # more than that
    "replays:replay:approve": _RUNNING,  # never by who created it
    "replays:replay:pause": _PEOPLE,
    "replays:replay:resume": _PEOPLE,
    "replays:replay:cancel": _PEOPLE,
    # Integrations.
    "integrations:integration:pause": _EITHER,
    "integrations:integration:resume": _EITHER,
    "integrations:sync:start": _EITHER,
    "integrations:payroll:select": _EITHER,
    "integrations:integration:add": _SETTINGS,
    "integrations:integration:edit": _SETTINGS,
    "integrations:integration:test": _SETTINGS,
    "integrations:integration:enable": _SETTINGS,
    "integrations:integration:remove": _SETTINGS,
    "integrations:token:set": _SETTINGS,
    "integrations:field:discover": _SETTINGS,
    "integrations:field:map": _SETTINGS,
    "events:event:publish": _SETTINGS,
    # Evidence.
    "audit:entry:read": _AUDIT,
    "audit:entry:export": _AUDIT,
    "audit:chain:verify": _AUDIT,
    "keys:key:read": _AUDIT,
    # People who may do things, and keys.
    "keys:key:rotate": _ADMIN,
    "access:operator:read": _AUDIT,
    "access:operator:add": _ADMIN,
    "access:operator:remove": _ADMIN,
    "access:token:read": _AUDIT,
    "access:token:create": _ADMIN,
    "access:token:revoke": _ADMIN,
    "people:person:export": _ADMIN,
    "ops:installation:init": _ADMIN,
    "ops:installation:regroup": _ADMIN,
}

EVERYTHING = frozenset(PERMISSIONS)

NEEDS_REASON = frozenset(
    {
        "people:person:override",
        "people:person:export",
        "people:link:set",
        "people:link:unset",
        "enrolments:enrolment:reprovision",
        "guards:guard:approve",
        "guards:guard:reject",
        "guards:guard:undo",
        "drift:finding:accept",
        "drift:finding:restore",
        "failures:group:dismiss",
        "replays:large:create",
        "integrations:integration:pause",
        "integrations:integration:edit",
        "integrations:integration:remove",
        "integrations:field:map",
        "access:operator:remove",
    }
)
"""What somebody will ask about later: no act of these without a reason."""


def permissions_of(role: Role) -> frozenset[str]:
    """What a role may do."""
    return frozenset(permission for permission, roles in PERMISSIONS.items() if role in roles)
