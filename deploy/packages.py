"""
The programs of PostgreSQL and RabbitMQ on this machine, installed with apt when that is possible.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.server import ServiceError, say

POSTGRES = "/usr/lib/postgresql/*/bin/postgres"
RABBITMQ = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
POLICY = Path("/usr/sbin/policy-rc.d")
APT_GET = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")


def postgres_programs() -> Path:
    """
    The directory with `initdb` and `postgres` of the newest PostgreSQL, which is installed when there is none.
    """
    return program("PostgreSQL", "postgresql", POSTGRES).parent


def rabbitmq_script() -> Path:
    """
    The newest RabbitMQ's own `rabbitmq-server` script; RabbitMQ is installed when there is none.

    Debian's wrapper on the PATH changes user and does not pass signals on, so it is never used.
    """
    return program("RabbitMQ", "rabbitmq-server", RABBITMQ)


def is_installed() -> bool:
    """
    Whether both are there, so that nothing would have to be installed.
    """
    return None not in (newest(POSTGRES), newest(RABBITMQ))


def program(name: str, package: str, pattern: str) -> Path:
    """
    The newest file that matches the pattern, whose package is installed when there is none.

    Raises:
        ServiceError: It cannot be installed, with the command to run.
    """
    found = newest(pattern)
    if found is None:
        _install(name, package)
        found = newest(pattern)
    if found is None:
        raise ServiceError(f"{name} is not where its package puts it: nothing matches {pattern}. {_other_ways(name)}")
    return found


def newest(pattern: str, root: Path = Path("/")) -> Path | None:
    """
    The file with the highest version in its path, comparing numbers as numbers.
    """
    return max(root.glob(pattern.lstrip("/")), key=_version, default=None)


def _version(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def _install(name: str, package: str) -> None:
    if shutil.which("apt-get") is None:
        raise ServiceError(
            f"{name} is not installed and this system has no apt-get. Install it by hand. {_other_ways(name)}"
        )
    if os.geteuid() != 0:
        raise ServiceError(
            f"{name} is not installed, and only root may install it. Run:\n"
            f"    sudo apt-get update && sudo apt-get install -y --no-install-recommends {package}\n{_other_ways(name)}"
        )
    say(f"installing {name} (package {package}) with apt-get; this may take a minute")
    began = time.monotonic()
    with services_stay_down(POLICY):
        _apt_install(name, package)
    say(f"installed {name} in {time.monotonic() - began:.0f} s; its system-wide service was not started")


def _apt_install(name: str, package: str) -> None:
    install = (*APT_GET, "install", "-y", "--no-install-recommends", package)
    if _run(install).returncode == 0:
        return
    # A fresh container has no package lists, an old machine has stale ones.
    updated = _run((*APT_GET, "update"))
    done = _run(install)
    if done.returncode != 0:
        output = "\n".join((updated.stdout + done.stdout).strip().splitlines()[-8:])
        raise ServiceError(f"{name} could not be installed. `{' '.join(install)}` said:\n{output}\n{_other_ways(name)}")


def _run(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


@contextmanager
def services_stay_down(policy: Path) -> Iterator[None]:
    """
    Keep Debian from starting what it installs: the private servers are the only ones wanted.

    A policy of the machine's owner is left alone, whatever it says.
    """
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink(missing_ok=True)


def _other_ways(name: str) -> str:
    variable = "DATABASE_URL" if name == "PostgreSQL" else "AMQP_URL"
    return f"Or start a Docker engine, or set {variable} to a {name} that already runs."
