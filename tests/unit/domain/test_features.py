"""What is sold in which phase, and what of it somebody has."""

from typing import get_args

import pytest
from pydantic import ValidationError

from domain.features import FEATURES, Switchable, is_on
from domain.integration import IntegrationSettings
from tests.unit.domain.values import integration


def test_the_first_phase_is_free_and_whatever_came_later_is_billed() -> None:
    """R5: people, courses and completions are the first phase."""
    assert {f.name for f in FEATURES if not f.billable} == {"people", "courses", "results"}
    assert {f.phase for f in FEATURES if f.billable} == {2, 3}


def test_exactly_what_is_billed_can_be_switched() -> None:
    """R5: a feature that is added to one list and not to the other could never be sold, or never be refused."""
    assert {f.name for f in FEATURES if f.billable} == set(get_args(Switchable))


def test_nothing_that_is_billed_is_on_unless_it_is_named() -> None:
    """R5: two clients may have different ones."""
    usual, other = integration(), integration(features=["result_report"])

    assert {f.name for f in FEATURES if is_on(f, usual.features)} == {"people", "courses", "results"}
    assert [f.name for f in FEATURES if f.billable and is_on(f, other.features)] == ["result_report"]


def test_the_first_phase_cannot_be_switched() -> None:
    """R5: it is on, so naming it would suggest that it could be off."""
    with pytest.raises(ValidationError, match="features"):
        IntegrationSettings.model_validate(integration().model_dump() | {"features": ["people"]})
