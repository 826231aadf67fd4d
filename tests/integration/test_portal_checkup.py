"""A portal is looked at like any LMS: once a day, by hand, and before it is enabled."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from db.checks import CheckStore
from db.pool import Pool, transaction
from domain.checks import RED, Identity
from lms.opening import Gateways
from ops import actions, selfcheck
from simulators.server import serve
from simulators.talentlms import TalentSite, talent_site
from tests.integration.test_checkup import Checked
from tests.integration.test_configuration import PRIVATE
from tests.support.builders import BY_CODE, MOODLE, TENANT, course, enrolled, hired
from tests.support.operators import BY


@pytest.fixture
def site() -> TalentSite:
    return talent_site()


@pytest.fixture
def bench(pool: Pool, site: TalentSite) -> Iterator[Checked]:
    with serve(site) as url, Gateways(allow_private=True, deadline=timedelta(seconds=5)) as gateways:
        made = Checked(pool, site, lms="talentlms", enrolments=BY_CODE, url=url, people={"key_field": "custom_field_1"})
        made.gateways = gateways
        with transaction(pool) as db:
            CheckStore(db, made.integration_id).pin(Identity(url, ""))
        yield made


def test_a_portals_lines_are_kept_and_its_calls_counted(bench: Checked) -> None:
    bench.daily()

    assert bench.failures() == []
    assert bench.column("select state from integration_check where name = 'really TalentLMS'") == ["ok"]
    assert bench.column("select count(*) from integration_check where name like 'function%%'") == [0]
    assert bench.column("select count(*) from lms_calls where function = 'siteinfo'") == [1]


def test_an_api_that_is_switched_off_is_told_once_and_ends_by_itself(bench: Checked, site: TalentSite) -> None:
    """R117."""
    site.settings = replace(site.settings, api=False)
    for _ in range(2):
        bench.daily()
    assert bench.failures() == [("integration", "api_off")]

    site.settings = replace(site.settings, api=True)
    bench.daily()
    assert bench.failures() == []


def test_a_portal_is_tested_by_hand(bench: Checked, pool: Pool) -> None:
    """R180."""
    found = selfcheck.check(pool, PRIVATE, actions.find_integration(pool, MOODLE, TENANT), by=BY)

    assert found.identity == Identity(bench.integration().url, "")
    assert [check for check in found.checks if check.state in RED] == []


def test_groups_that_enrolments_lead_into_are_looked_for_before_somebody_waits_for_them(bench: Checked) -> None:
    """R131: a key that the portal does not know is one line that warns and names it."""
    bench.tell(course("C-FIRE", group_key="NOWHERE"), hired(), enrolled())
    bench.daily()

    lines = bench.rows("select state, code, detail from integration_check where name = 'groups'")
    assert [(line["state"], line["code"]) for line in lines] == [("warning", "group_unknown")]
    assert "NOWHERE" in lines[0]["detail"]
