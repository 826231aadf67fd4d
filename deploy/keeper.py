"""
Keeps one server no longer than the process that asked for it.

A script of its own, because it has to survive its owner: `keeper.py OWNER USER SIGNAL DIRECTORY COMMAND...` runs the
command in the directory as the user (empty: the present one). Told to stop by SIGTERM, it ends the server and all that
the server started. When the owner is gone, even by SIGKILL, it does the same and removes the directory.
"""

import contextlib
import ctypes
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 5.0  # seconds between the polite signal and SIGKILL


def main(owner: int, user: str, polite: signal.Signals, directory: str, command: list[str]) -> int:
    """
    Run the command until it ends, SIGTERM arrives or the owner is gone.

    Returns:
        The exit status of a server that ended by itself, else 0.
    """
    told: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    # Daemons that the server leaves behind (Erlang's epmd) become our children, so they can be found and ended.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _limit_descriptors()
    server = _launch(user, directory, command)
    while server.poll() is None and not told and os.getppid() == owner:
        time.sleep(0.05)
    status = server.poll()
    _end(server, polite)
    if os.getppid() != owner:
        shutil.rmtree(directory, ignore_errors=True)
    return 0 if status is None else abs(status)


def _limit_descriptors() -> None:
    # Erlang's helpers close every possible descriptor one by one: with a limit of a billion, that takes minutes.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    limit = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def _launch(user: str, directory: str, command: list[str]) -> subprocess.Popen[bytes]:
    if not user:
        return subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, start_new_session=True)
    group = pwd.getpwnam(user).pw_gid
    return subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=user,
        group=group,
        extra_groups=[],
    )


def _end(server: subprocess.Popen[bytes], polite: signal.Signals) -> None:
    if server.poll() is None:
        server.send_signal(polite)
        deadline = time.monotonic() + PATIENCE
        while server.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    # New ones may appear between the look and the blow, so look until there is nobody.
    while remaining := descendants(os.getpid()):
        for process in remaining:
            # One that is not our own child may have been reaped by its parent meanwhile.
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        _reap()


def descendants(ancestor: int) -> list[int]:
    """
    All processes below this one, parents first; those that nobody has reaped yet included.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name stands in parentheses and may hold anything; state and parent follow the last one.
            parent = int(entry.read_text(errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    found = [ancestor]
    for process in found:
        found.extend(children.get(process, []))
    return found[1:]


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2], signal.Signals[sys.argv[3]], sys.argv[4], sys.argv[5:]))
