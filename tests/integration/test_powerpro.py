"""
A training administration's enrolments in a TalentLMS portal, as the PowerPro agent provisions them.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from db.pool import Pool
from simulators.faults import Fault
from simulators.talentlms import TalentLearners, TalentSite, add_user, talent_site
from tests.support.builders import Event, changed, course, enrolled, event, hired, updated, withdrawn
from tests.support.workbench import Workbench

TALENT = "Acme Talent"
GROUP = "77eD6LXHH"
PROVISIONED, REFUSED, LINKED = "lms.enrolment.provisioned.v1", "lms.enrolment.refused.v1", "lms.account.linked.v1"
CHOSEN: dict[str, Any] = {
    "name": TALENT,
    "url": "https://acme.talent.example",
    "lms": "talentlms",
    "people": {"accounts_for": "enrolled", "update_found": False},
}


def portal(**chosen: Any) -> TalentSite:
    courses = [{"id": 126, "name": "Fire safety", "code": "FIRE"}, {"id": 127, "name": "Labour law", "code": "LAW"}]
    groups = [{"name": "Autumn", "key": GROUP, "courses": []}]
    return talent_site(courses=courses, groups=groups, **chosen)


def bench_on(pool: Pool, site: TalentSite, **chosen: Any) -> Workbench:
    return Workbench(pool, site, **(CHOSEN | chosen))


def fire(at: int = 0, **said: Any) -> Event:
    return course("C-FIRE", at, **({"lms_course_id": "126", "title": "Fire safety"} | said))


def known_by_hr(key: str, lms_id: str, **said: Any) -> Event:
    return hired(key, lms_user_ids={TALENT: lms_id}, **said)


def done(site: TalentSite) -> list[str]:
    return [effect["kind"] for effect in site.ledger.effects()]


def asked(site: TalentSite) -> list[str]:
    """The calls that the portal counts."""
    return [call["function"] for call in site.ledger.calls() if call["function"] != "ratelimit"]


# What happens, and in which order


def test_a_newcomer_is_made_enrolled_grouped_and_logged_in_that_order(pool: Pool) -> None:
    """R129, R130, R135, R136, R138, R142, R144, R145: the id is told upstream, the log names course and group."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(group_key=GROUP), hired(), enrolled())

    assert done(site) == ["user created", "enrolled", "group joined"]
    [link] = bench.announced(LINKED)
    [provisioned] = bench.announced(PROVISIONED)
    user = site.ledger.effects("user created")[0]["user"]
    assert (link["lms_user_id"], link["how"], link["previous_id"]) == (str(user), "created", None)
    assert provisioned["text"] == f"Enrolled in course 126, group {GROUP} of {TALENT}"
    assert provisioned["group_key"] == GROUP
    [log] = bench.rows("select * from contact_log")
    assert (log["enrolment_key"], log["employee_key"], log["text"]) == ("EN-1", "E-1", provisioned["text"])
    assert bench.placement()["grouped"] == GROUP


def test_a_blank_group_key_means_no_group(pool: Pool) -> None:
    """R130"""
    site = portal()
    bench_on(pool, site).done(fire(group_key="  "), hired(), enrolled())
    assert done(site) == ["user created", "enrolled"]


def test_a_newcomer_costs_four_calls_and_a_known_student_one(pool: Pool) -> None:
    """Section 9 of the contract counts calls: look twice, make, enrol; then only enrol."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(), course("C-LAW", lms_course_id="127"), hired(), enrolled())
    before = len(asked(site))
    bench.done(hired("E-2"), enrolled("EN-2", "E-2"))
    new = asked(site)[before:]
    bench.done(enrolled("EN-3", course="C-LAW"))

    # Which fields a portal demands is asked once, for the first.
    assert new == ["users", "users", "usersignup", "addusertocourse"]
    assert asked(site)[before + 4 :] == ["addusertocourse"]


def test_an_unknown_group_fails_alone_and_the_enrolment_stands(pool: Pool) -> None:
    """R131, R145: its own retryable item; the contact log does not wait for it."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(group_key="nowhere"), hired(), enrolled())

    assert done(site) == ["user created", "enrolled"]
    assert bench.placement()["state"] == "settled"
    assert len(bench.announced(PROVISIONED)) == 1
    assert bench.failures() == [("membership", "group_unknown")]

    bench.done(fire(at=5, group_key=GROUP))

    assert done(site) == ["user created", "enrolled", "group joined"]
    assert bench.failures() == []
    assert len(bench.announced(PROVISIONED)) == 1


def test_a_group_that_could_not_be_joined_for_now_is_tried_again(pool: Pool) -> None:
    """R131, I3, I4"""
    site = portal()
    site.faults.add(Fault("addusertogroup", nth=1, status=500, commit="never"))
    bench = bench_on(pool, site)
    bench.done(fire(group_key=GROUP), hired(), enrolled())
    held = done(site)
    bench.pass_time(minutes=31)
    bench.provision()

    assert held == ["user created", "enrolled"]
    assert done(site) == [*held, "group joined"]
    assert bench.failures() == []


def test_a_failed_enrolment_brings_neither_group_nor_log_and_the_id_stays(pool: Pool) -> None:
    """R144, R145"""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(lms_course_id="999", group_key=GROUP), hired(), enrolled())

    assert done(site) == ["user created"]
    assert bench.account()["lms_user_id"] is not None
    assert bench.rows("select * from contact_log") == []
    assert bench.failures() == [("placement", "course_unknown")]


def test_one_bad_enrolment_does_not_stop_the_others(pool: Pool) -> None:
    """R158"""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(
        *(fire(), course("C-BAD", lms_course_id="999")),
        *(hired(f"E-{n}") for n in range(1, 6)),
        *(enrolled(f"EN-{n}", f"E-{n}", course="C-BAD" if n == 3 else "C-FIRE") for n in range(1, 6)),
    )
    assert len(site.ledger.effects("enrolled")) == 4
    assert bench.failures() == [("placement", "course_unknown")]


# Who is who


def test_hrs_second_id_is_looked_up_first_and_makes_no_account(pool: Pool) -> None:
    """R140, R192: the profile stays as it was found, and the id counts although HR's address differs."""
    site = portal(users=[{"id": 7, "login": "old", "email": "old@example.org", "first_name": "Norah"}])
    bench = bench_on(pool, site)
    bench.done(fire(), known_by_hr("E-1", "7"), enrolled())

    assert done(site) == ["enrolled"]
    assert bench.account()["link"] == "lms_id"
    assert site.state.users[7].first_name == "Norah"


@pytest.mark.parametrize("given", ["ZX-81", "7a", "0", "-7"])
def test_a_second_id_that_is_no_number_costs_no_call_and_is_kept(pool: Pool, given: str) -> None:
    """R139, R140: the next step is the address; what was written over stays in history and goes upstream."""
    site = portal(users=[{"id": 7, "login": "noor", "email": "noor1@example.org"}])
    bench = bench_on(pool, site)
    bench.done(fire(), known_by_hr("E-1", given), enrolled())

    assert (bench.account()["lms_user_id"], bench.account()["link"]) == ("7", "email")
    assert asked(site).count("users") == 1
    [link] = bench.announced(LINKED)
    assert link["previous_id"] == given
    assert bench.column("select data ->> 'given' from timeline where kind = 'no LMS user id'") == [given]


def test_a_second_id_of_nobody_falls_back_to_the_address(pool: Pool) -> None:
    """R141: "no such user" is a miss, not a failure."""
    site = portal(users=[{"id": 7, "login": "noor", "email": "noor1@example.org"}])
    bench = bench_on(pool, site)
    bench.done(fire(), known_by_hr("E-1", "4711"), enrolled())

    assert bench.account()["lms_user_id"] == "7"
    assert bench.failures() == []


def test_any_other_answer_is_not_a_miss(pool: Pool) -> None:
    """R141: a portal in trouble must not lead to a second account."""
    site = portal(users=[{"id": 7, "login": "noor", "email": "noor1@example.org"}])
    site.faults.add(Fault("users", nth=1, status=500, commit="never"))
    bench = bench_on(pool, site)
    bench.done(fire(), hired(), enrolled())
    bench.pass_time(minutes=31)
    bench.provision()

    assert done(site) == ["enrolled"]


def test_where_id_and_address_lead_apart_the_id_wins_and_it_is_reported(pool: Pool) -> None:
    """R143: never merged; everything else goes on."""
    site = portal(
        users=[
            {"id": 7, "login": "a", "email": "a@example.org"},
            {"id": 8, "login": "b", "email": "noor1@example.org"},
        ]
    )
    bench = bench_on(pool, site)
    bench.done(fire(), known_by_hr("E-1", "7"), enrolled())

    assert site.ledger.effects("enrolled")[0]["user"] == 7
    assert bench.placement()["state"] == "settled"
    assert bench.failures() == [("account", "email_of_another")]


def test_a_login_that_is_taken_leads_to_the_next_one(pool: Pool) -> None:
    """R170 on a portal: asked only when it says so; the other account is left alone."""
    site = portal(users=[{"id": 7, "login": "noor.meer1", "email": "other@example.org"}])
    bench = bench_on(pool, site, people=CHOSEN["people"] | {"username": "first_infix_last"})
    bench.done(fire(), hired(), enrolled())

    assert bench.account()["username"] == "noor.meer1-e-1"
    assert [user.login for user in site.state.users.values()] == ["admin", "noor.meer1", "noor.meer1-e-1"]
    assert bench.failures() == []


def test_an_answer_that_got_lost_makes_no_second_account(pool: Pool) -> None:
    """D5, I3: without a key of ours in the portal, user name and address tell that it is the one we made."""
    site = portal()
    site.faults.add(Fault("usersignup", nth=1, commit="before", close="reset"))
    bench = bench_on(pool, site)
    bench.done(fire(), hired(), enrolled())
    bench.pass_time(minutes=2)
    bench.provision()

    assert done(site) == ["user created", "enrolled"]
    assert bench.account()["link"] == "created"


# Conditions


@pytest.mark.parametrize(
    ("said", "about_course", "code"),
    [
        ({}, {"archived": True}, "course_archived"),
        ({}, {"export": False}, "course_export_off"),
        ({}, {"lms_course_id": "126a"}, "course_id_not_numeric"),
        ({"booking_status": "tentative"}, {}, "booking_tentative"),
        ({"status": "withdrawn"}, {}, "withdrawn"),
        ({"status": "completed"}, {}, "enrolment_completed"),
        ({"export": False}, {}, "export_off"),
    ],
)
def test_an_enrolment_that_misses_a_condition_is_refused_by_name(
    pool: Pool, said: dict[str, Any], about_course: dict[str, Any], code: str
) -> None:
    """R118 to R123, R127: told upstream with every condition; stored with the settings' version; no call is made."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(**about_course), hired(), enrolled(**said))

    assert asked(site) == []
    assert (bench.placement()["state"], bench.placement()["code"]) == ("not_wanted", code)
    [told] = bench.announced(REFUSED)
    failing = [one["condition"] for one in told["conditions"] if not one["holds"]]
    assert failing == [told["first_to_fix"]]
    assert len(told["conditions"]) == 9
    decision = bench.placement()["decision"]
    assert decision["settings_version"] == 1
    assert [one["condition"] for one in decision["conditions"] if not one["holds"]] == failing


def test_what_was_put_right_is_provisioned(pool: Pool) -> None:
    """R119: a tick later on counts."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(export=False), hired(), enrolled())
    bench.done(fire(at=5))

    assert done(site) == ["user created", "enrolled"]


def test_a_person_without_an_address_is_not_provisioned_unless_one_is_made_up(pool: Pool) -> None:
    """R126, and the switch per integration."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(), hired(emails=[]), enrolled())
    assert (bench.placement()["code"], done(site)) == ("email_missing", [])

    people = CHOSEN["people"] | {"no_email": "pseudo", "pseudo_domain": "hr.example.org"}
    nine_less_one = ["booking_confirmed", "enrolment_active", "enrolment_exported", "export_due", "not_provisioned"]
    bench.choose(people=people, enrolments={"conditions": nine_less_one})
    bench.provision()
    assert done(site) == ["user created", "enrolled"]


def day(offset: int) -> str:
    return (datetime.now(UTC) + timedelta(days=offset)).date().isoformat()


def test_nobody_is_made_before_the_export_day_and_a_changed_day_reschedules(pool: Pool) -> None:
    """R124, R132: and after provisioning another day changes nothing."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(), hired(), enrolled(export_on=day(3)))
    first = bench.placement()["due_at"]
    bench.done(changed(export_on=day(5)))
    later = bench.placement()["due_at"]
    assert (asked(site), (later - first).days) == ([], 2)

    bench.done(changed(at=3, export_on=day(-4)))
    made_up = done(site)
    bench.done(changed(at=4, export_on=day(9)))

    assert made_up == ["user created", "enrolled"]
    assert done(site) == made_up
    assert bench.placement()["state"] == "settled"


def test_where_only_the_day_counts_a_missed_one_is_never_made_up(pool: Pool) -> None:
    """R124: the other way; today still counts, and a new day does."""
    site = portal()
    bench = bench_on(pool, site, enrolments={"due": "today"})
    bench.done(fire(), hired(), enrolled(export_on=day(-1)))
    assert (bench.placement()["code"], done(site)) == ("export_day_missed", [])

    bench.done(changed(export_on=day(0)))
    assert done(site) == ["user created", "enrolled"]


def test_a_day_that_passed_while_it_was_paused_is_missed_too(pool: Pool) -> None:
    """R124: today only, and nobody worked that day."""
    site = portal()
    bench = bench_on(pool, site, enrolments={"due": "today"})
    bench.tell(fire(), hired(), enrolled(export_on=day(0)))
    bench.run("update placement set not_after = now() - interval '1 hour'")
    bench.provision()

    assert (bench.placement()["code"], asked(site).count("addusertocourse")) == ("export_day_missed", 0)


# Once, and only once


@pytest.mark.parametrize(
    "again",
    [
        {"deferred_on": "2026-07-01"},
        {"extended_to": "2027-01-31"},
        {"ends_on": "2027-06-30"},
        {"export": False},
    ],
)
def test_what_changes_after_provisioning_provisions_nothing_again(pool: Pool, again: dict[str, Any]) -> None:
    """R125, R128, R132, R133, R146: neither deferment nor extension, and unticking does not unenrol."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(), hired(), enrolled())
    before = asked(site)
    bench.done(changed(**again))

    assert asked(site) == before
    assert len(bench.announced(PROVISIONED)) == 1


def test_unticking_one_participant_leaves_the_others_in_the_course(pool: Pool) -> None:
    """R146"""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(), hired("E-1"), hired("E-2"), enrolled("EN-1", "E-1", export=False), enrolled("EN-2", "E-2"))
    assert [bench.placement(key)["state"] for key in ("EN-1", "EN-2")] == ["not_wanted", "settled"]


@pytest.mark.parametrize(("when_ended", "effects"), [(None, []), ("leave", []), ("remove", ["unenrolled"])])
def test_a_withdrawal_leaves_or_takes_away_as_chosen(pool: Pool, when_ended: str | None, effects: list[str]) -> None:
    """R133: a portal cannot suspend one enrolment, so leaving it is what happens unless removing is chosen."""
    site = portal()
    bench = bench_on(pool, site, enrolments={"when_ended": when_ended})
    bench.done(fire(), hired(), enrolled())
    bench.done(withdrawn())

    assert done(site) == ["user created", "enrolled", *effects]


@pytest.mark.parametrize("when_ended", ["leave", "remove"])
def test_before_a_withdrawal_takes_effect_results_are_read_once_more(pool: Pool, when_ended: str) -> None:
    """R133, R147: afterwards the enrolment is out of the result scope, whether it was left there or not."""
    site = portal()
    bench = bench_on(pool, site, enrolments={"when_ended": when_ended})
    bench.done(fire(units=[{"code": "FIREU1", "kind": "unit"}]), hired(), enrolled())
    user = site.ledger.effects("enrolled")[0]["user"]
    unit = next(unit for unit in site.state.courses[126].units if unit.name.startswith("FIREU1"))
    TalentLearners(site).complete_unit(user, 126, unit.id)
    bench.done(withdrawn())

    assert [(row["unit_code"], row["outcome"]) for row in bench.results()] == [("FIREU1", "C")]


def test_a_leaver_is_deactivated_and_comes_back_to_the_same_account(pool: Pool) -> None:
    """R55 on a portal."""
    site = portal()
    bench = bench_on(pool, site)
    bench.done(fire(), hired(), enrolled())
    bench.done(updated(status="terminated"))
    user = next(user for user in site.state.users.values() if user.login != "admin")
    gone = user.status
    bench.done(updated(at=3))

    assert (gone, user.status) == ("inactive", "active")
    assert len(site.ledger.effects("user created")) == 1


def test_the_administrator_is_never_touched(pool: Pool) -> None:
    """S15: although the address is the same."""
    site = portal()
    add_user(site, login="boss", email="noor1@example.org", user_type="Admin-Type")
    bench = bench_on(pool, site)
    bench.done(fire(), hired(), enrolled())

    assert done(site) == []
    assert bench.failures() == [("account", "protected_account")]


def test_hrs_units_and_odd_facts_stop_nobody(pool: Pool) -> None:
    """R115: a course that HR describes twice, once for this portal, is taken from the word for this portal."""
    site = portal()
    bench = bench_on(pool, site)
    general = event("hr.course.changed.v1", "C-FIRE", {"course_code": "C-FIRE", "lms_course_id": "999"})
    own = event(
        "hr.course.changed.v1",
        "C-FIRE",
        {"course_code": "C-FIRE", "integration": TALENT, "lms_course_id": " 126 ", "units": [{"code": "U1"}]},
        1,
    )
    bench.done(general, own, hired(), enrolled())

    assert site.ledger.effects("enrolled")[0]["course"] == 126
