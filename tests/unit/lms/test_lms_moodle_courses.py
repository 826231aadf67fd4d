"""Records of Moodle's courses as the port tells them."""

from datetime import UTC, datetime

import pytest

from domain.errors import HoldIntegration
from domain.lms import CustomValue
from lms.moodle_answers import CategoryRecord, CourseRecord, CustomFieldRecord
from lms.moodle_records import as_course

COURSE = CourseRecord(id=2, shortname="FIRE", fullname="Fire", idnumber="", visible=1, enablecompletion=1, categoryid=5)
ABOVE = CategoryRecord(id=4, name="Safety", path="/4", visible=1)
BELOW = CategoryRecord(id=5, name="Fire", path="/4/5", visible=1)


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [((), True), ((4,), False), ((5,), False), ((4, 5), False)],
    ids=["none", "above", "own", "both"],
)
def test_a_hidden_category_hides_its_courses_and_those_below(hidden: tuple[int, ...], shown: bool) -> None:
    """R57; contract, section 7: also where a version's course list still calls them visible."""
    categories = {c.id: c.model_copy(update={"visible": int(c.id not in hidden)}) for c in (ABOVE, BELOW)}
    assert as_course(COURSE, categories).visible is shown


def test_categories_whose_visibility_one_may_not_see_hide_nothing() -> None:
    unknown = {c.id: c.model_copy(update={"visible": None}) for c in (ABOVE, BELOW)}
    assert as_course(COURSE, unknown).visible
    assert as_course(COURSE, {}).visible


def test_the_short_name_is_the_code_where_there_is_no_idnumber() -> None:
    course = as_course(COURSE, {5: BELOW})
    assert (course.code, course.category, course.starts_at) == ("FIRE", "Fire", None)


def test_a_course_without_its_visibility_means_a_missing_right() -> None:
    with pytest.raises(HoldIntegration, match="right_missing"):
        as_course(COURSE.model_copy(update={"visible": None}), {})


@pytest.mark.parametrize(
    ("kind", "raw", "value", "expected"),
    [
        ("checkbox", 1, "Yes", True),
        ("checkbox", "0", "Nein", False),
        ("date", 1767571200, "5 January 2026", datetime(2026, 1, 5, tzinfo=UTC)),
        ("date", 0, None, None),
        ("date", None, None, None),
        ("select", 2, "Classroom", "Classroom"),
        ("select", 0, None, None),
        ("text", "", None, None),
        ("some_plugin", 7, "seven", "seven"),
    ],
)
def test_a_custom_field_is_read_by_its_type(
    kind: str, raw: int | str | None, value: str | None, expected: CustomValue
) -> None:
    """R38: a menu's raw value is a place in a list; zero is no date."""
    field = CustomFieldRecord(shortname="f", type=kind, valueraw=raw, value=value)
    assert as_course(COURSE.model_copy(update={"customfields": [field]}), {}).custom == {"f": expected}
