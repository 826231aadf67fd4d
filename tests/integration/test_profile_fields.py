"""HR's values reach the profile fields of a Moodle, and nothing else of the profile is ever touched."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from db.configuration import change_settings
from db.lms_fields import FieldStore
from db.pool import Pool, open_pool, transaction
from domain.integration import IntegrationSettings
from domain.lms import LmsField
from ops.cli.main import app
from ops.cli.output import Exit
from runtime.secrets import new_key
from simulators.moodle import MoodleSite
from simulators.moodle.build import HR_FIELDS, add_profile_fields, add_user
from simulators.moodle.state import ProfileField, Settings
from simulators.server import serve
from tests.support.builders import event, hired, hires, results, terminated, updated
from tests.support.workbench import TOKEN, Workbench, academy, everything_stored

OPTIONS = ("Active", "On Leave", "Terminated")
STATUS = {
    "lms_field": "employment_status",
    "kind": "menu",
    "source": "status",
    "options": OPTIONS,
    "value_map": {"active": "Active", "on_leave": "On Leave", "terminated": "Terminated"},
}
NUMBER = {"lms_field": "employee_number", "kind": "text", "source": "employee_number"}
TITLE = {"lms_field": "job_title", "kind": "text", "source": "attributes.job"}
HIRED_ON = {"lms_field": "hire_date", "kind": "datetime", "source": "starts_on", "when_empty": "clear"}
PAID = {"lms_field": "payroll_enabled", "kind": "checkbox", "source": "attributes.paid"}
REFERENCE = {"lms_field": "job_title", "kind": "text", "source": "payroll.uif_ref"}
WRITES = ("core_user_create_users", "core_user_update_users")


def mapped(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"people": {"fields": list(fields)}, "timezone": "Europe/Amsterdam"}


def profile(site: MoodleSite, key: str = "E-1") -> dict[str, str]:
    """What the one account with this idnumber holds in its profile."""
    [found] = [one for one in site.state.users.values() if one.idnumber == key and not one.deleted]
    return {name: value for name, value in found.custom.items() if value}


def writes(site: MoodleSite) -> int:
    return len([call for call in site.ledger.calls() if call["function"] in WRITES])


def told_payroll(reference: str, at: int, name: str = "NL-02", **said: Any) -> dict[str, Any]:
    data = {"payroll": name, "attributes": {"uif_ref": reference}} | said
    return event("hr.payroll.updated.v1", name, data, at)


def details(bench: Workbench) -> list[str]:
    return bench.column("select detail from failure where resolved_at is null order by code")


def test_a_new_employee_gets_the_mapped_fields_with_the_account(pool: Pool) -> None:
    """R30, R32, R33, R34, R37, R40: menu, text, date at midnight there, and a checkbox; one call makes all of it."""
    site = academy()
    bench = Workbench(pool, site, **mapped(STATUS, NUMBER, HIRED_ON, PAID))
    bench.done(hired(starts_on="2026-01-01", attributes={"paid": "yes"}))
    assert profile(site) == {
        "employment_status": "Active",
        "employee_number": "1",
        "hire_date": "1767222000",
        "payroll_enabled": "1",
    }
    assert writes(site) == 1
    assert bench.failures() == []


def test_only_the_fields_that_changed_are_written(pool: Pool) -> None:
    """R30, R37: and a second run writes nothing."""
    site = academy()
    bench = Workbench(pool, site, **mapped(STATUS, TITLE, PAID))
    bench.done(hired(attributes={"job": "Fitter", "paid": False}))
    bench.done(updated(attributes={"job": "Turner", "paid": False}))
    assert [effect["fields"] for effect in site.ledger.effects("user updated")] == [{"custom": {"job_title": "Turner"}}]
    before = writes(site)
    bench.done(updated(attributes={"job": "Turner", "paid": False}, at=5))
    assert writes(site) == before


def test_unmapped_fields_are_never_written(pool: Pool) -> None:
    """R30, R42: what somebody at the LMS filled in stays, whatever HR sends, and is not stored here."""
    site = academy()
    add_user(site, username="noor", email="noor1@example.org", idnumber="E-1", custom={"job_title": "Secret keeper"})
    bench = Workbench(pool, site, **mapped(NUMBER))
    bench.done(hired(starts_on="2026-01-01", attributes={"job_title": "Fitter", "employment_status": "Active"}))
    bench.done(terminated(at=3))
    assert profile(site) == {"job_title": "Secret keeper", "employee_number": "1"}
    assert "Secret keeper" not in everything_stored(pool)


def test_somebody_who_is_there_already_is_compared_field_by_field(pool: Pool) -> None:
    """R30: an unset field is an empty one, and an unticked box is a no, so neither needs a call."""
    site = academy()
    add_user(
        site,
        username="noor",
        email="noor1@example.org",
        idnumber="E-1",
        firstname="Noor",
        lastname="Meer",
        custom={"employee_number": "1"},
    )
    bench = Workbench(pool, site, **mapped(NUMBER, HIRED_ON, PAID))
    bench.done(hired(infix=None, last_name="Meer", attributes={"paid": "no"}))
    assert bench.account()["lms_user_id"] is not None
    assert writes(site) == 0


def test_a_value_that_is_no_option_is_left_out_and_the_stored_one_stays(pool: Pool) -> None:
    """R32: the person is kept up to date all the same; told once, and healed when HR corrects it."""
    site = academy()
    bench = Workbench(pool, site, **mapped(STATUS, NUMBER))
    bench.done(hired())
    bench.done(updated(status="suspended", employee_number="77"))
    assert profile(site) == {"employment_status": "Active", "employee_number": "77"}
    bench.done(updated(status="suspended", employee_number="78", at=2))
    bench.provision()
    assert bench.failures() == [("account", "field_option_missing")]
    assert details(bench) == ["employment_status is not among the menu's options"]
    assert bench.account()["state"] == "settled"
    bench.done(updated(status="on_leave", employee_number="78", at=4))
    assert profile(site)["employment_status"] == "On Leave"
    assert bench.failures() == []


def test_a_newcomer_with_a_value_that_is_no_option_is_made_without_it(pool: Pool) -> None:
    """R32: decided: the user is saved, the field is not."""
    site = academy()
    bench = Workbench(pool, site, **mapped({**STATUS, "source": "attributes.state", "value_map": {}}, HIRED_ON))
    bench.done(hired(attributes={"state": "Retired"}, starts_on="2026-01-01"))
    assert profile(site) == {"hire_date": "1767222000"}
    assert bench.failures() == [("account", "field_option_missing")]


def test_several_bad_fields_are_one_failure_of_the_account(pool: Pool) -> None:
    """R32, R33: by name, without the values, which may be personal."""
    site = academy()
    bench = Workbench(pool, site, **mapped({**HIRED_ON, "source": "attributes.since"}, PAID))
    bench.done(hired(attributes={"since": "some day in May", "paid": "perhaps"}))
    assert bench.failures() == [("account", "field_value_bad")]
    assert details(bench) == ["hire_date is not a date; payroll_enabled is neither yes nor no"]
    bench.done(updated(attributes={}))
    assert bench.failures() == []


def test_a_corrected_map_heals_what_it_could_not_send(pool: Pool) -> None:
    """R32."""
    site = academy()
    bench = Workbench(pool, site, **mapped(STATUS))
    bench.done(hired(status="suspended"))
    assert bench.failures() == [("account", "field_option_missing")]
    translated = {**STATUS, "value_map": {**STATUS["value_map"], "suspended": "On Leave"}}  # type: ignore[dict-item]
    bench.choose(**mapped(translated))
    bench.provision()
    assert profile(site) == {"employment_status": "On Leave"}
    assert bench.failures() == []


def test_an_emptied_date_is_cleared_and_an_emptied_text_is_left(pool: Pool) -> None:
    """R34: each as its map says."""
    site = academy()
    bench = Workbench(pool, site, **mapped(HIRED_ON, TITLE))
    bench.done(hired(starts_on="2026-01-01", attributes={"job": "Fitter"}))
    bench.done(updated(starts_on=None, attributes={}))
    assert profile(site) == {"job_title": "Fitter"}


def test_a_change_of_a_payroll_touches_its_people_and_nobody_else(pool: Pool) -> None:
    """R40: a reference that belongs to the payroll."""
    site = academy()
    bench = Workbench(pool, site, **mapped(REFERENCE))
    bench.done(
        told_payroll("U-77", 0), hired("E-1", payroll="NL-02"), hired("E-2", payroll="NL-02"), hired("E-3", payroll="X")
    )
    assert (profile(site, "E-1"), profile(site, "E-3")) == ({"job_title": "U-77"}, {})
    before = len(site.ledger.effects("user updated"))
    bench.done(told_payroll("U-78", 5))
    assert [profile(site, key) for key in ("E-1", "E-2", "E-3")] == [{"job_title": "U-78"}, {"job_title": "U-78"}, {}]
    assert len(site.ledger.effects("user updated")) - before == 2


def test_a_payrolls_own_fields_may_come_with_the_word_on_its_scope(pool: Pool) -> None:
    """R40: enabling names them too; the word on the details counts more."""
    site = academy()
    bench = Workbench(pool, site, **mapped(REFERENCE))
    said = {"payroll": "NL-02", "attributes": {"uif_ref": "U-1"}}
    bench.done(event("hr.payroll.enabled.v1", "NL-02", said), hired(payroll="NL-02"))
    assert profile(site) == {"job_title": "U-1"}
    bench.done(told_payroll("U-2", 1), event("hr.payroll.disabled.v1", "NL-02", {"payroll": "NL-02"}, 2))
    assert profile(site) == {"job_title": "U-2"}


def test_a_field_that_is_mapped_later_reaches_everybody_in_batches(pool: Pool) -> None:
    """R30: people who were settled long ago too."""
    site = academy()
    bench = Workbench(pool, site)
    bench.done(*hires(3))
    bench.choose(**mapped(NUMBER))
    before = writes(site)
    bench.provision()
    assert [profile(site, f"E-{n}") for n in (1, 2, 3)] == [{"employee_number": str(n)} for n in (1, 2, 3)]
    assert writes(site) - before == 1
    bench.choose(**mapped())
    bench.provision()
    assert profile(site) == {"employee_number": "1"}


def test_what_was_changed_by_hand_is_put_back_by_a_sync(pool: Pool) -> None:
    """R30: mapped fields only."""
    site = academy()
    bench = Workbench(pool, site, **mapped(NUMBER))
    bench.done(hired())
    [noor] = [one for one in site.state.users.values() if one.idnumber == "E-1"]
    noor.custom |= {"employee_number": "by hand", "job_title": "by hand"}
    bench.tell(event("hr.sync.requested.v1", "Acme Moodle", {"integration": "Acme Moodle", "flows": ["people"]}, 9))
    bench.look_again()
    assert profile(site) == {"employee_number": "1", "job_title": "by hand"}


def test_what_discovery_saw_decides_what_would_be_wiped(pool: Pool) -> None:
    """R32, R39: an option that the LMS lost since the map was made is not sent any more."""
    site = academy()
    bench = Workbench(pool, site, **mapped(STATUS))
    lost = LmsField("user", "employment_status", "menu", "Employment Status", ("Active", "Terminated"))
    with transaction(pool) as db:
        FieldStore(db, bench.integration_id).keep([lost])
    bench.done(hired(status="on_leave"))
    assert profile(site) == {}
    assert bench.failures() == [("account", "field_option_missing")]


# From the command line


class Cli:
    def __init__(self, database_url: str) -> None:
        self._environment = {
            "DATABASE_URL": database_url,
            "AMQP_URL": "amqp://127.0.0.1:9/",
            "MATRICULA_KEY": new_key(),
            "MATRICULA_ALLOW_PRIVATE_LMS": "1",
            "MATRICULA_TOKEN": TOKEN,
        }

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env=self._environment)

    def fields(self, verb: str, *arguments: str) -> Result:
        reason = ("--reason", "asked to") if verb == "map" else ()
        return self("integration", "fields", verb, "Acme Moodle", *arguments, *reason)

    def json(self, verb: str, *arguments: str) -> Any:
        ended = self.fields(verb, *arguments, "--json")
        assert ended.exit_code == Exit.OK, ended.stderr
        return json.loads(ended.stdout)

    def line(self, lms_field: str) -> dict[str, Any]:
        [found] = [line for line in self.json("show") if line["lms_field"] == lms_field and line["area"] == "user"]
        return dict(found)


@pytest.fixture
def site() -> MoodleSite:
    made = academy(settings=Settings(registration=True))
    made.state.course_fields = (("Minimum pass rate", "pass_rate", "text", ()),)
    add_profile_fields(made, [ProfileField(f.shortname, f.name, f.kind, f.options, signup=True) for f in HR_FIELDS])
    return made


@pytest.fixture
def cli(database_url: str, site: MoodleSite, tmp_path: Path) -> Iterator[Cli]:
    with serve(site) as url:
        ready = Cli(database_url)
        file = tmp_path / "integration.json"
        file.write_text(json.dumps({"name": "Acme Moodle", "url": url, "results": results()}))
        ended = ready("integration", "add", str(file), "--tenant", "acme")
        assert ended.exit_code == Exit.OK, ended.stderr
        yield ready


def test_fields_are_discovered_mapped_and_shown_from_the_command_line(cli: Cli, database_url: str) -> None:
    """R28, R29, R30, R35: a draft too; a mapped field is a new version of the settings."""
    found = cli.json("discover")
    assert {(f["lms_field"], f["kind"], f["news"]) for f in found["fields"] if f["area"] == "user"} == {
        ("employment_status", "menu", "new"),
        ("employee_number", "text", "new"),
        ("job_title", "text", "new"),
        ("hire_date", "datetime", "new"),
        ("payroll_enabled", "checkbox", "new"),
    }
    assert [f["lms_field"] for f in found["fields"] if f["area"] == "course"] == ["pass_rate"]
    assert found["partial"]
    assert cli.line("employment_status")["source"] is None
    assert cli.fields("map", "employee_number", "employee_number").exit_code == Exit.OK
    assert cli.line("employee_number")["source"] == "employee_number"
    with open_pool(database_url, name="test", max_size=1) as pool, transaction(pool) as db:
        rows = db.execute("select settings_version, (select count(*) from sweep) from integration").fetchone()
    assert rows == (2, 3)
    assert cli.fields("map", "employee_number", "--no-choice").exit_code == Exit.OK
    assert cli.line("employee_number")["source"] is None


def test_the_list_of_fields_has_pages_of_ten(cli: Cli, site: MoodleSite) -> None:
    """R36: whole unless a page is asked for; 23 fields are two full pages and one of three."""
    add_profile_fields(site, [ProfileField(f"more{n:02}", f"More {n}", signup=True) for n in range(17)])
    cli.json("discover")
    everything = [line["lms_field"] for line in cli.json("show")]

    pages = [[line["lms_field"] for line in cli.json("show", "--page", str(n))] for n in (1, 2, 3)]

    assert [len(page) for page in pages] == [10, 10, 3]
    assert [name for page in pages for name in page] == everything
    assert "page 2 of 3" in cli.fields("show", "--page", "2").stderr
    assert cli.fields("show", "--page", "4").exit_code == Exit.NOTHING


def test_missing_options_are_listed_before_anything_is_sent(cli: Cli) -> None:
    """R32."""
    cli.json("discover")
    cli.json("map", "employment_status", "status", "--value", "active=Active", "--value", "on_leave=Away")
    assert cli.line("employment_status")["missing"] == ["Away", "suspended", "terminated"]
    assert "Away, suspended, terminated" in cli.fields("show").stdout


def test_what_cannot_fit_is_refused_on_saving_with_its_name(cli: Cli) -> None:
    """R31."""
    cli.json("discover")
    ended = cli.fields("map", "hire_date", "employee_number")
    assert ended.exit_code == Exit.USAGE
    assert "hire_date: a datetime field cannot take employee_number" in ended.stderr
    assert cli.line("hire_date")["source"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["unheard_of", "status"], "unheard_of has not been seen in the LMS"),
        (["job_title", "status", "--kind", "menu"], "job_title is a text in the LMS, not a menu"),
        (["employment_status", "status", "--option", "Retired"], "does not offer Retired"),
        (["other", "status", "--kind", "menu"], "does not tell the options of other"),
        (["other", "status", "--kind", "social"], "fields of type social cannot be kept up to date"),
        (["job_title"], "name a source"),
        (["job_title", "status", "--no-choice"], "name a source"),
        (["employment_status", "status", "--value", "active"], "--value active"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_choice_that_contradicts_what_was_seen_is_refused(cli: Cli, arguments: list[str], says: str) -> None:
    """R31, R39."""
    cli.json("discover")
    ended = cli.fields("map", *arguments)
    assert ended.exit_code == Exit.REFUSED
    assert says in ended.stderr


def test_a_field_that_nobody_can_see_may_be_named_by_hand(cli: Cli) -> None:
    """R28: discovery is partial, so it is no gate."""
    said = cli.json("map", "cost_centre", "attributes.free_1", "--kind", "text", "--payroll", "NL-02")
    assert (said["lms_field"], said["payrolls"]) == ("cost_centre", ["NL-02"])
    assert (cli.line("cost_centre")["source"], cli.line("cost_centre")["note"]) == ("attributes.free_1", "never seen")


def test_a_later_discovery_keeps_maps_and_flags_what_changed_or_went(cli: Cli, site: MoodleSite) -> None:
    """R35, R39: a new label breaks nothing; a new field is told; one that went or changed its type is flagged."""
    cli.json("discover")
    for field in ("employee_number", "job_title", "hire_date"):
        cli.json("map", field, "attributes.free_1")
    del site.state.profile_fields["job_title"]
    add_profile_fields(
        site,
        [
            ProfileField("employee_number", "Staff No.", signup=True),
            ProfileField("hire_date", "Hire Date", signup=True),
            ProfileField("grade", "Grade", "menu", ("A", "B"), signup=True),
        ],
    )
    news = {f["lms_field"]: f["news"] for f in cli.json("discover")["fields"] if f["area"] == "user"}
    assert news == {
        "employee_number": "changed",
        "employment_status": "same",
        "grade": "new",
        "hire_date": "changed",
        "job_title": "gone",
        "payroll_enabled": "same",
    }
    assert (cli.line("employee_number")["name"], cli.line("employee_number")["note"]) == ("Staff No.", "")
    assert cli.line("job_title")["note"] == "not seen any more"
    assert cli.line("hire_date")["note"] == "was a datetime, is a text now"
    assert [cli.line(name)["source"] for name in ("employee_number", "job_title")] == ["attributes.free_1"] * 2
    assert cli.line("grade")["options"] == ["A", "B"]


def test_without_fields_nothing_is_shown(cli: Cli) -> None:
    ended = cli.fields("show")
    assert ended.exit_code == Exit.NOTHING
    assert "discover" in ended.stderr


def test_a_renamed_label_changes_nothing_for_people(pool: Pool) -> None:
    """R35: the map is by short name."""
    moodle = academy()
    bench = Workbench(pool, moodle, **mapped(NUMBER))
    bench.done(hired())
    add_profile_fields(moodle, [ProfileField("employee_number", "Staff No.")])
    before = writes(moodle)
    bench.done(updated(employee_number="2"))
    assert profile(moodle) == {"employee_number": "2"}
    assert writes(moodle) - before == 1


def test_settings_saved_before_there_were_fields_still_hold(pool: Pool) -> None:
    bench = Workbench(pool, academy())
    row = bench.integration()
    del row.settings["people"]["fields"]
    kept = IntegrationSettings.model_validate(row.settings)
    with transaction(pool) as db:
        change_settings(db, row, kept)
    bench.done(hired())
    assert bench.account()["wanted"]["custom"] == {}


def test_a_course_field_that_can_never_fit_is_refused_when_it_is_saved(
    cli: Cli, site: MoodleSite, tmp_path: Path
) -> None:
    """R31, R38: by what was discovered; the settings stay as they were."""
    cli.json("discover")
    held = json.loads(cli("integration", "show", "Acme Moodle", "--json").stdout)["settings"]

    def edit(kind: str) -> Result:
        file = tmp_path / "edited.json"
        fields = {"pass_rate": {"to": "minimum_pass_rate", "kind": kind}}
        file.write_text(json.dumps(held | {"catalogue": {"fields": fields}}))
        return cli("integration", "edit", "Acme Moodle", str(file), "--reason", "asked to")

    refused = edit("yes_no")

    assert refused.exit_code == Exit.REFUSED
    assert "pass_rate is a text and can be no yes/no" in refused.stderr
    assert edit("number").exit_code == Exit.OK


def test_fields_are_known_once_the_integration_is_enabled(cli: Cli) -> None:
    """R28, R29: nobody has to think of it."""
    assert cli("integration", "enable", "Acme Moodle").exit_code == Exit.OK
    assert {line["area"] for line in cli.json("show")} == {"user", "course"}
