"""One cause is one group, whoever it concerns; two codes never are (console, 6.1)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.failure_catalogue import CATALOGUE
from domain.fingerprints import _CLASSES, OPERATIONS, Cause, class_of, fingerprint, normalised, whereabouts

CLASSES = {
    "auth",
    "permission",
    "not_found",
    "conflict",
    "invalid_data",
    "rate_limited",
    "unavailable",
    "timeout",
    "unknown_outcome",
    "protocol",
    "config",
    "bug",
    "poison",
}

names = st.text(alphabet="abcdefghijklmnopqrstuvwxyzåéøüß李محمد' -", min_size=1, max_size=30)
numbers = st.integers(0, 10**12)
days = st.dates().map(str)
uuids = st.uuids().map(str)
addresses = st.from_regex(r"[a-z][a-z0-9.+-]{0,20}@[a-z]{1,20}\.example", fullmatch=True)
codes = st.sampled_from(sorted(CATALOGUE))
kinds = st.sampled_from(sorted(OPERATIONS))


def of(code: str, detail: str = "", kind: str = "account", lms: str = "moodle") -> str:
    return str(fingerprint(Cause(lms, kind, code, detail)))  # type: ignore[arg-type]


@given(st.sampled_from(["moodle", "talentlms", "hr"]), kinds, st.text(max_size=300), st.text(max_size=500))
def test_every_failure_has_a_fingerprint_that_is_short_and_can_be_stored(
    lms: str, kind: str, code: str, detail: str
) -> None:
    """The last tier is total: nothing is without a group, and nothing breaks a fingerprint apart."""
    key = of(code, detail, kind, lms)

    assert key.startswith(f"fp1:{lms}|{OPERATIONS[kind]}|")  # type: ignore[index]
    assert len(key) < 500
    assert "\0" not in key
    assert key.encode("utf-8")
    assert key.count("|") == 5


@given(codes, codes, kinds, st.text(max_size=100))
def test_two_codes_of_the_catalogue_are_never_one_group(one: str, other: str, kind: str, detail: str) -> None:
    assert (of(one, detail, kind) == of(other, detail, kind)) == (one == other)


@pytest.mark.parametrize(
    "detail", ["LMS user {n} has this e-mail address", "external_id is empty", "{day}: {n} starts"]
)
@given(code=codes, one=st.tuples(numbers, days), other=st.tuples(numbers, days))
def test_one_code_is_one_group_whatever_ids_and_days_its_detail_names(
    detail: str, code: str, one: tuple[int, str], other: tuple[int, str]
) -> None:
    assert of(code, detail.format(n=one[0], day=one[1])) == of(code, detail.format(n=other[0], day=other[1]))


@given(st.data())
def test_an_unknown_text_is_one_group_whatever_names_ids_and_days_it_quotes(data: st.DataObject) -> None:
    """What nobody foresaw is grouped by what stays the same."""
    template = 'User "{name}" ({address}) of {day}, number {n}, request {uuid} failed at https://lms.example/{n}?a={n}'

    def filled() -> str:
        return template.format(
            name=data.draw(names),
            address=data.draw(addresses),
            day=data.draw(days),
            n=data.draw(numbers),
            uuid=data.draw(uuids),
        )

    assert of("made_up", filled()) == of("made_up", filled())


@given(st.text(max_size=400))
def test_normalising_again_changes_nothing_that_counts(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text) or len(normalised(text)) > 150


def test_what_the_lms_names_and_we_do_not_tells_its_errors_apart() -> None:
    refused = "lms_rejected"

    assert of(refused, "core_user_create_users: usernametaken") == of(refused, "core_user_update_users: usernametaken")
    assert of(refused, "core_user_create_users: usernametaken") != of(refused, "core_user_create_users: emailtaken")
    # Of a code that says all, it does not matter by which call it was met.
    assert of("email_taken", "core_user_create_users: useremailduplicate") == of("email_taken", "LMS user 7 has it")


@pytest.mark.parametrize(
    ("code", "one", "other", "same"),
    [
        ("bad_field", "data.emails.0: is no text", "data.emails.2: Input should be a string", True),
        ("bad_field", "data.emails.0: is no text", "data.status: is no text", False),
        ("missing_field", "tenant: is missing", "subject: is missing", False),
        ("unknown_type", "type: type hr.a.v1 is not known", "type: type hr.b.v1 is not known", True),
    ],
)
def test_events_are_grouped_by_the_field_at_fault(code: str, one: str, other: str, same: bool) -> None:
    assert (of(code, one, "inbox", "hr") == of(code, other, "inbox", "hr")) is same


def test_profile_fields_are_grouped_by_their_names_in_any_order() -> None:
    one = of("field_option_missing", "site lacks the option; region lacks the option")

    assert one == of("field_option_missing", "region lacks an option; site lacks one")
    assert one != of("field_option_missing", "region lacks an option")


def test_a_fault_of_ours_is_known_by_its_type_and_the_innermost_place_of_ours() -> None:
    """No line numbers: they move with every release."""

    with pytest.raises(TypeError) as caught:
        class_of(["not a code"])  # type: ignore[arg-type]
    place = whereabouts(caught.value)

    assert whereabouts(KeyError("raised by none of ours")) == "KeyError"
    assert re.fullmatch(r"TypeError in domain\.fingerprints:class_of", place)
    assert of("bug", place) == "fp1:moodle|person|bug|bug|TypeError|domain.fingerprints:class_of"
    assert of("bug", place) != of("bug", "KeyError in domain.fingerprints:class_of")


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_code_has_one_of_the_closed_classes(code: str) -> None:
    assert class_of(code) in CLASSES


def test_no_class_names_a_code_that_is_not_there() -> None:
    assert _CLASSES.keys() - CATALOGUE.keys() == set()


def test_a_fingerprint_says_why_things_are_together_part_by_part() -> None:
    found = fingerprint(Cause("moodle", "account", "email_taken", "LMS user 7 has this e-mail address"))

    assert dict(found.parts) == {
        "lms": "moodle",
        "operation": "person",
        "class": "conflict",
        "code": "email_taken",
        "said": "",
        "field": "",
    }
