"""
10,000 people are hired at a portal that allows 2,000 calls an hour: nobody is turned away, leavers do not wait, and
what `matricula status` says of the end is true.

The portal is simulated in this process, on a clock that is moved: what waits in the database comes nearer by as much.
In the middle people leave, and whoever is there by then is read again.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from benchmarks.figures import Figure, alone
from benchmarks.lab import lab
from db.pool import open_pool, transaction
from db.sync_runs import SyncRuns
from domain.syncing import SCHEDULE
from ops.calls import outlooks
from tests.support.builders import hired, terminated
from tests.support.portal import PortalBench

HIRES, AN_HOUR, CHUNK = 10_000, 2_000, 1_000
LEAVE_AT = (
    1_000,
    4_000,
    7_500,
)  # so many are hired; one leaves at once, while calls are made, and one when they are spent
READ_AGAIN_AT = 5_000
ASK_AT = (100, 1_000, 3_000, 5_000, 6_000, 8_000, 9_500)
TICK, INTERVAL = timedelta(seconds=1), timedelta(seconds=5)
CONNECTIONS = 8

# Only what waits for a time: there are many rows, and time passes often.
PASS_TIME = """
    update account set due_at = due_at - %(d)s where due_at > now();
    update integration set resume_at = resume_at - %(d)s, courses_seen_at = courses_seen_at - %(d)s;
    update call_budget set resets_at = resets_at - %(d)s, crowded_until = crowded_until - %(d)s,
                           checked_at = checked_at - %(d)s
"""


class Portal(PortalBench):
    """The bench in which 10,000 are hired, and what came to pass: seconds since then by the portal's clock."""

    def begin(self) -> None:
        """HR has told of everybody."""
        for first in range(0, HIRES, CHUNK):
            self.tell(*[hired(f"E-{number}") for number in range(first, first + CHUNK)])
        self.began = self.clock()
        self.calls_before_reading = 0
        self.said: list[tuple[str, float, float]] = []  # what ends, when that was said, and in how long
        self.ended: dict[str, float] = {}
        self.waits: list[float] = []
        self._leavers = iter(range(HIRES))

    def pass_time(self, **span: float) -> None:
        self.run(PASS_TIME, d=timedelta(**span))
        self.clock.advance(timedelta(**span).total_seconds())

    def now(self) -> float:
        return self.clock() - self.began

    def there(self) -> int:
        """How many are hired; the portal's own administrator is not."""
        return int(self.site.counts()["users"]) - 1

    def play(self) -> None:
        """Until everybody is hired and read again."""
        leave, ask, spent_too, to_read = list(LEAVE_AT), list(ASK_AT), False, True
        while self._note_ends():
            is_due = self.is_due()
            self.let_pass(INTERVAL if is_due else self.until_due())
            there = self.there()
            if ask and there >= ask[0]:
                self.ask(ask.pop(0))
            if leave and there >= leave[0]:
                self.leave(leave.pop(0))
                spent_too = True
            elif spent_too and not is_due:
                self.leave(there)
                spent_too = False
            if to_read and there >= READ_AGAIN_AT:
                self.read_again()
                to_read = False

    def let_pass(self, span: timedelta) -> None:
        """Time passes, and what is due then is provisioned."""
        self.pass_time(seconds=span.total_seconds())
        self.provision()

    def leave(self, _there: int) -> None:
        """Somebody leaves; from then on as the scheduler wakes us, until they are shut out."""
        told, before = self.now(), len(self.leavers())
        self.tell(terminated(f"E-{next(self._leavers)}", at=3))
        while len(self.leavers()) == before:
            self.let_pass(TICK)
        self.waits.append(self.now() - told)

    def ask(self, _there: int) -> None:
        """What status says of the end."""
        for outlook in outlooks(self.pool, [self.integration()]):
            for queue in outlook.queues:
                assert queue.done_in is not None, queue  # noqa: S101 - it ends
                self.said.append((queue.purpose, self.now(), queue.done_in.total_seconds()))

    def read_again(self) -> None:
        """Everybody who is there is to be read again, after all other work."""
        self.calls_before_reading = sum(self.answers().values())
        with transaction(self.pool) as db:
            SyncRuns(db, self.integration_id).ask("people", by=SCHEDULE)

    def _note_ends(self) -> bool:
        """False when all is done."""
        left = {row["urgency"] for row in self.rows("select distinct urgency from account where due_at is not null")}
        if 1 not in left:
            self.ended.setdefault("provisioning", self.now())
        if not left:
            self.ended["sweep"] = self.now()
        return bool(left)


def measure(say: Callable[[str], None]) -> list[Figure]:
    with _portal() as portal:
        portal.begin()
        began = time.monotonic()
        portal.play()
        took = time.monotonic() - began
        answers = portal.answers()
    calls = sum(answers.values())
    errors = [abs(portal.ended[what] - at - said) / (portal.ended[what] - at) for what, at, said in portal.said]
    say(f"{calls} calls in {portal.now() / 3600:.1f} h of the portal and {took:.0f} s of ours: {answers}")
    say(f"asked {portal.asked()} times what is left; leavers waited {', '.join(f'{w:.1f} s' for w in portal.waits)}")
    say(f"the end was wrong by {', '.join(f'{100 * error:.1f} %' for error in errors)}")
    return [
        alone("talent_429s", [answers[429]], "answers", "<= 1"),
        alone("talent_leaver_wait_s", [max(portal.waits)], "s", f"<= {INTERVAL.total_seconds():g}"),
        alone("talent_eta_error", [max(errors)], "of the time left", "<= 0.2"),
        alone("talent_calls_per_hire", [portal.calls_before_reading / READ_AGAIN_AT], "calls"),
        alone("talent_ms_per_call", [1000 * took / calls], "ms"),
    ]


@contextmanager
def _portal() -> Iterator[Portal]:
    with lab() as place, open_pool(place.settings.database_url, name="bench", max_size=CONNECTIONS) as pool:
        yield Portal(pool, an_hour=AN_HOUR)
