"""Reading everything again: begun once, counted right, written where it differs and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest

from db.pool import Pool, transaction
from db.sync_runs import Asked, SyncRuns
from domain.errors import HoldIntegration, LmsUnavailable, NeedsAttention, TransientFailure
from domain.lms import LmsCourse
from domain.syncing import Flow
from ops.actions import Refused
from ops.syncing import standings, sync_now
from simulators.learners import Learners
from simulators.moodle import MoodleSite, change_user
from simulators.moodle.build import add_user
from tests.support.builders import MOODLE, enrolled, hired, hires, lms_courses, results, sync_requested, updated
from tests.support.fake_lms import FakeLms
from tests.support.operators import BY
from tests.support.workbench import Workbench, academy

FINISHED = "lms.sync.finished.v1"
LOOK_UP = "core_user_get_users_by_field"


def ask(bench: Workbench, *flows: Flow, **how: Any) -> list[Asked]:
    return sync_now(bench.pool, bench.integration(), flows, by=replace(BY, name="test"), **how)


def runs(bench: Workbench) -> list[dict[str, Any]]:
    """Each run as it stands, the first one first."""
    return bench.rows("select * from sync_run order by run_id")


def counts(run: dict[str, Any]) -> tuple[int, ...]:
    return tuple(run[name] for name in ("created", "updated", "skipped", "failed"))


def writes(site: MoodleSite) -> int:
    return sum(site.ledger.counts().values())


def employed(bench: Workbench, count: int, site: MoodleSite) -> None:
    """So many people who have an account there, linked and settled."""
    for number in range(count):
        person = {"firstname": "Noor", "lastname": f"Meer{number}", "email": f"noor{number}@example.org"}
        add_user(site, id=10_000 + number, username=f"noor{number}", idnumber=f"E-{number}", **person)
    bench.run(
        """
        insert into account (tenant, integration_id, employee_key, state, wanted, applied, external_key, username,
                             settings_version, lms_user_id, link)
        select 'acme', %(id)s, 'E-' || n, 'settled',
               held || jsonb_build_object('username', 'noor' || n), held || '{"suspended": false}', 'E-' || n,
               'noor' || n, 1, 10000 + n, 'created'
        from generate_series(0, %(count)s - 1) n
        cross join lateral jsonb_build_object('external_key', 'E-' || n, 'email', 'noor' || n || '@example.org',
                                              'first_name', 'Noor', 'last_name', 'Meer' || n) held
        """,
        id=bench.integration_id,
        count=count,
    )


def test_an_unchanged_pass_over_thousands_reads_by_the_hundred_and_writes_nothing(pool: Pool) -> None:
    """R82; drift_pass_calls: 5,000 people in 51 calls, one of them to learn who we are; their rows stay unwritten."""
    site = academy()
    bench = Workbench(pool, site)
    employed(bench, 5000, site)
    before = writes(site), bench.column("select xmin::text from account order by account_id")
    ask(bench, "people")
    bench.look_again()
    [run] = runs(bench)
    assert (run["state"], run["expected"], counts(run)) == ("done", 5000, (0, 0, 5000, 0))
    assert run["reasons"] == {"unchanged": 5000}
    assert len(site.ledger.calls(LOOK_UP)) == 50
    assert run["calls"] == len(site.ledger.calls()) <= 55
    assert (writes(site), bench.column("select xmin::text from account order by account_id")) == before
    assert bench.column("select count(*) from finding") == [0]
    [said] = bench.announced(FINISHED)
    assert (said["flow"], said["counts"]["skipped"], said["calls"]) == ("people", 5000, run["calls"])
    assert said["took_s"] > 0


def test_what_was_changed_by_hand_is_put_back_and_counted(pool: Pool) -> None:
    """R81, item 10: only the difference is written, enrolments are not."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(4))
    ids = [bench.account(f"E-{n}")["lms_user_id"] for n in range(1, 5)]
    change_user(site, int(ids[0]), lastname="Tampered")
    change_user(site, int(ids[1]), suspended=True)
    change_user(site, int(ids[2]), deleted=True)
    before = site.ledger.counts()
    ask(bench, "people")
    bench.look_again()
    assert counts(runs(bench)[0]) == (0, 2, 1, 1)
    assert runs(bench)[0]["reasons"] == {"unchanged": 1, "account_gone": 1}
    assert site.state.users[int(ids[0])].lastname == "Meer1"
    assert site.state.users[int(ids[1])].suspended is False
    changed = {kind: n - before.get(kind, 0) for kind, n in site.ledger.counts().items() if n != before.get(kind, 0)}
    assert changed == {"user updated": 2, "user unsuspended": 1}


def test_enrolments_are_written_again_only_when_asked(pool: Pool) -> None:
    """No function reads a single one back (contract, section 4.1). Nobody is counted twice."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(3))
    lms.effects.clear()
    bench.pass_time(minutes=1)
    ask(bench, "people")
    bench.look_again()
    assert lms.effects == []
    ask(bench, "people", enrolments=True)
    bench.look_again()
    assert [effect[0] for effect in lms.effects] == ["enrol"] * 3
    assert [counts(run) for run in runs(bench)] == [(0, 0, 3, 0), (0, 3, 0, 0)]


def test_a_second_request_joins_the_run_under_way(pool: Pool) -> None:
    """R81: by command or by event; a run of another flow is another run."""
    bench = Workbench(pool, FakeLms(courses=lms_courses()))
    bench.done(hired())
    [first] = ask(bench, "people")
    [again] = ask(bench, "people")
    assert (first.joined, again.joined, again.run_id) == (False, True, first.run_id)
    bench.tell(sync_requested(at=5, flows=["people", "courses"]))
    assert [(run["flow"], run["asked_by"]) for run in runs(bench)] == [("people", "test"), ("courses", "event")]
    bench.look_again()
    assert len(bench.announced(FINISHED)) == 1
    assert not ask(bench, "people")[0].joined


def test_a_run_counts_who_was_made_and_who_could_not_be(pool: Pool) -> None:
    """R11: parked people are tried again at somebody's request; each count has its reasons."""
    lms = FakeLms(courses=lms_courses())
    lms.fail("create_users", NeedsAttention("lms_rejected"))
    bench = Workbench(pool, lms)
    bench.done(hired(), hired("E-2"))
    assert bench.account()["state"] == "parked"
    lms.fail("create_users", NeedsAttention("lms_rejected"), only=lambda user: user.external_key == "E-2")
    ask(bench, "people")
    bench.provision()
    [run] = runs(bench)
    assert (counts(run), run["reasons"]) == ((1, 0, 0, 1), {"lms_rejected": 1})


def test_somebody_to_be_tried_again_later_does_not_hold_the_run_open(pool: Pool) -> None:
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(hired())
    lms.users["101"] = replace(lms.users["101"], last_name="Tampered")
    lms.fail("update_users", TransientFailure("lms_conflict"))
    ask(bench, "people")
    bench.look_again()
    assert (runs(bench)[0]["state"], runs(bench)[0]["reasons"]) == ("done", {"to_be_tried_again": 1})


def test_a_run_waits_for_a_site_that_is_away_and_ends_with_everybody_read(pool: Pool) -> None:
    """Interrupted by an outage, nobody is counted twice."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(150))
    bench.pass_time(hours=1)
    [last] = bench.column("select employee_key from account order by account_id desc limit 1")
    lms.fail("find_users", LmsUnavailable("lms_unreachable"), only=lambda key: key == last)
    ask(bench, "people")
    bench.look_again()
    assert (runs(bench)[0]["state"], runs(bench)[0]["code"]) == ("running", "lms_unreachable")
    assert counts(runs(bench)[0]) == (0, 0, 100, 0)
    bench.pass_time(hours=1)
    bench.look_again()
    assert (runs(bench)[0]["state"], counts(runs(bench)[0])) == ("done", (0, 0, 150, 0))
    assert len(bench.announced(FINISHED)) == 1


def test_work_that_somebody_waits_for_goes_before_a_run(pool: Pool) -> None:
    """A new hire is not held up by thousands who are put back."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms, batch=2)
    bench.done(*hires(4))
    lms.users = {key: replace(user, last_name="Tampered") for key, user in lms.users.items()}
    ask(bench, "people")
    bench.scan()
    bench.tell(hired("E-9"))
    lms.effects.clear()
    lms.calls.clear()
    bench.provision()
    assert next(name for name, _ in lms.calls if name in ("create_users", "update_users")) == "create_users"
    assert [name for name, _ in lms.calls].index("create_users") < 5
    assert bench.column("select distinct urgency from account") == [1]


def test_whoever_hr_takes_out_meanwhile_is_not_waited_for(pool: Pool) -> None:
    """Housekeeping ends a run with nobody left to read, and so it does with an empty one."""
    bench = Workbench(pool, FakeLms(courses=lms_courses()))
    ask(bench, "people")
    bench.maintain()
    assert (runs(bench)[0]["state"], counts(runs(bench)[0])) == ("done", (0, 0, 0, 0))
    bench.done(hired())
    ask(bench, "people")
    bench.tell(updated(first_name=""))
    bench.maintain()
    assert [run["state"] for run in runs(bench)] == ["done", "done"]


def test_courses_are_counted(pool: Pool) -> None:
    """R11: told for the first time, told anew, unchanged, and parked with the reason."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    ask(bench, "courses")
    bench.maintain()
    lms.all_courses[0] = replace(lms.all_courses[0], title="Another")
    lms.all_courses.append(LmsCourse("9", "C-FIRE", "F2", "Fire again", True, True))
    ask(bench, "courses")
    bench.maintain()
    assert [counts(run) for run in runs(bench)] == [(3, 0, 0, 0), (0, 1, 2, 1)]
    assert runs(bench)[1]["reasons"] == {"unchanged": 2, "course_code_taken": 1}


def test_courses_that_cannot_be_read_fail_their_run_and_no_other(pool: Pool) -> None:
    """R1, R81: each flow ends on its own, and a new request does not wait for the next try."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(hired())
    lms.fail("courses", NeedsAttention("course_not_accessible"))
    ask(bench)
    bench.maintain()
    bench.poll()
    assert {run["flow"]: (run["state"], run["code"]) for run in runs(bench)} == {
        "people": ("done", None),
        "courses": ("failed", "course_not_accessible"),
        "results": ("done", None),
    }
    assert {said["flow"]: said["state"] for said in bench.announced(FINISHED)}["courses"] == "failed"
    standing = {state.flow: state for state in standings(pool, [bench.integration()])}
    assert [flow for flow, state in standing.items() if state.failing] == ["courses"]
    ask(bench, "courses")
    bench.maintain()
    assert runs(bench)[-1]["state"] == "done"


@pytest.mark.parametrize("chosen", [{}, {"results": results(report="1")}], ids=["people", "report"])
def test_results_are_counted(pool: Pool, chosen: dict[str, Any]) -> None:
    """R11, R81: the new ones are made, the known ones skipped."""
    site = academy()
    bench = Workbench(pool, site, **chosen)
    bench.done(*hires(3))
    Learners(site).complete("E-1", "C-FIRE")
    site.run_cron()
    bench.poll()
    Learners(site).complete("E-2", "C-FIRE")
    site.run_cron()
    ask(bench, "results")
    bench.poll()
    [run] = runs(bench)
    assert (run["state"], run["created"], run["updated"], run["failed"]) == ("done", 1, 0, 0)
    assert run["calls"] > 0
    assert run["skipped"] == (1 if chosen else 0)


def test_a_pass_that_was_under_way_is_followed_by_the_one_asked_for(pool: Pool) -> None:
    """What was read before the request is no answer to it."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(150))
    answers = iter([False, True])
    bench.poll(rules=replace(bench.rules, stopping=lambda: next(answers)))
    ask(bench, "results")
    bench.poll()
    assert runs(bench)[0]["state"] == "running"
    assert bench.column("select due_at <= now() from poll_cursor") == [True]
    bench.poll()
    assert runs(bench)[0]["state"] == "done"


def test_everybody_is_read_again_after_the_interval_and_a_changed_one_counts_at_once(pool: Pool) -> None:
    """R80: once a day by default; parked people wait for somebody to ask."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(hired(), hired("E-2", first_name=""))
    bench.maintain()
    assert runs(bench) == []
    bench.pass_time(hours=2)
    bench.choose(sync={"every_s": 3600})
    bench.maintain()
    assert [(run["flow"], run["asked_by"], run["expected"], run["state"]) for run in runs(bench)] == [
        ("people", "schedule", 1, "done"),
        ("enrolments", "schedule", 0, "done"),
    ]
    bench.maintain()
    assert len(runs(bench)) == 2
    seen = bench.column("select courses_seen_at from integration")
    bench.pass_time(hours=2)
    bench.maintain()
    assert len(runs(bench)) == 4
    assert bench.column("select courses_seen_at from integration") > seen


def test_a_held_or_paused_integration_refuses_a_run(pool: Pool) -> None:
    """A run would only wait; the reason is said."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.set_state("paused")
    with pytest.raises(Refused, match="paused"):
        ask(bench, "people")
    bench.set_state("active")
    lms.fail("find_users", HoldIntegration("token_refused"))
    bench.done(hired())
    with pytest.raises(Refused, match="token"):
        ask(bench, "people")
    assert runs(bench) == []


def test_two_workers_that_end_a_run_together_end_it_once(pool: Pool) -> None:
    """The last batch to be recorded ends it, whichever that is."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(2))
    [asked] = ask(bench, "people")
    ids = bench.column("select account_id from account order by 1")
    bench.run("update account set due_at = null, state = 'settled'; update sync_run set position = null")
    with transaction(pool) as db:
        assert SyncRuns(db, bench.integration_id).finish(asked.run_id) is not None
        SyncRuns(db, bench.integration_id).count_off(asked.run_id, ids)
    with transaction(pool) as db:
        assert SyncRuns(db, bench.integration_id).finish(asked.run_id) is None


def test_a_request_for_another_tenants_integration_is_unknown(pool: Pool) -> None:
    bench = Workbench(pool, FakeLms(courses=lms_courses()))
    bench.done(enrolled(), hired())
    bench.tell(sync_requested("Elsewhere", at=7), sync_requested(MOODLE, at=8, flows=["results"]))
    assert bench.inbox()[-2:] == [("failed", "unknown_integration"), ("applied", None)]
    assert [run["flow"] for run in runs(bench)] == ["results"]
