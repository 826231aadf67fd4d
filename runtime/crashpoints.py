"""
Named places where a test may kill the process: between a step and its record, where the doubt lies.

Off unless both MATRICULA_CRASH_TESTS=1 and CRASH_AT=name[:nth] are set when the process starts; nth counts from 1.
The names are an interface: tests, and people who repeat a crash, use them.
"""

import os
import signal
from collections.abc import Callable, Mapping


def _nothing(name: str) -> None:
    del name


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def armed(environ: Mapping[str, str], kill: Callable[[], None] = _kill) -> Callable[[str], None]:
    """
    What `crashpoint` does under this environment: nothing, or kill at the nth arrival at one name.

    Raises:
        ValueError: CRASH_AT is not name or name:nth.
    """
    name, _, nth = environ.get("CRASH_AT", "").partition(":")
    if not name or environ.get("MATRICULA_CRASH_TESTS") != "1":
        return _nothing
    arrivals_left = int(nth or "1")

    def crash(arrived_at: str) -> None:
        nonlocal arrivals_left
        arrivals_left -= arrived_at == name
        if arrivals_left == 0 and arrived_at == name:
            kill()

    return crash


# Decided once, so that in production a crash point is one call of an empty function.
crashpoint = armed(os.environ)
