"""
The port to a learning management system: batch-first, one outcome per item.

Both LMSs, and the fake used in tests, are held to it by one conformance suite.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, Protocol, TypeVar

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

    `failure` is an UnknownOutcome exactly when the effect may exist all the same; every other failure
    promises that nothing of this item took effect.
    """

    failure: ProvisioningError


Outcome = Done[T] | Failed


@dataclass(frozen=True, slots=True)
class LmsUser:
    """
    A user as the LMS holds it. Texts that are unset are empty; `protected` ones are never touched by us.

    `custom` are the profile fields by short name, those that are unset left out.
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
    custom: dict[str, str] = field(default_factory=dict, hash=False)


CUSTOM = "custom."
UserFields = dict[str, str | bool]
"""external_key, email, first_name, last_name, suspended, and custom.<short name> for each profile field."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be made. Without a password the LMS makes one and mails it (R67)."""

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

    `role` is the LMS's own role id.
    """

    user_id: str
    course_id: str
    role: str
    starts_at: datetime | None
    ends_at: datetime | None
    suspended: bool


CustomValue = str | bool | datetime | None
"""A course's custom field: text and menu as text, checkbox as bool, date as an instant, unset as None."""


@dataclass(frozen=True, slots=True)
class LmsCourse:
    """
    A course as the LMS holds it. `code` is its idnumber, or its short name where that is empty.

    Attributes:
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
    """What a site says of itself. `functions` are those the token may call."""

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
    """A completed course. `grade` is on the LMS's own scale; `evidence` says what was read, without personal data."""

    completed_at: datetime | None
    grade: Decimal | None
    evidence: dict[str, Any]


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
        """All users that hold one of the values; several may share one. E-mail matches the given spelling only."""

    def find_by_email_any_case(self, email: str) -> Sequence[LmsUser]:
        """The users with this address without regard to case; one call."""

    def create_users(self, users: Sequence[NewUser]) -> Sequence[Outcome[str]]:
        """Make the users; Done holds the new user id."""

    def update_users(self, changes: Sequence[UserChange]) -> Sequence[Outcome[None]]:
        """Apply the changes."""

    def enrol(self, enrolments: Sequence[LmsEnrolment]) -> Sequence[Outcome[None]]:
        """Make each enrolment exactly as given; repeating is harmless."""

    def courses(self) -> Sequence[LmsCourse]:
        """Every course of the site, hidden ones included."""

    def fields(self, user_ids: Sequence[str]) -> SeenFields:
        """The custom fields of these users, of courses, and of wherever else the LMS tells of them (R28, R29)."""

    def course_progress(self, user_ids: Sequence[str]) -> Sequence[Outcome[Progress]]:
        """How far each user is in the courses that the LMS shows for them (one call per user)."""

    def completions(self, pairs: Sequence[Pair]) -> Sequence[Outcome[Completion | None]]:
        """Date and grade of each pair; None when it is not complete."""

    def report_page(self, report_id: str, page: int) -> ReportPage:
        """Page `page` (from 0) of a completion report that an administrator of the LMS made for us."""

    def report_spans(self, report_id: str, page: int) -> SpanPage | None:
        """The dates of all enrolments on a page of such a report; None when it does not tell them. One call."""

    def participants(self, course_id: str, page: int, *, active: bool) -> ParticipantPage:
        """
        Page `page` (from 0) of those whose enrolment in the course is active now, or of all others. One call.

        Raises NeedsAttention (participants_unreadable) when the token may not ask, and says nothing of dates.
        """
