"""
Whatever happens to completions, HR's words, the site and us, in whatever order: one live result per enrolment and unit.
"""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

import workers.completions
import workers.poll
from db.pool import Pool
from domain.errors import LmsThrottled, LmsUnavailable, NeedsAttention
from domain.lms import Pair
from tests.support.builders import BY_CODE, changed, hires, results, withdrawn
from tests.support.fake_portal import FakePortal
from tests.support.units import CORRECTED, FIRE, HR_COURSES, NOON, RECORDED, asked, portal, read_all_again, units
from tests.support.workbench import Workbench

PEOPLE, STEPS = 3, 30
PLACES = ("poller.page_read", "poller.rows_written", "result.recorded", "poller.committed")
TROUBLES = (LmsUnavailable("lms_unreachable"), LmsThrottled("lms_throttled"), NeedsAttention("user_gone"))


class Killed(BaseException):
    pass


class History:
    """One installation and what chance does to it."""

    def __init__(self, pool: Pool, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        self.dice = random.Random(seed)
        self.lms: FakePortal = portal()
        chosen = {
            "attempts": self.dice.choice(["first", "latest", "best"]),
            "hand_set": self.dice.choice(["protect", "overwrite"]),
            "earlier_attempt": self.dice.choice(["hold", "accept"]),
            "pass_grade": self.dice.choice([None, 50]),
        }
        self.bench = Workbench(pool, self.lms, lms="talentlms", enrolments=BY_CODE, results=results(**chosen))
        self.bench.done(*HR_COURSES, *hires(PEOPLE))
        self.at = 10
        self._monkeypatch = monkeypatch

    def somebody(self) -> tuple[int, str]:
        number = self.dice.randint(1, PEOPLE)
        return number, self.bench.account(f"E-{number}")["lms_user_id"]

    def step(self) -> None:
        happenings: list[Callable[[], None]] = [
            self.complete,
            self.complete,
            self.reopen,
            self.grade,
            self.say,
            self.name_units,
            self.trouble,
            self.kill,
            self.bench.poll,
            self.bench.poll,
            lambda: read_all_again(self.bench),
            lambda: self.bench.pass_time(minutes=self.dice.choice([2, 31, 600])),
            self.end,
        ]
        self.at += 1
        self.dice.choice(happenings)()

    def complete(self) -> None:
        unit, at = self.dice.choice(FIRE), NOON + timedelta(days=self.dice.randint(0, 9))
        self.lms.complete_unit(self.somebody()[1], "2", unit.unit_id, at, Decimal(self.dice.choice([20, 70, 90])))

    def reopen(self) -> None:
        states = self.lms.states.get(Pair(self.somebody()[1], "2"), {})
        if states:
            del states[self.dice.choice(sorted(states))]

    def grade(self) -> None:
        user_id = self.somebody()[1]
        for unit_id in self.lms.states.get(Pair(user_id, "2"), {}):
            self.lms.grade(user_id, "2", unit_id, Decimal(self.dice.choice([10, 95])), NOON + timedelta(days=self.at))

    def say(self) -> None:
        number, _ = self.somebody()
        outcome = {"unit_code": self.dice.choice(["FIRE01", "fire02"]), "outcome": self.dice.choice(["W", "C"])}
        said = {"outcomes": [outcome]} if self.dice.random() < 0.5 else {}
        first = self.dice.choice(["2020-01-01", "2026-03-06"])
        self.bench.tell(changed(f"EN-{number}", f"E-{number}", at=self.at, starts_on=first, **said))

    def name_units(self) -> None:
        codes = self.dice.sample(["FIRE01", "fire02", "ESSAY", "Fire01"], 2)
        self.bench.tell(units(*codes, at=self.at))

    def trouble(self) -> None:
        self.lms.fail(self.dice.choice(["roster", "standings", "regraded"]), self.dice.choice(TROUBLES))

    def kill(self) -> None:
        place = self.dice.choice(PLACES)

        def crash(name: str) -> None:
            if name == place:
                raise Killed

        with self._monkeypatch.context() as patched:
            patched.setattr(workers.poll, "crashpoint", crash)
            patched.setattr(workers.completions, "crashpoint", crash)
            try:
                self.bench.poll()
            except Killed:
                self.bench.pass_time(minutes=2)

    def end(self) -> None:
        """Somebody withdraws, and comes back."""
        number, _ = self.somebody()
        self.bench.done(withdrawn(f"EN-{number}", f"E-{number}", at=self.at))
        self.at += 1
        self.bench.done(changed(f"EN-{number}", f"E-{number}", at=self.at))

    def come_to_rest(self) -> None:
        for rule in self.lms._rules:
            rule.times = 0
        self.bench.set_state("active")
        read_all_again(self.bench)
        for _ in range(3):
            self.bench.pass_time(minutes=31)
            self.bench.provision()
            self.bench.poll()


@pytest.mark.parametrize("seed", range(8))
def test_no_history_ends_in_two_results_for_one_unit(pool: Pool, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """I5, G1-G8, G12: one result each, a chain of events that each name the one before, and nothing told twice."""
    history = History(pool, monkeypatch, seed)
    for _ in range(STEPS):
        history.step()
    history.come_to_rest()
    bench = history.bench

    live = Counter((r["enrolment_key"], r["unit_code"].casefold()) for r in bench.results())
    assert set(live.values()) <= {1}
    events = bench.rows("select result_id, event_id, corrects from result_event order by recorded_at, event_id")
    said = bench.announced(RECORDED) + bench.announced(CORRECTED)
    assert len(said) == len(events) == bench.column("select count(*) from outbox where type like 'lms.result%%'")[0]
    for result in bench.results():
        chain = {e["corrects"]: e["event_id"] for e in events if e["result_id"] == result["result_id"]}
        at, length = None, 0
        while at in chain:
            at, length = chain[at], length + 1
        assert (at, length) == (result["event_id"], len(chain)), "the chain ends at what HR has now"
    before = bench.rows("select * from result order by 1"), len(said)
    read_all_again(bench)
    assert asked(history.lms, bench.poll).get("roster") == 1
    after = bench.announced(RECORDED) + bench.announced(CORRECTED)
    assert (bench.rows("select * from result order by 1"), len(after)) == before, "I5: a second poll brings nothing"
