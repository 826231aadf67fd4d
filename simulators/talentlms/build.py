"""
Building a portal: people, courses with units, groups and custom fields that exist before the first call.

A course seed is a mapping: `name`, `code` and optionally `id, category, status, description, custom, units` and what
else a course has. A unit is its name, which begins with the unit's code, or `{"name", "type", "id"}`.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from simulators.latency import Latency
from simulators.talentlms import membership
from simulators.talentlms.settings import Settings
from simulators.talentlms.site import TalentSite
from simulators.talentlms.state import SECTION, Branch, Category, Course, CustomField, Enrolment, Group, Unit, User

API_KEY = "simulated-key-of-nobody-000000"  # 30 characters, as real ones
EMPLOYEE_NUMBER = CustomField("custom_field_1", "Employee number", on_reports=True)
ADMIN = 1


def talent_site(
    courses: int | Iterable[Mapping[str, Any]] = 5,
    key: str = API_KEY,
    users: int | Iterable[Mapping[str, Any]] = (),
    groups: int | Iterable[Mapping[str, Any]] = (),
    fields: Iterable[CustomField] = (EMPLOYEE_NUMBER,),
    clock: Callable[[], float] = time.time,
    latency: Latency | None = None,
    ledger_path: Path | None = None,
    settings: Settings | None = None,
) -> TalentSite:
    """
    A portal with an administrator (1), one category, courses, people and groups; numbers stand for so many invented.

    Group `GROUP001` belongs to course `C001`, and so on.
    """
    site = TalentSite(key, clock, latency, ledger_path, settings)
    site.state.user_fields = {field.key: field for field in fields}
    add_user(site, login="admin", first_name="Portal", last_name="Admin", user_type="SuperAdmin")
    add_category(site, "Training")
    for seed in demo_courses(courses) if isinstance(courses, int) else courses:
        add_course(site, seed)
    for group in demo_groups(groups) if isinstance(groups, int) else groups:
        add_group(site, **group)
    for user in demo_users(users) if isinstance(users, int) else users:
        add_user(site, **user)
    return site


def demo_courses(count: int) -> list[dict[str, Any]]:
    """Seeds of `count` courses, `C001` and on."""
    return [{"name": f"Course {number}", "code": f"C{number:03d}", "category": 1} for number in range(1, count + 1)]


def demo_groups(count: int) -> list[dict[str, Any]]:
    """Groups `GROUP001` and on, each with the course of its number."""
    return [
        {"name": f"Group {number}", "key": f"GROUP{number:03d}", "courses": [f"C{number:03d}"]}
        for number in range(1, count + 1)
    ]


def demo_users(count: int) -> list[dict[str, Any]]:
    """People `user00001` and on, with employee numbers `E-00001` and on."""
    return [
        {
            "login": f"user{number:05d}",
            "first_name": f"User{number}",
            "last_name": "Berg",
            "custom_field_1": f"E-{number:05d}",
        }
        for number in range(1, count + 1)
    ]


def add_user(site: TalentSite, login: str, **fields: Any) -> User:
    """An account that was there before; not an effect for the ledger. `id` and `custom_field_N` may be given."""
    with site.lock:
        number = fields.pop("id", None) or site.state.ids.next("user")
        site.state.ids.reach("user", number)
        custom = {name: fields.pop(name) for name in [*fields] if name.startswith("custom_field_")}
        now = site.clock()
        known = {"email": f"{login}@example.org", "custom": custom, "created": now, "updated": now}
        user = User(number, login, **{**known, **fields})
        site.state.add_user(user)
        if user.deactivation is not None:
            heapq.heappush(site.state.deactivations, (user.deactivation, user.id))
        site.journal.settle()
        return user


def add_category(site: TalentSite, name: str, **facts: Any) -> Category:
    """A course category; `id` and `parent` may be given."""
    category = Category(_number(site, "category", facts), name, **facts)
    site.state.categories[category.id] = category
    return category


def add_course(site: TalentSite, seed: Mapping[str, Any]) -> Course:
    """A course from a seed, with a section and four units unless the seed has others."""
    with site.lock:
        facts = {"created": site.clock(), "updated": site.clock(), **seed}
        units = facts.pop("units", None)
        course = Course(_number(site, "course", facts), **facts)
        course.units = tuple(_unit(site, unit) for unit in (demo_units(course.code) if units is None else units))
        site.state.add_course(course)
        site.journal.settle()
        return course


def demo_units(code: str) -> list[dict[str, str]]:
    """A section and four units whose names begin with a code: `C001U1` and on."""
    return [
        {"name": "Part 1", "type": SECTION},
        {"name": f"{code}U1 Read the policy", "type": "Content"},
        {"name": f"{code}U2 Use the machine", "type": "SCORM | xAPI | cmi5"},
        {"name": f"{code}U3 Knowledge test", "type": "Test"},
        {"name": f"{code}U4 Final assignment", "type": "Assignment"},
    ]


def _unit(site: TalentSite, seed: str | Mapping[str, Any]) -> Unit:
    facts = {"name": seed} if isinstance(seed, str) else dict(seed)
    return Unit(_number(site, "unit", facts), **facts)


def _number(site: TalentSite, sequence: str, facts: dict[str, Any]) -> int:
    """The id that the facts ask for, taken out of them, or the next one."""
    number = int(facts.pop("id", None) or site.state.ids.next(sequence))
    site.state.ids.reach(sequence, number)
    return number


def change_course(site: TalentSite, course_id: int, **changes: Any) -> None:
    """Change a course by hand: `name`, `status`, `units` (seeds, for all of them) ..."""
    with site.lock:
        if "units" in changes:
            changes["units"] = tuple(_unit(site, unit) for unit in changes["units"])
        site.state.change_course(site.state.courses[course_id], **changes, updated=site.clock())
        site.journal.settle()


def add_group(site: TalentSite, name: str, courses: Iterable[str | int] = (), **facts: Any) -> Group:
    """A group with courses by id or code; `id`, `key`, `max_redemptions` ... may be given."""
    with site.lock:
        number = _number(site, "group", facts)
        group = Group(number, name, **{"key": f"k{number:08}", **facts})
        ids = [min(site.state.found.ids("course code", c)) if isinstance(c, str) else c for c in courses]
        group.courses = dict.fromkeys(ids)
        site.state.add_group(group)
        site.journal.settle()
        return group


def add_branch(site: TalentSite, name: str, **facts: Any) -> Branch:
    """A branch; `id`, `users_limit` ... may be given."""
    branch = Branch(_number(site, "branch", facts), name, **facts)
    site.state.branches[branch.id] = branch
    return branch


def enrol(
    site: TalentSite, user_id: int, course_id: int, role: str = "learner", at: float | None = None, **facts: Any
) -> Enrolment:
    """An enrolment that was there before; not an effect for the ledger. `completed`, `expired` ... may be given."""
    with site.lock:
        state, when = site.state, site.clock() if at is None else at
        enrolment = membership.enrol(state, state.users[user_id], state.courses[course_id], when, role)
        for name, value in facts.items():
            setattr(enrolment, name, value)
        site.journal.settle()
        return enrolment


def join(site: TalentSite, user_id: int, group: Group, at: float | None = None) -> None:
    """A membership that was there before; not an effect for the ledger."""
    with site.lock:
        membership.join_group(site.state, site.state.users[user_id], group, site.clock() if at is None else at)
        site.journal.settle()
