"""
TalentLMS behind the port, in actions of its API v1.

It has no bulk calls: every item is a call of its own, a few of which are under way at a time. It has no idempotency
keys either, so what says "already" is a success (contract, section 8).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime, tzinfo
from functools import partial
from typing import Literal, TypeVar

import httpx
from pydantic import TypeAdapter

from domain.addresses import email_key
from domain.errors import NeedsAttention, ProvisioningError, UnknownOutcome
from domain.lms import (
    Allowance,
    Completion,
    Failed,
    LmsCourse,
    LmsEnrolment,
    LmsUser,
    Mark,
    Membership,
    NewUser,
    Outcome,
    Pair,
    ParticipantPage,
    Progress,
    Regraded,
    ReportPage,
    Roster,
    SeenFields,
    Site,
    SpanPage,
    Standing,
    UserChange,
)
from lms import talentlms_answers as shapes
from lms import talentlms_records as records
from lms import talentlms_results as results
from lms.batches import one_by_one
from lms.calls import OnCall
from lms.talentlms_answers import (
    Category,
    CourseOfUser,
    CourseRecord,
    GroupRecord,
    SiteInfo,
    StatusInCourse,
    UserRecord,
)
from lms.talentlms_calls import Arguments, TalentCalls, is_lost_in_paths
from lms.talentlms_fields import Days, Fields, Remembered
from lms.texts import check_echo, is_id, is_sendable, problem_of_ids
from runtime.secrets import Secret

Item = TypeVar("Item")
Result = TypeVar("Result")
Found = TypeVar("Found")
Row = TypeVar("Row", CourseRecord, Category, GroupRecord)

AT_ONCE = 4
PAGE_SIZE = 1000


class TalentGateway:
    """
    Implements `domain.lms.UnitGateway` for one portal; may be used by several threads.

    Args:
        budget: Called before every call that the portal counts; may raise LmsThrottled, and then nothing is sent.
        zone: The portal's time zone, which it does not tell.
        key_field: The custom field that holds our external key, as custom_field_3. Without one nobody is found by it.
        at_once: How many calls of a batch are under way at a time, whoever asks.
    """

    def __init__(
        self,
        client: httpx.Client,
        base_url: str,
        key: Secret,
        *,
        on_call: OnCall | None = None,
        budget: Callable[[], None] = lambda: None,
        zone: tzinfo,
        key_field: str = "",
        at_once: int = AT_ONCE,
    ) -> None:
        self._url = base_url
        self._calls = TalentCalls(client, base_url, key, on_call, budget)
        self._zone = zone
        self._key_field = key_field
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="talentlms")
        self._days = Remembered(lambda: Days(self._site().date_format, self._zone))
        self._user_fields = Remembered(partial(self._fields, "getcustomregistrationfields"))

    # The portal

    def site(self) -> Site:
        return Site(self._url, self._site().domain_map, "", "", frozenset())

    def allowance(self) -> Allowance:
        timed = self._calls.timed("ratelimit", shapes.RATE)
        told = _done(timed[0])
        return Allowance(told.limit, told.remaining, told.reset, told_at=timed[1])

    # People

    def find_users(
        self, by: Literal["user_id", "external_key", "email", "username"], values: Sequence[str]
    ) -> Sequence[LmsUser]:
        asked = [value for value in dict.fromkeys(values) if _can_exist(by, value)]
        if by != "external_key":
            found = self._all(asked, partial(self._find, by))
        elif self._key_field:
            ids = dict.fromkeys(user_id for some in self._all(asked, self._holders) for user_id in some)
            found = self._all(list(ids), partial(self._find, "user_id"))
        else:
            return []
        # Two spellings of an address may bring one user, and one spelling somebody with the other.
        return [user for user in dict.fromkeys(found) if user is not None and getattr(user, by) in asked]

    def find_by_email_any_case(self, email: str) -> Sequence[LmsUser]:
        for spelling in dict.fromkeys((email, email.lower())):
            user = self._find("email", spelling) if _can_exist("email", spelling) else None
            if user is not None and user.email.lower() == email.lower():
                return [user]
        return []

    def create_users(self, users: Sequence[NewUser]) -> Sequence[Outcome[str]]:
        return self._each(users, self._create, key=lambda new: email_key(new.email))

    def update_users(self, changes: Sequence[UserChange]) -> Sequence[Outcome[None]]:
        return self._each(changes, self._update, key=lambda change: change.user_id)

    # Courses and groups

    def enrol(self, enrolments: Sequence[LmsEnrolment]) -> Sequence[Outcome[None]]:
        return self._each(enrolments, self._enrol, key=lambda enrolment: enrolment.user_id)

    def join(self, memberships: Sequence[Membership]) -> Sequence[Outcome[None]]:
        return self._each(memberships, self._join, key=lambda membership: membership.user_id)

    def courses(self) -> Sequence[LmsCourse]:
        found = self._pages("courses", shapes.COURSES)
        categories = self._pages("categories", shapes.CATEGORIES) if any(c.category_id for c in found) else []
        names = {category.id: category.name for category in categories}
        fields = self._fields("getcustomcoursefields") if any(course.custom for course in found) else None
        return [records.as_course(course, fields, names) for course in found]

    def fields(self, user_ids: Sequence[str]) -> SeenFields:  # noqa: ARG002 - the portal lists them, whoever has one
        self._user_fields.forget()
        own = [field for field in self._user_fields().described("user") if field.shortname != self._key_field]
        return SeenFields([*own, *self._fields("getcustomcoursefields").described("course")], [])

    # Results

    def course_progress(self, user_ids: Sequence[str]) -> Sequence[Outcome[Progress]]:
        return self._each(user_ids, lambda user_id: results.as_progress(self._courses_of(user_id)))

    def completions(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Completion | None]]:
        return self._each(pairs, self._completion)

    def report_page(self, report_id: str, page: int) -> ReportPage:
        raise NeedsAttention("report_unknown", f"TalentLMS has no report {report_id} with a page {page}")

    def report_spans(self, report_id: str, page: int) -> SpanPage | None:
        raise NeedsAttention("report_unknown", f"TalentLMS has no report {report_id} with a page {page}")

    def participants(self, course_id: str, page: int, *, active: bool) -> ParticipantPage:
        if page or not active:  # one answer holds everybody, and no enrolment can be suspended
            return ParticipantPage((), last=True)
        return results.as_participants(self._course(course_id))

    def roster(self, course_id: str) -> Roster:
        return results.as_roster(self._course(course_id))

    def marks(self, user_id: str) -> dict[str, Mark]:
        return {course.id: results.as_mark(course) for course in self._courses_of(user_id)}

    def standings(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Standing | None]]:
        return self._each(pairs, self._standing)

    def regraded(self, since: datetime | None) -> Regraded:
        kinds = results.GRADINGS
        news = self._all(kinds, lambda kind: self._told("gettimeline", shapes.TIMELINE, {"event_type": kind}))
        return results.as_regraded(dict(zip(kinds, news, strict=True)), since)

    # One item each

    def _course(self, course_id: str) -> shapes.CourseWithMembers:
        _check(problem_of_ids({"course_id": course_id}))
        course = self._told("courses", shapes.COURSE, {"id": course_id})
        check_echo([course.id], [course_id])
        return course

    def _find(self, by: str, value: str) -> LmsUser | None:
        try:
            record = self._record(by, value)
        except NeedsAttention as failure:
            if failure.code != "user_soft_deleted":
                raise
            return records.removed_user(by, value)
        if record is None:
            return None
        user = self._as_user(record)
        check_echo([getattr(user, by)], [value])
        return user

    def _record(self, by: str, value: str) -> UserRecord | None:
        """An address that a path does not find is asked for again, before anybody is made for it (section 8.4)."""
        asked = {records.LOOK_UPS[by]: value}
        found = self._calls.get("users", shapes.USER, asked)
        if found is None and by == "email" and not is_lost_in_paths(value):
            found = self._calls.get("users", shapes.USER, asked, by_query=True)
        return found

    def _as_user(self, record: UserRecord) -> LmsUser:
        return records.as_user(record, self._user_fields() if record.custom else None, self._key_field)

    def _holders(self, key: str) -> list[str]:
        """Who has this value in any custom field."""
        found = self._calls.get("getusersbycustomfield", shapes.FOUND, {"custom_field_value": key})
        return [user.id for user in found.values()] if found else []

    def _create(self, new: NewUser) -> str:
        _check(records.problem_of_user(new))
        form = records.signup_fields(new, self._user_fields(), self._key_field)
        missing = self._user_fields().missing(form.keys())
        if missing:
            raise NeedsAttention("mandatory_field_missing", ", ".join(missing))
        made = self._signed_up(form)
        if made.status.lower() != records.ACTIVE:
            self._activate(made.id)
        return made.id

    def _signed_up(self, form: Arguments) -> UserRecord:
        try:
            made = _done(self._calls.post("usersignup", shapes.USER, form))
        except NeedsAttention:
            # It may have been refused for a field that has become mandatory.
            self._user_fields.forget()
            raise
        _check_answer("usersignup", made.email.lower(), form["email"].lower())
        return made

    def _activate(self, user_id: str) -> None:
        """Where that fails, the user is there all the same, and not as it should be: to be looked up."""
        problem: ProvisioningError | None = None
        try:
            self._set_status(user_id, records.ACTIVE)
        except ProvisioningError as failure:
            problem = UnknownOutcome(failure.code, failure.detail)
        if problem is not None:
            raise problem

    def _update(self, change: UserChange) -> None:
        _check(records.problem_of_change(change))
        form = records.edit_fields(change, self._user_fields, self._key_field)
        suspended = change.fields.get("suspended")
        if not form and suspended is None:
            return
        self._check_touchable(change.user_id)
        # Whoever leaves is shut out first, whatever becomes of the rest; whoever comes back is complete first.
        if suspended is True:
            self._set_status(change.user_id, records.INACTIVE)
        if form:
            edited = _done(self._calls.post("edituser", shapes.USER, {"user_id": change.user_id, **form}))
            _check_answer("edituser", edited.id, change.user_id)
        if suspended is False:
            self._set_status(change.user_id, records.ACTIVE)

    def _check_touchable(self, user_id: str) -> None:
        """Whoever has become an administrator since being linked is not touched (S15); the portal would not mind."""
        user = _done(self._find("user_id", user_id))
        if user.removed:
            raise NeedsAttention("user_soft_deleted", "the user was deleted and may be restored")
        if user.protected:
            raise NeedsAttention("user_protected", "the type of the user is an administrator's")

    def _set_status(self, user_id: str, status: str) -> None:
        asked = {"user_id": user_id, "status": status}
        told = self._told("usersetstatus", shapes.STATUS_SET, asked)
        _check_answer("usersetstatus", f"{told.user_id} {told.status.lower()}", f"{user_id} {status}")

    def _enrol(self, enrolment: LmsEnrolment) -> None:
        pair = {"user_id": enrolment.user_id, "course_id": enrolment.course_id}
        _check(problem_of_ids(pair))
        if enrolment.role not in records.ROLES:
            raise NeedsAttention("role_not_assignable", f"TalentLMS has the roles {' and '.join(records.ROLES)}")
        if enrolment.suspended:
            told = self._calls.get("removeuserfromcourse", shapes.OF_COURSE, pair)
        else:
            told = self._calls.post("addusertocourse", shapes.ENROLLED, {**pair, "role": enrolment.role})
        if told is not None:
            _check_answer("enrolment", told.user_id, enrolment.user_id)

    def _join(self, membership: Membership) -> None:
        _check(problem_of_ids({"user_id": membership.user_id}))
        if not membership.group_key.strip() or not is_sendable(membership.group_key):
            raise NeedsAttention("group_unknown", "no group has an empty key")
        asked = {"user_id": membership.user_id, "group_key": membership.group_key}
        told = self._calls.get("addusertogroup", shapes.OF_COURSE, asked)
        if told is not None:
            _check_answer("addusertogroup", told.user_id, membership.user_id)

    def _courses_of(self, user_id: str) -> Sequence[CourseOfUser]:
        _check(problem_of_ids({"user_id": user_id}))
        user = self._told("users", shapes.USER_COURSES, {"id": user_id})
        check_echo([user.id], [user_id])
        return user.courses

    def _in_course(self, pair: Pair) -> StatusInCourse | None:
        """None when the user is not in the course."""
        asked = {"course_id": pair.course_id, "user_id": pair.user_id}
        _check(problem_of_ids(asked))
        return self._calls.get("getuserstatusincourse", shapes.STANDING, asked)

    def _standing(self, pair: Pair) -> Standing | None:
        told = self._in_course(pair)
        return None if told is None else results.as_standing(told)

    def _completion(self, pair: Pair) -> Completion | None:
        told = self._in_course(pair)
        if told is None:
            raise NeedsAttention("not_actively_enrolled", "the user is not in the course")
        return results.as_completion(told)

    # How calls are made

    def _site(self) -> SiteInfo:
        return self._told("siteinfo", shapes.SITE)

    def _fields(self, action: str) -> Fields:
        told = self._told(action, shapes.FIELDS)
        return Fields(told, self._days)

    def _pages(self, action: str, shape: TypeAdapter[list[Row]]) -> list[Row]:
        """A whole list. Where the portal ignores pages, the second one brings nothing new (section 8.24)."""
        rows: dict[str, Row] = {}
        number = 1
        while True:
            page = self._told(action, shape, {"page_size": str(PAGE_SIZE), "page_number": str(number)})
            before = len(rows)
            rows |= {row.id: row for row in page}
            if len(page) < PAGE_SIZE or len(rows) == before:
                return list(rows.values())
            number += 1

    def _told(self, action: str, shape: TypeAdapter[Found], arguments: Arguments | None = None) -> Found:
        return _done(self._calls.get(action, shape, arguments))

    def _each(
        self, items: Sequence[Item], act: Callable[[Item], Result], key: Callable[[Item], str] | None = None
    ) -> list[Outcome[Result]]:
        return one_by_one(items, act, key=key, spread=self._spread)

    def _spread(self, run: Callable[[Item], Result], items: Collection[Item]) -> Iterable[Result]:
        """The pool's map; each call is still made for what its caller makes it for."""
        contexts = [copy_context() for _ in items]
        return self._pool.map(lambda context, item: context.run(run, item), contexts, items)

    def _all(self, items: Sequence[Item], ask: Callable[[Item], Result]) -> list[Result]:
        """What every item brought. Raises the first failure."""
        found = []
        for outcome in self._each(items, ask):
            if isinstance(outcome, Failed):
                raise outcome.failure
            found.append(outcome.value)
        return found


def _can_exist(by: str, value: str) -> bool:
    """Whether somebody may hold the value; what is no id costs no call (R140)."""
    return is_id(value) if by == "user_id" else bool(value.strip()) and is_sendable(value)


def _done(answer: Found | None) -> Found:
    """The answer of an action that says "nothing" only where its user is unknown."""
    if answer is None:
        raise NeedsAttention("user_gone", "the requested user does not exist")
    return answer


def _check(problem: NeedsAttention | None) -> None:
    if problem is not None:
        raise problem


def _check_answer(action: str, answered: str, asked: str) -> None:
    """What was done was done to somebody else, or is told wrongly: nobody knows until somebody has looked."""
    if answered != asked:
        raise UnknownOutcome("lms_unexpected_answer", f"{action}: an answer about somebody else")
