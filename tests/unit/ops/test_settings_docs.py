"""The settings page is the settings."""

from ops.settings_docs import FILE, document, undescribed


def test_the_page_in_the_repository_is_made_from_the_settings() -> None:
    """Change a setting and run `python -m ops.settings_docs`."""
    assert FILE.read_text(encoding="utf-8") == document()


def test_every_setting_says_what_it_is_for() -> None:
    """R159: explained beside the field, whoever configures it."""
    assert undescribed() == []


def test_a_setting_is_shown_with_its_values_and_its_default() -> None:
    page = document()

    assert "| `people.no_email` | `pseudo`, `refuse` | `refuse` |" in page
    assert "| `results.pass_outcome` | text | – |" in page


def test_an_advanced_setting_is_marked() -> None:
    """R159, R162: it is hidden elsewhere."""
    marked = {line.split("`")[1] for line in document().splitlines() if "*Advanced.*" in line}

    assert {"guard", "roles", "people.protected"} <= marked
    assert not marked & {"name", "url", "people", "people.identity", "results.pass_outcome"}
