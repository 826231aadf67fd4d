"""
A plan shows what the workers then do, and writes nothing itself, neither here nor in the LMS.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from db.configuration import integrations
from db.facts import FactStore
from db.pool import Pool, transaction
from domain.events import Event as Parsed
from domain.events import parse_bytes
from domain.planning import PersonPlan
from lms.read_only import ReadOnly
from ops import planning
from ops.actions import NotFound, Refused
from ops.planning import Plan, Selection
from runtime.settings import Settings
from tests.support.builders import (
    TENANT,
    Event,
    as_bytes,
    course,
    enrolled,
    hired,
    hires,
    payroll,
    terminated,
    updated,
    withdrawn,
)
from tests.support.workbench import KEYS, Workbench, academy, everything_stored

READS = {
    "core_user_get_users_by_field",
    "core_webservice_get_site_info",
}


class Planner:
    """
    Plans on a workbench, whose LMS has no address.
    """

    def __init__(self, bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bench = bench

        @contextmanager
        def reading(_: Settings, row: Any) -> Iterator[ReadOnly]:
            yield ReadOnly(bench._gateways[row.integration_id])

        monkeypatch.setattr(planning, "reading", reading)

    def __call__(self, *events: Event, **chosen: str) -> Plan:
        parsed: list[Parsed] = [parse_bytes(as_bytes(said)) for said in events]
        with transaction(self._bench.pool) as db:
            rows = integrations(db, TENANT)
        return planning.plan(self._bench.pool, Settings("", "", KEYS), TENANT, rows, Selection(parsed, **chosen))


def functions(plans: list[PersonPlan]) -> list[str]:
    return [call.function for one in plans for call in one.calls]


def fields(one: PersonPlan, function: str) -> dict[str, tuple[Any, Any]]:
    (call,) = [call for call in one.calls if call.function == function]
    return {change.field: (change.before, change.after) for change in call.changes}


def test_a_plan_for_an_event_shows_each_field_before_and_after_and_writes_nothing(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    plan = Planner(bench, monkeypatch)
    before, effects, calls = everything_stored(pool), len(site.ledger.effects()), len(site.ledger.calls())

    done = plan(updated(last_name="Other"), withdrawn())

    (one,) = done.people
    assert done.endings == {"applied": 2}
    assert fields(one, "update_users") == {"last_name": ("Meer1", "Other")}
    assert fields(one, "enrol")["suspended"] == (False, True)
    assert everything_stored(pool) == before
    assert len(site.ledger.effects()) == effects
    assert {call["function"] for call in site.ledger.calls()[calls:]} <= READS


def test_a_plan_for_a_newcomer_shows_the_user_to_be_made_and_no_password(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S5: what is done about the password is told, the password is not."""
    bench = Workbench(pool, academy(), password="Preset-canary-1", people={"password": "preset"})
    bench.apply()

    (one,) = Planner(bench, monkeypatch)(hired(), enrolled()).people

    assert one.outcome == "create"
    assert fields(one, "create_users")["username"] == (None, "noor1@example.org")
    assert fields(one, "create_users")["password"] == (None, "given, to be changed at the first login")
    assert functions([one]) == ["create_users"]
    assert "course_not_found" in one.detail
    assert "Preset-canary-1" not in json.dumps([str(one)])


def test_old_news_plans_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """I6: an event that is older than what is known is superseded, in a plan too."""
    bench = Workbench(pool, academy())
    bench.done(updated(at=5))

    with pytest.raises(NotFound):
        Planner(bench, monkeypatch)(hired(at=1))


@pytest.mark.parametrize("how", [{"payroll": "NL-02"}, {"person": "E-1"}])
def test_what_is_done_already_plans_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch, how: dict[str, str]) -> None:
    bench = Workbench(pool, academy())
    bench.done(hired(), enrolled())

    (one,) = Planner(bench, monkeypatch)(**how).people

    assert (one.outcome, one.calls) == ("nothing", [])


def test_a_payroll_about_to_be_enabled_is_planned_whole(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Workbench(pool, academy(), payrolls="selected")
    bench.done(*hires(3), hired("E-9", payroll="ZA-07"))

    done = Planner(bench, monkeypatch)(payroll())

    assert functions(done.people) == ["create_users"] * 3
    assert {one.outcome for one in Planner(bench, monkeypatch)(payroll="ZA-07").people} == {"out_of_scope"}


def test_what_the_guard_would_stage_is_shown_as_staged(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """F8."""
    bench = Workbench(pool, academy(), guard={"at_least": 2})
    bench.done(*hires(5))

    done = Planner(bench, monkeypatch)(*(terminated(f"E-{n}", at=5) for n in range(1, 6)))

    assert [(one.outcome, one.code, one.calls) for one in done.people] == [("staged", "mass_suspension", [])] * 5


USERS = [
    {"username": "byhand", "email": "noor2@example.org"},
    {"username": "twin1", "email": "noor3@example.org"},
    {"username": "twin2", "email": "noor3@example.org"},
    {"username": "noor4@example.org", "email": "x@example.org", "idnumber": "STRANGER"},
]
STORY = [
    hired("E-1"),
    hired("E-2"),
    hired("E-3"),
    hired("E-4"),
    hired("E-5", first_name=""),
    terminated("E-6", at=1),
    *(enrolled(f"EN-{n}", f"E-{n}") for n in range(1, 7)),
    enrolled("EN-8", "E-1", "C-LAW", role="tutor"),
    enrolled("EN-9", "E-1", "C-NONE"),
    course("C-X", lms_course_id="3"),
]
NEWS = [
    updated("E-1", at=5, last_name="Other"),
    terminated("E-2", at=5),
    updated("E-5", at=5),
    withdrawn("EN-8", "E-1", "C-LAW", at=5),
    enrolled("EN-4b", "E-4", "C-LAW", at=5),
]


@pytest.mark.parametrize("told", [STORY, [*STORY, *NEWS]], ids=["at first", "with news"])
def test_the_workers_then_do_what_was_planned(pool: Pool, monkeypatch: pytest.MonkeyPatch, told: list[Event]) -> None:
    """The plan and the workers are held together by what comes out: same people, same states, same links."""
    site = academy(users=USERS)
    bench = Workbench(pool, site)
    bench.read_catalogue()

    planned = Planner(bench, monkeypatch)(*told).people
    bench.done(*told)

    rows = bench.rows("select employee_key, state, code, link from account order by employee_key")
    states = {"create": "settled", "link": "settled", "update": "settled", "nothing": "settled"}
    assert [(p.employee_key, states.get(p.outcome, p.outcome), p.code) for p in planned] == [
        (row["employee_key"], row["state"], row["code"]) for row in rows
    ]
    made = [
        {change.field: change.after for change in call.changes}
        for p in planned
        for call in p.calls
        if call.function == "create_users"
    ]
    assert sorted(one["username"] for one in made) == sorted(
        effect["username"] for effect in site.ledger.effects("user created")
    )
    assert functions(planned).count("enrol") == len(site.ledger.effects("enrolled"))


def test_a_plan_does_not_wait_for_events_that_are_being_applied(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it get in their way: whoever comes second is told to come back."""
    bench = Workbench(pool, academy())
    bench.done(hired())
    with transaction(pool) as db:
        FactStore(db, TENANT).lock()
        with pytest.raises(Refused, match="right now"):
            Planner(bench, monkeypatch)(person="E-1")
