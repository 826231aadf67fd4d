"""
The self-check of one site: every fact that must hold is asked for by harmless calls and becomes one line.

What a site cannot tell apart is said so in the line. Nothing is written: what would write is aimed at nobody.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from domain.checks import (
    Check,
    Identity,
    Known,
    State,
    completed,
    courses_line,
    function_line,
    functions_for,
    line,
    own_lines,
    password_line,
    site_line,
    version_line,
)
from domain.errors import HoldIntegration, NeedsAttention, ProvisioningError, TransientFailure
from domain.integration import IntegrationSettings
from domain.lms import Done, LmsCourse, Pair, Site
from lms.addresses import Resolver, check_url, resolve
from lms.moodle import (
    CREATE_USERS,
    ENROL_USERS,
    GET_COMPLETION,
    GET_COURSES,
    GET_COURSES_OF_USER,
    GET_GRADES,
    GET_REPORT,
    GET_USERS_BY_FIELD,
    UPDATE_USERS,
)
from lms.moodle_answers import UserRecord
from lms.moodle_probe import GET_COURSES_BY_FIELD, MoodleProbe

Answer = TypeVar("Answer")

# The line that a failure of the first call belongs to. Those before it were passed on the way there.
_FIRST_CALL = {
    "url_malformed": "address",
    "url_not_https": "address",
    "url_unresolvable": "name resolves",
    "url_private": "public address",
    "key_mismatch": "stored token",
    "lms_unreachable": "reachable",
    "tls_failed": "secure connection",
    "wrong_url": "really Moodle",
    "url_moved": "really Moodle",
    "lms_unexpected_answer": "really Moodle",
    "function_missing": "really Moodle",
    "webservices_off": "web services and REST",
    "token_refused": "token",
    "service_account_suspended": "service account",
    "access_refused": "access to the service",
    "right_missing": "access to the service",
}
_ON_THE_WAY = (
    "address",
    "name resolves",
    "public address",
    "stored token",
    "reachable",
    "secure connection",
    "really Moodle",
    "site available",
    "web services and REST",
    "token",
    "service account",
    "access to the service",
)
# Every Moodle has a guest, and nearly every one its first administrator.
_SOMEBODY = ("1", "2")
_MOST_LINKED, _MOST_COURSES, _MOST_LEARNERS = 3, 200, 20


@dataclass(frozen=True, slots=True)
class Subject:
    """
    What is checked.

    Attributes:
        url: As saved; the settings hold the same one.
        probe: Opens the site; it may raise HoldIntegration when the stored token cannot be opened.
        pinned: Who the site said it was when it was enabled.
        password: The preset one, if there is one.
    """

    url: str
    settings: IntegrationSettings
    probe: Callable[[], MoodleProbe]
    known: Known
    pinned: Identity | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All lines, and who the site says it is if it got so far."""

    checks: list[Check]
    identity: Identity | None


class _Ended(Exception):
    """Nothing behind this line can be looked at."""


def self_check(subject: Subject, *, allow_private: bool, resolver: Resolver = resolve) -> Findings:
    """Every line of `domain.checks.FACTS`, and one for each function; those that were not reached say why."""
    look = _Look(subject, allow_private, resolver)
    because = "what it needs is red above"
    try:
        look.run()
    except _Ended as end:
        because = str(end)
    results = subject.settings.results
    lines = completed(look.lines, bool(results.report or results.recent_report), because)
    return Findings(lines, look.identity)


class _Look:
    def __init__(self, subject: Subject, allow_private: bool, resolver: Resolver) -> None:
        self._subject = subject
        self._known = subject.known
        self._results = subject.settings.results
        self._allow_private = allow_private
        self._resolver = resolver
        self._functions: frozenset[str] = frozenset()
        self.lines: list[Check] = [*own_lines(subject.known), password_line(subject.password)]
        self.identity: Identity | None = None

    def run(self) -> None:
        probe, site = self._reached()
        self.identity = Identity(site.url, site.name)
        self._functions = site.functions
        self.lines += [version_line(site.release), site_line(self._subject.url, self.identity, self._subject.pinned)]
        reports = bool(self._results.report or self._results.recent_report)
        self.lines += [function_line(needed, site.functions) for needed in functions_for(reports)]
        if any(check.name == "right site" and check.state == "failed" for check in self.lines):
            raise _Ended("not looked at, because it is another site")
        ordinary = self._people(probe, site.user_id)
        courses = self._courses(probe)
        self._rights(probe, courses, ordinary)
        self._linked(probe, [course for course in courses if course.course_id in self._known.courses])
        self._reports(probe)

    # The way to the site

    def _reached(self) -> tuple[MoodleProbe, Site]:
        try:
            check_url(self._subject.url, self._allow_private, self._resolver)
            probe = self._subject.probe()
            site = probe.site()
        except ProvisioningError as failure:
            self._not_reached(failure)
            raise _Ended("not reached") from None
        self._passed(len(_ON_THE_WAY))
        return probe, site

    def _not_reached(self, failure: ProvisioningError) -> None:
        name, detail, code = _FIRST_CALL.get(failure.code, "site available"), failure.detail, failure.code
        if failure.code == "access_refused":
            name, detail, code = self._why_refused(failure)
        self._passed(_ON_THE_WAY.index(name))
        self.lines.append(line(name, "failed", detail, code))

    def _why_refused(self, failure: ProvisioningError) -> tuple[str, str, str]:
        """Moodle forgets an expired token on its first use: a second refusal tells it from the other reasons (1.3)."""
        try:
            self._subject.probe().site()
        except ProvisioningError as second:
            if second.code == "token_refused":
                return "token", "it had expired, and Moodle deleted it at this call", second.code
        detail = (
            "the token is known, and Moodle does not tell which of these it is: limited to other addresses, service"
            " disabled, account not authorised for it, or without the right webservice/rest:use, or site info missing"
        )
        return "access to the service", detail, failure.code

    def _passed(self, count: int) -> None:
        for name in _ON_THE_WAY[:count]:
            if name == "secure connection" and self._subject.url.startswith("http://"):
                self.lines.append(line(name, "not checked", "the address is http, which this installation allows"))
            else:
                self.lines.append(line(name, "ok", self._subject.url if name == "address" else ""))

    # What the token may see and do

    def _people(self, probe: MoodleProbe, own_id: str) -> str:
        """The lines about seeing people; returns somebody else whom the token can see, or nobody."""
        if GET_USERS_BY_FIELD not in self._functions:
            return ""
        linked = dict(list(self._known.linked.items())[:_MOST_LINKED])
        asked = list(dict.fromkeys((own_id, *linked, *_SOMEBODY)))
        found = self._asked("sees its own account", lambda: {str(r.id): r for r in probe.records(asked)})
        if found is None:
            return ""
        others = [user_id for user_id in (*linked, *_SOMEBODY) if user_id in found and user_id != own_id]
        self._say("sees its own account", own_id in found, "the token may not see even its own account")
        self._say("sees people", bool(others), "nobody else is visible, not even the guest whom every site has")
        self.lines.append(_names_line(found))
        self.lines.append(_id_numbers_line(found, linked))
        return next(iter(others), "")

    def _courses(self, probe: MoodleProbe) -> list[LmsCourse]:
        if GET_COURSES not in self._functions:
            return []
        try:
            courses = list(probe.courses())
        except HoldIntegration as failure:
            if failure.code != "right_missing" or not failure.detail.startswith("course records"):
                self._failed("enters courses", failure)
                return []
            self.lines.append(line("enters courses", "ok"))
            self._failed("sees course codes", failure)
            return []
        except ProvisioningError as failure:
            self._failed("enters courses", failure)
            return []
        self.lines += [line("enters courses", "ok"), line("sees course codes", "ok")]
        some = line("has courses", "ok", f"{len(courses)} courses")
        self.lines.append(some if courses else line("has courses", "warning", "the site has none yet", "no_courses"))
        return courses

    def _rights(self, probe: MoodleProbe, courses: Sequence[LmsCourse], ordinary: str) -> None:
        self._try("may create users", CREATE_USERS, probe.try_to_create)
        self._try("may update users", UPDATE_USERS, probe.try_to_update)
        if not courses:
            return
        course = next((c for c in courses if c.course_id in self._known.courses), courses[0])
        self._enrolling(probe, course)
        learner = next((user_id for user_id in self._known.learners), ordinary)
        tracked = next((c for c in courses if c.tracks_completion), None)
        if learner and tracked:
            self._try("sees completion", GET_COMPLETION, lambda: _see_completion(probe, tracked, learner))
        if learner:
            self._try("sees grades", GET_GRADES, lambda: probe.try_to_read_grades(course.course_id, learner))

    def _enrolling(self, probe: MoodleProbe, course: LmsCourse) -> None:
        if ENROL_USERS not in self._functions:
            return
        settings = self._subject.settings
        wanted: tuple[tuple[str, str, State], ...] = (
            ("may give the learner role", settings.role("learner"), "failed"),
            ("may give the tutor role", settings.role("tutor"), "warning"),
        )
        for name, role, red in wanted:
            try:
                probe.try_to_enrol(course.course_id, role)
            except NeedsAttention as failure:
                if failure.code == "role_not_assignable":
                    self.lines.append(line(name, red, f"role {role}", failure.code))
                    continue
                self._failed("may enrol", failure)
                return
            except ProvisioningError as failure:
                self._failed("may enrol", failure)
                return
            self.lines.append(line(name, "ok", f"role {role}"))
        self.lines.append(line("may enrol", "ok"))

    # Linked courses and reports

    def _linked(self, probe: MoodleProbe, linked: Sequence[LmsCourse]) -> None:
        linked = linked[:_MOST_COURSES]
        codes = {course.course_id: course.code for course in linked}
        untracked = [course.code for course in linked if course.tracks_completion is False]
        self.lines.append(courses_line("completion on", untracked, len(linked), "completion_off"))
        if not linked:
            none: list[str] = []
            self.lines.append(courses_line("manual enrolment", none, 0, "no_manual_enrolment"))
            self.lines.append(courses_line("completion criteria", none, 0, "no_completion_criteria"))
            return
        if GET_COURSES_BY_FIELD in self._functions:
            manual = self._asked("manual enrolment", lambda: probe.courses_with_manual_enrolment(list(codes)))
            if manual is not None:
                closed = [code for course_id, code in codes.items() if course_id not in manual]
                self.lines.append(courses_line("manual enrolment", closed, len(codes), "no_manual_enrolment"))
        if GET_COURSES_OF_USER in self._functions:
            self._criteria(probe, codes, set(untracked))

    def _criteria(self, probe: MoodleProbe, codes: Mapping[str, str], untracked: set[str]) -> None:
        outcomes = probe.course_progress(self._known.learners[:_MOST_LEARNERS])
        seen = [outcome.value for outcome in outcomes if isinstance(outcome, Done)]
        shown = set().union(*(progress.shown for progress in seen)) & codes.keys()
        without = {codes[number] for progress in seen for number in progress.without_criteria & codes.keys()}
        wrong = sorted(without - untracked)
        self.lines.append(courses_line("completion criteria", wrong, len(shown), "no_completion_criteria"))

    def _reports(self, probe: MoodleProbe) -> None:
        for name, report in (("report", self._results.report), ("recent report", self._results.recent_report)):
            if not report:
                self.lines.append(line(name, "not checked", "none is chosen"))
            elif GET_REPORT in self._functions:
                page = self._asked(name, partial(probe.report_page, report, 0))
                if page is not None:
                    self.lines.append(line(name, "ok", f"{page.size} rows read"))

    # How a line comes about

    def _try(self, name: str, function: str, attempt: Callable[[], None]) -> None:
        if function not in self._functions:
            return
        try:
            attempt()
        except ProvisioningError as failure:
            self._failed(name, failure)
        else:
            self.lines.append(line(name, "ok"))

    def _asked(self, name: str, ask: Callable[[], Answer]) -> Answer | None:
        try:
            return ask()
        except ProvisioningError as failure:
            self._failed(name, failure)
            return None

    def _say(self, name: str, good: bool, otherwise: str) -> None:
        self.lines.append(line(name, "ok") if good else line(name, "failed", otherwise, "right_missing"))

    def _failed(self, name: str, failure: ProvisioningError) -> None:
        """The line is red; when the site itself went away meanwhile, that is what is red, and the rest waits."""
        if isinstance(failure, TransientFailure):
            self.lines = [check for check in self.lines if check.name != "site available"]
            self.lines.append(line("site available", "failed", failure.detail, failure.code))
            raise _Ended("the site went away while it was looked at")
        self.lines.append(line(name, "failed", failure.detail, failure.code))


def _names_line(found: Mapping[str, UserRecord]) -> Check:
    nameless = [r for r in found.values() if None in (r.username, r.firstname, r.lastname)]
    if not found:
        return line("sees names", "not checked", "nobody is visible")
    if nameless:
        return line("sees names", "failed", "user records come without first and last name", "right_missing")
    return line("sees names", "ok")


def _id_numbers_line(found: Mapping[str, UserRecord], linked: Mapping[str, str]) -> Check:
    """An empty id number is absent, just as one that may not be seen; people whose number we wrote tell."""
    written = [found[user_id] for user_id, key in linked.items() if key and user_id in found]
    if not written:
        return line("sees id numbers", "not checked", "nobody is linked yet whose id number is known")
    if not any(record.idnumber for record in written):
        detail = f"{len(written)} linked people come without; hidden from the token, or emptied by hand"
        return line("sees id numbers", "failed", detail, "right_missing")
    return line("sees id numbers", "ok")


def _see_completion(probe: MoodleProbe, course: LmsCourse, user_id: str) -> None:
    (outcome,) = probe.completions([Pair(user_id, course.course_id)])
    if isinstance(outcome, Done) or outcome.failure.code in ("not_actively_enrolled", "no_completion_criteria"):
        return
    raise outcome.failure
