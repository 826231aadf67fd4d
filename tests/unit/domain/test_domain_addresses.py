"""Which address a person has in the LMS: one of HR's, another one, or a made-up one that nobody reads."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import choose_email, email_key, is_pseudo, pseudo_address
from domain.errors import NeedsAttention
from domain.integration import People
from tests.unit.domain.values import employee, people

PSEUDO = people(no_email="pseudo", pseudo_domain="HR.Example.org")
# RFC 5321's dot-atom in the ASCII letters that every LMS takes.
VALID = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*@[a-z0-9-]+(\.[a-z0-9-]+)+")


def refused(said: dict[str, object], chosen: People) -> NeedsAttention:
    with pytest.raises(NeedsAttention) as caught:
        choose_email(employee(**said), chosen)
    return caught.value


@pytest.mark.parametrize("choice", [1, 2, 3])
def test_the_chosen_address_is_used(choice: int) -> None:
    """R62, R173."""
    person = employee(emails=["one@example.org", "two@example.org", "three@example.org"])

    assert choose_email(person, people(email_choice=choice)).startswith(["one", "two", "three"][choice - 1])


@pytest.mark.parametrize(
    ("emails", "expected"),
    [
        ([None, "two@example.org", "three@example.org"], "two@example.org"),
        (["", " ", "three@example.org"], "three@example.org"),
        ([None, " two@example.org "], "two@example.org"),
    ],
)
def test_an_empty_choice_falls_back_to_the_next_where_that_may_be(emails: list[str | None], expected: str) -> None:
    """R173."""
    assert choose_email(employee(emails=emails), people(email_fallback=True)) == expected


def test_without_fallback_an_empty_choice_is_refused() -> None:
    """R173: by setting."""
    problem = refused({"emails": [None, "two@example.org"]}, people(email_fallback=False))

    assert problem.code == "email_missing"


def test_without_fallback_an_empty_choice_becomes_a_made_up_address_where_that_may_be() -> None:
    """R63, R173."""
    settings = people(email_fallback=False, no_email="pseudo", pseudo_domain="hr.example.org")

    assert is_pseudo(choose_email(employee(emails=[None, "two@example.org"]), settings))


@pytest.mark.parametrize("emails", [[], [None, None, None], ["", "  "]])
def test_nobody_without_an_address_is_made_up_unless_asked_for(emails: list[str | None]) -> None:
    """R73: the failure is HR's."""
    assert refused({"emails": emails}, people()).code == "email_missing"


@pytest.mark.parametrize(
    "address",
    [
        "noor",
        "noor@example",
        "noor@@example.org",
        "noor@example.org, an@example.org",
        "noor @example.org",
        "noor@example..org",
        "noor@.org",
        "@example.org",
        "<noor@example.org>",
        "noor@example.org\nBcc: x@example.org",
    ],
)
def test_what_is_no_address_is_named_by_its_place(address: str) -> None:
    """Poison corpus: e-mail. The address itself is not in the failure (I10)."""
    problem = refused({"emails": [None, address]}, people(email_choice=2))

    assert problem.code == "email_malformed"
    assert "emails[1]" in problem.detail
    assert address not in str(problem)


@pytest.mark.parametrize("address", ["a+tag@example.org", "o'neil@example.org", "zoë@exämple.org", "A.B@Example.ORG"])
def test_unusual_addresses_are_kept_as_hr_wrote_them(address: str) -> None:
    """Poison corpus: plus-tag, IDN, case."""
    assert choose_email(employee(emails=[f" {address} "]), people()) == address


def test_a_made_up_address_is_made_of_id_and_employee_number() -> None:
    """R63: at HR's own domain, and marked as undeliverable."""
    made = choose_email(employee(emails=[], id_number=" 800101 5009-087 ", employee_number="NL/1002"), PSEUDO)

    assert made == "8001015009-087.nl1002@undeliverable.hr.example.org"
    assert is_pseudo(made)


@pytest.mark.parametrize("id_number", ["80.01", "80..01", ".80.(.).01.", "80.\u200b.01"])
def test_a_made_up_address_never_has_two_dots_together(id_number: str) -> None:
    """R63: two would make it no address."""
    made = pseudo_address(employee(id_number=id_number), "hr.example.org")

    assert made == "80.01.1002@undeliverable.hr.example.org"


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"id_number": None}, "id_number"),
        ({"id_number": " - "}, "id_number"),
        ({"employee_number": ""}, "employee_number"),
        ({"id_number": None, "employee_number": None}, "id_number"),
    ],
)
def test_with_neither_address_nor_number_the_missing_one_is_named(said: dict[str, object], missing: str) -> None:
    """R64."""
    problem = refused(said | {"emails": []}, PSEUDO)

    assert problem.code == "identity_missing"
    assert missing in problem.detail


NUMBERS = st.text(max_size=28) | st.from_regex(r"[A-Za-z0-9 ./-]{1,28}", fullmatch=True)


@given(id_number=NUMBERS, number=NUMBERS)
def test_a_made_up_address_is_always_valid_marked_and_the_same(id_number: str, number: str) -> None:
    """R63: deterministic, one case, no illegal characters."""
    person = employee(id_number=id_number, employee_number=number)
    try:
        made = pseudo_address(person, PSEUDO.pseudo_domain)
    except NeedsAttention as problem:
        assert problem.code == "identity_missing"  # noqa: PT017 - the only allowed way out
        return

    assert VALID.fullmatch(made)
    assert is_pseudo(made)
    assert choose_email(employee(emails=[made]), people()) == made
    assert pseudo_address(employee(id_number=id_number, employee_number=number), "hr.example.org") == made


@given(st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True))
def test_upper_and_lower_case_make_one_address(number: str) -> None:
    """R63."""
    upper, lower = employee(id_number=number.upper()), employee(id_number=number.lower())

    assert pseudo_address(upper, "hr.example.org") == pseudo_address(lower, "HR.EXAMPLE.ORG")


def test_a_made_up_address_does_not_depend_on_the_name() -> None:
    """R65: a wedding must not make a second account."""
    assert choose_email(employee(emails=[], last_name="Berg"), PSEUDO) == choose_email(employee(emails=[]), PSEUDO)


def test_two_people_with_the_same_numbers_have_the_same_key() -> None:
    """R66: so that the collision can be seen."""
    one = pseudo_address(employee(employee_key="A", payroll="NL-01"), "hr.example.org")
    other = pseudo_address(employee(employee_key="B", payroll="NL-02"), "hr.example.org")

    assert email_key(one) == email_key(other)


@given(st.text(max_size=30))
def test_an_address_key_ignores_composition_and_outer_spaces(text: str) -> None:
    """R62, F4: two spellings of one address meet."""
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)

    assert email_key(composed) == email_key(decomposed) == email_key(f" {composed} ")
    assert email_key(email_key(text)) == email_key(text)


@given(st.from_regex(r"[A-Za-z0-9.+]{1,20}@[A-Za-z]{1,10}\.org", fullmatch=True))
def test_an_address_key_ignores_case(address: str) -> None:
    """R62."""
    assert email_key(address.upper()) == email_key(address.lower())


@pytest.mark.parametrize(
    "address", ["noor@example.org", "noor@deliverable.example.org", "undeliverable.x@example.org", ""]
)
def test_a_real_address_is_not_taken_for_a_made_up_one(address: str) -> None:
    assert not is_pseudo(address)
