"""Settings that few change: hidden, and never lost for being hidden."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.advanced import completed, is_advanced, shown
from domain.integration import IntegrationSettings
from tests.unit.domain.values import integration

HELD = st.fixed_dictionaries(
    {
        "timezone": st.sampled_from(["UTC", "Europe/Amsterdam"]),
        "roles": st.fixed_dictionaries({"learner": st.sampled_from(["5", "9"])}),
        "guard": st.fixed_dictionaries({"at_least": st.integers(0, 50), "share": st.sampled_from(["0.02", "1"])}),
        "people": st.fixed_dictionaries(
            {"email_choice": st.integers(1, 3), "protected": st.lists(st.sampled_from(["7", "boss"]), max_size=2)}
        ),
        "catalogue": st.fixed_dictionaries({"without_start": st.sampled_from(["first_seen", "none"])}),
    }
)


def stored(**chosen: Any) -> dict[str, Any]:
    return integration(**chosen).model_dump(mode="json")


def edited(given: object, held: dict[str, Any]) -> IntegrationSettings:
    return IntegrationSettings.model_validate(completed(given, held, IntegrationSettings))


@given(chosen=HELD)
def test_saving_what_is_shown_changes_nothing(chosen: dict[str, Any]) -> None:
    """R162: whoever edits without seeing the advanced settings keeps all of them."""
    held = stored(**chosen)

    assert edited(shown(held, IntegrationSettings), held).model_dump(mode="json") == held


def test_advanced_settings_are_hidden_one_by_one_and_by_the_group() -> None:
    """R162."""
    visible = shown(stored(), IntegrationSettings)

    assert not {"roles", "guard"} & visible.keys()
    assert "protected" not in visible["people"]
    assert {"name", "url", "payrolls", "results", "people"} <= visible.keys()
    assert {"email_choice", "no_email"} <= visible["people"].keys()


def test_an_advanced_setting_that_is_given_counts_and_the_others_stay() -> None:
    """R162: the tick reveals them, so they can be changed."""
    held = stored(guard={"at_least": 3, "window_hours": 48}, roles={"learner": "9"})
    given = shown(held, IntegrationSettings) | {"guard": {"at_least": 5}}

    after = edited(given, held)

    assert (after.guard.at_least, after.guard.window_hours, after.roles.learner) == (5, 48, "9")


def test_what_is_not_advanced_has_its_default_when_it_is_left_out() -> None:
    """R162: only what was hidden is kept; leaving out what everybody sees means not to want it."""
    held = stored(timezone="Europe/Amsterdam", people={"email_choice": 2, "protected": ["7"]})
    needed = {name: held[name] for name in ("name", "url", "results")}

    after = edited(needed, held)

    assert (after.timezone, after.people.email_choice, after.people.protected) == ("UTC", 1, ("7",))


@pytest.mark.parametrize("given", [[], "settings", {"people": "x"}, {"guard": None}])
def test_what_is_no_settings_is_handed_on_to_be_refused(given: object) -> None:
    with pytest.raises(ValueError, match="validation error"):
        edited(given, stored())


def test_whatever_must_be_given_is_never_hidden() -> None:
    """R162: nobody could add an integration otherwise."""
    assert not [name for name, f in IntegrationSettings.model_fields.items() if f.is_required() and is_advanced(f)]
