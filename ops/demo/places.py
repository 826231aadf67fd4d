"""
The LMSs of the demonstration, and the integration that each is for.

One more is one more settings file and one more line in `PLACES`; a third kind of LMS needs a reader of its ledger in
`check.READERS` as well.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.demo.expected import Rules, rules
from ops.demo.generate import BY_HAND, COUNTED_UNITS, COURSES, PORTAL_FIRST_COURSE, PORTAL_GROUP

WAYS = ("activities", "self", "grade")
LATENCY = {"moodle": "small", "talentlms": "portal"}
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Place:
    """
    One LMS and its integration.

    Attributes:
        file: The integration's settings, beside this module.
        first_course: Where the LMS begins to count its courses; an id that got into the other LMS would stand out.
        password: What newcomers get, where the settings say so.
        users: A file with accounts that are there before, or none.
    """

    file: str
    first_course: int
    password: str | None = None
    users: Path | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """As they stand in the file."""
        read: dict[str, Any] = json.loads((FOLDER / self.file).read_bytes())
        return read

    @property
    def name(self) -> str:
        """The integration's."""
        return str(self.settings["name"])

    @property
    def lms(self) -> str:
        """Which kind it is."""
        return str(self.settings.get("lms", "moodle"))

    @property
    def latency(self) -> str:
        """The simulator's, by name."""
        return LATENCY[self.lms]

    @property
    def units(self) -> tuple[str, ...]:
        """How the codes of what is finished end, after the course's; a course that counts as a whole adds nothing."""
        return COUNTED_UNITS if self.lms == "talentlms" else ("",)

    @property
    def token(self) -> str:
        """Known to this LMS's simulator only."""
        return f"demo-token-of-{Path(self.file).stem}"

    @property
    def by_hand(self) -> list[dict[str, str]]:
        """Accounts that are there before."""
        return json.loads(self.users.read_bytes()) if self.users else []

    @property
    def rules(self) -> Rules:
        """What the feed's outcome depends on here."""
        return rules(self.settings, self.by_hand)

    @property
    def codes(self) -> dict[int, str]:
        """The course code of each course id."""
        return {number: seed["idnumber"] for number, seed in self._numbered()}

    def courses(self) -> list[dict[str, Any]]:
        """The courses as the simulator wants them, with ids that we know."""
        seed_of = _portal_course if self.lms == "talentlms" else _moodle_course
        return [{**seed_of(number, seed), "id": number, "category": 1} for number, seed in self._numbered()]

    def groups(self) -> list[dict[str, Any]]:
        """The groups of a portal."""
        return [{"name": "First at the quay", "key": PORTAL_GROUP}] if self.lms == "talentlms" else []

    def _numbered(self) -> Iterator[tuple[int, dict[str, Any]]]:
        return enumerate(json.loads(COURSES.read_bytes()), start=self.first_course)


def _moodle_course(number: int, seed: dict[str, Any]) -> dict[str, Any]:
    """Each is completed in one of three ways."""
    return {**seed, "completion": WAYS[number % 3] if seed["completion"] else "none"}


def _portal_course(_: int, seed: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": seed["fullname"],
        "code": seed["idnumber"],
        "status": "active" if seed["visible"] else "inactive",
    }


PLACES = (
    Place("harbour.json", first_course=101, password="All-hands-2026!", users=BY_HAND),  # noqa: S106 - invented
    Place("dockside.json", first_course=201),
    Place("quayside.json", first_course=PORTAL_FIRST_COURSE),
)
