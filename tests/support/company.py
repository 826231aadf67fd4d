"""
Twelve invented people, two courses, and half of them finish: small enough for a run of seconds, with everything in it.
"""

import json
from datetime import date, timedelta
from typing import Any

from db.pool import open_pool
from ops import actions
from ops.syncing import sync_now
from producers.publisher import OutgoingEvent
from runtime.topology import EVENTS
from tests.support.installation import TENANT, Installation
from tests.support.operators import BY

PEOPLE = tuple(f"E-{number:02d}" for number in range(1, 13))
COURSES = ("C001", "C002")
FIRST_DAY = date(2026, 3, 2)
FINISHED_AT = 1_774_000_000  # 2026-03-20, when every enrolment is open
SITE_TIME = FINISHED_AT + 86_400  # the site's own clock when it starts

# Who finishes what with which grade. The second course is passed with 50 there and with 60 here.
FINISHERS = tuple(
    (person, COURSES[number % 2], 55.0 if number % 4 == 1 else 80.0) for number, person in enumerate(PEOPLE[:6])
)
HIRED, CONFIRMED = "hr.employee.created.v1", "hr.course_enrolment.confirmed.v1"


def hires(people: tuple[str, ...] = PEOPLE) -> list[OutgoingEvent]:
    return [_event(HIRED, person, _employee(person)) for person in people]


def bookings(people: tuple[str, ...] = PEOPLE) -> list[OutgoingEvent]:
    return [_event(CONFIRMED, f"{p}/{course}", _booking(p, course)) for p in people for course in COURSES]


def events(people: tuple[str, ...] = PEOPLE) -> list[OutgoingEvent]:
    """Everything HR says."""
    return hires(people) + bookings(people)


def members(payroll: str, count: int) -> list[OutgoingEvent]:
    """So many more people, all of one payroll and enrolled in nothing."""
    keys = [f"{payroll}-{number:04d}" for number in range(count)]
    return [_event(HIRED, key, _employee(key) | {"payroll": payroll}) for key in keys]


def renamed(people: tuple[str, ...], last_name: str) -> list[OutgoingEvent]:
    """Newer words on these people."""
    return [
        _event("hr.employee.updated.v1", key, _employee(key) | {"last_name": last_name}, day=2, what="renaming")
        for key in people
    ]


def erased(person: str) -> OutgoingEvent:
    return _event("hr.employee.erased.v1", person, {"employee_key": person}, day=3, what="erasing")


def payroll_enabled(payroll: str) -> OutgoingEvent:
    return _event("hr.payroll.enabled.v1", payroll, {"payroll": payroll})


def _event(event_type: str, subject: str, data: dict[str, Any], *, day: int = 1, what: str = "event") -> OutgoingEvent:
    event = {
        "specversion": "1.0",
        "id": f"{what} of {subject}",
        "source": "/hr/acme",
        "type": event_type,
        "subject": subject,
        "time": f"2026-03-0{day}T09:00:00+01:00",
        "tenant": TENANT,
        "data": data,
    }
    return OutgoingEvent(EVENTS, event_type, f"{what} of {subject}", json.dumps(event).encode())


def _employee(key: str) -> dict[str, Any]:
    return {
        "employee_key": key,
        "first_name": "Robin",
        "last_name": f"Number {key}",
        "emails": [f"{key.lower()}@example.org"],
        "status": "active",
    }


def _booking(person: str, course: str) -> dict[str, Any]:
    starts = FIRST_DAY + timedelta(days=PEOPLE.index(person))
    return {
        "enrolment_key": f"{person}/{course}",
        "employee_key": person,
        "course_code": course,
        "starts_on": starts.isoformat(),
        "ends_on": (starts + timedelta(days=90)).isoformat(),
    }


def all_stored(made: Installation, events: int) -> bool:
    return bool(made.one("select count(*) from inbox where class = 'event'") == events)


def all_provisioned(made: Installation, people: int = len(PEOPLE)) -> bool:
    """Nothing is due, claimed or waiting, and everybody is enrolled everywhere."""
    return bool(
        made.one(
            """
            select (select count(*) from inbox where state = 'received') = 0
               and (select count(*) from sweep where done_at is null) = 0
               and (select count(*) from account where state = 'settled' and due_at is null and lease_until is null)
                   = %(people)s
               and (select count(*) from placement where state = 'settled' and provisioned_at is not null)
                   = %(people)s * 2
            """,
            people=people,
        )
    )


def all_planned(made: Installation) -> bool:
    """All of HR's events are applied and everybody has an account to come."""
    return bool(
        made.one("select count(*) from inbox where state <> 'applied'") == 0
        and made.one("select count(*) from account") == len(PEOPLE)
    )


def rename_somebody_by_hand(made: Installation) -> None:
    """Then a scan over the people is asked for."""
    [user] = made.rows("select lms_user_id from account where employee_key = %(key)s", key=PEOPLE[1])
    made.site.tell("users/change", id=int(user["lms_user_id"]), lastname="Tampered")
    with open_pool(made.settings.database_url, name="test", max_size=1) as pool:
        sync_now(pool, actions.find_integration(pool, "Academy", None), ("people",), by=BY, again=False)


def all_scanned(made: Installation) -> bool:
    """No run is under way, and nothing waits to be put back."""
    return bool(made.one("select count(*) from sync_run where done_at is null") == 0 and all_provisioned(made))


def all_announced(made: Installation) -> bool:
    """Upstream has been told of everything."""
    return bool(made.one("select count(*) from outbox where published_at is null") == 0)


def all_reported(made: Installation) -> bool:
    """Every completion is a result, and everything has been announced."""
    return bool(
        made.one(
            """
            select (select count(*) from result) = %(finishers)s
               and (select count(*) from outbox where published_at is null) = 0
               and (select count(*) from poll_cursor where run is null and polled_at is not null) = 1
            """,
            finishers=len(FINISHERS),
        )
    )


def set_the_clock(made: Installation) -> None:
    """The site's day is one of HR's events, whatever the day is here."""
    made.site.tell("clock", advance=SITE_TIME - made.site.read("state")["time"])


def finish(made: Installation) -> None:
    """Half of the people finish a course, and the site's scheduled task notices."""
    for person, course, grade in FINISHERS:
        made.site.tell("complete", user=person, course=course, grade=grade, at=FINISHED_AT)
    for _ in range(2):
        made.site.tell("cron")
