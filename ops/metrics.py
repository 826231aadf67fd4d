"""
What Prometheus may scrape: every metric with its meaning stands in one table, and `python -m ops.metrics` writes
docs/metrics.md from it.

Each is read from the database when it is asked for, so it is the same from whichever process, and survives all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db.metrics import Figure, Measured
from db.pool import Pool, transaction

FILE = Path(__file__).parents[1] / "docs" / "metrics.md"
READ = "ops:metrics:read"

_INTEGRATION = ("tenant", "integration")


@dataclass(frozen=True, slots=True)
class Described:
    """
    One metric.

    Attributes:
        lines: What of the database gives its labels' values and its value.
        unit: What a value of 1 is.
    """

    name: str
    kind: Literal["gauge", "counter"]
    unit: str
    labels: tuple[str, ...]
    lines: Figure
    meaning: str


# fmt: off
METRICS = (
    Described("matricula_oldest_due_age_seconds", "gauge", "seconds", (*_INTEGRATION, "kind"), "oldest_due",
              "For how long the oldest work has been due: `events` to apply, `people` to provision, `sweep` for what"
              " nobody waits for, `results` to read, `announcements` to publish. Scale and alert on it. An integration"
              " that is paused or held, or waits for its LMS, has none."),
    Described("matricula_heartbeat_age_seconds", "gauge", "seconds", ("loop",), "heartbeats",
              "How long ago each loop last turned, in whichever process turned last: see docs/deploy.md."),
    Described("matricula_integration_state", "gauge", "1", (*_INTEGRATION, "state"), "integrations",
              "1 for the state that the integration is in: `draft`, `active`, `paused` or `quarantined`."),
    Described("matricula_events", "gauge", "messages", ("tenant", "state"), "events",
              "Stored messages: events by state, others as `conflict`, `poison` or `unknown`. Without a tenant: those"
              " that name none."),
    Described("matricula_event_duplicates_total", "counter", "messages", ("tenant",), "duplicates",
              "Messages that had come before, and were recognised."),
    Described("matricula_accounts", "gauge", "people", (*_INTEGRATION, "state"), "accounts",
              "People in an integration by state."),
    Described("matricula_enrolments", "gauge", "enrolments", (*_INTEGRATION, "state"), "enrolments",
              "Enrolments in an integration by state."),
    Described("matricula_enrolments_reached", "gauge", "enrolments", (*_INTEGRATION, "stage"), "enrolments_reached",
              "Enrolments that the LMS has held once (`provisioned`), and that it has called complete (`completed`)."),
    Described("matricula_announcements", "gauge", "events", ("tenant", "state"), "announcements",
              "What HR is told: `waiting` in the outbox, `published`, or `unroutable`: nobody has bound a queue."),
    Described("matricula_failure_groups", "gauge", "causes", (*_INTEGRATION, "state"), "failure_groups",
              "Causes with open failures, by what people did about them."),
    Described("matricula_failures", "gauge", "failures", (*_INTEGRATION, "class", "code"), "failures",
              "Open failures by code, and by the class of its cause; docs/runbook.md has a section per code."),
    Described("matricula_replay_items", "gauge", "failures", (*_INTEGRATION, "state"), "replay_items",
              "Members of replays that are not over, by what became of them."),
    Described("matricula_lms_calls_total", "counter", "calls", (*_INTEGRATION, "function", "outcome"), "lms_calls",
              "Calls to the LMS. `outcome` is `ok`, or the code of what went wrong."),
    Described("matricula_lms_call_items_total", "counter", "items", (*_INTEGRATION, "function"), "lms_call_items",
              "People, enrolments or courses that calls were for. Divided by the calls: how large batches are."),
    Described("matricula_lms_calls_left", "gauge", "calls", _INTEGRATION, "lms_calls_left",
              "What is left of this hour's calls, where the LMS counts them."),
    Described("matricula_lms_calls_allowed", "gauge", "calls", _INTEGRATION, "lms_calls_allowed",
              "What the LMS allows an hour, where it counts calls."),
)
# fmt: on

_HEAD = """# Metrics

`GET /api/v1/metrics`, in the text format of Prometheus, with a token that has `ops:metrics:read`. As everywhere in the
API, a token sees one client company. `matricula metrics` prints the same for the whole installation, for the textfile
collector of node_exporter, say. How to scrape it: [deploy.md](deploy.md).

Labels name integrations, client companies, states and codes, and never people. What is asked for again within five
seconds is answered from memory, so a scraper costs the database next to nothing.

Not measured: how long calls to an LMS take, because a worker's own memory would have to be scraped per process for that
and is gone with it; and the depth of queues, which RabbitMQ's own exporter has.

This page is made from the table of metrics: `python -m ops.metrics`.

| name | kind | unit | labels | meaning |
|---|---|---|---|---|
"""


class _Lines(Collector):
    """One reading of the database, as the client library wants it."""

    def __init__(self, read: dict[str, list[tuple[Any, ...]]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        for metric in METRICS:
            family = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            # The library puts _total behind a counter's name.
            made = family(metric.name.removesuffix("_total"), metric.meaning, labels=metric.labels)
            for *labels, value in self._read[metric.name]:
                made.add_metric(labels, value)
            yield made


def exposition(pool: Pool) -> str:
    """Every metric as the connections of this pool see it."""
    with transaction(pool) as db:
        measured = Measured(db)
        read = {metric.name: measured.lines(metric.lines) for metric in METRICS}
    registry = CollectorRegistry()
    registry.register(_Lines(read))
    return generate_latest(registry).decode()


def document() -> str:
    """The page."""
    return _HEAD + "".join(
        f"| `{m.name}` | {m.kind} | {m.unit} | {', '.join(f'`{label}`' for label in m.labels)} | {m.meaning} |\n"
        for m in METRICS
    )


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
