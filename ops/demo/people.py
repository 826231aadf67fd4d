"""
The invented people of the demonstration: their names, addresses and payrolls.
"""

import random
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, TypeVar

T = TypeVar("T")
Data = dict[str, Any]

HARBOUR, DOCKSIDE = "Harbour Moodle", "Dockside Academy"

ORDINARY = (99, 79, 59)  # people with everyday names in each payroll; the remarkable ones make them 300
# Who among the ordinary people lives through what; nobody has two parts.
LEAVERS, MOVERS = slice(0, 15), slice(15, 75)
WITHOUT_EMAIL, SECOND_EMAIL_ONLY, UNTOUCHED = slice(75, 85), slice(85, 97), slice(97, None)
FIRST_NEWCOMER = 900  # a number far from theirs


@dataclass(frozen=True)
class Payroll:
    """
    One payroll of the company, with the names its people are drawn from.

    Attributes:
        enabled_at: When it was switched on for an integration; ZA-07 comes after its first people.
        integration: The one that it was switched on for.
    """

    code: str
    name: str
    zone: str
    language: str
    enabled_at: datetime
    integration: str
    given: str
    last: str


# An infix is set off from the surname by a slash.
PAYROLLS = (
    Payroll(
        "NL-02", "Netherlands, monthly", "Europe/Amsterdam", "nl", datetime(2026, 1, 5, 7, 30, tzinfo=UTC), HARBOUR,
        "Noor Daan Sem Lieke Fenna Joris Maud Teun Sanne Ruben Eline Bram Zoë Loïs Daniël Jurre Wietske Sjoerd Geertje",
        "van der/Meer, Jansen, de/Vries, van/Dijk, Bakker, van den/Berg, Visser, Smit, de la/Fontaine, Mulder, "
        "de/Groot, Bos, Vos, Hendriks, van 't/Hof, Dekker, Brouwer, ter/Horst, op den/Akker, Koopmans",
    ),
    Payroll(
        "DE-01", "Germany, monthly", "Europe/Berlin", "de", datetime(2026, 1, 5, 8, 15, tzinfo=UTC), DOCKSIDE,
        "Jürgen Anneliese Björn Käthe Lukas Sören Grete Uwe Heike Matthias Günter Ilse Jannik Rötger Swantje Kay",
        "Müller, Weiß, Schröder, Groß, von/Ahlen, Köhler, Größl, Fischer, Hübner, Kürschner, zu/Rhein, Vogel, Preuß",
    ),
    Payroll(
        "ZA-07", "South Africa, weekly", "Africa/Johannesburg", "en", datetime(2026, 2, 16, 6, 0, tzinfo=UTC), DOCKSIDE,
        "Thandiwe Sipho Lerato Kagiso Naledi Bongani Zanele Pieter Anri Liezl Themba Ayanda Marlé Nomvula",
        "Dlamini, Nkosi, Mokoena, Botha, du/Plessis, Naidoo, Mthembu, van der/Merwe, Khumalo, Ndlovu, le/Roux, Zulu",
    ),
)  # fmt: skip

# Unicode has no decomposition for these letters, so they need a spelling of their own.
UNDECOMPOSABLE = dict(zip(map(ord, "ßøłæđþı"), ("ss", "o", "l", "ae", "d", "th", "i"), strict=True))

# given | infix | last | name part of the address, needed where the letters are not Latin
REMARKABLE = """
Łukasz||Wójcik|
Søren||Ødegård|
Iñaki||Etxebarría-Peña|
Ægir||Þorsteinsson|
Siân||O’Rourke|
Aoife||O'Neil|
D'Artagnan||N'Diaye|
Jean-Étienne|de la|Haye-L'Évêque|
Željko||Đurić|
Ştefan||Țurcanu|
Çağla||İnönü-Işık|
Dvořák||Škvorecká|
Ana Maria||dos Santos e Silva|
Xuân Trường||Nguyễn|
Thị Hằng||Đặng|
Phượng||Võ|
Ελένη||Παπαδάκη|eleni.papadaki
Γιώργος||Σταθόπουλος|giorgos.stathopoulos
Άννα-Μαρία||Οικονόμου|anna-maria.oikonomou
Анна||Смирнова|anna.smirnova
Дмитро||Щербак|dmytro.shcherbak
Юлия||Подъячева|yuliya.podyacheva
Ђорђе||Његош|djordje.njegos
محمد||الأحمد|mohammed.alahmad
فاطمة الزهراء||بن علي|fatima.benali
نور||خان|noor.khan
שירה||בן־דוד|shira.bendavid
יעל||מזרחי|yael.mizrahi
伟||李|wei.li
秀英||欧阳|xiuying.ouyang
志明||陳|chiming.chan
さくら||佐藤|sakura.sato
健太郎||髙橋|kentaro.takahashi
ミカエラ||スミス|micaela.sumisu
지우||김|jiwoo.kim
서연||남궁|seoyeon.namgung
प्रिया||शर्मा|priya.sharma
अर्जुन||त्रिवेदी|arjun.trivedi
สมชาย||ใจดี|somchai.jaidee
พิมพ์ชนก||ศรีสุวรรณวัฒนา|pimchanok.srisuwan
ნინო||ბერიძე|nino.beridze
Արամ||Պետրոսյան|aram.petrosyan
Jennifer||Null|
Chloé||True|
Nan||Void|
Bo||O|
Suharti||X|
Ed||Ng|
Amy||Ek|
Li||Yu|
Kees|van|van Houten|
Pip|van der|Zee|
Rosa|de la|Cruz|
Ludwig|von und zu|Hohenfels|
Anneke|in 't|Veld|
"""

# R170: each pair comes down to one user name; the second spelling of the middle pair is decomposed.
TWINS = (
    ("Sara", "Janssen", "Sara", "Janssen"),
    ("José", "Núñez", unicodedata.normalize("NFD", "José"), unicodedata.normalize("NFD", "Núñez")),
    ("Jörg", "Strauß", "Jörg", "Strauss"),
)
# Moodle takes one hundred characters in either name, and both of these have exactly that.
LONG_GIVEN = "Maximiliana Theodora Wilhelmina Ægidia Apollonia Kunigunde Scholastika Euphrosyne Walburg Zoëlle-Ève"
LONG_LAST = "Wolkenstein-Ödenburg-Featherstonehaugh-Cholmondeley-Szczębrzeszyńska-Papadimitrakopoulou-Rødovregård"
WORKPLACES = ("Quay 7", "Crane yard", "Pilot house", "Cold store", "Customs desk", "Workshop Süd")


class Dice:
    """
    Chance that falls the same way in every run and on every Python.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose, guards nothing

    def below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def between(self, low: int, high: int) -> int:
        return low + self.below(high - low + 1)

    def pick(self, things: Sequence[T]) -> T:
        return things[self.below(len(things))]

    def shuffled(self, things: Iterable[T]) -> list[T]:
        return sorted(things, key=lambda _: self._random.random())

    def digits(self, count: int) -> str:
        return "".join(str(self.below(10)) for _ in range(count))

    def moment(self, first: datetime, days: int) -> datetime:
        return first + timedelta(days=self.below(days), minutes=self.below(600), seconds=self.below(60))


@dataclass(frozen=True)
class Name:
    """
    What somebody is called, and the part of their address before the @.
    """

    given: str
    infix: str | None
    last: str
    local: str


def _local(*parts: str | None) -> str:
    """
    Spell names in the letters an address may have.
    """
    text = " ".join(part for part in parts if part).lower().replace("'", "")
    text = text.translate(UNDECOMPOSABLE)
    return ".".join(re.findall(r"[a-z-]+", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()))


def _remarkable_names() -> list[Name]:
    """
    The table, every third row decomposed as some exports write it, then the twins and the two longest names.
    """
    names = []
    for number, row in enumerate(REMARKABLE.strip().split("\n")):
        given, infix, last, local = row.split("|")
        form = unicodedata.normalize("NFD" if number % 3 == 1 else "NFC", f"{given}|{last}").split("|")
        names.append(Name(form[0], infix or None, form[1], local or _local(given, last)))
    for number, (given, last, other_given, other_last) in enumerate(TWINS, start=1):
        names.append(Name(given, None, last, f"twin{number}.{_local(last)}"))
        names.append(Name(other_given, None, other_last, f"twin{number}.{_local(other_last)}.jr"))
    return [*names, Name(LONG_GIVEN, None, "Kort", "m.kort"), Name("Kort", None, LONG_LAST, "k.wolkenstein")]


def _ordinary_names(dice: Dice, payroll: Payroll) -> list[Name]:
    """
    Every given name with every surname of a payroll, shuffled: no two people share both.
    """
    names = []
    for given, last in product(payroll.given.split(), payroll.last.split(", ")):
        infix, _, last = last.rpartition("/")
        names.append(Name(given, infix or None, last, _local(given, infix, last)))
    return dice.shuffled(names)


def newcomers(dice: Dice, count: int) -> list[Data]:
    """
    So many more people of the first payroll, whose addresses nobody else has.
    """
    names = _ordinary_names(dice, PAYROLLS[0])[:count]
    own = [replace(name, local=f"new{number}.{name.local}") for number, name in enumerate(names, start=1)]
    return [_person(dice, index, name, PAYROLLS[0]) for index, name in enumerate(own, start=FIRST_NEWCOMER)]


def _person(dice: Dice, index: int, name: Name, payroll: Payroll) -> Data:
    number = str(200417 + 3 * index)
    local = name.local.title() if index % 40 == 7 else name.local  # some HR clerks write addresses with capitals
    return {
        "employee_key": f"HBE-{index + 1:04d}-{dice.digits(3)}",
        "employee_number": number,
        "external_id": None if index % 60 == 31 else f"X-{number}",
        "id_number": None if index % 4 == 1 else f"{dice.digits(9)}{index:03d}",
        "first_name": name.given,
        "initials": f"{name.given[0]}.",
        "infix": name.infix,
        "last_name": name.last,
        "preferred_name": None,
        "emails": [f"{local}@example.org", f"{local}@example.com" if index % 9 == 0 else None, None],
        "phone": None,
        "mobile": f"+00 6 {dice.digits(8)}" if index % 2 else None,
        "language": payroll.language,
        "timezone": payroll.zone,
        "payroll": payroll.code,
        "status": "active",
        "starts_on": day_after(date(2026, 1, 1), dice.below(28)),
        "ends_on": None,
        "attributes": {"employment_status": "Permanent" if index % 3 else "Temporary", "free_1": dice.pick(WORKPLACES)},
        "lms_user_ids": {},
    }


def day_after(first: date, later: int) -> str:
    return (first + timedelta(days=later)).isoformat()


def hire(dice: Dice) -> tuple[list[Data], list[Data]]:
    """
    Make up the company's people: those whose names are hard, and the ordinary rest in no particular order.
    """
    named = [(name, PAYROLLS[number % 3]) for number, name in enumerate(_remarkable_names())]
    plain: list[tuple[Name, Payroll]] = []
    for payroll, count in zip(PAYROLLS, ORDINARY, strict=True):
        plain += [(name, payroll) for name in _ordinary_names(dice, payroll)[:count]]
    everybody = [_person(dice, index, *who) for index, who in enumerate(named + dice.shuffled(plain))]
    remarkable, ordinary = everybody[: len(named)], everybody[len(named) :]
    for number, person in enumerate(ordinary[WITHOUT_EMAIL]):
        person |= {"emails": [None, None, None], "id_number": f"PA{dice.digits(6)}{number}"}
    for person in ordinary[SECOND_EMAIL_ONLY]:
        person["emails"] = [None, person["emails"][0], None]
    return remarkable, ordinary
