"""The published interface is the one the program has."""

from ops.event_docs import FOLDER, documents


def test_the_event_documents_in_the_repository_are_those_of_the_models() -> None:
    """Change a model and run `python -m ops.event_docs`."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == documents()


def test_every_reference_inside_a_schema_leads_somewhere() -> None:
    for name, text in documents().items():
        definitions = text.partition('"$defs"')[2]
        for reference in text.split('"#/$defs/')[1:]:
            assert f'"{reference.partition(chr(34))[0]}":' in definitions, name
