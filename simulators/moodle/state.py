"""
What a simulated Moodle holds, and how it changes.

Every change goes through the journal, so a call that fails half-way leaves nothing behind but lost ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulators.journal import Counters, Journal

STUDENT, TEACHER, EDITING_TEACHER = 5, 4, 3
ROLES = {
    1: "manager",
    2: "coursecreator",
    3: "editingteacher",
    4: "teacher",
    5: "student",
    6: "guest",
    7: "user",
    8: "frontpage",
}


@dataclass
class User:
    """One account; texts not set are empty. `visible_from` delays look-ups, not the checks of writes."""

    id: int
    username: str
    firstname: str = ""
    lastname: str = ""
    email: str = ""
    auth: str = "manual"
    idnumber: str = ""
    department: str = ""
    institution: str = ""
    phone1: str = ""
    phone2: str = ""
    city: str = ""
    country: str = ""
    lang: str = "en"
    timezone: str = "99"
    description: str = ""
    suspended: bool = False
    confirmed: bool = True
    deleted: bool = False
    custom: dict[str, str] = field(default_factory=dict)
    preferences: dict[str, str] = field(default_factory=dict)
    visible_from: float = 0.0


@dataclass(frozen=True)
class ProfileField:
    """A custom profile field of the site."""

    shortname: str
    name: str
    kind: str = "text"
    options: tuple[str, ...] = ()
    default: str = ""
    maxlength: int = 2048
    signup: bool = False


@dataclass(frozen=True)
class Category:
    """A course category."""

    id: int
    name: str
    idnumber: str = ""
    parent: int = 0
    visible: bool = True
    depth: int = 1
    path: str = ""
    modified: float = 0.0
    description_format: int = 0


@dataclass(frozen=True)
class Activity:
    """An activity: `rule` is how it completes ("manual", "view", "grade"), `grademax` is 0 for ungraded ones."""

    cmid: int
    modname: str
    instance: int
    name: str
    rule: str
    grade_item: int = 0
    grademax: float = 0.0
    idnumber: str = ""
    tracked: bool = True


@dataclass
class Course:
    """A course. `manual` is the manual enrolment method; `criteria` are ("activity", cmid), ("self",), ("grade", n)."""

    id: int
    shortname: str
    fullname: str
    idnumber: str = ""
    category: int = 1
    visible: bool = True
    manual: str = "enabled"
    completion: bool = True
    criteria: tuple[tuple[Any, ...], ...] = ()
    any_criterion: bool = False
    activities: tuple[Activity, ...] = ()
    grade_item: int = 0
    context: int = 0
    summary: str = ""
    summary_format: int = 1
    startdate: int = 0
    enddate: int = 0
    newsitems: int = 0
    created: int = 0
    custom: tuple[Any, ...] = ()
    numsections: int = 2
    show_conditions: bool | None = True


@dataclass
class Enrolment:
    """A manual enrolment; 0 means no limit."""

    user: int
    course: int
    start: int = 0
    end: int = 0
    suspended: bool = False
    created: float = 0.0
    visible_from: float = 0.0

    def active(self, now: float) -> bool:
        """Whether the enrolment counts at this moment."""
        return not self.suspended and self.start <= now and (self.end == 0 or self.end > now)


@dataclass
class Group:
    """A group in a course."""

    id: int
    course: int
    name: str
    description: str = ""
    description_format: int = 1
    idnumber: str = ""
    members: dict[int, None] = field(default_factory=dict)


@dataclass
class Progress:
    """What one user did in one course: activity states and times, self-completion, grades, the course's completion."""

    activities: dict[int, tuple[int, int]] = field(default_factory=dict)
    self_completed: int | None = None
    grades: dict[int, tuple[float, int]] = field(default_factory=dict)
    grade_met: int | None = None
    completed: int | None = None
    feedback: dict[int, str] = field(default_factory=dict)


@dataclass
class Report:
    """A custom report over course participants: columns by header, optionally only recent completions."""

    id: int
    name: str
    columns: tuple[str, ...]
    recent_days: int | None = None
    created: int = 0
    sort: tuple[str, ...] = ()


@dataclass
class Token:
    """A web service token."""

    user: int
    functions: frozenset[str]
    expires: float | None = None
    addresses: tuple[str, ...] = ()
    service_enabled: bool = True
    authorised: bool = True


@dataclass
class Settings:
    """The switches of the site."""

    sitename: str = "Acme Academy"
    url: str = "https://academy.example"
    timezone: str = "UTC"
    max_input_vars: int = 5000
    allow_same_email: bool = False
    webservices: bool = True
    rest: bool = True
    maintenance: str = ""
    database: bool = True
    debug: bool = False
    registration: bool = False
    languages: tuple[str, ...] = ("en",)
    auths: tuple[str, ...] = ("manual", "nologin", "email", "oauth2", "ldap", "webservice")


class State:
    """Everything the site holds, with the indexes that keep look-ups cheap."""

    def __init__(self, journal: Journal) -> None:
        self.ids = Counters()
        self.journal = journal
        self.users: dict[int, User] = {}
        self.by_username: dict[str, int] = {}
        self.by_idnumber: dict[str, dict[int, None]] = {}
        self.by_email: dict[str, dict[int, None]] = {}
        self.categories: dict[int, Category] = {}
        self.courses: dict[int, Course] = {}
        self.participants: dict[int, dict[int, Enrolment]] = {}
        self.enrolled_in: dict[int, dict[int, Enrolment]] = {}
        self.roles: dict[tuple[int, int], tuple[int, ...]] = {}
        self.groups: dict[int, Group] = {}
        self.progress: dict[tuple[int, int], Progress] = {}
        self.reports: dict[int, Report] = {}
        self.profile_fields: dict[str, ProfileField] = {}
        self.course_fields: tuple[tuple[str, str, str, tuple[str, ...]], ...] = ()
        self.tokens: dict[str, Token] = {}
        self.admins: set[int] = set()
        self.capabilities: dict[int, frozenset[str]] = {}
        self.role_names = dict(ROLES)
        self.assignable: dict[int, frozenset[int]] = {}
        self.last_tasks = 0.0
        self.open_completions: dict[tuple[int, int], None] = {}

    def add_user(self, user: User) -> None:
        """Store a new account and index it."""
        self.journal.put(self.users, user.id, user)
        self._index(user, present=True)

    def change_user(self, user: User, **changes: Any) -> dict[str, Any]:
        """Set attributes of an account; returns those that really changed."""
        changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
        self._index(user, present=False)
        for name, value in changed.items():
            self.journal.assign(user, name, value)
        self._index(user, present=not user.deleted)
        return changed

    def _index(self, user: User, present: bool) -> None:
        if present:
            self.journal.put(self.by_username, user.username, user.id)
        elif self.by_username.get(user.username) == user.id:
            self.journal.drop(self.by_username, user.username)
        for index, key in ((self.by_idnumber, user.idnumber), (self.by_email, user.email.lower())):
            ids = index.setdefault(key, {})
            if present:
                self.journal.put(ids, user.id, None)
            else:
                self.journal.drop(ids, user.id)

    def user(self, user_id: int) -> User | None:
        """The account, unless unknown or deleted."""
        user = self.users.get(user_id)
        return None if user is None or user.deleted else user

    def enrolment(self, user_id: int, course_id: int) -> Enrolment | None:
        """The enrolment of a user in a course."""
        return self.participants.get(course_id, {}).get(user_id)

    def groups_of(self, course_id: int) -> Iterator[Group]:
        """The groups of a course."""
        return (group for group in self.groups.values() if group.course == course_id)
