"""
Private servers made from the system's packages: own directory, free ports, loopback only, gone afterwards.
"""

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from deploy import keeper, packages, server
from deploy.server import HOST, POSTGRES_SETTINGS, USER, Server, ServiceError

PATIENCE = timedelta(seconds=90)  # a broker takes 4 s on an idle machine, and much longer on a busy one


class Kept:
    """
    A server in a directory of its own, held by a keeper process.

    Args:
        polite: What ends the server; SIGKILL follows if it does not.
        ready: Whether the server answers.
    """

    def __init__(
        self,
        name: str,
        directory: Path,
        user: str,
        command: list[str],
        environment: dict[str, str],
        polite: signal.Signals,
        ready: Callable[[], bool],
    ) -> None:
        self._name = name
        self._directory = directory
        self._environment = environment
        self._ready = ready
        self._arguments = [str(os.getpid()), user, polite.name, str(directory), *command]
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """
        Start the server, or start it again, and return when it answers.
        """
        self.kill()
        with (self._directory / "output.log").open("ab") as output:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, *self._arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C at the terminal is for the command, which still needs its server
            )
        server.wait_until(self._answers, PATIENCE, lambda: self._failure(f"did not answer within {PATIENCE}"))

    def kill(self) -> None:
        """
        End the server and everything it started, as a crash would, and return when all are gone.
        """
        if self._keeper is not None:
            self._keeper.terminate()
            self._keeper.wait()
            self._keeper = None

    def _answers(self) -> bool:
        if self._keeper is not None and self._keeper.poll() is not None:
            raise ServiceError(self._failure(f"ended while starting, with status {self._keeper.returncode}"))
        return self._ready()

    def _failure(self, what: str) -> str:
        lines = (self._directory / "output.log").read_text(errors="replace").strip().splitlines()
        return f"The private {self._name} {what}. Its last words:\n" + "\n".join(lines[-15:])


@contextmanager
def postgres() -> Iterator[Server]:
    """
    A PostgreSQL of our own, ready in about half a second.
    """
    programs = packages.postgres_programs()
    user = _unprivileged("postgres")
    password = server.new_password()
    [port] = server.free_ports(1)
    # No Unix socket: its path could be too long, and it would not be ours alone.
    settings = {**POSTGRES_SETTINGS, "listen_addresses": HOST, "port": str(port), "unix_socket_directories": ""}
    with _directory("postgres", user) as directory:
        _private_file(directory / "password", password, user)
        make = [str(programs / "initdb"), "-D", "data", "-U", USER, "-A", "password", "--pwfile=password"]
        make += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"]
        serve = [str(programs / "postgres"), "-D", "data", *server.setting_arguments(settings)]
        # Inside the keeper, so that nothing is left behind if we die during initdb.
        script = f"[ -e data/PG_VERSION ] || {shlex.join(make)} || exit; exec {shlex.join(serve)}"
        kept = Kept(
            name="PostgreSQL",
            directory=directory,
            user=user,
            command=["/bin/sh", "-c", script],
            environment=_environment(directory),
            polite=signal.SIGQUIT,  # a crash too, but shared memory is given back
            ready=lambda: _postgres_is_ready(directory / "data" / "postmaster.pid"),
        )
        with _running(kept):
            yield Server("native", server.database_url(port, password), kept.kill, kept.start)


@contextmanager
def rabbitmq() -> Iterator[Server]:
    """
    A RabbitMQ of our own with its HTTP API, ready in about four seconds.
    """
    script = packages.rabbitmq_script()
    user = _unprivileged("rabbitmq")
    password = server.new_password()
    amqp, management, distribution, epmd = server.free_ports(4)
    with _directory("rabbitmq", user) as directory:
        _private_file(directory / "rabbitmq.conf", _broker_configuration(management, password), user)
        _private_file(directory / "advanced.config", "[].\n", user)
        _private_file(directory / "enabled_plugins", "[rabbitmq_management].\n", user)
        kept = Kept(
            name="RabbitMQ",
            directory=directory,
            user=user,
            command=[str(script)],
            environment=_environment(directory) | _broker_environment(directory, amqp, distribution, epmd),
            polite=signal.SIGKILL,
            ready=lambda: server.broker_is_ready(amqp, management, password),
        )
        with _running(kept):
            yield Server(
                "native",
                server.amqp_url(amqp, password),
                kept.kill,
                kept.start,
                server.management_url(management, password),
            )


def _broker_configuration(management_port: int, password: str) -> str:
    return f"""\
default_user = {USER}
default_pass = {password}
management.tcp.ip = {HOST}
management.tcp.port = {management_port}
max_message_size = {server.MAX_MESSAGE_SIZE}
"""


def _broker_environment(directory: Path, amqp_port: int, distribution_port: int, epmd_port: int) -> dict[str, str]:
    return {
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": HOST,
        # A long name made of an address works whatever the machine is called and whatever /etc/hosts says.
        "RABBITMQ_USE_LONGNAME": "true",
        "RABBITMQ_NODENAME": f"{USER}@{HOST}",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(amqp_port),
        "RABBITMQ_DIST_PORT": str(distribution_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(directory / "pid"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(directory / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
    }


def _postgres_is_ready(pid_file: Path) -> bool:
    try:
        return pid_file.read_text().splitlines()[7].strip() == "ready"
    except (OSError, IndexError):
        return False


@contextmanager
def _running(kept: Kept) -> Iterator[None]:
    try:
        kept.start()
        yield
    finally:
        kept.kill()


@contextmanager
def _directory(name: str, user: str) -> Iterator[Path]:
    if sys.platform != "linux":
        raise ServiceError(f"A private {name} can be started on Linux only. Start a Docker engine, or give its URL.")
    # Root's own temporary directory may be closed to the user that the server runs as.
    path = Path(tempfile.mkdtemp(prefix=f"matricula-{name}-", dir="/tmp" if user else None))  # noqa: S108 - mkdtemp
    if user:
        shutil.chown(path, user)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _unprivileged(preferred: str) -> str:
    """
    The user that a server started by root runs as; empty when we are not root, meaning ourselves.
    """
    if os.geteuid() != 0:
        return ""
    return preferred if preferred in {entry.pw_name for entry in pwd.getpwall()} else "nobody"


def _private_file(path: Path, content: str, user: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content)
    if user:
        shutil.chown(path, user)


def _environment(directory: Path) -> dict[str, str]:
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": str(directory)}
