"""
What a simulated portal holds, with the indexes that keep every look-up cheap on a portal of ten thousand people.

Every change goes through the journal, so a call that fails half-way leaves nothing behind but lost ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from simulators.journal import Counters, Journal

SECTION = "Section"
Place = tuple[str, str]


@dataclass
class User:
    """
    One account. `custom` is by field key (`custom_field_1`); `deactivation` is when it turns inactive by itself.

    A `deleted` account can come back in the portal's pages; one that was deleted for good is not there at all.
    `visible_from` delays look-ups, not the checks of writes; `keys` counts the sign-in addresses made so far.
    """

    id: int
    login: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    password: str = ""
    restrict_email: bool = False
    user_type: str = "Learner-Type"
    timezone: str = ""
    language: str = "English"
    status: str = "active"
    deactivation: float | None = None
    bio: str | None = None
    custom: dict[str, str] = field(default_factory=dict)
    certifications: tuple[Mapping[str, Any], ...] = ()
    badges: tuple[Mapping[str, Any], ...] = ()
    created: float = 0.0
    updated: float = 0.0
    online: bool = False
    deleted: bool = False
    visible_from: float = 0.0
    keys: int = 0

    @property
    def short_name(self) -> str:
        """The name among members: an initial and the last name."""
        return f"{self.first_name[:1]}. {self.last_name}"


@dataclass(frozen=True)
class CustomField:
    """A custom field of people or of courses."""

    key: str
    name: str
    type: str = "text"
    mandatory: bool = False
    options: tuple[str, ...] = ()
    on_reports: bool = False
    selective: bool = False


@dataclass(frozen=True)
class Unit:
    """A unit of a course; a section is a row among the units, but nothing to be learned."""

    id: int
    name: str
    type: str = "Content"

    @property
    def code(self) -> str:
        """The code at the start of the name."""
        return self.name.split(maxsplit=1)[0] if self.name.strip() else ""


@dataclass
class Course:
    """A course with its units in their order."""

    id: int
    name: str
    code: str = ""
    category: int | None = None
    description: str = ""
    price: str = "0.00"
    status: str = "active"
    created: float = 0.0
    updated: float = 0.0
    creator: int = 1
    hidden: bool = False
    time_limit: str = "0"
    start: str | None = None
    expiration: str | None = None
    custom: dict[str, str] = field(default_factory=dict)
    units: tuple[Unit, ...] = ()
    rules: tuple[str, ...] = ("All units must be completed",)

    @property
    def lessons(self) -> tuple[Unit, ...]:
        """The units that can be completed."""
        return tuple(unit for unit in self.units if unit.type != SECTION)


@dataclass(frozen=True)
class UnitProgress:
    """What one person did in one unit: `state` is "In progress", "Completed" or "Failed"."""

    state: str = "In progress"
    completed: float | None = None
    score: float | None = None
    seconds: int = 0
    questions: tuple[Mapping[str, Any], ...] = ()


@dataclass
class Enrolment:
    """One person in one course, with their progress by unit."""

    user: int
    course: int
    role: str = "learner"
    enrolled: float = 0.0
    completed: float | None = None
    expired: float | None = None
    failed: bool = False
    units: dict[int, UnitProgress] = field(default_factory=dict)


@dataclass
class Group:
    """A group; who redeems its key joins it and is enrolled in its courses."""

    id: int
    name: str
    key: str
    description: str = ""
    price: str = "0.00"
    owner: int = 1
    branch: int | None = None
    max_redemptions: int | None = None
    redemptions: int = 0
    members: dict[int, None] = field(default_factory=dict)
    courses: dict[int, None] = field(default_factory=dict)


@dataclass
class Branch:
    """A branch of the portal."""

    id: int
    name: str
    description: str = ""
    users_limit: int | None = None
    members: dict[int, None] = field(default_factory=dict)
    courses: dict[int, None] = field(default_factory=dict)


@dataclass(frozen=True)
class Category:
    """A course category; `parent` is the id of the one above."""

    id: int
    name: str
    parent: int | None = None
    price: str = "0.00"


@dataclass(frozen=True)
class Event:
    """An entry of the timeline: what happened to a person, in a course and about a unit or a group if any."""

    type: str
    user: User
    at: float
    course: Course | None = None
    about: Unit | Group | None = None


class Index:
    """Which ids are found in which places; a place is a kind and a value."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._ids: dict[Place, dict[int, None]] = {}

    def ids(self, kind: str, value: str = "") -> Mapping[int, None]:
        """The ids in a place, in the order in which they came there."""
        return self._ids.get((kind, value), {})

    def move(self, number: int, before: Set[Place], after: Set[Place]) -> None:
        """Take an id out of the places it left and put it in those it entered; elsewhere it keeps its turn."""
        for place in before - after:
            self._journal.drop(self._ids[place], number)
        for place in after - before:
            self._journal.put(self._ids.setdefault(place, {}), number, None)


class State:
    """Everything the portal holds."""

    def __init__(self, journal: Journal) -> None:
        self.ids = Counters()
        self.journal = journal
        self.found = Index(journal)
        self.users: dict[int, User] = {}
        self.courses: dict[int, Course] = {}
        self.course_of: dict[int, int] = {}  # by unit
        self.categories: dict[int, Category] = {}
        self.groups: dict[int, Group] = {}
        self.branches: dict[int, Branch] = {}
        self.members: dict[int, dict[int, Enrolment]] = {}  # by course, then user
        self.enrolled_in: dict[int, dict[int, Enrolment]] = {}  # by user, then course
        self.groups_of: dict[int, dict[int, None]] = {}
        self.branches_of: dict[int, dict[int, None]] = {}
        self.user_fields: dict[str, CustomField] = {}
        self.course_fields: dict[str, CustomField] = {}
        self.timeline: dict[tuple[str, str, int], dict[int, Event]] = {}
        self.deactivations: list[tuple[float, int]] = []  # a heap

    def user(self, number: int) -> User | None:
        """The account, unless unknown or deleted."""
        user = self.users.get(number)
        return None if user is None or user.deleted else user

    def unit(self, number: int) -> tuple[Course, Unit] | None:
        """A unit and its course; sections are no units."""
        course = self.courses.get(self.course_of.get(number, 0))
        if course is None:
            return None
        return next(((course, unit) for unit in course.lessons if unit.id == number), None)

    def enrolment(self, user: int, course: int) -> Enrolment | None:
        """The enrolment of a person in a course."""
        return self.members.get(course, {}).get(user)

    def add_user(self, user: User) -> None:
        """Store a new account."""
        self.journal.put(self.users, user.id, user)
        self.found.move(user.id, set(), _places(user))

    def change_user(self, user: User, **changes: Any) -> dict[str, Any]:
        """Set attributes of an account; returns those that really changed."""
        changed = {name: value for name, value in changes.items() if getattr(user, name) != value}
        before = _places(user)
        for name, value in changed.items():
            self.journal.assign(user, name, value)
        self.found.move(user.id, before, _places(user))
        return changed

    def drop_user(self, user: User) -> None:
        """Forget an account as if it had never been there."""
        self.journal.drop(self.users, user.id)
        self.found.move(user.id, _places(user), set())

    def add_course(self, course: Course) -> None:
        """Store a new course with its units."""
        self.journal.put(self.courses, course.id, course)
        for unit in course.units:
            self.journal.put(self.course_of, unit.id, course.id)
        self.found.move(course.id, set(), _course_places(course))

    def change_course(self, course: Course, **changes: Any) -> None:
        """Set attributes of a course; units that it no longer has are gone."""
        before = _course_places(course)
        for unit in course.units:
            self.journal.drop(self.course_of, unit.id)
        for name, value in changes.items():
            self.journal.assign(course, name, value)
        for unit in course.units:
            self.journal.put(self.course_of, unit.id, course.id)
        self.found.move(course.id, before, _course_places(course))

    def drop_course(self, course: Course) -> None:
        """Forget a course and its units."""
        self.journal.drop(self.courses, course.id)
        for unit in course.units:
            self.journal.drop(self.course_of, unit.id)
        self.found.move(course.id, _course_places(course), set())

    def add_group(self, group: Group) -> None:
        """Store a new group."""
        self.journal.put(self.groups, group.id, group)
        self.found.move(group.id, set(), {("group key", group.key)})

    def drop_group(self, group: Group) -> None:
        """Forget a group; its members stay enrolled."""
        self.journal.drop(self.groups, group.id)
        self.found.move(group.id, {("group key", group.key)}, set())


def _places(user: User) -> set[Place]:
    places = {("login", user.login.lower()), ("email", user.email.lower())}
    if user.deleted:
        return places
    places |= {("custom", value) for value in user.custom.values() if value}
    return places | {("present", "")} | ({("active", "")} if user.status == "active" else set())


def _course_places(course: Course) -> set[Place]:
    places = {("course name", course.name), ("course code", course.code), ("course category", str(course.category))}
    return places | {("course custom", value) for value in course.custom.values() if value}
