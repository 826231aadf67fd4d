"""Who may act through the API, with which role, and with which tokens."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from db import access
from db.access import AccessStore, TokenRow
from db.pool import Pool, transaction
from domain.permissions import EVERYTHING, Role, permissions_of
from ops.actions import NotFound, Refused
from ops.operators import Forbidden, Operator, Source, audited, deed
from runtime.secrets import Secret

ADD = "access:operator:add"
REMOVE = "access:operator:remove"
CREATE = "access:token:create"
REVOKE = "access:token:revoke"

LONGEST = timedelta(days=366)
LONGEST_NAME = 100

_TOKEN = re.compile(r"lms_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")


class Unauthenticated(Exception):
    """The token is none of ours, or not any more. Never more than that: who guesses learns nothing."""

    def __init__(self) -> None:
        super().__init__("no valid token was sent: make one with `matricula token create`")


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token on the one occasion that it is shown."""

    token_id: str
    token: Secret = field(repr=False)
    expires_at: datetime


def add_operator(pool: Pool, tenant: str, name: str, role: Role, *, by: Operator) -> bool:
    """
    Somebody may act for the tenant with this role from the next request on.

    Returns:
        False when they were there already, with this role or another.

    Raises:
        Forbidden: The role may do more than whoever gives it.
        Refused: The name cannot be.
    """
    by.check(ADD, tenant)
    if not (name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        raise Refused(f"a name has 1 to {LONGEST_NAME} characters that can be printed")
    _refuse_more_than_own(by, permissions_of(role))
    with deed(pool, by) as db:
        before = AccessStore(db, tenant).put_operator(name, role)
        if before != role:
            audited(
                db, by, ADD, f"operator/{name}", tenant=tenant, before=before and {"role": before}, after={"role": role}
            )
    return before is None


def remove_operator(pool: Pool, tenant: str, name: str, *, by: Operator) -> None:
    """
    Somebody may do nothing any more, and none of their tokens is of use.

    Raises:
        NotFound: There is no such operator.
    """
    by.check(REMOVE, tenant)
    with deed(pool, by) as db:
        if not AccessStore(db, tenant).remove_operator(name):
            raise NotFound(f"{tenant} has no operator {name}; see `matricula operator list`")
        audited(db, by, REMOVE, f"operator/{name}", tenant=tenant)


def create_token(
    pool: Pool, tenant: str, operator: str, name: str, scopes: Sequence[str], lasts: timedelta, *, by: Operator
) -> NewToken:
    """
    An operator has one more token; its secret is in the answer and nowhere else.

    Args:
        name: What it is for.
        scopes: The permissions it may be used for, out of the operator's role; all of them when empty.

    Raises:
        NotFound: There is no such operator.
        Refused: A scope is no permission of the operator's role, or the token would last too long.
        Forbidden: It could do more than whoever makes it.
    """
    by.check(CREATE, tenant, f"operator/{operator}")
    if not timedelta() < lasts <= LONGEST:
        raise Refused(f"a token lasts from one to {LONGEST.days} days")
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    with deed(pool, by) as db:
        held = _permissions_of(access.operators(db, tenant, operator), operator, scopes)
        _refuse_more_than_own(by, frozenset(held))
        expires_at = AccessStore(db, tenant).add_token(token_id, operator, name, held, _hash(secret), lasts)
        if expires_at is None:
            raise NotFound(f"{operator} was removed meanwhile")
        after = {"operator": operator, "name": name, "scopes": held, "expires_at": expires_at}
        audited(db, by, CREATE, f"token/{token_id}", tenant=tenant, after=after)
    return NewToken(token_id, Secret(f"lms_{token_id}_{secret}"), expires_at)


def _permissions_of(found: list[access.OperatorRow], operator: str, scopes: Sequence[str]) -> list[str]:
    if not found:
        raise NotFound(f"there is no operator {operator}; see `matricula operator list`")
    theirs = permissions_of(found[0].role)
    strange = sorted(set(scopes) - theirs)
    if strange:
        unknown = [scope for scope in strange if scope not in EVERYTHING]
        why = f"no permission is called {unknown[0]}" if unknown else f"a {found[0].role} may not {strange[0]}"
        raise Refused(f"{why}; see `matricula token scopes`")
    return sorted(scopes or theirs)


def revoke_token(pool: Pool, token_id: str, tenant: str | None = None, *, by: Operator) -> bool:
    """
    The token is of no use any more.

    Returns:
        False when it was so already.

    Raises:
        NotFound: There is no such token.
    """
    with transaction(pool) as db:
        found: list[TokenRow] = access.tokens(db, tenant, token_id=token_id, used_up=True)
    by.check(REVOKE, found[0].tenant if found else by.tenant)
    if not found:
        raise NotFound(f"there is no token {token_id}; see `matricula token list`")
    with deed(pool, by) as db:
        revoked = AccessStore(db, found[0].tenant).revoke_token(token_id)
        if revoked:
            audited(db, by, REVOKE, f"token/{token_id}", tenant=found[0].tenant)
    return revoked


def authenticated(pool: Pool, token: str, source: Source, request_id: str = "") -> tuple[Operator, str]:
    """
    Who acts with this token, and the token's id. What its scopes and the operator's role both allow is allowed.

    Raises:
        Unauthenticated: It may not be used.
    """
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise Unauthenticated
    with transaction(pool) as db:
        held = access.holder(db, parts["id"], _hash(parts["secret"]))
    if held is None:
        raise Unauthenticated
    allowed = permissions_of(held.role) & set(held.scopes)
    return Operator(held.name, source, allowed, held.role, held.tenant, request_id), parts["id"]


def _refuse_more_than_own(by: Operator, given: frozenset[str]) -> None:
    """Nobody hands out what they may not do themselves: a token to make tokens must not be one for everything."""
    more = sorted(given - by.permissions)
    if more:
        raise Forbidden(by, more[0])


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
