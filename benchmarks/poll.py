"""
What it costs to learn that nothing is new: 10,000 open enrolments in 50 courses, nobody has finished anything.

People and enrolments are put straight into the simulator and the database; then the poller and the scheduler of an
installation run one poll, and every call that reaches the simulator counts.
"""

from collections.abc import Callable

from benchmarks.baselines.moodle import Moodle
from benchmarks.figures import Figure, alone
from benchmarks.lab import TOKEN, Lab, Simulator, lab
from benchmarks.people import TENANT
from db.pool import transaction

COURSES, PEOPLE, COURSES_EACH = 50, 2_000, 5
CHUNK = 1_000

SEED = """
    with people as (
        insert into account (tenant, integration_id, employee_key, state, wanted, applied, external_key, email_key,
                             settings_version, lms_user_id, link, linked_at)
        select %(tenant)s, %(integration)s, key, 'settled', '{}', '{}', key, key, 1, id::text, 'created', now()
        from unnest(%(ids)s::bigint[], %(keys)s::text[]) as person (id, key)
        returning account_id, employee_key
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
    figures = []
    for name, report, goal in (
        ("quiet_poll_calls", "1", "<= 12"),
        ("quiet_poll_calls_without_report", None, None),
    ):
        calls, seconds = _poll(report)
        say(f"{name}: {calls} calls; {seconds:.1f} s with a site that takes no time")
        figures.append(alone(name, [calls], "calls", goal))
    return figures


def _poll(report: str | None) -> tuple[int, float]:
    with lab() as place, place.simulator("off", courses=COURSES) as site:
        integration_id = place.add_integration(site.url, report=report)
        _seed(place, site, integration_id)
        before = len(site.calls())
        with place.running("poller", "scheduler"):
            place.wait("poll", lambda: place.one("select polled_at is not null from poll_cursor"))
        calls = site.calls()[before:]
        assert not place.one("select count(*) from result"), "somebody has finished"  # noqa: S101 - checks the setting
    return len(calls), max(call["at"] + call["duration"] for call in calls) - min(call["at"] for call in calls)


def _seed(place: Lab, site: Simulator, integration_id: int) -> None:
    keys = [f"H-{number:06d}" for number in range(PEOPLE)]
    users = [
        {
            "username": key.lower(),
            "firstname": "Noor",
            "lastname": "Meer",
            "email": f"{key}@harbour.example",
            "idnumber": key,
        }
        for key in keys
    ]
    ids = [user for at in range(0, PEOPLE, CHUNK) for user in site.tell("users", users[at : at + CHUNK])]
    answer = Moodle(site.url, TOKEN).call("core_course_get_courses")
    courses = {course["id"]: course["idnumber"] for course in answer if course["idnumber"]}
    numbers = sorted(courses)
    pairs = [
        (key, user, numbers[(nth * COURSES_EACH + step) % COURSES])
        for nth, (key, user) in enumerate(zip(keys, ids, strict=True))
        for step in range(COURSES_EACH)
    ]
    for at in range(0, len(pairs), CHUNK):
        site.tell("enrol", [{"user_id": user, "course_id": course} for _, user, course in pairs[at : at + CHUNK]])
    with transaction(place.pool) as db:
        db.execute("update integration set courses_seen_at = now()")
        db.execute("update sweep set done_at = now()")
        db.execute(
            SEED,
            {
                "tenant": TENANT,
                "integration": integration_id,
                "ids": ids,
                "keys": keys,
                "members": [key for key, _, _ in pairs],
                "course_ids": [course for _, _, course in pairs],
                "codes": [courses[course] for _, _, course in pairs],
            },
        )
        db.execute("update poll_cursor set due_at = now()")
