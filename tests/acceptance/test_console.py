"""
What people at the console may rely on, on real processes: the API, the command line and the workers behind them.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.cli.output import Exit
from producers.publisher import OutgoingEvent
from tests.support import company
from tests.support.console import Console
from tests.support.installation import Installation, installation
from tests.support.trouble import created, ended, failed, mend, open_failures

Make = Callable[[], tuple[Installation, Console]]


@pytest.fixture
def make(database_url: str, amqp_url: str, tmp_path: Path) -> Iterator[Make]:
    """Makes an installation with a console, whose replays may take all that its site takes."""
    with ExitStack() as stack:

        def made() -> tuple[Installation, Console]:
            found = stack.enter_context(installation(database_url, amqp_url, tmp_path))
            company.set_the_clock(found)
            found.set_up(replays={"share": 1})
            return found, Console(found, stack)

        yield made


def numbers(made: Installation) -> list[int]:
    """Every failure of the scene, in the order of the people."""
    rows = made.rows("select failure_id from failure where code = 'lms_rejected' order by employee_key")
    return [row["failure_id"] for row in rows]


def the_group(made: Installation) -> int:
    return int(made.one("select group_id from failure_group where code = 'lms_rejected'"))


def keys_created(made: Installation) -> list[str]:
    return sorted(effect["idnumber"] for effect in created(made))


def test_what_is_dismissed_stays_so_when_its_group_is_tried_again_and_can_be_restored_for_a_time(make: Make) -> None:
    """Acceptance 9"""
    made, console = make()
    failed(made, 5)
    eva, (first, second, *_), group = console.person("eva", "operator"), numbers(made), the_group(made)
    eva.asks("POST", "/failures/dismiss", {"ids": [first, second], "reason": "left before the first day"})
    mend(made)

    seen = eva.asks("POST", "/replays/preview", {"groups": [group]})["preview"]
    confirmed = {"groups": [group], "digest": seen["digest"], "reason": "mended"}
    replay = eva.asks("POST", "/replays", confirmed, expect=201)["replay"]
    assert ended(made, replay["replay_id"]).replay.members == seen["members"] == 3
    assert keys_created(made) == ["T-003", "T-004", "T-005"]
    eva.asks("POST", "/replays/preview", {"groups": [group]}, expect=404)
    assert eva.types("replay", "create", "--group", str(group), "--reason", "again") == Exit.NOTHING

    made.rows("update failure set restorable_until = now() where failure_id = %(id)s returning 1", id=second)
    refused = eva.asks("POST", "/failures/restore", {"ids": [second], "reason": "it was him"}, expect=404)
    assert "cannot be restored any more" in refused["detail"]
    assert eva.types("failures", "restore", str(second), "--reason", "it was him") == Exit.NOTHING
    assert eva.asks("POST", "/failures/restore", {"ids": [first], "reason": "she did come"})["failures"] == [first]
    assert open_failures(made) == 1
    again = eva.asks("POST", "/replays", {"ids": [first], "reason": "she did come"}, expect=201)["replay"]
    assert ended(made, again["replay_id"]).done == {"create": 1}
    assert keys_created(made) == ["T-001", "T-003", "T-004", "T-005"]


def test_who_was_made_by_hand_after_the_preview_is_linked_and_the_report_says_so(make: Make) -> None:
    """J4"""
    made, console = make()
    failed(made, 3)
    mend(made)
    eva = console.person("eva", "operator")
    chosen = {"code": "lms_rejected"}
    made["worker"].stop()

    seen = eva.asks("POST", "/replays/preview", chosen)["preview"]
    replay = eva.asks("POST", "/replays", chosen | {"digest": seen["digest"], "reason": "mended"}, expect=201)["replay"]
    made_by_hand(made)
    made["worker"].start()
    ended(made, replay["replay_id"])
    report = eva.asks("GET", f"/replays/{replay['replay_id']}")

    assert seen["effects"] == {"create": 3}
    assert report["done"] == {"create": 2, "link": 1}
    assert report["different"] == 1
    [line] = report["differences"]
    assert (line["employee_key"], line["predicted"], line["outcome"]) == ("T-002", "create", "link")
    assert keys_created(made) == ["T-001", "T-003"]


def made_by_hand(made: Installation) -> None:
    """Somebody at the site makes the second person an account."""
    by_hand = {"username": "robin", "firstname": "Robin", "lastname": "Number T-002", "email": "t-002@example.org"}
    httpx.post(f"{made.site.url}/control/users", json=[by_hand]).raise_for_status()


def test_who_was_made_by_hand_before_it_was_confirmed_is_linked_and_whoever_confirms_is_told(make: Make) -> None:
    """J4: it is looked up once more when it is confirmed."""
    made, console = make()
    failed(made, 3)
    mend(made)
    eva = console.person("eva", "operator")

    seen = eva.asks("POST", "/replays/preview", {"code": "lms_rejected"})["preview"]
    made_by_hand(made)
    confirmed = {"code": "lms_rejected", "digest": seen["digest"], "reason": "mended"}
    replay = eva.asks("POST", "/replays", confirmed, expect=201)["replay"]

    assert seen["effects"] == {"create": 3}
    assert replay["predicted"] == {"create": 2, "link": 1}
    assert ended(made, replay["replay_id"]).done == {"create": 2, "link": 1}


def of_another_company() -> list[OutgoingEvent]:
    """Two events of one id, which is somebody's failure."""
    first = company.hires(("Z-1",))[0]
    said = json.loads(first.body) | {"tenant": "zenith"}
    bodies = (said, said | {"time": "2026-03-01T10:00:00+01:00"})
    return [replace(first, body=json.dumps(body).encode()) for body in bodies]


def test_a_list_of_numbers_is_refused_number_by_number(make: Make) -> None:
    """J7: dismissed, erased, another company's and unknown ones; the others are tried."""
    made, console = make()
    failed(made, 4)
    made.publish(of_another_company())
    made.until(lambda: made.one("select count(*) from failure where tenant = 'zenith'"), "zenith's failure")
    other = made.one("select min(failure_id) from failure where tenant = 'zenith'")
    first, second, third, fourth = numbers(made)
    eva = console.person("eva", "operator")
    eva.asks("POST", "/failures/dismiss", {"ids": [first], "reason": "left"})
    made.publish([company.erased("T-002")])
    made.until(lambda: made.one("select erased from person where employee_key = 'T-002'"), "erased")
    mend(made)

    asked = {"ids": [first, second, third, fourth, other, 10**6]}
    seen = eva.asks("POST", "/replays/preview", asked)["preview"]
    assert seen["members"] == 2
    assert seen["refused"].keys() == {str(number) for number in (first, second, other, 10**6)}
    assert seen["refused"][str(first)] == "dismissed"
    assert seen["refused"][str(second)] == "done already", "nothing is left to be done for the erased"
    assert seen["refused"][str(other)] == seen["refused"][str(10**6)] == "there is no such failure"
    replay = eva.asks("POST", "/replays", asked | {"digest": seen["digest"], "reason": "mended"}, expect=201)["replay"]
    assert ended(made, replay["replay_id"]).done == {"create": 2}
    assert keys_created(made) == ["T-003", "T-004"]

    done = eva.asks("POST", "/failures/restore", {"ids": [first, third, other], "reason": "she did come"})
    assert done["failures"] == [first]
    assert done["left"] == {str(third): "done already", str(other): "there is no such failure"}


def test_who_loses_the_role_midway_may_do_nothing_more_and_what_was_granted_goes_on(make: Make) -> None:
    """J8"""
    made, console = make()
    failed(made, 15)
    mend(made)
    eva, chosen = console.person("eva", "operator"), {"code": "lms_rejected", "share": 0.05}
    seen = eva.asks("POST", "/replays/preview", chosen)["preview"]
    created = eva.asks("POST", "/replays", chosen | {"digest": seen["digest"], "reason": "mended"}, expect=201)
    number = created["replay"]["replay_id"]
    tried = "select count(*) from replay_item where replay_id = %(id)s and state <> 'waiting'"
    made.until(lambda: made.one(tried, id=number) >= 1, "it has begun")

    console.has_role("eva", "viewer")
    assert eva.asks("GET", f"/replays/{number}")["replay"]["state"] == "running"
    for verb in ("pause", "resume", "cancel", "approve"):
        eva.asks("POST", f"/replays/{number}/{verb}", {"reason": "wait"}, expect=403)
        assert eva.types("replay", verb, str(number), "--reason", "wait") == Exit.REFUSED
    eva.asks("POST", "/replays", chosen | {"reason": "again"}, expect=403)

    assert ended(made, number).done == {"create": 15}
    [grant] = made.rows(
        "select actor, role, source, reason, outcome from audit where target = %(target)s and outcome = 'done'",
        target=f"replay/{number}",
    )
    assert grant == {"actor": "eva", "role": "operator", "source": "api", "reason": "mended", "outcome": "done"}


def lines(made: Installation, source: str) -> list[dict[str, Any]]:
    return made.rows(
        "select actor, role, tenant, action, target, before, after, reason, outcome from audit"
        " where source = %(source)s and actor = 'eva' order by audit_id",
        source=source,
    )


def test_an_act_by_command_and_by_request_is_the_same_act(make: Make) -> None:
    """Acceptance 11; the whole table of acts is compared in tests/integration/test_parity.py."""
    made, console = make()
    eva, max_ = console.person("eva", "operator"), console.person("max", "viewer")
    place = f"/integrations/{made.integration_id}"

    said = eva.asks("POST", f"{place}/pause", {"reason": "maintenance"})
    eva.asks("POST", f"{place}/resume", {"reason": "done"})
    assert eva.types(*said["command"].split()[1:]) == Exit.OK
    assert eva.types("integration", "resume", "Academy", "--reason", "done") == Exit.OK

    assert len(lines(made, "api")) == 2
    assert lines(made, "cli") == lines(made, "api")
    max_.asks("POST", f"{place}/pause", {"reason": "maintenance"}, expect=403)
    assert max_.types("integration", "pause", "Academy", "--reason", "maintenance") == Exit.REFUSED
    assert made.one("select state from integration") == "active"
