"""The rules behind the self-check's lines."""

from pathlib import Path

import pytest

from domain.checks import (
    FACTS,
    FUNCTIONS,
    RED,
    Check,
    Identity,
    completed,
    courses_line,
    gaps,
    holds,
    line,
    password_gaps,
    site_line,
    to_tell,
    version_line,
)

ACADEMY = Identity("https://academy.example/moodle", "Academy")


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_every_red_line_says_what_it_costs_whose_it_is_and_where_to_click(fact: object) -> None:
    """R77"""
    red = line(fact.name, "failed", "why", "code")  # type: ignore[attr-defined]

    assert all((red.consequence, red.owner, red.where))
    assert red.consequence.endswith(".")


def test_cron_from_the_command_line_is_advice_and_nothing_more() -> None:
    """R51: shown where the site is set up; no line is about it, so nothing can be refused for it."""
    guide = (Path(__file__).parents[3] / "docs" / "integration.md").read_text(encoding="utf-8")

    assert "run cron from the command line" in line("scheduled task", "warning").where
    assert "Run Moodle's cron from the command line" in guide
    assert not [fact.name for fact in FACTS if "cron" in fact.name]


def test_a_green_line_says_no_more_than_it_must() -> None:
    assert line("token", "ok") == Check("token", "ok")


@pytest.mark.parametrize(
    ("release", "state"),
    [
        ("4.1.9 (Build: 1)", "failed"),
        ("4.2.3", "ok"),
        ("4.5.6 (Build: 20250811)", "ok"),
        ("5.0", "warning"),
        ("3.11", "failed"),
        ("4.10", "warning"),
        ("", "failed"),
    ],
)
def test_versions_4_2_to_4_5_are_known(release: str, state: str) -> None:
    assert version_line(release).state == state


@pytest.mark.parametrize(
    ("saved", "told", "pinned", "state"),
    [
        ("https://academy.example/moodle", ACADEMY, None, "ok"),
        ("http://ACADEMY.example:8080/moodle/", ACADEMY, ACADEMY, "ok"),
        ("https://academy.example", ACADEMY, None, "failed"),
        ("https://other.example/moodle", ACADEMY, None, "failed"),
        ("https://academy.example/moodle", ACADEMY, Identity(ACADEMY.url, "Before"), "warning"),
        ("https://academy.example/moodle", ACADEMY, Identity("https://old.example", "Academy"), "warning"),
        ("https://academy.example/moodle", ACADEMY, Identity("https://old.example", "Before"), "failed"),
        ("https://academy.example/moodle", ACADEMY, Identity("http://academy.example/moodle", "Academy"), "ok"),
    ],
)
def test_a_site_is_its_address_and_its_name(saved: str, told: Identity, pinned: Identity | None, state: str) -> None:
    """R69"""
    assert site_line(saved, told, pinned).state == state


@pytest.mark.parametrize(
    ("password", "missing"),
    [("Academy-2026", 0), ("academy-2026", 1), ("ACADEMY-2026", 1), ("Academy2026", 1), ("Ac-2", 1), ("", 5)],
)
def test_a_preset_password_is_held_against_the_default_policy(password: str, missing: int) -> None:
    """R67"""
    assert len(password_gaps(password)) == missing


def test_every_line_stands_in_its_place_and_what_was_not_reached_says_so() -> None:
    lines = completed([line("token", "failed", "gone", "token_refused")], reports=False, because="not reached")

    assert len(lines) == len(FACTS) + len(FUNCTIONS)
    assert {check.detail for check in lines if check.name != "token"} == {"not reached"}
    assert [check.name for check in gaps(lines)] == ["token"]


def test_what_waits_for_a_line() -> None:
    """E3: results alone, one operation, everything, or nothing beyond what fails by itself."""
    names = (
        "sees grades",
        "right site",
        "may create users",
        "may give the tutor role",
        "function enrol_manual_enrol_users",
    )

    assert [holds(line(name, "failed", "", "x")) for name in names] == [
        "results",
        "everything",
        "create_users",
        "",
        "enrol",
    ]
    assert holds(line("sees grades", "ok")) == ""


def test_what_others_tell_per_course_is_not_told_twice() -> None:
    """R76: raised once per course, by whoever meets it."""
    red = [line(name, "warning", "", "x") for name in ("completion criteria", "sees people")]

    assert [check.name for check in to_tell(red)] == ["sees people"]


def test_many_courses_are_named_by_a_few() -> None:
    told = courses_line("completion on", [f"C-{n}" for n in range(9)], 20, "completion_off")

    assert told.state in RED
    assert told.detail == "not in C-0, C-1, C-2, C-3, C-4 and 4 more"
