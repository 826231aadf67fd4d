"""
The self-check of a Moodle.

Rights are proved by calls that can do nothing: they are aimed at a user that cannot exist, or carry an address that is
none.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from domain.checks import (
    Check,
    Identity,
    State,
    completed,
    courses_line,
    function_line,
    functions_for,
    line,
    password_line,
    site_line,
    version_line,
)
from domain.errors import HoldIntegration, NeedsAttention, ProvisioningError
from domain.lms import Done, LmsCourse, Pair
from lms.addresses import Resolver
from lms.looking import ANY_FIRST_CALL, ANY_WAY, Ended, Look, Subject
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

_FIRST_CALL = ANY_FIRST_CALL | {
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
    *ANY_WAY,
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


class MoodleLook(Look[MoodleProbe]):
    """One look at a Moodle."""

    first_call = _FIRST_CALL
    on_the_way = _ON_THE_WAY

    def __init__(self, subject: Subject[MoodleProbe], allow_private: bool, resolver: Resolver) -> None:
        super().__init__(subject, allow_private, resolver)
        self._results = subject.settings.results
        self._functions: frozenset[str] = frozenset()
        self.lines.append(password_line(subject.password))

    def run(self) -> None:
        probe, site = self.reached(lambda probe: probe.site())
        self.identity = Identity(site.url, site.name)
        self._functions = site.functions
        self.lines += [version_line(site.release), site_line(self._subject.url, self.identity, self._subject.pinned)]
        self.lines += [function_line(needed, site.functions) for needed in functions_for(self._reads_reports())]
        if any(check.name == "right site" and check.state == "failed" for check in self.lines):
            raise Ended("not looked at, because it is another site")
        ordinary = self._people(probe, site.user_id)
        courses = self._courses(probe)
        self._rights(probe, courses, ordinary)
        self._linked(probe, [course for course in courses if course.course_id in self._known.courses])
        self._reports(probe)

    def completed(self, because: str) -> list[Check]:
        return completed(self.lines, self._reads_reports(), because)

    def _reads_reports(self) -> bool:
        return bool(self._results.report or self._results.recent_report)

    def why(self, failure: ProvisioningError) -> tuple[str, str, str]:
        """Moodle forgets an expired token on its first use: a second refusal tells it from the other reasons (1.3)."""
        if failure.code != "access_refused":
            return super().why(failure)
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

    # What the token may see and do

    def _people(self, probe: MoodleProbe, own_id: str) -> str:
        """The lines about seeing people; returns somebody else whom the token can see, or nobody."""
        if GET_USERS_BY_FIELD not in self._functions:
            return ""
        linked = dict(list(self._known.linked.items())[:_MOST_LINKED])
        asked = list(dict.fromkeys((own_id, *linked, *_SOMEBODY)))
        found = self.asked("sees its own account", lambda: {str(r.id): r for r in probe.records(asked)})
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
                self.failed("enters courses", failure)
                return []
            self.lines.append(line("enters courses", "ok"))
            self.failed("sees course codes", failure)
            return []
        except ProvisioningError as failure:
            self.failed("enters courses", failure)
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
                self.failed("may enrol", failure)
                return
            except ProvisioningError as failure:
                self.failed("may enrol", failure)
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
            manual = self.asked("manual enrolment", lambda: probe.courses_with_manual_enrolment(list(codes)))
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
                page = self.asked(name, partial(probe.report_page, report, 0))
                if page is not None:
                    self.lines.append(line(name, "ok", f"{page.size} rows read"))

    # How a line comes about

    def _try(self, name: str, function: str, attempt: Callable[[], None]) -> None:
        if function not in self._functions:
            return
        try:
            attempt()
        except ProvisioningError as failure:
            self.failed(name, failure)
        else:
            self.lines.append(line(name, "ok"))

    def _say(self, name: str, good: bool, otherwise: str) -> None:
        self.lines.append(line(name, "ok") if good else line(name, "failed", otherwise, "right_missing"))


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
