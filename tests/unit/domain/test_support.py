"""Whom to ask, and what was promised."""

from datetime import timedelta

import pytest

from domain.failure_catalogue import Owner
from domain.support import Contact, ServiceLevel, Support

DESK, HOST, CLIENT = Contact(name="HR desk", phone="1"), Contact(name="Hosting"), Contact(name="Client's IT")
SUPPORT = Support(host=HOST, internal=(DESK,), client=(CLIENT,), service_level=ServiceLevel(respond_within_h=4))


@pytest.mark.parametrize(
    ("owner", "chain"),
    [
        ("LMS", (HOST, CLIENT)),
        ("IT", (DESK,)),
        ("HR data", (DESK,)),
        ("HR configuration", (DESK,)),
        ("product", (DESK,)),
    ],
)
def test_each_side_has_its_chain_of_escalation(owner: Owner, chain: tuple[Contact, ...]) -> None:
    """R14, R78"""
    assert SUPPORT.chain(owner) == chain


def test_how_urgent_a_failure_is_follows_from_the_promise() -> None:
    """R79"""
    assert not SUPPORT.overdue(timedelta(hours=4))
    assert SUPPORT.overdue(timedelta(hours=4, seconds=1))
    assert not Support().overdue(timedelta(days=400))


def test_a_contact_reads_as_a_line() -> None:
    assert str(DESK) == "HR desk, 1"
