"""
What a process reads from its environment: all of it right, or every problem named at once.
"""

from pathlib import Path

import pytest

from runtime.secrets import MasterKeys, new_key
from runtime.settings import BadSettings, read_settings

PLACES = {"DATABASE_URL": "postgresql://localhost/x", "AMQP_URL": "amqp://localhost"}


def problems(**environment: str) -> str:
    with pytest.raises(BadSettings) as refused:
        read_settings(PLACES | environment)
    return str(refused.value)


def key_file(tmp_path: Path, text: str, mode: int = 0o400) -> str:
    file = tmp_path / "keys"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return str(file)


def test_master_keys_come_from_a_file_the_newest_first(tmp_path: Path) -> None:
    newest, older = new_key(), new_key()
    settings = read_settings(PLACES | {"MATRICULA_KEY_FILE": key_file(tmp_path, f"{newest}\n{older}\n")})
    assert settings.master_keys.names == [*MasterKeys.read(newest).names, *MasterKeys.read(older).names]


def test_a_key_file_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    """E5: whoever reads it opens every token."""
    assert "chmod 400" in problems(MATRICULA_KEY_FILE=key_file(tmp_path, new_key(), 0o444))


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "is not set"), ("short", "is not 32 bytes"), (f"{'A' * 43}= c2hvcnQ=", "is not 32 bytes")],
)
def test_what_is_no_key_is_named(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in problems(MATRICULA_KEY=text)
    assert f"MATRICULA_KEY_FILE {problem}" in problems(MATRICULA_KEY_FILE=key_file(tmp_path, text))


def test_a_missing_key_file_and_two_sources_are_named(tmp_path: Path) -> None:
    assert "cannot be read" in problems(MATRICULA_KEY_FILE=str(tmp_path / "nowhere"))
    assert "keep one" in problems(MATRICULA_KEY=new_key(), MATRICULA_KEY_FILE=key_file(tmp_path, new_key()))


def test_keys_show_nowhere(tmp_path: Path) -> None:
    """S5, I10: not even in a debugger's view of the settings."""
    key = new_key()
    settings = read_settings(PLACES | {"MATRICULA_KEY": key})
    data_key = settings.master_keys.unwrap(settings.master_keys.new_data_key("acme"), "acme")
    for shown in (repr(settings), repr(data_key)):
        assert key not in shown
        assert "_key=" not in shown
