"""Acts stand in the audit, or did not happen; S19."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from db.audit import AuditStore, Item, entries
from db.pool import Pool, rehearsal, transaction
from domain.audit_chain import follow
from domain.permissions import permissions_of
from ops.operators import Forbidden, Operator, audited, audited_items
from tests.support.operators import BY

PAUSE = "integrations:integration:pause"
EVA = Operator("eva", "api", permissions_of("operator"), "operator", "acme", "req-1", "maintenance")


def pause(pool: Pool, operator: Operator = EVA, **said: Any) -> int:
    with transaction(pool) as db:
        return audited(db, operator, PAUSE, "integration/Academy", **({"tenant": "acme"} | said))


def broken(pool: Pool, chain: str = "acme") -> int | None:
    with transaction(pool) as db:
        store = AuditStore(db)
        head, wrong = follow(store.sealed(chain))
        return wrong if wrong or head == store.chains()[chain] else head.number + 1


@pytest.fixture
def three(pool: Pool) -> Pool:
    for outcome in ("done", "done", "nothing to do"):
        pause(pool, outcome=outcome)
    return pool


def test_an_entry_says_who_did_what_to_what_by_which_way_and_why(pool: Pool) -> None:
    """R163, S19: before and after, and time by the database."""
    pause(pool, before={"state": "active"}, after={"state": "paused"})

    with transaction(pool) as db:
        (row,) = entries(db)
    assert (row.actor, row.role, row.source, row.reason, row.request_id) == (
        "eva", "operator", "api", "maintenance", "req-1",
    )  # fmt: skip
    assert (row.action, row.target, row.tenant, row.outcome) == (PAUSE, "integration/Academy", "acme", "done")
    assert (row.before, row.after) == ({"state": "active"}, {"state": "paused"})


def test_an_act_that_is_rolled_back_leaves_no_entry(pool: Pool) -> None:
    with rehearsal(pool) as db:
        audited(db, EVA, PAUSE, "integration/Academy", tenant="acme")

    with transaction(pool) as db:
        assert entries(db) == []


@pytest.mark.parametrize(
    "operator",
    [
        Operator("vic", "api", permissions_of("viewer"), "viewer", "acme"),
        Operator("zoe", "api", permissions_of("admin"), "admin", "zenith"),
    ],
    ids=["without the permission", "of another tenant"],
)
def test_no_act_without_permission(pool: Pool, operator: Operator) -> None:
    """S2, J8: the last fence is the audit itself, in the same transaction."""
    with pytest.raises(Forbidden, match=PAUSE):
        pause(pool, operator)
    with transaction(pool) as db:
        assert entries(db) == []


def test_items_stand_under_their_operation_with_its_name_and_reason(pool: Pool) -> None:
    with transaction(pool) as db:
        operation = audited(db, EVA, PAUSE, "replay/7", tenant="acme")
        audited_items(db, operation, [Item("account/1"), Item("account/2", outcome="failed again")])

    with transaction(pool) as db:
        found = entries(db, operation=operation)
    assert [(row.target, row.outcome, row.actor, row.reason) for row in found] == [
        ("account/2", "failed again", "eva", "maintenance"),
        ("account/1", "done", "eva", "maintenance"),
    ]
    assert broken(pool) is None


def test_each_tenant_has_its_own_chain(three: Pool) -> None:
    """A company can check its own, and none waits for another."""
    pause(three, BY, tenant="zenith")
    pause(three, BY, tenant=None)

    with transaction(three) as db:
        assert {name: head.number for name, head in AuditStore(db).chains().items()} == {"": 1, "acme": 3, "zenith": 1}
    assert [broken(three, chain) for chain in ("", "acme", "zenith")] == [None] * 3


def test_the_chain_holds_under_many_writers(pool: Pool) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: pause(pool), range(40)))

    with transaction(pool) as db:
        assert sorted(row.number for row in entries(db)) == list(range(1, 41))
    assert broken(pool) is None


@pytest.mark.parametrize(
    ("tampering", "first_wrong"),
    [
        ("update audit set actor = 'nobody' where number = 2", 2),
        ("update audit set at = at - interval '1 day' where number = 1", 1),
        ("""update audit set after = '{"state": "active"}' where number = 3""", 3),
        ("delete from audit where number = 2", 2),
        ("delete from audit where number = 3", 3),
        ("update audit set tenant = 'zenith' where number = 3", 3),
    ],
)
def test_tampering_shows(three: Pool, tampering: Any, first_wrong: int) -> None:
    """S19: even by the owner of the database, who alone can do it."""
    with transaction(three) as db:
        db.execute(tampering)

    assert broken(three) == first_wrong


def test_number_time_and_hash_are_the_databases(pool: Pool) -> None:
    """S19: whoever may insert cannot put an entry into the past or into the middle."""
    with transaction(pool) as db:
        db.execute(
            "insert into audit (audit_id, number, at, actor, role, source, action, target, reason, outcome, request_id,"
            " previous, hash) overriding system value values"
            " (7, 99, '2001-01-01', 'x', 'x', 'cli', 'a:b:c', 't', '', 'done', '', 'p', 'h')"
        )
        row = db.execute("select number, at > now() - interval '1 hour', previous from audit").fetchone()
    assert row == (1, True, b"")
    assert broken(pool, "") is None


def test_a_long_chain_is_read_in_pieces(three: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("db.audit.AT_ONCE", 2)

    assert broken(three) is None
