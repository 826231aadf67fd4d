"""What the demonstration ends with: what was done in each LMS, and every way in which that is wrong."""

import statistics
from dataclasses import dataclass
from datetime import date

from db.console_views import IntegrationCounts, Overview
from db.result_views import ResultLine
from domain.failure_catalogue import describe
from ops.actions import Published
from ops.cli.output import err, out, show_table
from ops.demo.check import Held, differences
from ops.demo.expected import Expected


@dataclass(frozen=True)
class AtPlace:
    """
    One LMS when everything was over.

    Attributes:
        finished: (id number, code) of each course, or of each unit that counts, that somebody finished.
        days: The dates of attempt that its results may bear.
        seconds: From publishing to being enrolled, in order.
    """

    name: str
    expected: Expected
    held: Held
    counts: IntegrationCounts
    finished: list[tuple[str, str]]
    results: list[ResultLine]
    days: set[date]
    seconds: list[float]

    def wrong(self, overview: Overview) -> list[str]:
        """Every way in which this LMS, or what is known of it, is not what the feed asks for."""
        found = [*differences(self.expected, self.held), *self._wrong_results(), *self._wrong_failures(overview)]
        return [f"{self.name}: {problem}" for problem in found]

    def _wrong_results(self) -> list[str]:
        ids = {key: account.id_number for key, account in self.expected.accounts.items()}
        recorded = sorted((ids[line.employee_key], line.unit_code or line.course_code) for line in self.results)
        wrong = []
        if recorded != sorted(self.finished):
            wrong.append(f"{len(self.finished)} courses or units were finished and {len(recorded)} results recorded")
        strange = sorted({line.attempted_on for line in self.results} - self.days)
        return wrong + [f"results of {day}" for day in strange]

    def _wrong_failures(self, overview: Overview) -> list[str]:
        """Everything that could not be done must be visible, and nothing else."""
        visible = sum(failure.count for failure in overview.failures if failure.integration == self.name)
        visible += self.counts.waiting.get("employee_unknown", 0)
        asked = len(self.expected.failing_people) + len(self.expected.failing_enrolments)
        return [] if visible == asked else [f"{asked} things cannot be done and {visible} are visible"]


@dataclass(frozen=True)
class Outcome:
    """
    All of it.

    Attributes:
        received: Result events that came out of the broker, each counted once.
        trouble: What went wrong about the trouble that was made on purpose.
    """

    overview: Overview
    published: Published
    places: list[AtPlace]
    received: int
    trouble: list[str]

    def wrong(self) -> list[str]:
        """Every difference between what was asked for and what was done."""
        expected = self.places[0].expected
        finished = sum(len(place.finished) for place in self.places)
        conflicts = sum(failure.count for failure in self.overview.failures if failure.integration is None)
        wrong = [problem for place in self.places for problem in place.wrong(self.overview)] + self.trouble
        if self.received != finished:
            wrong.append(f"{finished} courses or units were finished and {self.received} results received")
        if conflicts != len(expected.conflicts):
            wrong.append(f"{len(expected.conflicts)} conflicts were sent and {conflicts} are visible")
        if {line.number for line in self.published.bad_lines} != expected.broken.keys():
            wrong.append(f"the broken lines are {sorted(expected.broken)}")
        return wrong


def show(outcome: Outcome) -> None:
    """The figures, what could not be done, and what is wrong."""
    out.print()
    _show_events(outcome)
    out.print()
    _show_places(outcome.places)
    out.print()
    _show_failures(outcome)
    out.print()
    wrong = outcome.wrong()
    for problem in wrong:
        err.print(f"[red]wrong:[/] {problem}")
    if not wrong:
        out.print("[green]Every LMS holds exactly what the feed asks of it.[/]")


def _show_events(outcome: Outcome) -> None:
    inbox = outcome.overview.inbox
    show_table(
        ("what", "how many"),
        [
            ("lines refused before sending", len(outcome.published.bad_lines)),
            ("events sent", outcome.published.confirmed),
            ("  of them duplicates", outcome.overview.duplicates),
            ("  conflicts", inbox.get("conflict", 0)),
            ("  superseded by newer facts", inbox.get("superseded", 0)),
            ("results received", outcome.received),
        ],
    )


def _show_places(places: list[AtPlace]) -> None:
    rows = [_figures(place) for place in places]
    show_table(
        ("in the LMS", *(place.name for place in places)), [(name, *(row[name] for row in rows)) for name in rows[0]]
    )


def _figures(place: AtPlace) -> dict[str, object]:
    held, counts = place.held, place.counts
    return {
        "accounts": counts.linked,
        "  made": len(held.created),
        "  found, made by hand before": len(held.touched - held.created.keys()),
        "  suspended": sum(held.suspended.values()),
        "enrolments": counts.provisioned,
        "results": sum(counts.results.values()),
        "  dated": ", ".join(sorted({str(line.attempted_on) for line in place.results})),
        "LMS calls": counts.lms_calls,
        "LMS calls per enrolment": f"{counts.lms_calls / max(1, counts.provisioned):.2f}",
        "published to enrolled, p50": f"{statistics.median(place.seconds or [0]):.2f} s",
        "published to enrolled, p95": f"{_p95(place.seconds):.2f} s",
    }


def _show_failures(outcome: Outcome) -> None:
    rows = [(f.integration or "", f.code, f.count) for f in outcome.overview.failures]
    rows += [
        (place.name, code, count)
        for place in outcome.places
        for code, count in place.counts.waiting.items()
        if code == "employee_unknown"
    ]
    show_table(
        ("failures", "integration", "cause", "owner", "code"),
        [(count, name, describe(code).title, describe(code).owner, code) for name, code, count in sorted(rows)],
    )


def _p95(seconds: list[float]) -> float:
    return seconds[int(len(seconds) * 0.95)] if seconds else 0.0
