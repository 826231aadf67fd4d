"""
Building a site: accounts, tokens, courses, people and reports that exist before the first call.

A course seed is a mapping: `shortname`, `fullname`, `idnumber` and optionally `id, category, visible,
manual_enrolment` (True, False: disabled, or "none"), `completion`, `startdate`, `enddate`, `summary`. `completion` is
one of the words of `COMPLETIONS` or `{"criteria": [["activity", 0], ["self"], ["grade", 50]], "any": false}`, an
activity being counted from 0 among the course's four: page (marked by hand), page (by viewing), assignment, quiz.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulators.latency import Latency
from simulators.moodle.calls import FUNCTIONS
from simulators.moodle.enrolments import remove_enrolment
from simulators.moodle.reports import DEFAULT_COLUMNS
from simulators.moodle.site import MoodleSite
from simulators.moodle.state import Activity, Category, Course, Enrolment, ProfileField, Report, Settings, Token, User
from simulators.moodle.users import remove_user

COMPLETIONS: dict[str, list[list[Any]]] = {
    "activities": [["activity", 0], ["activity", 2]],
    "self": [["self"]],
    "grade": [["grade", 50]],
    "none": [],
}
SEED_KEYS = {"id", "shortname", "fullname", "idnumber", "category", "visible", "manual_enrolment", "completion"}
SEED_KEYS |= {"startdate", "enddate", "summary", "custom"}
SERVICE_ACCOUNT, ADMIN = 3, 2
TOKEN = "simulated-token"
FULL_RIGHTS = frozenset(
    [
        "webservice/rest:use",
        "moodle/user:create",
        "moodle/user:update",
        "moodle/user:viewdetails",
        "moodle/user:viewalldetails",
        "moodle/user:viewhiddendetails",
        "moodle/site:viewuseridentity",
        "moodle/site:viewfullnames",
        "moodle/course:view",
        "moodle/course:viewhiddencourses",
        "moodle/course:viewparticipants",
        "moodle/course:useremail",
        "moodle/course:update",
        "moodle/category:viewhiddencategories",
        "moodle/category:manage",
        "enrol/manual:enrol",
        "enrol/manual:unenrol",
        "moodle/course:enrolreview",
        "moodle/course:managegroups",
        "moodle/site:accessallgroups",
        "moodle/role:assign",
        "report/progress:view",
        "report/completion:view",
        "moodle/grade:viewall",
        "gradereport/user:view",
        "gradereport/overview:view",
        "moodle/reportbuilder:view",
        "mod/assign:view",
    ]
)
LIMITED_RIGHTS = frozenset({"webservice/rest:use"})
HR_FIELDS = (
    ProfileField("employment_status", "Employment Status", "menu", ("Active", "On Leave", "Terminated")),
    ProfileField("employee_number", "Employee Number"),
    ProfileField("job_title", "Job Title"),
    ProfileField("hire_date", "Hire Date", "datetime"),
    ProfileField("payroll_enabled", "Payroll Enabled", "checkbox"),
)


def moodle_site(
    courses: int | Iterable[Mapping[str, Any]] = 5,
    token: str = TOKEN,
    users: Iterable[Mapping[str, Any]] = (),
    release: str = "4.4",
    rights: str = "full",
    clock: Callable[[], float] = time.time,
    latency: Latency | None = None,
    ledger_path: Path | None = None,
    settings: Settings | None = None,
) -> MoodleSite:
    """
    A site with guest (1), administrator (2), service account (3, `ws_matricula`), courses and people.

    The token belongs to the service account with `rights` "full" or "limited", or to the administrator ("admin").
    Report 1 lists all participants, report 2 those who completed within the last day.
    """
    site = MoodleSite(release, clock, latency, ledger_path, settings)
    add_accounts(site)
    owner = ADMIN if rights == "admin" else SERVICE_ACCOUNT
    grant(site, SERVICE_ACCOUNT, LIMITED_RIGHTS if rights == "limited" else FULL_RIGHTS)
    add_token(site, token, owner)
    add_category(site, "Training")
    add_profile_fields(site, HR_FIELDS)
    for seed in demo_courses(courses) if isinstance(courses, int) else courses:
        add_course(site, seed)
    for fields in users:
        add_user(site, **fields)
    add_report(site, "Participants", DEFAULT_COLUMNS, sort=("Username", "Course short name"))
    add_report(site, "Recent completions", DEFAULT_COLUMNS, recent_days=1, sort=("Username", "Course short name"))
    return site


def add_accounts(site: MoodleSite) -> None:
    """The front page course, the guest, the administrator and the service account."""
    site.state.ids.reach("course", 1)
    name = site.settings.sitename
    site.state.courses[1] = Course(1, "acme", name, category=0, manual="none", completion=False, context=2, newsitems=3)
    site.state.courses[1].summary_format, site.state.courses[1].numsections = 0, 1
    site.state.courses[1].show_conditions = None
    add_user(site, username="guest", firstname="Guest user", lastname=" ", email="root@localhost")
    add_user(site, username="admin", firstname="Admin", lastname="User", email="admin@academy.example")
    add_user(site, username="ws_matricula", firstname="Web", lastname="Service", email="ws_matricula@academy.example")
    site.state.users[1].description = "This user is a special user that allows read-only access to some courses."
    site.state.admins.add(ADMIN)


def grant(site: MoodleSite, user_id: int, rights: Iterable[str], assignable: Iterable[int] = (4, 5)) -> None:
    """Give an account exactly these capabilities at system level and these roles to assign."""
    site.state.capabilities[user_id] = frozenset(rights)
    site.state.assignable[user_id] = frozenset(assignable) if "moodle/role:assign" in set(rights) else frozenset()


def add_token(site: MoodleSite, value: str, user_id: int, functions: Iterable[str] | None = None) -> Token:
    """A token for an account, for a service with these functions (all implemented ones by default)."""
    token = Token(user_id, frozenset(FUNCTIONS if functions is None else functions))
    site.state.tokens[value] = token
    return token


def add_category(site: MoodleSite, name: str, **facts: Any) -> Category:
    """A course category; `parent` is the id of the one above."""
    number = site.state.ids.next("category")
    parent = site.state.categories.get(facts.get("parent", 0))
    path = f"{parent.path if parent else ''}/{number}"
    category = Category(number, name, **facts, path=path, depth=path.count("/"), modified=site.clock())
    site.state.categories[number] = category
    return category


def add_profile_fields(site: MoodleSite, fields: Iterable[ProfileField]) -> None:
    """Custom profile fields, shown in this order."""
    site.state.profile_fields |= {field.shortname: field for field in fields}


def demo_courses(count: int) -> list[dict[str, Any]]:
    """Seeds of `count` courses, `C001` and on, with all kinds of completion."""
    words = ("activities", "self", "grade")
    return [
        {
            "shortname": f"C{number:03d}",
            "fullname": f"Course {number}",
            "idnumber": f"C{number:03d}",
            "completion": words[number % 3],
        }
        for number in range(1, count + 1)
    ]


def add_course(site: MoodleSite, seed: Mapping[str, Any]) -> Course:
    """A course from a seed, with its four activities."""
    unknown = set(seed) - SEED_KEYS
    if unknown:
        raise ValueError(f"unknown course keys: {sorted(unknown)}")
    with site.lock:
        number = seed.get("id") or site.state.ids.next("course")
        site.state.ids.reach("course", number)
        course = _course(site, number, seed)
        site.state.courses[number] = course
        return course


def _course(site: MoodleSite, number: int, seed: Mapping[str, Any]) -> Course:
    place = number - 1
    activities = _activities(place, seed["shortname"])
    wanted = seed.get("completion", "activities")
    off = wanted == "off"
    chosen = wanted if isinstance(wanted, Mapping) else {"criteria": COMPLETIONS.get(wanted, [])}
    criteria = tuple(_criterion(activities, *entry) for entry in chosen["criteria"])
    manual = {True: "enabled", False: "disabled"}.get(seed.get("manual_enrolment", True), "none")
    texts = {name: seed[name] for name in ("idnumber", "category", "visible", "startdate", "enddate") if name in seed}
    texts |= {"summary": seed.get("summary", ""), "custom": tuple(seed.get("custom", ()))}
    course = Course(number, seed["shortname"], seed["fullname"], manual=manual, completion=not off, **texts)
    course.criteria, course.any_criterion, course.activities = criteria, bool(chosen.get("any")), activities
    course.created, course.grade_item, course.context = int(site.clock()), 3 * place - 2, 15 + 5 * place
    course.show_conditions = None if off else True
    return course


def _criterion(activities: Sequence[Activity], kind: str, value: Any = None) -> tuple[Any, ...]:
    if kind == "activity":
        return kind, activities[value].cmid
    return (kind,) if kind == "self" else (kind, float(value))


def _activities(place: int, shortname: str) -> tuple[Activity, ...]:
    first = 4 * place - 3
    item = 3 * place - 2
    return (
        Activity(first, "page", 2 * place - 1, "Read policy", "manual"),
        Activity(first + 1, "page", 2 * place, "Watch video", "view"),
        Activity(first + 2, "assign", place, "Final assignment", "grade", item + 1, 100.0, f"{shortname}-A1"),
        Activity(first + 3, "quiz", place, "Knowledge check", "grade", item + 2, 10.0),
    )


def add_user(site: MoodleSite, **fields: Any) -> User:
    """An account that was there before; not an effect for the ledger. `id` may be given."""
    with site.lock:
        number = fields.pop("id", None) or site.state.ids.next("user")
        site.state.ids.reach("user", number)
        user = User(number, **fields)
        site.state.add_user(user)
        site.commit()
        return user


def enrol(site: MoodleSite, user_id: int, course_id: int, role: int = 5, **facts: Any) -> Enrolment:
    """An enrolment that was there before; not an effect for the ledger."""
    with site.lock:
        enrolment = Enrolment(user_id, course_id, **{"created": site.clock(), **facts})
        site.state.participants.setdefault(course_id, {})[user_id] = enrolment
        site.state.enrolled_in.setdefault(user_id, {})[course_id] = enrolment
        site.state.roles[(user_id, course_id)] = (role,)
        return enrolment


def unenrol(site: MoodleSite, user_id: int, course_id: int) -> None:
    """Take a user out of a course by hand, as a teacher would in the pages."""
    with site.lock:
        remove_enrolment(site.state, user_id, site.state.courses[course_id])
        site.state.journal.settle()


def change_user(site: MoodleSite, user_id: int, **changes: Any) -> None:
    """Change an account by hand, as an administrator would in the pages; `deleted=True` deletes it."""
    with site.lock:
        user = site.state.users[user_id]
        if changes.pop("deleted", False):
            remove_user(site.state, user)
        site.state.change_user(user, **changes)
        site.state.journal.settle()


def change_course(site: MoodleSite, course_id: int, **changes: Any) -> None:
    """Change a course by hand: `visible`, `manual` ("enabled", "disabled", "none") ...; `deleted=True` deletes it."""
    with site.lock:
        if changes.pop("deleted", False):
            for user_id in site.state.participants.pop(course_id, {}):
                del site.state.enrolled_in[user_id][course_id]
            del site.state.courses[course_id]
            return
        for name, value in changes.items():
            if name not in Course.__dataclass_fields__:
                raise ValueError(f"a course has no {name!r}")
            setattr(site.state.courses[course_id], name, value)


def add_report(site: MoodleSite, name: str, columns: Iterable[str], **facts: Any) -> Report:
    """A custom report over course participants with these column headers."""
    number = site.state.ids.next("report")
    report = Report(number, name, tuple(columns), created=int(site.clock()), **facts)
    site.state.reports[number] = report
    return report


def change_token(site: MoodleSite, value: str, **changes: Any) -> None:
    """Change what a token may do: `expires`, `addresses`, `functions`, `service_enabled`, `authorised`."""
    site.state.tokens[value] = replace(site.state.tokens[value], **changes)
