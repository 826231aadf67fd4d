"""
What must hold for an installation to do its work: each fact with what it costs while it does not, who acts and how.

Values and rules; what is asked of services stands in `ops.doctor`.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from domain.check_facts import Fact
from domain.checks import Check, State, labelled
from domain.failure_catalogue import CONFIG, IT, LMS

SILENT = timedelta(seconds=60)
"""A loop that has not turned for so long does not turn."""
STUCK = timedelta(minutes=10)
"""Work that has been due for so long is not being done, whoever is alive."""
SKEW = timedelta(seconds=5)
"""Clocks that are further apart make times in logs and records disagree."""

LOOPS: Mapping[str, tuple[str, str]] = {
    "ingest": ("HR's events stay with the broker.", "ingest (python -m workers.boot ingest)"),
    "apply": ("Events are stored and nothing follows from them.", "worker (python -m workers.boot worker)"),
    "provision": ("People and enrolments do not reach the LMS.", "worker (python -m workers.boot worker)"),
    "poll": ("No results are read.", "poller (python -m workers.boot worker)"),
    "maintenance": ("Courses, scans, replays and notices stand still.", "poller (python -m workers.boot worker)"),
    "clock": ("What is due wakes nobody.", "scheduler (python -m producers.boot)"),
    "relay": ("Results are kept and not published.", "scheduler (python -m producers.boot)"),
}
"""The loops that an installation needs: what stands still without, and which process has it."""

NOTHING = "Nothing works."

FACTS = (
    Fact("settings", "Processes do not start.", IT, "the environment of the processes, as the detail says"),
    Fact("database", NOTHING, IT, "DATABASE_URL; the PostgreSQL server and the way to it"),
    Fact("clocks", "Times in logs and in records disagree.", IT, "the time service of this machine and the database's"),
    Fact("schema", NOTHING, IT, "matricula init for an empty database; otherwise the release that made it"),
    Fact("rights", "Processes are refused, or see more than they should.", IT, "db/access.sql, as the owner"),
    Fact(
        "master key", "Integrations stop, or workers do not start.", IT, "MATRICULA_KEY; matricula keys status, rotate"
    ),
    Fact("broker", "Events wait with HR, results wait here.", IT, "AMQP_URL; the RabbitMQ server and the way to it"),
    Fact(
        "queues",
        "Events are refused or lost on their way.",
        IT,
        "matricula init; what has other arguments must be drained and deleted first",
    ),
    Fact("dead letters", "Events that HR sent are not looked at.", IT, "service ingest: start it, or see its log"),
    Fact("wake-ups", "Work starts late or never.", IT, "services worker and poller: start them, or see their logs"),
    *(
        Fact(f"{loop} turns", cost, IT, f"service {place}: start it, or see its log")
        for loop, (cost, place) in LOOPS.items()
    ),
    Fact("events are applied", "HR's changes do not count yet.", IT, "the worker's log; matricula status"),
    Fact("people are provisioned", "People wait for accounts and courses.", IT, "the worker's log; matricula status"),
    Fact("results are read", "Results are late.", IT, "the poller's log; matricula status"),
    Fact("results are published", "HR learns nothing.", IT, "the scheduler's log; the broker's disk and memory alarms"),
    Fact("integrations", "The integrations named hold everything.", LMS, "matricula integration test NAME"),
    Fact("mail", "Nobody is told of trouble by mail.", CONFIG, "MATRICULA_SMTP_URL and MATRICULA_MAIL_FROM"),
)
_BY_NAME = {fact.name: fact for fact in FACTS}


def line(name: str, state: State, detail: str = "") -> Check:
    """One line; a red one says what it costs, whose it is and what they do."""
    return labelled(Check(name, state, detail), _BY_NAME[name])


def completed(checks: Iterable[Check]) -> list[Check]:
    """Every line in order; those that could not be looked at are told apart from those that are well."""
    known = {check.name: check for check in checks}
    return [known.get(fact.name, line(fact.name, "not checked", "see the lines above")) for fact in FACTS]


def clock_line(apart: timedelta) -> Check:
    """How far this machine's clock is from the database's."""
    said = f"{abs(apart.total_seconds()):.1f} s apart from the database's"
    return line("clocks", "warning" if abs(apart) > SKEW else "ok", said)


def loop_lines(ages: Mapping[str, float]) -> list[Check]:
    """Which loops turn, wherever their processes are."""
    return [_loop_line(loop, ages.get(loop)) for loop in LOOPS]


def _loop_line(loop: str, age: float | None) -> Check:
    if age is None:
        return line(f"{loop} turns", "failed", "it never did")
    return line(f"{loop} turns", "failed" if age > SILENT.total_seconds() else "ok", f"last {spoken(age)} ago")


def waiting_line(name: str, seconds: float | None) -> Check:
    """Whether a row of waiting things moves."""
    if seconds is None:
        return line(name, "ok", "nothing waits")
    return line(name, "failed" if seconds > STUCK.total_seconds() else "ok", f"the oldest waits for {spoken(seconds)}")


def work_line(name: str, waiting: Mapping[str, tuple[float | None, bool]]) -> Check:
    """
    Whether the work of integrations moves.

    Args:
        waiting: By integration, for how long its oldest work is due, and whether its LMS counts calls: then work may
            rightly wait for the next hour's.
    """
    late = {
        name: (seconds, counted)
        for name, (seconds, counted) in waiting.items()
        if seconds is not None and seconds > STUCK.total_seconds()
    }
    if not late:
        return waiting_line(name, max((s for s, _ in waiting.values() if s is not None), default=None))
    said = ", ".join(f"{who} for {spoken(seconds)}" for who, (seconds, _) in late.items())
    if all(counted for _, counted in late.values()):
        return line(name, "warning", f"{said}; its calls are counted, and matricula status says when it is done")
    return line(name, "failed", said)


def spoken(seconds: float) -> str:
    """A duration in its largest unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
