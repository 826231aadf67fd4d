"""
Failures are tried again together: as previewed, step by step, and never over something newer.
"""

import pytest

from db.pool import Pool
from db.replays import Selection
from domain.errors import NeedsAttention
from tests.support.builders import hires, lms_courses
from tests.support.fake_lms import FakeLms
from tests.support.replaying import Replaying
from tests.support.workbench import Workbench


def test_people_who_failed_are_made_once_the_cause_is_gone(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    lms.fail("create_users", NeedsAttention("lms_rejected", "core_user_create_users: usernametaken"), times=1)
    bench.done(*hires(15))
    replaying = Replaying(bench, monkeypatch)
    assert [(g["code"], g["failures"], g["people"]) for g in replaying.groups()] == [("lms_rejected", 15, 15)]

    seen = replaying.preview(Selection(code="lms_rejected"))
    done = replaying.create(Selection(code="lms_rejected"))
    report = replaying.finish(done.replay.replay_id)

    assert seen.effects == {"create": 15}
    assert (report.replay.state, report.done, report.different) == ("done", {"create": 15}, 0)
    assert len(lms.users) == 15
    assert bench.failures() == []
    assert [g["state"] for g in replaying.groups()] == ["resolved"]
