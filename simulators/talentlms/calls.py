"""
The registry of actions and the call an action works on.

An action is registered under its lower-case name; it receives the call and returns plain JSON values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from simulators.base import Work
from simulators.talentlms.errors import PortalError
from simulators.talentlms.settings import Settings
from simulators.talentlms.state import Branch, Course, Group, State, Unit, User
from simulators.talentlms.texts import dated

if TYPE_CHECKING:
    from simulators.talentlms.site import TalentSite

T = TypeVar("T")
Handler = Callable[["Call"], Any]
DONE = {"message": "Operation completed successfully"}

ACTIONS: dict[str, Handler] = {}


def action(name: str) -> Callable[[Handler], Handler]:
    """Register the decorated handler."""

    def register(handler: Handler) -> Handler:
        ACTIONS[name] = handler
        return handler

    return register


@dataclass
class Call:
    """One call being served, with its arguments from wherever they came."""

    site: TalentSite
    work: Work

    @property
    def state(self) -> State:
        """What the portal holds."""
        return self.site.state

    @property
    def settings(self) -> Settings:
        """The portal's settings."""
        return self.site.settings

    @property
    def args(self) -> dict[str, str]:
        """The arguments."""
        return self.work.fields

    @property
    def now(self) -> float:
        """The portal's time in Unix seconds."""
        return self.site.clock()

    def cost(self, items: int) -> None:
        """Count items for the latency and the call log."""
        self.work.items += items

    def effect(self, kind: str, **facts: Any) -> None:
        """Note an effect for the ledger."""
        self.site.journal.effect(kind, **facts)

    def dated(self, name: str, at: float | None) -> dict[str, Any]:
        """A date and its twin."""
        return dated(self.settings, name, at)

    def text(self, name: str) -> str:
        """An argument that must be there and not be empty."""
        value = self.args.get(name, "")
        if not value:
            raise PortalError("arguments")
        return value

    def number(self, name: str) -> int:
        """An argument that must be a number."""
        value = self.text(name)
        if not (value.isascii() and value.isdigit()):
            raise PortalError("arguments")
        return int(value)

    def user(self, name: str = "user_id") -> User:
        """The person an argument names by id."""
        return self.person(self.number(name))

    def person(self, number: int | None) -> User:
        """The account with this id, if look-ups find it."""
        user = self.state.users.get(number or 0)
        if user is None or user.visible_from > self.now:
            raise PortalError("user")
        if user.deleted:
            raise PortalError("user_gone")
        return user

    def course(self) -> Course:
        """The course that `course_id` names."""
        return there(self.state.courses.get(self.number("course_id")), "course")

    def group(self) -> Group:
        """The group that `group_id` names."""
        return there(self.state.groups.get(self.number("group_id")), "group")

    def branch(self) -> Branch:
        """The branch that `branch_id` names."""
        return there(self.state.branches.get(self.number("branch_id")), "branch")

    def unit(self, name: str = "unit_id") -> tuple[Course, Unit]:
        """The unit that an argument names, and its course."""
        return there(self.state.unit(self.number(name)), "unit")

    def page(self, ids: Iterable[int], size: int | None = None) -> list[int]:
        """The part of a list that the paging arguments ask for; `size` is the length when they do not say."""
        if "page_size" in self.args:
            size = min(self.number("page_size"), 1000)
        first = (self.number("page_number") if "page_number" in self.args else 1) - 1
        if first < 0 or size == 0:
            raise PortalError("arguments")
        return list(ids if size is None else islice(ids, first * size, (first + 1) * size))

    def page_of(self, things: Mapping[int, T]) -> list[T]:
        """The things of a list, all of them unless this portal pages every list."""
        if not self.settings.pages_every_list:
            shown = list(things.values())
        else:
            shown = [things[number] for number in self.page(things, self.settings.page_size)]
        self.cost(len(shown))
        return shown


def there(thing: T | None, name: str) -> T:
    """The thing, or the refusal of that name."""
    if thing is None:
        raise PortalError(name)
    return thing
