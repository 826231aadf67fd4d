"""An integration's life from the command line: saved, changed, enabled, paused, resumed, removed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from db.pool import Pool, transaction
from domain.integration import IntegrationSettings
from ops import actions, life
from ops.cli.output import Exit
from ops.life import differences
from runtime.settings import read_settings
from simulators.moodle import MoodleSite
from simulators.moodle.build import add_user
from simulators.server import serve
from tests.support.builders import COURSES, MOODLE, TENANT, hired, payroll, results
from tests.support.command_line import Cli
from tests.support.mailbox import Mailbox, mailbox
from tests.support.operators import BY
from tests.support.workbench import TOKEN, academy, store_events
from workers.apply import CHUNK, apply_events

GUIDE = "https://guide.example.org/start"


@pytest.fixture
def site() -> MoodleSite:
    return academy(courses=COURSES)


@pytest.fixture
def url(site: MoodleSite) -> Iterator[str]:
    with serve(site) as found:
        yield found


@pytest.fixture
def cli(database_url: str, tmp_path: Path, url: str) -> Cli:
    return Cli(tmp_path, url, database_url)


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as opened:
        yield opened


def rows(pool: Pool, statement: str) -> list[Any]:
    with pool.connection() as connection:
        return connection.execute(statement.encode()).fetchall()


def hire(pool: Pool, *keys: str, **said: Any) -> None:
    store_events(pool, *(hired(key, **said) for key in keys))
    apply_events(pool, TENANT, [].append)


# From draft to removal


def test_an_integration_goes_from_draft_over_active_and_paused_to_removed(cli: Cli) -> None:
    """R21, R161, R175, R179."""
    states = []
    for verb in (None, "enable", "pause", "resume", "pause"):
        ended = cli(verb, MOODLE) if verb else cli.add()
        assert ended.exit_code == Exit.OK, ended.output
        states.append(cli.state())
    removed = cli("remove", MOODLE, "--yes")

    assert states == ["draft", "active", "paused", "active", "paused"]
    assert removed.exit_code == Exit.OK
    assert cli("show", MOODLE).exit_code == Exit.NOTHING
    assert [row["state"] for row in cli.json("list", "--removed")] == ["removed"]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_draft_is_neither_paused_nor_resumed(cli: Cli, verb: str) -> None:
    """R175: it has never worked."""
    cli.add()

    assert cli(verb, MOODLE).exit_code == Exit.REFUSED
    assert cli.state() == "draft"


def test_pausing_and_resuming_twice_is_harmless_and_said(cli: Cli) -> None:
    """R161"""
    cli.add("--enable")

    assert [cli.json(verb, MOODLE)["changed"] for verb in ("pause", "pause", "resume", "resume")] == [
        True,
        False,
        True,
        False,
    ]


def test_a_removed_integration_keeps_its_history_and_frees_name_and_site(
    cli: Cli, pool: Pool, site: MoodleSite
) -> None:
    """R179: links, results and settings stay; the accounts in the LMS are untouched; no secret stays."""
    cli.add("--enable")
    hire(pool, "E-1")
    rows_before = rows(pool, "select count(*) from account")
    calls = len(site.ledger.calls())

    assert cli("remove", MOODLE, "--yes").exit_code == Exit.OK

    assert rows(pool, "select count(*) from account") == rows_before
    assert rows(pool, "select token_sealed, password_sealed from integration") == [(b"", None)]
    assert rows(pool, "select count(*) from integration_settings") == [(1,)]
    assert len(site.ledger.calls()) == calls
    assert site.ledger.effects() == []
    assert cli.add().exit_code == Exit.OK
    assert len(rows(pool, "select 1 from integration")) == 2


def test_a_removed_integration_gets_no_new_people(cli: Cli, pool: Pool) -> None:
    """R179: nothing is wanted of it any more, so nothing is ever called."""
    cli.add("--enable")
    cli("remove", MOODLE, "--yes")

    hire(pool, "E-1")

    assert rows(pool, "select count(*) from account") == [(0,)]


def test_removing_asks_and_can_be_thought_better_of(cli: Cli) -> None:
    """R179"""
    cli.add()

    assert cli("remove", MOODLE, given="n\n").exit_code == Exit.REFUSED
    assert cli.state() == "draft"


def test_what_people_did_is_on_record(cli: Cli, pool: Pool) -> None:
    """R163: who looks later sees when it was enabled, paused, resumed, edited, given another token and removed."""
    cli.add("--enable")
    cli("pause", MOODLE)
    cli("resume", MOODLE)
    cli("edit", MOODLE, cli.file(timezone="Europe/Amsterdam"))
    cli("set-token", MOODLE)
    cli("remove", MOODLE, "--yes")

    kinds = [kind for (kind,) in rows(pool, "select kind from timeline order by timeline_id")]
    done = ("enabled", "paused", "resumed", "edited", "token replaced", "removed")
    assert kinds == [f"integration {what}" for what in done]


# Enabling


def test_enabling_refuses_on_red_with_the_list_of_gaps(cli: Cli, site: MoodleSite) -> None:
    """R160: every gap at once, each with its owner and where to click; the state stays."""
    cli.add(results=results(report="77"))
    site.state.tokens[TOKEN] = type(site.state.tokens[TOKEN])(
        3, site.state.tokens[TOKEN].functions - {"core_user_update_users"}
    )

    ended = cli("enable", MOODLE)

    assert ended.exit_code == Exit.REFUSED
    assert "function core_user_update_users" in ended.stdout
    assert "External services > Functions" in ended.stdout
    assert "report_unknown" in ended.stderr or "function_missing" in ended.stderr
    assert cli.state() == "draft"


def test_the_monthly_cost_is_confirmed(cli: Cli) -> None:
    """R177: by --yes where nobody can be asked, and not asked again while it works."""
    cli.add(monthly_cost="EUR 45")

    unasked = cli("enable", MOODLE)
    confirmed = cli("enable", MOODLE, "--yes")
    again = cli("enable", MOODLE)

    assert (unasked.exit_code, confirmed.exit_code, again.exit_code) == (Exit.REFUSED, Exit.OK, Exit.OK)
    assert "EUR 45 a month" in unasked.stderr
    assert "works already" in again.stdout


def test_one_welcome_mail_goes_out_per_enabling_and_none_per_save(cli: Cli, box: Mailbox) -> None:
    """R83, R178: with the link to the guide; told by the command that sent it."""
    mail = {"MATRICULA_SMTP_URL": box.url, "MATRICULA_MAIL_FROM": "matricula@example.org"}
    welcome = {"mail_to": ["hr@example.org", "it@example.org"], "guide_url": GUIDE}
    cli.add(welcome=welcome)
    first = cli("enable", MOODLE, **mail)
    cli("enable", MOODLE, **mail)
    cli("edit", MOODLE, cli.file(welcome=welcome, timezone="Europe/Amsterdam"), **mail)
    cli("pause", MOODLE, **mail)
    cli("resume", MOODLE, **mail)
    sent_so_far = len(box.taken)
    cli("pause", MOODLE, **mail)
    cli("enable", MOODLE, **mail)

    assert "Welcome mail sent to 2 addresses" in first.stdout
    assert sent_so_far == 1
    assert len(box.taken) == 2
    assert box.recipients[0] == ["hr@example.org", "it@example.org"]
    assert box.taken[0]["Subject"] == f"{MOODLE} is enabled"
    assert GUIDE in box.taken[0].get_content()
    assert TOKEN not in box.taken[0].as_string()


@pytest.mark.parametrize("trouble", ["no server", "nobody", "refused", "away"])
def test_a_mail_that_cannot_go_out_is_said_and_undoes_nothing(cli: Cli, box: Mailbox, trouble: str) -> None:
    """R83: enabling stands."""
    box.refuse = trouble == "refused"
    url = {"no server": "", "away": "smtp://127.0.0.1:9"}.get(trouble, box.url)
    cli.add(welcome={"mail_to": [] if trouble == "nobody" else ["hr@example.org"]})

    ended = cli("enable", MOODLE, MATRICULA_SMTP_URL=url, MATRICULA_MAIL_FROM="matricula@example.org" if url else "")

    assert ended.exit_code == Exit.OK
    assert "No welcome mail" in ended.stdout
    assert cli.state() == "active"


def test_a_mail_password_is_not_sent_in_the_open(cli: Cli, box: Mailbox) -> None:
    """S5: the server offers no encryption."""
    cli.add(welcome={"mail_to": ["hr@example.org"]})

    ended = cli(
        "enable",
        MOODLE,
        MATRICULA_SMTP_URL=box.url.replace("smtp://", "smtp://desk:canary-pass@"),
        MATRICULA_MAIL_FROM="matricula@example.org",
    )

    assert "offers no encryption" in ended.stdout
    assert "canary-pass" not in ended.output
    assert box.taken == []


# Editing


def test_an_edit_is_a_new_version_and_shows_what_changed(cli: Cli, pool: Pool) -> None:
    cli.add()

    done = cli.json("edit", MOODLE, cli.file(timezone="Europe/Amsterdam", people={"email_choice": 2}))

    assert done["version"] == 2
    assert {(c["setting"], c["before"], c["after"]) for c in done["changes"]} == {
        ("timezone", "UTC", "Europe/Amsterdam"),
        ("people.email_choice", 1, 2),
    }
    assert rows(pool, "select version from integration_settings order by version") == [(1,), (2,)]


def test_an_edit_without_a_difference_is_no_version(cli: Cli, pool: Pool) -> None:
    cli.add()

    ended = cli("edit", MOODLE, cli.file())

    assert "nothing differs" in ended.stdout
    assert rows(pool, "select settings_version from integration") == [(1,)]


def test_a_dry_run_changes_nothing(cli: Cli) -> None:
    cli.add()

    shown = cli("edit", MOODLE, cli.file(timezone="Europe/Amsterdam"), "--dry-run")

    assert "Europe/Amsterdam" in shown.stdout
    assert cli.json("show", MOODLE)["settings"]["timezone"] == "UTC"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "Another"}, "the name stays"),
        ({"people": {"password": "preset"}}, "MATRICULA_PASSWORD"),
        ({"url": "https://127.0.0.1:9/x?y=1"}, "url_malformed"),
        ({"results": results(pass_outcome="NYC")}, "must differ"),
    ],
    ids=["name", "password", "URL", "pass is fail"],
)
def test_an_edit_that_cannot_be_is_refused_whole(cli: Cli, changes: dict[str, Any], said: str) -> None:
    """R22, R25, R67."""
    cli.add()

    ended = cli("edit", MOODLE, cli.file(**{"timezone": "Europe/Amsterdam", **changes}))

    assert ended.exit_code in (Exit.REFUSED, Exit.USAGE)
    assert said in ended.stderr
    assert cli.json("show", MOODLE)["settings_version"] == 1


def test_the_identity_of_linked_people_changes_only_when_they_are_rekeyed_on_purpose(cli: Cli, pool: Pool) -> None:
    """R164: refused after going live; with --rekey every linked person is to get the other key."""
    cli.add("--enable")
    hire(pool, "E-1", external_id="X-1")
    with transaction(pool) as db:
        db.execute("update account set lms_user_id = '11', link = 'given', state = 'settled'")
    other = cli.file(people={"identity": "external_id"})

    refused = cli("edit", MOODLE, other)
    done = cli.json("edit", MOODLE, other, "--rekey")
    apply_events(pool, TENANT, [].append)

    assert refused.exit_code == Exit.REFUSED
    assert "--rekey" in refused.stderr
    assert done["rekeyed"] == 1
    assert rows(pool, "select wanted ->> 'external_key', state, lms_user_id from account") == [("X-1", "due", "11")]


def test_before_going_live_the_identity_may_change(cli: Cli) -> None:
    """R164"""
    cli.add()

    assert cli.json("edit", MOODLE, cli.file(people={"identity": "external_id"}))["rekeyed"] == 0


def test_a_working_integration_is_not_moved_to_a_place_where_it_would_not_work(cli: Cli, url: str) -> None:
    """R69, R160"""
    cli.add("--enable")

    ended = cli("edit", MOODLE, cli.file(url="http://localhost:9"))

    assert ended.exit_code == Exit.REFUSED
    assert cli.json("show", MOODLE)["url"] == url


def test_an_edit_cannot_take_the_site_of_another_company(cli: Cli) -> None:
    """R13: also by editing, and whatever the scheme."""
    cli.add()
    cli("add", cli.file(name="Other", url="http://127.0.0.1:1001/b"), "--tenant", "beta")

    ended = cli("edit", "Other", cli.file(name="Other"), "--tenant", "beta")

    assert "lms_taken" in ended.stderr


def test_settings_that_somebody_else_changed_meanwhile_are_not_overwritten(cli: Cli, pool: Pool) -> None:
    cli.add()
    settings = read_settings(cli.environment)
    row = actions.find_integration(pool, MOODLE, TENANT)
    held = IntegrationSettings.model_validate(row.settings)
    life.edit(pool, settings, row, held.model_copy(update={"timezone": "Europe/Paris"}), by=BY)

    with pytest.raises(actions.Refused, match="meanwhile"):
        life.edit(pool, settings, row, held.model_copy(update={"timezone": "Europe/Rome"}), by=BY)


def test_differences_are_told_by_dotted_name() -> None:
    before = {"a": 1, "b": {"c": [1], "d": 2}, "gone": 3}
    after = {"a": 1, "b": {"c": [1, 2], "d": 2}, "new": 4}

    assert [(c.setting, c.before, c.after) for c in differences(before, after)] == [
        ("b.c", [1], [1, 2]),
        ("gone", 3, None),
        ("new", None, 4),
    ]


# What there is to look at


def test_hosting_contacts_and_promises_are_kept_and_shown(cli: Cli) -> None:
    """R14, R78, R79: and a red line says whom to ask first."""
    support = {
        "hosted_by": "provider",
        "host": {"name": "Harbour Hosting", "phone": "+31 20 000 0000"},
        "internal": [{"name": "HR desk", "email": "hr@example.org"}],
        "client": [{"name": "Client's IT"}],
        "service_level": {"name": "gold", "respond_within_h": 4},
    }
    cli.add(support=support)

    shown = cli("show", MOODLE).stdout
    tested = cli("test", MOODLE, MATRICULA_TOKEN="x").stdout

    for said in ("Harbour Hosting", "HR desk", "Client's IT", "gold, looked at within 4 h"):
        assert said in shown
    assert "token" in tested


def test_a_red_line_names_whom_to_ask(cli: Cli, site: MoodleSite) -> None:
    """R78"""
    cli.add(support={"host": {"name": "Harbour Hosting"}})
    site.state.tokens.clear()

    ended = cli("test", MOODLE)

    assert ended.exit_code == Exit.ERROR
    assert "ask Harbour Hosting" in ended.stdout


def test_a_test_says_name_state_detail_code_consequence_owner_and_where(cli: Cli, site: MoodleSite) -> None:
    """R176, R180: at any time, also of a draft and while paused."""
    cli.add()
    site.settings.rest = False

    (red,) = [check for check in cli.json("test", MOODLE) if check["state"] == "failed"]

    assert list(red) == ["name", "state", "detail", "code", "consequence", "owner", "where"]
    assert (red["name"], red["owner"]) == ("web services and REST", "LMS")
    assert "XML-RPC is not needed" in red["where"]


def test_payrolls_are_listed_with_scope_and_people(cli: Cli, pool: Pool) -> None:
    """R17 to R19: filter and sort are about the list only."""
    cli.add(payrolls="selected")
    hire(pool, "E-1", "E-2", payroll="NL-01")
    hire(pool, "E-3", payroll="NL-02")
    hire(pool, "E-4", payroll=None)
    store_events(pool, payroll("NL-01"), payroll("BE-01"))
    apply_events(pool, TENANT, [].append)

    everything = cli.json("payrolls", MOODLE)
    dutch = cli.json("payrolls", MOODLE, "--filter", "nl", "--sort", "people", "--descending")

    assert [(p["payroll"], p["in_scope"], p["people"]) for p in everything] == [
        ("BE-01", True, 0),
        ("NL-01", True, 2),
        ("NL-02", False, 1),
        (None, False, 1),
    ]
    assert [p["payroll"] for p in dutch] == ["NL-01", "NL-02"]


def test_payrolls_show_how_far_a_sweep_has_come(cli: Cli, pool: Pool) -> None:
    """R18, R72: looked at so far, then what the LMS still has to do; an empty one is a warning, not a success."""
    cli.add(payrolls="selected")
    hire(pool, *(f"E-{n}" for n in range(CHUNK + 1)), payroll="NL-01")
    assert apply_events(pool, TENANT, [].append) == 0
    store_events(pool, payroll("NL-01"))
    once = iter((False, False, True))
    apply_events(pool, TENANT, [].append, stopping=lambda: next(once))

    under_way = cli.json("payrolls", MOODLE)
    apply_events(pool, TENANT, [].append)
    store_events(pool, payroll("BE-01"))
    apply_events(pool, TENANT, [].append)
    done = {p["payroll"]: p for p in cli.json("payrolls", MOODLE)}

    assert [(p["sweep"], p["swept"], p["due"], p["linked"]) for p in under_way] == [
        (f"{CHUNK} of {CHUNK + 1}", CHUNK, CHUNK, 0)
    ]
    assert done["NL-01"]["sweep"].startswith("done 20")
    assert (done["NL-01"]["swept"], done["NL-01"]["due"]) == (CHUNK + 1, CHUNK + 1)
    assert done["BE-01"]["sweep"] == "warning: nobody is in it"
    assert "warning: nobody is in it" in cli("payrolls", MOODLE).stdout


def test_id_numbers_are_compared_before_enabling_and_nothing_is_written(cli: Cli, pool: Pool, site: MoodleSite) -> None:
    """R165: missing, different and duplicate ones, person by person."""
    users = [("E-1", "E-1", 1), ("", "E-2", 2), ("OLD-3", "E-3", 3), ("E-4", "E-4", 4), ("E-4", "", 44)]
    for idnumber, _, number in users:
        person = {"username": f"u{number}", "firstname": "Noor", "lastname": "Meer"}
        add_user(site, **person, email=f"noor{number}@example.org", idnumber=idnumber)
    cli.add()
    hire(pool, "E-1", "E-2", "E-3", "E-4", "E-5")

    ended = cli("idnumbers", MOODLE, "--json")
    compared = json.loads(ended.stdout)

    assert ended.exit_code == Exit.PARTLY
    assert (compared["right"], compared["absent"]) == (1, 1)
    assert [(f["employee_key"], f["kind"]) for f in compared["findings"]] == [
        ("E-2", "missing"),
        ("E-3", "different"),
        ("E-4", "duplicate"),
    ]
    assert site.ledger.effects() == []
