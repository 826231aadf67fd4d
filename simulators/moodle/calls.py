"""
The registry of functions and the call a function works on.

A function is declared with the structure of its parameters; it receives the call and the checked parameters and
returns plain JSON values. None stands for the answer `null`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulators.base import Work
from simulators.moodle.errors import course_closed, course_context, missing_record, no_permission
from simulators.moodle.forms import Single, Spec
from simulators.moodle.state import Course, State, User

if TYPE_CHECKING:
    from simulators.moodle.site import MoodleSite

Handler = Callable[["Call", dict[str, Any]], Any]


@dataclass(frozen=True)
class Function:
    """A function and the structure of its parameters."""

    name: str
    parameters: Single
    handler: Handler


FUNCTIONS: dict[str, Function] = {}


def function(name: str, parameters: Mapping[str, Spec]) -> Callable[[Handler], Handler]:
    """Register the decorated handler under its Moodle name."""

    def register(handler: Handler) -> Handler:
        FUNCTIONS[name] = Function(name, Single(dict(parameters)), handler)
        return handler

    return register


@dataclass
class Call:
    """One call being served, with the account behind its token and its per-call settings."""

    site: MoodleSite
    account: User
    work: Work
    raw: bool = False
    timezone: str = "UTC"

    @property
    def state(self) -> State:
        """The site's state."""
        return self.site.state

    @property
    def now(self) -> int:
        """The site's time in Unix seconds."""
        return int(self.site.clock())

    @property
    def is_admin(self) -> bool:
        """Whether a site administrator calls."""
        return self.account.id in self.state.admins

    def can(self, capability: str) -> bool:
        """Whether the account has a capability at system level."""
        return self.is_admin or capability in self.state.capabilities.get(self.account.id, frozenset())

    def require(self, capability: str, words: str) -> None:
        """Fail with `nopermissions` unless the account has the capability."""
        if not self.can(capability):
            raise no_permission(words)

    def cost(self, items: int) -> None:
        """Count items for the latency and the call log."""
        self.work.items += items

    def enter(self, course_id: int, wrapped: bool = False) -> Course:
        """The course, if the account may enter it; unknown courses are `invalidrecord`."""
        course = self.state.courses.get(course_id)
        if course is None:
            raise missing_record("course")
        if not self._may_enter(course):
            raise course_context(course_id) if wrapped else course_closed()
        return course

    def _may_enter(self, course: Course) -> bool:
        if course.id == 1 or self.can("moodle/course:view"):
            return True
        enrolment = self.state.enrolment(self.account.id, course.id)
        return enrolment is not None and enrolment.active(self.now)
