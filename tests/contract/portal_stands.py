"""The portals among the systems of the conformance suites: results by unit, and a key that belongs to nobody."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import httpx

from domain.errors import HoldIntegration
from domain.lms import CourseUnit, LmsCourse, LmsGateway, UnitGateway
from lms.calls import CallRecord
from lms.talentlms import TalentGateway
from runtime.secrets import Secret
from simulators.faults import Fault
from simulators.talentlms import (
    API_KEY,
    CustomField,
    Settings,
    TalentLearners,
    TalentSite,
    add_group,
    talent_site,
)
from tests.contract.client_sites import PROFILE, FakeStand, Stand, Words
from tests.contract.simulator_transport import transport
from tests.support.fake_portal import FakePortal

KEY_FIELD = "custom_field_1"
OWN_KEYS = {field.shortname: f"custom_field_{number}" for number, field in enumerate(PROFILE, 2)}
TALENT = Words(
    role="learner",
    unset={},
    username_taken="username_taken",
    email_taken="email_taken",
    grade=None,
    law=("3", "", "Law"),
    fire=("C-FIRE", "C-FIRE", "Fire & Safety"),
    fields=OWN_KEYS,
    own_user=False,
)
READ, TEST, ESSAY = "21", "22", "23"
UNITS = (
    {"id": 20, "name": "Part 1", "type": "Section"},
    {"id": 21, "name": "FIRE01 Read & sign", "type": "Content"},
    {"id": 22, "name": "FIRE02 Knowledge test", "type": "Test"},
    {"id": 23, "name": "FIRE03 Essay", "type": "Assignment"},
)
COURSES: list[dict[str, Any]] = [
    {"id": 2, "name": "Fire & Safety", "code": "C-FIRE", "category": 1, "units": UNITS},
    {"id": 3, "name": "Law", "code": "", "status": "inactive", "units": ["LAW01 Read"]},
]
KINDS = {"menu": "dropdown", "datetime": "date"}
# One call of a suite more or less is not what is tried here.
PATIENT = {"burst_calls": 100_000, "calls_per_hour": 100_000, "timezone": "UTC"}
ACTIONS = {
    "create_users": "usersignup",
    "update_users": "edituser",
    "enrol": "addusertocourse",
    "join": "addusertogroup",
    "find_users": "getusersbycustomfield",
}


class UnitStand(Stand, Protocol):
    """A portal, and the people who learn and grade there."""

    units: UnitGateway

    def complete_unit(self, user_id: str, unit_id: str, at: datetime, score: int | None = None) -> None:
        """The user has completed a unit of the first course."""

    def grade(self, user_id: str, unit_id: str, score: int, at: datetime) -> None:
        """Somebody has given the unit another score."""


class FakePortalStand(FakeStand):
    words = TALENT

    def __init__(self) -> None:
        courses = [
            LmsCourse("2", *TALENT.fire, True, True),
            LmsCourse("3", *TALENT.law, False, True),
        ]
        units = {"2": [CourseUnit(str(u["id"]), str(u["name"])) for u in UNITS if u["type"] != "Section"]}
        profile = [f.__class__(f.area, OWN_KEYS[f.shortname], f.kind, f.name, f.options) for f in PROFILE]
        self.lms: FakePortal = FakePortal(courses=courses, profile=profile, units=units)
        self.gateway: LmsGateway = self.lms
        self.units: UnitGateway = self.lms

    def complete_unit(self, user_id: str, unit_id: str, at: datetime, score: int | None = None) -> None:
        self.lms.complete_unit(user_id, "2", unit_id, at, None if score is None else Decimal(score))

    def grade(self, user_id: str, unit_id: str, score: int, at: datetime) -> None:
        self.lms.grade(user_id, "2", unit_id, Decimal(score), at)

    def revoke_token(self) -> None:
        super().revoke_token()
        for method in ("roster", "marks", "standings", "regraded"):
            self.lms.fail(method, HoldIntegration("token_refused"), times=1000)


class TalentStand:
    """TalentLMS's gateway on a simulated portal, in one process."""

    words = TALENT

    def __init__(self, **settings: Any) -> None:
        own = [
            CustomField(OWN_KEYS[f.shortname], f.name, KINDS.get(f.kind, f.kind), options=f.options or ())
            for f in PROFILE
        ]
        fields = [CustomField(KEY_FIELD, "Employee key"), *own]
        chosen = Settings(**{**PATIENT, **settings})
        self.site = talent_site(courses=COURSES, fields=fields, settings=chosen)
        self.records: list[CallRecord] = []
        self.units: UnitGateway = talent_gateway(self.site, on_call=self.records.append)
        self.gateway: LmsGateway = self.units
        self._learners = TalentLearners(self.site)

    def add_group(self, course_id: str, key: str) -> None:
        add_group(self.site, f"Group {key}", [int(course_id)], key=key)

    def members(self, course_id: str, key: str) -> list[str]:
        groups = {group.id for group in self.site.state.groups.values() if group.key == key}
        return [str(e["user"]) for e in self.site.ledger.effects("group joined") if e["group"] in groups]

    def complete(self, user_id: str, course_id: str, at: datetime, grade: int) -> None:
        self._learners.finish(int(user_id), int(course_id), score=grade, at=at.timestamp())

    def complete_unit(self, user_id: str, unit_id: str, at: datetime, score: int | None = None) -> None:
        self._learners.complete_unit(int(user_id), 2, int(unit_id), score=score, at=at.timestamp())

    def grade(self, user_id: str, unit_id: str, score: int, at: datetime) -> None:
        self._learners.grade(int(user_id), 2, int(unit_id), score, at=at.timestamp())

    def lose_answer(self, method: str, *, effect: bool) -> None:
        self.site.faults.add(Fault(ACTIONS[method], nth=1, commit="before" if effect else "never", close="reset"))

    def throttle(self, method: str, seconds: int) -> None:
        self.site.faults.add(Fault(ACTIONS[method], nth=1, status=429, retry_after=str(seconds)))

    def revoke_token(self) -> None:
        self.site.key = "another-key"

    def go_away(self, method: str) -> None:
        self.site.faults.add(Fault(ACTIONS[method], nth=1, status=503))

    def accounts_made(self) -> int:
        return len(self.site.ledger.effects("user created"))


def talent_gateway(site: TalentSite, **chosen: Any) -> TalentGateway:
    """A gateway whose calls reach the portal without a socket."""
    client = httpx.Client(transport=transport(site))
    known = {"zone": UTC, "key_field": KEY_FIELD}
    return TalentGateway(client, "https://example.talentlms.com", Secret(API_KEY), **{**known, **chosen})
