"""
People who have been in the LMS for long: put straight into the simulator and the database, as provisioning leaves them.
"""

from benchmarks.baselines.moodle import Moodle
from benchmarks.lab import TOKEN, Lab, Simulator
from benchmarks.people import TENANT
from db.pool import transaction

CHUNK = 1_000

SEED = """
    with people as (
        insert into account (tenant, integration_id, employee_key, state, wanted, applied, external_key, email_key,
                             settings_version, lms_user_id, link, linked_at)
        select %(tenant)s, %(integration)s, key, 'settled', held || jsonb_build_object('username', lower(key)),
               held || '{"suspended": false}', key, lower(key) || '@harbour.example', 1, id::text, 'created', now()
        from unnest(%(ids)s::bigint[], %(keys)s::text[]) as person (id, key)
        cross join lateral jsonb_build_object('external_key', key, 'email', key || '@harbour.example',
                                              'first_name', 'Noor', 'last_name', 'Meer') held
        returning account_id, employee_key
    )
    insert into placement (tenant, integration_id, account_id, enrolment_key, course_code, state, wanted, applied,
                           lms_course_id, provisioned_at)
    select %(tenant)s, %(integration)s, account_id, employee_key || '/' || courses.code, courses.code, 'settled', open,
           open, courses.id::text, now()
    from people
    join unnest(%(members)s::text[], %(course_ids)s::bigint[], %(codes)s::text[]) as courses (member, id, code)
      on courses.member = people.employee_key
    cross join jsonb_build_object('role', '5', 'starts_at', null, 'ends_at', null, 'suspended', false) as e (open)
"""


def settle(place: Lab, site: Simulator, integration_id: int, *, people: int, courses_each: int) -> None:
    """So many people have an account and are enrolled in so many courses each, here and there; nothing is due."""
    keys = [f"H-{number:06d}" for number in range(people)]
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
    ids = [user for at in range(0, people, CHUNK) for user in site.tell("users", users[at : at + CHUNK])]
    answer = Moodle(site.url, TOKEN).call("core_course_get_courses")
    courses = {course["id"]: course["idnumber"] for course in answer if course["idnumber"]}
    numbers = sorted(courses)
    pairs = [
        (key, user, numbers[(nth * courses_each + step) % len(numbers)])
        for nth, (key, user) in enumerate(zip(keys, ids, strict=True))
        for step in range(courses_each)
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
