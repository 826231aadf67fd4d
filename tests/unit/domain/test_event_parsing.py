"""What an event must be, and what every poisoned one becomes: a BadEvent that says why, and nothing else."""

import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.events import (
    FACT_TYPES,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    BadEvent,
    CourseEnrolment,
    Employee,
    Fact,
    UnknownType,
    decode_json,
    parse,
    parse_bytes,
)
from tests.unit.domain.values import event


def refused(body: bytes) -> BadEvent:
    with pytest.raises(BadEvent) as caught:
        parse_bytes(body)
    return caught.value


def refused_event(content: dict[str, Any]) -> BadEvent:
    with pytest.raises(BadEvent) as caught:
        parse(content)
    return caught.value


def with_data(text: str) -> bytes:
    """A valid event whose data hold this piece of JSON as an attribute."""
    whole = json.dumps(event(data={"employee_key": "E-1002", "attributes": {"x": "HERE"}}))
    return whole.replace('"HERE"', text).encode("utf-8", "surrogatepass")


PLAIN = json.dumps(event())

POISON_BYTES = {
    "no bytes": (b"", "not_json"),
    "spaces only": (b"  \n", "not_json"),
    "sixteen megabytes": (b"[" + b" " * (16 * 1024 * 1024) + b"]", "too_large"),
    "one byte too many": (b" " * (MAX_EVENT_BYTES + 1), "too_large"),
    "nesting 65": (b"[" * 65 + b"]" * 65, "too_deep"),
    "nesting 900": (b"[" * 900 + b"]" * 900, "too_deep"),
    "nesting 7,000": (b'{"a":' * 7000 + b"1" + b"}" * 7000, "too_deep"),
    "nesting 100,000, never closed": (b"[" * 100_000, "too_deep"),
    "closed before it is opened": (b"]" * 100_000 + b"[" * 100_000, "not_json"),
    "5,000 digits": (with_data("9" * 5000), "not_json"),
    "1e400": (with_data("1e400"), "not_json"),
    "-1e400": (with_data("-1e400"), "not_json"),
    "NaN": (with_data("NaN"), "not_json"),
    "Infinity": (with_data("Infinity"), "not_json"),
    "-Infinity": (with_data("-Infinity"), "not_json"),
    "NUL as an escape": (with_data('"a\\u0000b"'), "unusable_text"),
    "NUL in a name": (with_data('{"a\\u0000": 1}'), "unusable_text"),
    "NUL as a byte": (with_data('"a\x00b"'), "not_json"),
    "lone surrogate as an escape": (with_data('"\\ud800"'), "unusable_text"),
    "lone surrogate in a list": (with_data('["ok", "\\udfff"]'), "unusable_text"),
    "surrogate as bytes": (with_data('"\ud800"'), "not_utf8"),
    "byte order mark": (b"\xef\xbb\xbf" + PLAIN.encode(), "not_json"),
    "UTF-16": (PLAIN.encode("utf-16"), "not_utf8"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), "not_json"),
    "Latin-1": (with_data('"Zoë"').decode().encode("latin-1"), "not_utf8"),
    "bad UTF-8": (b'{"a": "\xff"}', "not_utf8"),
    "overlong": (b'{"a": "\xc0\xaf"}', "not_utf8"),
    "array": (b"[1, 2]", "not_an_object"),
    "scalar": (b"5", "not_an_object"),
    "string": (b'"hello"', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "duplicate key": (b'{"id": "1", "id": "2"}', "duplicate_key"),
    "duplicate key inside": (with_data('{"a": 1, "a": 1}'), "duplicate_key"),
    "not JSON": (b"hello", "not_json"),
    "two values": (b"{} {}", "not_json"),
    "XML": (b'<?xml version="1.0"?><event/>', "not_json"),
    "gzip": (bytes.fromhex("1f8b0800000000000003"), "not_utf8"),
    "pickle": (b"\x80\x04\x95\x05\x00\x00\x00", "not_utf8"),
    "a Dramatiq message": (b'{"queue_name": "default", "actor_name": "provision", "args": []}', "missing_field"),
    "an empty object": (b"{}", "missing_field"),
}


@pytest.mark.parametrize(("body", "code"), POISON_BYTES.values(), ids=list(POISON_BYTES))
def test_poisoned_bytes_are_refused_with_their_reason(body: bytes, code: str) -> None:
    """Poison corpus: size, depth, numbers, text, shape, protocol. S12, S20."""
    problem = refused(body)

    assert problem.code == code
    assert problem.problem


@pytest.mark.parametrize("depth", [1, MAX_DEPTH])
def test_nesting_up_to_the_bound_is_read(depth: int) -> None:
    body = b'{"a":' * depth + b"1" + b"}" * depth

    assert list(decode_json(body)) == ["a"]


def test_brackets_and_quotes_inside_texts_are_not_nesting() -> None:
    body = json.dumps({"a": '\\"' + "[{" * 500, "b": "\\"}).encode()

    assert decode_json(body) == json.loads(body)


def test_an_event_of_exactly_the_largest_size_is_read() -> None:
    body = b'{"a": "%s"}' % (b"x" * (MAX_EVENT_BYTES - 9))
    assert len(body) == MAX_EVENT_BYTES

    assert decode_json(body)["a"].startswith("x")


def test_unusable_text_is_named_by_its_place() -> None:
    body = with_data('{"deep": ["fine", "\\u0000"]}')

    assert refused(body).field == "data.attributes.x.deep.1"


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775808",
        "-0",
        "0.30000000000000004",
        '"\\ud83d\\ude00"',
        '"\u202eexe.txt"',
        '"\u200b"',
        '"' + "e\\u0301" * 1000 + '"',
        '{"%s": 1}' % ("k" * 40_000),
        '"\'; DROP TABLE person; --"',
        '"{{7*7}}%s<script>=HYPERLINK(1)"',
    ],
)
def test_strange_but_valid_content_is_kept_as_it_is(text: str) -> None:
    """Poison corpus: what is legal JSON and can be stored is no reason to refuse an event."""
    parsed = parse_bytes(with_data(text))

    assert isinstance(parsed.fact, Employee)
    assert parsed.fact.attributes == {"x": json.loads(text)}


NAMES = [
    "Jos\u00e9",
    "Jose\u0301",
    "Straße",
    "İstanbul",
    "O'Neil",
    "Nguyễn",
    "李",
    "محمد",
    "Анна",
    "Null",
    "True",
    "N/A",
    "😀",
]


@pytest.mark.parametrize("name", [*NAMES, "x" * 4000])
def test_every_name_survives_unchanged(name: str) -> None:
    """Poison corpus: names; composed and decomposed forms both stay what HR wrote."""
    parsed = parse_bytes(json.dumps(event(data={"employee_key": "E-1002", "first_name": name})).encode())

    assert isinstance(parsed.fact, Employee)
    assert parsed.fact.first_name == name


def _data(**said: Any) -> dict[str, Any]:
    return event(data={"employee_key": "E-1002", **said})


def _enrolment(**said: Any) -> dict[str, Any]:
    data = {"enrolment_key": "EN-1", "employee_key": "E-1002", "course_code": "ICT", **said}
    return event("hr.course_enrolment.changed.v1", data, subject="EN-1")


POISON_MEANING = {
    "no id": (event(id=None), "bad_field", "id"),
    "empty id": (event(id="  "), "bad_field", "id"),
    "no data": (event() | {"data": None}, "missing_field", "data"),
    "data as a list": (event() | {"data": [1]}, "missing_field", "data"),
    "no subject's key": (event(data={"first_name": "Noor"}), "missing_field", "data.employee_key"),
    "somebody else's key": (event(subject="E-9"), "subject_mismatch", "subject"),
    "specversion 0.3": (event(specversion="0.3"), "bad_field", "specversion"),
    "time without offset": (event(time="2026-06-01T12:00:00"), "bad_field", "time"),
    "time as a number": (event(time=1764547200), "bad_field", "time"),
    "time as digits": (event(time="1764547200"), "bad_field", "time"),
    "year 0": (event(time="0000-01-01T00:00:00Z"), "bad_field", "time"),
    "year 9999": (event(time="9999-12-31T23:59:59-23:59"), "bad_field", "time"),
    "a leap second": (event(time="2016-12-31T23:59:60Z"), "bad_field", "time"),
    "key of 256": (event(data={"employee_key": "k" * 256}), "bad_field", "data.employee_key"),
    "empty key": (event(data={"employee_key": " "}), "bad_field", "data.employee_key"),
    "key as a number": (event(data={"employee_key": 1002}), "bad_field", "data.employee_key"),
    "name as a list": (_data(first_name=["Noor"]), "bad_field", "data.first_name"),
    "name of 4,001": (_data(first_name="x" * 4001), "bad_field", "data.first_name"),
    "a megabyte of name": (_data(first_name="x" * 1_000_000), "bad_field", "data.first_name"),
    "unknown status": (_data(status="sleeping"), "bad_field", "data.status"),
    "null status": (_data(status=None), "bad_field", "data.status"),
    "four addresses": (_data(emails=["a@example.org"] * 4), "bad_field", "data.emails"),
    "address as a number": (_data(emails=[5]), "bad_field", "data.emails.0"),
    "null addresses": (_data(emails=None), "bad_field", "data.emails"),
    "day 0000-01-01": (_data(starts_on="0000-01-01"), "bad_field", "data.starts_on"),
    "day in 9999": (_data(starts_on="9999-12-31"), "bad_field", "data.starts_on"),
    "day as 0": (_data(starts_on=0), "bad_field", "data.starts_on"),
    "day as an epoch": (_data(starts_on="1764547200"), "bad_field", "data.starts_on"),
    "day with a time": (_data(starts_on="2026-01-31T10:00:00Z"), "bad_field", "data.starts_on"),
    "31 February": (_data(starts_on="2026-02-31"), "bad_field", "data.starts_on"),
    "unknown booking": (_enrolment(booking_status="maybe"), "bad_field", "data.booking_status"),
    "unknown role": (_enrolment(role="admin"), "bad_field", "data.role"),
    "no course": (_enrolment(course_code=""), "bad_field", "data.course_code"),
    "negative seats": (
        event("hr.course_session.ordered.v1", {"order_key": "B", "course_short_name": "S", "seats": -1}, subject="B"),
        "bad_field",
        "data.seats",
    ),
}


@pytest.mark.parametrize(("content", "code", "field"), POISON_MEANING.values(), ids=list(POISON_MEANING))
def test_a_wrong_field_is_refused_by_name(content: dict[str, Any], code: str, field: str) -> None:
    """Poison corpus: shape and semantics. The field is named in HR's own words."""
    problem = refused_event(content)

    assert (problem.code, problem.field) == (code, field)


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type", "subject", "time", "tenant", "data"])
def test_every_required_attribute_is_missed_by_name(missing: str) -> None:
    content = event()
    del content[missing]

    problem = refused_event(content)

    assert (problem.code, problem.field) == ("missing_field", missing)


def test_the_refusal_never_quotes_the_value() -> None:
    """I10: it may be somebody's name or number."""
    problem = refused_event(_data(status="canary-1234", first_name=["canary-1234"]))

    assert "canary-1234" not in str(problem)


@pytest.mark.parametrize(
    ("type_", "says"),
    [
        ("hr.employee.created.v0", "version 0 of hr.employee.created"),
        ("hr.employee.created.v99", "version 99 of hr.employee.created"),
        ("hr.cafeteria.opened.v1", "type hr.cafeteria.opened.v1"),
        ("hr.employee.created", "type hr.employee.created"),
    ],
)
def test_an_unknown_type_or_version_waits_for_an_upgrade(type_: str, says: str) -> None:
    """Poison corpus: semantics; unlike every other BadEvent it may be applied later."""
    with pytest.raises(UnknownType, match=says) as caught:
        parse(event(type_))

    assert (caught.value.code, caught.value.field) == ("unknown_type", "type")


def test_keys_are_trimmed_and_may_have_255_characters() -> None:
    key = "k" * 255

    parsed = parse(event(data={"employee_key": f"  {key}\n"}, subject=f"{key} "))

    assert (parsed.fact.key(), parsed.envelope.subject) == (key, key)


def test_keys_keep_their_case() -> None:
    assert refused_event(event(subject="e-1002")).code == "subject_mismatch"


def test_a_field_left_out_is_empty() -> None:
    fact = parse(event()).fact

    assert isinstance(fact, Employee)
    assert (fact.first_name, fact.emails, fact.payroll, fact.status) == (None, [], None, "active")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(extra=st.dictionaries(st.text(), JSON, max_size=4))
def test_unknown_fields_are_kept_and_never_fatal(extra: dict[str, Any]) -> None:
    """Whatever an upstream adds, under whatever name."""
    extra = {name: value for name, value in extra.items() if name not in Employee.model_fields}

    fact = parse(event(data={"employee_key": "E-1002", **extra})).fact

    assert fact.model_extra == extra
    assert fact.key() == "E-1002"


@pytest.mark.parametrize("name", ["key", "subject_field", "model_config", "model_extra", "__class__", "__init__"])
def test_an_extra_field_cannot_take_the_place_of_our_own(name: str) -> None:
    fact = parse(event(data={"employee_key": "E-1002", name: "mine"})).fact

    assert fact.key() == "E-1002"
    assert fact.model_extra == {name: "mine"}


@settings(max_examples=300)
@given(body=st.binary(max_size=200))
def test_no_bytes_bring_anything_but_an_event_or_a_refusal(body: bytes) -> None:
    with pytest.raises(BadEvent):
        parse_bytes(body)


FIELDS = sorted({name for model in FACT_TYPES.values() for name in model.model_fields})


@settings(max_examples=300)
@given(
    type_=st.sampled_from(sorted(FACT_TYPES)),
    data=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
    attributes=st.dictionaries(st.sampled_from(["id", "source", "subject", "time", "tenant", "sequence"]), JSON),
)
def test_no_content_brings_anything_but_an_event_or_a_refusal(
    type_: str, data: dict[str, Any], attributes: dict[str, Any]
) -> None:
    """Poison corpus: wrong types and null, everywhere."""
    try:
        parsed = parse(event(type_, data, **attributes))
    except BadEvent as problem:
        ended = bool(problem.field) and problem.code in ("missing_field", "bad_field", "subject_mismatch")
    else:
        ended = parsed.fact.key() == parsed.envelope.subject
    assert ended


@given(content=JSON)
def test_what_is_decoded_is_what_was_written(content: Any) -> None:
    body = json.dumps({"content": content}, ensure_ascii=False).encode("utf-8", "replace")

    try:
        decoded = decode_json(body)
    except BadEvent as problem:
        assert problem.code in ("unusable_text", "too_deep")  # noqa: PT017 - only these two are allowed
        return
    assert decoded == json.loads(body)


@pytest.mark.parametrize("type_", sorted(FACT_TYPES))
def test_the_smallest_event_of_every_type_is_valid(type_: str) -> None:
    model = FACT_TYPES[type_]
    data = {name: "K" for name, field in model.model_fields.items() if field.is_required()}

    parsed = parse(event(type_, data, subject="K"))

    assert type(parsed.fact) is model
    assert parsed.type == type_


def test_a_fact_survives_being_stored_and_read_again() -> None:
    said = {"starts_on": "2026-05-16", "ends_on": "2026-09-20", "free_1": {"a": [1, None]}}
    fact = parse(_enrolment(**said)).fact

    again = CourseEnrolment.model_validate(json.loads(fact.model_dump_json()))

    assert again == fact


def test_every_subject_field_is_a_required_key() -> None:
    models: set[type[Fact]] = set(FACT_TYPES.values())

    assert all(model.model_fields[model.subject_field].is_required() for model in models)
    assert get_args(Employee.model_fields["status"].annotation)[0] == "active"
