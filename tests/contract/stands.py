"""Which systems each conformance suite runs against."""

from collections.abc import Callable

from tests.contract.client_sites import FakeStand, MoodleStand, Stand
from tests.contract.portal_stands import FakePortalStand, TalentStand, UnitStand

# The fakes are held to the suites of the system they stand for.
MOODLES: dict[str, Callable[[], Stand]] = {
    "fake": FakeStand,
    "moodle-4.4": MoodleStand,
    "moodle-4.5": lambda: MoodleStand("4.5"),
}
PORTALS: dict[str, Callable[[], UnitStand]] = {
    "fake portal": FakePortalStand,
    "talentlms": TalentStand,
    "talentlms as documented": lambda: TalentStand(documented=True, pages_every_list=True, page_size=20),
}
STANDS: dict[str, Callable[[], Stand]] = {**MOODLES, **PORTALS}
