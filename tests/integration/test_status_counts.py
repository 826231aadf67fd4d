"""
What the status shows is counted as it is written, and is what counting would find (I13).
"""

import json

import pytest

from db.console_views import Overview, Views
from db.failure_groups import count_groups
from db.pool import Pool, transaction
from domain.errors import NeedsAttention
from tests.support.builders import enrolled, hired, hires, lms_courses, terminated, updated, withdrawn
from tests.support.fake_lms import FakeLms
from tests.support.workbench import Workbench

COUNTED = {
    "inbox": "select case class when 'event' then state else class end as label, count(*) as n from inbox group by 1",
    "accounts": "select state as label, count(*) as n from account group by 1",
    "waiting": "select code as label, count(*) as n from account where code is not null group by 1",
    "enrolments": "select state as label, count(*) as n from placement group by 1",
}
SUMS = """
    select (select sum(duplicates) from inbox) as duplicates,
           (select count(*) from account where lms_user_id is not null) as linked,
           (select count(*) from placement where provisioned_at is not null) as provisioned,
           (select count(*) from placement where completed) as completed,
           (select count(*) from outbox where published_at is null and problem is null) as waiting,
           (select count(*) from outbox where published_at is not null) as published,
           (select count(*) from outbox where problem is not null) as unroutable
"""


def overview(pool: Pool) -> Overview:
    with transaction(pool) as db:
        return Views(db, None).overview()


def lively(pool: Pool) -> Workbench:
    """
    A bit of everything: done, parked, waiting, suspended, duplicates, poison, conflicts.
    """
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    lms.fail("enrol", NeedsAttention("role_not_assignable"), times=1)
    bench.done(*hires(6))
    bench.done(hired("E-20", first_name=""), enrolled("EN-30", "E-30"), enrolled("EN-31", "E-1", "C-NONE"))
    bench.tell(b"{", hired("E-1"), hired("E-1"), hired("E-1", last_name="Other bytes"))
    bench.done(updated("E-2", last_name="New"), withdrawn("EN-3", "E-3"), terminated("E-4"))
    bench.run("update placement set completed = true where enrolment_key = 'EN-2'")
    bench.run("update outbox set published_at = now() where mod(outbox_id, 3) = 0")
    bench.run("update outbox set problem = 'unroutable' where mod(outbox_id, 3) = 1")
    return bench


@pytest.mark.parametrize("summed_up", [False, True], ids=["as written", "summed up"])
def test_the_status_shows_what_sql_counts(pool: Pool, summed_up: bool) -> None:
    """I13"""
    bench = lively(pool)
    if summed_up:
        bench.run("insert into tally (what, label, n) select 'nothing', 'n', 0 from generate_series(1, 1001)")
        with transaction(pool) as db:
            count_groups(db)
        assert bench.column("select count(*) < 50 from tally") == [True]

    shown = overview(pool)

    [integration] = shown.integrations.values()
    told = {
        "inbox": shown.inbox,
        "accounts": integration.accounts,
        "waiting": integration.waiting,
        "enrolments": integration.enrolments,
    }
    counted = {name: {row["label"]: row["n"] for row in bench.rows(query)} for name, query in COUNTED.items()}
    assert told == counted
    [sums] = bench.rows(SUMS)
    assert sums == {
        "duplicates": shown.duplicates,
        "linked": integration.linked,
        "provisioned": integration.provisioned,
        "completed": integration.completed,
        "waiting": shown.outbox_waiting,
        "published": shown.outbox_published,
        "unroutable": shown.outbox_unroutable,
    }


def test_failures_are_counted_before_and_after_the_counting(pool: Pool) -> None:
    """I13, I9"""
    bench = lively(pool)
    before = overview(pool).failures
    with transaction(pool) as db:
        count_groups(db)
    after = overview(pool).failures

    counted = bench.rows("select code, count(*) as n from failure where resolved_at is null group by 1")
    assert {f.code: f.count for f in before} == {f.code: f.count for f in after} == {r["code"]: r["n"] for r in counted}
    assert json.dumps([f.groups for f in after])
