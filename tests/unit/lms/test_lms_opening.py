"""One address and one secret, and the gateway that the settings ask for."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import LmsThrottled
from domain.lms import LmsGateway, UnitGateway
from lms.moodle import MoodleGateway
from lms.opening import Gateways
from lms.talentlms import TalentGateway
from runtime.secrets import Secret
from simulators.server import serve
from simulators.talentlms import API_KEY, add_user, talent_site
from tests.support.builders import results
from tests.support.fake_lms import FakeLms
from tests.support.fake_portal import FakePortal
from tests.unit.domain.values import integration


@pytest.fixture
def gateways() -> Iterator[Gateways]:
    with Gateways(allow_private=True, deadline=timedelta(seconds=5)) as opened:
        yield opened


def test_a_portal_is_told_from_a_moodle_by_what_it_can_do(gateways: Gateways) -> None:
    moodle = gateways.open(integration(), Secret("t"))
    portal = gateways.open(integration(lms="talentlms"), Secret("t"))
    assert isinstance(moodle, MoodleGateway)
    assert isinstance(portal, TalentGateway)
    kinds: list[LmsGateway] = [moodle, portal, FakeLms(), FakePortal()]
    assert [isinstance(gateway, UnitGateway) for gateway in kinds] == [False, True, False, True]


def test_the_settings_say_where_a_portal_keeps_the_key(gateways: Gateways) -> None:
    site = talent_site()
    add_user(site, login="ann", custom_field_1="E-1")
    with serve(site) as url:
        for key_field, found in (("custom_field_1", 1), ("", 0)):
            chosen = integration(lms="talentlms", url=url, people={"key_field": key_field})
            gateway = gateways.open(chosen, Secret(API_KEY))
            assert len(gateway.find_users("external_key", ["E-1"])) == found


def test_the_budget_is_asked_by_a_portal(gateways: Gateways) -> None:
    def spent() -> Any:
        raise LmsThrottled("lms_throttled")

    portal = gateways.open(integration(lms="talentlms"), Secret("t"), budget=spent)
    with pytest.raises(LmsThrottled):
        portal.site()


def test_results_of_a_portal_need_no_report() -> None:
    assert integration(lms="talentlms", results=results()).results.report is None
