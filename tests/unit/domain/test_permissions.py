"""One table says who may do what; S2, console.md's roles."""

import re

import pytest

from domain.permissions import EVERYTHING, PERMISSIONS, ROLES, Role, permissions_of


def test_a_permission_is_area_object_action() -> None:
    assert [name for name in PERMISSIONS if not re.fullmatch(r"[a-z]+:[a-z]+:[a-z]+", name)] == []


def test_a_viewer_reads_and_nothing_else_and_no_names() -> None:
    assert {name.rpartition(":")[2] for name in permissions_of("viewer")} == {"read"}
    assert "people:pii:read" not in permissions_of("viewer")


def test_an_admin_may_do_everything() -> None:
    assert permissions_of("admin") == EVERYTHING


@pytest.mark.parametrize(
    ("role", "never"),
    [
        ("support", "failures:group:dismiss"),
        ("support", "replays:large:create"),
        ("operator", "integrations:integration:edit"),
        ("operator", "integrations:token:set"),
        ("integrator", "replays:replay:approve"),
        ("integrator", "guards:guard:approve"),
        ("auditor", "people:pii:read"),
    ],
)
def test_duties_are_apart(role: Role, never: str) -> None:
    """S2: who runs it does not configure it, and who configures it does not approve its own mass change."""
    assert never in EVERYTHING
    assert never not in permissions_of(role)


def test_only_an_admin_says_who_may_do_what() -> None:
    handing_out = {"access:operator:add", "access:operator:remove", "access:token:create", "access:token:revoke"}

    assert {role for role in ROLES if permissions_of(role) & handing_out} == {"admin"}


def test_an_auditor_changes_nothing() -> None:
    looking = {"read", "export", "verify", "reconcile"}
    assert {name.rpartition(":")[2] for name in permissions_of("auditor")} == looking
