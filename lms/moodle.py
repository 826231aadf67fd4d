"""Moodle behind the port: what Matricula asks of an LMS, in web service functions of versions 4.2 to 4.5."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import httpx

from domain.errors import HoldIntegration, LmsUnavailable, NeedsAttention, ProvisioningError, UnknownOutcome
from domain.lms import (
    Completion,
    Done,
    Failed,
    LmsCourse,
    LmsEnrolment,
    LmsUser,
    Membership,
    NewUser,
    Outcome,
    Pair,
    Participant,
    ParticipantPage,
    Progress,
    ReportPage,
    SeenFields,
    Site,
    SpanPage,
    UserChange,
)
from domain.recovery import NOT_THIS_CALL
from lms import moodle_answers as shapes
from lms import moodle_records as records
from lms.batches import MAX_ITEMS, Kind, deliver, one_by_one
from lms.calls import OnCall
from lms.moodle_answers import (
    CategoryRecord,
    CompletionStatus,
    CourseOfUser,
    CreatedUser,
    ReportData,
    UserGrades,
    UserRecord,
    Warned,
)
from lms.moodle_calls import MoodleCalls, numbered
from lms.moodle_failures import SITE_INFO, failure_of
from lms.moodle_fields import seen_fields
from lms.moodle_groups import joined
from lms.moodle_reports import PAGE_SIZE, REPORT_SETTINGS, report_page, report_spans
from lms.texts import check_echo, is_id
from runtime.secrets import Secret

GET_USERS_BY_FIELD = "core_user_get_users_by_field"
GET_USERS = "core_user_get_users"
CREATE_USERS = "core_user_create_users"
UPDATE_USERS = "core_user_update_users"
ENROL_USERS = "enrol_manual_enrol_users"
GET_COURSES = "core_course_get_courses"
GET_CATEGORIES = "core_course_get_categories"
GET_COURSES_OF_USER = "core_enrol_get_users_courses"
GET_PARTICIPANTS = "core_enrol_get_enrolled_users"
GET_COMPLETION = "core_completion_get_course_completion_status"
GET_GRADES = "gradereport_user_get_grade_items"
GET_REPORT = "core_reportbuilder_retrieve_report"

# What the token's service must contain; the report only where an integration names one, the participants never.
NEEDED_FUNCTIONS = frozenset(
    {
        SITE_INFO,
        GET_USERS_BY_FIELD,
        GET_USERS,
        CREATE_USERS,
        UPDATE_USERS,
        ENROL_USERS,
        GET_COURSES,
        GET_COURSES_OF_USER,
        GET_COMPLETION,
        GET_GRADES,
    }
)

# A course's grades cost 5 ms for each of its learners, one learner's 45 ms (contract, section 11): worth it when
# about a ninth of the course is asked for. How many learners there are is not known here.
MANY_OF_A_COURSE = 20
FULL = 100


class MoodleGateway:
    """Implements `domain.lms.LmsGateway` for one site; may be used by several threads."""

    def __init__(
        self,
        client: httpx.Client,
        base_url: str,
        token: Secret,
        *,
        on_call: OnCall | None = None,
    ) -> None:
        self._ask = MoodleCalls(client, base_url, token, on_call).ask
        self._own_id = ""

    def site(self) -> Site:
        info = self._ask(SITE_INFO, {}, shapes.SITE_INFO)
        self._own_id = str(info.userid)
        functions = frozenset(function.name for function in info.functions)
        return Site(info.siteurl, info.sitename, info.release, self._own_id, functions)

    def find_users(
        self, by: Literal["user_id", "external_key", "email", "username"], values: Sequence[str]
    ) -> Sequence[LmsUser]:
        asked = list(dict.fromkeys(value for value in values if records.can_exist(by, value)))
        found: list[LmsUser] = []
        for start in range(0, len(asked), MAX_ITEMS):
            some = asked[start : start + MAX_ITEMS]
            fields = {"field": records.LOOK_UPS[by]} | {f"values[{place}]": value for place, value in enumerate(some)}
            answer = self._ask(GET_USERS_BY_FIELD, fields, shapes.USERS, len(some))
            found += _asked_for(self._users(answer), by, some)
        return found

    def find_by_email_any_case(self, email: str) -> Sequence[LmsUser]:
        if not records.can_exist("email", email):
            return []
        fields = {"criteria[0][key]": "email", "criteria[0][value]": email}
        answer = self._ask(GET_USERS, fields, shapes.FOUND_USERS)
        if answer.warnings:
            # A criterion that was dropped makes the search wider: these may be anybody.
            raise LmsUnavailable("lms_unexpected_answer", f"{GET_USERS}: warnings")
        found = self._users(answer.users)
        # The search knows wildcards, and "_" is common in addresses: others it lets in are not asked for.
        if not set("_%\\") & set(email):
            check_echo((user.email for user in found), [email])
        return [user for user in found if user.email.lower() == email.lower()]

    def create_users(self, users: Sequence[NewUser]) -> Sequence[Outcome[str]]:
        kind = Kind(
            fields=records.new_user_fields,
            problem=records.problem_of_user,
            send=self._create,
            key=lambda user: user.username,
        )
        return deliver(kind, users)

    def update_users(self, changes: Sequence[UserChange]) -> Sequence[Outcome[None]]:
        kind = Kind(
            fields=records.change_fields,
            problem=self._problem_of_change,
            send=self._update,
            key=lambda change: change.user_id,
        )
        return deliver(kind, changes)

    def enrol(self, enrolments: Sequence[LmsEnrolment]) -> Sequence[Outcome[None]]:
        # Sorted by user: batches that take the same users in different orders end in deadlocks (contract, section 9).
        kind = Kind(
            fields=records.enrolment_fields,
            problem=records.problem_of_enrolment,
            send=self._enrol,
            key=lambda enrolment: (enrolment.user_id, enrolment.course_id),
            order=lambda enrolment: (int(enrolment.user_id), int(enrolment.course_id)),
            rolls_back=True,
        )
        return deliver(kind, enrolments)

    def join(self, memberships: Sequence[Membership]) -> Sequence[Outcome[None]]:
        return joined(self._ask, memberships)

    def courses(self) -> Sequence[LmsCourse]:
        answer = self._ask(GET_COURSES, {"moodlewssettingraw": "1"}, shapes.COURSES)
        found = [record for record in answer if record.format != records.SITE_COURSE]
        categories = self._categories() if any(record.categoryid for record in found) else {}
        return [records.as_course(record, categories) for record in found]

    def fields(self, user_ids: Sequence[str]) -> SeenFields:
        return seen_fields(self._ask, [user_id for user_id in user_ids if is_id(user_id)])

    def course_progress(self, user_ids: Sequence[str]) -> Sequence[Outcome[Progress]]:
        return one_by_one(user_ids, self._progress)

    def completions(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Completion | None]]:
        statuses = one_by_one(pairs, self._status)
        done = [pair for pair, status in zip(pairs, statuses, strict=True) if _is_completed(status)]
        grades = dict(zip(done, self._grades(done), strict=True))
        return [_completion(status, grades.get(pair)) for pair, status in zip(pairs, statuses, strict=True)]

    def report_page(self, report_id: str, page: int) -> ReportPage:
        return report_page(self._report(report_id, page), page)

    def report_spans(self, report_id: str, page: int) -> SpanPage | None:
        return report_spans(self._report(report_id, page), page)

    def participants(self, course_id: str, page: int, *, active: bool) -> ParticipantPage:
        _check_ids(course_id)
        options = {
            "onlyactive" if active else "onlysuspended": "1",
            "userfields": "id,idnumber,roles",  # naming them makes the call ten times cheaper (contract, section 4.3)
            "sortby": "id",
            "limitfrom": str(page * PAGE_SIZE),
            "limitnumber": str(PAGE_SIZE),
        }
        fields = numbered("options", ({"name": name, "value": value} for name, value in options.items()))
        try:
            found = self._ask(GET_PARTICIPANTS, {"courseid": course_id} | fields, shapes.PARTICIPANTS, PAGE_SIZE)
        except HoldIntegration as refusal:
            if refusal.code not in NOT_THIS_CALL:
                raise
            raise NeedsAttention("participants_unreadable", refusal.detail) from None
        people = [Participant(str(r.id), r.idnumber, frozenset(str(role.roleid) for role in r.roles)) for r in found]
        return ParticipantPage(people, len(found) < PAGE_SIZE)

    def _report(self, report_id: str, page: int) -> ReportData:
        if not is_id(report_id):
            raise NeedsAttention("report_unknown", "a report's id is a number")
        fields = {"reportid": report_id, "page": str(page), "perpage": str(PAGE_SIZE)}
        return self._ask(GET_REPORT, REPORT_SETTINGS | fields, shapes.REPORT, PAGE_SIZE).data

    def _categories(self) -> dict[int, CategoryRecord]:
        """By id; none where the token may not read them, which costs courses their category and nothing else."""
        try:
            answer = self._ask(GET_CATEGORIES, {"moodlewssettingraw": "1"}, shapes.CATEGORIES)
        except HoldIntegration as refusal:
            # The same token was welcome a moment ago, so this is about the one function.
            if refusal.code not in NOT_THIS_CALL:
                raise
            return {}
        return {record.id: record for record in answer}

    def _users(self, answer: Sequence[UserRecord]) -> list[LmsUser]:
        if answer and not self._own_id:
            self.site()
        return [records.as_user(record, self._own_id) for record in answer]

    def _create(self, users: Sequence[NewUser]) -> list[Outcome[str]]:
        fields = numbered("users", map(records.new_user_fields, users))
        created = self._ask(CREATE_USERS, fields, shapes.CREATED, len(users))
        return [_created(user, created) for user in users]

    def _update(self, changes: Sequence[UserChange]) -> list[Outcome[None]]:
        fields = numbered("users", map(records.change_fields, changes))
        warnings = self._ask(UPDATE_USERS, fields, shapes.UPDATED, len(changes)).warnings
        warned = {str(warning.itemid): warning for warning in warnings}
        if not warned.keys() <= {change.user_id for change in changes}:
            raise UnknownOutcome("lms_unexpected_answer", f"{UPDATE_USERS}: a warning about somebody else")
        return [_updated(warned.get(change.user_id)) for change in changes]

    def _problem_of_change(self, change: UserChange) -> NeedsAttention | None:
        # An administrator's token can suspend its own account, and then nothing works any more (section 3.2).
        if change.user_id == self._own_id:
            return NeedsAttention("user_protected", "the token's own account")
        return records.problem_of_change(change)

    def _enrol(self, enrolments: Sequence[LmsEnrolment]) -> list[Outcome[None]]:
        fields = numbered("enrolments", map(records.enrolment_fields, enrolments))
        self._ask(ENROL_USERS, fields, shapes.NOTHING, len(enrolments))
        return [Done(None) for _ in enrolments]

    def _progress(self, user_id: str) -> Progress:
        _check_ids(user_id)
        fields = {"userid": user_id, "returnusercount": "0"}
        courses = self._ask(GET_COURSES_OF_USER, fields, shapes.COURSES_OF_USER)
        return _progress(courses)

    def _status(self, pair: Pair) -> CompletionStatus:
        _check_ids(pair.user_id, pair.course_id)
        fields = {"courseid": pair.course_id, "userid": pair.user_id}
        return self._ask(GET_COMPLETION, fields, shapes.COMPLETION).completionstatus

    def _grades(self, pairs: Sequence[Pair]) -> list[Outcome[Decimal | None]]:
        known: dict[Pair, Decimal | None] = {}
        for course_id, count in Counter(pair.course_id for pair in pairs).items():
            known |= self._grades_of_course(course_id) if count > MANY_OF_A_COURSE else {}
        return one_by_one(pairs, lambda pair: known[pair] if pair in known else self._grade(pair))

    def _grades_of_course(self, course_id: str) -> Mapping[Pair, Decimal | None]:
        """The grades of a course's present learners; none when it fails, as for a course too large for one answer."""
        try:
            return self._grade_items(course_id, "0")
        except ProvisioningError:
            return {}

    def _grade(self, pair: Pair) -> Decimal | None:
        grades = self._grade_items(pair.course_id, pair.user_id)
        if grades and pair not in grades:
            raise HoldIntegration("wrong_answers", f"{GET_GRADES}: an answer about somebody else")
        return grades.get(pair)

    def _grade_items(self, course_id: str, user_id: str) -> dict[Pair, Decimal | None]:
        answer = self._ask(GET_GRADES, {"courseid": course_id, "userid": user_id}, shapes.GRADES)
        return {Pair(str(grades.userid), str(grades.courseid)): _total(grades) for grades in answer.usergrades}


def _asked_for(users: Sequence[LmsUser], by: str, values: Sequence[str]) -> list[LmsUser]:
    """The users that hold one of the values. Raises HoldIntegration (wrong_answers) when one holds none (D17)."""
    check_echo((getattr(user, by) for user in users), values)
    # Databases that compare by collation also find other spellings; the port promises the one given.
    return [user for user in users if getattr(user, by) in values]


def _check_ids(*ids: str) -> None:
    if not all(is_id(value) for value in ids):
        raise NeedsAttention("lms_id_invalid", "a Moodle id is a number")


def _created(user: NewUser, created: Sequence[CreatedUser]) -> Outcome[str]:
    ids = [entry.id for entry in created if entry.username == user.username]
    if len(ids) != 1 or sum(entry.id == ids[0] for entry in created) != 1:
        # Fields beyond PHP's limit are dropped without a sign, and the users in them (contract, section 1.4).
        return Failed(UnknownOutcome("lms_unexpected_answer", f"{CREATE_USERS}: a user is missing in the answer"))
    return Done(str(ids[0]))


def _updated(warning: Warned | None) -> Outcome[None]:
    return Done(None) if warning is None else Failed(failure_of(UPDATE_USERS, warning.warningcode))


def _progress(courses: Sequence[CourseOfUser]) -> Progress:
    def ids(chosen: Iterable[CourseOfUser]) -> frozenset[str]:
        return frozenset(str(course.id) for course in chosen)

    never = [course for course in courses if not course.enablecompletion or course.completionhascriteria is False]
    open_ones = [course for course in courses if course.completed is False and course not in never]
    return Progress(
        shown=ids(courses),
        completed=ids(course for course in courses if course.completed),
        # Versions from 4.5 on also tell more than 100 (contract, section 14.4).
        finished=ids(course for course in open_ones if course.progress is not None and course.progress >= FULL),
        without_criteria=ids(never),
    )


def _is_completed(status: Outcome[CompletionStatus]) -> bool:
    return isinstance(status, Done) and status.value.completed


def _completion(status: Outcome[CompletionStatus], grade: Outcome[Decimal | None] | None) -> Outcome[Completion | None]:
    if isinstance(status, Failed):
        return status
    if grade is None:
        return Done(None)
    if isinstance(grade, Failed):
        return grade
    return Done(Completion(_completed_at(status.value), grade.value, _evidence(status.value)))


def _completed_at(status: CompletionStatus) -> datetime | None:
    """The latest date of a fulfilled criterion; Moodle stores the same as the course's (section 8.1)."""
    times = [criterion.timecompleted for criterion in status.completions if criterion.complete]
    latest = max((seconds for seconds in times if seconds), default=None)
    return None if latest is None else datetime.fromtimestamp(latest, UTC)


def _evidence(status: CompletionStatus) -> dict[str, Any]:
    criteria = [
        {"type": criterion.type, "complete": criterion.complete, "timecompleted": criterion.timecompleted}
        for criterion in status.completions
    ]
    return {"source": "completion_status", "criteria": criteria}


def _total(grades: UserGrades) -> Decimal | None:
    total = next((item.graderaw for item in grades.gradeitems if item.itemtype == "course"), None)
    return None if total is None else Decimal(total)
