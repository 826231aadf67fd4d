"""Who may act through the API, with which tokens, and the keys that seal the LMS tokens."""

from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from db.access import OperatorRow, TokenRow, operators, tokens
from db.pool import transaction
from domain.permissions import Role
from ops import access, keys
from ops.api.declaring import Done, DryRun, Key, act, router, view
from ops.api.guard import By, Why
from ops.api.paging import Cursor, Limit, Page, slice_of
from ops.commands import command

NAME = r"^[^\x00-\x1f\x7f-\x9f]{1,100}$"

routes = router("access")


class NewOperator(Why):
    name: str = Field(pattern=NAME)
    role: Role


class OperatorAdded(Done):
    new: bool


class NewToken(Why):
    operator: str = Field(pattern=NAME)
    name: str = Field(pattern=NAME, description="What it is for.")
    scopes: list[str] = Field([], max_length=200, description="Permissions; all of the operator's role without any.")
    days: int = Field(90, ge=1, le=access.LONGEST.days)


class TokenMade(Done):
    token_id: str
    token: str = Field(description="Shown this once.")
    expires_at: datetime


class Revoked(Done):
    changed: bool


class KeyStanding(BaseModel):
    """The key of the company's secrets, and how the master key stands that wraps it."""

    master_key: str
    made_at: datetime
    wrapped_at: datetime
    wrapped_by: str


class Rotated(Done):
    rotated: int


@view(routes, "/operators", "access:operator:read")
def operator_list(caller: By, limit: Limit = 50, cursor: Cursor = None) -> Page[OperatorRow]:
    """Who may act, in which role, with how many tokens."""
    with transaction(caller.pool) as db:
        return slice_of(operators(db), limit, cursor)


@act(routes, "/operators", access.ADD)
def operator_add(caller: By, new: NewOperator, dry_run: DryRun = False) -> OperatorAdded:
    """Let somebody act; said again, it changes the role."""
    by = caller.acting(new.reason, dry_run=dry_run)
    added = access.add_operator(caller.pool, caller.tenant, new.name, new.role, by=by)
    typed = command("operator", "add", new.name, role=new.role, tenant=caller.tenant, reason=new.reason)
    return OperatorAdded(new=added, command=typed)


@act(routes, "/operators/{key}/remove", access.REMOVE)
def operator_remove(caller: By, key: Key, why: Why, dry_run: DryRun = False) -> Done:
    """Let somebody do nothing any more; every token of theirs is of no use from now on."""
    access.remove_operator(caller.pool, caller.tenant, key, by=caller.acting(why.reason, dry_run=dry_run))
    return Done(command=command("operator", "remove", key, tenant=caller.tenant, reason=why.reason))


@view(routes, "/tokens", "access:token:read")
def token_list(caller: By, used_up: bool = False, limit: Limit = 50, cursor: Cursor = None) -> Page[TokenRow]:
    """Tokens, the newest first; what they are is known to their holders only."""
    with transaction(caller.pool) as db:
        return slice_of(tokens(db, used_up=used_up), limit, cursor)


@act(routes, "/tokens", access.CREATE, kept=False, status_code=201)
def token_create(caller: By, new: NewToken, dry_run: DryRun = False) -> TokenMade:
    """Make a token; the answer is the only time that it is shown."""
    by = caller.acting(new.reason, dry_run=dry_run)
    lasts = timedelta(days=new.days)
    made = access.create_token(caller.pool, caller.tenant, new.operator, new.name, new.scopes, lasts, by=by)
    scopes = [word for scope in new.scopes for word in ("--scope", scope)]
    options = {"operator": new.operator, "name": new.name, "days": new.days}
    options |= {"tenant": caller.tenant, "reason": new.reason}
    return TokenMade(
        token_id=made.token_id,
        token="" if dry_run else made.token.reveal(),
        expires_at=made.expires_at,
        command=command("token", "create", *scopes, **options),
    )


@act(routes, "/tokens/{key}/revoke", access.REVOKE)
def token_revoke(caller: By, key: Key, why: Why, dry_run: DryRun = False) -> Revoked:
    """Make a token useless."""
    by = caller.acting(why.reason, dry_run=dry_run)
    changed = access.revoke_token(caller.pool, key, caller.tenant, by=by)
    return Revoked(changed=changed, command=command("token", "revoke", key, tenant=caller.tenant, reason=why.reason))


@view(routes, "/keys", "keys:key:read")
def key_list(caller: By, limit: Limit = 50, cursor: Cursor = None) -> Page[KeyStanding]:
    """Which master key protects the company's secrets, and since when."""
    found = [
        KeyStanding(
            master_key=key.state.master_key,
            made_at=key.state.made_at,
            wrapped_at=key.state.wrapped_at,
            wrapped_by=key.wrapped_by,
        )
        for key in keys.in_use(caller.pool, caller.site.settings)
    ]
    return slice_of(found, limit, cursor)


@act(routes, "/keys/rotate", keys.ROTATE)
def key_rotate(caller: By, why: Why, dry_run: DryRun = False) -> Rotated:
    """Protect the company's secrets by the newest master key."""
    rotated = keys.rotate(caller.pool, caller.site.settings, by=caller.acting(why.reason, dry_run=dry_run))
    return Rotated(rotated=rotated, command=command("keys", "rotate", reason=why.reason))
