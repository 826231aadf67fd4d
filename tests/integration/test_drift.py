"""What somebody changes at the LMS by hand is found by a scan, and the settings or a person say what follows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest

from db.pool import Pool, transaction
from db.scans import ScanStore
from db.schedule import scans_due
from domain.lms import LmsUser
from ops.drift import scan_now
from simulators.moodle import MoodleSite, add_user, change_user
from tests.support.builders import erased, hired, hires, lms_courses, payroll, terminated, updated
from tests.support.drifting import LOOK_UP, counts, found, look, roll, run, user_id, writes
from tests.support.fake_lms import FakeLms
from tests.support.operators import BY
from tests.support.workbench import Workbench, academy

TELL: dict[str, Any] = {"drift": {"default": "tell"}}
ACCEPT: dict[str, Any] = {"drift": {"default": "accept"}}
MAPPED = {"people": {"fields": [{"lms_field": "job_title", "kind": "text", "source": "attributes.job"}]}}


def last_name(bench: Workbench, site: MoodleSite, key: str = "E-1") -> str:
    return site.state.users[user_id(bench, key)].lastname


# Changed by hand


def test_a_field_changed_by_hand_is_put_back_and_its_finding_ends_when_that_is_seen(pool: Pool) -> None:
    """D22, D26: a write that is said to be done is believed when it is read."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(3))
    change_user(site, user_id(bench, "E-2"), lastname="Tampered", email="other@example.org")
    look(bench)
    assert last_name(bench, site, "E-2") == "Meer2"
    assert found(bench) == [("changed_by_hand", "email", "put_back"), ("changed_by_hand", "last_name", "put_back")]
    assert counts(bench) == (0, 1, 2, 0)
    look(bench)
    assert found(bench) == []
    assert counts(bench) == (0, 0, 3, 0)
    assert bench.column("select count(*) from finding where resolved_at is not null and ours is null") == [2]


def test_a_field_that_is_only_told_stays_until_somebody_or_hr_says_something(pool: Pool) -> None:
    """Unrelated news of HR do not overwrite it; news about it do."""
    site = academy()
    bench = Workbench(pool, site, **TELL)
    bench.done(*hires(1))
    change_user(site, user_id(bench), lastname="Tampered")
    look(bench)
    look(bench)
    assert last_name(bench, site) == "Tampered"
    assert found(bench) == [("changed_by_hand", "last_name", "open")]
    assert run(bench)["reasons"] == {"changed_by_hand": 1}
    [finding] = bench.rows("select ours, held, times, employee_key, lms_user_id from finding")
    assert tuple(finding.values()) == ("Meer1", "Tampered", 2, "E-1", str(user_id(bench)))
    bench.done(updated(first_name="Nora"))
    assert (site.state.users[user_id(bench)].firstname, last_name(bench, site)) == ("Nora", "Tampered")
    look(bench)
    assert found(bench) == [("changed_by_hand", "last_name", "open")]
    bench.done(updated(first_name="Nora", last_name="Berg", at=2))
    assert last_name(bench, site) == "Berg"
    look(bench)
    assert found(bench) == []


def test_what_is_accepted_stays_and_is_listed_no_more(pool: Pool) -> None:
    """Until HR says something new about that very field, or the LMS does."""
    site = academy()
    bench = Workbench(pool, site, **ACCEPT, **MAPPED)
    bench.done(hired(attributes={"job": "Fitter"}))
    change_user(site, user_id(bench), lastname="Married", custom={"job_title": "Turner"})
    look(bench)
    accepted = [("changed_by_hand", "last_name", "accepted"), ("changed_by_hand", "custom.job_title", "accepted")]
    assert found(bench) == accepted
    assert run(bench)["reasons"] == {"accepted": 1}
    bench.done(updated(attributes={"job": "Foreman"}))
    assert site.state.users[user_id(bench)].custom["job_title"] == "Foreman"
    assert last_name(bench, site) == "Married"
    look(bench)
    assert found(bench) == accepted[:1]
    assert bench.column("select distinct decided_by from finding") == ["settings"]


def test_each_field_follows_its_own_policy(pool: Pool) -> None:
    fields = {"last_name": "accept", "suspended": "tell"}
    site = academy()
    bench = Workbench(pool, site, drift={"fields": fields})
    bench.done(*hires(1))
    change_user(site, user_id(bench), lastname="Married", suspended=True, email="mine@example.org")
    look(bench)
    user = site.state.users[user_id(bench)]
    assert (user.lastname, user.suspended, user.email) == ("Married", True, "noor1@example.org")
    assert found(bench) == [
        ("changed_by_hand", "email", "put_back"),
        ("changed_by_hand", "last_name", "accepted"),
        ("changed_by_hand", "suspended", "open"),
    ]


def test_another_policy_counts_with_the_next_scan(pool: Pool) -> None:
    site = academy()
    bench = Workbench(pool, site, **TELL)
    bench.done(*hires(1))
    change_user(site, user_id(bench), lastname="Tampered")
    look(bench)
    bench.choose(drift={"default": "put_back"})
    look(bench)
    assert last_name(bench, site) == "Meer1"


def test_suspending_again_whom_somebody_made_active_passes_the_guard(pool: Pool) -> None:
    """F8: putting back is no way around it."""
    site = academy()
    bench = Workbench(pool, site, guard={"share": 0, "at_least": 3})
    bench.done(*hires(4))
    for number in range(1, 5):
        bench.done(terminated(f"E-{number}"))
        bench.run("update account set suspended_at = suspended_at - interval '2 days'")
    for number in range(1, 5):
        change_user(site, user_id(bench, f"E-{number}"), suspended=False)
    look(bench)
    assert bench.failures() == [("guard", "mass_suspension")]
    assert counts(bench) == (0, 0, 0, 4)
    assert run(bench)["reasons"] == {"mass_suspension": 4}


def test_somebody_who_does_not_belong_here_is_looked_at_for_the_suspension_alone(pool: Pool) -> None:
    """S15: nothing else of them is kept up to date."""
    site = academy()
    bench = Workbench(pool, site, payrolls="selected", when_out_of_scope="suspend")
    bench.done(payroll(), *hires(2))
    bench.done(payroll(enabled=False, at=5))
    bench.provision()
    assert bench.account()["state"] == "out_of_scope"
    change_user(site, user_id(bench), suspended=False, lastname="Own")
    look(bench)
    assert found(bench) == [("changed_by_hand", "suspended", "put_back")]
    assert (site.state.users[user_id(bench)].suspended, last_name(bench, site)) == (True, "Own")
    assert bench.account()["state"] == "out_of_scope"


def test_a_protected_user_is_told_of_and_never_touched(pool: Pool) -> None:
    """S15: by id or by user name, and listed after the link was made."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    bench.choose(people={"protected": [str(user_id(bench, "E-1")), site.state.users[user_id(bench, "E-2")].username]})
    before = writes(site)
    for key in ("E-1", "E-2"):
        change_user(site, user_id(bench, key), lastname="Own")
    look(bench)
    assert found(bench) == [("changed_by_hand", "last_name", "open")] * 2
    assert writes(site) == before


def test_the_timeline_tells_what_was_found_without_the_values(pool: Pool) -> None:
    """S16: once, however many scans see it."""
    site = academy()
    bench = Workbench(pool, site, **TELL)
    bench.done(*hires(1))
    change_user(site, user_id(bench), lastname="Tampered")
    look(bench)
    look(bench)
    said = {"what": "changed_by_hand", "field": "last_name", "state": "open", "user": str(user_id(bench))}
    assert bench.column("select data from timeline where kind = 'drift found' and employee_key = 'E-1'") == [said]


# Missing


def test_a_user_deleted_by_hand_is_listed_and_never_made_again_in_silence(pool: Pool) -> None:
    """D22: whatever the policy. When the user is restored it is over, but the enrolment went with the user."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(3))
    gone = user_id(bench, "E-2")
    change_user(site, gone, deleted=True)
    before = writes(site)
    look(bench)
    look(bench)
    assert found(bench) == [("missing", "", "open")]
    assert counts(bench) == (0, 0, 2, 1)
    assert run(bench)["reasons"] == {"unchanged": 2, "account_gone": 1}
    assert writes(site) == before
    site.state.change_user(site.state.users[gone], deleted=False)
    look(bench)
    assert bench.column("select subject_kind from finding where resolved_at is null") == ["enrolment"]


def test_a_user_made_anew_by_hand_is_named_beside_the_missing_one(pool: Pool) -> None:
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    change_user(site, user_id(bench), deleted=True)
    another = add_user(site, username="again", email="again@example.org", idnumber="E-1")
    look(bench)
    assert found(bench) == [("missing", "", "open")]
    assert bench.column("select held from finding") == [[str(another.id)]]


def test_an_answer_with_nobody_in_it_is_not_believed(pool: Pool) -> None:
    """G8, contract section 1.3: lack of rights is silent, and looks as if everybody had been deleted."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(12))
    for number in range(1, 13):
        change_user(site, user_id(bench, f"E-{number}"), deleted=True)
    look(bench)
    assert found(bench) == []
    assert (run(bench)["state"], run(bench)["code"]) == ("failed", "nobody_found")
    assert bench.failures() == [("integration", "nobody_found")]
    for user in site.state.users.values():
        site.state.change_user(user, deleted=False)
    look(bench)
    assert (run(bench)["state"], bench.failures()) == ("done", [])


# Claimed twice


def test_a_second_user_with_somebodys_key_is_listed_and_neither_is_touched(pool: Pool) -> None:
    """F4, S15."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    double = add_user(site, username="double", email="double@example.org", idnumber="E-1")
    before = writes(site)
    look(bench)
    assert found(bench) == [("claimed_twice", "", "open")]
    assert bench.column("select held from finding") == [[str(double.id)]]
    assert run(bench)["reasons"] == {"unchanged": 1, "claimed_twice": 1}
    assert writes(site) == before
    change_user(site, double.id, idnumber="")
    look(bench)
    assert found(bench) == []


def test_a_user_that_was_given_another_persons_key_is_told_for_both(pool: Pool) -> None:
    """One LMS user claimed by two people: whose it is, a person decides."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    change_user(site, user_id(bench, "E-1"), idnumber="E-2")
    before = writes(site)
    look(bench)
    rows = bench.rows("select employee_key, kind, field, state, held from finding order by employee_key")
    assert [tuple(row.values()) for row in rows] == [
        ("E-1", "claimed_twice", "external_key", "open", "E-2"),
        ("E-2", "claimed_twice", "", "open", [str(user_id(bench, "E-1"))]),
    ]
    assert writes(site) == before


def test_a_key_of_nobody_is_just_a_changed_field(pool: Pool) -> None:
    """Who is linked is known by the id, so the key can be put back."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    change_user(site, user_id(bench), idnumber="X-77")
    look(bench)
    assert site.state.users[user_id(bench)].idnumber == "E-1"
    assert found(bench) == [("changed_by_hand", "external_key", "put_back")]


# Whose turn it is


class Meanwhile(FakeLms):
    """An LMS that is slow enough for something to happen between a look-up and its record."""

    def __init__(self, **held: Any) -> None:
        super().__init__(**held)
        self.happens: Callable[[], object] | None = None

    def find_users(
        self, by: Literal["user_id", "external_key", "email", "username"], values: Sequence[str]
    ) -> Sequence[LmsUser]:
        answer = super().find_users(by, values)
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return answer


def changed_at(lms: FakeLms, **fields: Any) -> None:
    lms.users = {key: replace(user, **fields) for key, user in lms.users.items()}


@pytest.mark.parametrize("written", [False, True])
def test_whoever_hr_changes_while_being_read_is_left_to_the_next_scan(pool: Pool, written: bool) -> None:
    """Whether a worker has written the news by then or not: what was read is older than either."""
    lms = Meanwhile(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(2))
    changed_at(lms, last_name="Tampered")
    lms.happens = lambda: (bench.done if written else bench.tell)(updated("E-1", last_name="Berg"))
    bench.pass_time(minutes=1)
    scan_now(pool, bench.integration(), by=BY)
    bench.scan()
    assert bench.column("select employee_key from finding") == ["E-2"]
    assert run(bench)["reasons"] == {"under_way": 1}
    bench.provision()
    assert {user.last_name for user in lms.users.values()} == {"Berg", "Meer2"}


def test_two_readers_at_once_put_it_on_record_once(pool: Pool) -> None:
    """G2: whoever is late finds the scan moved on and records nothing."""
    lms = Meanwhile(courses=lms_courses())
    bench = Workbench(pool, lms, **TELL)
    bench.done(*hires(150))
    changed_at(lms, last_name="Tampered")
    bench.pass_time(minutes=1)
    scan_now(pool, bench.integration(), by=BY)

    def another_reader() -> None:
        bench.run("update scan set due_at = now()")
        bench.scan()

    lms.happens = another_reader
    bench.scan()
    assert counts(bench) == (0, 0, 150, 0)
    assert bench.column("select distinct times from finding where subject_kind = 'account'") == [1]


def test_a_reader_that_does_not_come_back_is_followed_by_another(pool: Pool) -> None:
    """B5: its lease ends; the step it was at is read again, and nothing of it was recorded."""
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(150))
    bench.pass_time(minutes=1)
    scan_now(pool, bench.integration(), by=BY)
    answers = iter([False, True])
    bench.scan(rules=replace(bench.rules, stopping=lambda: next(answers)))
    assert counts(bench) == (0, 0, 100, 0)
    with transaction(pool) as db:
        ScanStore(db, bench.integration_id).claim(lease=bench.rules.lease, calls_per_hour=300)
    bench.scan()
    assert counts(bench) == (0, 0, 100, 0)
    bench.pass_time(seconds=61)
    bench.scan()
    assert (run(bench)["state"], counts(bench)) == ("done", (0, 0, 150, 0))


def test_the_rolling_scan_stays_within_its_hour(pool: Pool) -> None:
    """Calls an hour; what was begun goes on where it was."""
    site = academy()
    bench = Workbench(pool, site, drift={"calls_per_hour": 3})
    bench.done(*(hired(f"E-{number}") for number in range(450)))
    before = len(site.ledger.calls(LOOK_UP))
    roll(bench)
    spent = [len(site.ledger.calls(LOOK_UP)) - before]
    for _ in range(3):
        bench.maintain()
        bench.pass_time(minutes=59)
        bench.maintain()
        assert len(site.ledger.calls(LOOK_UP)) - before == sum(spent)
        bench.pass_time(minutes=1)
        bench.maintain()
        spent.append(len(site.ledger.calls(LOOK_UP)) - before - sum(spent))
    assert spent == [2, 2, 1, 0]
    assert (run(bench)["state"], run(bench)["asked_by"], counts(bench)) == ("done", "schedule", (0, 0, 450, 0))


def test_what_somebody_asks_for_waits_for_no_hour_and_begins_anew(pool: Pool) -> None:
    """What the rolling scan read before the request is no answer to it."""
    site = academy()
    bench = Workbench(pool, site, drift={"calls_per_hour": 2})
    bench.done(*(hired(f"E-{number}") for number in range(250)))
    roll(bench)
    assert (run(bench)["state"], counts(bench)) == ("running", (0, 0, 100, 0))
    change_user(site, user_id(bench, "E-0"), lastname="Tampered")
    [people, enrolments] = scan_now(pool, bench.integration(), by=BY)
    assert (people.joined, people.run_id, enrolments.joined) == (False, run(bench)["run_id"], False)
    bench.look_again()
    assert last_name(bench, site, "E-0") == "Meer0"
    assert (run(bench)["state"], run(bench)["asked_by"], counts(bench)) == ("done", "op", (0, 1, 249, 0))


def test_the_rolling_scan_steps_aside_for_work_that_somebody_waits_for(pool: Pool) -> None:
    """Never delaying provisioning; what somebody asked for is read at once."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    bench.tell(hired("E-9"))
    before = len(site.ledger.calls())
    roll(bench)
    assert len(site.ledger.calls(LOOK_UP)) == len([c for c in site.ledger.calls()[:before] if c["function"] == LOOK_UP])
    bench.provision()
    bench.pass_time(seconds=2)
    bench.maintain()
    assert (run(bench)["state"], counts(bench)) == ("done", (0, 0, 2, 0))


def test_a_rolling_scan_that_is_switched_off_reads_nobody(pool: Pool) -> None:
    site = academy()
    bench = Workbench(pool, site, drift={"rolling": False})
    bench.done(*hires(2))
    roll(bench)
    assert bench.rows("select * from sync_run") == []
    look(bench)
    assert counts(bench) == (0, 0, 2, 0)


def test_switching_it_off_ends_the_one_under_way(pool: Pool) -> None:
    site = academy()
    bench = Workbench(pool, site, drift={"calls_per_hour": 2})
    bench.done(*(hired(f"E-{number}") for number in range(250)))
    roll(bench)
    bench.choose(drift={"rolling": False})
    calls = len(site.ledger.calls(LOOK_UP))
    bench.pass_time(hours=1)
    bench.maintain()
    assert (run(bench)["state"], counts(bench)) == ("done", (0, 0, 100, 0))
    assert len(site.ledger.calls(LOOK_UP)) == calls


def test_a_scan_is_due_while_there_is_something_to_read_and_the_site_may_be_called(pool: Pool) -> None:
    lms = FakeLms(courses=lms_courses())
    bench = Workbench(pool, lms)
    bench.done(*hires(2))

    def due() -> bool:
        with transaction(pool) as db:
            return scans_due(db) == [bench.integration_id]

    assert not due()
    scan_now(pool, bench.integration(), by=BY)
    assert due()
    bench.set_state("paused")
    assert not due()
    bench.set_state("active")
    bench.scan()
    assert not due()


def test_what_was_found_about_somebody_goes_when_hr_has_them_erased(pool: Pool) -> None:
    """S17: the next scan compares nothing of theirs but the suspension, and keeps no value."""
    site = academy()
    bench = Workbench(pool, site, **TELL)
    bench.done(*hires(1))
    change_user(site, user_id(bench), lastname="Tampered")
    look(bench)
    bench.done(erased())
    look(bench)
    assert found(bench) == []
    assert bench.column("select count(*) from finding where ours is not null or held is not null") == [0]


def test_a_link_that_was_broken_takes_its_findings_along(pool: Pool) -> None:
    """Whose user it is nobody knows any more, so that the enrolment is a stranger's."""
    site = academy()
    bench = Workbench(pool, site, **TELL)
    bench.done(*hires(2))
    change_user(site, user_id(bench), lastname="Tampered")
    look(bench)
    bench.run("update account set lms_user_id = null, link = null where employee_key = 'E-1'")
    look(bench)
    assert found(bench) == [("unknown", "", "open")]
