"""
The self-check's lines: which facts must hold, what a red one costs, who acts and where to click.

Everything here is a value or a rule; what is asked of a site stands in `lms.selfcheck`.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from domain.check_facts import NOTHING_MOVES, PORTAL_FACTS, WAITS, Fact, Holds
from domain.failure_catalogue import CONFIG, IT, LMS
from domain.fields import FieldMap
from domain.lms import LmsField
from domain.recovery import OPERATIONS, Operation

State = Literal["ok", "failed", "warning", "not checked"]
RED = ("failed", "warning")

OLDEST, NEWEST = (4, 2), (4, 5)
_RELEASE = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Check:
    """One line. `failed` stops enabling; `warning` costs something and stops nothing."""

    name: str
    state: State
    detail: str = ""
    code: str = ""
    consequence: str = ""
    owner: str = ""
    where: str = ""


_SERVICES = "Site administration > Server > Web services"
_ROLE = "Site administration > Users > Permissions > Define roles: the service account's role"

# In the order in which they are looked at: what stands later needs what stands earlier.
FACTS = (
    Fact("address", NOTHING_MOVES, CONFIG, "url in the integration's settings"),
    Fact("name resolves", NOTHING_MOVES, IT, "the host name's entry in the public name service"),
    Fact("public address", NOTHING_MOVES, IT, "firewall and name service; MATRICULA_ALLOW_PRIVATE_LMS"),
    Fact("stored token", NOTHING_MOVES, IT, "MATRICULA_KEY; matricula integration set-token"),
    Fact("reachable", NOTHING_MOVES, IT, "the web server and the firewall before it"),
    Fact("secure connection", NOTHING_MOVES, IT, "the web server's certificate"),
    Fact("really Moodle", NOTHING_MOVES, CONFIG, "url in the settings: the address of the site's front page"),
    Fact("site available", NOTHING_MOVES, LMS, "Site administration > Server > Maintenance mode; the site's error log"),
    Fact(
        "web services and REST",
        NOTHING_MOVES,
        LMS,
        "Site administration > General > Advanced features: Enable web services; "
        f"{_SERVICES} > Manage protocols: REST only, XML-RPC is not needed",
    ),
    Fact("token", NOTHING_MOVES, LMS, f"{_SERVICES} > Manage tokens; matricula integration set-token"),
    Fact("service account", NOTHING_MOVES, LMS, "Site administration > Users > Browse list of users"),
    Fact(
        "access to the service",
        NOTHING_MOVES,
        LMS,
        f"{_SERVICES} > External services: enabled, authorised users; Manage tokens: IP restriction, valid until; "
        "the account's right webservice/rest:use",
    ),
    Fact("version", "Answers may mean something else than is known.", LMS, "Site administration > Notifications"),
    Fact("right site", "People could be linked to another site's users.", CONFIG, "url in the integration's settings"),
    Fact("sees its own account", NOTHING_MOVES, LMS, _ROLE),
    Fact("sees people", "People who are there look absent and would be made twice.", LMS, f"{_ROLE}: user:viewdetails"),
    Fact("sees names", "Names would be written again and again.", LMS, f"{_ROLE}: site:viewfullnames"),
    Fact("sees id numbers", "People are not recognised by their key.", LMS, f"{_ROLE}: site:viewuseridentity"),
    Fact("may create users", "Newcomers get no account.", LMS, f"{_ROLE}: user:create", "create_users"),
    Fact("may update users", "Changes and leavers do not reach the LMS.", LMS, f"{_ROLE}: user:update", "update_users"),
    Fact("enters courses", "Courses stay unknown and enrolments wait.", LMS, f"{_ROLE}: course:view"),
    Fact("sees course codes", "Courses are not recognised by their code.", LMS, f"{_ROLE}: course:update"),
    Fact("has courses", "There is nothing to enrol in.", LMS, "Site administration > Courses"),
    Fact("may enrol", "Nobody is enrolled.", LMS, f"{_ROLE}: enrol/manual:enrol", "enrol"),
    Fact("may give the learner role", "Nobody is enrolled.", LMS, f"{_ROLE}: Allow role assignments; roles.learner"),
    Fact("may give the tutor role", "Tutors are not enrolled.", LMS, f"{_ROLE}: Allow role assignments; roles.tutor"),
    Fact("sees completion", WAITS, LMS, f"{_ROLE}: report/completion:view", "results"),
    Fact("sees grades", WAITS, LMS, f"{_ROLE}: grade:viewall", "results"),
    Fact("report", WAITS, LMS, "Reports > Custom reports: columns and audience; results.report", "results"),
    Fact(
        "recent report", WAITS, LMS, "Reports > Custom reports: columns and audience; results.recent_report", "results"
    ),
    Fact(
        "profile fields",
        "The fields named keep their former value.",
        LMS,
        "Site administration > Users > User profile fields; matricula integration fields discover, then map",
    ),
    Fact("result items", WAITS, CONFIG, "results.outcomes in the integration's settings"),
    Fact(
        "manual enrolment",
        "Enrolments in the courses named fail; others go on.",
        LMS,
        "the course > Participants > Enrolment methods: Manual enrolments",
    ),
    Fact(
        "completion on",
        "No results from the courses named; others go on.",
        LMS,
        "the course > Settings > Completion tracking: Yes",
    ),
    Fact(
        "completion criteria",
        "No results from the courses named; others go on.",
        LMS,
        "the course > More > Course completion",
    ),
    Fact(
        "scheduled task",
        "Completions never appear, so there are no results.",
        LMS,
        "Site administration > Server > Tasks; run cron from the command line, every minute, and only there",
    ),
    Fact(
        "one address, one account",
        "Two people may end up with one address.",
        LMS,
        "Site administration > Plugins > Authentication > Manage authentication: Allow accounts with same email: No",
    ),
    Fact(
        "preset password",
        "The LMS refuses newcomers.",
        CONFIG,
        "MATRICULA_PASSWORD; Site administration > Security > Site security settings: Password policy",
    ),
)
_BY_NAME = {fact.name: fact for fact in (*PORTAL_FACTS, *FACTS)}
# Work under one of these could harm, and no failing call would stop it.
_HOLD_EVERYTHING = frozenset({"right site", "sees its own account", "sees people"})
# Whoever meets these at work opens the failure, per course or once per site; the self-check only shows them.
_TOLD_ELSEWHERE = frozenset(
    {"reachable", "site available", "result items", "manual enrolment", "completion on", "completion criteria"}
    | {"scheduled task", "calls left", "linked courses", "groups"}
)


@dataclass(frozen=True, slots=True)
class Needed:
    """A web service function: what it is for, and whether work cannot do without it."""

    name: str
    consequence: str
    holds: Holds = ""
    optional: bool = False


FUNCTIONS = (
    Needed("core_webservice_get_site_info", NOTHING_MOVES),
    Needed("core_user_get_users_by_field", "Nobody is recognised."),
    Needed("core_user_get_users", "Nobody is recognised by e-mail."),
    Needed("core_user_create_users", "Newcomers get no account.", "create_users"),
    Needed("core_user_update_users", "Changes and leavers do not reach the LMS.", "update_users"),
    Needed("enrol_manual_enrol_users", "Nobody is enrolled.", "enrol"),
    Needed("core_course_get_courses", "Courses stay unknown."),
    Needed("core_enrol_get_users_courses", WAITS, "results"),
    Needed("core_completion_get_course_completion_status", WAITS, "results"),
    Needed("gradereport_user_get_grade_items", WAITS, "results"),
    Needed("core_course_get_courses_by_field", "Manual enrolment is not checked per course.", optional=True),
    Needed("core_enrol_get_enrolled_users", "Changes made by hand to enrolments are not found.", optional=True),
)
REPORT = Needed("core_reportbuilder_retrieve_report", WAITS, "results")
_FUNCTION = "function "


def functions_for(reports: bool) -> tuple[Needed, ...]:
    """The functions that the token's service should hold."""
    return (*FUNCTIONS, REPORT) if reports else FUNCTIONS


def line(name: str, state: State, detail: str = "", code: str = "") -> Check:
    """The check of a fact; a red one says what it costs, who acts and where."""
    if state not in RED:
        return Check(name, state, detail)
    return labelled(Check(name, state, detail, code), fact_of(name))


def labelled(check: Check, fact: Fact) -> Check:
    """The line; a red one says what its fact says of it."""
    if check.state not in RED:
        return check
    return replace(check, consequence=fact.consequence, owner=fact.owner, where=fact.where)


def fact_of(name: str) -> Fact:
    """What the line of this name is about."""
    if not name.startswith(_FUNCTION):
        return _BY_NAME[name]
    needed = next(f for f in (*FUNCTIONS, REPORT) if _FUNCTION + f.name == name)
    where = f"{_SERVICES} > External services > Functions: add {needed.name}"
    return Fact(name, needed.consequence, LMS, where, needed.holds)


def function_line(needed: Needed, present: Iterable[str]) -> Check:
    """Whether one function is in the service (R43)."""
    name = _FUNCTION + needed.name
    if needed.name in present:
        return line(name, "ok")
    if needed.optional:
        return line(name, "warning", "not in the service", "function_missing")
    return line(name, "failed", "missing in the service", "function_missing")


def completed(checks: Iterable[Check], reports: bool, because: str) -> list[Check]:
    """All lines in their order; those that were not reached are not checked, and say why."""
    found = {check.name: check for check in checks}
    names = [fact.name for fact in FACTS]
    place = names.index("sees its own account")
    names[place:place] = [_FUNCTION + needed.name for needed in functions_for(reports)]
    return [found.get(name) or Check(name, "not checked", because) for name in names]


def completed_portal(checks: Iterable[Check], because: str) -> list[Check]:
    """The same of a portal, where red lines say where to click there."""
    found = {check.name: check for check in checks}
    return [
        labelled(found[fact.name], fact) if fact.name in found else Check(fact.name, "not checked", because)
        for fact in PORTAL_FACTS
    ]


def holds(check: Check) -> Holds:
    """The work that waits for a red line."""
    if check.state != "failed":
        return ""
    return "everything" if check.name in _HOLD_EVERYTHING else fact_of(check.name).holds


def refused_operations(checks: Iterable[Check]) -> dict[Operation, Check]:
    """The operations whose lines are red, with the first of them."""
    red = [(operation, check) for check in checks for operation in OPERATIONS if holds(check) == operation]
    return dict(reversed(red))


def proven_operations(checks: Iterable[Check]) -> list[Operation]:
    """The operations all of whose lines are green."""
    lines = [(fact_of(check.name).holds, check.state) for check in checks]
    return [op for op in OPERATIONS if {state for held, state in lines if held == op} == {"ok"}]


def gaps(checks: Iterable[Check]) -> list[Check]:
    """What stands between the integration and being enabled (R160)."""
    return [check for check in checks if check.state == "failed"]


def to_tell(checks: Iterable[Check]) -> list[Check]:
    """The red lines that nobody else opens a failure for."""
    return [check for check in checks if check.state in RED and check.name not in _TOLD_ELSEWHERE]


# Rules about single facts


def version_line(release: str) -> Check:
    """Moodle 4.2 to 4.5 is known; older is refused, newer is said to be unknown."""
    found = _RELEASE.match(release)
    if not found:
        return line("version", "failed", f"the site calls its release {release!r}", "lms_version")
    version = int(found[1]), int(found[2])
    if version < OLDEST:
        return line("version", "failed", f"Moodle {release}; 4.2 is the oldest known", "lms_version")
    if version > NEWEST:
        return line("version", "warning", f"Moodle {release}; 4.5 is the newest known", "lms_version")
    return line("version", "ok", f"Moodle {release}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a site says it is."""

    url: str
    name: str


def site_line(saved_url: str, told: Identity, pinned: Identity | None) -> Check:
    """
    Whether this is the site that was meant (R69).

    A Moodle says its own address; scheme and port may differ behind a proxy. Once enabled, a site with another address
    and another name is another site; with one of the two it has moved or was renamed.
    """
    if place_of(told.url) != place_of(saved_url):
        return line("right site", "failed", f"the site says that it is {told.url}", "other_site")
    if pinned is None or told == pinned:
        return line("right site", "ok", _named(told))
    moved, renamed = place_of(told.url) != place_of(pinned.url), told.name != pinned.name
    if moved and renamed:
        was = f"it was {_named(pinned)}, and is {_named(told)}"
        return line("right site", "failed", was, "other_site")
    if moved or renamed:
        was = f"it was {_named(pinned)}; enable the integration again to accept the change"
        return line("right site", "warning", was, "site_changed")
    return line("right site", "ok", _named(told))


def _named(site: Identity) -> str:
    return f"{site.name} at {site.url}" if site.name else site.url


def place_of(url: str) -> tuple[str, str]:
    """Host and folder of a site, in one spelling."""
    parts = urlsplit(url.strip())
    return (parts.hostname or "").rstrip(".").lower(), parts.path.rstrip("/").lower()


def password_line(password: str | None) -> Check:
    """Whether a preset password meets Moodle's default policy; the site's own is not readable (R67)."""
    name = "preset password"
    if password is None:
        return line(name, "not checked", "the LMS makes passwords")
    gaps = password_gaps(password)
    if gaps:
        return line(name, "warning", f"Moodle's default policy also wants {', '.join(gaps)}", "password_weak")
    return line(name, "ok", "meets Moodle's default policy; the site's own cannot be read")


def password_gaps(password: str) -> list[str]:
    """What Moodle's default policy misses in a password."""
    wanted = {
        "8 characters": len(password) >= 8,
        "a digit": any(c.isdigit() for c in password),
        "a lower case letter": any(c.islower() for c in password),
        "an upper case letter": any(c.isupper() for c in password),
        "a special character": any(not c.isalnum() for c in password),
    }
    return [what for what, there in wanted.items() if not there]


@dataclass(frozen=True, slots=True)
class Known:
    """
    What we know ourselves when a site is looked at.

    Attributes:
        linked: LMS user id to the key that was written to its id number, of some linked people.
        courses: LMS course ids that enrolments lead to.
        learners: LMS user ids that together are enrolled in most of these courses.
        late: Enrolments that are finished but have not been called complete for long.
        enrolled, completed: Enrolments held by the LMS, and how many of them are complete.
        quiet: Nothing was completed for a month although people have been enrolled for longer.
        shared_addresses: Linked accounts that share their address with another one.
        unmapped: Chosen outcomes that the pick-list does not hold.
        maps: The profile fields that are written, with those that were seen at the last discovery, by short name, and
            those of them that were seen before and not then.
        group_keys: Keys of groups that enrolments lead into.
    """

    linked: Mapping[str, str]
    courses: Sequence[str] = ()
    learners: Sequence[str] = ()
    late: int = 0
    enrolled: int = 0
    completed: int = 0
    quiet: bool = False
    shared_addresses: int = 0
    unmapped: Sequence[str] = ()
    maps: Sequence[FieldMap] = ()
    fields: Mapping[str, LmsField] = field(default_factory=dict)
    gone: Collection[str] = ()
    group_keys: Collection[str] = ()


NOTHING_KNOWN = Known({})
MANY = 20


def own_lines(known: Known) -> list[Check]:
    """The lines that follow from what we know ourselves."""
    return [_task_line(known), _address_line(known), _items_line(known), _fields_line(known)]


def _task_line(known: Known) -> Check:
    """Moodle does not say when its tasks ran; they show by what they leave undone (R50, R74)."""
    name = "scheduled task"
    if known.late:
        detail = f"{known.late} enrolments are finished and not called complete"
        return line(name, "warning", detail, "completion_task_late")
    if known.enrolled >= MANY and not known.completed and known.quiet:
        detail = f"{known.enrolled} enrolments, none complete, nothing changed for a month"
        return line(name, "warning", detail, "completion_task_late")
    if known.completed:
        return line(name, "ok", f"{known.completed} of {known.enrolled} enrolments are complete")
    return line(name, "not checked", "Moodle does not tell when its tasks ran, and nothing is completed yet")


def _address_line(known: Known) -> Check:
    name = "one address, one account"
    if known.shared_addresses:
        detail = f"{known.shared_addresses} linked accounts share an address"
        return line(name, "warning", detail, "same_email_allowed")
    return line(name, "not checked", "no web service tells this setting, and no shared address was seen")


def _items_line(known: Known) -> Check:
    if known.unmapped:
        detail = f"the pick-list does not hold {', '.join(known.unmapped)}"
        return line("result items", "warning", detail, "outcome_unmapped")
    return line("result items", "ok")


def _fields_line(known: Known) -> Check:
    """Whether the fields are still as they were mapped; discovery sees them, not this check (R39)."""
    name = "profile fields"
    if not known.maps:
        return line(name, "not checked", "none is mapped")
    if not known.fields:
        return line(name, "not checked", "the fields of the LMS were not discovered yet")
    wrong = [problem for chosen in known.maps for problem in _field_problems(chosen, known)]
    if wrong:
        return line(name, "warning", "; ".join(wrong), "profile_field_changed")
    return line(name, "ok", f"{len(known.maps)} are as they were mapped")


def _field_problems(chosen: FieldMap, known: Known) -> list[str]:
    seen = known.fields.get(chosen.lms_field)
    if chosen.lms_field in known.gone or seen is None:
        return [f"{chosen.lms_field} was not seen"]
    if seen.kind != chosen.kind:
        return [f"{chosen.lms_field} is a {seen.kind} now"]
    lacking = {*chosen.options, *chosen.value_map.values()} - set(seen.options or ())
    if chosen.kind == "menu" and seen.options is not None and lacking:
        return [f"{chosen.lms_field} lacks the option {', '.join(sorted(lacking))}"]
    return []


def courses_line(name: str, wrong: Sequence[str], looked_at: int, code: str) -> Check:
    """A line about linked courses; the wrong ones are named."""
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        return line(name, "warning", f"not in {', '.join(wrong[:5])}{more}", code)
    return (
        line(name, "ok", f"{looked_at} courses") if looked_at else line(name, "not checked", "no course is linked yet")
    )


def asked(check: Check, contacts: Iterable[object]) -> Check:
    """The line with whom to ask put before where to click (R78)."""
    first = next(iter(contacts), None)
    return check if first is None or not check.owner else replace(check, where=f"ask {first}: {check.where}")
