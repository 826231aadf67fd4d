"""
docker-compose.yml read as text, without an engine: who runs as what, what is published, what each health check asks.

The last test starts the processes as the file does and asks each what its health check asks.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from deploy import docker
from deploy.server import free_ports
from runtime.liveness import LATE, THREADS
from runtime.secrets import new_key
from runtime.settings import read_settings
from runtime.topology import WAKE_UP_QUEUES
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")


def blocks(text: str, indent: str) -> dict[str, str]:
    """
    What stands below each name at this indentation.
    """
    parts = re.split(rf"^{indent}([\w-]+):", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def words(key: str, body: str) -> list[str]:
    """
    The list that stands behind a key on the same line.
    """
    found = re.search(rf"^ +{key}: \[(.*)\]", body, flags=re.MULTILINE)
    return [word.strip(' "') for word in found[1].split(",")] if found else []


TOP = blocks(COMPOSE, "")
SERVICES = blocks(TOP["services"], "  ")
OURS = {name: body for name, body in SERVICES.items() if "<<: *process" in body}
PASSWORDS = ("POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "CONSOLE_PASSWORD")
COMMANDS = {name: words("command", body) for name, body in OURS.items()}
CHECKS = {name: words("test", body) for name, body in SERVICES.items()}
ASKED = [name for name, check in CHECKS.items() if {"runtime.liveness", "ops.api.health"} & {*check}]


def test_there_is_one_service_for_each_process() -> None:
    assert SERVICES.keys() == {
        *("postgres", "rabbitmq", "init"),
        *("ingest", "worker", "poller", "scheduler", "console"),
        "simulator",
    }
    assert SERVICES.keys() - OURS.keys() == {"postgres", "rabbitmq"}


@pytest.mark.parametrize("service", sorted(SERVICES.keys() - {"init"}))
def test_each_service_that_stays_has_a_health_check(service: str) -> None:
    assert CHECKS[service][0] == "CMD"
    assert "disable" not in SERVICES[service]


def test_only_what_ends_by_itself_has_no_health_check() -> None:
    assert "healthcheck: {disable: true}" in SERVICES["init"]
    assert 'restart: "no"' in SERVICES["init"]
    assert "restart: unless-stopped" in TOP["x-process"]


def test_servers_are_those_of_the_tests_with_a_pinned_version() -> None:
    images = re.findall(r"image: (\S+)", TOP["services"])
    assert images == [docker.POSTGRES_IMAGE, docker.RABBITMQ_IMAGE]
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    for image in [*images, *bases]:
        assert re.fullmatch(r"[a-z]+:\d[\w.-]*", image), image


def test_no_process_of_ours_has_rights() -> None:
    process = TOP["x-process"]
    assert re.search(r"^  user: (\d+):(\d+)$", process, flags=re.MULTILINE)[1] != "0"  # type: ignore[index]
    assert "read_only: true" in process
    assert words("cap_drop", process) == ["ALL"]
    assert "no-new-privileges:true" in process
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", DOCKERFILE, flags=re.MULTILINE)
    for forbidden in ("privileged: true", "cap_add", "network_mode", "docker.sock", "pid: host"):
        assert forbidden not in COMPOSE
    for body in OURS.values():
        assert not re.search(r"^    (user|read_only|cap_drop|security_opt):", body, flags=re.MULTILINE)


def test_ports_are_published_on_loopback_only_and_the_database_not_at_all() -> None:
    published = re.findall(r"^      - (\S+:\d+:\d+)$", TOP["services"], flags=re.MULTILINE)
    assert published == ["127.0.0.1:5672:5672", "127.0.0.1:15672:15672", "127.0.0.1:8080:8080"]
    assert {name for name, body in SERVICES.items() if "ports:" in body} == {"rabbitmq", "console"}


def test_each_secret_is_asked_for_and_named_in_the_example_without_a_value() -> None:
    """S6: no secret stands in the repository, and nothing starts without one."""
    wanted = set(re.findall(r"\$\{(\w+):\?[^}]*make env\}", COMPOSE))
    assert wanted == {"MATRICULA_KEY", *PASSWORDS}
    for name in wanted:
        assert re.search(rf"^{name}=$", EXAMPLE, flags=re.MULTILINE)
        assert not re.search(rf"\${{{name}[}}:]-", COMPOSE)


def test_whatever_the_file_reads_is_in_the_example() -> None:
    read = set(re.findall(r"\$\{(\w+)", COMPOSE))
    assert read == set(re.findall(r"^(\w+)=", EXAMPLE, flags=re.MULTILINE))


def test_every_wake_up_queue_has_somebody_who_works_on_it() -> None:
    worked = [queue for command in COMMANDS.values() if "worker" in command for queue in command[4:]]
    assert sorted(worked) == sorted(WAKE_UP_QUEUES)


@pytest.mark.parametrize("service", ["worker", "poller"])
def test_a_worker_is_asked_about_each_of_its_queues_and_its_threads(service: str) -> None:
    assert set(CHECKS[service][4:]) == {*COMMANDS[service][4:], THREADS}


def test_an_unhealthy_service_is_known_within_a_minute_and_a_half() -> None:
    beats = TOP["x-beats"]
    [interval] = re.findall(r"interval: (\d+)s", beats)
    [retries] = re.findall(r"retries: (\d+)", beats)
    assert timedelta(seconds=int(interval) * int(retries)) + LATE <= timedelta(seconds=90)


def test_the_image_holds_every_package_and_neither_tests_nor_secrets() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    packages = {name.partition(".")[0] for name in project["tool"]["setuptools"]["packages"]} - {"deploy"}
    assert "*" in ignore
    assert let_in == packages | {"requirements.lock", "deploy/__init__.py", "deploy/trial.py"}
    assert "--require-hashes" in DOCKERFILE


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """
    A folder with what `deploy/env.sh` needs.
    """
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "env.sh", tmp_path / "deploy")
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def make_env(copy: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "deploy/env.sh"], cwd=copy, capture_output=True, text=True, check=False)


def test_a_made_env_holds_fresh_secrets_for_its_owner_alone(copy: Path) -> None:
    assert make_env(copy).returncode == 0

    text = (copy / ".env").read_text(encoding="utf-8")
    made = dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))
    settings = read_settings({**made, "DATABASE_URL": "postgresql://db.example/x", "AMQP_URL": "amqp://mq.example"})
    assert len(settings.master_keys.names) == 1
    for name in PASSWORDS:
        assert re.fullmatch(r"[0-9a-f]{32}", made[name])
    assert len({made[name] for name in ("MATRICULA_KEY", *PASSWORDS)}) == 4
    assert stat.S_IMODE((copy / ".env").stat().st_mode) == 0o600
    assert re.sub(r"(KEY|PASSWORD)=.*", r"\1=", text) == EXAMPLE


def test_an_env_that_is_there_is_never_changed(copy: Path) -> None:
    (copy / ".env").write_text("MATRICULA_KEY=mine\n", encoding="utf-8")

    assert make_env(copy).returncode == 1

    assert (copy / ".env").read_text(encoding="utf-8") == "MATRICULA_KEY=mine\n"


@pytest.mark.parametrize("service", ASKED)
def test_a_process_becomes_healthy_by_its_own_check(
    service: str, database_url: str, amqp_url: str, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "AMQP_URL": amqp_url,
        "MATRICULA_KEY": new_key(),
        "MATRICULA_BEATS": str(tmp_path),
        "MATRICULA_CONSOLE_PORT": str(free_ports(1)[0]),
    }
    command, check = ([sys.executable, *line[1:]] for line in (COMMANDS[service], CHECKS[service][1:]))

    def is_healthy() -> bool:
        return subprocess.run(check, cwd=ROOT, env=environment, capture_output=True, check=False).returncode == 0

    assert not is_healthy()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            until(is_healthy, timedelta(seconds=30), f"{service} is healthy", every=timedelta(milliseconds=200))
        finally:
            process.terminate()
    assert process.returncode == 0


def test_the_console_is_not_the_owner_of_the_database() -> None:
    """S13, S23: whoever breaks into it can take no other role."""
    made = (ROOT / "deploy" / "postgres" / "create-database.sql").read_text(encoding="utf-8")
    assert re.search(r"DATABASE_URL: postgresql://console:", SERVICES["console"])
    assert re.search(r"create role console login password :'console' in role matricula_console;", made)
    assert "to console" not in made
