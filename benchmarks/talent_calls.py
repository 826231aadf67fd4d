"""
What one enrolment costs at a portal: of a newcomer, of a known student, and of one whose course has a group.

The portal is simulated in this process and counts the calls that it would count; people come one by one, each settled
before the next.
"""

from collections.abc import Callable

from benchmarks.figures import Figure, alone
from benchmarks.lab import lab
from db.pool import Pool, open_pool
from simulators.talentlms import TalentSite, talent_site
from tests.support.builders import Event, course, enrolled, hired
from tests.support.workbench import Workbench

ROUNDS = 20
FREE = "ratelimit"
COURSES = {"C-NEW": "1", "C-KNOWN": "2", "C-GROUP": "3"}
GROUP = "AUTUMN"


def measure(say: Callable[[str], None]) -> list[Figure]:
    with lab() as place, open_pool(place.settings.database_url, name="bench", max_size=4) as pool:
        site, bench = _portal(pool)
        bench.done(*_courses(), hired("E-0"), enrolled("EN-0", "E-0", "C-NEW"))  # the fields demanded are asked once
        new = [_calls(site, bench, hired(key), enrolled(f"{key}/new", key, "C-NEW")) for key in _people()]
        known = [_calls(site, bench, enrolled(f"{key}/known", key, "C-KNOWN")) for key in _people()]
        grouped = [_calls(site, bench, enrolled(f"{key}/group", key, "C-GROUP")) for key in _people()]
    say(f"newcomers {sorted(set(new))}, known {sorted(set(known))}, with a group {sorted(set(grouped))} calls each")
    return [
        alone("talent_new_calls", [max(new)], "calls", "<= 4"),
        alone("talent_known_calls", [max(known)], "calls", "<= 1"),
        alone("talent_known_group_calls", [max(grouped)], "calls", "<= 2"),
    ]


def _portal(pool: Pool) -> tuple[TalentSite, Workbench]:
    site = talent_site(
        courses=[{"id": number, "name": code, "code": code} for code, number in COURSES.items()],
        groups=[{"name": "Autumn", "key": GROUP}],
    )
    return site, Workbench(pool, site, lms="talentlms", people={"accounts_for": "enrolled"}, calls={"burst": 200})


def _courses() -> list[Event]:
    groups = {"C-GROUP": GROUP}
    return [course(code, lms_course_id=number, group_key=groups.get(code)) for code, number in COURSES.items()]


def _people() -> list[str]:
    return [f"E-{number}" for number in range(1, ROUNDS + 1)]


def _calls(site: TalentSite, bench: Workbench, *events: Event) -> int:
    """How many calls the portal counts until this is done; the people before were not in a hurry."""
    bench.pass_time(seconds=5)
    before = _counted(site)
    bench.done(*events)
    return _counted(site) - before


def _counted(site: TalentSite) -> int:
    return sum(call["function"] != FREE for call in site.ledger.calls())
