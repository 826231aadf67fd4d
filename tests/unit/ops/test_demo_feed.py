"""
The demonstration's feed is what its generator writes, says what its docstring counts, and names nobody real.
"""

import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ops.demo import expected, generate
from ops.demo.expected import Expected, State, load, read_lines
from ops.demo.places import PLACES

CREATED = "hr.employee.created.v1"
CONFIRMED = "hr.course_enrolment.confirmed.v1"
TWINS = [["jorg", "strauss"], ["jose", "nunez"], ["sara", "janssen"]]


HARBOUR, DOCKSIDE, QUAYSIDE = (place.rules for place in PLACES)


@cache
def feed() -> Expected:
    """What the feed asks of the Moodle of the whole company."""
    return load(generate.FEED, HARBOUR)


@cache
def academy(*, afterwards: bool = False) -> Expected:
    """What it asks of the academy, which takes two payrolls, and in the end one."""
    return load(generate.FEED, DOCKSIDE, *([generate.AFTERWARDS] if afterwards else []))


@cache
def events() -> list[dict[str, Any]]:
    return read_lines(generate.FEED).events


def data_of(type_: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events() if event["type"] == type_]


def people() -> list[dict[str, Any]]:
    """The 300; three more are there to fail."""
    return [person for person in data_of(CREATED) if not person["employee_key"].startswith("HBE-9")]


def write(folder: Path, *lines: dict[str, Any]) -> Path:
    """A feed of the given envelopes, with the real course list beside it."""
    path = folder / "feed.jsonl"
    path.write_bytes(b"".join(generate.encode(line) + b"\n" for line in lines))
    (folder / "courses.json").write_bytes(generate.COURSES.read_bytes())
    return path


def test_the_committed_files_are_what_the_generator_writes() -> None:
    assert generate.FEED.read_bytes() == generate.feed()
    assert generate.BEFORE.read_bytes() == generate.before()
    assert generate.TROUBLE.read_bytes() == generate.trouble()
    assert generate.AFTERWARDS.read_bytes() == generate.afterwards()
    assert generate.COURSES.read_bytes() == generate.courses()
    assert generate.BY_HAND.read_bytes() == generate.by_hand()


def test_the_feed_holds_each_kind_of_event_in_the_promised_number() -> None:
    assert Counter(event["type"] for event in events()) == {
        "hr.payroll.enabled.v1": 3,
        CREATED: 303,
        "hr.employee.updated.v1": 86,
        "hr.employee.terminated.v1": 15,
        CONFIRMED: 402,
        "hr.course_enrolment.changed.v1": 8,
        "hr.course_enrolment.withdrawn.v1": 10,
    }
    assert feed().accepted == 827


def test_every_line_is_an_event_a_repetition_a_conflict_or_broken() -> None:
    lines = generate.FEED.read_bytes().splitlines()

    assert len(feed().duplicates) == 25
    assert len(feed().conflicts) == 2
    assert len(feed().broken) == 6
    assert len(lines) == feed().accepted + 25 + 2 + 6 == 860


def test_exactly_six_lines_are_broken_and_each_in_its_own_way() -> None:
    assert sorted(feed().broken.values()) == [
        "attribute tenant is missing",
        "attribute time is no date and time with an offset",
        "data.first_name is no text",
        "data.starts_on is no day",
        "not JSON",
        "not UTF-8",
    ]


def test_nothing_of_a_broken_line_is_expected() -> None:
    lines = generate.FEED.read_bytes().splitlines()

    assert [number for number, line in enumerate(lines, 1) if b"Ongelezen" in line] == sorted(feed().broken)
    assert not [account for account in feed().accounts.values() if account.last_name == "Ongelezen"]
    assert not {event["id"] for event in events()} & {f"hb-2026-9{number:05d}" for number in range(6)}


def test_a_conflict_changes_nothing_that_the_lms_shows(tmp_path: Path) -> None:
    """Whichever of the two lines arrives first, the same accounts and enrolments must exist (A11)."""
    lines = generate.FEED.read_bytes().splitlines(keepends=True)
    path = write(tmp_path)
    path.write_bytes(b"".join(reversed(lines)))

    turned = load(path, HARBOUR)

    assert len(turned.conflicts) == 2
    assert (turned.accounts, turned.placements) == (feed().accounts, feed().placements)


def test_order_and_repetition_do_not_change_what_is_expected(tmp_path: Path) -> None:
    """I6: the newest fact wins in any order."""
    lines = generate.FEED.read_bytes().splitlines(keepends=True)
    path = write(tmp_path)
    path.write_bytes(b"".join(sorted(lines) * 2))

    assert load(path, HARBOUR).accounts == feed().accounts
    assert load(path, HARBOUR).placements == feed().placements


def test_the_greater_event_id_decides_between_two_facts_of_one_instant() -> None:
    moments: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in events():
        moments.setdefault((event["subject"], event["time"]), []).append(event)
    ties = [pair for pair in moments.values() if len(pair) > 1]

    assert len(ties) == 2
    assert Counter(first["id"] < second["id"] for first, second in ties) == {True: 1, False: 1}
    for pair in ties:
        winner = max(pair, key=lambda event: event["id"])["data"]
        assert expected.newest(pair)[winner["employee_key"]] == winner


def test_instants_are_compared_and_not_their_texts() -> None:
    """One person's later update is written in UTC and looks earlier than the one before it."""
    updates: dict[str, list[dict[str, Any]]] = {}
    for event in events():
        if event["type"] == "hr.employee.updated.v1":
            updates.setdefault(event["subject"], []).append(event)
    deceptive = [
        pair
        for pair in updates.values()
        if max(pair, key=lambda event: event["time"])["data"] != expected.newest(pair)[pair[0]["subject"]]
        and len({event["time"] for event in pair}) > 1
    ]

    assert len(deceptive) == 1


def test_12_leavers_are_absent_or_suspended_and_everybody_else_is_there() -> None:
    """R17, R55, R73: three of the fifteen who left are back; nine of 300 have no address, and none is made up."""
    assert Counter(account.state for account in feed().accounts.values()) == {State.ACTIVE: 279, State.GONE: 12}


def test_the_academy_has_the_people_of_its_payrolls_and_in_the_end_of_one() -> None:
    """R16, R18, R20: a word for another integration selects nothing here; whoever leaves the scope is suspended."""
    during = Counter(account.state for account in academy().accounts.values())
    after = Counter(account.state for account in academy(afterwards=True).accounts.values())

    assert during == {State.ACTIVE: 169, State.GONE: 8, State.ABSENT: 118}
    assert after == {State.ACTIVE: 94, State.GONE: 83, State.ABSENT: 118}
    dutch = {person["employee_key"] for person in people() if person["payroll"] == "NL-02"}
    assert {key for key, account in academy().accounts.items() if account.state is State.ABSENT} <= dutch


def test_the_academy_knows_people_by_another_key() -> None:
    """R164."""
    keys = {account.id_number for account in feed().accounts.values()}
    others = {account.id_number for account in academy().accounts.values()}

    assert keys == feed().accounts.keys()
    assert all(key.startswith("X-") for key in others)


def test_six_people_have_an_account_that_somebody_made_by_hand() -> None:
    """R62: found by their address, where that is what people are found by."""
    assert len([account for account in feed().accounts.values() if account.found]) == generate.BY_HAND_COUNT == 6
    assert not [account for account in academy().accounts.values() if account.found]
    assert all(account.state is State.ACTIVE for account in feed().accounts.values() if account.found)


def test_each_lms_must_have_its_enrolments_in_place() -> None:
    assert Counter(place.state for place in feed().placements.values()) == {
        State.ACTIVE: 360,
        State.GONE: 9,
        State.OPEN: 15,
    }
    assert Counter(place.state for place in academy().placements.values()) == {
        State.ACTIVE: 226,
        State.GONE: 8,
        State.OPEN: 9,
        State.ABSENT: 144,
    }
    assert Counter(place.role for place in feed().placements.values()) == {"learner": 371, "tutor": 13}


def test_what_cannot_be_done_must_end_as_a_visible_failure_in_each_lms_that_it_concerns() -> None:
    """R53, R64, R73, R167, R171: what is data enough for one LMS may be too little for another."""
    assert Counter(feed().failing_people.values()) == {"no e-mail": 10, "no first name": 2}
    assert Counter(academy().failing_people.values()) == {
        "no external id": 3,
        "no first name": 2,
        "neither e-mail nor id number": 1,
    }
    assert sorted(feed().failing_enrolments.values()) == ["no such course in the LMS", "unknown employee"]
    assert academy().failing_enrolments == feed().failing_enrolments


def test_a_person_is_enrolled_at_most_once_in_a_course() -> None:
    pairs = [(enrolment["employee_key"], enrolment["course_code"]) for enrolment in data_of(CONFIRMED)]

    assert len(set(pairs)) == len(pairs)
    assert len({course_code for _, course_code in pairs} - {"HB-777"}) == 12


def test_each_payroll_is_selected_for_one_integration() -> None:
    assert {payroll["payroll"]: payroll["integration"] for payroll in data_of("hr.payroll.enabled.v1")} == {
        "NL-02": HARBOUR.name,
        "DE-01": DOCKSIDE.name,
        "ZA-07": DOCKSIDE.name,
    }
    assert Counter(person["payroll"] for person in people()) == {"NL-02": 120, "DE-01": 100, "ZA-07": 80}


def test_people_without_an_address_have_what_a_pseudo_address_needs() -> None:
    """R63."""
    silent = [person for person in people() if not any(person["emails"])]

    assert len(silent) == 10
    assert all(person["id_number"] and person["employee_number"] for person in silent)
    assert len([account for account in academy().accounts.values() if account.email is None]) == 9
    assert len([person for person in people() if person["emails"][0] is None and person["emails"][1]]) == 12


@pytest.mark.parametrize("field", ["employee_key", "employee_number", "id_number", "external_id"])
def test_no_two_people_share_a_number(field: str) -> None:
    values = [person[field] for person in data_of(CREATED) if person[field]]

    assert len(set(values)) == len(values)


def test_the_employee_key_is_not_the_employee_number() -> None:
    keys = {person["employee_key"] for person in data_of(CREATED)}

    assert not keys & {person["employee_number"] for person in data_of(CREATED)}


def test_five_of_303_people_have_no_external_id() -> None:
    assert len([person for person in data_of(CREATED) if not person["external_id"]]) == 5


def test_no_two_accounts_expect_one_address() -> None:
    addresses = [account.email.lower() for account in feed().accounts.values() if account.email]

    assert len(set(addresses)) == len(addresses) == 291


def test_only_example_domains_appear_anywhere() -> None:
    files = (generate.FEED, generate.BEFORE, generate.TROUBLE, generate.AFTERWARDS, generate.COURSES, generate.BY_HAND)
    text = "".join(file.read_bytes().decode("utf-8", "replace") for file in files)

    assert set(re.findall(r"@([^\"]*)", text)) == {"example.org", "example.com"}
    assert "://" not in text
    assert set(re.findall(r'"\+(\d\d)', text)) == {"00"}  # a country code that nobody has


def test_names_stay_within_what_moodle_takes() -> None:
    """R172: the infix counts, as it is stored with the surname."""
    assert max(len(account.first_name) for account in feed().accounts.values()) == 100
    assert max(len(account.last_name) for account in feed().accounts.values()) == 100
    assert max(len(account.email) for account in feed().accounts.values() if account.email) <= 100


def test_the_portal_has_one_payroll_and_refuses_whose_name_it_cannot_hold() -> None:
    """R16."""
    portal = load(generate.FEED, QUAYSIDE, generate.BEFORE, generate.AFTERWARDS)
    there = [account for account in portal.accounts.values() if account.state is State.ACTIVE]

    assert len(there) == 73
    assert max(len(account.last_name) for account in there) <= 50
    assert Counter(portal.failing_people.values()) == {"no e-mail": 2, "a name too long": 1}


def test_whoever_is_hired_while_things_are_broken_belongs_to_the_harbour_alone() -> None:
    """Ten are refused for a while; in the end all twenty are there, each with a place, and nothing is left."""
    before, after = feed(), load(generate.FEED, HARBOUR, generate.TROUBLE)
    new = [after.accounts[key] for key in after.accounts.keys() - before.accounts.keys()]
    academy_too = load(generate.FEED, DOCKSIDE, generate.TROUBLE)

    assert [account.state for account in new] == [State.ACTIVE] * generate.NEWCOMERS
    assert {account.email for account in new}.isdisjoint({a.email for a in before.accounts.values()})
    assert len(after.placements) - len(before.placements) == generate.NEWCOMERS
    assert {academy_too.accounts[account.employee_key].state for account in new} == {State.ABSENT}


def test_an_infix_stands_once_before_the_surname() -> None:
    """R172."""
    names = {account.last_name for account in feed().accounts.values()}

    assert {"van der Meer", "van Houten"} <= names


@pytest.mark.parametrize(
    "script",
    ["LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "DEVANAGARI", "THAI"],
)
def test_names_are_written_in_many_scripts(script: str) -> None:
    """R168."""
    letters = {letter for person in people() for letter in person["first_name"] + person["last_name"]}

    assert any(unicodedata.name(letter).startswith(script) for letter in letters)


def test_some_names_are_composed_and_some_decomposed() -> None:
    names = [person["first_name"] + person["last_name"] for person in people()]

    assert len([name for name in names if not unicodedata.is_normalized("NFC", name)]) == 9
    assert len([name for name in names if not unicodedata.is_normalized("NFD", name)]) > 50


def kept_in_a_user_name(first_name: str, last_name: str) -> str:
    bare = unicodedata.normalize("NFD", f"{first_name} {last_name}".replace("ß", "ss")).casefold()
    return "".join(letter for letter in bare if not unicodedata.combining(letter))


def test_three_pairs_differ_in_nothing_that_a_user_name_keeps() -> None:
    """R170: as they come in, and as they stand at the end."""
    first = Counter(kept_in_a_user_name(p["first_name"], f"{p['infix'] or ''} {p['last_name']}") for p in people())
    last = Counter(kept_in_a_user_name(a.first_name, a.last_name) for a in feed().accounts.values())

    assert sorted(name.split() for name, count in first.items() if count > 1) == TWINS
    assert sorted(name.split() for name, count in last.items() if count > 1) == TWINS


def test_facts_arrive_out_of_order_in_every_promised_way() -> None:
    seen: dict[str, tuple[datetime, str]] = {}
    late: Counter[str] = Counter()
    for event in events():
        now = datetime.fromisoformat(event["time"]), event["id"]
        late[event["type"]] += now < seen.get(event["subject"], now)
        seen[event["subject"]] = max(now, seen.get(event["subject"], now))

    assert +late == {CREATED: 11, "hr.employee.updated.v1": 13, "hr.employee.terminated.v1": 1, CONFIRMED: 6}


def test_people_stand_before_their_payroll_and_enrolments_before_their_person() -> None:
    """R18: enabling a payroll must sweep in those already there."""
    places = {(event["type"], event["subject"]): place for place, event in enumerate(events())}
    unpaid = [p for p in people() if places[CREATED, p["employee_key"]] < places["hr.payroll.enabled.v1", p["payroll"]]]
    early = [
        place
        for place in feed().placements.values()
        if places[CONFIRMED, place.enrolment_key] < places[CREATED, place.employee_key]
    ]

    assert (len(unpaid), len(early)) == (37, 52)


def test_all_facts_became_true_in_2026_before_december() -> None:
    times = [datetime.fromisoformat(event["time"]) for event in events()]

    assert datetime(2026, 1, 1, tzinfo=UTC) < min(times) < max(times) < datetime(2026, 12, 1, tzinfo=UTC)


def test_every_enrolment_ends_after_it_starts_and_within_2026() -> None:
    enrolments = [event["data"] for event in events() if event["type"].startswith("hr.course_enrolment.")]

    for days in ([e["starts_on"], e["ends_on"], e["extended_to"] or "2026-12-31"] for e in enrolments):
        assert all(first < second for first, second in pairwise(["2026-01-01", *days, "2027-01-01"]))


def test_an_extension_replaces_the_last_day() -> None:
    changed = data_of("hr.course_enrolment.changed.v1")
    ends = {place.enrolment_key: place.end for place in feed().placements.values()}

    assert {datetime.fromtimestamp(ends[e["enrolment_key"]], UTC).date().isoformat() for e in changed} == {
        e["extended_to"] for e in changed
    }


def test_a_day_is_counted_in_amsterdam_also_when_the_clocks_change() -> None:
    """29 March begins at 23:00 UTC the day before, 25 October ends at 22:59:59 UTC."""
    key = next(
        e["enrolment_key"] for e in data_of(CONFIRMED) if (e["starts_on"], e["ends_on"]) == ("2026-03-29", "2026-10-25")
    )
    place = next(place for place in feed().placements.values() if place.enrolment_key == key)

    assert datetime.fromtimestamp(place.start, UTC) == datetime(2026, 3, 28, 23, 0, 0, tzinfo=UTC)
    assert datetime.fromtimestamp(place.end, UTC) == datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)


def test_the_course_list_has_twelve_usable_courses_a_hidden_one_and_one_without_completion() -> None:
    courses = json.loads(generate.COURSES.read_bytes())

    assert [course["idnumber"] for course in courses if course["visible"] and course["completion"]] == [
        *generate.COURSE_CODES
    ]
    assert [course["shortname"] for course in courses if not course["visible"]] == ["OLD-VCA"]
    assert [course["shortname"] for course in courses if not course["completion"]] == ["TALK"]
    assert all(course["manual_enrolment"] for course in courses)
    assert len({course["shortname"] for course in courses}) == len({course["idnumber"] for course in courses}) == 14
