"""
Services on a machine: found or started, crashed and brought back, and gone afterwards however the run ends.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pika
import psycopg
import pytest

from deploy import keeper, native, packages
from deploy.server import ServiceError, free_ports
from deploy.services import AMQP_URL, DATABASE_URL, MANAGEMENT_URL, WAY, Services
from deploy.services import services as find_services
from tests.support.database import new_database
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
GIVEN = {
    DATABASE_URL: "postgresql://someone:secret@db.example:5433/hr",
    AMQP_URL: "amqp://someone:secret@broker.example/hr",
    MANAGEMENT_URL: "http://someone:secret@broker.example:15672",
}
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}  # 127.0.0.1 and ::1
OWNER = """
import sys
from deploy.services import services
with services() as found:
    print(found.database_url, found.management_url, flush=True)
    sys.stdin.read()
"""


def answers(url: str | None) -> bool:
    place = urlsplit(url or "")
    try:
        socket.create_connection((place.hostname or "", place.port or 0), timeout=2).close()
    except ConnectionRefusedError:
        return False
    return True


def kept_directories(owner: int) -> list[Path]:
    """
    The directories of the native servers that a process has started.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = entry.read_text().split("\0")
            if keeper.__file__ in words and words[words.index(keeper.__file__) + 1] == str(owner):
                found.append(Path(words[words.index(keeper.__file__) + 4]))
    return found


def listeners() -> Iterator[tuple[str, int, str]]:
    """
    Address, port and socket number of every TCP socket of this machine that is listened on, as /proc/net has them.
    """
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                address, port = words[1].split(":")
                yield address, int(port, 16), words[9]


def listening_addresses(ports: set[int]) -> set[str]:
    return {address for address, port, _ in listeners() if port in ports}


def listening_ports(ancestor: int) -> set[int]:
    """
    The ports on which the processes below this one listen: also those that no URL tells, as Erlang's.
    """
    sockets = set()
    for process in keeper.descendants(ancestor):
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(str(descriptor.readlink()))
    return {port for _, port, number in listeners() if f"socket:[{number}]" in sockets}


@contextlib.contextmanager
def owner_process() -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """
    Another process that owns services until its input ends, and their URLs.
    """
    environ = {name: value for name, value in os.environ.items() if name not in GIVEN}
    if packages.is_installed():
        environ[WAY] = "native"  # containers are removed by testcontainers' reaper, which may be switched off
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        try:
            yield owner, owner.stdout.readline().split()
        finally:
            owner.kill()


def test_given_urls_win_over_everything_else() -> None:
    with find_services({**GIVEN, WAY: "native"}) as found:
        assert found.environment() == GIVEN
        assert found.how == "given"


def test_a_given_broker_is_not_ours_to_crash() -> None:
    with find_services(GIVEN) as found, pytest.raises(ServiceError, match="RabbitMQ was given by AMQP_URL"):
        found.kill_broker()


def test_each_service_is_found_on_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    broker_only = {name: value for name, value in GIVEN.items() if name != DATABASE_URL}
    with find_services(broker_only) as found:
        assert found.broker.how == "given"
        assert found.database.how in {"docker", "native"}
        assert found.how is None
        assert answers(found.database_url)
    said = capfd.readouterr().err
    assert "RabbitMQ is the one given by AMQP_URL (broker.example)" in said
    assert "PostgreSQL is a throw-away one of our own" in said
    assert "secret" not in said


def test_an_unknown_way_is_refused_with_the_known_ones() -> None:
    with (
        pytest.raises(ServiceError, match=r"MATRICULA_SERVICES is 'podman'\. Set it to docker or native"),
        find_services({WAY: "podman"}),
    ):
        pass


def test_a_url_with_its_password_stays_out_of_the_representation() -> None:
    with find_services(GIVEN) as found:
        assert "secret" not in repr(found)


def test_private_servers_listen_on_loopback_only(crashable_services: Services) -> None:
    urls = crashable_services.environment().values()
    ports = {urlsplit(url).port or 0 for url in urls} | listening_ports(os.getpid())
    addresses = listening_addresses(ports)
    assert addresses
    assert addresses <= LOOPBACK


def test_services_are_gone_after_the_context_ends() -> None:
    with owner_process() as (owner, urls):
        assert all(map(answers, urls))
        directories = kept_directories(owner.pid)
        assert owner.stdin is not None
        owner.stdin.close()
        owner.wait(60)
        assert not any(map(answers, urls))
        assert not any(directory.exists() for directory in directories)
        assert not kept_directories(owner.pid)


@pytest.mark.crash
def test_services_are_gone_when_their_owner_was_killed() -> None:
    with owner_process() as (owner, urls):
        directories = kept_directories(owner.pid)
        owner.kill()
        owner.wait()
        until(lambda: not any(map(answers, urls)), timedelta(minutes=1), "the servers of a killed owner are gone")
        until(lambda: not any(map(Path.exists, directories)), describe="their directories are gone")
        until(lambda: not kept_directories(owner.pid), describe="their keepers are gone")


@pytest.mark.crash
def test_a_killed_broker_comes_back_with_its_durable_messages(crashable_services: Services) -> None:
    place = pika.URLParameters(crashable_services.amqp_url)
    channel = pika.BlockingConnection(place).channel()
    channel.confirm_delivery()
    channel.queue_declare("kept", durable=True)
    persistent = pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent)
    channel.basic_publish("", "kept", b"still here", persistent)
    # RabbitMQ 3.x forgets a queue that is younger than half a second when it crashes.
    threading.Event().wait(1)

    crashable_services.kill_broker()
    assert not answers(crashable_services.amqp_url)
    crashable_services.restart_broker()

    with pika.BlockingConnection(place) as connection:
        assert connection.channel().basic_get("kept", auto_ack=True)[2] == b"still here"


@pytest.mark.crash
def test_a_killed_postgres_comes_back_with_what_was_committed(crashable_services: Services) -> None:
    with new_database(crashable_services.database_url) as url:
        with psycopg.connect(url) as connection:
            connection.execute("create table kept as select 'still here' as fact")

        crashable_services.stop_postgres()
        assert not answers(url)
        crashable_services.start_postgres()

        with psycopg.connect(url) as connection:
            assert connection.execute("select fact from kept").fetchone() == ("still here",)


def test_a_native_server_that_fails_to_start_is_quoted(tmp_path: Path) -> None:
    kept = scripted_server(tmp_path, "echo 'no room on the disk' >&2; exit 3")
    with pytest.raises(ServiceError, match=r"PostgreSQL ended while starting, with status 3.*\s+no room on the disk"):
        kept.start()


def test_daemons_left_behind_by_a_native_server_are_ended(tmp_path: Path) -> None:
    kept = scripted_server(tmp_path, "(setsid sleep 600 & echo $! >daemon); sleep 600", ready=tmp_path / "daemon")
    kept.start()
    daemon = int((tmp_path / "daemon").read_text())
    os.kill(daemon, 0)
    kept.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(daemon, 0)


def scripted_server(directory: Path, script: str, ready: Path | None = None) -> native.Kept:
    return native.Kept(
        name="PostgreSQL",
        directory=directory,
        user="",
        command=["/bin/sh", "-c", script],
        environment=dict(os.environ),
        polite=signal.SIGQUIT,
        ready=lambda: ready is not None and ready.exists() and bool(ready.read_text()),
    )


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ServiceError, match=r"apt-get install -y --no-install-recommends rabbitmq-server\n.*AMQP_URL"):
        packages.program("RabbitMQ", "rabbitmq-server", "/nowhere/*")


def test_installing_a_package_starts_no_service(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with packages.services_stay_down(policy):
        assert subprocess.run([policy, "rabbitmq-server", "start"], check=False).returncode == 101
    assert not policy.exists()


def test_the_machine_owners_policy_is_left_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    with packages.services_stay_down(policy):
        pass
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_the_newest_version_is_taken_counting_in_numbers(tmp_path: Path) -> None:
    for version in ("9.6", "15", "17"):
        (tmp_path / "usr" / version).mkdir(parents=True)
    assert packages.newest("/usr/*", root=tmp_path) == tmp_path / "usr" / "17"


def test_a_command_gets_the_urls_and_its_exit_status_is_returned() -> None:
    script = f'[ "${AMQP_URL}" = "{GIVEN[AMQP_URL]}" ] && exit 7'
    command = [sys.executable, "-m", "deploy.services", "--", "sh", "-c", script]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **GIVEN}, check=False)
    assert done.returncode == 7


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(5))) == 5


def test_each_test_has_a_database_of_its_own_with_the_schema(services: Services, database_url: str) -> None:
    assert database_url != services.database_url
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from tenant").fetchone() == (0,)


def test_each_test_has_a_virtual_host_of_its_own(services: Services, amqp_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare("ours", durable=True)
    elsewhere = pika.BlockingConnection(pika.URLParameters(services.amqp_url))
    with elsewhere, pytest.raises(pika.exceptions.ChannelClosedByBroker, match="NOT_FOUND"):
        elsewhere.channel().queue_declare("ours", passive=True)
