"""Who acts on a machine."""

import os
import pwd

import pytest

from ops.operators import Operator


def test_a_user_without_a_name_acts_under_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user stands in no list of users."""

    def nobody(_: int) -> None:
        raise KeyError

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)

    assert Operator.at_the_machine().name == f"uid {os.getuid()}"
