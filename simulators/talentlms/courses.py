"""
Courses and their categories.
"""

from __future__ import annotations

from typing import Any

from simulators.talentlms.calls import DONE, Call, action, there
from simulators.talentlms.membership import unenrol
from simulators.talentlms.records import course_row, whole_course
from simulators.talentlms.state import Branch, Category, Course, Group
from simulators.talentlms.texts import escaped, price

SHORT_ROW = "id name description price status hide_from_catalog level shared shared_url avatar big_avatar"


@action("courses")
def courses(call: Call) -> Any:
    """One course with its members and units, or all of them without."""
    if call.args.get("id"):
        return whole_course(call, there(call.state.courses.get(call.number("id")), "course"))
    shown = call.page_of(call.state.courses)
    return [course_row(call, course) for course in shown]


@action("createcourse")
def create_course(call: Call) -> dict[str, Any]:
    """A new course without units."""
    name, texts = call.text("name"), ("description", "code", "price", "time_limit")
    facts: dict[str, Any] = {field: call.args[field] for field in texts if field in call.args}
    facts |= {"start": call.args.get("start_datetime"), "expiration": call.args.get("expiration_datetime")}
    if call.args.get("category_id"):
        facts["category"] = there(call.state.categories.get(call.number("category_id")), "category").id
    if call.args.get("creator_id"):
        facts["creator"] = call.user("creator_id").id
    custom = {key: call.args[key] for key in call.state.course_fields if key in call.args}
    course = Course(call.state.ids.next("course"), name, **facts, custom=custom, created=call.now, updated=call.now)
    call.state.add_course(course)
    call.effect("course created", course=course.id, name=course.name)
    return course_row(call, course, fresh=True)


@action("deletecourse")
def delete_course(call: Call) -> dict[str, str]:
    """A course is gone, with all enrolments in it."""
    course = call.course()
    for number in list(call.state.members.get(course.id, {})):
        unenrol(call.state, call.state.users[number], course, call.now)
    holders: list[Group | Branch] = [*call.state.groups.values(), *call.state.branches.values()]
    for holder in holders:
        call.state.journal.drop(holder.courses, course.id)
    call.state.drop_course(course)
    call.effect("course deleted", course=course.id)
    return DONE


@action("getcoursesbycustomfield")
def get_courses_by_custom_field(call: Call) -> list[dict[str, Any]]:
    """The courses with a value in any custom field."""
    ids = call.state.found.ids("course custom", call.text("custom_field_value"))
    return [course_row(call, call.state.courses[number]) for number in ids]


@action("categories")
def categories(call: Call) -> Any:
    """One category with its courses, or all of them without."""
    if not call.args.get("id"):
        return [_category(category) for category in call.page_of(call.state.categories)]
    category = there(call.state.categories.get(call.number("id")), "category")
    ids = call.state.found.ids("course category", str(category.id))
    rows = [course_row(call, call.state.courses[number]) for number in ids]
    return _category(category) | {"courses": [{name: row[name] for name in SHORT_ROW.split()} for row in rows]}


def _category(category: Category) -> dict[str, Any]:
    row = {"id": str(category.id), "name": escaped(category.name), "price": price(category.price)}
    return {**row, "parent_category_id": str(category.parent) if category.parent else None}
