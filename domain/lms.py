"""
The port to a learning management system: batch-first, one outcome per item.

Both LMSs, and the fake used in tests, are held to it by one conformance suite.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

from domain.errors import ProvisioningError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The LMS holds it; `value` is what it answered."""

    value: T


@dataclass(frozen=True, slots=True)
class Failed:
    """
    This item was not done, or is not known to be done.

    `failure` is an UnknownOutcome exactly when the effect may exist all the same; every other failure promises that
    nothing of this item took effect. A change, which may be sent again at any time, may have taken effect in part
    where the LMS needs several calls for it.
    """

    failure: ProvisioningError


Outcome = Done[T] | Failed


@dataclass(frozen=True, slots=True)
class LmsUser:
    """
    A user as the LMS holds it. Texts that are unset are empty; `protected` ones are never touched by us.

    Attributes:
        external_key: Always empty where the LMS has no place for it.
        confirmed: Always true where the LMS does not tell that from suspended.
        protected: As far as the LMS lets us see who administers it.
        removed: Deleted in a way that only the LMS's own staff can undo. Nothing is known but what it was found by, and
            nobody may be made in its place.
        custom: The profile fields by short name, those that are unset left out.
    """

    user_id: str
    username: str
    email: str
    external_key: str = ""
    first_name: str = ""
    last_name: str = ""
    suspended: bool = False
    confirmed: bool = True
    protected: bool = False
    removed: bool = False
    custom: dict[str, str] = field(default_factory=dict, hash=False)


CUSTOM = "custom."
UserFields = dict[str, str | bool]
"""external_key, email, first_name, last_name, suspended, and custom.<short name> for each profile field."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """
    A user to be made.

    Without a password the LMS makes one and mails it (R67). Where it cannot, a random one is set that nobody knows, and
    the person asks for a new one at the login. An LMS that can force no change of a password ignores that wish.
    """

    username: str
    email: str
    first_name: str
    last_name: str
    external_key: str
    language: str = ""
    password: str | None = field(default=None, repr=False)
    force_password_change: bool = True
    custom: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class UserChange:
    """Only the fields named change."""

    user_id: str
    fields: UserFields


@dataclass(frozen=True, slots=True)
class LmsEnrolment:
    """
    One user's complete enrolment in one course; what is empty means "without limit", never "leave as it is".

    `role` is the LMS's own name or id of the role. An LMS whose enrolments have no dates ignores them; one that cannot
    suspend an enrolment ends it instead, and one that cannot change a role keeps the one that the enrolment began with.
    """

    user_id: str
    course_id: str
    role: str
    starts_at: datetime | None
    ends_at: datetime | None
    suspended: bool


@dataclass(frozen=True, slots=True)
class Membership:
    """
    A user's place in one of a course's groups; the group is named by the key that HR knows it by (R130).

    Where groups span courses, joining one may also enrol in its other courses.
    """

    user_id: str
    course_id: str
    group_key: str


CustomValue = str | bool | datetime | None
"""A course's custom field: text and menu as text, checkbox as bool, date as an instant, unset as None."""


@dataclass(frozen=True, slots=True)
class LmsCourse:
    """
    A course as the LMS holds it.

    Attributes:
        code: What HR knows it by: Moodle's idnumber or else its short name, TalentLMS's code or else its id.
        visible: Learners see it; a course in a hidden category is not visible.
        category: The category's name; None where there is none, or the token may not read it.
        starts_at: None where the LMS holds none.
        custom: Custom fields by short name, as far as the LMS shows them.
    """

    course_id: str
    code: str
    short_name: str
    title: str
    visible: bool
    tracks_completion: bool | None
    category_id: str = ""
    category: str | None = None
    starts_at: datetime | None = None
    custom: dict[str, CustomValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LmsField:
    """A field that the LMS's administrators added to users or courses; `options` is None where they are not told."""

    area: Literal["user", "course"]
    shortname: str
    kind: str
    name: str
    options: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SeenFields:
    """The fields that could be seen, and in words why there may be others."""

    fields: Sequence[LmsField]
    gaps: Sequence[str]


@dataclass(frozen=True, slots=True)
class Site:
    """
    What a site says of itself.

    Attributes:
        url: The address saved, where the site does not tell its own.
        name: Empty where it tells none.
        release: Empty where it tells none.
        user_id: The user that the token belongs to; empty where it belongs to nobody.
        functions: Those the token may call, where it may not call all.
    """

    url: str
    name: str
    release: str
    user_id: str
    functions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pair:
    """A user and a course whose completion is asked for."""

    user_id: str
    course_id: str


@dataclass(frozen=True, slots=True)
class Progress:
    """
    One user's courses, by id.

    Attributes:
        shown: All that the LMS shows: those with an enrolment that is active now.
        completed: Those it calls complete.
        finished: Everything done, but not (yet) called complete.
        without_criteria: Those that can never be complete.
    """

    shown: frozenset[str]
    completed: frozenset[str]
    finished: frozenset[str]
    without_criteria: frozenset[str]


@dataclass(frozen=True, slots=True)
class Completion:
    """
    A completed course. `grade` is on the LMS's own scale, None where it gives none for a whole course; `evidence` says
    what was read, without personal data.
    """

    completed_at: datetime | None
    grade: Decimal | None
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """
    How far one member of a course has come, without its units: two equal marks mean that nothing moved.

    A re-grade may leave it as it is; see `UnitGateway.regraded`.
    """

    percentage: int
    enrolled_at: datetime | None
    completed_at: datetime | None
    expired_at: datetime | None
    seconds: int


@dataclass(frozen=True, slots=True)
class CourseUnit:
    """A unit of a course; headings are none. Its name begins with the unit's code (R148)."""

    unit_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody in one course, by user id, and the course's units."""

    course_id: str
    units: Sequence[CourseUnit]
    members: dict[str, Mark]


@dataclass(frozen=True, slots=True)
class UnitState:
    """One unit of one person. `status` is the LMS's own word; `score` is in per cent, None where there is none."""

    unit_id: str
    name: str
    status: str
    completed: bool
    completed_at: datetime | None
    score: Decimal | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One person in one course, unit by unit."""

    mark: Mark
    completed: bool
    units: Sequence[UnitState]


@dataclass(frozen=True, slots=True)
class Regraded:
    """
    Who was graded anew, and up to when that is known. `complete` is False when older news were cut off.

    In which course is not certain: all open courses of these people are to be read.
    """

    user_ids: frozenset[str]
    newest: datetime | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    What the LMS says of the calls that are left until `resets_at`.

    Attributes:
        told_at: The moment of the answer by the LMS's own clock, which may be wrong; None where it tells none.
    """

    limit: int
    remaining: int
    resets_at: datetime
    told_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One completed participation out of a report; keys as HR knows them."""

    external_key: str
    course_code: str
    completion: Completion


@dataclass(frozen=True, slots=True)
class ReportPage:
    """
    One page of a completion report.

    `rows` are the completed ones among `size` rows read; `last` tells that no page follows.
    """

    rows: Sequence[ReportRow]
    size: int
    last: bool


@dataclass(frozen=True, slots=True)
class Participant:
    """Somebody enrolled in a course, by whatever way; `roles` are the LMS's own role ids there."""

    user_id: str
    external_key: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class ParticipantPage:
    """One page of a course's participants; `last` tells that no page follows."""

    participants: Sequence[Participant]
    last: bool


@dataclass(frozen=True, slots=True)
class ReportedSpan:
    """The dates of one enrolment out of a report, to the minute; keys as HR knows them, None is "without limit"."""

    external_key: str
    course_code: str
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class SpanPage:
    """One page of a report's enrolments; `last` tells that no page follows."""

    spans: Sequence[ReportedSpan]
    last: bool


class LmsGateway(Protocol):
    """
    What Matricula needs from an LMS.

    Reads raise a ProvisioningError as a whole. Writes return one outcome per item, in the order given, and never
    raise one: what a call before the failing one achieved is not forgotten. A HoldIntegration in an outcome
    concerns the whole site: the caller stops.
    """

    def site(self) -> Site:
        """What the site says of itself; the cheapest proof that the token works."""

    def find_users(
        self, by: Literal["user_id", "external_key", "email", "username"], values: Sequence[str]
    ) -> Sequence[LmsUser]:
        """
        All users that hold one of the values; several may share one. E-mail matches the given spelling only.

        Removed users are among them where the LMS still tells of them.
        """

    def find_by_email_any_case(self, email: str) -> Sequence[LmsUser]:
        """The users with this address without regard to case; where the LMS minds it, as given and in lower case."""

    def create_users(self, users: Sequence[NewUser]) -> Sequence[Outcome[str]]:
        """Make the users; Done holds the new user id."""

    def update_users(self, changes: Sequence[UserChange]) -> Sequence[Outcome[None]]:
        """Apply the changes."""

    def enrol(self, enrolments: Sequence[LmsEnrolment]) -> Sequence[Outcome[None]]:
        """Make each enrolment exactly as given; repeating is harmless."""

    def join(self, memberships: Sequence[Membership]) -> Sequence[Outcome[None]]:
        """Make each user a member of the group; being one already is harmless. Unknown groups are `group_unknown`."""

    def courses(self) -> Sequence[LmsCourse]:
        """Every course of the site, hidden ones included."""

    def fields(self, user_ids: Sequence[str]) -> SeenFields:
        """The custom fields of these users, of courses, and of wherever else the LMS tells of them (R28, R29)."""

    def course_progress(self, user_ids: Sequence[str]) -> Sequence[Outcome[Progress]]:
        """How far each user is in the courses that the LMS shows for them (one call per user)."""

    def completions(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Completion | None]]:
        """Date and grade of each pair; None when it is not complete."""

    def report_page(self, report_id: str, page: int) -> ReportPage:
        """
        Page `page` (from 0) of a completion report that an administrator of the LMS made for us.

        An LMS without such reports knows none: NeedsAttention (report_unknown).
        """

    def report_spans(self, report_id: str, page: int) -> SpanPage | None:
        """
        The dates of all enrolments on a page of such a report; None when it does not tell them. One call.

        An LMS without such reports knows none: NeedsAttention (report_unknown).
        """

    def participants(self, course_id: str, page: int, *, active: bool) -> ParticipantPage:
        """
        Page `page` (from 0) of those whose enrolment in the course is active now, or of all others. One call.

        Raises NeedsAttention (participants_unreadable) when the token may not ask, and says nothing of dates. Portals
        tell nobody's external key here.
        """


@runtime_checkable
class UnitGateway(LmsGateway, Protocol):
    """An LMS whose results are read unit by unit, and which counts our calls; `isinstance` tells it from others."""

    def roster(self, course_id: str) -> Roster:
        """Everybody in the course; one call."""

    def marks(self, user_id: str) -> dict[str, Mark]:
        """How far one user is in each of their courses, by course id; one call."""

    def standings(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Standing | None]]:
        """Each pair unit by unit; None when the user is not in the course. One call per pair."""

    def regraded(self, since: datetime | None) -> Regraded:
        """Whose grades were given or changed after `since`, though their mark may be as it was."""

    def allowance(self) -> Allowance:
        """The calls that are left; asking is free of charge."""
