"""
One value with everything a process reads from its environment, checked once, all problems reported together.

Nothing else reads the environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from runtime.secrets import MasterKeys

_WORLD_READABLE = 0o004
_HIGHEST_PORT = 65_535


class BadSettings(ValueError):
    """The environment cannot be used; one line per problem, each with its fix."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Timing:
    """
    How long things may take. `lms_deadline` < `lease` must hold: a call must be over before its work is claimed again.
    """

    lease: timedelta = timedelta(seconds=60)
    lms_deadline: timedelta = timedelta(seconds=30)
    outage_base: timedelta = timedelta(seconds=5)
    settle_doubt: timedelta = timedelta(seconds=30)
    probe_every: timedelta = timedelta(seconds=30)
    tick: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Console:
    """Where the console process listens. TLS ends before it: with a proxy on this machine, or in the same pod."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the services are, and what this installation allows."""

    database_url: str = field(repr=False)
    amqp_url: str = field(repr=False)
    master_keys: MasterKeys
    allow_private_lms: bool = False
    worker_threads: int = 6
    timing: Timing = Timing()
    console: Console = Console()
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """
    Raises:
        BadSettings: Something is missing or wrong.
    """
    settings, problems = survey(environment)
    if problems:
        raise BadSettings(problems)
    return settings


def survey(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The settings as far as they can be read, and what is missing or wrong in them."""
    problems: list[str] = []
    settings = Settings(
        database_url=_url(environment, "DATABASE_URL", ("postgresql", "postgres"), problems),
        amqp_url=_url(environment, "AMQP_URL", ("amqp", "amqps"), problems),
        master_keys=_keys(environment, problems),
        allow_private_lms=_flag(environment, "MATRICULA_ALLOW_PRIVATE_LMS", problems),
        worker_threads=int(_number(environment, "MATRICULA_WORKER_THREADS", 6, problems)),
        timing=_timing(environment, problems),
        console=_console(environment, problems),
        smtp_url=_url(environment, "MATRICULA_SMTP_URL", ("smtp", "smtps"), problems, needed=False),
        mail_from=environment.get("MATRICULA_MAIL_FROM", ""),
    )
    if bool(settings.smtp_url) != bool(settings.mail_from):
        problems.append("MATRICULA_SMTP_URL and MATRICULA_MAIL_FROM belong together: set both, or neither for no mail")
    return settings, problems


def _console(environment: Mapping[str, str], problems: list[str]) -> Console:
    default = Console()
    port = int(_number(environment, "MATRICULA_CONSOLE_PORT", default.port, problems))
    if port > _HIGHEST_PORT:
        problems.append(f"MATRICULA_CONSOLE_PORT must be at most {_HIGHEST_PORT}")
    return Console(environment.get("MATRICULA_CONSOLE_HOST", default.host), port)


def _timing(environment: Mapping[str, str], problems: list[str]) -> Timing:
    default = Timing()
    timing = Timing(
        lease=_seconds(environment, "MATRICULA_LEASE_S", default.lease, problems),
        lms_deadline=_seconds(environment, "MATRICULA_LMS_DEADLINE_S", default.lms_deadline, problems),
        outage_base=_seconds(environment, "MATRICULA_OUTAGE_BASE_S", default.outage_base, problems),
        settle_doubt=_seconds(environment, "MATRICULA_SETTLE_DOUBT_S", default.settle_doubt, problems),
        probe_every=_seconds(environment, "MATRICULA_PROBE_EVERY_S", default.probe_every, problems),
        tick=_seconds(environment, "MATRICULA_TICK_S", default.tick, problems),
    )
    if timing.lms_deadline >= timing.lease:
        problems.append(
            "MATRICULA_LMS_DEADLINE_S must be less than MATRICULA_LEASE_S: a call must end before its lease"
        )
    return timing


def _url(
    environment: Mapping[str, str], name: str, schemes: tuple[str, ...], problems: list[str], *, needed: bool = True
) -> str:
    given = environment.get(name, "")
    if not given and not needed:
        return given
    if not given:
        problems.append(f"{name} is not set; for example {schemes[0]}://user:password@host/name")
    elif urlsplit(given).scheme not in schemes:
        problems.append(f"{name} must begin with {schemes[0]}://")
    return given


def _keys(environment: Mapping[str, str], problems: list[str]) -> MasterKeys:
    name, text = "MATRICULA_KEY", environment.get("MATRICULA_KEY", "")
    file = environment.get("MATRICULA_KEY_FILE", "")
    if file and text:
        problems.append("MATRICULA_KEY and MATRICULA_KEY_FILE are both set: keep one of them")
    elif file:
        name, text = "MATRICULA_KEY_FILE", _key_file(Path(file), problems)
    try:
        return MasterKeys.read(text)
    except ValueError as problem:
        problems.append(f"{name} {problem}; make one with `matricula keys new` and keep it: it seals the LMS tokens")
        return MasterKeys(())


def _key_file(file: Path, problems: list[str]) -> str:
    try:
        if file.stat().st_mode & _WORLD_READABLE:
            problems.append(f"MATRICULA_KEY_FILE: everybody on this machine may read {file}; chmod 400 it")
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        problems.append(f"MATRICULA_KEY_FILE: {file} cannot be read ({type(error).__name__})")
        return ""


def _flag(environment: Mapping[str, str], name: str, problems: list[str]) -> bool:
    given = environment.get(name, "0")
    if given not in ("0", "1"):
        problems.append(f"{name} must be 0 or 1")
    return given == "1"


def _number(environment: Mapping[str, str], name: str, default: float, problems: list[str]) -> float:
    given = environment.get(name)
    try:
        number = default if given is None else float(given)
    except ValueError:
        number = -1
    if not 0 < number < 1e6:
        problems.append(f"{name} must be a number greater than 0")
        return default
    return number


def _seconds(environment: Mapping[str, str], name: str, default: timedelta, problems: list[str]) -> timedelta:
    return timedelta(seconds=_number(environment, name, default.total_seconds(), problems))
