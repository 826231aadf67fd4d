"""What HR's values become in profile fields of the LMS, and what is never sent."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.accounts import observed, plan_linked, plan_newcomer, plan_unlinked
from domain.fields import (
    FITTING,
    KINDS,
    SOURCES,
    FieldMap,
    FieldNews,
    as_seen,
    compared,
    mapped_values,
    midnight,
    missing_options,
)
from domain.lms import LmsField
from domain.wanted import PersonFacts, account_state
from tests.unit.domain.values import employee, integration, lms_user, people, wanted

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
STATUSES = ("Active", "On Leave", "Terminated")
NOBODY: dict[tuple[str, str], bool] = {}


def chosen(**changes: Any) -> FieldMap:
    return FieldMap.model_validate({"lms_field": "job", "kind": "text", "source": "attributes.job"} | changes)


def menu(**changes: Any) -> FieldMap:
    return chosen(**({"lms_field": "state", "kind": "menu", "options": STATUSES} | changes))


def sent(found: FieldMap, value: Any, zone: ZoneInfo = AMSTERDAM) -> str | tuple[str, str] | None:
    """The text sent for the value of an attribute, None when nothing is, or the field and code of the problem."""
    values, problems = mapped_values(employee(attributes={"job": value}), {}, [found], zone)
    assert len(values) + len(problems) <= 1
    if problems:
        return problems[0].lms_field, problems[0].code
    return values.get(found.lms_field)


# Which pairs can be


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", [*SOURCES, "attributes.free_1", "payroll.uif_ref"])
def test_a_pair_is_refused_on_saving_exactly_when_its_types_can_never_fit(kind: str, source: str) -> None:
    """R31: by the field's name; a field of HR's own is looked at value by value."""
    said = {"lms_field": "the_field", "kind": kind, "source": source, "options": STATUSES if kind == "menu" else ()}
    fits = SOURCES.get(source, "free") in FITTING[kind]
    assert refusal(said).startswith("Value error, the_field: ") != fits


def refusal(said: dict[str, Any]) -> str:
    try:
        FieldMap.model_validate(said)
    except ValidationError as problem:
        return problem.errors()[0]["msg"]
    return ""


@pytest.mark.parametrize(
    "said",
    [
        {"source": "nothing"},
        {"source": "attributes."},
        {"source": "emails"},
        {"kind": "menu"},
        {"kind": "menu", "options": ["A", " "]},
        {"kind": "menu", "options": ["A\nB"]},
        {"options": ["A"]},
        {"kind": "checkbox", "value_map": {"P": "maybe"}},
        {"kind": "datetime", "value_map": {"P": "1"}},
    ],
    ids=str,
)
def test_a_map_that_cannot_work_is_refused_with_the_fields_name(said: dict[str, Any]) -> None:
    """R31."""
    with pytest.raises(ValidationError, match="job: "):
        chosen(**said)


@pytest.mark.parametrize("lms_field", ["", "job title", "jób", "a.b", "x" * 101])
def test_a_short_name_that_moodle_cannot_have_is_refused(lms_field: str) -> None:
    with pytest.raises(ValidationError):
        chosen(lms_field=lms_field)


def test_a_pick_list_may_fill_a_checkbox_when_every_text_is_a_yes_or_no() -> None:
    """R33."""
    found = chosen(kind="checkbox", source="status", value_map={"active": "yes", "on_leave": "no"})
    values, problems = mapped_values(employee(status="on_leave"), {}, [found], AMSTERDAM)
    assert (values, problems) == ({"job": "0"}, ())


def test_a_field_of_the_lms_has_one_source() -> None:
    """R31: refused by name."""
    with pytest.raises(ValidationError, match="job is mapped more than once"):
        people(fields=[chosen().model_dump(), chosen(source="phone").model_dump()])


# What becomes of values


@pytest.mark.parametrize("value", [True, "yes", "YES", " y ", "true", "1", 1, "ja", "on"])
def test_every_yes_ticks_the_box(value: object) -> None:
    """R33."""
    assert sent(chosen(kind="checkbox"), value) == "1"


@pytest.mark.parametrize("value", [False, "no", "No", "n", "false", "0", 0, "nee", "off"])
def test_every_no_clears_the_box(value: object) -> None:
    """R33."""
    assert sent(chosen(kind="checkbox"), value) == "0"


@pytest.mark.parametrize("value", ["perhaps", "2", 7, ["yes"], {"yes": True}])
def test_what_is_neither_yes_nor_no_is_not_sent(value: object) -> None:
    """R33: never raw."""
    assert sent(chosen(kind="checkbox"), value) == ("job", "field_value_bad")


@pytest.mark.parametrize("kind", ["text", "textarea"])
def test_a_yes_or_no_is_text_only_where_a_text_was_chosen_for_it(kind: str) -> None:
    """R33."""
    assert sent(chosen(kind=kind), True) == ("job", "field_value_bad")
    assert sent(chosen(kind=kind, value_map={"true": "Disabled", "false": "-"}), True) == "Disabled"


@pytest.mark.parametrize(
    ("zone", "seconds"),
    [("UTC", "1767225600"), ("Europe/Amsterdam", "1767222000"), ("Africa/Johannesburg", "1767218400")],
)
def test_a_date_is_the_second_at_which_its_day_begins_there(zone: str, seconds: str) -> None:
    """R34."""
    found = chosen(kind="datetime", source="starts_on")
    values, _ = mapped_values(employee(starts_on="2026-01-01"), {}, [found], ZoneInfo(zone))
    assert values == {"job": seconds}


@given(
    st.dates(date(1900, 1, 1), date(2199, 12, 31)),
    st.sampled_from(["UTC", "Europe/Amsterdam", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Auckland"]),
)
def test_the_day_that_was_sent_is_the_day_that_is_read_there(day: date, zone: str) -> None:
    """R34: also on days whose midnight a clock change takes away."""
    read = datetime.fromtimestamp(int(midnight(day, ZoneInfo(zone))), UTC).astimezone(ZoneInfo(zone))
    assert read.date() == day


@pytest.mark.parametrize("value", ["2026-01-01", "2026-01-01T12:00:00", "2026-01-01T00:30:00+01:00"])
def test_a_text_that_names_a_day_is_a_date(value: str) -> None:
    """R34."""
    assert sent(chosen(kind="datetime"), value) == "1767222000"


@pytest.mark.parametrize("value", ["1 January", "20260101", "2026-02-30", 1767222000, True, "0001-01-01", "2026-W01-1"])
def test_what_names_no_day_is_not_sent(value: object) -> None:
    assert sent(chosen(kind="datetime"), value) == ("job", "field_value_bad")


@pytest.mark.parametrize("value", ["active", "ACTIVE", "Retired", "On  Leave", True, 1])
def test_a_value_that_is_no_option_is_not_sent(value: object) -> None:
    """R32: Moodle would take it, and wipe what is stored."""
    assert sent(menu(), value) == ("state", "field_option_missing")


def test_an_option_is_sent_in_its_exact_words_and_translated_where_a_text_was_chosen() -> None:
    """R32, R40."""
    assert sent(menu(), " On Leave ") == "On Leave"
    assert sent(menu(value_map={"A": "Active"}), "A") == "Active"
    assert sent(menu(value_map={"A": "Gone"}), "A") == ("state", "field_option_missing")


@given(st.text(max_size=40), st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_whatever_hr_says_a_menu_gets_one_of_its_options_or_nothing(value: str, value_map: dict[str, str]) -> None:
    """R32."""
    told = sent(menu(value_map=value_map), value)
    assert told in (*STATUSES, None, ("state", "field_option_missing"))


def test_a_single_line_stays_one_and_several_stay_several() -> None:
    """R31."""
    assert sent(chosen(), " Fitter\n and\tturner ") == "Fitter and turner"
    assert sent(chosen(kind="textarea"), " Fitter\nand turner ") == "Fitter\nand turner"


@pytest.mark.parametrize(("kind", "most"), [("text", 2048), ("textarea", 4000)])
def test_a_text_that_would_be_cut_is_not_sent(kind: str, most: int) -> None:
    """The cut one would differ from HR's for ever."""
    assert sent(chosen(kind=kind), "x" * most) == "x" * most
    assert sent(chosen(kind=kind), "x" * (most + 1)) == ("job", "field_value_bad")


@pytest.mark.parametrize("kind", ["text", "textarea", "menu", "checkbox", "datetime"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_empty_value_leaves_the_field_or_clears_it(kind: str, value: str | None) -> None:
    """R34: by setting, and leaving is the default."""
    said = {"kind": kind, "options": STATUSES if kind == "menu" else ()}
    assert sent(chosen(**said), value) is None
    assert sent(chosen(**said, when_empty="clear"), value) == ("0" if kind == "checkbox" else "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), JSON), st.lists(st.sampled_from(KINDS), max_size=3))
def test_every_mapped_field_is_sent_skipped_with_a_reason_or_left_alone(said: dict[str, Any], kinds: list[str]) -> None:
    """R30, R32, R42: nothing else is ever sent, one field's trouble costs no other, and no value is told."""
    maps = [
        chosen(lms_field=name, kind=kind, source=f"attributes.{name}", options=STATUSES if kind == "menu" else ())
        for name, kind in zip("abc", kinds, strict=False)
    ]
    person = employee(attributes=said)
    values, problems = mapped_values(person, {}, maps, AMSTERDAM)
    assert values.keys() | {p.lms_field for p in problems} <= {m.lms_field for m in maps}
    assert not values.keys() & {p.lms_field for p in problems}
    alone = [mapped_values(person, {}, [m], AMSTERDAM) for m in maps]
    assert values == {name: value for one, _ in alone for name, value in one.items()}
    assert problems == tuple(problem for _, some in alone for problem in some)
    assert {p.detail for p in problems} <= {
        "is a list or an object",
        "is neither yes nor no",
        "is not a date",
        "is not among the menu's options",
        "is a yes or no without a text for it",
    }


def test_free_fields_one_to_five_go_to_five_profile_fields() -> None:
    """R174."""
    maps = [chosen(lms_field=f"field{n}", source=f"attributes.free_{n}") for n in range(1, 6)]
    person = employee(attributes={f"free_{n}": f"Depot {n}" for n in range(1, 6)})
    values, _ = mapped_values(person, {}, maps, AMSTERDAM)
    assert values == {f"field{n}": f"Depot {n}" for n in range(1, 6)}


def test_the_sample_map_takes_from_the_person_and_from_the_payroll() -> None:
    """R40: employment status, employee number, disability, gender, and two references of the payroll."""
    maps = [
        menu(lms_field="employment_status", source="attributes.employment_status", options=("Permanent", "Temporary")),
        chosen(lms_field="employee_number", source="employee_number"),
        chosen(lms_field="disability", kind="checkbox", source="attributes.disability"),
        menu(lms_field="gender", source="attributes.gender", options=("Female", "Male"), value_map={"F": "Female"}),
        chosen(lms_field="uif", source="payroll.uif_ref"),
        chosen(lms_field="sdl", source="payroll.sdl_ref"),
        chosen(lms_field="payroll", source="payroll.name"),
    ]
    person = employee(attributes={"employment_status": "Permanent", "disability": "No", "gender": "F"})
    payroll = {"uif_ref": "U-77", "sdl_ref": "S-1", "name": "Netherlands, monthly"}
    values, problems = mapped_values(person, payroll, maps, AMSTERDAM)
    assert problems == ()
    assert values == {
        "employment_status": "Permanent",
        "employee_number": "1002",
        "disability": "0",
        "gender": "Female",
        "uif": "U-77",
        "sdl": "S-1",
        "payroll": "Netherlands, monthly",
    }


def test_a_map_may_concern_some_payrolls_only() -> None:
    found = chosen(source="employee_number", payrolls=["NL-02"])
    assert mapped_values(employee(), {}, [found], AMSTERDAM)[0] == {"job": "1002"}
    assert mapped_values(employee(payroll="NL-03"), {}, [found], AMSTERDAM) == ({}, ())
    assert mapped_values(employee(payroll=None), {}, [found], AMSTERDAM) == ({}, ())


# In the account


def state_of(fields: list[FieldMap], details: dict[tuple[str, str], dict[str, Any]] | None = None, **said: Any) -> Any:
    settings = integration(people=people(fields=[f.model_dump() for f in fields]))
    return account_state(PersonFacts("E-1002", employee(**said), False, ()), settings, NOBODY, details or {})


def test_the_word_on_a_payroll_for_this_integration_counts_more_than_the_general_one() -> None:
    """R40."""
    found = [chosen(source="payroll.uif_ref")]
    general, own, other = {"uif_ref": "general"}, {"uif_ref": "own"}, {"uif_ref": "other"}
    assert state_of(found, {("NL-02", ""): general, ("NL-02", "Acme Moodle"): own}).wanted.custom == {"job": "own"}
    assert state_of(found, {("NL-02", ""): general, ("NL-02", "Other"): other}).wanted.custom == {"job": "general"}
    assert state_of(found, {("NL-03", ""): general}).wanted.custom == {}


def test_a_field_that_cannot_be_sent_costs_only_itself() -> None:
    """R32: the account is due all the same."""
    state = state_of([menu(source="attributes.gender"), chosen(source="employee_number")], attributes={"gender": "F"})
    assert (state.state, state.wanted.custom) == ("due", {"job": "1002"})
    assert [(p.lms_field, p.code) for p in state.wanted.skipped] == [("state", "field_option_missing")]


def test_only_mapped_fields_that_differ_are_changed() -> None:
    """R30, R42: whatever else the profile holds is neither compared nor kept here."""
    held = lms_user(external_key="E-1002", custom={"job": "Fitter", "secret": "x"})
    maps = [chosen(), chosen(lms_field="box", kind="checkbox"), chosen(lms_field="note")]
    goal = wanted(custom={"job": "Turner", "box": "0", "note": ""})
    known = observed(held, maps)
    assert {name: known[name] for name in known if name.startswith("custom.")} == {
        "custom.job": "Fitter",
        "custom.box": "0",
        "custom.note": "",
    }
    assert plan_linked(goal, "7", known).changes == {
        "first_name": "Noor",
        "last_name": "van der Meer",
        "custom.job": "Turner",
    }


def test_a_field_whose_value_is_not_known_is_written() -> None:
    """R30: mapped since the account was last read."""
    before = wanted()
    assert plan_linked(wanted(custom={"job": "Fitter"}), "7", before.fields()).changes == {"custom.job": "Fitter"}
    assert plan_linked(before, "7", before.fields() | {"custom.job": "Fitter"}).changes == {}


@pytest.mark.parametrize("plan", [plan_unlinked, plan_newcomer])
def test_somebody_who_is_found_gets_the_fields_that_differ(plan: Any) -> None:
    """R37, R191."""
    person = wanted(custom={"job": "Turner", "note": "same"})
    held = lms_user(
        external_key="E-1002",
        first_name="Noor",
        last_name="van der Meer",
        custom={"job": "Fitter", "note": "same"},
    )
    maps = [chosen(), chosen(lms_field="note")]
    assert plan(person, [held], match_by=("external_key",), ours=False, maps=maps).changes == {"custom.job": "Turner"}


# What the LMS says of its fields


def seen(shortname: str = "job", kind: str = "text", name: str = "Job", options: tuple[str, ...] | None = None) -> Any:
    return LmsField("user", shortname, kind, name, options)


def test_a_field_that_changed_its_type_is_treated_as_what_it_is_now() -> None:
    """R39: a text that became a menu would be wiped by any text."""
    [now] = as_seen([chosen()], {"job": seen(kind="menu", options=("Fitter",))})
    assert sent(now, "Turner") == ("job", "field_option_missing")
    assert sent(now, "Fitter") == "Fitter"
    [unknown] = as_seen([chosen()], {"job": seen(kind="menu")})
    assert sent(unknown, "Fitter") == ("job", "field_option_missing")
    assert as_seen([chosen()], {"other": seen("other"), "job": seen(kind="social")}) == (chosen(),)


def test_the_options_of_the_lms_count_more_than_those_of_the_map() -> None:
    """R32, R39."""
    [now] = as_seen([menu()], {"state": seen("state", "menu", options=("Active", "Retired"))})
    assert sent(now, "On Leave") == ("state", "field_option_missing")
    assert sent(now, "Retired") == "Retired"
    assert as_seen([menu()], {"state": seen("state", "menu")}) == (menu(),)


def test_missing_options_are_known_before_anything_is_sent() -> None:
    """R32: the statuses of the fixed list, translated, what is translated to, and what HR's people hold."""
    by_status = menu(source="status", value_map={"active": "Active", "on_leave": "Away", "terminated": "Terminated"})
    assert missing_options(by_status, ["active"]) == ("Away", "suspended")
    assert missing_options(menu(), ["Active", "Retired"]) == ("Retired",)
    assert missing_options(chosen(), ["anything"]) == ()


def test_a_discovery_tells_what_is_new_changed_gone_and_the_same() -> None:
    """R35, R39: a label that changes is told and breaks nothing; options not told this time are those of before."""
    before = [seen("a"), seen("b", name="Old"), seen("c"), seen("d", "menu", "D", ("X",))]
    now = [seen("a"), seen("b", name="New"), seen("d", "menu", "D"), seen("e")]
    assert [(item.field.shortname, item.news) for item in compared(before, now)] == [
        ("a", "same"),
        ("b", "changed"),
        ("c", "gone"),
        ("d", "same"),
        ("e", "new"),
    ]
    assert FieldNews(before[3], "same") in compared(before, now)
