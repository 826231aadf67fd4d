"""An act as one would type it: what a screen or an answer offers to copy."""

import shlex
from typing import Any


def command(*words: str | int, **options: Any) -> str:
    """The command with its options; those that are empty, false or None are left out."""
    said = ["matricula", *(str(word) for word in words)]
    for name, value in options.items():
        if value is True:
            said.append(f"--{name.replace('_', '-')}")
        elif value not in (None, "", False):
            said += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(said)
