"""
Write the demonstration's HR feed and its course list, the same bytes every time.

Run ``python -m ops.demo.generate``; it rewrites the files beside this one. Everybody and everything in them is
invented. Chance comes from ``random.Random.random`` alone, the one method whose sequence Python promises to keep
between versions.

The feed has 860 lines, 827 different events among them, dated January to October 2026:

- 3 ``payroll.enabled``: NL-02 (120 people) for one integration, DE-01 (100) and ZA-07 (80) for the other; 37 people
  stand before their payroll.
- 303 ``employee.created``: 300 people who can have an account, and the 3 below who cannot. 10 of the 300 come without
  an address, with id and employee number (1 of them gets one later, 9 never); 12 use the second address only; 3 pairs
  come down to one user name; 5 have no external id.
- 86 ``employee.updated``: 60 people change, 20 of them twice (2 of these twice in one instant, so that the event id
  decides; of 1 the later time is the smaller text), 1 gets an address, 2 move before they leave, and 3 of those who
  left are taken on again.
- 15 ``employee.terminated``; 12 people stay away. That leaves 288 accounts in use, where addresses are made up.
- 402 ``course_enrolment.confirmed``: 400 distinct pairs of person and course (386 learners, 14 tutors) in 12 courses,
  and the 2 below that lead nowhere. 8 are extended (``changed``), 10 ``withdrawn``, and 15 belong to the 12 who left,
  which leaves 375 that must be in place.
- Out of order: 31 facts arrive after a newer one on the same subject and are superseded on arrival (11 creations,
  13 updates, 1 termination, 6 confirmations); 52 enrolments stand before their person.
- 25 lines repeat an earlier one byte for byte. 2 lines repeat an id over other bytes (conflicts).
- 6 broken lines, see ``broken_lines``: the publisher's own check of bytes, envelope and data can refuse them all.
- 5 events are in order and cannot be fulfilled: 2 people without a first name (empty, and a blank), 1 with neither
  address nor id number, 1 enrolment in a course that the LMS lacks (HB-777), 1 of an employee nobody announced.

While things are broken on purpose, 40 events tell of 20 newcomers of NL-02, each in one course.

Before it, 13 events tell of the portal: one lets ZA-07 in, and twelve name its courses, their numbers there, the units
that count, and for one of them a group. Afterwards one event takes ZA-07 away from its integration. The course list has
the 12 courses of the feed, and two in which nobody is enrolled: OLD-VCA is hidden, TALK has no completion criteria. Six
people have an account that somebody made by hand, with their address and little else.
"""

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

from ops.demo.people import (
    LEAVERS,
    MOVERS,
    PAYROLLS,
    UNTOUCHED,
    WITHOUT_EMAIL,
    Data,
    Dice,
    day_after,
    hire,
    newcomers,
)

FEED = Path(__file__).with_name("feed.jsonl")
BEFORE = Path(__file__).with_name("before.jsonl")
AFTERWARDS = Path(__file__).with_name("afterwards.jsonl")
TROUBLE = Path(__file__).with_name("trouble.jsonl")
COURSES = Path(__file__).with_name("courses.json")
BY_HAND = Path(__file__).with_name("by_hand.json")

SEED = 20260105
TENANT = "harbour"
SOURCE = "/hr/harbour"

NEW_LAST_NAMES = ("Zandstra", "Wiegand", "Österlund", "Radebe", "Castaño", "Lindqvist", "Overbeek", "Tiemann")
ENROLMENTS, EXTENDED, WITHDRAWN = 400, 8, 10
REHIRED, EARLY, DUPLICATES = 3, 20, 25
BY_HAND_COUNT = 6
NEWCOMERS, REFUSED = 20, 10
"""Who is hired while things are broken, and how many of them, the first ones, the Moodle refuses."""
ZONES = {payroll.code: ZoneInfo(payroll.zone) for payroll in PAYROLLS}

# shortname | title | course code | category | visible | completion
COURSE_LIST = """
SAFE1|Arbo & veiligheid: básics op de kade|HB-101|Safety|yes|yes
CRANE|Kraanmachinist – theorie & praktijk|HB-102|Operations|yes|yes
ADR|Gefährliche Güter (ADR) & Ladungssicherung|HB-103|Safety|yes|yes
FIRSTAID|First aid & “reanimatie” (EHBO)|HB-104|Safety|yes|yes
FORK|Gabelstapler: Führerschein & Praxis|HB-105|Operations|yes|yes
PRIV|Privacy & AVG/DSGVO – één uur|HB-201|Compliance|yes|yes
CODE|Ethics & conduct: Ubuntu in practice|HB-202|Compliance|yes|yes
CUST|Douane, Zoll & customs: café des règles|HB-203|Compliance|yes|yes
LEAD1|Leiding geven I – coaching & feedback|HB-301|Leadership|yes|yes
LEAD2|Führung II: Gespräche & Konflikte lösen|HB-302|Leadership|yes|yes
IT-SEC|Phishing & пароли: security awareness|HB-401|IT|yes|yes
EXCEL|Excel für Fortgeschrittene: Σ, ∑ & Pivot|HB-402|IT|yes|yes
OLD-VCA|VCA 2019 (vervallen) & ouderwets|HB-901|Archive|no|yes
TALK|Toolbox-praatje: koffie & vragen, zonder afronding|HB-902|Safety|yes|no
"""
PORTAL = "Quayside Talent"
PORTAL_FIRST_COURSE = 301
PORTAL_GROUP = "QUAYSIDE1"
COUNTED_UNITS = ("U3", "U4")
COURSE_CODES = tuple(row.split("|")[2] for row in COURSE_LIST.split("\n")[1:13])


@dataclass(eq=False)
class Fact:
    """
    One event before it becomes a line; two facts are equal only when they are the same object.
    """

    type: str
    subject: str
    time: datetime
    data: Data
    id: str = ""
    in_utc: bool = False

    def envelope(self) -> Data:
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": SOURCE,
            "type": self.type,
            "subject": self.subject,
            "time": _written(self.time, None if self.in_utc else self.data.get("payroll")),
            "tenant": TENANT,
            "data": self.data,
        }


def _written(time: datetime, payroll: str | None) -> str:
    """
    Write an instant with the offset of the payroll it concerns, or in UTC, so that text order is not time order.
    """
    if payroll is None:
        return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return time.astimezone(ZONES[payroll]).isoformat()


def encode(envelope: Data) -> bytes:
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()


def instant(month: int, day: int, hour: int = 7) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


# --- what happens to them ---------------------------------------------------------------------------------------------


class Story:
    """
    All facts of the year, and which two of them change places in the file.
    """

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.swaps: list[tuple[Fact, Fact]] = []

    def tell(self, type_: str, key: str, time: datetime, data: Data) -> Fact:
        fact = Fact(f"hr.{type_}.v1", data[key], time, data)
        self.facts.append(fact)
        return fact

    def swap(self, earlier: Fact, later: Fact) -> None:
        self.swaps.append((earlier, later))

    def in_file_order(self) -> list[Fact]:
        """
        Number the facts by time, so that of two facts of one instant the later one has the greater id; then swap.
        """
        ordered = sorted(self.facts, key=lambda fact: fact.time)
        for number, fact in enumerate(ordered, start=1):
            fact.id = f"hb-2026-{number:06d}"
        for earlier, later in self.swaps:
            here, there = ordered.index(earlier), ordered.index(later)
            ordered[here], ordered[there] = later, earlier
        return ordered


def _changed(dice: Dice, person: Data, kind: int) -> Data:
    """
    A person's next snapshot: another surname, another address, a telephone, or another place of work.
    """
    address = str(person["emails"][0]).lower().replace("@", ".2@")
    changes: tuple[Data, ...] = (
        {"last_name": f"{dice.pick(NEW_LAST_NAMES)}-{person['last_name']}", "infix": None},
        {"emails": [address, None, None]},
        {"phone": f"+00 10 {dice.digits(7)}"},
        {"attributes": {"employment_status": "Permanent", "free_1": "Harbour office"}},
    )
    return person | changes[kind % 4]


def _tell_updates(story: Story, dice: Dice, movers: list[Data], created: dict[str, Fact]) -> None:
    """
    Update everybody once and the first twenty twice, some in the wrong order.

    Numbers 10 and 11 have both updates in one instant; the later one of number 12 looks earlier, being written in UTC.
    """
    for number, person in enumerate(movers):
        first = story.tell(
            "employee.updated", "employee_key", dice.moment(instant(5, 4), 60), _changed(dice, person, number)
        )
        if 20 <= number < 30:
            story.swap(created[person["employee_key"]], first)
        if number >= 20:
            continue
        at = dice.moment(instant(7, 20), 80)
        if number in {10, 11, 12}:
            at = first.time + (number == 12) * timedelta(minutes=40)
        second = story.tell("employee.updated", "employee_key", at, _changed(dice, first.data, number + 1))
        second.in_utc = number == 12
        if number < 10 or number == 11:
            story.swap(first, second)


def _tell_leavers(story: Story, dice: Dice, leavers: list[Data], created: dict[str, Fact]) -> None:
    """
    Let everybody go; take the first three on again; tell four of these lives in the wrong order.
    """
    for number, person in enumerate(leavers):
        at = dice.moment(instant(7, 6), 80)
        left = person | {"status": "terminated", "ends_on": at.date().isoformat()}
        gone = story.tell("employee.terminated", "employee_key", at, left)
        if number < REHIRED:
            again = dice.moment(instant(10, 5), 30)
            back = person | {"starts_on": again.date().isoformat()}
            rehired = story.tell("employee.updated", "employee_key", again, back)
            if number == 0:
                story.swap(gone, rehired)
        elif number == REHIRED:
            story.swap(created[person["employee_key"]], gone)
        elif number <= REHIRED + 2:
            moved = _changed(dice, person, 3)
            story.swap(story.tell("employee.updated", "employee_key", at - timedelta(days=9), moved), gone)


def _enrolment(dice: Dice, index: int, employee_key: str, course_code: str, confirmed: datetime) -> Data:
    starts = confirmed.date() + timedelta(days=dice.between(3, 25))
    return {
        "enrolment_key": f"HBI-{index + 1:05d}",
        "employee_key": employee_key,
        "course_code": course_code,
        "role": "tutor" if index % 29 == 0 else "learner",
        "booking_status": "confirmed",
        "status": "active",
        "export": True,
        "export_on": confirmed.date().isoformat(),
        # The clocks change on these two Sundays.
        "starts_on": "2026-03-29" if index in {120, 121} else starts.isoformat(),
        "ends_on": "2026-10-25" if index in {121, 122} else day_after(starts, dice.between(21, 110)),
        "deferred_on": None,
        "extended_to": None,
        "withdrawn_on": None,
    }


def _tell_enrolments(story: Story, dice: Dice, people: list[Data]) -> list[Fact]:
    pairs = dice.shuffled(product([person["employee_key"] for person in people], COURSE_CODES))[:ENROLMENTS]
    facts = []
    for index, (employee_key, course_code) in enumerate(pairs):
        at = dice.moment(instant(4, 1), 75)
        data = _enrolment(dice, index, employee_key, course_code, at)
        facts.append(story.tell("course_enrolment.confirmed", "enrolment_key", at, data))
    return facts


def _tell_changes(story: Story, dice: Dice, confirmed: list[Fact]) -> None:
    """
    Extend the first eight and withdraw the next ten; six of these facts stand before their confirmation.
    """
    for number, fact in enumerate(confirmed[: EXTENDED + WITHDRAWN]):
        at = dice.moment(instant(7, 6), 25)
        if number < EXTENDED:
            day = date.fromisoformat(fact.data["ends_on"])
            changed = fact.data | {"extended_to": day_after(day, dice.between(14, 42))}
            later = story.tell("course_enrolment.changed", "enrolment_key", at, changed)
        else:
            withdrawn = fact.data | {"status": "withdrawn", "withdrawn_on": at.date().isoformat()}
            later = story.tell("course_enrolment.withdrawn", "enrolment_key", at, withdrawn)
        if number % EXTENDED < 2:
            story.swap(fact, later)


def _tell_what_cannot_be_done(story: Story, dice: Dice, model: Data) -> None:
    """
    Add the people and enrolments that must end as visible failures; none of them is among the 300 or the 400.
    """
    changes: tuple[Data, ...] = (
        {"first_name": "", "last_name": "Voornaamloos", "emails": ["info.quay@example.org", None, None]},
        {"first_name": " ", "last_name": "Ohne-Vorname", "emails": ["info.yard@example.org", None, None]},
        {"last_name": "Unreachable", "emails": [None, None, None], "id_number": None},
    )
    for number, change in enumerate(changes):
        own: Data = {"employee_key": f"HBE-9{number:03d}-000", "employee_number": str(299001 + number)}
        own |= {"external_id": f"X-{299001 + number}", "id_number": f"99000111{number:04d}"}
        story.tell("employee.created", "employee_key", instant(3, 2 + number), model | own | change)
    orphans = (model["employee_key"], "HB-777"), ("HBE-7777-000", "HB-101")
    for number, (employee_key, course_code) in enumerate(orphans):
        data = _enrolment(dice, 9000 + number, employee_key, course_code, instant(4, 20 + number))
        story.tell("course_enrolment.confirmed", "enrolment_key", instant(4, 20 + number), data)


def tell(dice: Dice) -> tuple[Story, list[Data], list[Data]]:
    """
    Write the year, and return it with the people about whom a broken line shall speak, and with some others whose
    lives are quiet.
    """
    story = Story()
    for payroll in PAYROLLS:
        data: Data = {
            "payroll": payroll.code,
            "name": payroll.name,
            "integration": payroll.integration,
            "attributes": {},
        }
        story.tell("payroll.enabled", "payroll", payroll.enabled_at, data)
    remarkable, ordinary = hire(dice)
    people = remarkable + ordinary
    created = {
        person["employee_key"]: story.tell("employee.created", "employee_key", dice.moment(instant(1, 6), 80), person)
        for person in people
    }
    _tell_updates(story, dice, ordinary[MOVERS], created)
    _tell_leavers(story, dice, ordinary[LEAVERS], created)
    reached = ordinary[WITHOUT_EMAIL][0]
    found = reached | {"emails": ["found.later@example.org", None, None]}
    story.tell("employee.updated", "employee_key", instant(6, 3), found)

    eventful = {person["employee_key"] for person in ordinary[LEAVERS] + ordinary[MOVERS]}
    calm = [fact for fact in _tell_enrolments(story, dice, people) if fact.data["employee_key"] not in eventful]
    _tell_changes(story, dice, calm)
    first_of = {fact.data["employee_key"]: fact for fact in reversed(calm[EXTENDED + WITHDRAWN :])}
    for employee_key in list(first_of)[:EARLY]:
        story.swap(created[employee_key], first_of[employee_key])
    _tell_what_cannot_be_done(story, dice, ordinary[UNTOUCHED][0])
    return story, ordinary[UNTOUCHED][1:7], ordinary[UNTOUCHED][7:]


# --- lines ------------------------------------------------------------------------------------------------------------


def broken_lines(people: list[Data]) -> list[bytes]:
    """
    Six updates damaged in six ways, all of which the publisher's own check of a line can refuse.

    By the bytes: cut off, and Latin-1 instead of UTF-8. By the envelope: no tenant, and a time on 30 February.
    By the data: a number for a first name, and a day in the year 0.
    """
    envelopes = []
    for number, person in enumerate(people):
        data = person | {"last_name": "Ongelezen"}  # would show in the LMS, had a broken line got through
        fact = Fact("hr.employee.updated.v1", person["employee_key"], instant(11, 3 + number), data)
        fact.id = f"hb-2026-9{number:05d}"
        envelopes.append(fact.envelope())
    cut, latin, homeless, timeless, number_name, year_zero = envelopes
    del homeless["tenant"]
    timeless["time"] = "2026-02-30T09:00:00+01:00"
    number_name["data"]["first_name"] = 4711
    year_zero["data"]["starts_on"] = "0000-01-01"
    latin["data"]["first_name"] = "Zoë"
    in_latin_1 = encode(latin).decode().encode("latin-1")
    return [encode(cut)[:480], *map(encode, (homeless, timeless, number_name)), in_latin_1, encode(year_zero)]


def _insert_after(dice: Dice, lines: list[bytes], original: bytes, line: bytes) -> None:
    lines.insert(dice.between(lines.index(original) + 1, len(lines)), line)


def conflicting(fact: Fact) -> bytes:
    """
    The fact's id once more over other bytes; no account or enrolment depends on which of the two came first.
    """
    change = {"mobile": "+00 6 00000000"} if "mobile" in fact.data else {"export_on": "2026-03-31"}
    return encode(replace(fact, data=fact.data | change).envelope())


def feed() -> bytes:
    """
    The entire feed as it stands in the file.
    """
    dice = Dice(SEED)
    story, victims, _ = tell(dice)
    facts = story.in_file_order()
    lines = [encode(fact.envelope()) for fact in facts]
    fates = dice.shuffled(facts)
    for fact in fates[:DUPLICATES]:
        _insert_after(dice, lines, encode(fact.envelope()), encode(fact.envelope()))
    rest = fates[DUPLICATES:]
    for type_ in ("hr.employee.created.v1", "hr.course_enrolment.confirmed.v1"):
        fact = next(fact for fact in rest if fact.type == type_)
        _insert_after(dice, lines, encode(fact.envelope()), conflicting(fact))
    for line in broken_lines(victims):
        lines.insert(dice.below(len(lines)), line)
    return b"".join(line + b"\n" for line in lines)


def before() -> bytes:
    """
    What the portal needs to know first: whose people it has, and which courses and units are HR's.
    """
    payroll = PAYROLLS[-1]
    data: Data = {"payroll": payroll.code, "name": payroll.name, "integration": PORTAL, "attributes": {}}
    facts = [Fact("hr.payroll.enabled.v1", payroll.code, instant(1, 2), data)]
    for number, code in enumerate(COURSE_CODES, start=PORTAL_FIRST_COURSE):
        facts.append(Fact("hr.course.changed.v1", code, instant(1, 2), _portal_course(code, number)))
    numbered = [replace(fact, id=f"hb-2026-700{number:03d}") for number, fact in enumerate(facts, start=1)]
    return b"".join(encode(fact.envelope()) + b"\n" for fact in numbered)


def _portal_course(code: str, number: int) -> Data:
    return {
        "course_code": code,
        "title": f"{code} for the quayside",
        "integration": PORTAL,
        "archived": False,
        "export": True,
        "lms_course_id": str(number),
        "group_key": PORTAL_GROUP if code == COURSE_CODES[0] else None,
        "units": [{"code": code + unit, "kind": "unit", "title": unit} for unit in COUNTED_UNITS],
    }


def trouble() -> bytes:
    """
    What HR says while things are broken: newcomers, each confirmed for one course.
    """
    dice = Dice(SEED + 1)
    facts = []
    for number, person in enumerate(newcomers(dice, NEWCOMERS)):
        key, at = person["employee_key"], instant(6, 15) + timedelta(minutes=number)
        facts.append(Fact("hr.employee.created.v1", key, at, person))
        booking = _enrolment(dice, 9500 + number, key, COURSE_CODES[number % len(COURSE_CODES)], at)
        facts.append(Fact("hr.course_enrolment.confirmed.v1", booking["enrolment_key"], at, booking))
    numbered = [replace(fact, id=f"hb-2026-750{number:03d}") for number, fact in enumerate(facts, start=1)]
    return b"".join(encode(fact.envelope()) + b"\n" for fact in numbered)


def afterwards() -> bytes:
    """
    What HR says when the year is over: one payroll is no longer for the academy.
    """
    payroll = PAYROLLS[-1]
    data: Data = {"payroll": payroll.code, "name": payroll.name, "integration": payroll.integration, "attributes": {}}
    fact = Fact("hr.payroll.disabled.v1", payroll.code, instant(11, 30), data, "hb-2026-800001")
    return encode(fact.envelope()) + b"\n"


def by_hand() -> bytes:
    """
    Accounts that somebody made in the Moodle of the whole company before: with HR's address, and little else right.
    """
    _, _, quiet = tell(Dice(SEED))
    known = [person for person in quiet if person["emails"][0]][:BY_HAND_COUNT]
    users = [
        {"username": f"old{number}", "firstname": "?", "lastname": "?", "email": person["emails"][0].lower()}
        for number, person in enumerate(known, start=1)
    ]
    return _listed(users)


def _listed(things: list[Data]) -> bytes:
    return (json.dumps(things, ensure_ascii=False, indent=1) + "\n").encode()


def courses() -> bytes:
    """
    The simulator's courses: the twelve of the feed, a hidden one and one without completion criteria.
    """
    rows = (row.split("|") for row in COURSE_LIST.strip().split("\n"))
    listed = [
        {
            "shortname": shortname,
            "fullname": title,
            "idnumber": code,
            "category": category,
            "visible": visible == "yes",
            "completion": completion == "yes",
            "manual_enrolment": True,
        }
        for shortname, title, code, category, visible, completion in rows
    ]
    return _listed(listed)


def main() -> None:
    """
    Rewrite all files.
    """
    FEED.write_bytes(feed())
    BEFORE.write_bytes(before())
    TROUBLE.write_bytes(trouble())
    AFTERWARDS.write_bytes(afterwards())
    COURSES.write_bytes(courses())
    BY_HAND.write_bytes(by_hand())


if __name__ == "__main__":
    main()
