"""
One server that somebody may use: where it is, where it came from, and how to crash it.
"""

import http.client
import random
import secrets
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

How: TypeAlias = Literal["given", "docker", "native"]

USER = "matricula"
HOST = "127.0.0.1"
MAX_MESSAGE_SIZE = 16 * 1024 * 1024  # bytes; RabbitMQ 4 has this limit, older ones are given it

# A crash of the server loses nothing without fsync, only a crash of the machine does. Turning synchronous_commit off
# would lose committed rows in both.
POSTGRES_SETTINGS = {"max_connections": "200", "fsync": "off", "full_page_writes": "off"}


class ServiceError(RuntimeError):
    """
    A service cannot be had; the message names the service, the cause and what to do.
    """


@dataclass(frozen=True)
class Server:
    """
    A PostgreSQL or RabbitMQ that answers.

    URLs carry the password and are hidden from the representation. `kill` crashes the server and returns when it is
    gone; `start` brings it back on the same ports with its data and returns when it answers. Both raise ServiceError
    for a server that was given.
    """

    how: How
    url: str = field(repr=False)
    kill: Callable[[], None] = field(repr=False)
    start: Callable[[], None] = field(repr=False)
    management_url: str | None = field(default=None, repr=False)


def say(text: str) -> None:
    """
    Tell the person at the terminal what is going on, beside the output of the command.
    """
    sys.stderr.write(f"services: {text}\n")
    sys.stderr.flush()


def new_password() -> str:
    """
    A password for one throw-away server, safe inside a URL and a configuration file.
    """
    return secrets.token_hex(16)


def database_url(port: int, password: str) -> str:
    """
    The URL of a PostgreSQL of ours; its user may create databases.
    """
    return f"postgresql://{USER}:{password}@{HOST}:{port}/postgres"


def amqp_url(port: int, password: str) -> str:
    """
    The URL of the default virtual host of a RabbitMQ of ours.
    """
    return f"amqp://{USER}:{password}@{HOST}:{port}/%2F"


def management_url(port: int, password: str) -> str:
    """
    The URL of the HTTP API of a RabbitMQ of ours, without the /api.
    """
    return f"http://{USER}:{password}@{HOST}:{port}"


def setting_arguments(settings: dict[str, str]) -> list[str]:
    """
    The command line arguments that give PostgreSQL these settings.
    """
    return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]


def free_ports(count: int) -> list[int]:
    """
    Find TCP ports that nobody listens on.

    They lie below the range from which the kernel serves outgoing connections: a server can then come back on its
    port after a crash, because no connection took it meanwhile.
    """
    ports: list[int] = []
    for port in random.sample(range(20000, 32000), 1000):
        if len(ports) == count:
            return ports
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            ports.append(port)
    raise ServiceError("No TCP port is free between 20000 and 32000 on 127.0.0.1. Stop some of the servers there.")


def wait_until(ready: Callable[[], bool], timeout: timedelta, late: Callable[[], str]) -> None:
    """
    Return when the server is ready.

    Raises:
        ServiceError: It was not ready in time; `late` gives the message.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    while not ready():
        if time.monotonic() > deadline:
            raise ServiceError(late())
        time.sleep(0.02)


def broker_is_ready(amqp_port: int, management_port: int, password: str) -> bool:
    """
    Whether RabbitMQ speaks AMQP and its HTTP API lets us in.

    Either port may accept connections while the node is still booting, so both must give a proper answer.
    """
    try:
        return _speaks_amqp(amqp_port) and _lets_us_in(management_port, password)
    except (OSError, http.client.HTTPException):
        return False


def _speaks_amqp(port: int) -> bool:
    with socket.create_connection((HOST, port), timeout=2) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"  # a method frame: Connection.Start


def _lets_us_in(port: int, password: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    credentials = b64encode(f"{USER}:{password}".encode()).decode()
    try:
        connection.request("GET", "/api/overview", headers={"Authorization": f"Basic {credentials}"})
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()
