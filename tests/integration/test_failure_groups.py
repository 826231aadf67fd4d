"""
Failures of one cause are one group with true numbers; what people say of it holds until the cause is gone.
"""

from datetime import UTC, datetime, timedelta

import pytest

from db.failure_groups import FailureStore, Problem
from db.failure_views import FailureViews, Filter
from db.pool import Pool, transaction
from db.replays import Selection
from domain.errors import HoldIntegration, TransientFailure
from domain.failure_catalogue import describe
from domain.fingerprints import Cause, Fingerprint, fp1
from domain.permissions import permissions_of
from ops import failures
from ops.actions import NotFound, Refused
from ops.failures import Chosen
from ops.operators import Forbidden, Operator, ReasonMissing
from tests.support.builders import TENANT, hired, hires, lms_courses, sync_requested, updated
from tests.support.fake_lms import FakeLms
from tests.support.replaying import EVA, Replaying, failing, mended
from tests.support.workbench import Workbench


@pytest.fixture
def lms() -> FakeLms:
    return FakeLms(courses=lms_courses())


@pytest.fixture
def bench(pool: Pool, lms: FakeLms) -> Workbench:
    return Workbench(pool, lms)


@pytest.fixture
def replaying(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Replaying:
    return Replaying(bench, monkeypatch)


def open_many(bench: Workbench, count: int, code: str = "email_taken") -> None:
    """
    So many failures of one cause, as workers open them.
    """
    problems = [Problem("course", f"{n}", code, f"LMS user {n} has this e-mail address") for n in range(count)]
    with transaction(bench.pool) as db:
        FailureStore(db, TENANT, bench.integration_id).open(problems)


def test_ten_thousand_failures_of_one_cause_are_one_row(bench: Workbench, replaying: Replaying) -> None:
    """Acceptance 2: how fast they are shown is the benchmark `groups_ms`."""
    open_many(bench, 10_000)

    # Before and after the counting, the number is that of SQL.
    with transaction(bench.pool) as db:
        [before] = FailureViews(db, TENANT).groups()
    replaying.count()
    with transaction(bench.pool) as db:
        [after] = FailureViews(db, TENANT).groups()

    counted = bench.column("select count(*) from failure where resolved_at is null")
    assert [before.failures] == [after.failures] == counted == [10_000]
    assert (after.state, after.last_day) == ("new", 10_000)
    assert bench.rows("select * from failure_touch") == []


def test_a_group_says_why_its_failures_are_together_and_whom_they_concern(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 4)
    [group] = replaying.groups()

    shown = failures.show(bench.pool, TENANT, group["group_id"])

    assert shown.entry == describe("lms_rejected")
    assert (shown.group.failures, shown.group.people) == (4, 4)
    assert shown.group.parts == {
        "lms": "moodle",
        "operation": "person",
        "class": "config",
        "code": "lms_rejected",
        "said": "badthing",
        "field": "",
    }
    assert {line.employee_key for line in shown.samples} == {"E-1", "E-2", "E-3", "E-4"}
    assert shown.commands[0].startswith("matricula replay create --item ")


def test_what_is_tried_again_by_itself_is_no_failure(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    lms.fail("create_users", TransientFailure("lms_conflict"), times=1)
    bench.done(hired())

    assert replaying.groups() == []
    assert bench.account()["state"] == "due"


def test_a_refused_token_is_one_group_whatever_waits(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """I9"""
    lms.fail("find_users", HoldIntegration("token_refused"), times=10**9)
    bench.done(*hires(50))

    assert [(g["code"], g["failures"]) for g in replaying.groups()] == [("token_refused", 1)]


def test_messages_that_never_became_facts_are_in_groups(bench: Workbench, replaying: Replaying) -> None:
    bench.tell(b"{", b"nonsense", hired("E-1"), hired("E-1", last_name="Other"), sync_requested("Nobody's"))
    bench.tell({**hired("E-9"), "type": "hr.unheard.of.v1"})

    assert {(g["code"], g["failures"], g["tenant"]) for g in replaying.groups()} == {
        ("not_json", 2, None),
        ("same_id_other_bytes", 1, TENANT),
        ("unknown_integration", 1, TENANT),
        ("unknown_type", 1, TENANT),
    }


def test_what_comes_back_after_it_was_gone_has_regressed(bench: Workbench, replaying: Replaying) -> None:
    """22"""
    bench.done(hired(first_name=""))
    [first] = replaying.groups()
    bench.done(updated(at=1))
    [gone] = replaying.groups()
    bench.done(updated(at=2, first_name=""))
    [back] = replaying.groups()

    assert [(g["state"], g["failures"]) for g in (first, gone, back)] == [("new", 1), ("resolved", 0), ("regressed", 1)]
    with transaction(bench.pool) as db:
        assert [line.what for line in FailureViews(db, TENANT).history(first["group_id"])] == ["resolved", "regressed"]


def test_a_dismissed_failure_never_comes_back_with_its_group_and_can_be_restored(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 3)
    [group] = replaying.groups()
    number = bench.column("select min(failure_id) from failure")[0]

    done = failures.dismiss(bench.pool, TENANT, Chosen(ids=[number]), EVA)
    seen = replaying.preview(Selection(groups=(group["group_id"],)))
    assert (done.failures, seen.members) == ([number], 2)

    failures.restore(bench.pool, TENANT, Chosen(ids=[number]), EVA)
    assert replaying.preview(Selection(groups=(group["group_id"],))).members == 3
    audit = bench.rows("select action, target, reason from audit where operation is null order by audit_id")
    assert [line["action"] for line in audit] == ["failures:group:dismiss", "failures:group:restore"]
    items = bench.column("select target from audit where operation is not null order by audit_id")
    assert items == [f"failure/{number}"] * 2


def test_a_dismissal_cannot_be_taken_back_for_ever_nor_of_what_is_done(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 2)
    numbers = bench.column("select failure_id from failure order by failure_id")
    failures.dismiss(bench.pool, TENANT, Chosen(ids=numbers), EVA)
    bench.run("update failure set restorable_until = now() where failure_id = %(id)s", id=numbers[0])
    mended(lms)
    bench.done(updated("E-2", last_name="Again"))

    with pytest.raises(NotFound, match="nothing could be restored"):
        failures.restore(bench.pool, TENANT, Chosen(ids=numbers), EVA)
    assert [g["state"] for g in replaying.groups()] == ["resolved"]


def test_a_dismissed_cause_that_happens_anew_is_told_anew(bench: Workbench, replaying: Replaying) -> None:
    bench.done(hired(first_name=""))
    failures.dismiss(bench.pool, TENANT, Chosen(ids=bench.column("select failure_id from failure")), EVA)
    bench.done(updated(at=5, first_name="", last_name="Still without"))
    assert bench.failures() == []

    bench.done(updated(at=6))
    replaying.count()
    bench.done(updated(at=7, first_name=""))

    assert [(g["state"], g["failures"]) for g in replaying.groups()] == [("regressed", 1)]


def test_dismissing_takes_a_reason_and_says_what_is_left(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 1)
    [number] = bench.column("select failure_id from failure")

    with pytest.raises(ReasonMissing):
        failures.dismiss(bench.pool, TENANT, Chosen(ids=[number]), EVA.because(" "))
    done = failures.dismiss(bench.pool, TENANT, Chosen(ids=[number, 999]), EVA)

    assert done.left == {999: "there is no such failure"}
    with pytest.raises(NotFound, match="restorable until"):
        failures.dismiss(bench.pool, TENANT, Chosen(ids=[number]), EVA)


def test_a_dry_run_dismisses_nothing(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 2)

    trying = EVA.because("", dry_run=True)
    done = failures.dismiss(bench.pool, TENANT, Chosen(ids=bench.column("select failure_id from failure")), trying)

    assert len(done.failures) == 2
    assert len(bench.failures()) == 2
    assert bench.rows("select * from audit") == []


def test_people_say_what_they_know_of_a_group_and_its_history_keeps_it(bench: Workbench, replaying: Replaying) -> None:
    """21"""
    bench.done(hired(first_name=""))
    [group] = replaying.groups()
    number = group["group_id"]
    until = datetime.now(UTC) + timedelta(hours=1)

    failures.acknowledge(bench.pool, TENANT, number, EVA)
    failures.assign(bench.pool, TENANT, number, "HR desk", EVA)
    failures.note(bench.pool, TENANT, number, "asked HR", EVA)
    snoozed = failures.snooze(bench.pool, TENANT, number, until, EVA)
    assert (snoozed.state, snoozed.assigned_to, snoozed.note) == ("snoozed", "HR desk", "asked HR")

    bench.run("update failure_group set snoozed_until = now() - interval '1 second'")
    with transaction(bench.pool) as db:
        [shown] = FailureViews(db, TENANT).groups(Filter())
    [counted] = replaying.groups()
    assert (shown.state, counted["state"]) == ("new", "new")
    what = [line.what for line in failures.show(bench.pool, TENANT, number).history]
    assert what[:3] == ["acknowledged", "assigned to HR desk", "note: asked HR"]
    assert what[-1] == "snooze over"


def test_what_is_resolved_cannot_be_snoozed_and_the_past_is_no_end(bench: Workbench, replaying: Replaying) -> None:
    bench.done(hired(first_name=""))
    bench.done(updated())
    [group] = replaying.groups()

    with pytest.raises(Refused, match="is resolved"):
        failures.snooze(bench.pool, TENANT, group["group_id"], datetime.now(UTC) + timedelta(hours=1), EVA)
    with pytest.raises(Refused, match="past"):
        failures.snooze(bench.pool, TENANT, group["group_id"], datetime.now(UTC), EVA)


def test_a_viewer_may_look_and_do_nothing(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 1)
    [group] = replaying.groups()
    number, viewer = group["group_id"], Operator("vi", "api", permissions_of("viewer"), "viewer", TENANT, reason="x")

    for act in (
        lambda: failures.acknowledge(bench.pool, TENANT, number, viewer),
        lambda: failures.note(bench.pool, TENANT, number, "x", viewer),
        lambda: failures.dismiss(bench.pool, TENANT, Chosen(groups=[number]), viewer),
        lambda: failures.restore(bench.pool, TENANT, Chosen(groups=[number]), viewer),
    ):
        with pytest.raises(Forbidden):
            act()
    assert failures.show(bench.pool, TENANT, number).group.failures == 1


def test_another_clients_group_is_not_there(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """S2"""
    failing(bench, lms, 1)
    [group] = replaying.groups()

    with pytest.raises(NotFound):
        failures.show(bench.pool, "other", group["group_id"])
    with pytest.raises(NotFound):
        failures.dismiss(bench.pool, "other", Chosen(groups=[group["group_id"]]), EVA)


def test_failures_are_regrouped_by_other_rules_and_old_groups_lead_to_the_new(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """6.1: raw errors are kept, so that regrouping is a job, and old links still resolve."""
    failing(bench, lms, 2)
    bench.done(hired("E-9", first_name=""), hired("E-8", last_name=""))
    replaying.count()
    old = {g["code"]: g["group_id"] for g in replaying.groups()}
    failures.assign(bench.pool, TENANT, old["first_name_missing"], "HR desk", EVA)

    def by_owner(cause: Cause) -> Fingerprint:
        return Fingerprint("fp2", {"owner": describe(cause.code).owner})

    moved = failures.regroup(bench.pool, "fp1", "fp2", EVA, {"fp1": fp1, "fp2": by_owner})

    groups = {g["group_id"]: g for g in replaying.groups()}
    new = {str(g["fingerprint"]): g for g in groups.values() if g["fingerprint"].startswith("fp2:")}
    assert moved == 4
    assert {name: g["failures"] for name, g in new.items()} == {"fp2:LMS": 2, "fp2:HR data": 2}
    assert new["fp2:HR data"]["assigned_to"] == "HR desk"
    hr_data = new["fp2:HR data"]["group_id"]
    assert groups[old["first_name_missing"]]["regrouped_into"] == [hr_data]
    assert groups[old["last_name_missing"]]["regrouped_into"] == [hr_data]
    assert [groups[number]["failures"] for number in old.values()] == [0, 0, 0]
    with pytest.raises(NotFound, match="groups by fp1"):
        failures.regroup(bench.pool, "fp1", "fp9", EVA)


def test_failures_can_be_counted_another_way(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 2)
    bench.done(hired("E-9", payroll="NL-07", first_name=""))

    by_payroll = failures.counts(bench.pool, TENANT, "payroll")
    by_age = failures.counts(bench.pool, TENANT, "age")

    assert {line.value: line.failures for line in by_payroll} == {"NL-02": 2, "NL-07": 1}
    assert [(line.value, line.people) for line in by_age] == [("1 less than an hour", 3)]
