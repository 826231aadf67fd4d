"""
PostgreSQL and RabbitMQ for whoever needs them: the ones given, or throw-away ones.

    python -m deploy.services -- COMMAND ...

runs the command with DATABASE_URL, AMQP_URL and MATRICULA_BROKER_MANAGEMENT_URL set and returns its exit status. What
was started for it is gone afterwards, however this process ends.

Each of the two is found on its own, in this order, and a line on stderr says which way was taken:

1. given: DATABASE_URL, AMQP_URL (with MATRICULA_BROKER_MANAGEMENT_URL for RabbitMQ's HTTP API);
2. docker: containers of the pinned images, when a Docker engine answers;
3. native: the system's packages, as private servers in a temporary directory.

MATRICULA_SERVICES=docker or =native allows that way only.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

from deploy import docker, native
from deploy.server import How, Server, ServiceError, say

DATABASE_URL = "DATABASE_URL"
AMQP_URL = "AMQP_URL"
MANAGEMENT_URL = "MATRICULA_BROKER_MANAGEMENT_URL"
WAY = "MATRICULA_SERVICES"


@dataclass(frozen=True)
class Services:
    """
    A PostgreSQL and a RabbitMQ that answer.
    """

    database: Server
    broker: Server

    @property
    def database_url(self) -> str:
        """
        Leads to a database that need not be ours alone when it was given.
        """
        return self.database.url

    @property
    def amqp_url(self) -> str:
        """
        Leads to a virtual host that need not be ours alone when it was given.
        """
        return self.broker.url

    @property
    def management_url(self) -> str | None:
        """
        RabbitMQ's HTTP API with user and password, without the /api; None when a given broker came without.
        """
        return self.broker.management_url

    @property
    def how(self) -> How | None:
        """
        The way both came; None when they came by different ways, which `database.how` and `broker.how` tell.
        """
        return self.database.how if self.database.how == self.broker.how else None

    def environment(self) -> dict[str, str]:
        """
        The variables that hand these services to another process.
        """
        variables = {DATABASE_URL: self.database_url, AMQP_URL: self.amqp_url, MANAGEMENT_URL: self.management_url}
        return {name: value for name, value in variables.items() if value}

    def kill_broker(self) -> None:
        """
        Crash RabbitMQ. On 3.x a quorum queue must be a second old to survive it.
        """
        self.broker.kill()

    def restart_broker(self) -> None:
        """
        Bring RabbitMQ back on the same port with its durable data, crashing it first if it still runs.
        """
        self.broker.start()

    def stop_postgres(self) -> None:
        """
        Crash PostgreSQL.
        """
        self.database.kill()

    def start_postgres(self) -> None:
        """
        Bring PostgreSQL back on the same port with everything committed, crashing it first if it still runs.
        """
        self.database.start()


@dataclass(frozen=True)
class _Kind:
    name: str
    variable: str
    docker: Callable[[], AbstractContextManager[Server]]
    native: Callable[[], AbstractContextManager[Server]]


_POSTGRES = _Kind("PostgreSQL", DATABASE_URL, docker.postgres, native.postgres)
_RABBITMQ = _Kind("RabbitMQ", AMQP_URL, docker.rabbitmq, native.rabbitmq)


@contextmanager
def services(environ: Mapping[str, str] = os.environ) -> Iterator[Services]:
    """
    Find or start both services, and remove what was started when the context ends.

    Raises:
        ServiceError: One of them cannot be had.
    """
    with ExitStack() as stack:
        database = _given(_POSTGRES, environ)
        broker = _given(_RABBITMQ, environ)
        ways = _ways(environ) if not (database and broker) else ()
        yield Services(
            database=database or _started(_POSTGRES, ways, stack),
            broker=broker or _started(_RABBITMQ, ways, stack),
        )


def _given(kind: _Kind, environ: Mapping[str, str]) -> Server | None:
    url = environ.get(kind.variable)
    if not url:
        return None

    def refuse() -> NoReturn:
        raise ServiceError(f"{kind.name} was given by {kind.variable} and is not ours to crash. Unset {kind.variable}.")

    say(f"{kind.name} is the one given by {kind.variable} ({_place(url)})")
    management_url = environ.get(MANAGEMENT_URL) if kind is _RABBITMQ else None
    return Server("given", url, kill=refuse, start=refuse, management_url=management_url or None)


def _ways(environ: Mapping[str, str]) -> tuple[How, ...]:
    """
    The ways to start a server, best first.
    """
    wanted = environ.get(WAY, "")
    if wanted not in ("", "docker", "native"):
        raise ServiceError(f"{WAY} is {wanted!r}. Set it to docker or native, or leave it out to take what there is.")
    if wanted == "native":
        return ("native",)
    try:
        docker.check_engine()
    except docker.DockerUnavailable as error:
        if wanted == "docker":
            raise ServiceError(f"{WAY}=docker, but {error}. Start the engine, or leave {WAY} out.") from error
        say(f"Docker is not used: {error}")
        return ("native",)
    return ("docker",) if wanted == "docker" else ("docker", "native")


def _started(kind: _Kind, ways: tuple[How, ...], stack: ExitStack) -> Server:
    for way in ways:
        start = kind.docker if way == "docker" else kind.native
        try:
            server = stack.enter_context(start())
        except docker.DockerUnavailable as error:
            if way == ways[-1]:
                raise ServiceError(
                    f"{kind.name} cannot be had from Docker: {error}. Pull the image by hand."
                ) from error
            say(f"Docker is not used for {kind.name}: {error}")
        else:
            say(f"{kind.name} is a throw-away one of our own, {way} ({_place(server.url)})")
            return server
    raise AssertionError("the last way either gives a server or raises")


def _place(url: str) -> str:
    """
    Where a URL leads, without the user and password in it.
    """
    return urlsplit(url).netloc.rpartition("@")[2] or "no host named"


def run(command: list[str], environment: Mapping[str, str]) -> int:
    """
    Run a command to its end, passing on SIGTERM, and return its exit status as a shell would.
    """
    with subprocess.Popen(command, env=environment) as process:
        # Ctrl-C reaches the command from the terminal: it decides when to end, and we wait for it.
        before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
            signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        }
        try:
            status = process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def main(arguments: list[str]) -> int:
    """
    The command line.
    """
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        say("nothing to run. Usage: python -m deploy.services -- COMMAND ...")
        return 2
    try:
        with services() as found:
            return run(command, {**os.environ, **found.environment()})
    except ServiceError as error:
        say(str(error))
        return 1
    except FileNotFoundError:
        say(f"there is no command {command[0]!r}")
        return 127
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
