"""
An LMS in memory, for tests of everything above the port.

It behaves as the port promises and the conformance suite holds it to that. Trouble is scripted:

    lms.fail("create_users", UnknownOutcome("lms_no_answer"), effect="now")        # done, but nobody hears of it
    lms.fail("enrol", NeedsAttention("course_unknown"), only=lambda e: e.course_id == "9")
    lms.fail("find_users", HoldIntegration("token_refused"), times=3)
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from domain.errors import (
    HoldIntegration,
    LmsThrottled,
    LmsUnavailable,
    NeedsAttention,
    ProvisioningError,
    UnknownOutcome,
)
from domain.lms import (
    CUSTOM,
    Completion,
    Done,
    Failed,
    LmsCourse,
    LmsEnrolment,
    LmsField,
    LmsUser,
    Membership,
    NewUser,
    Outcome,
    Pair,
    Participant,
    ParticipantPage,
    Progress,
    ReportedSpan,
    ReportPage,
    ReportRow,
    SeenFields,
    Site,
    SpanPage,
    UserChange,
)

I = TypeVar("I")  # noqa: E741
R = TypeVar("R")
Effect = Literal["none", "now", "later"]
PAGE = 1000


@dataclass
class _Rule:
    method: str
    failure: ProvisioningError
    effect: Effect
    only: Callable[[Any], bool]
    times: int


class FakeLms:
    """
    Implements `domain.lms.LmsGateway`.

    Report "1" tells all completions; `reports` may hold others. `calls` lists (method, number of items) as they came.
    `profile` holds the users' fields; as Moodle does, it ignores others and stores nothing for an unknown option.
    `groups` holds the members of each group, by course id and key.
    `effects` lists what was done: ("create", username), ("update", user id), ("enrol", user id, course id),
    ("join", user id, course id, group key).
    """

    # How a taken user name and a taken address are refused, and whether a checkbox that nobody has set is told.
    taken = ("lms_rejected", "lms_rejected")
    shows_checkboxes = True

    def __init__(
        self,
        users: Iterable[LmsUser] = (),
        courses: Iterable[LmsCourse] = (),
        profile: Iterable[LmsField] = (),
    ) -> None:
        self.profile = {field.shortname: field for field in profile}
        self.users = {user.user_id: user for user in users}
        self.all_courses = list(courses)
        self.enrolments: dict[Pair, LmsEnrolment] = {}
        self.groups: dict[tuple[str, str], set[str]] = {}
        self.completed: dict[Pair, Completion] = {}
        self.finished: set[Pair] = set()
        self.reports: dict[str, list[ReportRow]] = {}
        self.passwords: dict[str, str | None] = {}
        self.calls: list[tuple[str, int]] = []
        self.effects: list[tuple[str, ...]] = []
        self._rules: list[_Rule] = []
        self._late: list[Callable[[], object]] = []

    def fail(
        self,
        method: str,
        failure: ProvisioningError,
        *,
        effect: Effect = "none",
        only: Callable[[Any], bool] = lambda _item: True,
        times: int = 1,
    ) -> None:
        """
        The next `times` calls of `method` that hold an item `only` accepts fail for those items.

        Reads fail as a whole. `effect` says whether the work is done all the same, at once or when `appear` is called.
        """
        self._rules.append(_Rule(method, failure, effect, only, times))

    def appear(self) -> None:
        """What was done "later" becomes visible (D7)."""
        late, self._late = self._late, []
        for effect in late:
            effect()

    def complete(self, user_id: str, course_id: str, completion: Completion) -> None:
        """The user, enrolled if need be, has completed the course."""
        pair = Pair(user_id, course_id)
        self.enrolments.setdefault(pair, LmsEnrolment(user_id, course_id, "5", None, None, suspended=False))
        self.completed[pair] = completion

    def site(self) -> Site:
        self._read("site", [None])
        return Site("https://fake.example.org", "Fake", "1", "2", frozenset())

    def find_users(
        self, by: Literal["user_id", "external_key", "email", "username"], values: Sequence[str]
    ) -> Sequence[LmsUser]:
        self._read("find_users", values)
        return [user for user in self.users.values() if getattr(user, by) in values and getattr(user, by)]

    def find_by_email_any_case(self, email: str) -> Sequence[LmsUser]:
        self._read("find_by_email_any_case", [email])
        return [user for user in self.users.values() if user.email.lower() == email.lower()]

    def create_users(self, users: Sequence[NewUser]) -> Sequence[Outcome[str]]:
        return self._write("create_users", users, self._create)

    def update_users(self, changes: Sequence[UserChange]) -> Sequence[Outcome[None]]:
        return self._write("update_users", changes, self._update)

    def enrol(self, enrolments: Sequence[LmsEnrolment]) -> Sequence[Outcome[None]]:
        return self._write("enrol", enrolments, self._enrol)

    def join(self, memberships: Sequence[Membership]) -> Sequence[Outcome[None]]:
        return self._write("join", memberships, self._join)

    def courses(self) -> Sequence[LmsCourse]:
        self._read("courses", [None])
        return list(self.all_courses)

    def fields(self, user_ids: Sequence[str]) -> SeenFields:
        self._read("fields", user_ids)
        held = {name for user_id in user_ids if user_id in self.users for name in self.users[user_id].custom}
        seen = [replace(field, options=None) for name, field in self.profile.items() if name in held]
        return SeenFields(seen, ["only fields that users have"])

    def course_progress(self, user_ids: Sequence[str]) -> Sequence[Outcome[Progress]]:
        return self._write("course_progress", user_ids, self._progress)

    def completions(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Completion | None]]:
        return self._write("completions", pairs, self._completion)

    def report_page(self, report_id: str, page: int) -> ReportPage:
        self._read("report_page", [report_id])
        if report_id not in {"1", *self.reports}:
            raise NeedsAttention("report_unknown")
        rows = self.reports.get(report_id) or self._completed_rows()
        shown = rows[page * PAGE : (page + 1) * PAGE]
        return ReportPage(shown, len(shown), (page + 1) * PAGE >= len(rows))

    def report_spans(self, report_id: str, page: int) -> SpanPage | None:
        self._read("report_spans", [report_id])
        if report_id != "1":
            raise NeedsAttention("report_unknown")
        codes = {course.course_id: course.code for course in self.all_courses}
        spans = [
            ReportedSpan(
                self.users[pair.user_id].external_key, codes[pair.course_id], _minute(e.starts_at), _minute(e.ends_at)
            )
            for pair, e in self.enrolments.items()
        ]
        shown = [span for span in spans if span.external_key][page * PAGE : (page + 1) * PAGE]
        return SpanPage(shown, (page + 1) * PAGE >= len(spans))

    def participants(self, course_id: str, page: int, *, active: bool) -> ParticipantPage:
        self._read("participants", [course_id])
        if course_id not in {course.course_id for course in self.all_courses}:
            raise NeedsAttention("course_unknown")
        found = [
            Participant(pair.user_id, self.users[pair.user_id].external_key, frozenset({enrolment.role}))
            for pair, enrolment in self.enrolments.items()
            if pair.course_id == course_id and _is_current(enrolment) == active
        ]
        return ParticipantPage(found[page * PAGE : (page + 1) * PAGE], (page + 1) * PAGE >= len(found))

    def _create(self, new: NewUser) -> str:
        taken = {user.username for user in self.users.values()}, {user.email.lower() for user in self.users.values()}
        if not all(re.fullmatch("[A-Za-z0-9_-]+", name) for name in new.custom):
            raise NeedsAttention("text_invalid")
        for code, is_taken in zip(self.taken, (new.username in taken[0], new.email.lower() in taken[1]), strict=True):
            if is_taken:
                raise NeedsAttention(code)
        user_id = str(max((int(user_id) for user_id in self.users), default=100) + 1)
        made = LmsUser(user_id, new.username, new.email, new.external_key, new.first_name, new.last_name)
        self.users[user_id] = replace(made, custom=self._custom({}, new.custom))
        self.passwords[user_id] = new.password
        self.effects.append(("create", new.username))
        return user_id

    def _update(self, change: UserChange) -> None:
        user = self._user(change.user_id)
        if user.protected:
            raise NeedsAttention("user_protected")
        sent = {name.removeprefix(CUSTOM): v for name, v in change.fields.items() if name.startswith(CUSTOM)}
        fields: dict[str, Any] = {name: v for name, v in change.fields.items() if not name.startswith(CUSTOM)}
        self.users[change.user_id] = replace(user, **fields, custom=self._custom(user.custom, sent))
        self.effects.append(("update", change.user_id))

    def _custom(self, held: Mapping[str, str], sent: Mapping[str, Any]) -> dict[str, str]:
        """What the profile shows afterwards: what is set, and every checkbox."""
        boxes = [name for name, field in self.profile.items() if field.kind == "checkbox"]
        values = (dict.fromkeys(boxes, "0") if self.shows_checkboxes else {}) | dict(held)
        for name, value in sent.items():
            field = self.profile.get(name)
            if field is not None:
                wrong = field.kind == "menu" and value not in (field.options or ())
                values[name] = "" if wrong else value
        return {name: value for name, value in values.items() if value}

    def _enrol(self, enrolment: LmsEnrolment) -> None:
        self._user(enrolment.user_id)
        if self.all_courses and enrolment.course_id not in {course.course_id for course in self.all_courses}:
            raise NeedsAttention("course_unknown")
        self.enrolments[Pair(enrolment.user_id, enrolment.course_id)] = enrolment
        self.effects.append(("enrol", enrolment.user_id, enrolment.course_id))

    def _join(self, membership: Membership) -> None:
        if Pair(membership.user_id, membership.course_id) in self.enrolments:
            self._enter(membership)
            return
        self._user(membership.user_id)
        raise NeedsAttention("not_in_course")

    def _enter(self, membership: Membership) -> None:
        self._user(membership.user_id)
        members = self.groups.get((membership.course_id, membership.group_key))
        if members is None:
            raise NeedsAttention("group_unknown")
        if membership.user_id not in members:
            members.add(membership.user_id)
            self.effects.append(("join", membership.user_id, membership.course_id, membership.group_key))

    def _completed_rows(self) -> list[ReportRow]:
        codes = {course.course_id: course.code for course in self.all_courses}
        rows = [(self.users[pair.user_id].external_key, codes[pair.course_id], c) for pair, c in self.completed.items()]
        return [ReportRow(key, code, completion) for key, code, completion in rows if key]

    def _progress(self, user_id: str) -> Progress:
        untracked = {course.course_id for course in self.all_courses if not course.tracks_completion}
        active = {pair for pair in self.enrolments if pair.user_id == user_id and self._active(pair)}
        shown = frozenset(pair.course_id for pair in active)
        completed = frozenset(pair.course_id for pair in active & self.completed.keys())
        finished = frozenset(pair.course_id for pair in active & self.finished) - completed
        return Progress(shown, completed, finished, shown & untracked)

    def _completion(self, pair: Pair) -> Completion | None:
        if not self._active(pair):
            raise NeedsAttention("not_actively_enrolled")
        return self.completed.get(pair)

    def _active(self, pair: Pair) -> bool:
        return pair in self.enrolments and not self.enrolments[pair].suspended

    def _user(self, user_id: str) -> LmsUser:
        if user_id not in self.users:
            raise NeedsAttention("user_gone")
        if self.users[user_id].removed:
            raise NeedsAttention("user_soft_deleted")
        return self.users[user_id]

    def _read(self, method: str, items: Sequence[Any]) -> None:
        self.calls.append((method, len(items)))
        rule = self._rule(method, items)
        if rule is not None:
            raise rule.failure

    def _write(self, method: str, items: Sequence[I], act: Callable[[I], R]) -> list[Outcome[R]]:
        self.calls.append((method, len(items)))
        rule = self._rule(method, items)
        return list(self._outcomes(items, act, rule))

    def _outcomes(self, items: Sequence[I], act: Callable[[I], R], rule: _Rule | None) -> Iterator[Outcome[R]]:
        after: ProvisioningError | None = None
        for item in items:
            if rule is not None and rule.only(item):
                self._take_effect(rule.effect, act, item)
                after = after or _what_follows(rule.failure)
                yield Failed(rule.failure)
            elif after is not None:
                yield Failed(after)
            else:
                yield self._outcome(act, item)

    def _outcome(self, act: Callable[[I], R], item: I) -> Outcome[R]:
        try:
            return Done(act(item))
        except ProvisioningError as failure:
            return Failed(failure)

    def _take_effect(self, effect: Effect, act: Callable[[I], R], item: I) -> None:
        if effect == "now":
            act(item)
        elif effect == "later":
            self._late.append(lambda: act(item))

    def _rule(self, method: str, items: Sequence[Any]) -> _Rule | None:
        for rule in self._rules:
            if rule.method == method and rule.times > 0 and any(rule.only(item) for item in items):
                rule.times -= 1
                return rule
        return None


def _minute(instant: datetime | None) -> datetime | None:
    return instant and instant.replace(second=0, microsecond=0)


def _is_current(enrolment: LmsEnrolment) -> bool:
    now = datetime.now(UTC)
    begun = enrolment.starts_at is None or enrolment.starts_at <= now
    return begun and (enrolment.ends_at is None or enrolment.ends_at > now) and not enrolment.suspended


def _what_follows(failure: ProvisioningError) -> ProvisioningError | None:
    """What the items after a failing one get; None when they are served."""
    if isinstance(failure, UnknownOutcome):
        return LmsUnavailable(failure.code, failure.detail)
    return failure if isinstance(failure, (HoldIntegration, LmsUnavailable, LmsThrottled)) else None
