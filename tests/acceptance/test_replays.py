"""
Failures of a whole installation are shown, previewed, tried again, stopped and cancelled, on real processes.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import accumulate
from pathlib import Path

import pytest

from db.failure_views import FailureViews
from db.pool import open_pool, transaction
from ops.cli.output import Exit
from tests.support import company
from tests.support.installation import TENANT, TOKEN, Installation, installation
from tests.support.trouble import (
    CREATE,
    act,
    confirm,
    created,
    ended,
    failed,
    mend,
    open_failures,
    people,
    preview,
    report,
    spoken,
)

Make = Callable[..., Installation]
TEN_SECONDS = timedelta(seconds=10)

WORKER_POINTS = ("replay.item_claimed", "replay.item_done")


@pytest.fixture
def make(database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Make]:
    """Makes an installation with an active integration whose replays may take all that its site takes."""
    with ExitStack() as stack:

        def made(**changes: object) -> Installation:
            found = stack.enter_context(installation(database_url, amqp_url, tmp_path))
            company.set_the_clock(found)
            found.set_up(**{"replays": {"share": 1}, **changes})
            return found

        yield made


def groups(made: Installation) -> list[tuple[str, int, str]]:
    with open_pool(made.settings.database_url, name="test", max_size=1) as pool, transaction(pool) as db:
        return [(group.code, group.failures, group.state) for group in FailureViews(db, TENANT).groups()]


def test_a_failure_is_in_its_group_within_ten_seconds_and_the_count_is_true(make: Make) -> None:
    """Acceptance 1, I9, I13"""
    made = make()
    failed(made, 30)

    made.until(lambda: groups(made) == [("lms_rejected", 30, "new")], "one group", TEN_SECONDS)
    made.until(lambda: made.one("select count(*) from failure_touch") == 0, "counted", TEN_SECONDS)
    assert made.rows("select failures, people from failure_group") == [{"failures": 30, "people": 30}]
    assert groups(made) == [("lms_rejected", open_failures(made), "new")]


def test_what_was_foreseen_is_what_comes_of_it_and_the_rate_is_kept(make: Make) -> None:
    """Acceptance 3 and 6"""
    made = make()
    failed(made, 25)
    mend(made)

    seen = preview(made, share=0.05)
    found = ended(made, confirm(made, seen, share=0.05).replay.replay_id)

    assert seen.effects == {"create": 25}
    assert (found.replay.state, found.done, found.different) == ("done", {"create": 25}, 0)
    effects = created(made)
    assert len({effect["idnumber"] for effect in effects}) == len(effects) == 25
    # Never more at the site than the rate allows since the first one, and the chunk that had just begun.
    per_second, chunk = seen.per_minute / 60, 30
    calls = made.site.read(f"calls?function={CREATE}")
    moments = sorted(float(call["at"]) for call in calls for _ in range(call["items"]))[-25:]
    assert all(n <= per_second * (at - moments[0]) + chunk for n, at in enumerate(moments))
    # One, then ten, then the others: each step waited for its share of the minute.
    first, second = accumulate((1, 10))
    assert moments[first] - moments[0] >= 0.9 / per_second
    assert moments[second] - moments[first] >= 9 / per_second


def test_a_stale_confirmation_sends_nothing_and_a_second_click_makes_no_second_replay(make: Make) -> None:
    """Acceptance 4, J2"""
    made = make()
    failed(made, 6)
    stale = preview(made)
    made.publish(company.hires(people(2, first=50)))
    made.until(lambda: open_failures(made) == 8, "two more have failed")
    mend(made)
    before = len(made.site.read("calls"))

    words = ["replay", "create", "--code", "lms_rejected", "--yes", "--reason", "mended", "--tenant", TENANT]
    assert made.run(*words, "--digest", stale.digest) == Exit.REFUSED
    assert made.rows("select * from replay") == []
    assert len(made.site.read("calls")) == before

    digest = preview(made).digest
    commands = [made.add(f"click {n}", ["-m", "ops.cli.main", *words, "--digest", digest, "--json"]) for n in (1, 2)]
    for command in commands:
        command.start()
    assert [command.ended() for command in commands] == [Exit.OK, Exit.OK], made.last_words()
    [replay_id] = [row["replay_id"] for row in made.rows("select replay_id from replay")]
    assert ended(made, replay_id).done == {"create": 8}
    assert len(created(made)) == 8


def test_cancelled_in_between_what_is_under_way_ends_and_the_rest_is_as_it_was(make: Make) -> None:
    """Acceptance 5, J5"""
    made = make()
    failed(made, 30)
    mend(made)
    # The rate holds the third step back for a while.
    replay_id = confirm(made, preview(made, share=0.02), share=0.02).replay.replay_id
    tried = "select count(*) from replay_item where replay_id = %(id)s and state <> 'waiting'"
    made.until(lambda: made.one(tried, id=replay_id) >= 11, "two steps")

    act(made, "cancel", replay_id)
    at_most = made.one(tried, id=replay_id)
    cancelled = ended(made, replay_id)
    assert cancelled.replay.state == "cancelled"
    assert len(created(made)) == cancelled.replay.done == at_most < 30
    assert cancelled.replay.waiting == 30 - at_most == open_failures(made)

    act(made, "resume", replay_id)
    done = ended(made, replay_id)
    assert (done.replay.state, done.replay.done) == ("done", 30)
    assert len(created(made)) == 30


def test_a_replay_whose_cause_is_still_there_wastes_a_few_calls(make: Make) -> None:
    """Acceptance 7, J6"""
    made = make()
    failed(made, 40)
    before = len(made.site.read("calls"))

    seen = preview(made)
    read = len(made.site.read("calls"))
    found = ended(made, confirm(made, seen).replay.replay_id)

    assert (found.replay.state, found.failed, found.replay.waiting) == ("stopped", {"lms_rejected": 1}, 39)
    planned = 2 * (read - before)  # confirming looks once more
    assert len(made.site.read("calls")) - before - planned <= 11
    made.until(lambda: groups(made) == [("lms_rejected", 40, "regressed")], "it has regressed", TEN_SECONDS)


def test_a_revoked_token_is_one_group_and_one_notice_whatever_waits(make: Make) -> None:
    """Acceptance 8, E1, I9"""
    made = make()
    made.site.tell("token/revoke", token=TOKEN)
    before = len(made.site.read("calls"))
    made.start("ingest", "worker", "scheduler")
    made.publish(company.hires(people(100)))
    made.until(lambda: made.one("select state from integration") == "quarantined", "quarantined")
    made.until(lambda: made.one("select count(*) from account where state = 'due'") == 100, "all wait")

    site_info = "core_webservice_get_site_info"
    refused = [call for call in made.site.read("calls")[before:] if call["function"] != site_info]
    # Each of the worker's six threads may have been on its way before the first answer was known.
    assert len(refused) <= 6
    assert groups(made) == [("token_refused", 1, "new")]
    assert made.rows("select kind, code, channel from notice order by channel") == [
        {"kind": "quarantine", "code": "token_refused", "channel": "mail"},
        {"kind": "quarantine", "code": "token_refused", "channel": "webhook"},
    ]

    made.site.tell("token/restore", token=TOKEN)
    made.until(lambda: len(created(made)) == 100, "drained by itself")
    made.until(lambda: groups(made) == [], "nothing is left")


def test_hrs_news_during_a_replay_win_and_its_members_stay_the_same(make: Make) -> None:
    """J1"""
    made = make()
    failed(made, 30)
    mend(made)
    replay_id = confirm(made, preview(made, share=0.05), share=0.05).replay.replay_id
    made.publish(company.hires(people(3, first=60)))
    made.publish(company.renamed(people(30)[-5:], "Newer"))

    found = ended(made, replay_id)
    made.until(lambda: len(created(made)) == 33, "everybody is there")
    made.until(lambda: made.one("select count(*) from account where due_at is not null") == 0, "nothing is due")

    assert found.replay.members == 30
    assert found.replay.done + found.replay.skipped == 30
    assert found.replay.failed == 0
    held = "select applied ->> 'last_name' as name from account where employee_key between 'T-026' and 'T-030'"
    assert [row["name"] for row in made.rows(held)] == ["Newer"] * 5


# Killed


@pytest.mark.crash
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("point", WORKER_POINTS)
def test_a_worker_killed_in_a_replay_loses_and_doubles_nothing(make: Make, point: str, nth: int) -> None:
    """J3"""
    made = make()
    failed(made, 15)
    mend(made)
    made["worker"].stop()
    made["worker"].start(crash_at=f"{point}:{nth}")
    replay_id = confirm(made, preview(made)).replay.replay_id

    assert made["worker"].ended() == -signal.SIGKILL, made.last_words()
    made["worker"].start()
    found = ended(made, replay_id)

    assert (found.replay.state, found.done, found.different) == ("done", {"create": 15}, 0)
    assert sorted(effect["idnumber"] for effect in created(made)) == sorted(people(15))
    assert open_failures(made) == 0


@pytest.mark.crash
def test_whoever_made_a_replay_may_die_and_whoever_watches_it_too(make: Make) -> None:
    """J3, acceptance 12: it goes on, and its state is true whoever asks."""
    made = make()
    failed(made, 15)
    mend(made)
    words = [
        "replay",
        "create",
        "--code",
        "lms_rejected",
        "--yes",
        "--reason",
        "mended",
        "--tenant",
        TENANT,
        "--digest",
    ]
    maker = made.add("maker", ["-m", "ops.cli.main", *words, preview(made).digest])

    assert maker.start(crash_at="replay.frozen").ended() == -signal.SIGKILL, made.last_words()
    [replay_id] = [row["replay_id"] for row in made.rows("select replay_id from replay")]
    watcher = made.add("watcher", ["-m", "ops.cli.main", "replay", "watch", str(replay_id)]).start()
    watcher.kill()
    found = ended(made, replay_id)

    assert found.done == {"create": 15}
    assert made.run("replay", "report", str(replay_id), "--json") == Exit.OK
    assert spoken(made, f"replay report {replay_id} --json")["replay"]["done"] == 15
    assert report(made, replay_id).replay.running == 0
    assert len(created(made)) == 15
