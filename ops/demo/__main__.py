"""`python -m ops.demo`: a whole installation does an invented company's work, and the outcome is checked."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime
from typing import Any

from db.console_views import Overview, Views
from db.pool import Pool, open_pool, transaction
from db.result_views import ResultFilter, ResultViews
from domain.integration import IntegrationSettings
from ops import actions
from ops.cli.output import err, told
from ops.demo.check import READERS, Held
from ops.demo.expected import Expected, State, load, read_line
from ops.demo.generate import AFTERWARDS, BEFORE, FEED, TENANT
from ops.demo.outcome import AtPlace, Outcome, show
from ops.demo.places import PLACES, Place
from ops.demo.processes import Simulator, installation, log_folder, simulator
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
        outcome = _demo(settings, pool, sites)
    show(outcome)
    if outcome.wrong():
        err.print(f"the processes' logs are in {logs}")
        return 1
    shutil.rmtree(logs)
    return 0


def _demo(settings: Settings, pool: Pool, sites: Mapping[Place, Simulator]) -> Outcome:
    by = Operator.at_the_machine()
    if not actions.initialise(settings, pool, by=by):
        raise actions.Refused("this database is in use already; the demo wants an empty one")
    began = datetime.now(UTC)
    ids = {place: _set_up(settings, pool, place, site, by) for place, site in sites.items()}
    asked = {place: load(FEED, place.rules, BEFORE) for place in sites}
    with Listener(settings.amqp_url, "demo.results") as listener, bars() as shown:
        watch = Watch(pool, shown)
        sent: dict[int, float] = {}
        first = actions.publish_feed(str(BEFORE), settings, pool, by=by).confirmed
        watch.until("beforehand", first, _settled)
        published = actions.publish_feed(
            str(FEED), settings, pool, by=by, on_line=lambda line: sent.update({line: sent.get(line, time.time())})
        )
        accepted = first + asked[PLACES[0]].accepted
        watch.until("events", accepted, _settled)
        watch.until("accounts", sum(map(_accounts, asked.values())), lambda o: _sum(o, "linked"))
        watch.until("enrolments", sum(map(_enrolments, asked.values())), lambda o: _sum(o, "provisioned"))
        watch.until_quiet()
        finished = {place: _finish(place, site) for place, site in sites.items()}
        watch.until("results", sum(map(len, finished.values())), _results)
        # The year is over, and one payroll leaves the academy.
        published.confirmed += first + actions.publish_feed(str(AFTERWARDS), settings, pool, by=by).confirmed
        watch.until("afterwards", 1, lambda o: _settled(o) - accepted)
        watch.until_quiet()
        received = listener.drain()
    overview = look(pool)
    results = {event_id for event_type, event_id in received if event_type.startswith("lms.result.")}
    places = [
        _at_place(pool, place, site, overview, ids[place], finished[place], sent, began)
        for place, site in sites.items()
    ]
    return Outcome(overview, published, places, len(results))


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


def _at_place(
    pool: Pool,
    place: Place,
    site: Simulator,
    overview: Overview,
    integration_id: int,
    finished: list[tuple[str, str]],
    sent: Mapping[int, float],
    began: datetime,
) -> AtPlace:
    with transaction(pool) as db:
        views = Views(db, TENANT)
        provisioned = views.provisioned(integration_id)
        results = ResultViews(db).results(ResultFilter(TENANT, place.name), 100_000)
    return AtPlace(
        name=place.name,
        expected=load(FEED, place.rules, BEFORE, AFTERWARDS),
        held=_held(place, site),
        counts=overview.integrations[integration_id],
        finished=finished,
        results=results,
        days=_days(place, began),
        seconds=_seconds(sent, provisioned),
    )


def _days(place: Place, began: datetime) -> set[date]:
    """On which days results may be dated here: the one on which courses are finished, or those of this run."""
    on_completion = place.settings["results"]["attempted_on"] == "completion"
    moments = (TODAY,) if on_completion else (began, datetime.now(UTC))
    return {moment.astimezone(place.rules.zone).date() for moment in moments}


def _seconds(sent: Mapping[int, float], provisioned: Mapping[str, datetime]) -> list[float]:
    """From the moment an enrolment's first event was handed to the publisher to the LMS holding it, sorted."""
    first: dict[str, float] = {}
    for number, line in enumerate(FEED.read_bytes().splitlines(), start=1):
        with suppress(ValueError):
            first.setdefault(read_line(line)["subject"], sent[number])
    return sorted(at.timestamp() - first[key] for key, at in provisioned.items())


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
