"""The runbook says what the catalogue says."""

from domain.failure_catalogue import CATALOGUE
from ops.runbook import FILE, document


def test_the_runbook_is_what_the_catalogue_makes_of_it() -> None:
    """Change the catalogue and run `python -m ops.runbook`."""
    assert FILE.read_text(encoding="utf-8") == document()


def test_every_code_has_a_page_with_its_fix_and_commands() -> None:
    """R77."""
    page = document()
    lacking = [code for code, failure in CATALOGUE.items() if f"### `{code}`" not in page or failure.fix not in page]
    assert lacking == []
    assert page.count("matricula failures groups --code") == len(CATALOGUE)
