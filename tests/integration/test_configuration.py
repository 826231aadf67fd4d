"""
Integrations as people set them up: checked when saved, secrets sealed, every version of the settings kept.
"""

import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from db import configuration
from db.accounts import WorkStore
from db.configuration import IntegrationRow
from db.failures import IntegrationNameTaken, LmsTaken
from db.pool import Pool, transaction
from db.vault import unknown_keys, unsealed
from domain.errors import HoldIntegration, NeedsAttention, ProvisioningError
from domain.integration import IntegrationSettings
from lms.opening import Gateways
from ops import actions, life, selfcheck
from ops.actions import NotFound, Refused
from ops.keys import rotate
from runtime.secrets import MasterKeys, Secret, new_key
from runtime.settings import Settings
from simulators.faults import Fault
from simulators.moodle import MoodleSite
from simulators.moodle.build import add_token
from simulators.server import serve
from tests.support.builders import MOODLE, TENANT, hired, lms_courses, payroll, settings
from tests.support.fake_lms import FakeLms
from tests.support.operators import BY
from tests.support.workbench import KEY, KEYS, TOKEN, Workbench, academy, everything_stored, store_events
from workers.apply import apply_events
from workers.boot import Sites
from workers.provision import provision

PRIVATE = Settings("postgresql://x", "amqp://x", KEYS, allow_private_lms=True)


@pytest.fixture
def site() -> MoodleSite:
    return academy()


@pytest.fixture
def url(site: MoodleSite) -> Iterator[str]:
    with serve(site) as found:
        yield found


def save(pool: Pool, url: str, tenant: str = TENANT, token: str = TOKEN, **chosen: Any) -> IntegrationRow:
    wanted = settings(url=url, **chosen)
    actions.add_integration(pool, PRIVATE, tenant, wanted, Secret(token), None, by=BY)
    return actions.find_integration(pool, wanted.name, tenant)


# Names and addresses


def test_a_name_tells_the_integrations_of_one_company_apart(pool: Pool) -> None:
    """R16: several per company, each name once; another company may use the same name."""
    save(pool, "http://127.0.0.1:1001")
    save(pool, "http://127.0.0.1:1002", name="Other")
    save(pool, "http://127.0.0.1:1003", tenant="beta")
    with pytest.raises(IntegrationNameTaken):
        save(pool, "http://127.0.0.1:1004")
    with pytest.raises(NotFound, match="add --tenant"):
        actions.find_integration(pool, "Acme Moodle", None)


@pytest.mark.parametrize(
    "again", ["http://127.0.0.1:1001/", "HTTP://127.0.0.1:1001", " http://127.0.0.1:1001// ", "http://127.0.0.1:1001"]
)
def test_one_lms_serves_one_integration(pool: Pool, again: str) -> None:
    """R13: however the address is spelled, and whichever company asks."""
    save(pool, "http://127.0.0.1:1001")
    with pytest.raises(LmsTaken):
        save(pool, again, tenant="beta")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://academy.example.org", "url_not_https"),
        ("https://127.0.0.1", "url_private"),
        ("https://nowhere.invalid", "url_unresolvable"),
        ("https://", "url_malformed"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_its_reason(pool: Pool, url: str, code: str) -> None:
    """R12, R22: when it is saved; nothing is stored."""
    public = Settings("postgresql://x", "amqp://x", KEYS)
    with pytest.raises(NeedsAttention) as refused:
        actions.add_integration(pool, public, TENANT, settings(url=url), Secret(TOKEN), None, by=BY)
    assert refused.value.code == code
    with transaction(pool) as db:
        assert configuration.integrations(db) == []


# Secrets


def test_the_token_is_stored_sealed_and_bound_to_its_integration(pool: Pool) -> None:
    """R23, S6: nothing in the database opens it without the key, and it opens for no other row or company."""
    row = save(pool, "http://127.0.0.1:1001")
    other = save(pool, "http://127.0.0.1:1002", tenant="beta", name="Other")
    assert TOKEN not in everything_stored(pool)
    assert TOKEN not in repr(row)
    assert unsealed(row, "token", row.token_sealed, KEYS).reveal() == TOKEN
    flipped = bytes([*row.token_sealed[:-1], row.token_sealed[-1] ^ 1])
    moved = [
        (row, row.token_sealed, MasterKeys.read(new_key())),
        (row, flipped, KEYS),
        (row, other.token_sealed, KEYS),
        (replace(row, name="Elsewhere"), row.token_sealed, KEYS),
        (replace(row, data_key=other.data_key), row.token_sealed, KEYS),
    ]
    for integration, sealed, keys in moved:
        with pytest.raises(HoldIntegration, match="key_mismatch"):
            unsealed(integration, "token", sealed, keys)


def test_a_newer_master_key_takes_over_without_touching_a_secret(pool: Pool) -> None:
    """S6: the data keys are wrapped anew; the former key is not needed any more, and before that it is not lost."""
    row = save(pool, "http://127.0.0.1:1001")
    save(pool, "http://127.0.0.1:1002", tenant="beta", name="Other")
    newer = new_key()
    both, alone = MasterKeys.read(f"{newer}\n{KEY}\n"), MasterKeys.read(newer)
    with pytest.raises(Refused, match=KEYS.names[0]):
        rotate(pool, replace(PRIVATE, master_keys=alone), by=BY)

    assert rotate(pool, replace(PRIVATE, master_keys=both), by=BY) == 2

    again = actions.find_integration(pool, row.name, TENANT)
    assert again.token_sealed == row.token_sealed
    assert unsealed(again, "token", again.token_sealed, alone).reveal() == TOKEN
    assert rotate(pool, replace(PRIVATE, master_keys=both), by=BY) == 0
    with transaction(pool) as db:
        assert unknown_keys(db, alone.names) == []
        assert unknown_keys(db, KEYS.names) == alone.names


def test_with_a_wrong_master_key_nothing_is_sealed(pool: Pool) -> None:
    """E5: what could not be opened again is never written."""
    row = save(pool, "http://127.0.0.1:1001")
    wrong = replace(PRIVATE, master_keys=MasterKeys.read(new_key()))
    with pytest.raises(HoldIntegration, match="key_mismatch"):
        actions.replace_token(pool, wrong, row, Secret("another"), by=BY)
    assert actions.find_integration(pool, row.name, TENANT).token_sealed == row.token_sealed


FAULTS = [
    Fault("*", close="reset", name="reset"),
    Fault("*", status=401, name="refused"),
    Fault("*", status=500, body="trace", name="server error"),
    Fault("*", status=302, redirect="http://127.0.0.1:9/", name="moved"),
    Fault("*", errorcode="invalidtoken", name="token"),
    Fault("*", errorcode="invalidparameter", name="parameter"),
    Fault("*", json=[{"id": "12"}], name="wrong types"),
    Fault("*", page="login", name="page"),
]


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: str(fault.status or fault.errorcode or fault.close or "odd")
)
def test_whatever_goes_wrong_the_token_is_neither_logged_nor_stored_nor_raised(
    pool: Pool, site: MoodleSite, url: str, fault: Fault
) -> None:
    """R23, S5, I10: every kind of trouble, over a real connection, in checks and in work."""
    row = save(pool, url)
    with transaction(pool) as db:
        configuration.set_state(db, row, "active")
    store_events(pool, hired())
    apply_events(pool, TENANT, [].append)
    site.faults.add(fault)
    with capture_logs() as logs, Gateways(allow_private=True, deadline=timedelta(seconds=5)) as gateways:
        rules = Workbench.work_rules()
        provision(row.integration_id, pool=pool, open_site=Sites(gateways, KEYS, pool), rules=rules)
        raised = failure_of(gateways, url)
    checks = selfcheck.check(pool, PRIVATE, row, by=BY).checks
    assert any(check.state == "failed" for check in checks)
    told = "".join(traceback.format_exception(raised)) + repr(raised)
    for place in (str(logs), str(checks), told, everything_stored(pool)):
        assert TOKEN not in place
    assert logs


def failure_of(gateways: Gateways, url: str) -> ProvisioningError:
    with pytest.raises(ProvisioningError) as raised:
        gateways.open(settings(url=url), Secret(TOKEN)).courses()
    return raised.value


def test_another_master_key_holds_the_integration_and_writes_nothing(pool: Pool, site: MoodleSite, url: str) -> None:
    """E5: no call is made, and the token stays as it was sealed."""
    row = save(pool, url)
    with transaction(pool) as db:
        found = WorkStore(db, row.integration_id).integration()
    assert found is not None
    with (
        Gateways(allow_private=True, deadline=timedelta(seconds=5)) as gateways,
        pytest.raises(HoldIntegration) as held,
    ):
        Sites(gateways, MasterKeys.read(new_key()), pool)(found)
    assert held.value.code == "key_mismatch"
    assert site.ledger.calls() == []
    assert actions.find_integration(pool, row.name, TENANT).token_sealed == row.token_sealed


def test_a_replaced_token_is_used_from_the_next_call_on(pool: Pool, site: MoodleSite, url: str) -> None:
    """R49, E2: workers that have the site open notice."""
    row = save(pool, url)
    with Gateways(allow_private=True, deadline=timedelta(seconds=5)) as gateways:
        sites = Sites(gateways, KEYS, pool)

        def asked() -> str:
            with transaction(pool) as db:
                found = WorkStore(db, row.integration_id).integration()
            assert found is not None
            return sites(found).gateway.site().user_id

        assert asked() == "3"
        add_token(site, "another-token", 2)
        del site.state.tokens[TOKEN]
        actions.replace_token(pool, PRIVATE, row, Secret("another-token"), by=BY)
        assert asked() == "2"


def held_for_an_hour(pool: Pool, url: str) -> actions.IntegrationRow:
    """An active integration whose token is refused, and which will be probed in an hour."""
    actions.enable(pool, PRIVATE, save(pool, url), by=BY)
    row = actions.find_integration(pool, MOODLE, TENANT)
    with transaction(pool) as db:
        WorkStore(db, row.integration_id).quarantine("token_refused", "invalidtoken", timedelta(hours=1))
    return row


def probes_due(pool: Pool) -> int:
    with transaction(pool) as db:
        found = db.execute("select count(*) from integration where state = 'quarantined' and resume_at <= now()")
        return int(found.fetchall()[0][0])


def test_a_new_token_is_tried_at_once(pool: Pool, url: str) -> None:
    """E2: whoever mended the cause does not wait for the next probe."""
    row = held_for_an_hour(pool, url)
    assert probes_due(pool) == 0
    actions.replace_token(pool, PRIVATE, row, Secret(TOKEN), by=BY)
    assert probes_due(pool) == 1


def test_a_green_test_by_hand_ends_the_waiting_and_a_red_one_does_not(pool: Pool, site: MoodleSite, url: str) -> None:
    """E2: a quarantine ends by a probe, or by somebody who asks for one."""
    row = held_for_an_hour(pool, url)
    token = site.state.tokens.pop(TOKEN)
    selfcheck.check(pool, PRIVATE, row, by=BY)
    assert probes_due(pool) == 0
    site.state.tokens[TOKEN] = token
    selfcheck.check(pool, PRIVATE, row, by=BY)
    assert probes_due(pool) == 1


@pytest.mark.parametrize(("choice", "password"), [("preset", None), ("lms", "Preset-canary-1")])
def test_a_preset_password_is_given_exactly_when_it_is_wanted(pool: Pool, choice: str, password: str | None) -> None:
    """R67: it is configuration of each integration, and no constant."""
    wanted = settings(url="http://127.0.0.1:1001", people={"password": choice})
    with pytest.raises(Refused):
        actions.add_integration(pool, PRIVATE, TENANT, wanted, Secret(TOKEN), password and Secret(password), by=BY)  # type: ignore[arg-type]


def test_a_preset_password_is_sealed_too(pool: Pool) -> None:
    """R67, S6."""
    wanted = settings(url="http://127.0.0.1:1001", people={"password": "preset"})
    actions.add_integration(pool, PRIVATE, TENANT, wanted, Secret(TOKEN), Secret("Preset-canary-1"), by=BY)
    assert "Preset-canary-1" not in everything_stored(pool)
    assert actions.find_integration(pool, wanted.name, TENANT).has_password


# States and versions


def test_saving_is_not_enabling(pool: Pool, site: MoodleSite, url: str) -> None:
    """R160, R175: a draft calls nobody; enabling checks first, and changes nothing when the check fails."""
    row = save(pool, url, token="wrong-token")
    assert row.state == "draft"
    assert site.ledger.calls() == []
    with pytest.raises(actions.NotReady):
        actions.enable(pool, PRIVATE, row, by=BY)
    assert actions.find_integration(pool, row.name, TENANT).state == "draft"
    actions.replace_token(pool, PRIVATE, row, Secret(TOKEN), by=BY)
    actions.enable(pool, PRIVATE, actions.find_integration(pool, row.name, TENANT), by=BY)
    assert actions.find_integration(pool, row.name, TENANT).state == "active"


def test_an_integration_may_be_tested_while_it_is_paused(pool: Pool, site: MoodleSite, url: str) -> None:
    """R161, R180: only harmless calls are made, and it stays paused."""
    actions.enable(pool, PRIVATE, save(pool, url), by=BY)
    row = actions.find_integration(pool, MOODLE, TENANT)
    life.pause(pool, row, by=BY)
    checks = selfcheck.check(pool, PRIVATE, row, by=BY).checks
    assert {check.state for check in checks} == {"ok", "not checked"}
    assert site.ledger.effects() == []
    assert actions.find_integration(pool, row.name, TENANT).state == "paused"


def test_every_version_of_the_settings_is_kept_and_decisions_name_theirs(pool: Pool) -> None:
    """E6: an account says by which version it was decided, and that version can still be read."""
    bench = Workbench(pool, FakeLms(courses=lms_courses()), payrolls="selected")
    bench.tell(payroll(), hired("E-1"))
    assert bench.account()["settings_version"] == 1
    bench.choose(people={"identity": "external_id", "username": "external_id"})
    assert bench.account()["settings_version"] == 2
    versions = bench.rows("select version, settings from integration_settings order by version")
    assert [IntegrationSettings.model_validate(row["settings"]).people.identity for row in versions] == [
        "person_id",
        "external_id",
    ]
    assert bench.failures() == [("account", "external_id_missing")]
