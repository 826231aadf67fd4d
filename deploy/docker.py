"""
Throw-away containers of the pinned images, made by testcontainers, on published loopback ports.

When this process dies without cleaning up, testcontainers' own reaper container removes them.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from deploy import server
from deploy.server import HOST, POSTGRES_SETTINGS, USER, Server, ServiceError

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

RABBITMQ_IMAGE = "rabbitmq:4-management"
POSTGRES_IMAGE = "postgres:17"
PATIENCE = timedelta(minutes=2)


class DockerUnavailable(ServiceError):
    """
    Docker cannot give us a server; another way may.
    """


def check_engine() -> None:
    """
    Raises:
        DockerUnavailable: No engine answers, or testcontainers is not installed.
    """
    try:
        subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=10, check=True)
        import testcontainers.core.container  # noqa: F401 - a development requirement, so imported late
    except FileNotFoundError as error:
        raise DockerUnavailable("there is no docker command") from error
    except subprocess.TimeoutExpired as error:
        raise DockerUnavailable("`docker info` did not return within 10 s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or ["nothing"]
        raise DockerUnavailable(f"no engine answers (`docker info` said: {said[-1]})") from error
    except ImportError as error:
        raise DockerUnavailable("testcontainers is not installed; install requirements-dev.lock") from error


class Contained:
    """
    A server in a container that exists already.

    Args:
        ready: Whether the server answers.
    """

    def __init__(self, container: "DockerContainer", ready: Callable[[], bool]) -> None:
        self._name = container.image
        self._container = container.get_wrapped_container()
        self._ready = ready

    def start(self) -> None:
        """
        Start the server, or start it again, and return when it answers.
        """
        self.kill()
        self._container.start()
        self.wait()

    def wait(self) -> None:
        """
        Return when the server answers.
        """
        server.wait_until(self._answers, PATIENCE, lambda: self._failure(f"did not answer within {PATIENCE}"))

    def kill(self) -> None:
        """
        Crash the server and return when it is gone.
        """
        if self._runs():
            self._container.kill()
            self._container.wait()

    def _runs(self) -> bool:
        self._container.reload()
        return bool(self._container.status == "running")

    def _answers(self) -> bool:
        if not self._runs():
            raise ServiceError(self._failure("ended while starting"))
        return self._ready()

    def _failure(self, what: str) -> str:
        lines = self._container.logs(tail=15).decode(errors="replace").strip()
        return f"The container of {self._name} {what}. Its last words:\n{lines}"


@contextmanager
def postgres() -> Iterator[Server]:
    """
    A PostgreSQL of our own in a container.
    """
    password = server.new_password()
    [port] = server.free_ports(1)
    variables = {
        "POSTGRES_USER": USER,
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": "postgres",
        "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C.UTF-8",  # texts sort as in a native server
    }
    command = ["postgres", *server.setting_arguments(POSTGRES_SETTINGS)]
    # While the image prepares its data, its server listens on the Unix socket only: hence the address.
    asks = ["pg_isready", "-q", "-h", HOST, "-U", USER]
    with _running(POSTGRES_IMAGE, {5432: port}, variables, command) as container:
        contained = Contained(container, lambda: container.exec(asks).exit_code == 0)
        contained.wait()
        yield Server("docker", server.database_url(port, password), contained.kill, contained.start)


@contextmanager
def rabbitmq() -> Iterator[Server]:
    """
    A RabbitMQ of our own with its HTTP API in a container.
    """
    password = server.new_password()
    amqp, management = server.free_ports(2)
    variables = {"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": password}
    with _running(RABBITMQ_IMAGE, {5672: amqp, 15672: management}, variables, None) as container:
        contained = Contained(container, lambda: server.broker_is_ready(amqp, management, password))
        contained.wait()
        yield Server(
            "docker",
            server.amqp_url(amqp, password),
            contained.kill,
            contained.start,
            server.management_url(management, password),
        )


@contextmanager
def _running(
    image: str, ports: dict[int, int], variables: dict[str, str], command: list[str] | None
) -> Iterator["DockerContainer"]:
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.container import DockerContainer

    try:
        container = DockerContainer(image).with_envs(**variables)
        if command:
            container.with_command(command)
        # Chosen by us, because a port chosen by the engine changes when the container comes back after a crash.
        published = {f"{inside}/tcp": (HOST, outside) for inside, outside in ports.items()}
        container.ports.update(published)  # type: ignore[arg-type] # docker-py, which gets it, takes an address too
        container.__enter__()
    except DockerException as error:
        raise DockerUnavailable(f"the engine cannot run {image}: {error}") from error
    try:
        yield container
    finally:
        container.stop()
