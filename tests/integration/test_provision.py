"""
People become users of a Moodle: found or made, once, with what HR says, and never against somebody else's account.
"""

from typing import Any

import pytest
from structlog.testing import capture_logs

from db.pool import Pool
from simulators.moodle import MoodleSite, change_user
from simulators.moodle.state import User
from tests.support.builders import enrolled, hired, hires, payroll, terminated, updated
from tests.support.workbench import Workbench, academy, everything_stored

PSEUDO = {"people": {"no_email": "pseudo", "pseudo_domain": "hr.example.org"}}


def user(site: MoodleSite, key: str = "E-1") -> User:
    """The one account with this idnumber."""
    found = [one for one in site.state.users.values() if one.idnumber == key and not one.deleted]
    assert len(found) == 1, f"{len(found)} users have the idnumber {key}"
    return found[0]


def made(site: MoodleSite) -> list[str]:
    return [effect["idnumber"] for effect in site.ledger.effects("user created")]


def calls(site: MoodleSite) -> list[str]:
    return [call["function"] for call in site.ledger.calls()]


# The usual way


def test_a_new_employee_becomes_a_user_with_the_mail_address_as_identifier(pool: Pool) -> None:
    """R2, R53, R54, R62, R172: made from what HR says; Moodle makes and mails the password; the link is announced."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(infix="van der", last_name="Meer"))
    noor = user(site)
    assert (noor.username, noor.email) == ("noor1@example.org", "noor1@example.org")
    assert (noor.firstname, noor.lastname, noor.suspended) == ("Noor", "van der Meer", False)
    assert noor.preferences["auth_forcepasswordchange"] == "1"
    assert bench.account()["lms_user_id"] == str(noor.id)
    linked = bench.announced("lms.account.linked.v1")
    assert [(said["employee_key"], said["lms_user_id"], said["how"]) for said in linked] == [
        ("E-1", str(noor.id), "created")
    ]


def test_people_go_one_way_and_courses_and_results_the_other(pool: Pool) -> None:
    """R2, R3, R4: a user made by hand is no employee; no run ever makes a course, or writes a grade or a completion."""
    site = academy(users=[{"username": "byhand", "email": "byhand@example.org", "idnumber": "E-77"}])
    bench = Workbench(pool, site)
    bench.done(*hires(3), terminated("E-2", at=5))
    bench.poll()
    assert bench.column("select count(*) from person where employee_key = 'E-77'") == [0]
    assert set(site.ledger.counts()) <= {"user created", "user updated", "user suspended", "enrolled"}
    assert not [name for name in calls(site) if "course_create" in name or "grade_update" in name]
    assert len(site.state.courses) == 4


def test_a_second_run_makes_no_call(pool: Pool) -> None:
    """I3, B10: a wake-up repeated a hundred times is a query each."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(2))
    before = len(calls(site))
    for _ in range(100):
        bench.provision()
    bench.done(hired(at=0), hired("E-2"))
    assert len(calls(site)) == before


def test_only_what_changed_is_written(pool: Pool) -> None:
    """R55: one call for one changed name; the user name stays, because people know it by heart."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired())
    before = len(calls(site))
    bench.done(updated(last_name="Other", emails=["other@example.org"]))
    assert calls(site)[before:] == ["core_user_update_users"]
    assert site.ledger.effects("user updated")[0]["fields"] == {"lastname": "Other", "email": "other@example.org"}
    assert user(site).username == "noor1@example.org"


# Leaving and returning


def test_a_terminated_employee_is_suspended_and_a_rehired_one_has_the_same_account(pool: Pool) -> None:
    """R55: suspended, not deleted; unsuspended on return, and no second account."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    bench.done(terminated(at=2))
    assert user(site).suspended
    bench.done(updated(at=3))
    assert not user(site).suspended
    assert made(site) == ["E-1"]


@pytest.mark.parametrize(
    ("status", "suspended"), [("active", False), ("on_leave", False), ("suspended", True), ("terminated", True)]
)
def test_every_status_has_its_side(pool: Pool, status: str, suspended: bool) -> None:
    """R55: each value of the fixed list, for somebody who is there already."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(status="active" if suspended else "suspended"))
    bench.done(updated(status=status))
    assert user(site).suspended is suspended


def test_somebody_who_left_before_being_provisioned_gets_no_account(pool: Pool) -> None:
    """F1: leave before hire; the enrolment is not wanted either, and nobody is alarmed. On return both are made."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(terminated(at=2), enrolled())
    assert made(site) == []
    assert (bench.account()["state"], bench.account()["lms_user_id"]) == ("settled", None)
    assert (bench.placement()["state"], bench.placement()["code"]) == ("not_wanted", "person_left")
    assert bench.failures() == []
    bench.done(updated(at=3))
    assert made(site) == ["E-1"]
    assert bench.placement()["state"] == "settled"


def test_a_person_who_leaves_the_scope_is_suspended_only_where_that_is_chosen(pool: Pool) -> None:
    """R18, R20: suspended and recorded as out of scope; back in scope, the same account is used."""
    site = academy()
    bench = Workbench(pool, site, payrolls="selected", when_out_of_scope="suspend")
    bench.done(payroll(), hired(), hired("E-2", payroll="NL-03"))
    assert made(site) == ["E-1"]
    bench.done(payroll(enabled=False, at=1))
    assert user(site).suspended
    assert (bench.account()["state"], bench.account()["code"]) == ("out_of_scope", "payroll_not_selected")
    bench.done(payroll(at=2))
    assert not user(site).suspended
    assert made(site) == ["E-1"]


# Finding who is there


@pytest.mark.parametrize(
    ("held", "how"),
    [({"idnumber": "E-1", "email": "old@example.org"}, "external_key"), ({"email": "noor1@example.org"}, "email")],
)
def test_somebody_who_is_there_is_adopted_and_keeps_user_name_and_password(
    pool: Pool, held: dict[str, str], how: str
) -> None:
    """R67, R164: found by key or address; the fields HR keeps are brought in line, nothing else is touched."""
    site = academy(users=[{"username": "their.own", "firstname": "N", "lastname": "M", **held}])
    bench = Workbench(pool, site, password="Preset-canary-1", people={"password": "preset"})
    bench.done(hired(), enrolled())
    noor = user(site)
    assert (noor.username, noor.email, noor.firstname) == ("their.own", "noor1@example.org", "Noor")
    assert noor.preferences == {}
    assert made(site) == []
    assert bench.announced("lms.account.linked.v1")[0]["how"] == how
    assert bench.placement()["state"] == "settled"


@pytest.mark.parametrize(
    ("users", "code"),
    [
        ([{"idnumber": "E-1"}, {"idnumber": "E-1"}], "several_candidates"),
        ([{"email": "noor1@example.org"}, {"email": "noor1@example.org"}], "several_candidates"),
        ([{"email": "noor1@example.org", "idnumber": "SOMEBODY"}], "account_of_another"),
        ([{"idnumber": "E-1"}, {"email": "noor1@example.org"}], "email_taken"),
    ],
)
def test_where_it_is_not_clear_who_is_meant_a_person_decides(
    pool: Pool, users: list[dict[str, str]], code: str
) -> None:
    """F4, D21, R143: two candidates, somebody else's account, key and address of two: parked, nothing is touched."""
    seeded = [{"username": f"u{n}", "email": f"u{n}@example.org"} | held for n, held in enumerate(users)]
    site = academy(users=seeded)
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    assert (bench.account()["state"], bench.account()["code"]) == ("parked", code)
    assert bench.failures() == [("account", code)]
    assert site.ledger.effects() == []


@pytest.mark.parametrize("username", ["guest", "ws_matricula"])
def test_a_protected_account_is_never_touched(pool: Pool, username: str) -> None:
    """S15, D21: the guest and the account that the token belongs to, even when the address matches."""
    site = academy()
    protected = site.state.by_username[username]
    change_user(site, protected, email="noor1@example.org")
    bench = Workbench(pool, site)
    bench.done(hired(), enrolled())
    assert (bench.account()["state"], bench.account()["code"]) == ("parked", "protected_account")
    assert site.ledger.effects() == []


def test_an_administrator_with_the_same_address_is_not_changed(pool: Pool) -> None:
    """S15, D21: Moodle refuses; the person is parked and enrolled nowhere."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(emails=["admin@academy.example"]), enrolled())
    assert (bench.account()["state"], bench.account()["code"]) == ("parked", "user_protected")
    assert site.ledger.effects() == []


def test_two_new_people_with_one_address_never_become_two_users_or_one_person(pool: Pool) -> None:
    """F4: the first gets the account, the second is parked visibly, in one batch and even in other spelling."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired("E-1", emails=["both@example.org"]), hired("E-2", emails=["Both@Example.org"]), hired("E-3"))
    assert made(site) == ["E-1", "E-3"]
    assert (bench.account("E-2")["state"], bench.account("E-2")["code"]) == ("parked", "account_of_another")
    assert bench.failures() == [("account", "account_of_another")]
    bench.done(updated("E-2", emails=["own@example.org"]))
    assert made(site) == ["E-1", "E-3", "E-2"]
    assert bench.failures() == []


def test_an_address_taken_in_another_case_is_explained(pool: Pool) -> None:
    """R62: Moodle only says no; we say why, and whose address it is by id."""
    site = academy(users=[{"username": "u", "email": "NOOR1@Example.org", "idnumber": "X"}])
    bench = Workbench(pool, site)
    bench.done(hired(), hired("E-2"))
    assert bench.account()["code"] == "email_taken"
    assert made(site) == ["E-2"]
    assert bench.column("select detail from failure") == ["LMS user 4 has this e-mail address"]


# Addresses that are made up


def test_a_real_address_that_comes_later_updates_the_same_account(pool: Pool) -> None:
    """R63, R65: no address and then one; a corrected id number in between; one account all along."""
    site = academy()
    bench = Workbench(pool, site, **PSEUDO)
    bench.done(hired(emails=[], id_number="ID 900"))
    assert user(site).email == "id900.1@undeliverable.hr.example.org"
    bench.done(updated(at=1, emails=[], id_number="ID 901"))
    bench.done(updated(at=2, emails=["real@example.org"]))
    assert user(site).email == "real@example.org"
    assert made(site) == ["E-1"]


def test_two_people_with_one_made_up_address_are_detected(pool: Pool) -> None:
    """R66: the same id and employee number in two payrolls; one account, and the second person visibly parked."""
    site = academy()
    bench = Workbench(pool, site, **PSEUDO)
    same = {"emails": [], "id_number": "900", "employee_number": "7"}
    bench.done(hired("E-1", **same), hired("E-2", payroll="NL-03", **same))
    assert made(site) == ["E-1"]
    assert bench.failures() == [("account", "account_of_another")]


def test_nobody_mails_a_made_up_address(pool: Pool) -> None:
    """R63: Moodle is given a password that nobody knows, so that it does not mail one."""
    site = academy()
    bench = Workbench(pool, site, **PSEUDO)
    bench.done(hired(emails=[]))
    assert user(site).preferences == {"auth_forcepasswordchange": "1"}
    assert made(site) == ["E-1"]


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"first_name": " "}, "first_name_missing", "first_name"),
        ({"last_name": None}, "last_name_missing", "last_name"),
        ({"emails": []}, "email_missing", "e-mail"),
        ({"emails": ["not an address"]}, "email_malformed", "emails[0]"),
    ],
)
def test_a_missing_field_is_named_before_any_call(pool: Pool, said: dict[str, Any], code: str, field: str) -> None:
    """R53, R54, R64, R167, R171: HR's to correct, person by person; the correction heals it by itself."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(**said))
    assert calls(site) == []
    assert bench.failures() == [("account", code)]
    assert field in bench.column("select detail from failure")[0]
    bench.done(updated())
    assert made(site) == ["E-1"]
    assert bench.failures() == []


@pytest.mark.parametrize(
    "said",
    [
        {"id_number": "0000000000000"},
        {"id_number": "not a number at all"},
        {"id_number": None, "attributes": {}},
        {"starts_on": None, "ends_on": None, "phone": "unknown"},
        {"attributes": {"gender": "?", "disability": "n/a", "employment_status": ""}},
    ],
    ids=["no check digit", "no number", "nothing", "no dates", "codes of no authority"],
)
def test_what_an_authority_would_demand_stops_nobody(pool: Pool, said: dict[str, Any]) -> None:
    """R52: compliance is the client's; HR's data goes as it is, and nothing is even reported."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(hired(**said), enrolled())
    assert made(site) == ["E-1"]
    assert bench.placement()["state"] == "settled"
    assert bench.failures() == []


def test_neither_address_nor_id_number_cannot_be_provisioned(pool: Pool) -> None:
    """R64, R73: although made-up addresses are allowed."""
    bench = Workbench(pool, academy(), **PSEUDO)
    bench.done(hired(emails=[], id_number=None))
    assert bench.failures() == [("account", "identity_missing")]


def test_the_external_id_is_the_identity_where_that_is_chosen(pool: Pool) -> None:
    """R164, R167: it becomes the idnumber; an empty one is a failure that names the field."""
    site = academy()
    bench = Workbench(pool, site, people={"identity": "external_id", "username": "external_id"})
    bench.done(hired(external_id="X-900"), hired("E-2"))
    assert user(site, "X-900").username == "x-900"
    assert bench.failures() == [("account", "external_id_missing")]


# Passwords


def test_a_preset_password_is_sent_once_to_be_changed_and_kept_nowhere(pool: Pool) -> None:
    """R67, S5: forced change at first login; neither the database nor the log has it, nor has a failure."""
    site = academy()
    sent: list[str] = []
    plain, secret = site.read, "Preset-canary-1"
    site.read = lambda request: (sent.append(request.body.decode()), plain(request))[1]  # type: ignore[method-assign]
    bench = Workbench(pool, site, password=secret, people={"password": "preset"})
    with capture_logs() as logs:
        bench.done(hired(), hired("E-2", emails=["ws_matricula@academy.example"]), enrolled())
    assert sum(secret in body for body in sent) == 1
    assert user(site).preferences == {"auth_forcepasswordchange": "1"}
    assert secret not in everything_stored(pool)
    assert secret not in str(logs)
    assert logs


# User names

NAMES = {"people": {"username": "first_infix_last"}}


def test_people_of_one_name_get_user_names_of_their_own(pool: Pool) -> None:
    """R166, R168, R169, R170: in one batch, in a later one, and where somebody in the LMS has the name already."""
    site = academy(users=[{"username": "jose.o-neil", "email": "x@example.org"}])
    bench = Workbench(pool, site, **NAMES)
    jose = {"first_name": "José", "last_name": " O-Neil "}
    bench.done(hired("E-1", **jose), hired("E-2", **jose))
    bench.done(hired("E-3", first_name="Jose", last_name="O-Neil"))
    assert [user(site, f"E-{n}").username for n in (1, 2, 3)] == [f"jose.o-neil-e-{n}" for n in (1, 2, 3)]
    assert user(site, "E-1").firstname == "José"


def test_the_first_of_two_namesakes_has_the_plain_name(pool: Pool) -> None:
    """R170: never attached to the other's account, and a replay changes nothing."""
    site = academy()
    bench = Workbench(pool, site, **NAMES)
    bench.done(*(hired(f"E-{n}", last_name="Meer") for n in (1, 2)))
    assert [user(site, f"E-{n}").username for n in (1, 2)] == ["noor.meer", "noor.meer-e-2"]
    assert made(site) == ["E-1", "E-2"]


# Many at once


def test_one_bad_person_in_a_hundred_costs_only_itself_and_few_calls(pool: Pool) -> None:
    """R158, D24: the batch is halved until the bad one stands alone."""
    site = academy(users=[{"username": "u", "email": "NOOR37@example.org", "idnumber": "X"}])
    bench = Workbench(pool, site)
    bench.done(*(hired(f"E-{n}") for n in range(1, 101)))
    assert len(made(site)) == 99
    assert bench.failures() == [("account", "email_taken")]
    assert calls(site).count("core_user_create_users") <= 15
    assert len(calls(site)) <= 20


def test_a_burst_of_two_hundred_hires_is_a_handful_of_calls(pool: Pool) -> None:
    """Architecture, rule 4: accounts and enrolments for 200 people in at most twelve calls, counted here and there."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(200))
    assert len(made(site)) == 200
    assert len(site.ledger.effects("enrolled")) == 200
    assert len(calls(site)) <= 12
    assert bench.column("select sum(calls)::int from lms_calls") == [len(calls(site))]
