"""
Things that somebody does at the LMS by hand, scans that find them, and what came of it.
"""

from typing import Any

from ops.drift import scan_now
from simulators.moodle import MoodleSite, enrol
from tests.support.operators import BY
from tests.support.workbench import Row, Workbench

LOOK_UP = "core_user_get_users_by_field"
PARTICIPANTS = "core_enrol_get_enrolled_users"
REPORT = "core_reportbuilder_retrieve_report"
WRITES = ("core_user_create_users", "core_user_update_users", "enrol_manual_enrol_users")


def look(bench: Workbench) -> None:
    """
    Somebody asks for a scan; it is carried out, and so is what follows from it.
    """
    bench.pass_time(minutes=1)
    scan_now(bench.pool, bench.integration(), by=BY)
    bench.look_again()


def roll(bench: Workbench) -> None:
    """
    The rolling scan begins anew after a day, and comes as far as it may.
    """
    bench.pass_time(days=1)
    bench.maintain()


def found(bench: Workbench) -> list[tuple[Any, ...]]:
    """
    Kind, field and state of whatever is not over, in order.
    """
    rows = bench.rows("select kind, field, state from finding where resolved_at is null order by finding_id")
    return [tuple(row.values()) for row in rows]


def run(bench: Workbench, reading: str = "people") -> Row:
    """
    The last run over people, or over enrolments.
    """
    return bench.rows("select * from sync_run where flow = %(reading)s order by run_id desc", reading=reading)[0]


def counts(bench: Workbench, reading: str = "people") -> tuple[int, ...]:
    last = run(bench, reading)
    return tuple(last[name] for name in ("created", "updated", "skipped", "failed"))


def user_id(bench: Workbench, key: str = "E-1") -> int:
    return int(bench.account(key)["lms_user_id"])


def writes(site: MoodleSite) -> list[str]:
    """
    The functions called so far that write.
    """
    return [call["function"] for call in site.ledger.calls() if call["function"] in WRITES]


def change_enrolment(site: MoodleSite, user: int, course: int = 2, role: int = 5, **changes: Any) -> None:
    """
    As a teacher would in the course's pages: another `start` or `end`, `suspended`, or another role.
    """
    held = site.state.enrolment(user, course)
    assert held is not None
    enrol(site, user, course, role, **({"start": held.start, "end": held.end, "suspended": held.suspended} | changes))
