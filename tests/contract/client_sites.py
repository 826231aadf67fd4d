"""The systems that the port's conformance suite runs against, seeded alike and made to fail alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import httpx

from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable, UnknownOutcome
from domain.lms import Completion, LmsCourse, LmsField, LmsGateway
from lms.calls import CallRecord
from lms.failures import retry_after
from lms.moodle import MoodleGateway
from runtime.secrets import Secret
from simulators.faults import Fault
from simulators.learners import Learners
from simulators.moodle import MoodleSite, moodle_site
from simulators.moodle.state import Group
from simulators.wire import Request
from tests.support.fake_lms import FakeLms

TOKEN = "canary-token-5e1f"
COURSES = [
    {"id": 2, "shortname": "FIRE", "fullname": "Fire & Safety", "idnumber": "C-FIRE", "completion": "activities"},
    {"id": 3, "shortname": "LAW", "fullname": "Law", "idnumber": "", "completion": "activities", "visible": False},
]
PROFILE = (
    LmsField("user", "employment_status", "menu", "Employment Status", ("Active", "On Leave", "Terminated")),
    LmsField("user", "employee_number", "text", "Employee Number"),
    LmsField("user", "job_title", "text", "Job Title"),
    LmsField("user", "hire_date", "datetime", "Hire Date"),
    LmsField("user", "payroll_enabled", "checkbox", "Payroll Enabled"),
)
"""Every stand's users have these."""

FUNCTIONS = {
    "create_users": "core_user_create_users",
    "update_users": "core_user_update_users",
    "enrol": "enrol_manual_enrol_users",
    "join": "core_group_add_group_members",
    "find_users": "core_user_get_users_by_field",
}


@dataclass(frozen=True)
class Words:
    """
    What the systems say differently, and the port lets them.

    Attributes:
        unset: The profile fields of somebody who has none.
        grade: What becomes of a grade of 84 for a whole course.
        fire, law: Code, short name and title of the two courses.
        fields: The short names of `PROFILE` there.
        own_user: The token belongs to a user.
    """

    role: str
    unset: dict[str, str]
    username_taken: str
    email_taken: str
    grade: Decimal | None
    fire: tuple[str, str, str]
    law: tuple[str, str, str]
    fields: dict[str, str]
    own_user: bool


MOODLE = Words(
    role="5",
    unset={"payroll_enabled": "0"},
    username_taken="lms_rejected",
    email_taken="lms_rejected",
    grade=Decimal(84),
    fire=("C-FIRE", "FIRE", "Fire & Safety"),
    law=("LAW", "LAW", "Law"),
    fields={field.shortname: field.shortname for field in PROFILE},
    own_user=True,
)


class Stand(Protocol):
    """A system with two courses, a hidden one among them, and nobody in it, and the ways to disturb it."""

    gateway: LmsGateway
    words: Words

    def add_group(self, course_id: str, key: str) -> None:
        """The course has a group of this key, with nobody in it."""

    def members(self, course_id: str, key: str) -> list[str]:
        """Who is in the group, each as often as they were put there."""

    def complete(self, user_id: str, course_id: str, at: datetime, grade: int) -> None:
        """The user has completed the course."""

    def lose_answer(self, method: str, *, effect: bool) -> None:
        """The next call of the method is not answered."""

    def throttle(self, method: str, seconds: int) -> None:
        """The next call of the method is turned away with a wait."""

    def revoke_token(self) -> None:
        """The token is refused from now on."""

    def go_away(self, method: str) -> None:
        """The next call of the method does not reach the system."""

    def accounts_made(self) -> int:
        """How many accounts were made through the gateway."""


class FakeStand:
    words = MOODLE

    def __init__(self) -> None:
        courses = [
            LmsCourse(
                str(c["id"]),
                str(c["idnumber"] or c["shortname"]),
                str(c["shortname"]),
                str(c["fullname"]),
                c.get("visible", True) is True,
                True,
            )
            for c in COURSES
        ]
        self.lms = FakeLms(courses=courses, profile=PROFILE)
        self.gateway: LmsGateway = self.lms

    def add_group(self, course_id: str, key: str) -> None:
        self.lms.groups[course_id, key] = set()

    def members(self, course_id: str, key: str) -> list[str]:
        joins = [effect for effect in self.lms.effects if effect[0] == "join"]
        return [user_id for _, user_id, course, group in joins if (course, group) == (course_id, key)]

    def complete(self, user_id: str, course_id: str, at: datetime, grade: int) -> None:
        self.lms.complete(user_id, course_id, Completion(at, Decimal(grade), {}))

    def lose_answer(self, method: str, *, effect: bool) -> None:
        family = LmsUnavailable if method == "find_users" else UnknownOutcome
        self.lms.fail(method, family("lms_no_answer"), effect="now" if effect else "none")

    def throttle(self, method: str, seconds: int) -> None:
        self.lms.fail(method, LmsThrottled("lms_throttled", "", retry_after({"Retry-After": str(seconds)})))

    def revoke_token(self) -> None:
        for method in (*FUNCTIONS, "site", "courses"):
            self.lms.fail(method, HoldIntegration("token_refused"), times=1000)

    def go_away(self, method: str) -> None:
        self.lms.fail(method, LmsUnavailable("lms_unreachable"))

    def accounts_made(self) -> int:
        return len([effect for effect in self.lms.effects if effect[0] == "create"])


class MoodleStand:
    """Moodle's gateway on a simulated site, in one process."""

    words = MOODLE

    def __init__(self, release: str = "4.4", **site: Any) -> None:
        self.site = moodle_site(courses=COURSES, token=TOKEN, release=release, **site)
        self.records: list[CallRecord] = []
        self.gateway: LmsGateway = moodle_gateway(self.site, self.records.append)

    def add_group(self, course_id: str, key: str) -> None:
        number = len(self.site.state.groups) + 1
        self.site.state.groups[number] = Group(number, int(course_id), f"Group {number}", idnumber=key)

    def members(self, course_id: str, key: str) -> list[str]:
        groups = {g.id for g in self.site.state.groups.values() if (str(g.course), g.idnumber) == (course_id, key)}
        effects = self.site.ledger.effects("group member added")
        return [str(effect["user"]) for effect in effects if effect["group"] in groups]

    def complete(self, user_id: str, course_id: str, at: datetime, grade: int) -> None:
        Learners(self.site).complete(int(user_id), int(course_id), grade=grade, at=at.timestamp())
        self.site.run_cron()

    def lose_answer(self, method: str, *, effect: bool) -> None:
        self.site.faults.add(Fault(FUNCTIONS[method], nth=1, commit="before" if effect else "never", close="reset"))

    def throttle(self, method: str, seconds: int) -> None:
        self.site.faults.add(Fault(FUNCTIONS[method], nth=1, status=429, retry_after=str(seconds)))

    def revoke_token(self) -> None:
        del self.site.state.tokens[TOKEN]

    def go_away(self, method: str) -> None:
        self.site.faults.add(Fault(FUNCTIONS[method], nth=1, status=503))

    def accounts_made(self) -> int:
        return len(self.site.ledger.effects("user created"))


def moodle_gateway(site: MoodleSite, on_call: Callable[[CallRecord], None] | None = None) -> MoodleGateway:
    """A gateway whose calls reach the site without a socket."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked = Request(request.method, request.url.path, "", dict(request.headers), request.content)
        told = site(asked)
        if told.lost:
            raise httpx.ReadError("the connection was reset")
        return httpx.Response(told.status, headers=dict(told.headers), content=told.body)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    return MoodleGateway(client, "https://academy.example", Secret(TOKEN), on_call=on_call)


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
