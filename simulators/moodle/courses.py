"""
Courses and categories (contract sections 4.4 and 7).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from simulators.moodle.calls import Call, function
from simulators.moodle.errors import MoodleError, invalid_parameter
from simulators.moodle.forms import Multiple, Single, Value, boolean, integer, optional, raw
from simulators.moodle.progress import is_tracked, percentage, progress_of
from simulators.moodle.state import Category, Course, State

BARE_AMPERSAND = re.compile(r"&(?!#?\w+;)")
FILTERS = ("displayh5p", "activitynames", "mathjaxloader", "emoticon", "urltolink", "mediaplugin")
IDS = Single({"ids": Multiple(Value(integer), required=False)}, required=False)
CRITERIA = Multiple(Single({"key": Value(raw), "value": Value(raw)}), required=False)
CATEGORY_KEYS = ("id", "ids", "name", "parent", "idnumber", "visible", "theme")


def formatted(call: Call, name: str) -> str:
    """A text as answers show it: markup removed and escaped, unless raw texts are asked for."""
    return name if call.raw else BARE_AMPERSAND.sub("&amp;", re.sub(r"</?[a-zA-Z][^>]*>", "", name))


def is_course_visible(state: State, course: Course) -> bool:
    """Whether the course and all categories above it are shown."""
    category = state.categories.get(course.category)
    while category is not None:
        if not category.visible:
            return False
        category = state.categories.get(category.parent)
    return course.visible


def sort_orders(state: State) -> dict[int, int]:
    """Each course's place: by category, the newest first."""
    orders: dict[int, int] = {}
    seen: dict[int, int] = {}
    for course in sorted(state.courses.values(), key=lambda course: -course.id):
        seen[course.category] = seen.get(course.category, 0) + 1
        orders[course.id] = course.category * 10000 + seen[course.category]
    return orders


def by_sort_order(state: State, courses: Iterable[Course]) -> list[Course]:
    """Courses in the order of the site's course list."""
    orders = sort_orders(state)
    return sorted(courses, key=lambda course: orders[course.id])


@function("core_course_get_courses", {"options": IDS})
def get_courses(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The courses with the given ids, or all; one that may not be entered fails the call."""
    ids = args.get("options", {}).get("ids")
    wanted = call.state.courses if ids is None else [number for number in ids if number in call.state.courses]
    courses = [call.enter(number, wrapped=True) for number in sorted(wanted)]
    call.cost(len(courses))
    orders = sort_orders(call.state)
    return [_listed(call, course, orders[course.id]) for course in courses]


def _listed(call: Call, course: Course, order: int) -> dict[str, Any]:
    record: dict[str, Any] = {**_texts(call, course), "categoryid": course.category, "format": _format(course)}
    record |= {"startdate": course.startdate, "enddate": course.enddate, **_conditions(course)}
    record["customfields"] = _custom_fields(call, course)
    return record | (_managed(call, course, order) if call.can("moodle/course:update") else {})


def _texts(call: Call, course: Course) -> dict[str, Any]:
    name = formatted(call, course.fullname)
    record: dict[str, Any] = {"id": course.id, "shortname": course.shortname, "fullname": name, "displayname": name}
    raw_format = 0 if call.raw else course.summary_format
    return {**record, "summary": course.summary, "summaryformat": raw_format}


def _format(course: Course) -> str:
    return "site" if course.id == 1 else "topics"


def _conditions(course: Course) -> dict[str, Any]:
    return {"showactivitydates": False, "showcompletionconditions": course.show_conditions}


def _managed(call: Call, course: Course, order: int) -> dict[str, Any]:
    record = {
        "categorysortorder": order,
        "idnumber": course.idnumber,
        "visible": int(is_course_visible(call.state, course)),
    }
    record |= {"enablecompletion": int(course.completion), "completionnotify": 0, "showgrades": 1}
    record |= {"newsitems": course.newsitems, "numsections": course.numsections, "maxbytes": 0, "showreports": 0}
    record |= {"groupmode": 0, "groupmodeforce": 0, "defaultgroupingid": 0, "lang": "", "forcetheme": ""}
    record |= {"timecreated": course.created, "timemodified": course.created}
    if course.id == 1:
        return record | {"courseformatoptions": [{"name": "numsections", "value": 1}]}
    options = [{"name": "hiddensections", "value": 1}, {"name": "coursedisplay", "value": 0}]
    return record | {"hiddensections": 1, "courseformatoptions": options}


def _custom_fields(call: Call, course: Course) -> list[dict[str, Any]]:
    defaults = {"text": "", "textarea": "", "date": 0, "checkbox": 0, "select": 0}
    fields = []
    for place, (name, shortname, kind, options) in enumerate(call.state.course_fields):
        value = course.custom[place] if place < len(course.custom) else defaults[kind]
        shown = _display(kind, value, options)
        fields.append({"name": name, "shortname": shortname, "type": kind, "valueraw": value, "value": shown})
    return fields


def _display(kind: str, value: Any, options: tuple[str, ...]) -> str | None:
    if kind == "checkbox":
        return "Yes" if value else "No"
    if not value:
        return None
    if kind == "date":
        day = datetime.fromtimestamp(value, UTC)
        return f"{day.day} {day:%B %Y}"
    return options[value - 1] if kind == "select" else str(value)


@function("core_course_get_courses_by_field", {"field": optional(raw, ""), "value": optional(raw, "")})
def get_courses_by_field(call: Call, args: dict[str, Any]) -> dict[str, Any]:
    """The courses having a value in a field, or all; those that may not be listed are left out."""
    shown = [course for course in _matching(call, args["field"], args["value"]) if _may_list(call, course)]
    call.cost(len(shown))
    orders = sort_orders(call.state)
    return {"courses": [_public(call, course, orders[course.id]) for course in shown], "warnings": []}


def _matching(call: Call, field: str, value: str) -> list[Course]:
    courses = call.state.courses
    if field in ("id", "ids"):
        ids = [int(part) for part in value.split(",") if part.strip().isdigit()]
        return [courses[number] for number in sorted(set(ids)) if number in courses]
    every = [courses[number] for number in sorted(courses)]
    if field in ("shortname", "idnumber"):
        return [course for course in every if getattr(course, field) == value]
    if field == "category":
        return [course for course in every if str(course.category) == value]
    if field:
        raise invalid_parameter("Invalid field name")
    return every


def _may_list(call: Call, course: Course) -> bool:
    return is_course_visible(call.state, course) or call.can("moodle/course:viewhiddencourses")


def _public(call: Call, course: Course, order: int) -> dict[str, Any]:
    category = call.state.categories.get(course.category)
    image = f"{call.site.settings.url}/pluginfile.php/{course.context}/course/generated/course.svg"
    record: dict[str, Any] = {**_texts(call, course), "categoryid": course.category, "sortorder": order}
    record |= {"categoryname": formatted(call, category.name) if category else "", "courseimage": image}
    record |= {"summaryfiles": [], "overviewfiles": [], "contacts": [], **_conditions(course)}
    record["enrollmentmethods"] = ["manual"] if course.manual == "enabled" and course.id != 1 else []
    record["customfields"] = _custom_fields(call, course)
    inside = course.id == 1 or call.can("moodle/course:view")
    record |= _inside(call, course) if inside else {}
    return record | (_maintained(course) if call.can("moodle/course:update") else {})


def _inside(call: Call, course: Course) -> dict[str, Any]:
    record = {"format": _format(course), "showgrades": 1, "newsitems": course.newsitems, "maxbytes": 0}
    record |= {"startdate": course.startdate, "enddate": course.enddate, "showreports": 0, "groupmode": 0}
    record |= {"visible": int(is_course_visible(call.state, course)), "groupmodeforce": 0, "defaultgroupingid": 0}
    record |= {"enablecompletion": int(course.completion), "completionnotify": 0, "lang": "", "theme": "", "marker": 0}
    filters = [{"filter": name, "localstate": 0, "inheritedstate": 1} for name in FILTERS]
    if course.id == 1:
        return {**record, "filters": filters}
    options = [{"name": "hiddensections", "value": 1}, {"name": "coursedisplay", "value": 0}]
    return {**record, "filters": filters, "courseformatoptions": [*options, {"name": "indentation", "value": "1"}]}


def _maintained(course: Course) -> dict[str, Any]:
    times = {"timecreated": course.created, "timemodified": course.created, "cacherev": course.created}
    return {"idnumber": course.idnumber, "legacyfiles": 0, "calendartype": "", "requested": 0, **times}


@function("core_course_get_categories", {"criteria": CRITERIA, "addsubcategories": optional(boolean, True)})
def get_categories(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The categories meeting the criteria, by default with those below them."""
    criteria = {criterion["key"]: criterion["value"] for criterion in args.get("criteria", [])}
    if any(key not in CATEGORY_KEYS for key in criteria):
        raise MoodleError("criteriaerror", "Missing permissions to search on a criterion.")
    found = [c for c in call.state.categories.values() if _meets(c, criteria)]
    paths = tuple(f"{category.path}/" for category in found) if args["addsubcategories"] else ()
    below = [c for c in call.state.categories.values() if c not in found and c.path.startswith(paths)] if paths else []
    hidden_too = call.can("moodle/category:viewhiddencategories")
    shown = [category for category in [*found, *below] if category.visible or hidden_too]
    call.cost(len(shown))
    return [_category(call, category) for category in sorted(shown, key=lambda category: category.id)]


def _meets(category: Category, criteria: dict[str, str]) -> bool:
    ids = criteria.get("ids", str(category.id)).split(",")
    named = {key: value for key, value in criteria.items() if key not in ("ids", "visible", "theme")}
    return str(category.id) in ids and all(str(getattr(category, key)) == value for key, value in named.items())


def _category(call: Call, category: Category) -> dict[str, Any]:
    count = sum(course.category == category.id for course in call.state.courses.values())
    record: dict[str, Any] = {"id": category.id, "name": formatted(call, category.name), "parent": category.parent}
    record |= {"description": "", "descriptionformat": category.description_format, "sortorder": category.id * 10000}
    record |= {"coursecount": count, "depth": category.depth, "path": category.path}
    if not call.can("moodle/category:manage"):
        return record
    visible = int(category.visible)
    record |= {"idnumber": category.idnumber or None, "visible": visible, "visibleold": visible, "theme": ""}
    return {**record, "timemodified": int(category.modified)}


@function("core_enrol_get_users_courses", {"userid": Value(integer), "returnusercount": optional(boolean, True)})
def get_users_courses(call: Call, args: dict[str, Any]) -> list[dict[str, Any]]:
    """The visible courses in which the user's enrolment is active now; nothing for those one may not look at."""
    user = call.state.user(args["userid"])
    if user is None:
        return []
    now = call.site.clock()
    mine = [e for e in call.state.enrolled_in.get(user.id, {}).values() if e.active(call.now) and e.visible_from <= now]
    courses = by_sort_order(call.state, [call.state.courses[enrolment.course] for enrolment in mine])
    may_look = user.id == call.account.id or call.can("moodle/course:viewparticipants")
    shown = [course for course in courses if is_course_visible(call.state, course) and may_look]
    call.cost(len(shown))
    return [_followed(call, user.id, course, args["returnusercount"]) for course in shown]


def _followed(call: Call, user_id: int, course: Course, count: bool) -> dict[str, Any]:
    progress = progress_of(call.state, user_id, course.id)
    tracked = course.completion and is_tracked(call.state, user_id, course.id, call.now)
    image = f"{call.site.settings.url}/pluginfile.php/{course.context}/course/generated/course.svg"
    record: dict[str, Any] = {
        **_texts(call, course),
        "idnumber": course.idnumber,
        "visible": 1,
        "format": _format(course),
    }
    record |= {"courseimage": image, "showgrades": True, "lang": "", "enablecompletion": course.completion}
    record |= {"completionhascriteria": bool(course.criteria) and course.completion, "completionusertracked": tracked}
    record |= {"category": course.category, "startdate": course.startdate, "enddate": course.enddate, "marker": 0}
    record["progress"] = percentage(course, progress, call.site.release) if tracked else None
    record["completed"] = progress.completed is not None if course.completion else None
    record |= {
        "lastaccess": None,
        "isfavourite": False,
        "hidden": False,
        "overviewfiles": [],
        "timemodified": course.created,
    }
    record |= _conditions(course)
    return record | ({"enrolledusercount": len(call.state.participants[course.id])} if count else {})
