"""A course of the LMS as HR gets to know it: values in, values out."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.catalogue import CourseNews, KnownCourse, misfitting_fields, read_courses
from domain.integration import Catalogue
from domain.lms import LmsCourse, LmsField

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
FIRE = LmsCourse("2", "C-FIRE", "FIRE", "Fire safety", True, True, "4", "Safety", datetime(2026, 1, 5, tzinfo=UTC))


def reading(
    *courses: LmsCourse, known: dict[str, KnownCourse] | None = None, zone: str = "UTC", **chosen: Any
) -> list[CourseNews]:
    settings = Catalogue.model_validate(chosen)
    return read_courses(courses, known or {}, scope="1", settings=settings, zone=ZoneInfo(zone), now=NOW).news


def remembered(news: list[CourseNews], known: dict[str, KnownCourse] | None = None) -> dict[str, KnownCourse]:
    """What is on record after the news."""
    before = known or {}
    fresh = {
        one.lms_course_id: KnownCourse(one.lms_course_id, one.told, one.event_id, NOW, gone=False)
        for one in news
        if one.told
    }
    return before | fresh


def only(news: list[CourseNews]) -> CourseNews:
    assert len(news) == 1
    return news[0]


def told(*courses: LmsCourse, **chosen: Any) -> Any:
    return only(reading(*courses, **chosen)).told


# Code and description


def test_a_rename_changes_the_description_and_keeps_the_code() -> None:
    """R58, also when the code that was told was the short name and that changed too."""
    short = replace(FIRE, code="FIRE")
    known = remembered(reading(short))
    renamed = told(replace(short, code="BLAZE", short_name="BLAZE", title="Blazes"), known=known)
    assert (renamed["code"], renamed["title"]) == ("FIRE", "Blazes")


def test_nothing_is_told_twice() -> None:
    assert only(reading(FIRE, known=remembered(reading(FIRE)))) == CourseNews("2")


def test_a_change_back_is_told_under_an_id_of_its_own() -> None:
    """I5: ids follow from the content and from what was told before."""
    first = reading(FIRE)
    there = reading(replace(FIRE, title="Other"), known=remembered(first))
    back = reading(FIRE, known=remembered(there))
    ids = [only(news).event_id for news in (first, there, back)]
    assert len(set(ids)) == 3
    assert only(reading(FIRE)).event_id == ids[0]


def test_two_courses_of_one_code_do_not_become_one_in_hr() -> None:
    """The one that HR knows keeps the code; the other is named."""
    other = replace(FIRE, course_id="3", title="Other")
    first, second = reading(other, FIRE)
    assert (first.lms_course_id, first.problem) == ("2", None)
    assert second.told is None
    assert second.problem
    assert second.problem.code == "course_code_taken"
    known = remembered(reading(other))
    assert {one.lms_course_id for one in reading(FIRE, other, known=known) if one.problem} == {"2"}


def test_a_course_made_anew_takes_over_the_code_of_the_one_that_is_gone() -> None:
    known = remembered(reading(FIRE))
    gone, new = reading(replace(FIRE, course_id="9"), known=known)
    assert (gone.lms_course_id, gone.told and gone.told["visible"]) == ("2", False)
    assert (new.lms_course_id, new.told and new.told["code"], new.first) == ("9", "C-FIRE", True)


# Active or not


def test_a_hidden_course_is_inactive_and_a_shown_one_active_again() -> None:
    """R57, both ways of change."""
    known = remembered(reading(FIRE))
    hidden = reading(replace(FIRE, visible=False), known=known)
    assert only(hidden).told == {**(known["2"].told or {}), "visible": False}
    shown = reading(FIRE, known=remembered(hidden))
    assert only(shown).told == known["2"].told


def test_a_course_that_is_gone_is_inactive_and_told_so_once() -> None:
    """R57: never deleted."""
    known = remembered(reading(FIRE))
    gone = reading(known=known)
    assert only(gone).told == {**(known["2"].told or {}), "visible": False}
    assert only(reading(known=remembered(gone))).told is None


# Category


@pytest.mark.parametrize(
    ("category", "chosen", "expected"),
    [
        ("Safety", {"categories": {"Safety": "SAFE"}}, "SAFE"),
        (" safety ", {"categories": {"Safety": "SAFE"}}, "SAFE"),
        ("Safety", {}, "Safety"),
        ("Other", {"categories": {"Safety": "SAFE"}, "unknown_category": "accept", "default_category": "X"}, "Other"),
        ("Other", {"unknown_category": "default", "default_category": "GENERAL"}, "GENERAL"),
        ("", {"default_category": "GENERAL"}, "GENERAL"),
        (None, {"unknown_category": "park", "default_category": "GENERAL"}, "GENERAL"),
        ("", {}, None),
    ],
)
def test_a_category_is_mapped_accepted_or_replaced(category: str, chosen: dict[str, Any], expected: str) -> None:
    """R56: one rule for unknown categories, one for none."""
    assert told(replace(FIRE, category=category), **chosen)["category"] == expected


def test_an_unknown_category_parks_the_course_until_it_is_mapped() -> None:
    """R56."""
    parked = only(reading(FIRE, unknown_category="park"))
    assert parked.told is None
    assert parked.problem
    assert parked.problem.code == "course_category_unknown"
    assert told(FIRE, unknown_category="park", categories={"Safety": "SAFE"})["category"] == "SAFE"


def test_a_parked_course_that_hr_has_is_still_told_to_be_hidden() -> None:
    """R56, R57."""
    known = remembered(reading(FIRE))
    news = only(reading(replace(FIRE, visible=False, title="New", category="?"), known=known, unknown_category="park"))
    assert news.problem is not None
    assert news.told == {**(known["2"].told or {}), "visible": False}


# Dates


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "2026-01-04"), ("Europe/Amsterdam", "2026-01-05"), ("America/New_York", "2026-01-04")]
)
def test_the_zone_decides_the_day_of_the_start(zone: str, day: str) -> None:
    """R59: half past eleven at night in UTC."""
    late = replace(FIRE, starts_at=datetime(2026, 1, 4, 23, 30, tzinfo=UTC))
    assert told(late, zone=zone)["starts_on"] == day
    assert told(late, zone=zone)["starts_at"] == "2026-01-04T23:30:00+00:00"


@pytest.mark.parametrize(
    ("rule", "zone", "day"),
    [("first_seen", "UTC", "2026-03-01"), ("first_seen", "Europe/Amsterdam", "2026-03-02"), ("none", "UTC", None)],
)
def test_a_course_without_a_start_gets_the_day_it_was_first_seen_or_none(rule: str, zone: str, day: str) -> None:
    """R59: the LMS's zero; the day does not move from reading to reading."""
    open_course = replace(FIRE, starts_at=None)
    news = only(reading(open_course, zone=zone, without_start=rule))
    assert news.told
    assert (news.told["starts_on"], news.told["starts_at"]) == (day, None)


# Fields

MAPPED = {
    "saqa": {"to": "qualification_id"},
    "registered": {"to": "registered", "kind": "yes_no"},
    "pass_rate": {"to": "minimum_pass_rate", "kind": "number"},
    "level": {"to": "course_level"},
    "until": {"to": "accredited_until", "kind": "date"},
}


def test_course_fields_become_attributes_of_their_kind() -> None:
    """R38, R41: checkbox, date and menu; what is not mapped stays where it is."""
    custom = {
        "saqa": "SAQA 117",
        "registered": True,
        "pass_rate": "65,5 %",
        "level": "NQF 5",
        "until": datetime(2027, 1, 4, 22, 0, tzinfo=UTC),
        "secret": "x",
    }
    assert told(replace(FIRE, custom=custom), fields=MAPPED, zone="Africa/Johannesburg")["attributes"] == {
        "qualification_id": "SAQA 117",
        "registered": True,
        "minimum_pass_rate": "65.5",
        "course_level": "NQF 5",
        "accredited_until": "2027-01-05",
    }


@pytest.mark.parametrize(
    ("custom", "named"),
    [
        ({"registered": "Yes"}, "registered is not a yes/no"),
        ({"pass_rate": "high"}, "pass_rate is not a number"),
        ({"until": "soon"}, "until is not a date"),
        ({"level": True}, "level is not a text"),
        ({}, "saqa is not there"),
    ],
)
def test_a_field_that_does_not_fit_is_left_out_and_named(custom: dict[str, Any], named: str) -> None:
    """R31, R33, R39: never sent raw."""
    settings = Catalogue.model_validate({"fields": MAPPED})
    course = replace(FIRE, custom=custom)
    found = read_courses([course], {}, scope="1", settings=settings, zone=UTC, now=NOW)
    assert named in found.unusable_fields
    assert set((only(found.news).told or {})["attributes"].values()) == {None}


@pytest.mark.parametrize(
    "chosen",
    [
        {"unknown_category": "default"},
        {"categories": {"Safety": "A", "safety ": "B"}},
        {"fields": {"a": {"to": "x"}, "b": {"to": "x"}}},
        {"categories": {"Safety": ""}},
    ],
)
def test_settings_that_cannot_work_are_refused(chosen: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Catalogue.model_validate(chosen)


titles = st.text(max_size=5)
visits = st.lists(st.lists(st.tuples(st.integers(1, 4), titles, st.booleans()), max_size=4), max_size=5)


@given(visits)
def test_after_any_readings_hr_holds_the_last_one(all_visits: list[list[tuple[int, str, bool]]]) -> None:
    """R57, R58: whatever came between, the last event about a course says how it is, under its first code."""
    known: dict[str, KnownCourse] = {}
    events: list[str] = []
    for visit in all_visits:
        courses = {str(n): LmsCourse(str(n), f"C-{n}", f"S{n}", title, shown, True) for n, title, shown in visit}
        news = reading(*courses.values(), known=known)
        events += [one.event_id or "" for one in news if one.told]
        known = remembered(news, known)
        for course_id, entry in known.items():
            assert entry.told is not None
            here = courses.get(course_id)
            assert entry.told["visible"] is (here is not None and here.visible)
            assert entry.told["code"] == f"C-{course_id}"
            assert here is None or entry.told["title"] == here.title
    assert len(set(events)) == len(events)


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ("checkbox", {"yes_no"}),
        ("date", {"date"}),
        ("datetime", {"date"}),
        ("text", {"text", "number"}),
        ("menu", {"text", "number"}),
    ],
)
def test_a_course_field_goes_where_its_type_can_ever_fit(kind: str, fits: set[str]) -> None:
    """R31, R33, R38: what was not seen yet may be mapped."""
    seen = {"here": LmsField("course", "here", kind, "Here")}
    for wanted in ("text", "yes_no", "date", "number"):
        fields = {name: {"to": name, "kind": wanted} for name in ("here", "unseen")}
        wrong = misfitting_fields(Catalogue.model_validate({"fields": fields}), seen)
        assert [name.split()[0] for name in wrong] == ([] if wanted in fits else ["here"])
