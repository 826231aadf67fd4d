"""
Failures are tried again together: as previewed, step by step, and never over something newer.
"""

import json
from typing import Any

import pytest

from db.pool import Pool
from db.replays import Selection
from domain.errors import NeedsAttention
from domain.lms import NewUser
from domain.permissions import permissions_of
from ops import failures, replay_acts, replays
from ops.actions import NotFound, Refused
from ops.failures import Chosen
from ops.operators import Forbidden, Operator
from tests.support.builders import TENANT, course, enrolled, erased, hired, lms_courses, terminated, updated
from tests.support.fake_lms import FakeLms
from tests.support.replaying import ADA, EVA, SETTINGS, Replaying, failing, mended
from tests.support.workbench import Workbench, everything_stored
from workers import apply
from workers.replaying import advance_replays

REJECTED = Selection(code="lms_rejected")


@pytest.fixture
def lms() -> FakeLms:
    return FakeLms(courses=lms_courses())


@pytest.fixture
def bench(pool: Pool, lms: FakeLms) -> Workbench:
    return Workbench(pool, lms)


@pytest.fixture
def replaying(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Replaying:
    return Replaying(bench, monkeypatch)


def items(bench: Workbench) -> list[tuple[str, str | None]]:
    """
    State and outcome of each item, in order.
    """
    rows = bench.rows("select state, outcome from replay_item order by replay_id, position")
    return [(row["state"], row["outcome"]) for row in rows]


def test_people_who_failed_are_made_once_the_cause_is_gone(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 15)
    mended(lms)
    [group] = replaying.groups()
    assert (group["code"], group["failures"], group["people"], group["state"]) == ("lms_rejected", 15, 15, "new")

    seen = replaying.preview(REJECTED)
    made = replaying.create(REJECTED)
    report = replaying.finish(made.replay.replay_id)

    assert seen.effects == {"create": 15}
    assert (report.replay.state, report.done, report.different) == ("done", {"create": 15}, 0)
    assert len([effect for effect in lms.effects if effect[0] == "create"]) == 15
    assert bench.failures() == []
    assert [group["state"] for group in replaying.groups()] == ["resolved"]


def test_a_preview_shows_each_field_and_writes_nothing(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """S24"""
    failing(bench, lms, 3)
    mended(lms)
    replaying.count()
    before, effects = everything_stored(bench.pool), list(lms.effects)

    seen = replaying.preview(REJECTED)

    assert everything_stored(bench.pool) == before
    assert lms.effects == effects
    assert len(seen.samples) == 3
    [create, enrol] = seen.samples[0].calls
    assert (create.function, enrol.function) == ("create_users", "enrol")
    assert {"field": "last_name", "before": None, "after": "Meer1"} in [
        {"field": c.field, "before": c.before, "after": c.after} for c in create.changes
    ]
    assert seen.calls > 0


def test_the_ladder_begins_with_one_then_ten_then_the_rest(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 30)
    mended(lms)
    made = replaying.create(REJECTED)

    began = []
    for _ in range(4):
        bench.run("update replay set next_at = now() where state = 'running'")
        advance_replays(bench.pool)
        began.append(bench.column("select count(*) from replay_item where state <> 'waiting'")[0])
        advance_replays(bench.pool)  # nothing further while the step is under way
        assert bench.column("select count(*) from replay_item where state <> 'waiting'") == began[-1:]
        bench.provision()

    assert began[:3] == [1, 11, 30]
    assert replaying.finish(made.replay.replay_id).replay.done == 30


def test_the_canary_stops_a_replay_whose_cause_is_still_there(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """J6: one is tried in vain, and the others are as they were."""
    failing(bench, lms, 40)
    calls = len(lms.calls)

    made = replaying.create(REJECTED)
    read = len(lms.calls)
    report = replaying.finish(made.replay.replay_id)

    assert report.replay.state == "stopped"
    assert "1 of 1 failed again" in report.replay.why
    assert report.failed == {"lms_rejected": 1}
    assert (report.replay.failed, report.replay.waiting) == (1, 39)
    assert len(lms.calls) - read <= 11
    assert read - calls <= 11
    assert [group["state"] for group in replaying.groups()] == ["regressed"]


def test_the_second_step_stops_it_when_too_many_fail_again(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 40)
    mended(lms)
    made = replaying.create(REJECTED)
    replaying.tick()
    lms.fail("create_users", NeedsAttention("lms_rejected", "core_user_create_users: badthing"), times=10**9)

    report = replaying.finish(made.replay.replay_id)

    assert report.replay.state == "stopped"
    assert report.replay.waiting == 29


def test_a_stopped_one_goes_on_with_one_at_first(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 20)
    made = replaying.create(REJECTED)
    assert replaying.finish(made.replay.replay_id).replay.state == "stopped"
    mended(lms)

    replay_acts.resume(bench.pool, TENANT, made.replay.replay_id, EVA)
    replaying.tick()
    assert bench.column("select count(*) from replay_item where state <> 'waiting'") == [2]
    report = replaying.finish(made.replay.replay_id)

    assert (report.replay.state, report.replay.done, report.replay.failed) == ("done", 19, 1)


def test_a_cancelled_one_leaves_the_rest_untouched_and_can_go_on(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """J5"""
    failing(bench, lms, 30)
    mended(lms)
    made = replaying.create(REJECTED)
    replaying.tick()
    bench.run("update replay set next_at = now()")
    advance_replays(bench.pool)

    row = replay_acts.cancel(bench.pool, TENANT, made.replay.replay_id, EVA)
    assert (row.state, row.running, row.waiting) == ("cancelled", 10, 19)
    for _ in range(3):
        replaying.tick()
    assert len(lms.users) == 11
    assert replaying.report(row.replay_id).replay.running == 0

    replay_acts.resume(bench.pool, TENANT, row.replay_id, EVA)
    assert replaying.finish(row.replay_id).replay.done == 30


def test_a_stale_digest_is_refused_with_what_has_changed_and_nothing_is_sent(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 3)
    seen = replaying.preview(REJECTED)
    failing(bench, lms, 2, first=10)
    mended(lms)

    with pytest.raises(Refused, match="5 failures match where 3 did"):
        replays.create(bench.pool, SETTINGS, TENANT, REJECTED, EVA, confirmed=seen.digest)

    assert bench.rows("select * from replay") == []
    bench.provision()
    assert lms.users == {}


def test_what_failed_again_since_the_preview_is_another_matter(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 3)
    seen = replaying.preview(REJECTED)
    made = replaying.create(REJECTED)
    assert replaying.finish(made.replay.replay_id).replay.state == "stopped"
    bench.run("update replay set created_at = now() - interval '11 minutes'")

    with pytest.raises(Refused, match="some have failed again"):
        replays.create(bench.pool, SETTINGS, TENANT, REJECTED, EVA, confirmed=seen.digest)


def test_a_second_click_and_a_second_person_get_the_replay_that_is_there(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """J2"""
    failing(bench, lms, 3)
    seen, hers = replaying.preview(REJECTED), replaying.preview(REJECTED)
    made = replays.create(bench.pool, SETTINGS, TENANT, REJECTED, EVA, confirmed=seen.digest)
    mended(lms)
    replaying.tick()

    again = replays.create(bench.pool, SETTINGS, TENANT, REJECTED, EVA, confirmed=seen.digest)
    other = replays.create(bench.pool, SETTINGS, TENANT, REJECTED, ADA, confirmed=hers.digest)

    assert not made.existed
    assert again.existed
    assert other.existed
    assert {again.replay.replay_id, other.replay.replay_id} == {made.replay.replay_id}
    assert other.replay.created_by == "eva"


def test_one_replay_is_at_work_per_integration(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 3)
    replaying.create(REJECTED)
    [first] = bench.column("select min(failure_id) from failure")

    with pytest.raises(Refused, match="is at work there"):
        replaying.create(Selection(ids=(first,)))


def test_one_failure_needs_no_preview_and_many_do(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """A single retry is a replay of one."""
    failing(bench, lms, 3)
    mended(lms)
    [first] = bench.column("select min(failure_id) from failure")

    with pytest.raises(Refused, match="look at a preview"):
        replays.create(bench.pool, SETTINGS, TENANT, REJECTED, EVA)
    made = replays.create(bench.pool, SETTINGS, TENANT, Selection(ids=(first,)), EVA)
    report = replaying.finish(made.replay.replay_id)

    assert report.done == {"create": 1}
    assert len(lms.users) == 1
    # The other two are still there for the next step.
    assert [(g["state"], g["failures"]) for g in replaying.groups()] == [("acknowledged", 2)]


def test_nothing_chosen_is_never_everything(bench: Workbench, replaying: Replaying) -> None:
    with pytest.raises(Refused, match="say which"):
        replaying.preview(Selection())


def test_above_ten_a_reason_is_needed(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 11)
    silent = EVA.because("")

    with pytest.raises(Refused, match="needs a reason"):
        replaying.create(REJECTED, silent)


def test_many_or_a_deactivation_need_a_second_person(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """S24: four eyes."""
    bench.choose(replays={"approve_above": 2})
    failing(bench, lms, 3)
    mended(lms)
    made = replaying.create(REJECTED)
    replay_id = made.replay.replay_id
    replaying.tick()
    assert made.replay.state == "unapproved"
    assert lms.users == {}

    with pytest.raises(Refused, match="somebody else has to agree"):
        replay_acts.approve(bench.pool, TENANT, replay_id, EVA)
    replay_acts.approve(bench.pool, TENANT, replay_id, ADA)

    assert replaying.finish(replay_id).replay.done == 3
    told = bench.rows("select actor, action from audit where target = %(t)s order by audit_id", t=f"replay/{replay_id}")
    assert [(line["actor"], line["action"]) for line in told] == [
        ("eva", "replays:replay:create"),
        ("ada", "replays:replay:approve"),
    ]


def test_a_suspension_inside_needs_a_second_person(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """S24"""
    bench.done(hired())
    lms.fail("update_users", NeedsAttention("lms_rejected", "core_user_update_users: badthing"), times=10**9)
    bench.done(terminated())
    mended(lms)

    seen = replaying.preview(REJECTED)
    made = replaying.create(REJECTED)

    assert (seen.deactivations, seen.effects) == (1, {"update": 1})
    assert "deactivates" in seen.approval
    assert made.replay.state == "unapproved"


def test_somebody_made_by_hand_meanwhile_is_linked_and_reported_as_different(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """J4"""
    failing(bench, lms, 1)
    mended(lms)
    made = replaying.create(REJECTED)
    lms._create(NewUser("by-hand", "noor1@example.org", "Noor", "Meer1", "", "pass"))
    report = replaying.finish(made.replay.replay_id)

    assert report.done == {"link": 1}
    assert report.different == 1
    assert [(line.predicted, line.outcome) for line in report.differences] == [("create", "link")]


def test_enrolments_and_groups_are_tried_again_by_themselves(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """R131: the group is a step of its own."""
    lms.fail("enrol", NeedsAttention("role_not_assignable"), times=10**9)
    bench.done(hired(), enrolled(), hired("E-2"), course("C-FIRE", group_key="G-1"))
    bench.done(enrolled("EN-2", "E-2"))
    assert bench.failures() == [("placement", "role_not_assignable")] * 2
    mended(lms)

    seen = replaying.preview(Selection(code="role_not_assignable"))
    report = replaying.finish(replaying.create(Selection(code="role_not_assignable")).replay.replay_id)
    assert seen.effects == {"enrol": 2}
    assert (report.done, report.different) == ({"enrol": 2}, 0)
    assert report.new_failures == {"group_unknown": 2}

    course_id = next(one.course_id for one in lms.all_courses if one.code == "C-FIRE")
    lms.groups[course_id, "G-1"] = set()
    seen = replaying.preview(Selection(code="group_unknown"))
    report = replaying.finish(replaying.create(Selection(code="group_unknown")).replay.replay_id)

    assert seen.effects == {"unknown": 2}
    assert (report.done, report.different) == ({"join": 2}, 0)
    assert len(lms.groups[course_id, "G-1"]) == 2


def test_what_hr_has_to_correct_is_blocked_and_stops_at_the_first(bench: Workbench, replaying: Replaying) -> None:
    for n in range(1, 13):
        bench.done(hired(f"E-{n}", first_name=""))

    seen = replaying.preview(Selection(code="first_name_missing"))
    report = replaying.finish(replaying.create(Selection(code="first_name_missing")).replay.replay_id)

    assert seen.effects == {"blocked": 12}
    assert (report.replay.state, report.failed) == ("stopped", {"first_name_missing": 1})


def test_re_evaluating_uses_todays_settings(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """Mode: re-evaluate."""
    bench.done(hired(emails=[]))
    row = bench.integration()
    pseudo = {"people": {"no_email": "pseudo", "pseudo_domain": "hr.example.org"}}
    bench.run(
        "update integration set settings = settings || %(s)s::jsonb, settings_version = settings_version + 1"
        " where integration_id = %(id)s",
        s=json.dumps(pseudo),
        id=row.integration_id,
    )

    report = replaying.finish(replaying.create(Selection(code="email_missing"), mode="re-evaluate").replay.replay_id)

    assert report.done == {"create": 1}
    assert next(iter(lms.users.values())).email.endswith("hr.example.org")


def test_settings_changed_since_the_preview_make_its_digest_stale(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 2)
    seen = replaying.preview(REJECTED)
    bench.choose(timezone="Europe/Amsterdam")

    with pytest.raises(Refused, match="the settings changed"):
        replays.create(bench.pool, SETTINGS, TENANT, REJECTED, EVA, confirmed=seen.digest)


def test_what_was_seen_to_meanwhile_is_skipped_and_hrs_news_win(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """J1: the set is frozen, and an item runs only while it still is a failure."""
    failing(bench, lms, 14)
    made = replaying.create(REJECTED)
    failures.dismiss(bench.pool, TENANT, Chosen(ids=bench.column("select max(failure_id) from failure")), EVA)
    failing(bench, lms, 1, first=20)
    mended(lms)
    bench.done(updated("E-13", last_name="Newer"))

    report = replaying.finish(made.replay.replay_id)

    assert report.done == {"create": 12}
    assert report.skipped == {"dismissed": 1, "done already": 1}
    assert {user.last_name for user in lms.users.values()} >= {"Newer"}
    # Neither the dismissed one nor the one that came later was tried.
    assert len(lms.users) == 13
    assert report.new_failures == {"lms_rejected": 1}


def test_an_id_list_is_refused_item_by_item(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """J7: dismissed, erased, done and another client's; the others are tried."""
    failing(bench, lms, 5)
    numbers: list[int] = bench.column("select failure_id from failure order by failure_id")
    failures.dismiss(bench.pool, TENANT, Chosen(ids=numbers[:1]), EVA)
    bench.run("update person set erased = true where employee_key = 'E-2'")
    bench.run("update failure set resolved_at = now() where failure_id = %(id)s", id=numbers[2])
    bench.run("update failure set tenant = 'other' where failure_id = %(id)s", id=numbers[3])

    seen = replaying.preview(Selection(ids=(*numbers, 999)))

    assert seen.members == 1
    assert seen.refused == {
        numbers[0]: "dismissed",
        numbers[1]: "erased",
        numbers[2]: "done already",
        numbers[3]: "there is no such failure",
        999: "there is no such failure",
    }
    with pytest.raises(NotFound, match="dismissed"):
        replaying.preview(Selection(ids=(numbers[0],)))


def test_the_erased_are_not_among_those_of_their_group(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    """S17: replaying brings nobody back."""
    failing(bench, lms, 2)
    bench.tell(erased("E-1"))
    mended(lms)

    report = replaying.finish(replaying.create(REJECTED).replay.replay_id)

    assert report.replay.members == 1
    assert [user.email for user in lms.users.values()] == ["noor2@example.org"]


def test_people_tried_again_go_behind_those_somebody_waits_for(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 1)
    mended(lms)
    replaying.create(REJECTED)
    advance_replays(bench.pool)
    assert bench.account("E-1")["urgency"] == 2

    bench.tell(hired("E-2"))
    bench.provision()

    made = [effect for effect in lms.effects if effect[0] == "create"]
    assert made[0][1].startswith("noor2")


def test_the_rate_is_kept(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 12)
    mended(lms)
    made = replaying.create(REJECTED, share=0.01)
    per_minute = made.replay.per_minute

    for _ in range(4):
        advance_replays(bench.pool)
        bench.provision()

    assert per_minute == 24
    # The first has to be followed by a pause of 60/24 s, whatever the ladder says.
    assert bench.column("select count(*) from replay_item where state <> 'waiting'") == [1]
    assert bench.column("select next_at > now() from replay") == [True]


def test_a_paused_or_held_integration_keeps_everything_waiting(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    failing(bench, lms, 3)
    mended(lms)
    bench.set_state("paused")

    seen = replaying.preview(REJECTED)
    made = replaying.create(REJECTED)
    replaying.tick()
    assert "is paused" in seen.waits
    assert items(bench) == [("waiting", None)] * 3

    bench.set_state("active")
    assert replaying.finish(made.replay.replay_id).replay.done == 3


def test_a_fault_of_ours_stops_the_replay_instead_of_being_met_every_second(
    bench: Workbench, lms: FakeLms, replaying: Replaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(bench, lms, 3)
    made = replaying.create(REJECTED)

    def broken(*_: Any) -> None:
        raise KeyError("x")

    monkeypatch.setattr("workers.replaying.next_step", broken)
    advance_replays(bench.pool)

    row = replaying.report(made.replay.replay_id).replay
    assert (row.state, row.why) == ("stopped", "KeyError in workers.replaying:_step")


def test_whoever_may_not_is_refused_and_what_was_granted_goes_on(
    bench: Workbench, lms: FakeLms, replaying: Replaying
) -> None:
    """J8: the role is lost midway."""
    failing(bench, lms, 12)
    mended(lms)
    eva = Operator("eva", "api", permissions_of("operator"), "operator", TENANT, reason="mended")
    made = replaying.create(REJECTED, eva)
    viewer = Operator("eva", "api", permissions_of("viewer"), "viewer", TENANT, reason="mended")

    for act in (replay_acts.pause, replay_acts.cancel, replay_acts.resume, replay_acts.approve):
        with pytest.raises(Forbidden):
            act(bench.pool, TENANT, made.replay.replay_id, viewer)
    with pytest.raises(Forbidden):
        replays.create(bench.pool, SETTINGS, TENANT, REJECTED, viewer)

    assert replaying.finish(made.replay.replay_id).replay.done == 12
    [line] = bench.rows("select actor, role, reason from audit where action = 'replays:replay:create'")
    assert line == {"actor": "eva", "role": "operator", "reason": "mended"}


def test_of_another_client_there_is_nothing_to_try(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 2)

    with pytest.raises(NotFound):
        replays.preview(bench.pool, SETTINGS, "other", REJECTED)


# Messages


def test_messages_that_could_not_be_applied_are_applied_in_order(
    bench: Workbench, lms: FakeLms, replaying: Replaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in applying, and an upgrade that mends it."""
    together = apply._apply_together

    def broken(*_: Any) -> None:
        raise KeyError("x")

    monkeypatch.setattr(apply, "_apply_together", broken)
    bench.tell(hired("E-1"), updated("E-1", last_name="Second"), hired("E-2"))
    monkeypatch.setattr(apply, "_apply_together", together)
    assert bench.failures() == [("inbox", "bug")] * 3
    assert len(replaying.groups()) == 1

    seen = replaying.preview(Selection(code="bug"))
    report = replaying.finish(replaying.create(Selection(code="bug")).replay.replay_id)

    assert seen.effects == {"apply": 3}
    assert (report.replay.state, report.done, report.different) == ("done", {"apply": 3}, 0)
    assert {user.last_name for user in lms.users.values()} == {"Second", "Meer2"}
    assert bench.failures() == []


def test_a_message_never_undoes_what_is_newer(
    bench: Workbench, lms: FakeLms, replaying: Replaying, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = apply._apply_together
    monkeypatch.setattr(apply, "_apply_together", lambda *_: {}["x"])
    bench.tell(hired("E-1"))
    monkeypatch.setattr(apply, "_apply_together", together)
    bench.done(updated("E-1", last_name="Newest"))

    seen = replaying.preview(Selection(code="bug"))
    report = replaying.finish(replaying.create(Selection(code="bug")).replay.replay_id)

    assert seen.effects == {"superseded": 1}
    assert report.skipped == {"superseded": 1}
    assert [user.last_name for user in lms.users.values()] == ["Newest"]
    assert bench.failures() == []


def test_poison_is_blocked_and_a_conflict_never_takes_the_others_place(bench: Workbench, replaying: Replaying) -> None:
    """Messages that never became facts are in groups, too."""
    bench.tell(b"{", b"[]", hired("E-1"), hired("E-1", last_name="Other bytes"))
    bench.run("update failure set tenant = 'acme'")
    codes = {group["code"] for group in replaying.groups()}

    seen = replaying.preview(Selection(ids=tuple(bench.column("select failure_id from failure"))))
    report = replaying.finish(
        replaying.create(Selection(ids=tuple(bench.column("select failure_id from failure")))).replay.replay_id
    )

    assert codes == {"not_json", "not_an_object", "same_id_other_bytes"}
    assert seen.effects == {"blocked": 3}
    assert report.replay.state == "stopped"
    assert len(bench.failures()) == 3


def test_messages_and_people_are_not_tried_again_in_one(bench: Workbench, lms: FakeLms, replaying: Replaying) -> None:
    failing(bench, lms, 1)
    bench.tell(hired("E-1"), hired("E-1", last_name="Other bytes"))

    with pytest.raises(Refused, match=r"Acme Moodle, messages"):
        replaying.preview(Selection(ids=tuple(bench.column("select failure_id from failure"))))
