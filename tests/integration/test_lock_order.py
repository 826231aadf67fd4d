"""
Whoever locks several people locks them in one order.

Otherwise facts that arrive while a batch is at work end in a deadlock now and then, and a batch that loses it waits for
the end of its lease.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from db.accounts import AccountEnd, Saved, WorkStore
from db.catalogue import CatalogueStore
from db.guards import GuardStore
from db.pool import Db, Pool, transaction
from db.results import ResultStore
from db.sync_runs import SyncRuns
from tests.support.builders import course, enrolled, hired, updated
from tests.support.waiting import until
from tests.support.workbench import Workbench, academy

# The accounts are made the other way round than their keys, and so is whatever list a test hands on.
KEYS = ("E-2", "E-1")
LEASE = Workbench.work_rules().lease

Act = Callable[[Workbench, Db], object]


def facts(bench: Workbench, _: Db) -> None:
    bench.tell(*(updated(key, at=5, last_name="Berg") for key in KEYS))


def linking(bench: Workbench, db: Db) -> None:
    ids = [bench.account(key)["account_id"] for key in KEYS]
    WorkStore(db, bench.integration_id).save_links(1, [Saved(i, str(i), "created", {}) for i in ids])


def recording(bench: Workbench, db: Db) -> None:
    with transaction(bench.pool) as other:
        claimed = [one for one, _, _ in WorkStore(other, bench.integration_id).look(KEYS)]
    WorkStore(db, bench.integration_id).record(1, [AccountEnd(one, "settled") for one in claimed[::-1]], [])


def reading_everything(bench: Workbench, db: Db) -> None:
    SyncRuns(db, bench.integration_id).ask("people", by="test")


def passing_the_guard(bench: Workbench, db: Db) -> None:
    GuardStore(db, bench.integration_id).let_through([bench.account(key)["account_id"] for key in KEYS])


def finding_a_course(bench: Workbench, db: Db) -> None:
    CatalogueStore(db, bench.integration_id).wake_enrolments()


def completing(bench: Workbench, db: Db) -> None:
    ResultStore(db, bench.integration_id).note_completed(dict.fromkeys(placements(bench), True))


def finishing(bench: Workbench, db: Db) -> None:
    ResultStore(db, bench.integration_id).note_finished(placements(bench))


def placements(bench: Workbench) -> list[int]:
    return bench.column("select placement_id from placement order by placement_id")


def linking_a_course(bench: Workbench, _: Db) -> None:
    bench.tell(course("C-NEW", lms_course_id="2"))


@pytest.mark.parametrize(
    "act",
    [
        facts,
        linking,
        recording,
        reading_everything,
        passing_the_guard,
        finding_a_course,
        completing,
        finishing,
        linking_a_course,
    ],
)
def test_people_are_locked_in_the_order_of_their_keys(pool: Pool, act: Act) -> None:
    """C7: whoever waits for the first one holds none of the later ones."""
    bench = Workbench(pool, academy())
    for key in KEYS:
        bench.done(hired(key), enrolled(f"EN-{key}", key, "C-NEW"))
    bench.run("update lms_course set code = 'C-NEW' where lms_course_id = '3'")
    # So that nobody locks them in the right order by luck: as they were made, in every table and plan.
    bench.run("cluster account using account_pkey; cluster placement using placement_pkey")

    def run() -> None:
        with transaction(pool) as db:
            act(bench, db)

    with ThreadPoolExecutor(1) as thread:
        with transaction(pool) as holder:
            holder.execute("select from account where employee_key = 'E-1' for update")
            done = thread.submit(run)
            until(lambda: bench.column("select count(*) from pg_locks where not granted") == [1] or done.done())
            assert not done.done()
            with transaction(pool) as other:
                other.execute("select from account where employee_key = 'E-2' for update nowait")
        done.result()
