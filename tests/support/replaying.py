"""
Failures on a workbench, tried again as workers and people do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from db.failure_groups import count_groups
from db.pool import transaction
from db.replay_views import Report
from db.replays import Selection
from domain.errors import NeedsAttention
from domain.permissions import EVERYTHING
from lms.read_only import ReadOnly
from ops import previews, replay_acts, replays
from ops.operators import Operator
from ops.replays import Created, Preview
from runtime.settings import Settings
from tests.support.builders import TENANT, enrolled, hired
from tests.support.fake_lms import FakeLms
from tests.support.workbench import KEYS, Workbench
from workers.replaying import advance_replays

EVA = Operator("eva", "cli", EVERYTHING, "admin", reason="the cause is gone")
ADA = Operator("ada", "cli", EVERYTHING, "admin", reason="looked at it, too")
SETTINGS = Settings("", "", KEYS)


def failing(bench: Workbench, lms: FakeLms, count: int, method: str = "create_users", first: int = 1) -> None:
    """
    So many people of whom each fails for good in this step, until the LMS is `mended`.
    """
    lms.fail(method, NeedsAttention("lms_rejected", "core_user_create_users: badthing"), times=10**9)
    people = range(first, first + count)
    bench.done(*[hired(f"E-{n}") for n in people], *[enrolled(f"EN-{n}", f"E-{n}") for n in people])


def mended(lms: FakeLms) -> None:
    """
    The cause is gone.
    """
    lms._rules.clear()


class Replaying:
    """
    Previews, confirms and advances on a workbench, whose LMS has no address.
    """

    def __init__(self, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = bench

        @contextmanager
        def reading(_: Settings, row: Any) -> Iterator[ReadOnly]:
            yield ReadOnly(bench._gateways[row.integration_id])

        monkeypatch.setattr(previews, "reading", reading)

    def preview(self, selection: Selection, **chosen: Any) -> Preview:
        return replays.preview(self.bench.pool, SETTINGS, TENANT, selection, **chosen)

    def create(self, selection: Selection, by: Operator = EVA, **chosen: Any) -> Created:
        """
        Preview, and confirm what was seen.
        """
        seen = self.preview(selection, **chosen)
        return replays.create(self.bench.pool, SETTINGS, TENANT, selection, by, confirmed=seen.digest, **chosen)

    def tick(self) -> None:
        """
        What the workers do within a second, whatever the rate is.
        """
        self.bench.run("update replay set next_at = now() where state = 'running'")
        advance_replays(self.bench.pool)
        self.bench.apply()
        self.bench.provision()

    def finish(self, replay_id: int, ticks: int = 30) -> Report:
        """
        Tick until nothing more happens by itself.
        """
        for _ in range(ticks):
            self.tick()
            found = self.report(replay_id)
            if found.replay.state != "running" and not found.replay.running:
                break
        self.count()
        return self.report(replay_id)

    def report(self, replay_id: int) -> Report:
        return replay_acts.report(self.bench.pool, TENANT, replay_id)

    def count(self) -> None:
        with transaction(self.bench.pool) as db:
            count_groups(db)

    def groups(self) -> list[dict[str, Any]]:
        """
        Every group as counted, the first one first.
        """
        self.count()
        return self.bench.rows("select * from failure_group order by group_id")
