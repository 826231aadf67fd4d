"""Which units HR hears of: by the first word of a unit's name, and only when all that bear it are completed."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.lms import Completion, Mark, Standing, UnitState
from domain.results import Found
from domain.unit_results import codes_in, found_in
from tests.unit.domain.values import NOON

BEGAN = NOON - timedelta(days=30)


def unit(
    name: str, completed_at: datetime | None = NOON, score: str | None = None, unit_id: str = "", *, done: bool = True
) -> UnitState:
    status = "Completed" if done else "In progress"
    return UnitState(
        unit_id or name, name, status, done, completed_at if done else None, Decimal(score) if score else None
    )


def standing(*units: UnitState) -> Standing:
    return Standing(Mark(50, BEGAN, None, None, 60), completed=False, units=units)


def read(shown: Standing | Completion, *codes: str) -> list[tuple[str, bool]]:
    return [(found.unit, found.known) for found in found_in(shown, codes)]


@pytest.mark.parametrize(
    "name",
    [
        "ICTWEB304 Build simple web pages",
        "   ICTWEB304 Build",
        "\u00a0ICTWEB304\u00a0Build",
        "\tICTWEB304\nBuild",
        "ICTWEB304",
        "ICTWEB304: Build",
        "ICTWEB304 - Build",
        "ICTWEB304, part 1",
        "ICTWEB304. Build",
        "ICTWEB304/ICTWEB305 Build and style",
        "ICTWEB304–Build",
        "ICTWEB304_Build",
        "(ICTWEB304) Build",
        "[ICTWEB304]: Build",
        "- ICTWEB304 Build",
        "ictweb304 build",
        "IctWeb304 Build",
    ],
)
def test_the_first_word_of_a_name_is_the_code(name: str) -> None:
    """R148: leading spaces, punctuation after the code, lower case, the code alone; HR's spelling is what HR gets."""
    assert read(standing(unit(name)), "ICTWEB305", "ICTWEB304") == [("ICTWEB304", True)]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("", "#17"),
        ("   ", "#17"),
        ("--- !", "#17"),
        ("Introduction", "Introduction"),
        ("ICTWEB3040 Build", "ICTWEB3040"),
        ("ICTWEB30 Build", "ICTWEB30"),
        ("Unit ICTWEB304", "Unit"),
        ("About ICTWEB304: more", "About"),
    ],
)
def test_a_name_that_begins_otherwise_is_no_match(name: str, label: str) -> None:
    """R148, R149: an empty name, another word first, a code that is longer or shorter; none of them is an error."""
    assert read(standing(unit(name, unit_id="17")), "ICTWEB304") == [(label, False)]


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        (["BSB-01", "BSB"], "BSB-01"),
        (["BSB"], "BSB"),
        (["BSB-01-A"], "BSB-01-A"),
        (["BSB-01-A.", "BSB"], "BSB-01-A."),
        (["01"], "BSB-01-A"),
    ],
)
def test_a_code_may_hold_punctuation_itself(codes: list[str], found: str) -> None:
    """R148: the longest beginning of the word that HR knows."""
    assert [code for code, _ in read(standing(unit("BSB-01-A: Lead a team")), *codes)] == [found]


def test_units_and_modules_match_alike_and_the_first_spelling_counts() -> None:
    """R149: HR's course lists both; which of them it is does not matter here."""
    assert read(standing(unit("m1 Module"), unit("U1 Unit")), "M1", "m1", "U1") == [("M1", True), ("U1", True)]


def test_two_units_with_one_code_are_completed_when_both_are() -> None:
    """R148: with the latest date; the lowest grade says whether it is a pass."""
    both = standing(unit("U1 Read", NOON, "90"), unit("u1: Test", NOON + timedelta(days=2), "60"))
    half = standing(unit("U1 Read"), unit("U1 Test", done=False))

    [found] = found_in(both, ["U1"])
    assert (found.completion.completed_at, found.completion.grade) == (NOON + timedelta(days=2), Decimal(60))
    assert [part["name"] for part in found.completion.evidence["units"]] == ["U1 Read", "u1: Test"]
    assert found_in(half, ["U1"]) == []


def test_two_unmatched_units_with_one_code_are_one_too() -> None:
    """R148, R149: held back once."""
    assert read(standing(unit("X1 Read"), unit("x1 Test"))) == [("X1", False)]
    assert read(standing(unit("X1 Read"), unit("x1 Test", done=False))) == []


@pytest.mark.parametrize(
    ("dates", "latest"), [([None, NOON], NOON), ([None, None], None), ([NOON, NOON - timedelta(days=1)], NOON)]
)
def test_a_unit_without_a_date_does_not_hide_the_others(dates: list[datetime | None], latest: datetime | None) -> None:
    [found] = found_in(standing(*(unit("U1", at, unit_id=str(n)) for n, at in enumerate(dates))), ["U1"])

    assert found.completion.completed_at == latest


def test_what_is_not_completed_never_comes_back() -> None:
    """R151: neither "in progress" nor a unit that was reopened."""
    assert read(standing(unit("U1 Read", done=False), unit("U2 Test")), "U1", "U2") == [("U2", True)]
    assert read(standing(), "U1") == []


def test_the_beginning_in_the_lms_goes_along() -> None:
    [found] = found_in(standing(unit("U1")), ["U1"])

    assert (found.enrolled_at, found.completion.completed_at) == (BEGAN, NOON)


def test_a_whole_course_has_no_unit() -> None:
    """R154: completion is the LMS's word, for a course as for a unit."""
    whole = Completion(NOON, None, {})

    assert found_in(whole, ["U1"]) == [Found(whole)]


@given(name=st.text(max_size=400))
def test_any_name_has_codes_that_begin_its_first_word(name: str) -> None:
    """R148: whatever people type; the longest first, none empty, none longer than a key may be."""
    codes = codes_in(name)

    assert all(0 < len(code) <= 255 for code in codes)
    assert codes == sorted(codes, key=len, reverse=True)
    assert all(codes[0].startswith(code) for code in codes)
    assert bool(codes) == any(character.isalnum() for character in name)


@given(
    names=st.lists(st.text(alphabet="aAbB1- .", max_size=8), max_size=6),
    codes=st.lists(st.text("aAbB1-", min_size=1), max_size=3),
)
def test_nothing_is_found_twice(names: list[str], codes: list[str]) -> None:
    """I5: of each unit at most one finding, however names and codes are written."""
    found = found_in(standing(*(unit(name, unit_id=str(n)) for n, name in enumerate(names))), codes)

    assert len({one.key for one in found}) == len(found)
    assert sum(len(one.completion.evidence["units"]) for one in found) == len(names)
