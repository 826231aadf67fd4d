"""
What it costs to learn that nobody has changed anything: 5,000 linked people with an enrolment each, in 50 courses.

Somebody asks for a scan; the processes of an installation that look after the housekeeping carry it out, and every call
that reaches the simulator counts. The LMS takes people a hundred a call; enrolments are told by course, and their dates
a thousand a page.
"""

from collections.abc import Callable

from benchmarks.figures import Figure, alone
from benchmarks.lab import lab
from benchmarks.people import TENANT
from benchmarks.settled import settle
from db.pool import transaction
from ops import actions, drift
from ops.operators import Operator

COURSES, PEOPLE = 50, 5_000
OF_ENROLMENTS = {"core_enrol_get_enrolled_users", "core_reportbuilder_retrieve_report"}


def measure(say: Callable[[str], None]) -> list[Figure]:
    with lab() as place, place.simulator("off", courses=COURSES) as site:
        settle(place, site, place.add_integration(site.url, report="1"), people=PEOPLE, courses_each=1)
        with transaction(place.pool) as db:
            db.execute("update poll_cursor set due_at = now() + interval '1 day'")
        before = len(site.calls())
        drift.scan_now(
            place.pool, actions.find_integration(place.pool, "Harbour Moodle", TENANT), by=Operator.at_the_machine()
        )
        with place.running("poller", "scheduler"):
            place.wait("scan", lambda: not place.one("select count(*) from sync_run where done_at is null"))
        calls = [call["function"] for call in site.calls()[before:]]
        [same] = place.rows(
            "select sum(skipped), sum(updated), sum(failed), (select count(*) from finding) from sync_run"
        )
        assert same == (2 * PEOPLE, 0, 0, 0), same  # noqa: S101 - checks the setting
    enrolments = sum(function in OF_ENROLMENTS for function in calls)
    people = len(calls) - enrolments
    say(f"drift_pass_calls: {people} for {PEOPLE} people; {enrolments} for their enrolments in {COURSES} courses")
    return [
        alone("drift_pass_calls", [people], "calls", "<= 55"),
        alone("drift_enrolment_calls", [enrolments], "calls"),
    ]
