"""
What it costs to learn what is new in a portal: 600 open enrolments of 300 people in 12 courses, results by unit.

People and enrolments are put straight into the simulator and the database, and read once. Then comes a pass in which
nothing has moved, changed grades asked for, and one after 30 people have each completed a unit; every call that reaches
the simulator and counts there counts here.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.figures import Figure, alone
from benchmarks.lab import TOKEN, Lab, Simulator, lab, process
from benchmarks.people import TENANT
from db.pool import transaction
from domain.integration import IntegrationSettings, OutcomeItem, Results
from ops import actions
from ops.operators import Operator
from runtime.secrets import Secret

COURSES, PEOPLE, COURSES_EACH, MOVED = 12, 300, 2, 30
FREE = "ratelimit"

SEED = """
    with people as (
        insert into account (tenant, integration_id, employee_key, state, wanted, applied, external_key, email_key,
                             settings_version, lms_user_id, link, linked_at)
        select %(tenant)s, %(integration)s, key, 'settled', '{}', '{}', key, key, 1, id::text, 'created', now()
        from unnest(%(ids)s::bigint[], %(keys)s::text[]) as person (id, key)
        returning account_id, employee_key
    ), facts as (
        insert into person (tenant, employee_key, data, occurred_at, event_id)
        select %(tenant)s, employee_key, '{"status": "active"}', now(), employee_key from people
    ), courses as (
        insert into course (tenant, course_code, integration, data, occurred_at, event_id)
        select %(tenant)s, code, '',
               jsonb_build_object('units', jsonb_build_array(jsonb_build_object('code', code || 'U1'))), now(), code
        from unnest(%(codes)s::text[]) as code group by code
    ), enrolments as (
        insert into enrolment (tenant, enrolment_key, employee_key, course_code, data, occurred_at, event_id)
        select %(tenant)s, member || '/' || code, member, code,
               '{"status": "active", "booking_status": "confirmed"}', now(), member || '/' || code
        from unnest(%(members)s::text[], %(codes)s::text[]) as w (member, code)
    )
    insert into placement (tenant, integration_id, account_id, enrolment_key, course_code, state, wanted, applied,
                           lms_course_id, provisioned_at)
    select %(tenant)s, %(integration)s, account_id, employee_key || '/' || courses.code, courses.code, 'settled', '{}',
           '{}', courses.id::text, now()
    from people
    join unnest(%(members)s::text[], %(course_ids)s::bigint[], %(codes)s::text[]) as courses (member, id, code)
      on courses.member = people.employee_key
"""


def measure(say: Callable[[str], None]) -> list[Figure]:
    with lab() as place, _portal(place) as site:
        pairs = _seed(place, site)
        with place.running("poller", "scheduler"):
            first = _calls_of_a_pass(place, site)
            say(f"the first pass: {first} calls")
            quiet = _calls_of_a_pass(place, site, regrades=True)
            say(f"nothing moved, changed grades asked for: {quiet} calls")
            for member, code in pairs[:: len(pairs) // MOVED]:
                site.tell("unit", {"user": member.lower(), "course": code, "unit": f"{code}U1"})
            changed = _calls_of_a_pass(place, site)
            say(f"{MOVED} people have moved: {changed} calls")
        recorded = place.one("select count(*) from result")
        assert recorded == MOVED, f"{recorded} results"  # noqa: S101 - checks the setting
    return [
        alone("talent_poll_changed_calls", [changed], "calls", "<= 42"),
        alone("talent_poll_quiet_calls", [quiet], "calls", "<= 16"),
    ]


@contextmanager
def _portal(place: Lab) -> Iterator[Simulator]:
    """A simulated portal in a process of its own; how often it may be called is not what is measured."""
    arguments = ["-m", "simulators.server", "--port", "0", "--lms", "talentlms", "--demo-courses", str(COURSES)]
    arguments += ["--token", TOKEN]
    with process(arguments, os.environ, place.logs / "simulator.log", speaks=True) as server:
        assert server.stdout is not None  # noqa: S101 - asked for
        with Simulator(json.loads(server.stdout.readline())["url"]) as site:
            site.tell("settings", {"burst_calls": 1_000_000, "calls_per_hour": 1_000_000})
            yield site


def _seed(place: Lab, site: Simulator) -> list[tuple[str, str]]:
    """The pairs of employee key and course code."""
    chosen = Results(pass_outcome="C", fail_outcome="N", outcomes=(OutcomeItem(code="C"), OutcomeItem(code="N")))
    wanted = IntegrationSettings.model_validate(
        {"name": "Harbour Talent", "lms": "talentlms", "url": site.url, "results": chosen.model_dump()}
    )
    integration_id = actions.add_integration(
        place.pool, place.settings, TENANT, wanted, Secret(TOKEN), None, by=Operator.at_the_machine()
    )
    keys = [f"H-{number:06d}" for number in range(PEOPLE)]
    ids = site.tell("users", [{"login": key.lower(), "first_name": "Noor", "last_name": "Meer"} for key in keys])
    triples = [
        (key, user, (nth * COURSES_EACH + step) % COURSES + 1)
        for nth, (key, user) in enumerate(zip(keys, ids, strict=True))
        for step in range(COURSES_EACH)
    ]
    site.tell("enrol", [{"user_id": user, "course_id": course} for _, user, course in triples])
    with transaction(place.pool) as db:
        db.execute("update integration set courses_seen_at = now(), state = 'active'")
        db.execute("update sweep set done_at = now()")
        db.execute(
            SEED,
            {
                "tenant": TENANT,
                "integration": integration_id,
                "ids": ids,
                "keys": keys,
                "members": [key for key, _, _ in triples],
                "course_ids": [course for _, _, course in triples],
                "codes": [f"C{course:03d}" for _, _, course in triples],
            },
        )
    return [(key, f"C{course:03d}") for key, _, course in triples]


def _calls_of_a_pass(place: Lab, site: Simulator, *, regrades: bool = False) -> int:
    """What one more pass asks."""
    before = len(site.calls())
    polled_at = place.one("select polled_at from poll_cursor")
    with transaction(place.pool) as db:
        if regrades:
            db.execute("update poll_cursor set regraded_at = null")
        db.execute("update poll_cursor set due_at = now()")
    place.wait("poll", lambda: place.one("select polled_at from poll_cursor") != polled_at and _is_over(place))
    return sum(call["function"] != FREE for call in site.calls()[before:])


def _is_over(place: Lab) -> bool:
    return bool(place.one("select run is null and lease_token is null from poll_cursor"))
