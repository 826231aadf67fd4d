"""Who may act through the API: roles, tokens, and that neither can be more than it was given; S2, S4, J8."""

from datetime import timedelta
from typing import Any

import pytest

from db.access import tokens
from db.pool import OfTenant, Pool, open_pool, transaction
from domain.permissions import Role, permissions_of
from ops import access
from ops.access import Unauthenticated, authenticated
from ops.actions import NotFound, Refused
from ops.operators import Forbidden, Operator
from tests.support.database import dumped
from tests.support.operators import BY, operator

ACME = "acme"
DAY = timedelta(days=1)


def token_of(pool: Pool, role: Role = "operator", scopes: tuple[str, ...] = (), name: str = "eva") -> str:
    access.add_operator(pool, ACME, name, role, by=BY)
    return access.create_token(pool, ACME, name, "test", scopes, DAY, by=BY).token.reveal()


def who(pool: Pool, token: str) -> Operator:
    return authenticated(pool, token, "api")[0]


def changed(pool: Pool, statement: Any) -> None:
    with transaction(pool) as db:
        db.execute(statement)


def test_a_token_acts_for_its_operator_in_one_tenant(pool: Pool) -> None:
    by = who(pool, token_of(pool))

    assert (by.name, by.role, by.tenant, by.source) == ("eva", "operator", ACME, "api")
    assert by.permissions == permissions_of("operator")
    assert by.may("guards:guard:approve", ACME)
    assert not by.may("guards:guard:approve", "zenith")
    assert not by.may("guards:guard:approve", None)


def test_a_token_can_do_what_its_scopes_and_the_role_both_allow(pool: Pool) -> None:
    token = token_of(pool, scopes=("guards:guard:read", "guards:guard:approve"))
    assert who(pool, token).permissions == {"guards:guard:read", "guards:guard:approve"}

    access.add_operator(pool, ACME, "eva", "viewer", by=BY)
    assert who(pool, token).permissions == {"guards:guard:read"}, "J8: another role counts from the next request on"


@pytest.mark.parametrize(
    "gone",
    [
        "update api_token set revoked_at = now()",
        "update api_token set created_at = now() - interval '2 days', expires_at = now() - interval '1 second'",
        "update operator set removed_at = now()",
    ],
)
def test_a_token_that_is_over_is_no_token(pool: Pool, gone: str) -> None:
    """S4"""
    token = token_of(pool)
    changed(pool, gone)

    with pytest.raises(Unauthenticated):
        who(pool, token)


@pytest.mark.parametrize("wrong", ["", "lms_", "lms_0123456789ab_x", "Bearer", "lms_0123456789ab_" + "A" * 43])
def test_what_is_no_token_is_refused_without_saying_why(pool: Pool, wrong: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        who(pool, wrong)
    assert "lms_" not in str(refused.value)


def test_another_secret_does_not_fit(pool: Pool) -> None:
    token = token_of(pool)

    with pytest.raises(Unauthenticated):
        who(pool, token[:-1] + ("B" if token[-1] == "A" else "A"))


def test_the_database_holds_no_usable_secret(pool: Pool) -> None:
    """S4: neither token nor secret is in any table, the audit included; only a hash that is of no use as a token."""
    token = token_of(pool)
    secret = token.split("_", 2)[2]
    dump = dumped(pool)
    with transaction(pool) as db:
        (hashed,) = db.execute("select encode(secret_hash, 'hex') from api_token").fetchone() or ("",)

    assert "eva" in dump
    assert secret not in dump
    assert token not in dump
    with pytest.raises(Unauthenticated):
        who(pool, f"{token[:17]}{hashed[:43]}")


def test_the_console_can_look_up_a_token_and_read_none(pool: Pool, database_url: str) -> None:
    """S13: before the tenant is known, there is one narrow way, and nothing to list."""
    token = token_of(pool)
    with open_pool(database_url, name="test", max_size=1, role="console") as console:
        assert who(console, token).name == "eva"
        with transaction(console) as db:
            assert tokens(db) == []
        with transaction(OfTenant(console, ACME)) as db:
            assert [one.operator for one in tokens(db)] == ["eva"]


def test_use_is_noted_to_the_minute(pool: Pool) -> None:
    token = token_of(pool)
    assert read(pool)[0].last_used_at is None
    who(pool, token)
    first = read(pool)[0].last_used_at
    who(pool, token)

    assert first is not None
    assert read(pool)[0].last_used_at == first, "a write per request would be a write too many"


def read(pool: Pool) -> list[access.TokenRow]:
    with transaction(pool) as db:
        return tokens(db)


def test_removing_somebody_makes_their_tokens_useless_for_good(pool: Pool) -> None:
    """Joiner and leaver: who comes later under the same name does not find the old tokens."""
    token = token_of(pool)
    access.remove_operator(pool, ACME, "eva", by=BY)
    access.add_operator(pool, ACME, "eva", "admin", by=BY)

    with pytest.raises(Unauthenticated):
        who(pool, token)
    with pytest.raises(NotFound):
        access.remove_operator(pool, ACME, "adam", by=BY)


@pytest.mark.parametrize("lasts", [timedelta(), timedelta(days=367)])
def test_every_token_expires_within_a_year(pool: Pool, lasts: timedelta) -> None:
    access.add_operator(pool, ACME, "eva", "viewer", by=BY)
    with pytest.raises(Refused, match="366"):
        access.create_token(pool, ACME, "eva", "test", (), lasts, by=BY)


@pytest.mark.parametrize(
    ("scope", "said"), [("guards:guard:approve", "a viewer may not"), ("a:b:c", "no permission is called")]
)
def test_a_token_gets_no_scope_that_its_operator_has_not(pool: Pool, scope: str, said: str) -> None:
    access.add_operator(pool, ACME, "eva", "viewer", by=BY)
    with pytest.raises(Refused, match=said):
        access.create_token(pool, ACME, "eva", "test", [scope], DAY, by=BY)


def test_nobody_hands_out_more_than_they_have(pool: Pool) -> None:
    """S2: a token for making tokens and operators is not a token for everything."""
    maker = who(pool, token_of(pool, "admin", ("access:token:create", "access:operator:add")))

    with pytest.raises(Forbidden):
        access.create_token(pool, ACME, "eva", "more", (), DAY, by=maker)
    with pytest.raises(Forbidden):
        access.add_operator(pool, ACME, "adam", "admin", by=maker)
    assert access.create_token(pool, ACME, "eva", "same", ["access:token:create"], DAY, by=maker).token_id


@pytest.mark.parametrize("role", ["viewer", "support", "operator", "integrator", "auditor"])
def test_only_an_admin_makes_operators_and_tokens(pool: Pool, role: Role) -> None:
    token_of(pool)
    by = operator(role, ACME)

    for forbidden in (
        lambda: access.add_operator(pool, ACME, "adam", "viewer", by=by),
        lambda: access.remove_operator(pool, ACME, "eva", by=by),
        lambda: access.create_token(pool, ACME, "eva", "x", (), DAY, by=by),
        lambda: access.revoke_token(pool, read(pool)[0].token_id, by=by),
    ):
        with pytest.raises(Forbidden):
            forbidden()


def test_a_token_is_revoked_once(pool: Pool) -> None:
    token_of(pool)
    [held] = read(pool)

    assert [access.revoke_token(pool, held.token_id, by=BY) for _ in range(2)] == [True, False]
    with pytest.raises(NotFound):
        access.revoke_token(pool, "unknown", by=BY)


def test_a_dry_run_makes_nothing(pool: Pool) -> None:
    access.add_operator(pool, ACME, "eva", "viewer", by=BY)
    made = access.create_token(pool, ACME, "eva", "x", (), DAY, by=BY.because("", dry_run=True))

    assert read(pool) == []
    with pytest.raises(Unauthenticated):
        who(pool, made.token.reveal())
