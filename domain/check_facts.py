"""What a line of the self-check is about; and the lines of a portal, where people click elsewhere than in Moodle."""

from dataclasses import dataclass
from typing import Literal

from domain.failure_catalogue import CONFIG, IT, LMS, Owner
from domain.recovery import Operation

Holds = Literal["", "results", "everything"] | Operation


@dataclass(frozen=True, slots=True)
class Fact:
    """
    What a line is about.

    Attributes:
        consequence: What does not work while it is red.
        where: Where its owner clicks or looks.
        holds: The work that waits while it is red. What fails by itself when it is tried needs no hold.
    """

    name: str
    consequence: str
    owner: Owner
    where: str
    holds: Holds = ""


NOTHING_MOVES = "Nothing is sent and nothing is fetched."
WAITS = "Results wait; people and enrolments go on."
_ADMIN = "as super administrator: Account & Settings"

# In the order in which they are looked at. A line that Moodle has too bears the same name.
PORTAL_FACTS = (
    Fact("address", NOTHING_MOVES, CONFIG, "url in the integration's settings"),
    Fact("name resolves", NOTHING_MOVES, IT, "the host name's entry in the public name service"),
    Fact("public address", NOTHING_MOVES, IT, "firewall and name service; MATRICULA_ALLOW_PRIVATE_LMS"),
    Fact("stored token", NOTHING_MOVES, IT, "MATRICULA_KEY; matricula integration set-token"),
    Fact("reachable", NOTHING_MOVES, IT, "the firewall on our side; the portal's address in a browser"),
    Fact("secure connection", NOTHING_MOVES, IT, "the portal's certificate; a proxy in between"),
    Fact(
        "really TalentLMS",
        NOTHING_MOVES,
        CONFIG,
        "url in the settings: https://NAME.talentlms.com; the API is not at the portal's own domain",
    ),
    Fact("site available", NOTHING_MOVES, LMS, "the portal in a browser; the provider's status page"),
    Fact("API", NOTHING_MOVES, LMS, f"{_ADMIN} > API: Enable API; the portal's plan, since free ones have no API"),
    Fact("API key", NOTHING_MOVES, LMS, f"{_ADMIN} > API: the key; matricula integration set-token"),
    Fact("right site", "People could be linked to another portal's users.", CONFIG, "url in the settings, and the key"),
    Fact("clock", "Waits for the hourly allowance are too long or too short.", IT, "the time service of this machine"),
    Fact("calls left", "Work waits until the hour is over.", LMS, "other users of the API; a plan with more calls"),
    Fact("sees people", "People who are there look absent and would be made twice.", LMS, f"{_ADMIN} > API: the key"),
    Fact(
        "key field",
        "People are not recognised by their key.",
        CONFIG,
        f"people.key_field; {_ADMIN} > Users > Custom user fields: a text field",
    ),
    Fact(
        "mandatory fields",
        "Newcomers get no account.",
        CONFIG,
        f"people.fields and people.key_field; or {_ADMIN} > Users > Custom user fields: not mandatory",
    ),
    Fact("has courses", "There is nothing to enrol in.", LMS, "Courses > Add course"),
    Fact("whole lists", "Courses that are missing in the list stay unknown.", LMS, "the portal's list of courses"),
    Fact(
        "linked courses", "Enrolments in the courses named fail; others go on.", CONFIG, "the course ids that HR gives"
    ),
    Fact("groups", "People are enrolled, and not in the groups named.", LMS, "Groups > the group > Group key"),
    Fact(
        "profile fields",
        "The fields named keep their former value.",
        LMS,
        f"{_ADMIN} > Users > Custom user fields; matricula integration fields discover, then map",
    ),
    Fact("result items", WAITS, CONFIG, "results.outcomes in the integration's settings"),
    Fact(
        "preset password",
        "Newcomers get no account.",
        CONFIG,
        "MATRICULA_PASSWORD: 8 to 30 characters, with both cases and a digit",
    ),
)
