"""`python -m ops.demo`: a whole installation does an invented company's work, and the outcome is checked."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from db.console_views import Overview, Views
from db.pool import Pool, open_pool, transaction
from db.result_views import ResultFilter, ResultViews
from domain.integration import IntegrationSettings
from ops import actions
from ops.actions import Published
from ops.cli.output import err, told
from ops.demo.check import READERS, Held
from ops.demo.expected import Expected, State, load, read_line
from ops.demo.generate import AFTERWARDS, BEFORE, FEED, TENANT, TROUBLE
from ops.demo.outcome import AtPlace, Outcome, show
from ops.demo.places import PLACES, Place
from ops.demo.processes import Simulator, installation, log_folder, simulator
from ops.demo.trouble import Trouble
from ops.demo.watch import Watch, bars, look
from ops.operators import Operator
from producers.listener import Listener
from runtime.logs import configure_logs
from runtime.secrets import Secret, new_key
from runtime.settings import Settings, read_settings

FINISHERS = 0.6
TODAY = datetime(2026, 7, 1, 9, tzinfo=UTC)
"""The simulators' own day: the feed is of 2026, and nobody finishes a course that is over."""


def main() -> int:
    """Exit status 0 when every simulated LMS and the results are exactly what the feed asks for."""
    configure_logs("demo", level="ERROR")
    logs = log_folder()
    environment = {**os.environ, "MATRICULA_KEY": new_key(), "MATRICULA_ALLOW_PRIVATE_LMS": "1"}
    with told(), ExitStack() as stack:
        settings = read_settings(environment)
        pool = stack.enter_context(open_pool(settings.database_url, name="demo", max_size=3))
        sites = {place: stack.enter_context(simulator(place, logs)) for place in PLACES}
        stack.enter_context(installation(environment, logs))
        by = Operator.at_the_machine()
        if not actions.initialise(settings, pool, by=by):
            raise actions.Refused("this database is in use already; the demo wants an empty one")
        trouble = Trouble(PLACES[0], sites[PLACES[0]], pool, environment, logs)
        outcome = _Demo(settings, pool, sites, by).play(trouble)
    show(outcome)
    if outcome.wrong():
        err.print(f"the processes' logs are in {logs}")
        return 1
    shutil.rmtree(logs)
    return 0


@dataclass
class _Demo:
    """One installation and its LMSs through the whole story."""

    settings: Settings
    pool: Pool
    sites: Mapping[Place, Simulator]
    by: Operator
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    published: Published = field(default_factory=Published)
    sent: dict[int, float] = field(default_factory=dict)
    finished: dict[Place, list[tuple[str, str]]] = field(default_factory=dict)

    def play(self, trouble: Trouble) -> Outcome:
        """A year of the company, what breaks in it, and its end."""
        ids = {place: _set_up(self.settings, self.pool, place, site, self.by) for place, site in self.sites.items()}
        listener = Listener(self.settings.amqp_url, "demo.results")
        self._live_through_the_year()
        trouble.begin()
        self._publish(TROUBLE)
        trouble.overcome()
        self._end()
        results = {event_id for event_type, event_id in listener.drain() if event_type.startswith("lms.result.")}
        overview = look(self.pool)
        places = [self._at(place, overview, ids[place]) for place in self.sites]
        return Outcome(overview, self.published, places, len(results), trouble.wrong)

    def _live_through_the_year(self) -> None:
        asked = [load(FEED, place.rules, BEFORE) for place in self.sites]
        with bars() as shown:
            watch = Watch(self.pool, shown)
            watch.until("beforehand", self._publish(BEFORE), _settled)
            accepted = self.published.confirmed + asked[0].accepted
            self._publish(FEED, on_line=self._note_sent)
            watch.until("events", accepted, _settled)
            watch.until("accounts", sum(map(_accounts, asked)), lambda o: _sum(o, "linked"))
            watch.until("enrolments", sum(map(_enrolments, asked)), lambda o: _sum(o, "provisioned"))
            watch.until_quiet()
            self.finished = {place: _finish(place, site) for place, site in self.sites.items()}
            watch.until("results", sum(map(len, self.finished.values())), _results)

    def _end(self) -> None:
        """The year is over, and one payroll leaves the academy."""
        with bars() as shown:
            watch = Watch(self.pool, shown)
            settled = _settled(look(self.pool))
            sent = self._publish(AFTERWARDS)
            watch.until("afterwards", sent, lambda overview: _settled(overview) - settled)
            watch.until_quiet()

    def _note_sent(self, line: int) -> None:
        self.sent.setdefault(line, time.time())

    def _publish(self, feed: Path, on_line: Callable[[int], None] = lambda _: None) -> int:
        done = actions.publish_feed(str(feed), self.settings, self.pool, by=self.by, on_line=on_line)
        self.published.confirmed += done.confirmed
        self.published.bad_lines += done.bad_lines
        return done.confirmed

    def _at(self, place: Place, overview: Overview, integration_id: int) -> AtPlace:
        with transaction(self.pool) as db:
            provisioned = Views(db, TENANT).provisioned(integration_id)
            results = ResultViews(db).results(ResultFilter(TENANT, place.name), 100_000)
        return AtPlace(
            name=place.name,
            expected=load(FEED, place.rules, BEFORE, TROUBLE, AFTERWARDS),
            held=_held(place, self.sites[place]),
            counts=overview.integrations[integration_id],
            finished=self.finished[place],
            results=results,
            days=_days(place, self.began),
            seconds=_seconds(self.sent, provisioned),
        )


def _set_up(settings: Settings, pool: Pool, place: Place, site: Simulator, by: Operator) -> int:
    """The integration with the site works; its id."""
    site.tell("clock", advance=TODAY.timestamp() - time.time())
    chosen = IntegrationSettings.model_validate(place.settings | {"url": site.url})
    password = Secret(place.password) if place.password else None
    integration_id = actions.add_integration(pool, settings, TENANT, chosen, Secret(place.token), password, by=by)
    actions.enable(pool, settings, actions.find_integration(pool, chosen.name, TENANT), by=by)
    return integration_id


def _finish(place: Place, site: Simulator) -> list[tuple[str, str]]:
    """People finish courses, or every unit of them, and a Moodle's scheduled task notices."""
    finished: list[list[str]] = site.tell("finish", fraction=FINISHERS, seed=7)
    if place.lms == "moodle":
        for _ in range(2):
            site.tell("cron")
    keys = _held(place, site).keys
    return [(keys.get(user, user), code + unit) for user, code in finished for unit in place.units]


def _held(place: Place, site: Simulator) -> Held:
    return READERS[place.lms](site.read("ledger"), place.codes)


def _days(place: Place, began: datetime) -> set[date]:
    """On which days results may be dated here: the one on which courses are finished, or those of this run."""
    on_completion = place.settings["results"]["attempted_on"] == "completion"
    moments = (TODAY,) if on_completion else (began, datetime.now(UTC))
    return {moment.astimezone(place.rules.zone).date() for moment in moments}


def _seconds(sent: Mapping[int, float], provisioned: Mapping[str, datetime]) -> list[float]:
    """From the moment an enrolment's first event in the feed was handed to the publisher to the LMS holding it."""
    first: dict[str, float] = {}
    for number, line in enumerate(FEED.read_bytes().splitlines(), start=1):
        with suppress(ValueError):
            first.setdefault(read_line(line)["subject"], sent[number])
    return sorted(at.timestamp() - first[key] for key, at in provisioned.items() if key in first)


def _accounts(expected: Expected) -> int:
    return sum(account.state is State.ACTIVE for account in expected.accounts.values())


def _enrolments(expected: Expected) -> int:
    return sum(place.state is State.ACTIVE for place in expected.placements.values())


def _settled(overview: Overview) -> int:
    return sum(count for state, count in overview.inbox.items() if state in ("applied", "superseded", "failed"))


def _sum(overview: Overview, what: str) -> int:
    counts: list[Any] = [getattr(counts, what) for counts in overview.integrations.values()]
    return sum(counts)


def _results(overview: Overview) -> int:
    return sum(sum(counts.results.values()) for counts in overview.integrations.values())


if __name__ == "__main__":
    sys.exit(main())
