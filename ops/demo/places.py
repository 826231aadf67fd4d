"""
The LMSs of the demonstration, and the integration that each is for.

One more is one more settings file and one more line in `PLACES`; if it is no Moodle, `processes.simulator` has to start
its simulator and `check.add_up` to read its ledger.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.demo.expected import Rules, rules
from ops.demo.generate import BY_HAND, COURSES

WAYS = ("activities", "self", "grade")
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
        return {seed["id"]: seed["idnumber"] for seed in self.courses()}

    def courses(self) -> list[dict[str, Any]]:
        """The courses as the simulator wants them: with ids that we know, and each completed in one of three ways."""
        return [
            {**seed, "id": number, "category": 1, "completion": WAYS[number % 3] if seed["completion"] else "none"}
            for number, seed in enumerate(json.loads(COURSES.read_bytes()), start=self.first_course)
        ]


PLACES = (
    Place("harbour.json", first_course=101, password="All-hands-2026!", users=BY_HAND),  # noqa: S106 - invented
    Place("dockside.json", first_course=201),
)
