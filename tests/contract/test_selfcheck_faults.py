"""Every fault that a site can have, alone: exactly its own line of the self-check turns red."""

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
from simulators.faults import Fault
from simulators.moodle import MoodleSite, moodle_site
from simulators.moodle.build import (
    FULL_RIGHTS,
    SERVICE_ACCOUNT,
    add_report,
    change_course,
    change_token,
    change_user,
    enrol,
    grant,
)
from simulators.server import serve
from tests.support.builders import COURSES, results, settings

TOKEN = "canary-token-77aa"
ANN = 11
KNOWN = Known({str(ANN): "E-1"}, ["2"], [str(ANN)], enrolled=1, completed=1)
MAP = FieldMap(lms_field="gender", kind="menu", source="attributes.gender", options=("Female", "Male"))
GENDER = LmsField("user", "gender", "menu", "Gender", ("Female", "Male"))


@dataclass
class Scene:
    """A sound site with one linked learner in one linked course, and what is asked about it."""

    site: MoodleSite
    url: str
    gateways: Gateways
    chosen: dict[str, Any] = field(default_factory=dict)
    known: Known = KNOWN
    pinned: Identity | None = None
    password: str | None = "Academy-2026"
    allow_private: bool = True
    resolver: Callable[[str, int], Any] = resolve

    def check(self) -> Findings:
        wanted = settings(url=self.url, results=results(report="1", recent_report="2"), **self.chosen)
        subject = Subject(
            self.url,
            wanted,
            lambda: self.gateways.probe(wanted, Secret(TOKEN)),
            self.known,
            self.pinned,
            self.password,
        )
        return self_check(subject, allow_private=self.allow_private, resolver=self.resolver)

    def red(self) -> dict[str, Check]:
        return {check.name: check for check in self.check().checks if check.state in RED}


@pytest.fixture
def scene() -> Iterator[Scene]:
    site = moodle_site(courses=COURSES[:2], token=TOKEN, users=[{"id": ANN, "username": "ann", "idnumber": "E-1"}])
    change_user(site, ANN, firstname="Ann", lastname="Lee", email="ann@example.org")
    enrol(site, ANN, 2)
    with serve(site) as url, Gateways(allow_private=True, deadline=timedelta(seconds=5)) as gateways:
        yield Scene(site, url, gateways, pinned=Identity(url, site.settings.sitename))


def without_right(right: str) -> Callable[[Scene], None]:
    return lambda scene: grant(scene.site, SERVICE_ACCOUNT, FULL_RIGHTS - {right})


def without_function(name: str) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        token = scene.site.state.tokens[TOKEN]
        change_token(scene.site, TOKEN, functions=token.functions - {name})

    return spoil


def switch(**switches: Any) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        for name, value in switches.items():
            setattr(scene.site.settings, name, value)

    return spoil


def token(**changes: Any) -> Callable[[Scene], None]:
    return lambda scene: change_token(scene.site, TOKEN, **changes)


def course(**changes: Any) -> Callable[[Scene], None]:
    return lambda scene: change_course(scene.site, 2, **changes)


def known(**facts: Any) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        scene.known = replace(scene.known, **facts)

    return spoil


def ask(**changes: Any) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        for name, value in changes.items():
            setattr(scene, name, value)

    return spoil


def fault(one: Fault) -> Callable[[Scene], None]:
    return lambda scene: scene.site.faults.add(one)


def unknown_name(_host: str, _port: int) -> Any:
    raise OSError


def over_tls(scene: Scene) -> None:
    scene.url = scene.url.replace("http:", "https:")


def another_release(scene: Scene) -> None:
    scene.site.faults.add(Fault("core_webservice_get_site_info", json=_site_info(scene, "3.11.4 (Build: 20211108)")))


def newer_release(scene: Scene) -> None:
    scene.site.faults.add(Fault("core_webservice_get_site_info", json=_site_info(scene, "5.1 (Build: 20261006)")))


def _site_info(scene: Scene, release: str) -> dict[str, Any]:
    functions = [{"name": name} for name in scene.site.state.tokens[TOKEN].functions]
    told = {"siteurl": scene.url, "sitename": "Acme Academy", "userid": SERVICE_ACCOUNT, "release": release}
    return {**told, "functions": functions}


def poor_report(scene: Scene) -> None:
    scene.site.state.reports[1].columns = ("Username", "Completed")


def no_report(scene: Scene) -> None:
    del scene.site.state.reports[2]
    add_report(scene.site, "Another", ())


def roles(**chosen: str) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        scene.chosen["roles"] = chosen

    return spoil


def without_courses(scene: Scene) -> None:
    for number in (2, 3):
        change_course(scene.site, number, deleted=True)


@dataclass(frozen=True)
class Case:
    what: str
    spoil: Callable[[Scene], None]
    line: str
    code: str
    owner: str
    says: str = ""


CASES = [
    Case("R12 plain http", ask(allow_private=False), "address", "url_not_https", "HR configuration"),
    Case("R12 unknown name", ask(resolver=unknown_name), "name resolves", "url_unresolvable", "IT"),
    Case(
        "R12 private address",
        ask(allow_private=False, url="https://academy.example", resolver=lambda *_: ["10.0.0.7"]),
        "public address",
        "url_private",
        "IT",
    ),
    Case("R70 nobody listens", ask(url="http://127.0.0.1:9"), "reachable", "lms_unreachable", "IT"),
    Case("certificate", over_tls, "secure connection", "tls_failed", "IT"),
    Case("a page", fault(Fault("*", page="login")), "really Moodle", "wrong_url", "HR configuration"),
    Case("not found", fault(Fault("*", status=404)), "really Moodle", "wrong_url", "HR configuration"),
    Case("moved", fault(Fault("*", redirect="https://x.example")), "really Moodle", "url_moved", "HR configuration"),
    Case("maintenance", switch(maintenance="cli"), "site available", "lms_maintenance", "LMS"),
    Case("database", switch(database=False), "site available", "lms_database_down", "LMS"),
    Case("R47 web services off", switch(webservices=False), "web services and REST", "webservices_off", "LMS"),
    Case("R46 REST off", switch(rest=False), "web services and REST", "webservices_off", "LMS"),
    Case("R49 token deleted", lambda s: s.site.state.tokens.clear(), "token", "token_refused", "LMS"),
    Case("R68 token expired", token(expires=1.0), "token", "token_refused", "LMS", "expired"),
    Case("R48 IP", token(addresses=("192.0.2.1",)), "access to the service", "access_refused", "LMS", "addresses"),
    Case("R45 service off", token(service_enabled=False), "access to the service", "access_refused", "LMS"),
    Case("R45 not authorised", token(authorised=False), "access to the service", "access_refused", "LMS"),
    Case("R44 REST right", without_right("webservice/rest:use"), "access to the service", "access_refused", "LMS"),
    Case(
        "account suspended",
        lambda s: change_user(s.site, SERVICE_ACCOUNT, suspended=True),
        "service account",
        "service_account_suspended",
        "LMS",
    ),
    Case("old release", another_release, "version", "lms_version", "LMS"),
    Case("new release", newer_release, "version", "lms_version", "LMS"),
    Case("R69 another site", switch(url="https://other.example"), "right site", "other_site", "HR configuration"),
    Case(
        "R69 another identity",
        ask(pinned=Identity("https://old.example", "Old Academy")),
        "right site",
        "other_site",
        "HR configuration",
        "Old Academy",
    ),
    Case("renamed", switch(sitename="New Academy"), "right site", "site_changed", "HR configuration"),
    Case("1.3 sees nobody", without_right("moodle/user:viewdetails"), "sees people", "right_missing", "LMS"),
    Case("1.3 no names", without_right("moodle/site:viewfullnames"), "sees names", "right_missing", "LMS"),
    Case("no keys", lambda s: change_user(s.site, ANN, idnumber=""), "sees id numbers", "right_missing", "LMS"),
    Case("R44 create", without_right("moodle/user:create"), "may create users", "right_missing", "LMS"),
    Case("R44 update", without_right("moodle/user:update"), "may update users", "right_missing", "LMS"),
    Case("R44 enter", without_right("moodle/course:view"), "enters courses", "course_not_accessible", "LMS"),
    Case("1.3 codes", without_right("moodle/course:update"), "sees course codes", "right_missing", "LMS"),
    Case("R71 no courses", without_courses, "has courses", "no_courses", "LMS"),
    Case("R44 enrol", without_right("enrol/manual:enrol"), "may enrol", "right_missing", "LMS"),
    Case("learner role", roles(learner="3"), "may give the learner role", "role_not_assignable", "LMS"),
    Case("tutor role", roles(tutor="9"), "may give the tutor role", "role_not_assignable", "LMS"),
    Case("R44 completion", without_right("report/completion:view"), "sees completion", "completion_off", "LMS"),
    Case("R44 grades", without_right("moodle/grade:viewall"), "sees grades", "right_missing", "LMS"),
    Case("report's columns", poor_report, "report", "report_columns", "LMS"),
    Case("report gone", no_report, "recent report", "report_unknown", "LMS"),
    Case("R84 no manual method", course(manual="disabled"), "manual enrolment", "no_manual_enrolment", "LMS", "C-FIRE"),
    Case("R75 completion off", course(completion=False), "completion on", "completion_off", "LMS", "C-FIRE"),
    Case("R76 no criteria", course(criteria=()), "completion criteria", "no_completion_criteria", "LMS", "C-FIRE"),
    Case("R74 cron", known(late=3), "scheduled task", "completion_task_late", "LMS"),
    Case(
        "R50 nothing ever completed",
        known(enrolled=40, completed=0, quiet=True),
        "scheduled task",
        "completion_task_late",
        "LMS",
    ),
    Case("same e-mail", known(shared_addresses=2), "one address, one account", "same_email_allowed", "LMS"),
    Case("R27 item gone", known(unmapped=["C"]), "result items", "outcome_unmapped", "HR configuration"),
    *(
        Case(f"R39 {what}", known(maps=[MAP], **facts), "profile fields", "profile_field_changed", "LMS", "gender")
        for what, facts in (
            ("field gone", {"fields": {"gender": GENDER}, "gone": {"gender"}}),
            ("field never seen", {"fields": {"other": GENDER}}),
            ("another type", {"fields": {"gender": LmsField("user", "gender", "text", "Gender")}}),
            ("option gone", {"fields": {"gender": LmsField("user", "gender", "menu", "Gender", ("Male",))}}),
        )
    ),
    Case("R67 password", ask(password="academy"), "preset password", "password_weak", "HR configuration", "a digit"),
    *(
        Case(f"R43 without {name}", without_function(name), f"function {name}", "function_missing", "LMS")
        for name in (
            "core_user_create_users",
            "core_user_update_users",
            "core_user_get_users_by_field",
            "core_user_get_users",
            "enrol_manual_enrol_users",
            "core_course_get_courses",
            "core_course_get_courses_by_field",
            "core_enrol_get_users_courses",
            "core_completion_get_course_completion_status",
            "gradereport_user_get_grade_items",
            "core_reportbuilder_retrieve_report",
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_exactly_the_line_of_a_fault_turns_red(scene: Scene, case: Case) -> None:
    """R43 to R50, R68 to R71, R74 to R76, R84: with what it costs, who acts and where to click."""
    case.spoil(scene)

    red = scene.red()

    assert {name: check.code for name, check in red.items()} == {case.line: case.code}
    assert red[case.line].owner == case.owner
    assert case.says in red[case.line].detail
    assert red[case.line].consequence
    assert red[case.line].where


def test_a_sound_site_has_no_red_line_and_nothing_is_written_there(scene: Scene) -> None:
    """R176, R180: rights are proved by calls that cannot do anything."""
    before = len(scene.site.state.users)

    checks = scene.check().checks

    assert [check for check in checks if check.state in RED] == []
    assert scene.site.ledger.effects() == []
    assert len(scene.site.state.users) == before


@pytest.mark.parametrize("release", ["4.4", "4.5"])
def test_the_check_is_the_same_on_both_releases(scene: Scene, release: str) -> None:
    """Contract, section 14: error codes of enrolment differ, and mean the same."""
    scene.site.release = release

    assert scene.red() == {}


def test_what_lies_behind_a_red_line_is_not_checked_and_says_why(scene: Scene) -> None:
    scene.site.settings.webservices = False

    states = {check.name: (check.state, check.detail) for check in scene.check().checks}

    assert states["reachable"][0] == "ok"
    assert states["token"] == ("not checked", "not reached")
    assert states["may enrol"] == ("not checked", "not reached")


def test_what_no_web_service_tells_is_said_to_be_unknown(scene: Scene) -> None:
    """Honest: the same-email setting and the site's tasks show only by what they do."""
    scene.known = Known({})

    states = {check.name: check.state for check in scene.check().checks}

    assert states["one address, one account"] == states["scheduled task"] == "not checked"


def test_a_site_that_goes_away_meanwhile_is_not_told_as_a_missing_right(scene: Scene) -> None:
    scene.site.faults.add(Fault("core_course_get_courses", status=502))

    assert {name: check.code for name, check in scene.red().items()} == {"site available": "lms_server_error"}


def test_no_line_holds_the_token_or_a_person(scene: Scene) -> None:
    """R23, S5."""
    for case in CASES:
        assert TOKEN not in case.what
    text = repr(scene.check().checks)

    for secret in (TOKEN, "Academy-2026", "ann@example.org", "Lee"):
        assert secret not in text
