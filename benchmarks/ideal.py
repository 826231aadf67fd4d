"""
The client that cannot be had, in a clean place of its own: the most that a site gives anybody.
"""

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.baselines import perfect
from benchmarks.baselines.moodle import Moodle
from benchmarks.lab import TOKEN, lab
from benchmarks.people import Hire, course_code, hires

WARM_UP = 6
STARTS, ENDS = 1_772_319_600, 2_087_938_799  # 2026-03-01 and the end of 2036-03-01 in Amsterdam


def ideal_rate(people: int, latency: str) -> float:
    """Enrolments per second of so many people who are not there yet, one course each."""
    with lab() as place, place.simulator(latency) as site:
        moodle = Moodle(site.url, TOKEN)
        perfect.provision(moodle, asked(moodle, hires(WARM_UP, crowd="W")))
        wanted = asked(moodle, hires(people))
        began = time.time()
        perfect.provision(moodle, wanted)
        return people / (last_enrolment(site.calls()) - began)


def asked(moodle: Moodle, people: Sequence[Hire]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """User and enrolment of each hire in Moodle's words, the same fields as ours."""
    courses = {course["idnumber"]: course["id"] for course in moodle.call("core_course_get_courses")}
    return [
        (
            {
                "username": hire.person()["emails"][0],
                "firstname": "Noor",
                "lastname": f"van der Meer{hire.number}",
                "email": hire.person()["emails"][0],
                "idnumber": hire.key,
                "createpassword": 1,
            },
            {
                "roleid": 5,
                "courseid": courses[course_code(hire.course)],
                "timestart": STARTS,
                "timeend": ENDS,
                "suspend": 0,
            },
        )
        for hire in people
    ]


def last_enrolment(calls: Sequence[dict[str, Any]]) -> float:
    """When the last call that enrols was answered."""
    return max(float(call["at"] + call["duration"]) for call in calls if call["function"] == "enrol_manual_enrol_users")
