"""`python -m ops.demo`: a whole installation does an invented company's work, and the outcome is checked."""

import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from db.console_views import IntegrationCounts, Overview, Views
from db.pool import Pool, open_pool, transaction
from domain.failure_catalogue import describe
from domain.integration import IntegrationSettings
from ops import actions
from ops.cli.output import err, out, show_table, told
from ops.demo.check import add_up, differences
from ops.demo.expected import Expected, State, load, read_line
from ops.demo.generate import COURSES, FEED
from ops.demo.processes import Simulator, installation, log_folder, simulator
from producers.listener import Listener
from runtime.logs import configure_logs
from runtime.secrets import Secret, new_key
from runtime.settings import Settings, read_settings

TENANT = "harbour"
TOKEN = "demo-token-of-nobody"  # noqa: S105 - known to the simulator only
FINISHERS = 0.6
WAYS = ("activities", "self", "grade")
TODAY = datetime(2026, 7, 1, 9, tzinfo=UTC)
"""The simulator's own day: the feed is of 2026, and nobody finishes a course that is over."""
PATIENCE = timedelta(minutes=3)
NOTHING = IntegrationCounts({}, {}, 0, {}, 0, 0, {}, 0, 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo ends with."""

    overview: Overview
    counts: IntegrationCounts
    published: actions.Published
    finished: int
    received: int
    seconds: list[float]
    wrong: list[str]


def main() -> int:
    """Exit status 0 when the simulated Moodle and the results are exactly what the feed asks for."""
    configure_logs("demo", level="ERROR")
    logs = log_folder()
    environment = {**os.environ, "MATRICULA_KEY": new_key(), "MATRICULA_ALLOW_PRIVATE_LMS": "1"}
    expected = load(FEED)
    with told():
        settings = read_settings(environment)
        with (
            open_pool(settings.database_url, name="demo", max_size=3) as pool,
            simulator(_seed(logs), TOKEN, logs) as site,
            installation(environment, logs),
        ):
            outcome = _demo(settings, pool, site, expected)
    _show(outcome)
    if outcome.wrong:
        err.print(f"the processes' logs are in {logs}")
        return 1
    shutil.rmtree(logs)
    return 0


def _seed(folder: Path) -> Path:
    """The courses as the simulator wants them: with ids that we know, and each completed in one of three ways."""
    seeds = [
        {**seed, "id": number, "category": 1, "completion": WAYS[number % 3] if seed["completion"] else "none"}
        for number, seed in enumerate(json.loads(COURSES.read_bytes()), start=101)
    ]
    file = folder / "courses.json"
    file.write_text(json.dumps(seeds), encoding="utf-8")
    return file


def _demo(settings: Settings, pool: Pool, site: Simulator, expected: Expected) -> Outcome:
    if not actions.initialise(settings, pool):
        raise actions.Refused("this database is in use already; the demo wants an empty one")
    wanted = json.loads(Path(__file__).with_name("integration.json").read_bytes())
    chosen = IntegrationSettings.model_validate(wanted | {"url": site.url})
    actions.add_integration(pool, settings, TENANT, chosen, Secret(TOKEN), None)
    actions.enable(pool, settings, actions.find_integration(pool, chosen.name, TENANT))
    site.tell("clock", advance=TODAY.timestamp() - time.time())
    with Listener(settings.amqp_url, "demo.results") as listener, _bars() as bars:
        sent: dict[int, float] = {}
        published = actions.publish_feed(
            str(FEED), settings, on_line=lambda line: sent.update({line: sent.get(line, time.time())})
        )
        active = sum(place.state is State.ACTIVE for place in expected.placements.values())
        accounts = sum(account.state is State.ACTIVE for account in expected.accounts.values())
        watch = _Watch(pool, bars)
        watch.until("events", expected.accepted, lambda o, _: _settled(o))
        watch.until("accounts", accounts, lambda _, c: c.linked)
        watch.until("enrolments", active, lambda _, c: c.provisioned)
        watch.until_quiet()
        finished = site.tell("finish", fraction=FINISHERS, seed=7)
        for _ in range(2):
            site.tell("cron")
        watch.until("results", len(finished), lambda _, c: sum(c.results.values()))
        watch.until_quiet()
        received = listener.drain()
    overview, counts = _look(pool)
    courses = {number: seed["idnumber"] for number, seed in enumerate(json.loads(COURSES.read_bytes()), start=101)}
    wrong = differences(expected, add_up(site.read("ledger"), courses))
    results = [event_id for event_type, event_id in received if event_type.startswith("lms.result.")]
    wrong += _wrong_results(len(finished), counts, results)
    wrong += _wrong_failures(expected, overview, counts, published)
    with transaction(pool) as db:
        seconds = _seconds(sent, Views(db, TENANT).provisioned())
    return Outcome(overview, counts, published, len(finished), len(set(results)), seconds, wrong)


def _seconds(sent: dict[int, float], provisioned: dict[str, datetime]) -> list[float]:
    """From the moment an enrolment's first event was handed to the publisher to the LMS holding it, sorted."""
    first: dict[str, float] = {}
    for number, line in enumerate(FEED.read_bytes().splitlines(), start=1):
        with suppress(ValueError):
            first.setdefault(read_line(line)["subject"], sent[number])
    return sorted(at.timestamp() - first[key] for key, at in provisioned.items())


def _settled(overview: Overview) -> int:
    return sum(count for state, count in overview.inbox.items() if state in ("applied", "superseded", "failed"))


def _wrong_results(finished: int, counts: IntegrationCounts, results: list[str]) -> list[str]:
    wrong = []
    if sum(counts.results.values()) != finished:
        wrong.append(f"{finished} courses were finished and {sum(counts.results.values())} results recorded")
    if len(set(results)) != finished:
        wrong.append(f"{finished} courses were finished and {len(set(results))} results received")
    return wrong


def _wrong_failures(
    expected: Expected, overview: Overview, counts: IntegrationCounts, published: actions.Published
) -> list[str]:
    """Everything that could not be done must be visible, and nothing else."""
    visible = sum(failure.count for failure in overview.failures) + counts.waiting.get("employee_unknown", 0)
    asked = len(expected.failing_people) + len(expected.failing_enrolments) + len(expected.conflicts)
    wrong = [] if visible == asked else [f"{asked} things cannot be done and {visible} are visible"]
    if {line.number for line in published.bad_lines} != expected.broken.keys():
        wrong.append(f"the broken lines are {sorted(expected.broken)}")
    return wrong


class _Watch:
    """Follows the work with bars until it is done."""

    def __init__(self, pool: Pool, bars: Progress) -> None:
        self._pool = pool
        self._bars = bars
        self._tasks = {
            name: bars.add_task(name, total=None, start=False)
            for name in ("events", "accounts", "enrolments", "results")
        }
        self._measures: dict[str, Callable[[Overview, IntegrationCounts], int]] = {}

    def until(self, name: str, total: int, measure: Callable[[Overview, IntegrationCounts], int]) -> None:
        """Wait until the measure has come to its total."""
        self._measures[name] = measure
        self._bars.update(self._tasks[name], total=total)
        self._bars.start_task(self._tasks[name])
        until = time.monotonic() + PATIENCE.total_seconds()
        while (done := measure(*self._looked())) < total and time.monotonic() < until:
            time.sleep(0.1)
        if not self._bars.console.is_terminal:
            err.print(f"  {name:<12}{done} of {total}")

    def until_quiet(self) -> None:
        """Wait until nothing is due and nothing is to be published."""
        until = time.monotonic() + PATIENCE.total_seconds()
        while time.monotonic() < until:
            overview, counts = self._looked()
            due = counts.accounts.get("due", 0)
            if not (due or overview.sweeps_open or overview.outbox_waiting or overview.oldest_account_s):
                return
            time.sleep(0.1)

    def _looked(self) -> tuple[Overview, IntegrationCounts]:
        overview, counts = _look(self._pool)
        for name, measure in self._measures.items():
            self._bars.update(self._tasks[name], completed=measure(overview, counts))
        return overview, counts


def _look(pool: Pool) -> tuple[Overview, IntegrationCounts]:
    with transaction(pool) as db:
        overview = Views(db, None).overview()
    return overview, next(iter(overview.integrations.values()), NOTHING)


def _bars() -> Progress:
    columns = (TextColumn("{task.description:<12}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, disable=not err.is_terminal)


def _show(outcome: Outcome) -> None:
    overview, counts = outcome.overview, outcome.counts
    out.print()
    show_table(
        ("what", "how many"),
        [
            ("lines refused before sending", len(outcome.published.bad_lines)),
            ("events sent", outcome.published.confirmed),
            ("  of them duplicates", overview.duplicates),
            ("  conflicts", overview.inbox.get("conflict", 0)),
            ("  superseded by newer facts", overview.inbox.get("superseded", 0)),
            ("accounts in Moodle", counts.linked),
            ("enrolments in Moodle", counts.provisioned),
            ("results recorded", sum(counts.results.values())),
            ("results received", outcome.received),
            ("LMS calls", counts.lms_calls),
            ("LMS calls per enrolment", f"{counts.lms_calls / max(1, counts.provisioned):.2f}"),
            ("published to enrolled, p50", f"{statistics.median(outcome.seconds or [0]):.2f} s"),
            ("published to enrolled, p95", f"{_p95(outcome.seconds):.2f} s"),
        ],
    )
    out.print()
    rows = [(f.count, describe(f.code).title, describe(f.code).owner, f.code) for f in overview.failures]
    rows += [
        (count, describe(code).title, describe(code).owner, code)
        for code, count in counts.waiting.items()
        if code == "employee_unknown"
    ]
    show_table(("failures", "cause", "owner", "code"), rows)
    out.print()
    for problem in outcome.wrong:
        err.print(f"[red]wrong:[/] {problem}")
    if not outcome.wrong:
        out.print("[green]Moodle holds exactly what the feed asks for.[/]")


def _p95(seconds: list[float]) -> float:
    return seconds[int(len(seconds) * 0.95)] if seconds else 0.0


if __name__ == "__main__":
    sys.exit(main())
