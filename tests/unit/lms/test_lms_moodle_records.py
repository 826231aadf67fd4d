"""What is sent to Moodle, and what is never sent."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.lms import LmsEnrolment, NewUser, UserChange
from lms.moodle_calls import numbered
from lms.moodle_records import (
    can_exist,
    change_fields,
    enrolment_fields,
    new_user_fields,
    problem_of_change,
    problem_of_enrolment,
    problem_of_user,
)

ANN = NewUser("ann.lee", "Ann.Lee@example.org", "Ann", "Lee", "E-1")
PLACE = LmsEnrolment("7", "2", "5", None, None, suspended=False)


def problem(**changes: str) -> tuple[str, str] | None:
    found = problem_of_user(replace(ANN, **changes))  # type: ignore[arg-type]
    return (found.code, found.detail) if found else None


@pytest.mark.parametrize("username", ["a", "ann.lee", "a-b_c@example.org", "1", "a" * 100])
def test_usernames_that_moodle_takes_pass(username: str) -> None:
    assert problem(username=username) is None


@pytest.mark.parametrize("username", ["", "Ann", "ann lee", " ann", "ann+1", "zoë", "ann#", "ann!", "a" * 101, "ann\n"])
def test_usernames_that_moodle_refuses_are_not_sent(username: str) -> None:
    """Contract, section 3.1."""
    assert problem(username=username) == ("username_invalid", "username")


@pytest.mark.parametrize("email", ["a@b.example", "Ann.O'Neil+x@sub.example.org", f"{'a' * 64}@{'b' * 27}.example"])
def test_addresses_that_moodle_takes_pass(email: str) -> None:
    assert problem(email=email) is None


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann@example",
        "a b@example.org",
        "a@b@example.org",
        "zoë@example.org",
        "a..b@c.example",
        ".a@b.example",
        "a.@b.example",
        "a@-b.example",
        "a@b..example",
        f"{'a' * 65}@b.example",
        f"a@{'b' * 60}.{'c' * 60}.example",
        "a@b.example\n",
        "a@b.example ",
    ],
)
def test_addresses_that_moodle_refuses_are_not_sent(email: str) -> None:
    """Contract, section 3.1."""
    assert problem(email=email) == ("email_invalid", "email")


@pytest.mark.parametrize("name", ["O'Neil", "李", "Анна", "Zoë & Co", "😀", "a < b", "x" * 100])
def test_names_that_moodle_keeps_pass(name: str) -> None:
    assert problem(first_name=name, last_name=name) is None


@pytest.mark.parametrize("name", ["", "  ", "<b>Ann</b>", "Ann<script", "Ann <3", "Ann<", "Ann\0", "Ann\ud800"])
def test_names_that_moodle_refuses_are_not_sent(name: str) -> None:
    """Contract, section 3.1; what cannot be encoded would not even leave."""
    assert problem(first_name=name) == ("text_invalid", "first_name")
    assert problem(last_name=name) == ("text_invalid", "last_name")


@pytest.mark.parametrize(("field", "most"), [("first_name", 100), ("last_name", 100), ("external_key", 255)])
def test_texts_are_as_long_as_their_columns(field: str, most: int) -> None:
    """Contract, section 3.1: longer ones end in a conflict that looks like any other."""
    assert problem(**{field: "x" * most}) is None
    assert problem(**{field: "x" * (most + 1)}) == ("value_too_long", field)


def test_a_key_may_be_empty_and_hold_anything_sendable() -> None:
    assert problem(external_key="") is None
    assert problem(external_key="<E 1>") is None
    assert problem(external_key="E\0") == ("text_invalid", "external_key")


def test_without_a_password_moodle_makes_one() -> None:
    """R67."""
    fields = new_user_fields(ANN)
    assert fields["createpassword"] == "1"
    assert "password" not in fields


def test_a_given_password_must_be_changed_at_the_first_login() -> None:
    sent = numbered("users", [new_user_fields(replace(ANN, password="Invented-1!", language="nl"))])
    assert sent == {
        "users[0][username]": "ann.lee",
        "users[0][firstname]": "Ann",
        "users[0][lastname]": "Lee",
        "users[0][email]": "Ann.Lee@example.org",
        "users[0][idnumber]": "E-1",
        "users[0][lang]": "nl",
        "users[0][password]": "Invented-1!",
        "users[0][preferences][0][type]": "auth_forcepasswordchange",
        "users[0][preferences][0][value]": "1",
    }


def test_a_given_password_may_be_left_as_it_is() -> None:
    fields = new_user_fields(replace(ANN, password="Invented-1!", force_password_change=False))
    assert "preferences.0.type" not in fields


def test_only_the_fields_named_are_sent_and_flags_are_numbers() -> None:
    """Contract, section 1: the words true and false fail the whole call."""
    assert change_fields(UserChange("7", {"suspended": True})) == {"id": "7", "suspended": "1"}
    assert change_fields(UserChange("7", {"suspended": False, "last_name": "Berg", "external_key": ""})) == {
        "id": "7",
        "suspended": "0",
        "lastname": "Berg",
        "idnumber": "",
    }


def test_an_enrolment_is_always_sent_completely() -> None:
    """Contract, section 4.1: what is left out is reset."""
    assert enrolment_fields(PLACE) == {
        "roleid": "5",
        "userid": "7",
        "courseid": "2",
        "timestart": "0",
        "timeend": "0",
        "suspend": "0",
    }
    dated = replace(
        PLACE, starts_at=datetime(2026, 1, 1, tzinfo=UTC), ends_at=datetime(2026, 7, 20, tzinfo=UTC), suspended=True
    )
    sent = enrolment_fields(dated)
    assert (sent["timestart"], sent["timeend"], sent["suspend"]) == ("1767225600", "1784505600", "1")


@pytest.mark.parametrize("bad", ["", "x", "-1", "1.5", " 7", "7\n", "٣", "1" * 19])
def test_ids_that_are_no_numbers_are_not_sent(bad: str) -> None:
    """Contract, section 3.2: one of them fails the whole call."""
    for field in ("user_id", "course_id", "role"):
        found = problem_of_enrolment(replace(PLACE, **{field: bad}))  # type: ignore[arg-type]
        assert found is not None
        assert (found.code, found.detail) == ("lms_id_invalid", field)
    changed = problem_of_change(UserChange(bad, {}))
    assert changed is not None
    assert changed.code == "lms_id_invalid"


def test_changes_are_checked_like_new_values() -> None:
    found = problem_of_change(UserChange("7", {"email": "nobody"}))
    assert found is not None
    assert found.code == "email_invalid"
    assert problem_of_change(UserChange("7", {"external_key": "", "suspended": False})) is None


@given(st.text())
def test_a_problem_never_repeats_the_value(text: str) -> None:
    """S5, S16: only the field's name is told."""
    found = problem_of_user(replace(ANN, last_name=text))
    assert found is None or (found.code, found.detail) in {
        ("text_invalid", "last_name"),
        ("value_too_long", "last_name"),
    }


@pytest.mark.parametrize(
    ("by", "value", "possible"),
    [
        ("username", "ann.lee", True),
        ("username", "Ann", False),
        ("user_id", "7", True),
        ("user_id", "x", False),
        ("external_key", "E 1", True),
        ("external_key", "", False),
        ("email", "not an address", True),
        ("email", "\ud800", False),
    ],
)
def test_only_values_that_a_user_may_hold_are_looked_up(by: str, value: str, possible: bool) -> None:
    """Contract, section 3.3."""
    assert can_exist(by, value) is possible
