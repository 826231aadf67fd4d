"""Every fault that a portal can have, alone: exactly its own line of the self-check turns red."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from domain.checks import RED, Check, Identity, Known
from domain.fields import FieldMap
from domain.lms import LmsField
from lms.addresses import resolve
from lms.opening import Gateways
from lms.selfcheck import Findings, Subject, self_check
from runtime.secrets import Secret
from simulators.clock import MovableClock
from simulators.faults import Fault
from simulators.server import serve
from simulators.talentlms import API_KEY, CustomField, TalentLearners, TalentSite, add_group, talent_site
from tests.support.builders import settings

KEY_FIELD = "custom_field_1"
ANN, BOB = 11, 12
KNOWN = Known({str(ANN): "E-1", str(BOB): "E-2"}, ["2"], enrolled=1, completed=1, group_keys={"NIGHT"})
MAP = FieldMap(lms_field="custom_field_2", kind="menu", source="attributes.campus", options=("North", "South"))
CAMPUS = LmsField("user", "custom_field_2", "menu", "Campus", ("North", "South"))
TEXT = CustomField(KEY_FIELD, "Employee key")
COURSES = [{"id": 2, "name": "Fire", "code": "C-FIRE"}, {"id": 3, "name": "Law", "code": "C-LAW"}]


@dataclass
class Scene:
    """A sound portal with two linked learners, a linked course and its group, and what is asked about it."""

    site: TalentSite
    url: str
    gateways: Gateways
    people: dict[str, Any] = field(default_factory=lambda: {"key_field": KEY_FIELD})
    known: Known = KNOWN
    pinned: Identity | None = None
    password: str | None = "Academy2026"
    allow_private: bool = True
    resolver: Callable[[str, int], Any] = resolve

    def check(self) -> Findings:
        wanted = settings(lms="talentlms", url=self.url, people=self.people)
        subject = Subject(
            self.url,
            wanted,
            lambda: self.gateways.probe(wanted, Secret(API_KEY)),
            self.known,
            self.pinned,
            self.password,
        )
        return self_check(subject, allow_private=self.allow_private, resolver=self.resolver)

    def red(self) -> dict[str, Check]:
        return {check.name: check for check in self.check().checks if check.state in RED}


def portal(clock: MovableClock) -> TalentSite:
    fields = [
        CustomField(KEY_FIELD, "Employee key"),
        CustomField("custom_field_2", "Campus", "dropdown", options=("North",)),
    ]
    users = [{"login": "ann", "id": ANN, KEY_FIELD: "E-1"}, {"login": "bob", "id": BOB, KEY_FIELD: "E-2"}]
    site = talent_site(courses=COURSES, users=users, fields=fields, clock=clock)
    add_group(site, "Night shift", [2], key="NIGHT")
    return site


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def scene(clock: MovableClock) -> Iterator[Scene]:
    site = portal(clock)
    with serve(site) as url, Gateways(allow_private=True, deadline=timedelta(seconds=5)) as gateways:
        yield Scene(site, url, gateways, pinned=Identity(url, ""))


Spoil = Callable[[Scene], None]


def switch(**switches: Any) -> Spoil:
    def spoil(scene: Scene) -> None:
        scene.site.settings = replace(scene.site.settings, **switches)

    return spoil


def known(**facts: Any) -> Spoil:
    def spoil(scene: Scene) -> None:
        scene.known = replace(scene.known, **facts)

    return spoil


def ask(**changes: Any) -> Spoil:
    def spoil(scene: Scene) -> None:
        for name, value in changes.items():
            setattr(scene, name, value)

    return spoil


def fault(one: Fault) -> Spoil:
    return lambda scene: scene.site.faults.add(one)


def fields(*every: CustomField) -> Spoil:
    def spoil(scene: Scene) -> None:
        scene.site.state.user_fields = {field.key: field for field in every}

    return spoil


def unknown_name(_host: str, _port: int) -> Any:
    raise OSError


def over_tls(scene: Scene) -> None:
    scene.url = scene.url.replace("http:", "https:")


def another_key(scene: Scene) -> None:
    scene.site.key = "another-key"


def nobody_of_ours(scene: Scene) -> None:
    for login in ("ann", "bob"):
        TalentLearners(scene.site).delete(login, permanent=True)


def others_under_our_ids(scene: Scene) -> None:
    for login in ("ann", "bob"):
        TalentLearners(scene.site).change(login, custom={KEY_FIELD: f"another portal's {login}"})


def clock_off(scene: Scene) -> None:
    clock = scene.site.clock
    assert isinstance(clock, MovableClock)
    clock.advance(86_400)


def hour_spent(scene: Scene) -> None:
    scene.site.settings = replace(scene.site.settings, calls_per_hour=10)


@dataclass(frozen=True)
class Case:
    what: str
    spoil: Spoil
    line: str
    code: str
    owner: str
    says: str = ""


CASES = [
    Case("R12 plain http", ask(allow_private=False), "address", "url_not_https", "HR configuration"),
    Case("R12 unknown name", ask(resolver=unknown_name), "name resolves", "url_unresolvable", "IT"),
    Case(
        "R12 private address",
        ask(allow_private=False, url="https://portal.example", resolver=lambda *_: ["10.0.0.7"]),
        "public address",
        "url_private",
        "IT",
    ),
    Case("R70 nobody listens", ask(url="http://127.0.0.1:9"), "reachable", "lms_unreachable", "IT"),
    Case("certificate", over_tls, "secure connection", "tls_failed", "IT"),
    Case("a page", fault(Fault("*", page="login")), "really TalentLMS", "lms_unexpected_answer", "HR configuration"),
    Case("no portal", fault(Fault("*", page="proxy", status=401)), "really TalentLMS", "wrong_url", "HR configuration"),
    Case("not found", fault(Fault("*", status=404)), "really TalentLMS", "wrong_url", "HR configuration"),
    Case("moved", fault(Fault("*", redirect="https://x.example")), "really TalentLMS", "url_moved", "HR configuration"),
    Case(
        "something else",
        fault(Fault("*", json={"status": "ok"})),
        "really TalentLMS",
        "lms_unexpected_answer",
        "HR configuration",
    ),
    Case("half a portal", fault(Fault("siteinfo", json={})), "site available", "lms_unexpected_answer", "LMS"),
    Case("maintenance", fault(Fault("*", status=503)), "site available", "lms_maintenance", "LMS"),
    Case("broken", fault(Fault("*", status=500)), "site available", "lms_server_error", "LMS"),
    Case("R117 API off", switch(api=False), "API", "api_off", "LMS"),
    Case("R117 bad key", another_key, "API key", "token_refused", "LMS"),
    Case("R69 our people are gone", nobody_of_ours, "right site", "other_site", "HR configuration", "linked people"),
    Case("R69 others have our ids", others_under_our_ids, "right site", "other_site", "HR configuration"),
    Case(
        "R69 another domain",
        ask(pinned=Identity("http://old.example", "learn.old.example")),
        "right site",
        "other_site",
        "HR configuration",
        "learn.old.example",
    ),
    Case("R69 moved", ask(pinned=Identity("http://old.example", "")), "right site", "site_changed", "HR configuration"),
    Case("T2 clock", clock_off, "clock", "clock_differs", "IT"),
    Case("hour spent", hour_spent, "calls left", "lms_throttled", "LMS", "10 of 10"),
    Case("throttled meanwhile", fault(Fault("courses", status=429)), "calls left", "lms_throttled", "LMS"),
    Case("nobody listed", fault(Fault("users", value="1", json=[])), "sees people", "right_missing", "LMS"),
    Case("no key field", fields(), "key field", "key_field_unusable", "HR configuration", KEY_FIELD),
    Case(
        "key field is a menu",
        fields(CustomField(KEY_FIELD, "Key", "dropdown", options=("A",))),
        "key field",
        "key_field_unusable",
        "HR configuration",
        "menu",
    ),
    Case(
        "8.20 mandatory field",
        fields(TEXT, CustomField("custom_field_5", "Cost centre", mandatory=True)),
        "mandatory fields",
        "mandatory_field_missing",
        "HR configuration",
        "Cost centre",
    ),
    Case("R71 no courses", lambda s: s.site.state.courses.clear(), "has courses", "no_courses", "LMS"),
    Case(
        "8.24 half a list",
        fault(Fault("courses", json=[{"id": "2", "name": "Fire"}])),
        "whole lists",
        "list_incomplete",
        "LMS",
        "1 courses in the list, and the portal says 2",
    ),
    Case("R129 course gone", known(courses=["2", "99"]), "linked courses", "course_unknown", "HR configuration", "99"),
    Case("R131 no such group", known(group_keys={"NIGHT", "DAY"}), "groups", "group_unknown", "LMS", "DAY"),
    Case(
        "R39 field gone",
        known(maps=[MAP], fields={"custom_field_2": CAMPUS}, gone={"custom_field_2"}),
        "profile fields",
        "profile_field_changed",
        "LMS",
        "custom_field_2",
    ),
    Case("R27 item gone", known(unmapped=["C"]), "result items", "outcome_unmapped", "HR configuration"),
    Case("R67 password", ask(password="academy"), "preset password", "password_weak", "HR configuration", "8 to 30"),
    Case("R67 long password", ask(password="Academy1" * 4), "preset password", "password_weak", "HR configuration"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_exactly_the_line_of_a_fault_turns_red(scene: Scene, case: Case) -> None:
    """R12, R69 to R71, R117, R131: with what it costs, who acts and where to click."""
    if case.line == "has courses":
        scene.known = replace(scene.known, courses=[])
    case.spoil(scene)

    red = scene.red()

    assert {name: check.code for name, check in red.items()} == {case.line: case.code}
    assert red[case.line].owner == case.owner
    assert case.says in red[case.line].detail
    assert red[case.line].consequence
    assert red[case.line].where
    assert "Site administration" not in red[case.line].where


def test_a_sound_portal_has_no_red_line_and_nothing_is_written_there(scene: Scene) -> None:
    """R176, R180."""
    before = len(scene.site.state.users)

    checks = scene.check().checks

    assert [check for check in checks if check.state in RED] == []
    assert {check.name for check in checks if check.state == "not checked"} == {"secure connection", "profile fields"}
    assert scene.site.ledger.effects() == []
    assert len(scene.site.state.users) == before


def test_a_check_costs_about_ten_calls_of_the_hour(scene: Scene) -> None:
    scene.check()

    assert len(scene.site.ledger.calls()) <= 12


@pytest.mark.parametrize("linked", [{str(ANN): "E-1"}, {str(ANN): "E-1", str(BOB): "E-2"}])
def test_one_deleted_person_does_not_make_it_another_portal(scene: Scene, linked: dict[str, str]) -> None:
    scene.known = replace(scene.known, linked=linked)
    TalentLearners(scene.site).delete("ann", permanent=True)

    assert scene.red() == {}


def test_people_deleted_but_not_for_good_are_still_known_there(scene: Scene) -> None:
    for login in ("ann", "bob"):
        TalentLearners(scene.site).delete(login)

    assert scene.red() == {}


def test_a_portal_without_a_place_for_the_key_is_sound(scene: Scene) -> None:
    scene.people = {}

    states = {check.name: check.state for check in scene.check().checks}

    assert states["key field"] == "not checked"
    assert not set(states.values()) & set(RED)


def test_the_last_calls_of_the_hour_are_left_to_the_work(scene: Scene) -> None:
    hour_spent(scene)

    states = {check.name: check.state for check in scene.check().checks}

    assert states["API key"] == "ok"
    assert states["has courses"] == "not checked"
    assert len(scene.site.ledger.calls()) == 1


def test_no_line_holds_the_key_or_a_person(scene: Scene) -> None:
    """R23, S5."""
    text = repr(scene.check().checks)

    for secret in (API_KEY, "Academy2026", "ann@example.org", "E-1"):
        assert secret not in text
